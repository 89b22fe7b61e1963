"""Templates: ``${{ … }}`` in values and in files (SPEC section 2). Everything that other rooms need of them is here.

``names`` maps what a template may use to plain values, with a SecretRef where the value is a secret; a map that is
not a dict (``vars``) is asked only for the keys that are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octo_ssh.config.late import (
    OutputUse,
    StepOutputs,
    evaluate_late,
    file_output_uses,
    output_uses,
    render_late,
    render_late_word,
    render_value,
    waiting,
)
from octo_ssh.config.pieces import Code, TemplateProblem, file_template, pieces_of
from octo_ssh.config.rendering import (
    NO_SECRET,
    Reveal,
    SecretInside,
    compiled,
    find_secret,
    revealed_text,
    undefined_message,
    value_of,
)
from octo_ssh.config.texts import to_text
from octo_ssh.model.plan import Text
from octo_ssh.model.values import Expr, Secret, SecretRef, Template, Value, leaves
from octo_ssh.model.work import LateText, LateWord, ScriptValue

__all__ = [
    "Content",
    "OutputUse",
    "Reveal",
    "StepOutputs",
    "TemplateProblem",
    "check_syntax",
    "evaluate",
    "evaluate_late",
    "file_output_uses",
    "find_secret",
    "output_uses",
    "render",
    "render_condition",
    "render_content",
    "render_file",
    "render_late",
    "render_late_word",
    "render_script_value",
    "render_text",
    "render_value",
    "render_word",
    "undefined_message",
]


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is to hold."""

    text: Secret
    """Bytes that are not UTF-8 are lone surrogates in it: encode it with ``surrogateescape``."""
    holds_secrets: bool


def render(expr: Expr, names: Mapping[str, Any]) -> Value:
    """A value with its templates rendered, lists and maps inside out.

    A value that is one template keeps its type; in mixed text values stand as ``texts.to_text`` gives them (booleans
    ``true`` and ``false``, null as nothing). Raises TemplateProblem, also where a secret would come out, and for
    outputs of steps.
    """
    value = evaluate(expr, names)
    if (ref := find_secret(value)) is not None:
        raise TemplateProblem(expr.position if isinstance(expr, Template) else ref.position, NO_SECRET)
    plain: Value = value
    return plain


def evaluate(expr: Expr, names: Mapping[str, Any]) -> Any:
    """Like ``render``, but a value or an item that is a secret as a whole stays its SecretRef."""
    match expr:
        case Template():
            try:
                return value_of(expr, names)
            except SecretInside:
                raise TemplateProblem(expr.position, NO_SECRET) from None
        case Mapping():
            return {key: evaluate(item, names) for key, item in expr.items()}
        case tuple():
            return tuple(evaluate(item, names) for item in expr)
        case _:
            return expr


def render_text(text: Text, names: Mapping[str, Any]) -> str:
    """A text with its templates rendered; a template that gives a list or a map is a problem."""
    if isinstance(text, str):
        return text
    value = render(text, names)
    if isinstance(value, tuple | Mapping) or value is None:
        kind = "nothing" if value is None else "a list" if isinstance(value, tuple) else "a map"
        raise TemplateProblem(text.position, f"this must give text, and gives {kind}")
    return to_text(value)


def render_word(text: Text, names: Mapping[str, Any]) -> LateWord:
    """Like ``render_text``; a LateText where it uses outputs. Raises TemplateProblem, also where a secret is near."""
    if isinstance(text, str) or not output_uses(text):
        return render_text(text, names)
    late = waiting(text, names)
    if find_secret(late.names) is not None:
        raise TemplateProblem(text.position, NO_SECRET)
    return late


def render_condition(when: Template, names: Mapping[str, Any]) -> bool | LateText:
    """``when``: true, false, or to be told when the step's turn comes. Raises TemplateProblem."""
    if output_uses(when):
        return waiting(when, names)
    value = render(when, names)
    if not isinstance(value, bool):
        raise TemplateProblem(when.position, f"'when' must give true or false, and gives {value!r}")
    return value


def render_script_value(expr: Expr, names: Mapping[str, Any]) -> ScriptValue:
    """A value as a script gets it in its environment.

    A secret stays a SecretRef; a template that uses one, or outputs, becomes a LateText with the names it needs. A
    list or map that holds a secret or an output is a problem.
    """
    if isinstance(expr, Template):
        if output_uses(expr):
            return waiting(expr, names)
        try:
            value = value_of(expr, names)
        except SecretInside:
            return waiting(expr, names)
    else:
        _refuse_outputs_inside(expr)
        value = evaluate(expr, names)
    if isinstance(value, SecretRef):
        return value
    if (ref := find_secret(value)) is not None:
        position = expr.position if isinstance(expr, Template) else ref.position
        raise TemplateProblem(position, "a secret must be a value of its own, not part of a list or map")
    return to_text(value)


def _refuse_outputs_inside(expr: Expr) -> None:
    for item in leaves(expr):
        if isinstance(item, Template) and output_uses(item):
            raise TemplateProblem(item.position, "an output must be a value of its own, not part of a list or map")


def render_content(
    text: Text | bytes, names: Mapping[str, Any], reveal: Reveal, *, file: str = ""
) -> Content | LateText:
    """The content of a file step: rendered now, or a LateText where it uses outputs.

    Bytes are a whole template file, ``file`` its path: mistakes are found at their line in it, and every byte outside
    of ``${{ … }}`` stays. Only secrets that go into it are revealed. Raises TemplateProblem, SecretError.
    """
    if isinstance(text, str):
        return Content(Secret(text), holds_secrets=False)
    template = file_template(text, file) if isinstance(text, bytes) else text
    if output_uses(template):
        return waiting(template, names)
    rendered, is_secret = revealed_text(template, names, reveal)
    return Content(Secret(rendered), is_secret)


def render_file(content: bytes, names: Mapping[str, Any], reveal: Reveal, *, file: str) -> Secret:
    """A package's file with its ``${{ … }}`` rendered; every other byte stays.

    The result may hold secrets. Bytes that are not UTF-8 are lone surrogates in it: encode it with
    ``surrogateescape``. Raises TemplateProblem with the line and column in ``file``, also for outputs of steps.
    """
    text, _ = revealed_text(file_template(content, file), names, reveal)
    return Secret(text)


def check_syntax(template: Template) -> None:
    """Raise TemplateProblem where a template is no template, without rendering it."""
    for piece in pieces_of(template):
        if isinstance(piece, Code):
            compiled(piece)
