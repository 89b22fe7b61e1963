"""A folder's listing, as ``tree.sh`` prints it, read into a ``Tree``. Names are hostile until proven otherwise."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from octo_ssh.model.manifest import MAX_ENTRIES, Entry, Kind
from octo_ssh.model.observed import Tree
from octo_ssh.remote import words
from octo_ssh.remote.replies import MAX_UNPACKED_BYTES, text, unpacked

USUAL_ENTRIES = 250_000
"""What a folder may hold of which nobody knows how much it should."""

_ENTRY_BYTES = 300
"""Of a listing or manifest, each entry, on an average: paths of 4,096 bytes exist, whole folders of them do not."""
_ITSELF = "."
_KINDS = {b"f": Kind.FILE, b"d": Kind.DIR, b"x": Kind.DIR, b"l": Kind.LINK}
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_NUMBER = re.compile(rb"[0-9a-f]{1,20}")
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *]")


class _Listed(NamedTuple):
    """One entry of the listing: there may be many, and all are read while other targets wait."""

    raw: bytes
    """Its path as find printed it."""
    path: str
    kind: Kind
    mode: int
    size: int
    owner: str
    target: bytes


def parse_tree(group: Mapping[str, bytes], *, owners: bool = False, known: int = 0) -> Tree:
    """The tree in a group of sections; ``owners``: with them, and with the folder's own mode. ``known``: how many
    entries there should be, as far as that is known here: no more than twice as many are read, and USUAL_ENTRIES.

    Raises ValueError for a listing that does not hang together.

    The folder itself is no entry; where it may not be listed or entered, ``.`` is among the unreadable ones.
    """
    wanted = {"digests", *({"entries"} if "entries" in group else {"paths", "stats", "links", "closed"})}
    if not wanted <= set(group):
        raise ValueError(f"the listing lacks {', '.join(sorted(wanted - set(group)))}")
    most = _most(known)
    unreadable: set[str] = set()
    found = list(
        _printed(_list(group["entries"], 2, most), unreadable)
        if "entries" in group
        else _from_stat(group, unreadable, most)
    )
    digests = _digests(_text(group["digests"], most), [one.raw for one in found if one.kind is Kind.FILE])
    entries: dict[str, Entry] = {}
    whose: dict[str, str] = {}
    for one in found:
        if one.path in whose:
            raise ValueError(f"the listing holds {one.path!r} twice")
        whose[one.path] = one.owner
        entry = entries[one.path] = _entry(one, digests.get(one.raw, ""))
        if entry.kind is Kind.FILE and not entry.sha256:
            unreadable.add(one.path)
    itself = entries.pop(_ITSELF, None)
    if not owners:
        return Tree(entries, frozenset(unreadable))
    return Tree(entries, frozenset(unreadable), whose, None if itself is None else itself.mode)


def unpacked_manifest(section: bytes, known: int) -> bytes:
    """The text of a manifest. ``known``: as for ``parse_tree``. Raises ValueError."""
    return _text(section, _most(known))


def _most(known: int) -> int:
    return min(max(USUAL_ENTRIES, 2 * known), MAX_ENTRIES)


def _text(section: bytes, most: int) -> bytes:
    """What a section says of so many entries at most."""
    return unpacked(section, min(most * _ENTRY_BYTES, MAX_UNPACKED_BYTES))


def _list(section: bytes, each: int, most: int) -> list[bytes]:
    """``each``: how many parts an entry has."""
    content = _text(section, most)
    if content and not content.endswith(b"\0"):
        raise ValueError("the listing is cut off")
    if content.count(b"\0") > each * most:  # before it is taken apart: each part takes more room than its bytes
        raise ValueError(f"the listing holds more than {most} entries")
    return content.split(b"\0")[:-1]


def _printed(parts: list[bytes], closed: set[str]) -> Iterator[_Listed]:
    """``kind mode size owner link`` and the path, in turns, as GNU find prints them. ``closed`` takes the folders that
    may not be looked into.
    """
    if len(parts) % 2:
        raise ValueError("the listing is cut off")
    for facts, path in zip(parts[::2], parts[1::2], strict=True):
        kind, mode, size, owner, target = facts.split(b" ", 4)
        listed = _listed(path, _KINDS.get(kind, Kind.OTHER), _number(mode, 8), _number(size, 10), owner, target)
        if kind == b"x":
            closed.add(listed.path)
        yield listed


def _from_stat(group: Mapping[str, bytes], closed: set[str], most: int) -> Iterator[_Listed]:
    """Three lists in the same order: paths, ``mode size owner`` (the mode in hexadecimal), and the links' targets."""
    paths, stats = _list(group["paths"], 1, most), _text(group["stats"], most)
    targets = iter(_list(group["links"], 1, most))
    if stats.count(b"\n") != len(paths):
        raise ValueError("the listing does not hang together: the folder changed while it was read")
    for path, line in zip(paths, stats.split(b"\n")[:-1], strict=True):
        mode, size, owner = line.split()
        bits = _number(mode, 16)
        kind = Kind.OTHER
        target = b""
        if stat.S_ISREG(bits):
            kind = Kind.FILE
        elif stat.S_ISDIR(bits):
            kind = Kind.DIR
        elif stat.S_ISLNK(bits):
            kind = Kind.LINK
            target = next(targets, b"")
        yield _listed(path, kind, stat.S_IMODE(bits), _number(size, 10), owner, target)
    closed.update(_name(path) for path in _list(group["closed"], 1, most))


