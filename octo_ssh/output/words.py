"""How numbers, names and times read: one voice for every view."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from octo_ssh.model.plan import CONTROLLER

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\Z", re.DOTALL)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_UNITS = ("kB", "MB", "GB", "TB")


def amount(count: int, noun: str, plural: str = "") -> str:
    """``1 target``, ``1,234 targets``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def size(count: int) -> str:
    """Bytes for people, in powers of 1000: ``812 B``, ``1.2 MB``."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        value /= 1000
        if value < 999.5 or unit == _UNITS[-1]:
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    raise AssertionError("the last unit takes everything")


def duration(seconds: float) -> str:
    """``0.8 s``, ``41 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def span(seconds: float) -> str:
    """A time that somebody has set, as short as it was written: ``5 s``, ``0.2 s``, ``10 min 00 s``."""
    return f"{seconds:g} s" if seconds < 60 else duration(seconds)


def clock(seconds: float) -> str:
    """An elapsed time of fixed shape, for a screen that is redrawn: ``0:41``, ``1:02:03``."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def cut(text: str, width: int) -> str:
    """At most ``width`` characters, with ``…`` where something was left off."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def listed(items: Sequence[str], limit: int) -> str:
    """``a, b, c and 12 more``."""
    rest = len(items) - limit
    shown = ", ".join(items[:limit])
    return f"{shown} and {rest:,} more" if rest > 0 else shown


@dataclass(slots=True)
class _Run:
    """Names that count up: the first, the last, how many."""

    first: str
    last: str
    count: int = 1


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """A key to sort names as people do: ``web-2`` before ``web-10``."""
    parts = _DIGITS.split(name)
    return tuple((text, int(number[:15] or 0)) for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True))


def fold(names: Iterable[str]) -> str:
    """Many names in few words: ``web-01 … web-20, db-1``. Three or more that count up are folded.

    The order is kept; names are folded where they stand beside each other.
    """
    runs: list[_Run] = []
    for name in map(whom, names):
        if runs and _follows(runs[-1].last, name):
            runs[-1].last = name
            runs[-1].count += 1
        else:
            runs.append(_Run(name, name))
    return ", ".join(map(_folded, runs))


def whom(target: str) -> str:
    """A target's name in a line; the controller is told as what it is."""
    return f"on the {CONTROLLER}" if target == CONTROLLER else target


def _folded(run: _Run) -> str:
    match run.count:
        case 1:
            return run.first
        case 2:
            return f"{run.first}, {run.last}"
        case _:
            return f"{run.first} … {run.last}"


def _follows(one: str, other: str) -> bool:
    """``web-09`` then ``web-10``: only the last number differs, by one, and it is written alike."""
    left, right = _NUMBERED.match(one), _NUMBERED.match(other)
    if left is None or right is None or (left[1], left[3]) != (right[1], right[3]):
        return False
    if len(left[2]) > 15 or len(right[2]) > 15 or int(right[2]) != int(left[2]) + 1:
        return False
    padded = left[2].startswith("0") or right[2].startswith("0")
    return len(left[2]) == len(right[2]) or not padded
