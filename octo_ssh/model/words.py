"""Hints in messages: the nearest known word, and short lists of names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the most similar known word, or an empty string."""
    candidates = sorted(set(known) - {word})
    swapped = sorted(word.casefold())  # other case, or letters in another order, is nearer than any other letters
    found = [name for name in candidates if sorted(name.casefold()) == swapped]
    found = found or [name for name in candidates if len(word) >= 3 and name.startswith(word)]
    found = found or difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f" (did you mean '{found[0]}'?)" if found else ""


def quoted_list(names: Iterable[str], *, most: int = 8) -> str:
    """``'a', 'b' and 3 more``: for messages that name what would be right."""
    every = list(names)
    shown = ", ".join(f"'{name}'" for name in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
