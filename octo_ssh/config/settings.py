"""What ``configure: {set: …}`` says, for one target: files of a package with values set in them (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from octo_ssh.config.pieces import Code, pieces_of
from octo_ssh.config.rendering import Reveal, revealed, revealed_text
from octo_ssh.config.structured import SettingsError, apply_settings
from octo_ssh.config.templates import TemplateProblem
from octo_ssh.errors import FileErrors, Position, Problem
from octo_ssh.model.plan import FileSettings
from octo_ssh.model.values import Expr, SecretRef, Template, Value


def with_settings(
    content: bytes, settings: Iterable[FileSettings], names: Mapping[str, Any], reveal: Reveal, *, path: str, file: str
) -> bytes:
    """A file with everything that is set in it; where two rows set the same key, the later counts.

    ``path`` is the file's in its package, ``file`` what positions in it name. Raises FileErrors with every mistake:
    templates and keys at their place in the plan, a malformed file at its own. SecretError from ``reveal``.
    """
    values: dict[str, Value] = {}
    places: dict[str, Position] = {}
    problems: list[Problem] = []
    for row in settings:
        for key, expr in row.values.items():
            places[key] = row.places.get(key, row.position)
            try:
                values[key] = render_setting(expr, names, reveal)
            except TemplateProblem as problem:
                problems.append(problem.problem)
    if problems:
        raise FileErrors(problems)
    try:
        return apply_settings(content, values, file=file)
    except SettingsError as error:
        raise FileErrors(
            [
                Problem(problem.position or Position(file), problem.message)
                if problem.key is None
                else Problem(places[problem.key], f"{path}: {problem.message}")
                for problem in error.problems
            ]
        ) from None


def render_setting(expr: Expr, names: Mapping[str, Any], reveal: Reveal) -> Value:
    """A value with its type, secrets revealed: it goes into a file of the target and nowhere else.

    Raises TemplateProblem, also for outputs of steps; SecretError from ``reveal``.
    """
    match expr:
        case Template():
            match pieces_of(expr):
                case (Code() as code,):
                    value: Value = revealed(code, names, reveal)[0]
                    return value
                case _:
                    return revealed_text(expr, names, reveal)[0]
        case SecretRef():
            return reveal(expr).reveal()
        case Mapping():
            return {key: render_setting(item, names, reveal) for key, item in expr.items()}
        case tuple():
            return tuple(render_setting(item, names, reveal) for item in expr)
        case _:
            plain: Value = expr
            return plain
