"""Templates that are rendered when a step runs: they use outputs of steps, or yield a secret (SPEC section 4).

Which outputs a template uses is told from its text, so that what cannot be is said before a run; their values come
with ``steps``, and nothing else of a template is looked up late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from octo_ssh.config.pieces import Code, TemplateProblem, file_template, pieces_of
from octo_ssh.config.rendering import (
    NO_SECRET,
    Reveal,
    SecretInside,
    compiled,
    revealed,
    revealed_text,
    run,
    undefined_message,
    value_of,
)
from octo_ssh.errors import Position
from octo_ssh.model.plan import Text
from octo_ssh.model.values import Secret, SecretRef, Template
from octo_ssh.model.work import LateText, LateWord, ScriptValue

StepOutputs = Mapping[str, Mapping[str, Any]]
"""By step id: ``{"output": {name: str | SecretRef}, "outputs": {target: {name: str | SecretRef}}}``."""
_HOW = (
    "outputs of steps are written out, so that octo-ssh knows before a run which are used: steps.STEP_ID.output.NAME,"
    ' or steps.STEP_ID.outputs["TARGET"].NAME'
)


@dataclass(frozen=True, slots=True)
class OutputUse:
    """A template uses an output of a step."""

    step: str
    """The step's id."""
    target: str | None
    """None: the output on the target that the template is rendered for, or of the one target that has the step."""
    name: str
    position: Position = field(compare=False)


def output_uses(text: Text) -> tuple[OutputUse, ...]:
    """The outputs that a template uses, in order, each once.

    Raises TemplateProblem for one that is no template, and where ``steps`` is used in another way.
    """
    if isinstance(text, str) or "steps" not in text.text:
        return ()
    found = [use for piece in pieces_of(text) if isinstance(piece, Code) for use in _uses_in(piece)]
    return tuple(dict.fromkeys(found))


def file_output_uses(data: bytes, file: str) -> tuple[OutputUse, ...]:
    """The same of a whole file, with positions in it."""
    return output_uses(file_template(data, file)) if b"steps" in data else ()


def _uses_in(code: Code) -> Iterator[OutputUse]:
    if "steps" not in code.source:
        return
    used = compiled(code).uses
    if used.misuses_steps:
        raise TemplateProblem(code.position, _HOW)
    for output in used.outputs:
        yield OutputUse(output.step, output.target, output.name, code.position)


def waiting(template: Template, names: Mapping[str, Any]) -> LateText:
    """A template as it waits for its step, with as few names as can be told from its text.

    Whatever can be found wrong before is: other expressions are rendered, names must be there. Raises TemplateProblem.
    """
    after = tuple(dict.fromkeys(use.step for use in output_uses(template)))
    needed: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for code in pieces_of(template):
        if isinstance(code, str):
            continue
        used = compiled(code).uses
        if not used.outputs:
            _try(code, names)
        _check_names(code, names)
        needed |= {name: names[name] for name in used.names if name in names and name != "vars"}
        if "vars" in used.names and "vars" in names:
            every = names["vars"]
            keys |= {key: every[key] for key in every if used.vars_keys is None or key in used.vars_keys}
            needed["vars"] = dict(sorted(keys.items()))
    return LateText(template, needed, after)


def _try(code: Code, names: Mapping[str, Any]) -> None:
    """Raise TemplateProblem for an expression that cannot be rendered. What only a secret's value tells is let be."""
    with suppress(SecretInside):
        run(code, names, reveal=None)


def _check_names(code: Code, names: Mapping[str, Any]) -> None:
    """Raise TemplateProblem for a name that is not there and has no default: what cannot be tried yet may need it."""
    from octo_ssh.config.expressions import FUNCTIONS

    used = compiled(code).uses
    for name in sorted(used.names - used.optional_names - FUNCTIONS - {"steps"}):
        if name not in names:
            raise TemplateProblem(code.position, undefined_message(name, names))
    for key in sorted((used.vars_keys or frozenset()) - used.optional_keys):
        if key not in names["vars"]:
            run(Code(f"vars[{key!r}]", code.position), names, reveal=None)


def render_late(late: LateText, reveal: Reveal, steps: StepOutputs) -> str | Secret:
    """The text of a template whose step runs now; a Secret as soon as a secret went into it.

    Of a file (``render_content``): encode it with ``surrogateescape``. Raises TemplateProblem, also for an output that
    is not there; SecretError from ``reveal``.
    """
    text, is_secret = revealed_text(late.template, _names(late, steps), reveal)
    return Secret(text) if is_secret else text


def render_value(value: ScriptValue, reveal: Reveal, steps: StepOutputs) -> str | Secret:
    """A value that is exported to a script which runs now. Raises TemplateProblem, SecretError, as ``render_late``."""
    match value:
        case SecretRef():
            return reveal(value)
        case LateText():
            return render_late(value, reveal, steps)
        case str():
            return value


def render_late_word(word: LateWord, steps: StepOutputs) -> str:
    """The same where no secret may be. Raises TemplateProblem."""
    if isinstance(word, str):
        return word
    text, is_secret = revealed_text(word.template, _names(word, steps), _refuse_in(word.template))
    assert not is_secret
    return text


def _refuse_in(template: Template) -> Reveal:
    def refuse(ref: SecretRef) -> NoReturn:
        raise TemplateProblem(template.position, NO_SECRET)

    return refuse


def evaluate_late(late: LateText, reveal: Reveal, steps: StepOutputs) -> Any:
    """What a template gives whose step runs now, with its type: for ``when``. A secret may decide it, and never is it.

    Raises TemplateProblem, SecretError.
    """
    names = _names(late, steps)
    match pieces_of(late.template):
        case (Code() as code,):
            value, is_secret = revealed(code, names, reveal)
            if is_secret and not isinstance(value, bool):
                raise TemplateProblem(code.position, NO_SECRET)
            return value
        case _:
            try:
                return value_of(late.template, names)
            except SecretInside:
                raise TemplateProblem(late.template.position, NO_SECRET) from None


def _names(late: LateText, steps: StepOutputs) -> Mapping[str, Any]:
    output_uses(late.template)  # whatever made it: ``steps`` is used for outputs, and for nothing else
    return {**late.names, "steps": steps}
