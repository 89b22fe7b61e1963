"""Collecting every mistake of all files before saying anything (SPEC section 2)."""

from __future__ import annotations

import re

from octo_ssh.errors import FileErrors, Position, Problem
from octo_ssh.model.words import nearest, quoted_list

__all__ = ["Problems", "nearest", "quoted_list"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LONGEST = 800


class Problems:
    """The mistakes found so far. Readers go on after adding one, so that the user sees all of them at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, position: Position, message: str) -> None:
        """One mistake: ``message`` says what is wrong, then after a colon what to do.

        It may quote what stands in a file, or what a program printed: control characters are escaped, and a long
        middle is left out.
        """
        shown = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", message)
        if len(shown) > _LONGEST:
            shown = f"{shown[: _LONGEST // 2]} … {shown[-_LONGEST // 4 :]}"
        self._found.append(Problem(position, shown))

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