def _number(word: bytes, base: int) -> int:
    if not _NUMBER.fullmatch(word):
        raise ValueError(f"not a number: {word[:40]!r}")
    return int(word, base)


def _listed(path: bytes, kind: Kind, mode: int, size: int, owner: bytes, target: bytes) -> _Listed:
    return _Listed(path, _name(path), kind, mode, size, _owner(owner), target)


def _entry(one: _Listed, digest: str) -> Entry:
    match one.kind:
        case Kind.FILE:
            return Entry(one.path, one.kind, one.mode, one.size, digest)
        case Kind.LINK:
            return Entry(one.path, one.kind, target=text(one.target))
        case Kind.DIR | Kind.OTHER:
            return Entry(one.path, one.kind, one.mode)


@lru_cache(maxsize=1000)
def _owner(raw: bytes) -> str:
    return words.owner(text(raw))


def _name(path: bytes) -> str:
    return _ITSELF if path == b"." else words.inside(text(path))


def _digests(lines: bytes, paths: Sequence[bytes]) -> dict[bytes, str]:
    """The digest of each path that could be read.

    sha256sum prints the files in the order of the listing and leaves unreadable ones out. GNU escapes names with
    backslash or newline and says so with a backslash before the digest; busybox prints them as they are. So each line
    is matched against the name that must come next, never taken apart. Files that were made since they were listed
    are passed over: they are found the next time.
    """
    listed = frozenset(paths)
    # busybox breaks a name where it holds a newline: what stands before that is no file that nobody listed.
    begun = frozenset(path.partition(b"\n")[0] for path in listed)
    found: dict[bytes, str] = {}
    at = 0
    for path in (*paths, b""):
        while match := _SUM.match(lines, at):
            name = _escaped(path) if match.group(1) else path
            if path and lines.startswith(name + b"\n", match.end()):
                found[path] = match.group(2).decode("ascii")
                at = match.end() + len(name) + 1
                break
            end = lines.find(b"\n", match.end())
            name = lines[match.end() : end]
            if end < 0 or not name.startswith(b"./") or (_plain(name) in listed if match.group(1) else name in begun):
                break
            at = end + 1
    if at != len(lines):
        raise ValueError("the digests do not fit the listing: the folder changed while it was read")
    return found


def _escaped(path: bytes) -> bytes:
    return path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")


def _plain(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: {b"n": b"\n", b"r": b"\r"}.get(found[1], found[1]), name)
