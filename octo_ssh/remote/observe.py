"""Looks at a target in one round: ``observe.sh``, ``observe_places.sh``, ``facts_only.sh`` (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from octo_ssh.model.memory import line_sha256, parse_baseline
from octo_ssh.model.observed import (
    Baseline,
    Facts,
    Journal,
    Lease,
    Observed,
    PackagePlace,
    Place,
    PlaceRequest,
    ReleaseFolder,
)
from octo_ssh.model.program import Reading, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body

# fmt: off
NEEDED_TOOLS = frozenset((
    "cat", "chmod", "cp", "cut", "find", "grep", "gzip", "head", "id", "kill", "ln", "mkdir", "mv", "readlink", "rm",
    "setsid", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar", "tr", "uname", "uniq", "wc", "xargs",
))
"""Programs without which a target cannot be deployed to; ``Facts.tools`` tells which are there."""
# fmt: on

_PLACES = ("place", "places")
_SHOWN_OWNER_BYTES = 300


def observe(root: str, project: str, environment: str | None, places: Sequence[PlaceRequest]) -> Reading[Observed]:
    """Facts, lease, journal, baseline, and the places that the login itself may look at.

    An empty ``project`` asks for no baseline. Raises RemoteError where ``root`` is not safe to use, and for a damaged
    baseline.
    """
    asked = tuple(places)
    known = (words.name(project), words.environment_name(environment)) if project else ("", "")

    def parse(reply: Reply) -> Observed:
        checked = replies.checked(reply)
        epoch, lease = replies.lease(checked.section("lease"))
        baseline = replies.optional(checked, "baseline")
        return Observed(
            facts=_facts(checked),
            lease=lease,
            epoch=epoch,
            journal=_journal(checked.section("journal")),
            baseline=Baseline() if baseline is None else parse_baseline(baseline),
            packages=_places(checked, asked),
        )

    return Reading(
        name="observing",
        body=body("lease", "memory", "facts", *_PLACES, "observe"),
        words=(root, *known, *_place_words(asked)),
        parse=parse,
    )


def observe_places(
    root: str, project: str, environment: str | None, places: Sequence[PlaceRequest]
) -> Reading[Mapping[str, PackagePlace]]:
    """Package places alone, by step id: for another user, who may not read ``root``. ``root`` is absolute here."""
    asked = tuple(places)

    def parse(reply: Reply) -> Mapping[str, PackagePlace]:
        return _places(replies.checked(reply), asked)

    return Reading(
        name="observing",
        body=body(*_PLACES, "observe_places"),
        words=(root, words.name(project), words.environment_name(environment), *_place_words(asked)),
        parse=parse,
    )


@dataclass(frozen=True, slots=True)
class Health:
    """What ``doctor`` asks of a target."""

    facts: Facts
    lease: Lease | None
    kills_user_processes: bool | None
    """logind ends what a login leaves behind; None where there is no logind."""


def facts(root: str) -> Reading[Health]:
    """The machine and the login, for ``doctor``."""
    return Reading(
        name="looking at the machine", body=body("lease", "facts", "facts_only"), words=(root,), parse=_health
    )


def _health(reply: Reply) -> Health:
    checked = replies.checked(reply)
    linger = checked.section("linger").strip()
    return Health(
        facts=_facts(checked),
        lease=replies.lease(checked.section("lease"))[1],
        kills_user_processes={b"b true": True, b"b false": False}.get(linger),
    )


def _facts(reply: Reply) -> Facts:
    user, uid, home, hostname, machine, kernel, boot, root, selinux, space = replies.fields(reply.section("facts"), 10)
    disk = replies.disk(space)
    if disk is None:
        raise ValueError("the target did not tell what is free on its disk (stat -f)")
    tools = reply.section("tools").decode("ascii").split()
    if not (uid.isascii() and uid.isdigit()):
        raise ValueError("the target did not tell the login's uid")
    return Facts(
        user=user,
        uid=int(uid),
        home=home,
        hostname=hostname,
        machine_id=machine,
        kernel=kernel,
        boot_id=boot,
        root=root,
        disk=disk,
        tools=frozenset(tools),
        selinux=selinux == "1",
    )


def _journal(content: bytes) -> Journal:
    if not content:
        return Journal()
    size, _, last = content.partition(b"\n")
    return Journal(head=line_sha256(last) if last else "", size=int(size))


def _place_words(places: tuple[PlaceRequest, ...]) -> Iterator[str]:
    for place in places:
        yield from (place.to, str(len(place.shared)), *place.shared)


def _places(reply: Reply, asked: tuple[PlaceRequest, ...]) -> dict[str, PackagePlace]:
    found = list(replies.groups(reply, "releases"))
    if len(found) != len(asked):
        raise ValueError(f"the reply tells of {len(found)} places instead of {len(asked)}")
    return {request.step_id: _place(request, group) for request, group in zip(asked, found, strict=True)}


def _place(request: PlaceRequest, group: Mapping[str, bytes]) -> PackagePlace:
    to, place, owner, writable, current, fingerprint, space = replies.fields(group.get("place", b""), 7)
    flags = group.get("shared", b"")
    if len(flags) != len(request.shared) or flags.strip(b"01"):
        raise ValueError("the reply does not tell which shared paths exist")
    names = replies.fields(group["releases"])
    sums = group.get("sums", b"")
    known = Place(place)
    releases: tuple[ReleaseFolder, ...] = ()
    if sums == b"unreadable":
        known = Place.UNREADABLE
    else:
        releases = tuple(map(ReleaseFolder, names, _sums(sums, len(names))))
    return PackagePlace(
        to=to,
        place=known,
        owner=_owner(owner) if known is Place.FOREIGN else "",
        writable=writable == "1",
        current=current or None,
        releases=releases,
        fingerprint=fingerprint.strip(),
        shared=frozenset(path for path, flag in zip(request.shared, flags, strict=True) if flag == ord("1")),
        disk=replies.disk(space),
    )


def _sums(lines: bytes, count: int) -> list[str]:
    """The digests, by position: sha256sum escapes odd names, busybox does not."""
    found = [words.digest(line.lstrip(b"\\")[:64].decode("ascii")) for line in lines.splitlines()]
    if len(found) != count:
        raise ValueError(f"the reply holds {len(found)} digests of {count} manifests")
    return found


def _owner(text: str) -> str:
    """Whose a place is: an owner file says root, project and environment; everything else is a sentence already."""
    lines = text.split("\n")
    if len(lines) == 4 and lines[0] == "1":
        text = f"project {lines[2]}, environment {lines[3]}, root {lines[1]}"
    return "".join(char if char.isprintable() else " " for char in text)[:_SHOWN_OWNER_BYTES]
