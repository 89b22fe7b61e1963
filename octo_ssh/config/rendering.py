"""What the expressions of a template give, with secrets sealed or revealed; ``templates.py`` is the front of it.

``names`` maps what a template may use to plain values, with a SecretRef where the value is a secret; a map that is
not a dict (``vars``) is asked only for the keys that are used. jinja2 is imported with the first expression that
is more than a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from octo_ssh.config.pieces import Code, TemplateProblem, is_file, pieces_of
from octo_ssh.config.problems import nearest
from octo_ssh.config.texts import to_text
from octo_ssh.model.values import Secret, SecretRef, Template

if TYPE_CHECKING:
    from octo_ssh.config.expressions import Expression

Reveal = Callable[[SecretRef], Secret]
"""Reads a secret. One that has a method ``learn`` is told what becomes of it in expressions."""
TEXT_LIMIT = 1 << 20
"""Characters that a template may give."""
FILE_LIMIT = 16 << 20
"""Characters that a rendered file may have."""
NO_SECRET = (
    "a secret is used here, where its value would be seen: use it in 'env', 'content', 'template' or in a file that"
    " 'configure' names"
)
_NO_OUTPUTS = (
    "outputs of steps cannot be used here, because they are not known before a run: use them in 'env', 'cwd', 'when',"
    " 'content', 'template', 'http' or a 'command' list"
)
_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*")
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"})


class SecretInside(Exception):
    """The text of a template depends on a secret."""


def value_of(template: Template, names: Mapping[str, Any]) -> Any:
    """What a template gives, a SecretRef among it. Raises TemplateProblem, and SecretInside where it cannot be said
    without revealing a secret.
    """
    match pieces_of(template):
        case (Code() as code,):
            return run(code, names, reveal=None)
        case pieces:
            texts: list[str] = []
            for piece in pieces:
                value = piece if isinstance(piece, str) else run(piece, names, reveal=None)
                if find_secret(value) is not None:
                    raise SecretInside
                texts.append(to_text(value))
            return _joined(texts, template)


def revealed_text(template: Template, names: Mapping[str, Any], reveal: Reveal) -> tuple[str, bool]:
    """The text of a template, and whether a secret went into it: none is revealed that does not."""
    texts: list[str] = []
    is_secret = False
    for piece in pieces_of(template):
        if isinstance(piece, str):
            texts.append(piece)
            continue
        value, is_touched = revealed(piece, names, reveal)
        is_secret = is_secret or is_touched
        texts.append(to_text(value))
    return _joined(texts, template), is_secret


def revealed(code: Code, names: Mapping[str, Any], reveal: Reveal) -> tuple[Any, bool]:
    """What an expression gives, and whether a secret went into it."""
    try:
        value = run(code, names, reveal=None)
    except SecretInside:
        value = run(code, names, reveal)
        if isinstance(reveal, _Learning):
            for text in _texts(value):
                if text not in code.source:  # ${{ 'yes, this' if token else 'no' }}
                    reveal.learn(text)
        return value, True
    if find_secret(value) is None:
        return value, False
    return run(code, names, reveal), True


@runtime_checkable
class _Learning(Protocol):
    def learn(self, text: str) -> None: ...


def _texts(value: Any) -> Iterator[str]:
    """The texts and numbers in a value."""
    match value:
        case None | bool():
            return
        case Mapping():
            for key, item in value.items():
                yield from (key, *_texts(item))
        case tuple():
            for item in value:
                yield from _texts(item)
        case _:
            yield to_text(value)


def run(code: Code, names: Mapping[str, Any], reveal: Reveal | None) -> Any:
    """The plain value, or SecretRef, of an expression. Raises TemplateProblem, SecretInside."""
    if (simple := _NAME.fullmatch(code.source)) and simple[1] not in _WORDS:
        if simple[1] in names:
            value = names[simple[1]]
            if isinstance(value, Mapping):
                value = dict(value)
            return _reveal_all(value, reveal) if reveal else value
        raise TemplateProblem(code.position, undefined_message(simple[1], names))
    from octo_ssh.config import expressions

    expression = compiled(code)
    used = expression.uses

    def opened(value: Any) -> Any:
        return _opened(value, reveal, opened)

    if "steps" in used.names and "steps" not in names:
        raise TemplateProblem(code.position, undefined_message("steps", names))
    available = {name: opened(names[name]) for name in used.names if name in names and name != "steps"}
    if "steps" in used.names:
        available["steps"] = expressions.open_outputs(used.outputs, names["steps"], opened)
    missing = {name: undefined_message(name, names) for name in used.names if name not in names}
    try:
        return _closed(expressions.evaluate(expression, available, missing, is_secret=reveal is not None), code)
    except expressions.SecretUsed:
        raise SecretInside from None
    except expressions.ExpressionError as error:
        raise TemplateProblem(code.position, str(error)) from None


def compiled(code: Code) -> Expression:
    """An expression, compiled. Raises TemplateProblem."""
    from octo_ssh.config import expressions

    if not code.source.strip():
        raise TemplateProblem(code.position, "'${{ }}' holds nothing: name a variable")
    try:
        return expressions.compile_expression(code.source.strip())
    except expressions.ExpressionError as error:
        raise TemplateProblem(code.position, str(error)) from None


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
    if name == "steps":
        return _NO_OUTPUTS
    why = names.why_missing(name) if isinstance(names, _Explaining) else None
    return why or f"undefined name '{name}'{nearest(name, names)}"


@runtime_checkable
class _Explaining(Protocol):
    def why_missing(self, name: str) -> str | None: ...


def _joined(texts: list[str], template: Template) -> str:
    total = sum(map(len, texts))
    if is_file(template) and total > FILE_LIMIT:
        raise TemplateProblem(template.position, f"the rendered file is larger than {FILE_LIMIT >> 20} MiB")
    if not is_file(template) and total > TEXT_LIMIT:
        raise TemplateProblem(template.position, f"the text grows beyond {TEXT_LIMIT >> 10} KiB")
    return "".join(texts)


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


def _closed(value: Any, code: Code) -> Any:
    """An expression's result as a value of the model."""
    from octo_ssh.config import expressions

    match value:
        case None | bool() | int() | float() | str():
            return value
        case expressions.Sealed(ref=ref):
            return ref
        case list() | tuple():
            return tuple(_closed(item, code) for item in value)
        case Mapping():
            return {to_text(key): _closed(item, code) for key, item in value.items()}
        case _:
            raise TemplateProblem(code.position, "this gives no value: is a method named without its ()?")


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
