"""The armored secrets inside a YAML file, found by what they mean and replaced line by line: all else stays."""

from __future__ import annotations

import re
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import TypeGuard

from octo_ssh.config.age import BEGIN, END
from octo_ssh.config.document import Mapping, Node, Scalar, Sequence, parse_document
from octo_ssh.config.problems import Problems
from octo_ssh.errors import Position

# What PyYAML counts as the end of a line.
_LINE = re.compile("[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029])|[^\n\r\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class ArmoredValue:
    """One ``age: |`` of a file."""

    position: Position
    text: str
    first: int
    """Its lines in the file, counted from 0: from the one that begins the armor …"""
    end: int
    """… to before this one."""
    before: str
    """What stands before each of its lines."""
    newline: str


def find_values(content: bytes, file: str, problems: Problems) -> tuple[ArmoredValue, ...]:
    """Every value at a key ``age`` that is armored, in the order of the file.

    One that is not written as a block of lines is added to ``problems``, and so is all that is wrong with the file.
    """
    root = parse_document(content, file, problems)
    if root is None:
        return ()
    lines = _LINE.findall(content.decode("utf-8"))
    # An alias stands where its anchor does.
    scalars = {scalar.position: scalar for scalar in _at_age(root) if scalar.text.lstrip().startswith(BEGIN)}
    found: list[ArmoredValue] = []
    for position, scalar in sorted(scalars.items()):
        value = _block(lines, position)
        if value is None or value.text.strip() != scalar.text.strip():
            problems.add(position, "this secret cannot be replaced in this form: write it as a block, after 'age: |'")
        else:
            found.append(value)
    return tuple(found)


def with_values(content: bytes, values: SequenceOf[tuple[ArmoredValue, str]]) -> bytes:
    """The file with new armored texts in place of values that ``find_values`` found in it."""
    lines = _LINE.findall(content.decode("utf-8"))
    for value, armored in sorted(values, key=lambda pair: pair[0].first, reverse=True):
        lines[value.first : value.end] = [f"{value.before}{line}{value.newline}" for line in armored.splitlines()]
    return "".join(lines).encode("utf-8")


def _at_age(root: Node) -> list[Scalar]:
    found: list[Scalar] = []
    waiting = [root]
    while waiting:
        match waiting.pop():
            case Mapping(items=items):
                found += [entry.value for key, entry in items.items() if key == "age" and _is_text(entry.value)]
                waiting += [entry.value for entry in items.values()]
            case Sequence(items=items):
                waiting += items
            case Scalar():
                pass
    return found


def _block(lines: list[str], position: Position) -> ArmoredValue | None:
    """The armored lines below a ``|``."""
    first = position.line
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first >= len(lines) or lines[first].strip() != BEGIN:
        return None
    before = lines[first][: lines[first].index(BEGIN)]
    newline = lines[first][len(before) + len(BEGIN) :].lstrip(" \t") or "\n"
    text: list[str] = []
    for at in range(first, len(lines)):
        if not lines[at].startswith(before):
            return None
        text.append(lines[at].strip())
        if text[-1] == END:
            return ArmoredValue(position, "\n".join(text) + "\n", first, at + 1, before, newline)
    return None


def _is_text(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, str)
