"""What expressions may do to values, with the price asked beforehand: operators, text methods, filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from octo_ssh.config.texts import to_json, to_text

SIZE_LIMIT = 1 << 20
"""Characters of text, plus eight for each item, in one value."""
ITEMS_LIMIT = 10_000
BITS_LIMIT = 4096
FUEL = 16 * SIZE_LIMIT
"""All sizes that one expression works on, summed up: bounds its time."""
_PADDING_LIMIT = 1000
_LONG_NUMBER = re.compile(r"\d{4}|\*")


class BoundError(Exception):
    """An expression asks for too much, or for what expressions may not do; the message is for the user."""


def size(value: Any) -> int:
    """How big a value is, all of it: shared parts count each time they occur."""
    total = 0
    pending = [value]
    while pending:
        item = pending.pop()
        match item:
            case str():
                total += 8 + len(item)
            case list() | tuple():
                total += 8
                pending.extend(item)
            case dict():
                total += 8
                pending.extend(item)
                pending.extend(item.values())
            case _:
                total += 8
        if total > SIZE_LIMIT or len(pending) * 8 > SIZE_LIMIT:
            raise BoundError(f"a value grows beyond {SIZE_LIMIT // 1024} KiB")
    return total


class Budget:
    """What one expression may still spend. ``is_secret``: no message may name a value."""

    __slots__ = ("_left", "is_secret")

    def __init__(self, *, is_secret: bool) -> None:
        self._left = FUEL
        self.is_secret = is_secret

    def spend(self, value: Any) -> None:
        self._left -= size(value)
        if self._left < 0:
            raise BoundError("the expression takes too long")


def _check_length(length: int) -> None:
    if length > SIZE_LIMIT:
        raise BoundError(f"a value grows beyond {SIZE_LIMIT // 1024} KiB")


def _check_padding(width: Any) -> None:
    if not isinstance(width, int) or abs(width) > _PADDING_LIMIT:
        raise BoundError(f"a width must be a number up to {_PADDING_LIMIT}")


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse what would give a huge text, list or number."""
    match operator, left, right:
        case "*", int(), str() | list():
            _check_length(left * size(right))
        case "*", str() | list(), int():
            _check_length(right * size(left))
        case "*" | "+" | "-", int(), int():
            _check_bits(left.bit_length() + right.bit_length())
        case "**", int(), int():
            _check_bits(left.bit_length() * max(right, 0))
        case "%", str(), _:
            _check_format(left)
        case _:
            return


def _check_bits(bits: int) -> None:
    if bits > BITS_LIMIT:
        raise BoundError("a number grows too long")


def _check_format(text: str) -> None:
    if _LONG_NUMBER.search(text):
        raise BoundError("a width in a format may have three digits at most")


def check_method(owner: str, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse calls of a text's methods that would give a huge text."""
    match name, args:
        case "replace", (str(old), str(new), *_):
            _check_replacement(owner, old, new)
        case "join", (list(items),):
            _check_length(size(items) + len(owner) * len(items))
        case "zfill" | "ljust" | "rjust" | "center", (width, *_):
            _check_padding(width)
        case _:
            return


def _check_replacement(text: str, old: str, new: str) -> None:
    _check_length(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def concat(pieces: list[Any]) -> str:
    """``a ~ b``."""
    return "".join(map(to_text, pieces))


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old_text, new_text = to_text(value), to_text(old), to_text(new)
    _check_replacement(text, old_text, new_text)
    return text.replace(old_text, new_text, -1 if count is None else count)


def _join(value: Any, d: Any = "", attribute: str | None = None) -> str:
    items = [to_text(item if attribute is None else item[attribute]) for item in value]
    between = to_text(d)
    _check_length(size(items) + len(between) * len(items))
    return between.join(items)


def _center(value: Any, width: int = 80) -> str:
    _check_padding(width)
    return to_text(value).center(width)


def _indent(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = to_text(s)
    if isinstance(width, int):
        _check_padding(width)
    pad = width if isinstance(width, str) else " " * width
    lines = text.split("\n")
    _check_length(len(text) + len(lines) * len(pad))
    return "\n".join((pad if (first or number) and (line or blank) else "") + line for number, line in enumerate(lines))


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    text = to_text(value)
    _check_format(text)
    return text % (kwargs or args)


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    from jinja2.filters import do_round

    if not isinstance(precision, int) or abs(precision) > 100:
        raise BoundError("round() to more than 100 digits")
    return do_round(value, precision, method)  # type: ignore[arg-type]


def _tojson(value: Any, indent: int | None = None) -> str:
    if indent is not None and (not isinstance(indent, int) or not 0 <= indent <= 16):
        raise BoundError("tojson() indents by 16 at most")
    return to_json(value, indent=indent)


def _string(value: Any) -> str:
    return to_text(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "center": _center,
    "format": _format,
    "indent": _indent,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "string": _string,
    "tojson": _tojson,
}
