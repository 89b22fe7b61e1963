"""Templates: ``${{ … }}`` in values and in the files that ``configure`` names (SPEC section 2).

``names`` maps what a template may use to plain values, with a SecretRef where the value is a secret; a map that is
not a dict (``vars``) is asked only for the keys that are used. jinja2 is imported with the first expression that
is more than a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from octo_ssh.config.problems import nearest
from octo_ssh.config.texts import to_text
from octo_ssh.errors import Position
from octo_ssh.model.values import Expr, Secret, SecretRef, Template, Value
from octo_ssh.model.work import LateText, ScriptValue

if TYPE_CHECKING:
    from octo_ssh.config.expressions import Expression

Reveal = Callable[[SecretRef], Secret]
OPENING = "${{"
TEXT_LIMIT = 1 << 20
"""Characters that a template may give."""
FILE_LIMIT = 16 << 20
"""Characters that a rendered file may have."""
_BRACKETS_LIMIT = 40
_SPECIAL = re.compile(r"""["'()\[\]{}]""")
_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"})
_NO_SECRET = "a secret is used here, where its value would be seen: use it in 'env' or in a file that 'configure' names"


class TemplateProblem(ValueError):
    """A template cannot be read or rendered: where, and why. The message never holds a secret."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


@dataclass(frozen=True, slots=True)
class _Code:
    """An expression in a text, and where its ``${{`` begins."""

    source: str
    offset: int


class _Malformed(ValueError):
    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def render(expr: Expr, names: Mapping[str, Any]) -> Value:
    """A value with its templates rendered, lists and maps inside out.

    A value that is one template keeps its type; in mixed text values stand as ``texts.to_text`` gives them (booleans
    ``true`` and ``false``, null as nothing). Raises TemplateProblem, also where a secret would come out.
    """
    value = evaluate(expr, names)
    if (ref := find_secret(value)) is not None:
        raise TemplateProblem(expr.position if isinstance(expr, Template) else ref.position, _NO_SECRET)
    plain: Value = value
    return plain


def evaluate(expr: Expr, names: Mapping[str, Any]) -> Any:
    """Like ``render``, but a value or an item that is a secret as a whole stays its SecretRef."""
    match expr:
        case Template():
            try:
                return _value(expr, names, reveal=None)
            except _SecretInside:
                raise TemplateProblem(expr.position, _NO_SECRET) from None
        case Mapping():
            return {key: evaluate(item, names) for key, item in expr.items()}
        case tuple():
            return tuple(evaluate(item, names) for item in expr)
        case _:
            return expr


def render_text(text: str | Template, names: Mapping[str, Any]) -> str:
    """A text with its templates rendered; a template that gives a list or a map is a problem."""
    if isinstance(text, str):
        return text
    value = render(text, names)
    if isinstance(value, tuple | Mapping) or value is None:
        kind = "nothing" if value is None else "a list" if isinstance(value, tuple) else "a map"
        raise TemplateProblem(text.position, f"this must give text, and gives {kind}")
    return to_text(value)


def render_script_value(expr: Expr, names: Mapping[str, Any]) -> ScriptValue:
    """A value as a script gets it in its environment.

    A secret stays a SecretRef, a template that uses one becomes a LateText with the names it needs. A list or map
    that holds a secret is a problem.
    """
    if isinstance(expr, Template):
        try:
            value = _value(expr, names, reveal=None)
        except _SecretInside:
            return LateText(expr, _needed(expr, names))
    else:
        value = evaluate(expr, names)
    if isinstance(value, SecretRef):
        return value
    if (ref := find_secret(value)) is not None:
        position = expr.position if isinstance(expr, Template) else ref.position
        raise TemplateProblem(position, "a secret must be a value of its own, not part of a list or map")
    return to_text(value)


def render_late(late: LateText, reveal: Reveal) -> Secret:
    """The text of a template that uses secrets. Raises TemplateProblem; SecretError from ``reveal``."""
    return Secret(to_text(_value(late.template, late.names, reveal=reveal)))


def render_file(content: bytes, names: Mapping[str, Any], reveal: Reveal, *, file: str) -> Secret:
    """A package's file with its ``${{ … }}`` rendered; every other byte stays.

    The result may hold secrets. Bytes that are not UTF-8 are lone surrogates in it: encode it with
    ``surrogateescape``. Raises TemplateProblem with the line and column in ``file``.
    """
    text = content.decode("utf-8", "surrogateescape")
    try:
        pieces = _split(text)
        rendered = [piece if isinstance(piece, str) else _piece(piece, names, reveal, text, file) for piece in pieces]
    except _Malformed as wrong:
        raise TemplateProblem(_position_in(file, text, wrong.offset), str(wrong)) from None
    if sum(map(len, rendered)) > FILE_LIMIT:
        raise TemplateProblem(Position(file), f"the rendered file is larger than {FILE_LIMIT >> 20} MiB")
    return Secret("".join(rendered))


def check_syntax(template: Template) -> None:
    """Raise TemplateProblem where a template is no template, without rendering it."""
    for piece in _pieces(template):
        if isinstance(piece, _Code):
            _compiled(piece.source, template.position)


def find_secret(value: Any) -> SecretRef | None:
    """The first secret in a value, if there is one."""
    match value:
        case SecretRef():
            return value
        case Mapping():
            return next((ref for item in value.values() if (ref := find_secret(item))), None)
        case tuple():
            return next((ref for item in value if (ref := find_secret(item))), None)
        case _:
            return None


def undefined_message(name: str, names: Mapping[str, Any]) -> str:
    """What is said of an undefined name. ``names`` may know more of it, in a method ``why_missing``."""
    why = names.why_missing(name) if isinstance(names, _Explaining) else None
    return why or f"undefined name '{name}'{nearest(name, names)}"


@runtime_checkable
class _Explaining(Protocol):
    def why_missing(self, name: str) -> str | None: ...


class _SecretInside(Exception):
    """The text of a template depends on a secret."""


def _piece(code: _Code, names: Mapping[str, Any], reveal: Reveal, text: str, file: str) -> str:
    return to_text(_run(code.source, names, reveal, _position_in(file, text, code.offset)))


def _position_in(file: str, text: str, offset: int) -> Position:
    return Position(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _value(template: Template, names: Mapping[str, Any], *, reveal: Reveal | None) -> Any:
    """What a template gives. Raises _SecretInside when it cannot be said without ``reveal``."""
    match _pieces(template):
        case (_Code(source),):
            return _run(source, names, reveal, template.position)
        case pieces:
            texts: list[str] = []
            for piece in pieces:
                value = piece if isinstance(piece, str) else _run(piece.source, names, reveal, template.position)
                if find_secret(value) is not None:
                    raise _SecretInside
                texts.append(to_text(value))
            if sum(map(len, texts)) > TEXT_LIMIT:
                raise TemplateProblem(template.position, f"the text grows beyond {TEXT_LIMIT >> 10} KiB")
            return "".join(texts)


def _pieces(template: Template) -> tuple[str | _Code, ...]:
    try:
        return _split_cached(template.text)
    except _Malformed as wrong:
        raise TemplateProblem(template.position, str(wrong)) from None


def _split(text: str) -> tuple[str | _Code, ...]:
    """A text as literal pieces and expressions. Raises _Malformed for a ``${{`` that is never closed."""
    pieces: list[str | _Code] = []
    done = 0
    while (start := text.find(OPENING, done)) >= 0:
        if start > done:
            pieces.append(text[done:start])
        end = _end_of_expression(text, start)
        pieces.append(_Code(text[start + len(OPENING) : end], start))
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


def _run(source: str, names: Mapping[str, Any], reveal: Reveal | None, position: Position) -> Any:
    """The plain value, or SecretRef, of an expression. Raises TemplateProblem, _SecretInside."""
    if (simple := _NAME.fullmatch(source)) and simple[1] not in _WORDS:
        if simple[1] in names:
            value = names[simple[1]]
            if isinstance(value, Mapping):
                value = dict(value)
            return _reveal_all(value, reveal) if reveal else value
        raise TemplateProblem(position, undefined_message(simple[1], names))
    from octo_ssh.config import expressions

    expression = _compiled(source, position)

    def opened(value: Any) -> Any:
        return _opened(value, reveal, opened)

    available = {name: opened(names[name]) for name in expression.names if name in names}
    missing = {name: undefined_message(name, names) for name in expression.names if name not in names}
    try:
        return _closed(expressions.evaluate(expression, available, missing, is_secret=reveal is not None), position)
    except expressions.SecretUsed:
        raise _SecretInside from None
    except expressions.ExpressionError as error:
        raise TemplateProblem(position, str(error)) from None


def _compiled(source: str, position: Position) -> Expression:
    from octo_ssh.config import expressions

    if not source.strip():
        raise TemplateProblem(position, "'${{ }}' holds nothing: name a variable")
    try:
        return expressions.compile_expression(source.strip())
    except expressions.ExpressionError as error:
        raise TemplateProblem(position, str(error)) from None


def _opened(value: Any, reveal: Reveal | None, opened: Callable[[Any], Any]) -> Any:
    """A value as expressions work on it: tuples as lists, secrets revealed or sealed."""
    from octo_ssh.config import expressions

    match value:
        case None | bool() | int() | float() | str():
            return value
        case SecretRef():
            return reveal(value).reveal() if reveal else expressions.Sealed(value)
        case dict():
            return {key: opened(item) for key, item in value.items()}
        case Mapping():
            return expressions.LazyMap(value, opened)
        case Sequence():
            return [opened(item) for item in value]
        case _:
            raise TypeError(f"a {type(value).__name__} is no value for templates")


def _closed(value: Any, position: Position) -> Any:
    """An expression's result as a value of the model."""
    from octo_ssh.config import expressions

    match value:
        case None | bool() | int() | float() | str():
            return value
        case expressions.Sealed(ref=ref):
            return ref
        case list() | tuple():
            return tuple(_closed(item, position) for item in value)
        case Mapping():
            return {to_text(key): _closed(item, position) for key, item in value.items()}
        case _:
            raise TemplateProblem(position, "this gives no value: is a method named without its ()?")


def _reveal_all(value: Any, reveal: Reveal) -> Any:
    match value:
        case SecretRef():
            return reveal(value).reveal()
        case tuple():
            return tuple(_reveal_all(item, reveal) for item in value)
        case Mapping():
            return {key: _reveal_all(item, reveal) for key, item in value.items()}
        case _:
            return value


def _needed(template: Template, names: Mapping[str, Any]) -> dict[str, Any]:
    """The names that a template uses, with their values: as few as can be told from its text."""
    needed: dict[str, Any] = {}
    keys: set[str] = set()
    for piece in _pieces(template):
        if isinstance(piece, str):
            continue
        expression = _compiled(piece.source, template.position)
        needed |= {name: names[name] for name in expression.names if name in names and name != "vars"}
        if "vars" in expression.names and "vars" in names:
            keys |= set(names["vars"]) if expression.vars_keys is None else expression.vars_keys & set(names["vars"])
            needed["vars"] = {key: names["vars"][key] for key in sorted(keys)}
    return needed
