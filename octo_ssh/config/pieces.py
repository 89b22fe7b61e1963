"""Texts with ``${{ … }}`` in them, cut into what stands as it is and the expressions between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from octo_ssh.errors import Position, Problem
from octo_ssh.model.values import Template

OPENING = "${{"
_BRACKETS_LIMIT = 40
_SPECIAL = re.compile(r"""["'()\[\]{}]""")


class TemplateProblem(ValueError):
    """A template cannot be read or rendered: where, and why. The message never holds a secret."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message

    @property
    def problem(self) -> Problem:
        """The mistake in a file that it is."""
        return Problem(self.position, self.message)


@dataclass(frozen=True, slots=True)
class Code:
    """An expression, and where mistakes in it are said to be."""

    source: str
    position: Position


@dataclass(frozen=True, slots=True)
class _Found:
    """An expression in a text, and where its ``${{`` begins."""

    source: str
    offset: int


class _Malformed(ValueError):
    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def file_template(content: bytes, file: str) -> Template:
    """A whole file as a template: it has no line, and mistakes in it are found at their own.

    Bytes that are not UTF-8 become lone surrogates: what is rendered is encoded with ``surrogateescape``.
    """
    return Template(content.decode("utf-8", "surrogateescape"), Position(file))


def is_file(template: Template) -> bool:
    """Whether it is a whole file, as ``file_template`` makes it."""
    return template.position.line == 0


def pieces_of(template: Template) -> tuple[str | Code, ...]:
    """Literal texts and expressions, in order. Raises TemplateProblem for a ``${{`` that is never closed."""
    text, where = template.text, template.position
    try:
        found = _split(text) if is_file(template) else _split_cached(text)
    except _Malformed as wrong:
        at = _position_in(where.file, text, wrong.offset) if is_file(template) else where
        raise TemplateProblem(at, str(wrong)) from None
    return tuple(
        piece
        if isinstance(piece, str)
        else Code(piece.source, _position_in(where.file, text, piece.offset) if is_file(template) else where)
        for piece in found
    )


def _position_in(file: str, text: str, offset: int) -> Position:
    return Position(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _split(text: str) -> tuple[str | _Found, ...]:
    pieces: list[str | _Found] = []
    done = 0
    while (start := text.find(OPENING, done)) >= 0:
        if start > done:
            pieces.append(text[done:start])
        end = _end_of_expression(text, start)
        pieces.append(_Found(text[start + len(OPENING) : end], start))
        done = end + 2
    if done < len(text):
        pieces.append(text[done:])
    return tuple(pieces)


_split_cached = lru_cache(maxsize=4096)(_split)


def _end_of_expression(text: str, start: int) -> int:
    """Where the ``}}`` stands that closes the ``${{`` at ``start``: strings and brackets inside are respected."""
    open_brackets = 0
    at = start + len(OPENING)
    while True:
        found = _SPECIAL.search(text, at)
        if found is None:
            raise _Malformed(start, "'${{' is never closed: add '}}'")
        mark, at = found[0], found.end()
        if mark in "\"'":
            at = _end_of_string(text, at, mark, start)
        elif mark in "([{":
            open_brackets += 1
            if open_brackets > _BRACKETS_LIMIT:
                raise _Malformed(start, f"brackets are nested more than {_BRACKETS_LIMIT} deep in this '${{{{'")
        elif open_brackets:
            open_brackets -= 1
        elif text.startswith("}}", found.start()):
            return found.start()


def _end_of_string(text: str, at: int, quote: str, start: int) -> int:
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == quote:
            return at + 1
        else:
            at += 1
    raise _Malformed(start, f"a {quote} is never closed in this '${{{{'")
