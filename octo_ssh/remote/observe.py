"""Looks at a target in one round: ``observe.sh``, ``observe_places.sh``, ``facts_only.sh`` (SPEC section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octo_ssh.model.memory import line_sha256, parse_baseline
from octo_ssh.model.observed import (
    Baseline,
    Facts,
    Journal,
    Lease,
    Observed,
    PackagePlace,
    PlaceRequest,
)
from octo_ssh.model.program import LARGE_REPLY_BYTES, Reading, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.job import seen
from octo_ssh.remote.places import parse_places, place_words
from octo_ssh.remote.source import body

# fmt: off
NEEDED_TOOLS = frozenset((
    "cat", "chmod", "cp", "cut", "dd", "find", "grep", "gzip", "head", "id", "kill", "ln", "mkdir", "mkfifo", "mv",
    "readlink", "rm", "setsid", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar", "tr", "uname", "uniq",
    "wc", "xargs",
))
"""Programs without which a target cannot be deployed to; ``Facts.tools`` tells which are there."""
# fmt: on

PLACES = ("lease", "place", "timers", "places")
"""Files that ``observe_places`` and others are made of."""


def observe(root: str, project: str, environment: str | None, places: Sequence[PlaceRequest]) -> Reading[Observed]:
    """Facts, lease, journal, baseline, and the places that the login itself may look at.

    An empty ``project`` asks for no baseline. Raises RemoteError where ``root`` is not safe to use, and for a damaged
    baseline.
    """
    asked = tuple(places)
    known = (words.name(project), words.environment_name(environment)) if project else ("", "")

    def parse(reply: Reply) -> Observed:
        checked = replies.checked(reply)
        return parse_target(checked, parse_places(checked, asked), state_file(*known))

    return Reading(
        name="observing",
        body=body("lease", "job", "job_seen", "memory", "facts", *PLACES, "observe"),
        words=(root, *known, *place_words(asked)),
        parse=parse,
        max_reply_bytes=LARGE_REPLY_BYTES,
    )


def observe_places(
    root: str, project: str, environment: str | None, places: Sequence[PlaceRequest]
) -> Reading[Mapping[str, PackagePlace]]:
    """Package places alone, by step id: for another user, who may not read ``root``. ``root`` is absolute here."""
    asked = tuple(places)

    def parse(reply: Reply) -> Mapping[str, PackagePlace]:
        return parse_places(replies.checked(reply), asked)

    return Reading(
        name="observing",
        body=body(*PLACES, "observe_places"),
        words=(root, words.name(project), words.environment_name(environment), *place_words(asked)),
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


def state_file(project: str, environment: str) -> str:
    """Where the baseline is, from the target's root on."""
    return f"state/{project}/{environment}.json"


def parse_target(reply: Reply, packages: Mapping[str, PackagePlace], state: str) -> Observed:
    """What ``observe.sh`` tells besides places; ``state``: as ``state_file`` gives it. Raises ValueError, and
    RemoteError for a damaged baseline.
    """
    epoch, lease = replies.lease(reply.section("lease"))
    baseline = replies.optional(reply, "baseline")
    facts = _facts(reply)
    return Observed(
        facts=facts,
        lease=lease,
        epoch=epoch,
        journal=_journal(reply.section("journal")),
        baseline=Baseline() if baseline is None else parse_baseline(baseline, f"{facts.root}/{state}"),
        packages=packages,
        jobs=seen(reply),
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
