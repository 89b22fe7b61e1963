"""YAML for others to read: every document of a stream, with all that stands between its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from octo_ssh.config.scalars import NumberTooLarge, resolve
from octo_ssh.config.structured_spots import MAX_DEPTH, Kind, Malformed, Spot
from octo_ssh.config.syntax import explain
from octo_ssh.config.texts import to_json, to_text
from octo_ssh.model.values import Value

DOUBLE = '"'
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@%+-]*(?: [A-Za-z0-9_./@%+-]+)*")
# Words that some reader of YAML takes for something else than text.
_SPECIAL = re.compile(r"(?i:true|false|yes|no|on|off|y|n|null)")
_BOOLEAN = re.compile(r"(?i:true|false|yes|no|on|off)")
"""Of YAML 1.1 as well: who reads the file is not known."""
_SINGLE = re.compile(r"[ -~\xa1-\ud7ff]+")
# What JSON leaves as it is, and YAML's double quotes do not hold.
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_COLON = re.compile(r"[ \t]*:")
_AFTER_KEY = re.compile(r"(\s*:)\s*")


def read(text: str) -> tuple[Spot, ...]:
    """The values of all documents. Raises Malformed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return tuple(_Reader(text, YAML(typ="safe", pure=True).parse(text)).documents())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        context = error.context_mark.line if error.context_mark else line
        line, column, message = explain(text, line, column, context, error.problem or "")
        raise Malformed(line + 1, column + 1, message) from None
    except YAMLError:
        raise Malformed(1, 1, "this is not YAML: it holds a character that cannot stand there") from None


def write(value: Value, spot: Spot, text: str) -> str:
    """A value on one line, in the quotes that were there where they can hold it."""
    return spot.before + _written(value, spot.style)


def _written(value: Value, style: str) -> str:
    match value:
        case str():
            if style == "'" and _SINGLE.fullmatch(value):
                return "'" + value.replace("'", "''") + "'"
            if not style and _PLAIN.fullmatch(value) and not _SPECIAL.fullmatch(value):
                return value
            return _quoted(value)
        case None:
            return "null"
        case bool() | int():
            return to_text(value)
        case float():
            return _float(value)
        case Mapping():
            pairs = (f"{_quoted(key)}: {_written(item, DOUBLE)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case _:
            return "[" + ", ".join(_written(item, DOUBLE) for item in value) + "]"


def _float(value: float) -> str:
    """As YAML 1.1 takes it for a number too: with a point."""
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(str(value), str(value))
    return text if "." in text else text.replace("e", ".0e")


def _quoted(value: str) -> str:
    """As JSON, which YAML reads, but for some characters."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", to_json(value))


class _Reader:
    """Builds spots from the parser's events; aliases are never followed, so a text costs what it is long."""

    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self.text = text
        self.events = events
        self.end = 0
        """Where the last value ended."""

    def documents(self) -> Iterator[Spot]:
        for event in self.events:
            if type(event).__name__ == "DocumentStartEvent":
                yield self.node(next(self.events), 1)

    def node(self, event: Any, depth: int) -> Spot:
        start, end = event.start_mark.index, event.end_mark.index
        if depth > MAX_DEPTH:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            raise Malformed(line, column, f"values are nested more than {MAX_DEPTH} deep here")
        before = f"&{event.anchor} " if event.anchor else ""
        match type(event).__name__:
            case "AliasEvent":
                spot = Spot(Kind.ALIAS, start, end)
            case "ScalarEvent":
                spot = self._scalar(event, before)
            case "SequenceStartEvent":
                items = self._items(depth)
                spot = Spot(Kind.LIST, start, self.end, items, before=before)
            case _:
                pairs = self._pairs(depth)
                spot = Spot(Kind.MAP, start, self.end, pairs, before=before)
        self.end = spot.end
        return spot

    def _scalar(self, event: Any, before: str) -> Spot:
        start, end = event.start_mark.index, event.end_mark.index
        if event.style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip())
            return Spot(Kind.TEXT, start, end, style=DOUBLE, before=before)
        if event.style:
            return Spot(Kind.TEXT, start, end, style=event.style, before=before)
        if start == end:
            return Spot(Kind.NULL, start, end, before=" ")
        return Spot(Kind.TEXT if event.tag else _kind(event.value), start, end, before=before)

    def _items(self, depth: int) -> tuple[tuple[str, Spot], ...]:
        children: list[tuple[str, Spot]] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            children.append((str(len(children)), self.node(event, depth + 1)))
        self._close(event)
        return tuple(children)

    def _pairs(self, depth: int) -> tuple[tuple[str, Spot], ...]:
        children: list[tuple[str, Spot]] = []
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = self.node(event, depth + 1)
            value = self._after_key(key, self.node(next(self.events), depth + 1))
            self.end = value.end
            if type(event).__name__ == "ScalarEvent" and not self.text.endswith(("? ", "?\n"), 0, key.start):
                children.append((str(event.value), value))
        self._close(event)
        return tuple(children)

    def _close(self, event: Any) -> None:
        """The bracket of a list or a map; a block ends with its last value, whatever comments follow."""
        if event.end_mark.index > event.start_mark.index and event.end_mark.index > self.end:
            self.end = event.end_mark.index

    def _after_key(self, key: Spot, value: Spot) -> Spot:
        """The value of a key, so that one in another form can be written in its place."""
        if value.start == value.end:  # nothing stands there: the parser tells where the next thing does
            colon = _COLON.match(self.text, key.end)
            at, before = (colon.end(), " ") if colon else (key.end, ": ")
            return replace(value, start=at, end=at, before=before)
        is_block = value.kind.holds_others and not value.before and self.text[value.start] not in "{["
        if not is_block:
            return value
        # What a block's place below its key means to YAML, a value on one line does not mean there.
        between = _AFTER_KEY.fullmatch(self.text[key.end : value.start])
        return replace(value, start=key.end + between.end(1), before=" ") if between else replace(value, before="  ")


def _kind(text: str) -> Kind:
    if _BOOLEAN.fullmatch(text):
        return Kind.BOOLEAN
    try:
        value = resolve(text)
    except NumberTooLarge:
        return Kind.NUMBER
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case _:
            return Kind.TEXT
