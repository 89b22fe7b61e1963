"""Java's .properties: read as Latin-1, as Java does; what is new is written in ASCII with ``\\uXXXX``."""

from __future__ import annotations

import re
from io import StringIO

from octo_ssh.config.structured_spots import Kind, Malformed, Spot
from octo_ssh.config.texts import to_text
from octo_ssh.model.values import Value

_CONTINUED = r"\\(?:\r\n?|\n)[ \t\f]*"
_KEY = re.compile(rf"[ \t\f]*(?:{_CONTINUED}|\\.|[^\\\s:=])*+", re.DOTALL)
_BLANK = rf"(?:[ \t\f]|{_CONTINUED})*"
_SEPARATOR = re.compile(rf"{_BLANK}[:=]?{_BLANK}")


def read(text: str) -> tuple[Spot, ...]:
    """Every key with its value, as one map. Raises Malformed."""
    from javaproperties import InvalidUEscapeError, KeyValue, parse

    children: list[tuple[str, Spot]] = []
    offset = 0
    try:
        for element in parse(StringIO(text, newline="")):
            if isinstance(element, KeyValue):
                children.append((element.key, _spot(element.source, offset)))
            offset += len(element.source)
    except InvalidUEscapeError:
        raise Malformed.at(text, offset, "an escape begins here with '\\u' and lacks its four digits") from None
    return (Spot(Kind.MAP, 0, len(text), tuple(children)),)


def write(value: Value, spot: Spot, text: str) -> str:
    """A value as text, escaped."""
    from javaproperties import join_key_value

    return spot.before + join_key_value("k", to_text(value), separator="=")[2:]


def _spot(source: str, offset: int) -> Spot:
    """Where the value stands in ``key = value``."""
    key = _KEY.match(source)
    separator = _SEPARATOR.match(source, key.end() if key else 0)
    start = separator.end() if separator else len(source)
    line = source.rstrip("\r\n")
    # ``key`` alone has the empty text.
    before = "" if separator and separator[0] else "="
    start = min(start, len(line))
    return Spot(Kind.TEXT, offset + start, offset + len(line), before=before)
