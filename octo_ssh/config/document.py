"""YAML 1.2 core documents with the position of every value (SPEC section 2). The only importer of yaml.

A document is composed here, from the parser's events: PyYAML's own resolver is YAML 1.1, where ``on`` is true,
``1:30`` is 90 and ``0644`` is 420. Whatever stands in a file, reading it takes bounded time and memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from octo_ssh.config.problems import Problems
from octo_ssh.config.scalars import NumberTooLarge, resolve
from octo_ssh.config.syntax import MAX_DEPTH, TOO_DEEP, explain
from octo_ssh.errors import Position

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 250_000
"""Counted after aliases are followed: an alias costs what it stands for."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. ``value`` is None, a bool, an int, a float or a str; ``text`` is how it was written.

    ``quoted`` is true for quoted and block (``|``, ``>``) text, which is never anything but a string.
    """

    value: bool | int | float | str | None
    position: Position
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a key: the position of the key, and the value."""

    key: Position
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map from strings, in the order of the file."""

    items: dict[str, Entry]
    position: Position

    def get(self, key: str) -> Node | None:
        """The value at a key, or None where there is no such key."""
        entry = self.items.get(key)
        return entry.value if entry else None


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The data alone: None, bool, int, float, str, list, dict."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(items=items):
            return {key: plain(entry.value) for key, entry in items.items()}


def read_document(path: str | os.PathLike[str], problems: Problems, *, named_at: Position | None = None) -> Node | None:
    """The document in a file, or None after adding what is wrong with it.

    ``named_at`` is where another file names this one: a file that cannot be read is reported there.
    """
    file = os.fspath(path)
    data = read_bytes(file, problems, named_at=named_at)
    return None if data is None else parse_document(data, file, problems)


def read_bytes(file: str, problems: Problems, *, named_at: Position | None = None) -> bytes | None:
    """A file's bytes, or None after adding why not: absent, not readable, larger than MAX_BYTES."""
    where = named_at or Position(file)
    subject = f"the file '{file}'" if named_at else "this file"
    try:
        with open(file, "rb") as stream:
            too_large = os.fstat(stream.fileno()).st_size > MAX_BYTES
            data = b"" if too_large else stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        problems.add(where, f"{subject} does not exist: check the path")
        return None
    except IsADirectoryError:
        problems.add(where, f"{subject} is a folder: name a file in it")
        return None
    except PermissionError:
        problems.add(where, f"{subject} may not be read by this user: check its permissions")
        return None
    except (OSError, ValueError) as error:
        problems.add(where, f"{subject} cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if too_large or len(data) > MAX_BYTES:
        problems.add(where, f"{subject} is larger than {MAX_BYTES // 1024 // 1024} MiB: split it")
        return None
    return data


def parse_document(data: bytes | str, file: str, problems: Problems) -> Node | None:
    """The one document in a text, or None after adding what is wrong. ``file`` names it in positions.

    A document with mistakes that leave its structure plain (a key twice, a tag) is returned all the same, so that
    the mistakes in what its keys mean can be reported with them.
    """
    text = _decode(data, file, problems)
    if text is None:
        return None
    try:
        return _Composer(file, text, problems).document()
    except _Wrong as wrong:
        problems.add(wrong.position, wrong.message)
    except yaml.MarkedYAMLError as error:
        mark, context = error.problem_mark, error.context_mark
        at = mark or context
        line, column = (at.line, at.column) if at else (0, 0)
        line, column, message = explain(text, line, column, context.line if context else line, error.problem or "")
        line = min(line, text.count("\n"))  # what is missing at the end is sometimes said to be missing a line further
        problems.add(Position(file, line + 1, column + 1), message)
    except yaml.YAMLError as error:
        problems.add(Position(file), f"this is not YAML: {error}")
    return None


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _decode(data: bytes | str, file: str, problems: Problems) -> str | None:
    if isinstance(data, bytes):
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            problems.add(Position(file), "this file is UTF-16: save it as UTF-8")
            return None
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
            problems.add(
                Position(file, before.count(b"\n") + 1, column),
                f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8",
            )
            return None
    else:
        text = data
    if len(text) > MAX_BYTES:
        problems.add(Position(file), f"this document is larger than {MAX_BYTES // 1024 // 1024} MiB: split it")
        return None
    text = text.removeprefix("\ufeff")
    if found := _UNPRINTABLE.search(text):
        before_text = text[: found.start()]
        column = found.start() - before_text.rfind("\n")
        problems.add(
            Position(file, before_text.count("\n") + 1, column),
            f"the character U+{ord(found[0]):04X} cannot stand in YAML: remove it,"
            " or write it as an escape in double quotes",
        )
        return None
    return text


class _Wrong(Exception):
    """What keeps a document from being composed any further."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


@dataclass(frozen=True, slots=True)
class _Built:
    """A node with its size and height after aliases are followed."""

    node: Node
    size: int
    height: int


class _Composer:
    """Builds one document's nodes from the parser's events, keeping count of what they cost."""

    def __init__(self, file: str, text: str, problems: Problems) -> None:
        self.file = file
        self.problems = problems
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        self.anchors: dict[str, _Built | None] = {}
        self.size = 0

    def document(self) -> Node:
        next(self.events)
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            raise _Wrong(Position(self.file), "this document is empty: it must hold a map of keys")
        root = self._node(next(self.events), 1)
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Wrong(self._at(after), "a second document starts here: a file holds one, remove the '---'")
        return root.node

    def _at(self, event: Any) -> Position:
        return Position(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> _Built:
        """``depth`` is that of this node; the root has 1."""
        position = self._at(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), position, depth)
        self._spend(1, depth, position)
        self._refuse_tag(event, position)
        if event.anchor:
            self.anchors[event.anchor] = None
        match event:
            case yaml.ScalarEvent():
                built = _Built(self._scalar(event, position), 1, 1)
            case yaml.SequenceStartEvent():
                built = self._sequence(position, depth)
            case _:
                built = self._mapping(position, depth)
        if event.anchor:
            self.anchors[event.anchor] = built
        return built

    def _spend(self, size: int, depth: int, position: Position) -> None:
        self.size += size
        if depth > MAX_DEPTH:
            raise _Wrong(position, TOO_DEEP)
        if self.size > MAX_NODES:
            raise _Wrong(position, f"the document holds more than {MAX_NODES:,} values (aliases counted): split it")

    def _alias(self, name: str, position: Position, depth: int) -> _Built:
        if name not in self.anchors:
            raise _Wrong(position, f"no anchor '&{name}' stands before '*{name}': to write text, quote this value")
        built = self.anchors[name]
        if built is None:
            raise _Wrong(position, f"'*{name}' stands inside what it refers to: remove it")
        self._spend(built.size, depth + built.height - 1, position)
        return built

    def _sequence(self, position: Position, depth: int) -> _Built:
        items: list[Node] = []
        size, height = 1, 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            child = self._node(event, depth + 1)
            items.append(child.node)
            size, height = size + child.size, max(height, child.height)
        return _Built(Sequence(tuple(items), position), size, height + 1)

    def _mapping(self, position: Position, depth: int) -> _Built:
        items: dict[str, Entry] = {}
        size, height = 1, 0
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            at = self._at(event)
            key = self._key(self._node(event, depth + 1).node, at, position)
            child = self._node(next(self.events), depth + 1)
            size, height = size + 1 + child.size, max(height, child.height)
            if key in items:
                self.problems.add(
                    at, f"the key '{key}' stands here twice: the first is at {items[key].key}, remove one"
                )
            elif key is not None:
                items[key] = Entry(at, child.node)
        return _Built(Mapping(items, position), size, height + 1)

    def _key(self, node: Node, at: Position, mapping: Position) -> str | None:
        """The text of a key; None, after saying so, for what cannot be one."""
        match node:
            case Scalar(value="<<", quoted=False):
                self.problems.add(at, "'<<' (merge) is not in YAML 1.2: write the keys out")
                return None
            case Scalar(value=str(key)):
                return key
            case Scalar(text=text):
                self.problems.add(
                    at, f'a key must be a string: quote it, "{text}"' if text else "a key is missing here"
                )
                return text or None
            case _:
                doubled = mapping.line == at.line and mapping.column == at.column - 1  # {{ x }}
                if doubled:
                    message = "'{{' begins a map in a map: a template is written ${{ … }}; for text, quote this value"
                    raise _Wrong(mapping, message)
                raise _Wrong(at, "a key must be a string, not a list or a map: quote this value")

    def _refuse_tag(self, event: Any, position: Position) -> None:
        if event.tag is None or event.tag in _TAGS.get(type(event), ("!", _CORE + "map")):
            return
        shown = "!!" + event.tag.removeprefix(_CORE) if event.tag.startswith(_CORE) else event.tag
        self.problems.add(position, f"the tag '{shown}' is not read: remove it, or quote this value")

    def _scalar(self, event: Any, position: Position) -> Scalar:
        text: str = event.value
        if event.style or event.tag:
            return Scalar(text, position, text, quoted=True)
        try:
            return Scalar(resolve(text), position, text)
        except NumberTooLarge:
            self.problems.add(position, "this number is too large: to write text, quote this value")
            return Scalar(text, position, text)


_CORE = "tag:yaml.org,2002:"
_TAGS = {yaml.ScalarEvent: ("!", _CORE + "str"), yaml.SequenceStartEvent: ("!", _CORE + "seq")}
