"""JSON as configuration files have it: with comments and commas too many, both of which stay."""

from __future__ import annotations

import json
import re

from octo_ssh.config.structured_spots import MAX_DEPTH, Kind, Malformed, Spot
from octo_ssh.config.texts import to_json
from octo_ssh.model.values import Value

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\.)*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_WORDS = {"true": Kind.BOOLEAN, "false": Kind.BOOLEAN, "null": Kind.NULL}
_WORD = re.compile(r"[a-z]+")
_INDENTED = re.compile(r"\n([ \t]+)[\"\]\[{}\w-]")


def read(text: str) -> tuple[Spot, ...]:
    """The one value of a JSON text. Raises Malformed."""
    reader = _Reader(text)
    root = reader.value(reader.skip(0), 1)
    end = reader.skip(root.end)
    if end < len(text):
        raise reader.wrong(end, "something follows the end of the JSON: remove it")
    return (root,)


def write(value: Value, spot: Spot, text: str) -> str:
    """A value in the place of a spot: a list or a map over several lines where the file is indented."""
    if not isinstance(value, tuple | dict) or not value:
        return to_json(value)
    indented = _INDENTED.search(text)
    if indented is None:
        return to_json(value)
    line = text[text.rfind("\n", 0, spot.start) + 1 : spot.start]
    outer = line[: len(line) - len(line.lstrip(" \t"))]
    newline = "\r\n" if text[max(0, indented.start() - 1)] == "\r" else "\n"
    written = json.dumps(value, ensure_ascii=False, indent=indented[1])
    return written.replace("\n", newline + outer)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def wrong(self, offset: int, message: str) -> Malformed:
        return Malformed.at(self.text, offset, message)

    def skip(self, offset: int) -> int:
        """Over white space and comments."""
        found = _SPACE.match(self.text, offset)
        return found.end() if found else offset

    def value(self, start: int, depth: int) -> Spot:
        if depth > MAX_DEPTH:
            raise self.wrong(start, f"values are nested more than {MAX_DEPTH} deep here")
        match self.text[start : start + 1]:
            case "{":
                return self._members(start, depth, Kind.MAP, "}")
            case "[":
                return self._members(start, depth, Kind.LIST, "]")
            case '"':
                return Spot(Kind.TEXT, start, self._string_end(start))
        if found := _NUMBER.match(self.text, start):
            return Spot(Kind.NUMBER, start, found.end())
        if (found := _WORD.match(self.text, start)) and found[0] in _WORDS:
            return Spot(_WORDS[found[0]], start, found.end())
        raise self.wrong(start, "this is not JSON: a value is missing here")

    def _members(self, start: int, depth: int, kind: Kind, closing: str) -> Spot:
        """A list or a map, from its bracket on."""
        children: list[tuple[str, Spot]] = []
        at = self.skip(start + 1)
        while not self.text.startswith(closing, at):
            name = str(len(children))
            if kind is Kind.MAP:
                name, at = self._key(at)
            child = self.value(at, depth + 1)
            children.append((name, child))
            at = self.skip(child.end)
            if self.text.startswith(",", at):
                at = self.skip(at + 1)
            elif not self.text.startswith(closing, at):
                raise self.wrong(at, f"this is not JSON: ',' or '{closing}' is missing before this")
        return Spot(kind, start, at + 1, tuple(children))

    def _key(self, start: int) -> tuple[str, int]:
        """A key, and where its value begins."""
        if not self.text.startswith('"', start):
            raise self.wrong(start, 'this is not JSON: a key in double quotes, or "}", is missing here')
        end = self._string_end(start)
        colon = self.skip(end)
        if not self.text.startswith(":", colon):
            raise self.wrong(colon, "this is not JSON: ':' is missing before this")
        return json.loads(self.text[start:end]), self.skip(colon + 1)

    def _string_end(self, start: int) -> int:
        found = _STRING.match(self.text, start)
        if found is None:
            raise self.wrong(start, "this is not JSON: a string begins here and is not closed in its line")
        try:
            json.loads(found[0])
        except ValueError:
            raise self.wrong(start, "this is not JSON: this string has an escape that there is not") from None
        return found.end()
