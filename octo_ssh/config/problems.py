"""Collecting every mistake of all files before saying anything (SPEC section 2)."""

from __future__ import annotations

from collections.abc import Iterable

from octo_ssh.errors import FileErrors, Position, Problem
from octo_ssh.model.words import nearest, quoted_list

__all__ = ["Problems", "nearest", "quoted_list"]


class Problems:
    """The mistakes found so far. Readers go on after adding one, so that the user sees all of them at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, position: Position, message: str) -> None:
        """One mistake: ``message`` says what is wrong, then after a colon or semicolon what to do."""
        self._found.append(Problem(position, message))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take over what another reader found."""
        self._found.extend(problems)

    def __len__(self) -> int:
        return len(self._found)

    def __bool__(self) -> bool:
        """True when anything is wrong."""
        return bool(self._found)

    def listing(self) -> tuple[Problem, ...]:
        """What was found, in the order it was found."""
        return tuple(self._found)

    def raise_if_any(self) -> None:
        """Raise all of it as one FileErrors; return where nothing is wrong."""
        if self._found:
            raise FileErrors(self._found)
