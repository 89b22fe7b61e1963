"""Where the values of a structured file stand in its text: what the readers of JSON, YAML and .properties give."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_DEPTH = 100
_MANY = 2000
_LONG = 200


class Kind(enum.Enum):
    """What stands at a spot."""

    TEXT = "text"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    NULL = "null"
    LIST = "a list"
    MAP = "a map"
    ALIAS = "an alias"

    @property
    def holds_others(self) -> bool:
        return self in (Kind.LIST, Kind.MAP)


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in a text: ``text[start:end]`` is replaced to set it."""

    kind: Kind
    start: int
    end: int
    children: tuple[tuple[str, Spot], ...] = ()
    """By key, or by number in a list; a key may stand there twice."""
    style: str = ""
    """The quotes around it, where there are any."""
    before: str = ""
    """What must be written before a new value."""


class Malformed(Exception):
    """A text is not in its form. Lines and columns are counted from 1; the message says nothing of the content."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message

    @classmethod
    def at(cls, text: str, offset: int, message: str) -> Malformed:
        before = text[:offset]
        return cls(before.count("\n") + 1, offset - before.rfind("\n"), message)


class NotSettable(Exception):
    """A key or a value does not fit the file. The message never holds the value."""


def find(spot: Spot, key: str) -> Iterator[Spot]:
    """Every spot at ``key``: names joined by ``:``, where a name may hold ``:`` itself.

    Raises NotSettable for what lies behind an alias.
    """
    for name, child in spot.children:
        if name == key:
            yield child
        elif key.startswith(f"{name}:"):
            if child.kind is Kind.ALIAS:
                raise NotSettable(f"'{name}' is an alias in the file: set it where its anchor stands")
            yield from find(child, key[len(name) + 1 :])


def keys_of(roots: Sequence[Spot]) -> list[str]:
    """The keys of a file, for hints: as many as are worth looking through."""
    found: list[str] = []
    waiting = [(root, "") for root in roots]
    while waiting and len(found) < _MANY:
        spot, path = waiting.pop(0)
        for name, child in spot.children[:_MANY]:
            key = f"{path}:{name}" if path else name
            if len(key) <= _LONG:
                found.append(key)
                waiting.append((child, key))
    return found
