"""Setting single values in structured files of a package: JSON, YAML and .properties (SPEC section 4, ``configure``).

As Octopus's structured configuration variables: keys are names joined by ``:``, list items by their number
(``Hosts:0:Name``); in .properties the key is taken literally. What a file holds is data; only the values that are set
are written anew, every other character stays: comments, order, quotes, indentation, the ends of lines.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from octo_ssh.config import structured_json, structured_properties, structured_yaml
from octo_ssh.config.problems import nearest
from octo_ssh.config.structured_spots import Kind, Malformed, NotSettable, Spot, find, keys_of
from octo_ssh.config.texts import to_text
from octo_ssh.errors import Position
from octo_ssh.model.values import Value

MAX_BYTES = 2 << 20
"""Of a file in which values are set."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 300
_READING = threading.Lock()
"""Many targets ask for the same file at once: it is read for the first of them."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """Why a key cannot be set, or (without a key) why the file cannot be read. Never holds a value."""

    key: str | None
    message: str
    position: Position | None = None
    """In the file, where it is the file."""


class SettingsError(Exception):
    """A file cannot be set as a plan says: every reason at once."""

    def __init__(self, problems: Iterable[SettingProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of file is read and written."""

    encoding: str
    read: Callable[[str], tuple[Spot, ...]]
    write: Callable[[Value, Spot, str], str]
    knows_infinity: bool = True


def _form(module: ModuleType, encoding: str, **keys: Any) -> _Form:
    return _Form(encoding, module.read, module.write, **keys)


_JSON = _form(structured_json, "utf-8", knows_infinity=False)
_YAML = _form(structured_yaml, "utf-8")
_PROPERTIES = _form(structured_properties, "latin-1")
_FORMS = {".json": _JSON, ".yaml": _YAML, ".yml": _YAML, ".properties": _PROPERTIES}
FORMS = tuple(_FORMS)


def is_structured(path: str) -> bool:
    """Whether values can be set in a file of this name."""
    return PurePosixPath(path).suffix.lower() in _FORMS


def apply_settings(content: bytes, settings: Mapping[str, Value], *, file: str) -> bytes:
    """``content`` with values set by key. ``file`` ends as FORMS say, and names the file in problems.

    A value keeps the type that stands there where it can: ``"80"`` is set as the number 80 in place of a number, 80 as
    the text "80" in place of a text, ``"true"`` as a boolean in place of one. A list or a map takes the place of
    whatever stands there; so does a text that is one in JSON, in the place of a list or a map. Raises SettingsError for
    a file that is malformed or too large, for a key that is not there, and for a value that cannot stand at its key.
    """
    form = _FORMS[PurePosixPath(file).suffix.lower()]
    text, roots = _read(content, form, file)
    edits: list[tuple[Spot, str, str]] = []
    problems: list[SettingProblem] = []
    for key, value in settings.items():
        try:
            for spot in _spots(roots, key):
                fitting = _fitting(value, spot, key)
                if not form.knows_infinity and not _is_finite(fitting):
                    raise NotSettable(f"what is set at '{key}' is no number that JSON has")
                edits.append((spot, key, form.write(fitting, spot, text)))
        except NotSettable as error:
            problems.append(SettingProblem(key, str(error)))
    edits.sort(key=lambda edit: (edit[0].start, -edit[0].end))
    for (outer, outer_key, _), (inner, key, _) in pairwise(edits):
        if inner.start < outer.end:
            problems.append(
                SettingProblem(key, f"'{key}' lies in '{outer_key}', which is set as a whole: set it there")
            )
    if problems:
        raise SettingsError(problems)
    return _spliced(text, edits).encode(form.encoding)


def _read(content: bytes, form: _Form, file: str) -> tuple[str, tuple[Spot, ...]]:
    if len(content) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES >> 20} MiB: values can be set in smaller ones only"
        raise SettingsError([SettingProblem(None, message, Position(file))])
    try:
        text = content.decode(form.encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([SettingProblem(None, "this is not UTF-8", Position(file, line, 1))]) from None
    try:
        with _READING:
            return text, _roots(form, text)
    except Malformed as error:
        position = Position(file, error.line, error.column)
        raise SettingsError([SettingProblem(None, error.message, position)]) from None


@lru_cache(maxsize=32)
def _roots(form: _Form, text: str) -> tuple[Spot, ...]:
    return form.read(text)


def _spots(roots: tuple[Spot, ...], key: str) -> list[Spot]:
    found = [spot for root in roots for spot in find(root, key)]
    if not found:
        hint = nearest(key, keys_of(roots)) or ": only what stands there can be set"
        raise NotSettable(f"the file has no key '{key}'{hint}")
    return found


def _fitting(value: Value, spot: Spot, key: str) -> Value:
    """The value with the type of what stands there, where it can have it. Raises NotSettable."""
    match value:
        case str() if spot.kind.holds_others:
            return _parsed(value, spot, key)
        case bool() | int() | float() if spot.kind.holds_others:
            raise NotSettable(f"'{key}' is {spot.kind.value} in the file: name a key in it, or give {spot.kind.value}")
        case bool() | int() | float() if spot.kind is Kind.TEXT:
            return to_text(value)
        case str() if spot.kind is Kind.NUMBER and len(value) <= _MAX_DIGITS and (found := _NUMBER.fullmatch(value)):
            number = float(value) if found[1] or found[2] else int(value)
            return number if math.isfinite(number) else value
        case str() if spot.kind is Kind.BOOLEAN and value.casefold() in ("true", "false"):
            return value.casefold() == "true"
        case _:
            return value


def _parsed(value: str, spot: Spot, key: str) -> Value:
    """The list or map that a text is in JSON, as Octopus sets it."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, list | dict):
        kind = spot.kind.value
        raise NotSettable(
            f"'{key}' is {kind} in the file: name a key in it, or give {kind} (as JSON, where it is a text)"
        )
    return _frozen(parsed)


def _frozen(value: Any) -> Value:
    match value:
        case list():
            return tuple(map(_frozen, value))
        case dict():
            return {key: _frozen(item) for key, item in value.items()}
        case _:
            plain: Value = value
            return plain


def _is_finite(value: Value) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case tuple():
            return all(map(_is_finite, value))
        case Mapping():
            return all(map(_is_finite, value.values()))
        case _:
            return True


def _spliced(text: str, edits: Iterable[tuple[Spot, str, str]]) -> str:
    """The text with new values; the edits in order."""
    pieces: list[str] = []
    done = 0
    for spot, _, written in edits:
        pieces += (text[done : spot.start], written)
        done = spot.end
    return "".join([*pieces, text[done:]])
