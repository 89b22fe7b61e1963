"""Ranges in names: ``web-[01:20]`` is web-01 to web-20, ``rack-[a:c]-[1:4]`` is twelve names (SPEC section 3)."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

MAX_NAMES = 10_000
"""What one range may stand for."""

_PART = re.compile(r"\[([^\[\]]*)\]")
_NUMBERS = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_LETTERS = re.compile(r"([a-z]):([a-z])|([A-Z]):([A-Z])")


class RangeError(ValueError):
    """A range that cannot be read, with what to do about it."""


def is_range(text: str) -> bool:
    """Whether a name holds a range, as opposed to a glob's ``[abc]``."""
    return any(":" in part for part in _PART.findall(text))


def expand(text: str) -> tuple[str, ...]:
    """Every name a text stands for, in order; the text itself where it holds no bracket."""
    pieces = _PART.split(text)
    fixed, inners = pieces[0::2], pieces[1::2]
    if any("[" in piece or "]" in piece for piece in fixed):
        raise RangeError(f"the brackets in '{text}' do not pair: a range is written web-[01:20]")
    spans = [_span(inner, text) for inner in inners]
    count = math.prod(len(span.codes) for span in spans)
    if count > MAX_NAMES:
        raise RangeError(f"'{text}' stands for {count:,} names, more than {MAX_NAMES:,}: check its ends")
    return tuple(
        fixed[0] + "".join(one + after for one, after in zip(chosen, fixed[1:], strict=True))
        for chosen in itertools.product(*(span.names() for span in spans))
    )


@dataclass(frozen=True, slots=True)
class _Span:
    """One bracket: numbers of at least ``width`` digits, or letters where ``width`` is 0."""

    codes: range
    width: int

    def names(self) -> list[str]:
        return [f"{code:0{self.width}d}" if self.width else chr(code) for code in self.codes]


def _span(inner: str, text: str) -> _Span:
    if found := _NUMBERS.fullmatch(inner):
        first, last = found[1], found[2]
        padded = any(len(end) > 1 and end[0] == "0" for end in (first, last))
        if padded and len(first) != len(last):
            raise RangeError(f"the ends of [{inner}] in '{text}' differ in length: pad both, as in [01:20]")
        span = _Span(range(int(first), int(last) + 1), len(first) if padded else 1)
    elif found := _LETTERS.fullmatch(inner):
        first, last = found[1] or found[3], found[2] or found[4]
        span = _Span(range(ord(first), ord(last) + 1), 0)
    else:
        raise RangeError(f"'[{inner}]' in '{text}' is no range: write [01:20] or [a:c]")
    if not span.codes:
        raise RangeError(f"the range [{inner}] in '{text}' runs backwards: write [{last}:{first}]")
    return span
