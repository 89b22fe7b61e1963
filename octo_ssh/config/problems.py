"""Collecting every mistake of all files before saying anything (SPEC section 2)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from octo_ssh.errors import FileErrors, Position, Problem


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


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the most similar known word, or an empty string."""
    candidates = sorted(set(known) - {word})
    by_fold = {name.casefold(): name for name in candidates}
    if word.casefold() in by_fold:
        return f" (did you mean '{by_fold[word.casefold()]}'?)"
    found = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f" (did you mean '{found[0]}'?)" if found else ""


def quoted_list(names: Iterable[str], *, most: int = 8) -> str:
    """``'a', 'b' and 3 more``: for messages that name what would be right."""
    every = list(names)
    shown = ", ".join(f"'{name}'" for name in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
