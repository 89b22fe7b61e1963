"""A folder's listing, as ``tree.sh`` prints it, read into a ``Tree``. Names are hostile until proven otherwise."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.model.observed import Tree
from octo_ssh.remote.replies import text, unpacked

MAX_ENTRIES = 1_000_000

_KINDS = {"f": Kind.FILE, "d": Kind.DIR, "l": Kind.LINK}
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *]")


def parse_tree(group: Mapping[str, bytes]) -> Tree:
    """The tree in a group of sections. Raises ValueError for a listing that does not hang together."""
    wanted = {"sums", "closed", *({"entries"} if "entries" in group else {"paths", "stats", "links"})}
    if not wanted <= set(group):
        raise ValueError(f"the listing lacks {', '.join(sorted(wanted - set(group)))}")
    found = list(_printed(_list(group["entries"])) if "entries" in group else _from_stat(group))
    if len(found) > MAX_ENTRIES:
        raise ValueError(f"the listing holds more than {MAX_ENTRIES} entries")
    sums = _sums(unpacked(group["sums"]), (raw for raw, entry in found if entry.kind is Kind.FILE))
    unreadable = {text(_inside(raw)) for raw in _list(group["closed"]) if raw != b"."}
    entries: dict[str, Entry] = {}
    for raw, entry in found:
        if entry.kind is Kind.FILE:
            digest = sums.get(raw, "")
            if not digest:
                unreadable.add(entry.path)
            entry = replace(entry, sha256=digest)
        if entry.path in entries:
            raise ValueError(f"the listing holds {entry.path!r} twice")
        entries[entry.path] = entry
    return Tree(entries, frozenset(unreadable))


def _list(section: bytes) -> list[bytes]:
    content = unpacked(section)
    if content and not content.endswith(b"\0"):
        raise ValueError("the listing is cut off")
    return content.split(b"\0")[:-1]


def _printed(parts: list[bytes]) -> Iterator[tuple[bytes, Entry]]:
    """``kind mode size link`` and the path, in turns, as GNU find prints them."""
    if len(parts) % 2:
        raise ValueError("the listing is cut off")
    for facts, path in zip(parts[::2], parts[1::2], strict=True):
        kind, mode, size, target = facts.split(b" ", 3)
        yield path, _entry(path, _KINDS.get(kind.decode("ascii"), Kind.OTHER), int(mode, 8), int(size), target)


def _from_stat(group: Mapping[str, bytes]) -> Iterator[tuple[bytes, Entry]]:
    """Three lists in the same order: paths, ``mode size`` in hexadecimal and decimal, and the links' targets."""
    paths, lines = _list(group["paths"]), unpacked(group["stats"]).splitlines()
    targets = iter(_list(group["links"]))
    if len(paths) != len(lines):
        raise ValueError("the listing does not hang together: the folder changed while it was read")
    for path, line in zip(paths, lines, strict=True):
        mode, size = line.split()
        bits = int(mode, 16)
        kind = Kind.OTHER
        target = b""
        if stat.S_ISREG(bits):
            kind = Kind.FILE
        elif stat.S_ISDIR(bits):
            kind = Kind.DIR
        elif stat.S_ISLNK(bits):
            kind = Kind.LINK
            target = next(targets, b"")
        yield path, _entry(path, kind, stat.S_IMODE(bits), int(size), target)


def _entry(path: bytes, kind: Kind, mode: int, size: int, target: bytes) -> Entry:
    name = text(_inside(path))
    match kind:
        case Kind.FILE:
            return Entry(name, kind, mode, size)
        case Kind.LINK:
            return Entry(name, kind, target=text(target))
        case Kind.DIR | Kind.OTHER:
            return Entry(name, kind, mode)


def _inside(path: bytes) -> bytes:
    """The path without its ``./``. Raises ValueError for one that leads out."""
    inner = path.removeprefix(b"./")
    if inner == path or any(part in (b"", b".", b"..") for part in inner.split(b"/")):
        raise ValueError(f"not a path inside a folder: {path[:100]!r}")
    return inner


def _sums(lines: bytes, paths: Iterable[bytes]) -> dict[bytes, str]:
    """The digest of each path that could be read.

    sha256sum prints the files in the order of the listing and leaves unreadable ones out. GNU escapes names with
    backslash or newline and says so with a backslash before the digest; busybox prints them as they are. So each line
    is matched against the name that must come next, never taken apart.
    """
    found: dict[bytes, str] = {}
    at = 0
    for path in paths:
        match = _SUM.match(lines, at)
        if match is None:
            continue
        name = _escaped(path) if match.group(1) else path
        if lines.startswith(name + b"\n", match.end()):
            found[path] = match.group(2).decode("ascii")
            at = match.end() + len(name) + 1
    if at != len(lines):
        raise ValueError("the digests do not fit the listing: the folder changed while it was read")
    return found


def _escaped(path: bytes) -> bytes:
    return path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
