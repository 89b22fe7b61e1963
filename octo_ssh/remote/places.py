"""Package places in words and replies: ``places.sh``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from octo_ssh.model.observed import PackagePlace, Place, PlaceRequest, ReleaseFolder
from octo_ssh.model.program import Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.timers import parse_timers

_SHOWN_OWNER_BYTES = 300


def place_words(places: Sequence[PlaceRequest]) -> Iterator[str]:
    """The parameters of ``tell_places``."""
    for place in places:
        yield from (place.to, str(len(place.shared)), *place.shared)


def place_groups(reply: Reply, count: int) -> list[dict[str, bytes]]:
    """The sections of each place, in order. Raises ValueError when there are not ``count`` of them."""
    found = list(replies.groups(reply, "releases"))
    if len(found) != count:
        raise ValueError(f"the reply tells of {len(found)} places instead of {count}")
    return found


def parse_places(reply: Reply, asked: Sequence[PlaceRequest]) -> dict[str, PackagePlace]:
    """What ``tell_places`` told, by step id. Raises ValueError."""
    found = place_groups(reply, len(asked))
    return {request.step_id: parse_place(group, request.shared) for request, group in zip(asked, found, strict=True)}


def parse_place(group: Mapping[str, bytes], shared: Sequence[str]) -> PackagePlace:
    """One place out of its sections; ``shared``: the paths that were asked for. Raises ValueError.

    Folders among the releases that cannot be ours are left out; a place with such a ``current`` is not ours.
    """
    to, place, owner, writable, current, fingerprint, space = replies.fields(group.get("place", b""), 7)
    flags = group.get("shared", b"")
    if len(flags) != len(shared) or flags.strip(b"01?"):
        raise ValueError("the reply does not tell which shared paths exist")
    names = replies.fields(group["releases"])
    sums = group.get("sums", b"")
    known = Place(place)
    releases: tuple[ReleaseFolder, ...] = ()
    if sums == b"unreadable":
        known = Place.UNREADABLE
    else:
        found = map(ReleaseFolder, names, _sums(sums, len(names)))
        releases = tuple(release for release in found if words.is_name(release.name))
    if known is Place.OURS and current and not words.is_name(current):
        known, owner = Place.FOREIGN, f"current points at releases/{current}"
    return PackagePlace(
        to=to,
        place=known,
        owner=_owner(owner) if known is Place.FOREIGN else "",
        writable=writable == "1",
        current=current if current and words.is_name(current) else None,
        releases=releases,
        fingerprint=fingerprint.strip(),
        shared=frozenset(path for path, flag in zip(shared, flags, strict=True) if flag == ord("1")),
        closed=frozenset(path for path, flag in zip(shared, flags, strict=True) if flag == ord("?")),
        disk=replies.disk(space),
        timers=parse_timers(group.get("timers", b"")),
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
