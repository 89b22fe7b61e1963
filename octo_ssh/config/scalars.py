"""What a plain scalar is by the YAML 1.2 core schema (SPEC section 2)."""

from __future__ import annotations

import math
import re

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "false": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})
_MAX_DIGITS = 300


class NumberTooLarge(ValueError):
    """Digits that no number here can hold; more likely meant as text, such as a commit's hash."""


def resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar. Stricter than the schema: only ``true`` and ``false`` are booleans, and digits
    with leading zeros (``0644``) are text. Raises NumberTooLarge."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in "-+.0123456789":
        return text
    if len(text) > _MAX_DIGITS:
        if _FLOAT.fullmatch(text) or _BASED.fullmatch(text):
            raise NumberTooLarge
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise NumberTooLarge
        return number
    if found := _INFINITE.fullmatch(text):
        return -math.inf if found[1] == "-" else math.inf
    return math.nan if text in _NAN else text
