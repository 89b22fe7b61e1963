"""``octo-ssh vars``: what each variable is on a target, who said so, and what it beat. Reads files, and no secret."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.config.definitions import Definition
from octo_ssh.config.load import Loaded, LoadRequest, look
from octo_ssh.config.prompts import Unanswered
from octo_ssh.config.templates import TemplateProblem, find_secret
from octo_ssh.config.variables import tie_problem
from octo_ssh.errors import UsageError
from octo_ssh.model.plan import CONTROLLER, Step
from octo_ssh.model.reports import Said, Standing, VariableRow, VariablesReport
from octo_ssh.model.values import Prompt, SecretRef, Value, shell_name
from octo_ssh.model.words import nearest, quoted_list


@dataclass(frozen=True, slots=True)
class VarsRequest:
    """Which variables are wanted."""

    target: str
    """A target's name, or ``controller``."""
    files: LoadRequest
    step: str | None = None
    """A step's name or id: with what is said for it alone."""


def variables(request: VarsRequest) -> VariablesReport:
    """Every variable that has a value there, by name.

    A value that cannot be told stands in its row. Raises FileErrors for files that cannot be read, UsageError.
    """
    loaded = look(request.files)
    target = None if request.target == CONTROLLER else _target(request.target, loaded)
    step = None if request.step is None else _step(request.step, loaded)
    rows = (
        _row(loaded, name, target, step)
        for name in sorted(loaded.scopes.chosen(target=target, step=step), key=_by_name)
    )
    return VariablesReport(request.target, loaded.environment, None if step is None else step.name, tuple(rows))


def _by_name(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _target(name: str, loaded: Loaded) -> str:
    targets = loaded.inventory.targets
    if name not in targets:
        known = nearest(name, [*targets, CONTROLLER]) or f": known are {quoted_list(targets)}"
        raise UsageError(f"there is no target '{name}'{known}")
    if name not in loaded.targets:
        others = targets[name].environments
        raise UsageError(
            f"{name} is not in {loaded.environment}",
            hint=f"add -e {' or -e '.join(others)}" if others else "it is in no environment: give it one",
        )
    return name


def _step(word: str, loaded: Loaded) -> Step:
    steps = loaded.plan.walk()
    found = next((step for step in steps if word in (step.name, step.id)), None)
    if found is None:
        names = [name for step in steps for name in (step.name, step.id)]
        known = nearest(word, names) or f": known are {quoted_list(step.name for step in steps)}"
        raise UsageError(f"there is no step '{word}'{known}")
    return found


def _row(loaded: Loaded, name: str, target: str | None, step: Step | None) -> VariableRow:
    chosen = loaded.scopes.chosen(target=target, step=step)[name]
    standing, value, note = _value(loaded, name, target, step)
    if (tie := tie_problem(chosen)) is not None:
        standing, value, note = Standing.WRONG, None, str(tie)
    return VariableRow(
        name,
        shell_name(name),
        standing,
        value,
        note,
        _said(chosen.definition),
        tuple(map(_said, chosen.beaten)),
    )


def _value(
    loaded: Loaded, name: str, target: str | None, step: Step | None
) -> tuple[Standing, Value | SecretRef | Prompt, str]:
    written = loaded.scopes.chosen(target=target, step=step)[name].definition.value
    if isinstance(written, Prompt):
        return Standing.PROMPT, written, ""
    try:
        value = loaded.scopes.values(target=target, step=step)[name].value
    except Unanswered as waits:
        return Standing.WAITS, None, f"needs the answer for '{waits.name}'"
    except TemplateProblem as problem:
        standing = Standing.ABSENT if target is None else Standing.WRONG
        return standing, None, f"{problem.position}: {problem.message}"
    if isinstance(value, SecretRef):
        return Standing.SECRET, value, ""
    if (ref := find_secret(value)) is not None:
        return Standing.WRONG, None, f"{ref.position}: a secret must be the whole value of a variable"
    return Standing.VALUE, value, ""


def _said(definition: Definition) -> Said:
    return Said(definition.value, definition.origin, definition.source)
