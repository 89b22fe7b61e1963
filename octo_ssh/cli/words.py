"""Words of the command line with a form of their own: ``--var``, ``--approve``, times, the command that goes on; and
the request that they make together.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from octo_ssh.errors import UsageError
from octo_ssh.model.values import Value
from octo_ssh.model.words import nearest

if TYPE_CHECKING:
    from octo_ssh.config.document import Node
    from octo_ssh.operations.requests import PlanRequest

E = TypeVar("E", bound=enum.Enum)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*?")
_ASSIGNMENT = re.compile(rf"({_NAME.pattern})(:?=)(.*)", re.DOTALL)


def one_of(kind: type[E], typed: str | E, what: str) -> E:
    """A choice by its word; ``what``: where it was typed. Raises UsageError."""
    try:
        return kind(typed)
    except ValueError:
        known = [choice.value for choice in kind]
        wanted = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
        raise UsageError(f"{what} must be {wanted}, not {typed!r}{nearest(str(typed), known)}") from None


def plan_request(
    plan: str,
    *,
    inventory: str | None,
    environment: str | None,
    release: str | None,
    var: Iterable[str] | None,
    limit: Iterable[str] | None,
    exclude: Iterable[str] | None,
    skip_step: Iterable[str] | None = None,
    redeploy: bool = False,
) -> PlanRequest:
    """What was typed of a plan. Raises UsageError."""
    from octo_ssh.operations.requests import PlanRequest

    return PlanRequest(
        plan_path=plan,
        inventory_path=inventory,
        environment=environment,
        release=release,
        variables=assignments(var or ()),
        limit=tuple(limit or ()),
        exclude=tuple(exclude or ()),
        skip_steps=frozenset(skip_step or ()),
        redeploy=redeploy,
    )


def assignments(words: Iterable[str]) -> Mapping[str, Value]:
    """``name=text`` and ``name:=YAML``; of two for one name the later counts.

    Raises UsageError, which holds nothing of what was typed: it may be a secret.
    """
    found: dict[str, Value] = {}
    for number, word in enumerate(words, 1):
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            raise UsageError(
                f"--var number {number} is no assignment",
                hint="write --var name=text, or --var 'name:=[a, YAML, value]'",
            )
        name, sign, text = match.groups()
        found[name] = text if sign == "=" else _literal(text, f"--var {name}")
    return found


def approvals(words: Iterable[str]) -> Mapping[str, str]:
    """``STEP=NOTE``: the note by a step's name or id. Raises UsageError."""
    found: dict[str, str] = {}
    for word in words:
        step, _, note = (part.strip() for part in word.partition("="))
        if not step or not note:
            raise UsageError(f"--approve {word!r} is no approval", hint="write --approve 'STEP=why it may go on'")
        if step in found:
            raise UsageError(f"--approve says two things of {step!r}", hint="give one note for each step")
        found[step] = note
    return found


def seconds(text: str, option: str) -> float:
    """A duration with its unit. Raises UsageError."""
    from octo_ssh.config.values import BadValue, duration_s

    try:
        return duration_s(_node(text, option))
    except BadValue as error:
        raise UsageError(f"{option} {error.message}") from error


def command_line(
    verb: str,
    plan: str,
    *,
    inventory: str | None,
    environment: str | None,
    release: str | None,
    var: Iterable[str] | None,
) -> str:
    """What was typed, less who was selected, so that it can be typed again. Of two assignments to a name, the later."""
    words = {word.partition("=")[0].removesuffix(":"): word for word in var or ()}
    options = (
        ("-i", inventory),
        ("-e", environment),
        ("--release", release),
        *(("--var", word) for word in words.values()),
    )
    return shlex.join(["octo-ssh", verb, plan, *(word for flag, value in options if value for word in (flag, value))])


def command_line_of(verb: str, request: PlanRequest) -> str:
    """The same for what was not typed but read from a saved plan."""
    path, here = request.plan_path, os.getcwd() + os.sep
    return command_line(
        verb,
        path.removeprefix(here),
        inventory=request.inventory_path and request.inventory_path.removeprefix(here),
        environment=request.environment,
        release=request.release,
        var=[_assigned(name, value) for name, value in request.variables.items()],
    )


def _assigned(name: str, value: Value) -> str:
    return f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value, ensure_ascii=False)}"


def _literal(text: str, what: str) -> Value:
    from octo_ssh.config.values import literal

    value: Value = literal(_node(text, what))
    return value


def _node(text: str, what: str) -> Node:
    from octo_ssh.config.document import Scalar, parse_document
    from octo_ssh.config.problems import Problems
    from octo_ssh.errors import Position

    problems = Problems()
    node = parse_document(text, what, problems)
    if problems:
        raise UsageError("\n".join(map(str, problems.listing())))
    return Scalar(None, Position(what), text) if node is None else node
