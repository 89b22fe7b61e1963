"""What of a step may be a template, what may come out of it there, and whether it does (SPEC sections 2 and 4)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, assert_never

from octo_ssh.config.pieces import file_template
from octo_ssh.config.plan_words import file_problem, is_http_url, owner_problem, place_problem, unit_problem
from octo_ssh.config.templates import (
    OutputUse,
    TemplateProblem,
    output_uses,
    render_condition,
    render_script_value,
    render_text,
    render_word,
    undefined_message,
)
from octo_ssh.model.plan import (
    ApproveStep,
    CheckStep,
    CommandProbe,
    FileStep,
    GroupStep,
    HttpProbe,
    PackageStep,
    Probe,
    RunStep,
    SecretContent,
    ServiceStep,
    SourceContent,
    Step,
    TemplateContent,
    Text,
    TextContent,
)
from octo_ssh.model.values import Expr, SecretRef, Template, leaves
from octo_ssh.model.work import LateText


class Use(enum.Enum):
    """What a value of a step is for: what may go into it, and what it must give."""

    WHEN = enum.auto()
    """Gives true or false; may use outputs."""
    VALUE = enum.auto()
    """``env`` and ``content``: may use secrets and outputs."""
    SETTING = enum.auto()
    """``configure.set``: may use secrets."""
    TO = enum.auto()
    """A folder; known before the run."""
    TEXT = enum.auto()
    """These and the rest may use outputs, and no secrets."""
    HTTP = enum.auto()
    FILE = enum.auto()
    OWNER = enum.auto()
    GROUP = enum.auto()
    SERVICE = enum.auto()


def templates_of(step: Step) -> Iterator[tuple[Use, Expr]]:
    """What of a step is a template or a secret, with its use."""
    return ((use, expr) for use, expr in _values_of(step) if any(map(_varies, leaves(expr))))


def _varies(leaf: Expr) -> bool:
    return isinstance(leaf, Template | SecretRef)


def outputs_of(step: Step) -> Iterator[OutputUse]:
    """The outputs of other steps that a step uses. A template that is none is left to whoever renders it, and so is
    one that may use no outputs."""
    for use, expr in templates_of(step):
        for leaf in leaves(expr) if use not in (Use.TO, Use.SETTING) else ():
            if isinstance(leaf, Template):
                with suppress(TemplateProblem):
                    yield from output_uses(leaf)


def check(use: Use, expr: Expr, names: Mapping[str, Any]) -> object:
    """Render one value, and look at what comes out; it may hold secrets that are needed. Raises TemplateProblem."""
    match use:
        case Use.WHEN:
            return render_condition(expr, names)
        case Use.VALUE:
            return render_script_value(expr, names)
        case Use.SETTING:
            for leaf in leaves(expr):
                if isinstance(leaf, Template) and output_uses(leaf):
                    raise TemplateProblem(leaf.position, undefined_message("steps", names))
            return render_script_value(expr, names)
        case Use.TO:
            return _fit(use, expr, render_text(expr, names))
        case _:
            word = render_word(expr, names)
            return word if isinstance(word, LateText) else _fit(use, expr, word)


def _fit(use: Use, expr: Text, text: str) -> str:
    """A rendered text, where it is one for its use."""
    problem = _problem(use, text)
    if problem is not None and isinstance(expr, Template):
        raise TemplateProblem(expr.position, f"{problem}; it gives '{text}'")
    return text


def _problem(use: Use, text: str) -> str | None:
    match use:
        case Use.TO:
            return place_problem(text)
        case Use.FILE:
            return file_problem(text)
        case Use.OWNER:
            return owner_problem(text, "owner")
        case Use.GROUP:
            return owner_problem(text, "group")
        case Use.SERVICE:
            return unit_problem(text)
        case Use.HTTP:
            return None if is_http_url(text) else "'http' must be an http:// or https:// URL"
        case _:
            return None


def _values_of(step: Step) -> Iterator[tuple[Use, Expr]]:
    if isinstance(step.when, Template):
        yield Use.WHEN, step.when
    match step.kind:
        case GroupStep():
            return
        case PackageStep():
            yield from _of_package(step.kind)
        case CheckStep(probe=probe):
            yield from _of_probe(probe)
        case FileStep():
            yield from _of_file(step.kind)
        case ServiceStep(service=service):
            yield Use.SERVICE, service
        case ApproveStep(text=text):
            yield Use.TEXT, text
        case RunStep():
            pass
        case _:
            assert_never(step.kind)
    for value in step.env.values():
        yield Use.VALUE, value
    if step.cwd is not None:
        yield Use.TEXT, step.cwd


def _of_package(package: PackageStep) -> Iterator[tuple[Use, Expr]]:
    if package.to is not None:
        yield Use.TO, package.to
    if package.verify is not None:
        yield from _of_probe(package.verify)
    for settings in package.settings:
        for value in settings.values.values():
            yield Use.SETTING, value


def _of_probe(probe: Probe) -> Iterator[tuple[Use, Expr]]:
    match probe.what:
        case HttpProbe(url=url, contains=contains):
            yield Use.HTTP, url
            if contains is not None:
                yield Use.TEXT, contains
        case CommandProbe(command=command):
            for argument in command if isinstance(command, tuple) else ():
                yield Use.TEXT, argument
        case _:
            assert_never(probe.what)


def _of_file(file: FileStep) -> Iterator[tuple[Use, Expr]]:
    yield Use.FILE, file.path
    if file.owner is not None:
        yield Use.OWNER, file.owner
    if file.group is not None:
        yield Use.GROUP, file.group
    match file.content:
        case TextContent(text=text):
            yield Use.VALUE, text
        case TemplateContent(path=path, data=data):
            yield Use.VALUE, file_template(data, path) if b"${{" in data else ""
        case SecretContent(ref=ref):
            yield Use.VALUE, ref
        case SourceContent() | None:
            return
        case _:
            assert_never(file.content)
