"""What must travel so that a target that has one release gets another. Pure.

Lines of the manifest are taken out and put in on the target (``grep -vxFf``, then ``sort``), files whose line stays
are copied there from the base, files that only moved are copied there too, and the rest is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from octo_ssh.model.manifest import Entry, Kind, Manifest

_SIMPLE = re.compile(r"""[ !#-&(-,./-\[\]-~][ !#-&(-\[\]-~]*""")
MIN_COPY = 4096
"""Bytes below which a moved file is sent: a copy costs the target a process, and such a file costs little more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """From a base to what is wanted. All sorted."""

    remove_lines: tuple[bytes, ...]
    """Entry lines of the base's manifest that are not in the wanted one, without newlines."""
    add_lines: tuple[bytes, ...]
    """Entry lines that only the wanted one has."""
    missing: tuple[str, ...]
    """Files whose contents must be sent."""
    copies: tuple[tuple[str, str], ...]
    """(path in the base, wanted path): same content and mode under another simple path."""
    unchanged: tuple[str, ...]
    """Files with the same line and a simple path: copied from the base."""


def is_simple(path: str) -> bool:
    """Whether a target may take the path out of a manifest line and hand it to its tools.

    Printable ASCII without quotes and backslashes, not beginning with a dash: its JSON form is its own bytes, and no
    tool quotes it. Other names always travel.
    """
    return _SIMPLE.fullmatch(path) is not None


def difference(wanted: Manifest, base: Manifest | None) -> Difference:
    """What to do on a target that has ``base`` (None: nothing) to get ``wanted``."""
    has = base.entries if base is not None else {}
    old = [entry.line() for path, entry in has.items() if wanted.entries.get(path) != entry]
    new = [entry.line() for path, entry in wanted.entries.items() if has.get(path) != entry]
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
    return Difference(tuple(sorted(old)), tuple(sorted(new)), tuple(missing), tuple(copies), tuple(unchanged))


def _content(entry: Entry) -> tuple[str, int, int]:
    return entry.sha256, entry.size, entry.mode


def _contents(entries: Iterable[Entry]) -> dict[tuple[str, int, int], str]:
    """Where each content can be copied from: the first of its simple paths."""
    found: dict[tuple[str, int, int], str] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.kind is Kind.FILE and is_simple(entry.path):
            found.setdefault(_content(entry), entry.path)
    return found
