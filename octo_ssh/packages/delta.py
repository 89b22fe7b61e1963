"""What must travel so that a target that has one release gets another. Pure.

Lines of the manifest are taken out and put in on the target (``grep -vxFf``, then ``sort``), files whose line stays
are copied there from the base, files that only moved are copied there too, and the rest is sent. What is damaged in
the base counts as not there: its line goes out and comes in again, and nothing is copied from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from octo_ssh.model.manifest import Entry, Kind, Manifest

_SIMPLE = re.compile(r"""[ !#-&(-,./-\[\]-~][ !#-&(-\[\]-~]*""")
MIN_COPY = 4096
"""Bytes below which a moved file is sent: a file that moves alone costs the target a process, and such a file costs
little more."""
MAX_MOVES = 200
"""Moves that a target makes at most; the files of the smaller ones are sent. A move costs it a few processes, about
10 ms in all whatever the number of its files, and so 200 cost about what a tree of 5,000 files costs in one move: 2 s
on a slow core. (One process per file took 9 s with dash and 18 s with busybox.)"""


@dataclass(frozen=True, slots=True)
class Move:
    """Files of the base that have another simple path now, and the same content, mode and path below a folder."""

    source: str
    """The folder in the base; ``.`` for all of it."""
    into: str
    """The folder that is wanted."""
    names: tuple[str, ...]
    """Paths below both. Empty: ``source`` and ``into`` are files, whose last names differ."""

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(path in the base, wanted path)."""
        if not self.names:
            return ((self.source, self.into),)
        return tuple((_below(self.source, name), _below(self.into, name)) for name in self.names)


@dataclass(frozen=True, slots=True)
class Difference:
    """From a base to what is wanted. All sorted."""

    remove_lines: tuple[bytes, ...]
    """Entry lines of the base's manifest that are not in the wanted one or are damaged, without newlines."""
    add_lines: tuple[bytes, ...]
    """Entry lines that only the wanted one has, or that are damaged in the base."""
    missing: tuple[str, ...]
    """Files whose contents must be sent."""
    moves: tuple[Move, ...]
    """At most ``MAX_MOVES``."""
    unchanged: tuple[str, ...]
    """Files with the same line and a simple path: copied from the base."""

    @property
    def copies(self) -> tuple[tuple[str, str], ...]:
        """(path in the base, wanted path) of every file that moved."""
        return tuple(sorted((pair for move in self.moves for pair in move.pairs()), key=lambda pair: pair[1]))


def is_simple(path: str) -> bool:
    """Whether a target may take the path out of a manifest line and hand it to its tools.

    Printable ASCII without quotes and backslashes, not beginning with a dash: its JSON form is its own bytes, and no
    tool quotes it. Other names always travel.
    """
    return _SIMPLE.fullmatch(path) is not None


def difference(wanted: Manifest, base: Manifest | None, damaged: Collection[str] = ()) -> Difference:
    """What to do on a target that has ``base`` (None: nothing), but for its ``damaged`` paths, to get ``wanted``."""
    has = _sound(base, damaged)
    every = base.entries if base is not None else {}
    old = [entry.line() for path, entry in every.items() if path not in has or wanted.entries.get(path) != entry]
    new = [entry.line() for path, entry in wanted.entries.items() if has.get(path) != entry]
    missing, moves, unchanged = _files(wanted, has)
    return Difference(tuple(sorted(old)), tuple(sorted(new)), missing, moves, unchanged)


def lacking(wanted: Manifest, base: Manifest | None, damaged: Collection[str] = ()) -> tuple[str, ...]:
    """``difference(…).missing``, without the cost of the lines."""
    missing, _, _ = _files(wanted, _sound(base, damaged))
    return missing


def _sound(base: Manifest | None, damaged: Collection[str]) -> Mapping[str, Entry]:
    if base is None:
        return {}
    gone = frozenset(damaged)
    return {path: entry for path, entry in base.entries.items() if path not in gone} if gone else base.entries


def _files(wanted: Manifest, has: Mapping[str, Entry]) -> tuple[tuple[str, ...], tuple[Move, ...], tuple[str, ...]]:
    """What is sent, what moves, what stays."""
    moved_from = _contents(has.values())
    missing: list[str] = []
    copies: list[tuple[str, str]] = []
    unchanged: list[str] = []
    for path, entry in sorted(wanted.entries.items()):
        if entry.kind is not Kind.FILE:
            continue
        if not is_simple(path):
            missing.append(path)
        elif has.get(path) == entry:
            unchanged.append(path)
        elif entry.size >= MIN_COPY and (origin := moved_from.get(_content(entry))):
            copies.append((origin, path))
        else:
            missing.append(path)
    moves = _moves(copies)
    if len(moves) > MAX_MOVES:
        weights = {move: sum(wanted.entries[path].size for _, path in move.pairs()) for move in moves}
        moves.sort(key=lambda move: -weights[move])
        missing.extend(path for move in moves[MAX_MOVES:] for _, path in move.pairs())
        missing.sort()
        del moves[MAX_MOVES:]
    return tuple(missing), tuple(sorted(moves, key=lambda move: (move.into, move.source))), tuple(unchanged)


def _moves(copies: Iterable[tuple[str, str]]) -> list[Move]:
    """The copies together that lead from one folder to another: a renamed folder is one move, however deep it is."""
    found: dict[tuple[str, str], list[str]] = {}
    for origin, path in copies:
        old, new = origin.split("/"), path.split("/")
        pairs = zip(reversed(old), reversed(new), strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        source, into = ("/".join(parts[: len(parts) - same]) or "." for parts in (old, new))
        names = found.setdefault((source, into), [])
        if same:
            names.append("/".join(new[len(new) - same :]))
    return [Move(source, into, tuple(names)) for (source, into), names in found.items()]


def _below(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _content(entry: Entry) -> tuple[str, int, int]:
    return entry.sha256, entry.size, entry.mode


def _contents(entries: Iterable[Entry]) -> dict[tuple[str, int, int], str]:
    """Where each content can be copied from: the first of its simple paths."""
    found: dict[tuple[str, int, int], str] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.kind is Kind.FILE and is_simple(entry.path):
            found.setdefault(_content(entry), entry.path)
    return found
