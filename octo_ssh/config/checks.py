"""A plan against its inventory: what can only be told with both at hand, for every target it is for (SPEC section 4).

Templates are rendered for each target that a step reaches; of many targets for which one template fails, the first is
named. Nothing is run, and no secret is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from octo_ssh.config.plan_probes import is_http_url
from octo_ssh.config.plan_steps import place_problem
from octo_ssh.config.problems import nearest
from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.templates import TemplateProblem, render, render_script_value, render_text
from octo_ssh.config.variables import Scopes
from octo_ssh.errors import Position, Problem
from octo_ssh.model import select as selectors
from octo_ssh.model.inventory import Inventory
from octo_ssh.model.plan import (
    CheckStep,
    CommandProbe,
    GroupStep,
    HttpProbe,
    PackageStep,
    Probe,
    ReleasePlan,
    RunStep,
    Step,
    UrlOrigin,
)
from octo_ssh.model.values import Expr, SecretRef, Template, leaves
from octo_ssh.model.work import LateText


@dataclass(slots=True)
class Checker:
    """Checks one plan for one environment."""

    plan: ReleasePlan
    inventory: Inventory
    environment: str | None
    scopes: Scopes
    secrets: SecretStore
    places: Mapping[tuple[str, str], Position]
    """As ``PlanFile.places``."""
    _found: list[Problem] = field(default_factory=list)
    _failed: set[Position] = field(default_factory=set)
    """Where a template failed already."""
    _needed: dict[SecretRef, set[Position]] = field(default_factory=dict)

    def problems(self, targets: tuple[str, ...]) -> list[Problem]:
        """Everything that is wrong for these targets, those of the environment; each mistake once."""
        self._found.extend(self.scopes.problems())
        self._check_origins()
        for step in self.plan.steps:
            self._check_step(step, targets, becomes=False)
        for name in targets:
            self._need(self.inventory.targets[name].identity_passphrase)
        self._check_sources()
        return sorted(set(self._found))

    def _fail(self, problem: TemplateProblem) -> None:
        self._failed.add(problem.position)
        self._found.append(Problem(problem.position, problem.message))

    def _need(self, value: Any) -> None:
        """A secret is used: its source must be there."""
        match value:
            case SecretRef():
                self._needed.setdefault(value, set()).add(value.position)
            case LateText(names=names):
                for item in [*names.values(), *names.get("vars", {}).values()]:
                    self._need(item)
            case _:
                return

    def _check_sources(self) -> None:
        for ref, positions in self._needed.items():
            if (reason := self.secrets.check(ref)) is not None:
                self._found.extend(Problem(position, f"a secret is missing: {reason}") for position in positions)

    def _check_origins(self) -> None:
        names = self.scopes.names(target=None)
        for source in self.plan.packages.values():
            where = source.origin.url if isinstance(source.origin, UrlOrigin) else source.origin.path
            if not isinstance(where, Template):
                continue
            try:
                text = render_text(where, names)
            except TemplateProblem as problem:
                self._fail(problem)
                continue
            if isinstance(source.origin, UrlOrigin) and not text.startswith("https://"):
                self._found.append(Problem(where.position, f"'url' must start with https://, and gives '{text}'"))

    def _check_step(self, step: Step, within: tuple[str, ...], *, becomes: bool) -> None:
        selected = set(self._selected(step))
        targets = tuple(name for name in within if name in selected)
        becomes = becomes or step.become is not None
        if isinstance(step.kind, GroupStep):
            self._check_for(step, targets)
            for child in step.kind.steps:
                self._check_step(child, targets, becomes=becomes)
            return
        self._check_for(step, targets)
        for name in targets if becomes else ():
            self._need(self.inventory.targets[name].become.password)

    def _selected(self, step: Step) -> tuple[str, ...]:
        try:
            wanted = selectors.parse(step.on, bare="tag")
            return selectors.select(wanted, self.inventory, environment=self.environment)
        except selectors.SelectError as error:
            at = next((self._place(step, "on", word) for word in step.on if self._is_wrong(word)), step.position)
            self._found.append(Problem(at, f"on: {error}"))
            return ()

    def _is_wrong(self, word: str) -> bool:
        try:
            selectors.select(selectors.parse([word], bare="tag"), self.inventory)
        except selectors.SelectError:
            return True
        return False

    def _place(self, step: Step, key: str, word: str) -> Position:
        return self.places.get((step.id, f"{key}:{word}"), step.position)

    def _check_for(self, step: Step, targets: tuple[str, ...]) -> None:
        """A step's own templates and secrets, on each of its targets."""
        templates = [pair for pair in _templates(step) if _varies(pair[1])]
        secrets = [] if isinstance(step.kind, GroupStep) else list(step.secrets)
        for target in targets:
            names = self.scopes.names(target=target, step=step)
            for name in list(secrets):
                if not self._is_secret(step, name, target):
                    secrets.remove(name)
            for use, expr in templates:
                try:
                    self._check_template(use, expr, names)
                except TemplateProblem as problem:
                    self._fail(problem)
            templates = [(use, expr) for use, expr in templates if not self._has_failed(expr)]

    def _has_failed(self, expr: Expr) -> bool:
        return any(isinstance(item, Template) and item.position in self._failed for item in leaves(expr))

    def _is_secret(self, step: Step, name: str, target: str) -> bool:
        """Whether a name in ``secrets`` is one; note what is wrong, or that it is needed."""
        values = self.scopes.values(target=target, step=step)
        at = self._place(step, "secrets", name)
        if name not in values:
            names = self.scopes.names(target=target, step=step)
            why = names.why_missing(name) if hasattr(names, "why_missing") else None
            secret = [known for known in values if known != name]
            self._found.append(Problem(at, why or f"there is no variable '{name}'{nearest(name, secret)}"))
            return False
        try:
            resolved = values[name]
        except TemplateProblem as problem:
            self._fail(problem)
            return False
        if not isinstance(resolved.value, SecretRef):
            message = f"'{name}' is no secret, and scripts have it anyway: remove it here (set by {resolved.source})"
            self._found.append(Problem(at, message))
            return False
        self._need(resolved.value)
        return True

    def _check_template(self, use: str, expr: Expr, names: Mapping[str, Any]) -> None:
        """Render one value, and look at what comes out. Raises TemplateProblem."""
        match use:
            case "env":
                self._need(render_script_value(expr, names))
            case "when":
                value = render(expr, names)
                if not isinstance(value, bool):
                    raise TemplateProblem(expr.position, f"'when' must give true or false, and gives {value!r}")
            case "to":
                text = render_text(expr, names)
                if (reason := place_problem(text)) is not None:
                    raise TemplateProblem(expr.position, f"{reason}; it gives '{text}'")
            case "http":
                text = render_text(expr, names)
                if not is_http_url(text):
                    raise TemplateProblem(
                        expr.position, f"'http' must be an http:// or https:// URL; it gives '{text}'"
                    )
            case _:
                render_text(expr, names)


def _varies(expr: Expr) -> bool:
    return any(isinstance(item, Template | SecretRef) for item in leaves(expr))


def _templates(step: Step) -> Iterator[tuple[str, Expr]]:
    """What of a step may be a template, with its use."""
    if isinstance(step.when, Template):
        yield "when", step.when
    match step.kind:
        case GroupStep():
            return
        case PackageStep(to=to, verify=verify):
            if to is not None:
                yield "to", to
            if verify is not None:
                yield from _in_probe(verify)
        case CheckStep(probe=probe):
            yield from _in_probe(probe)
        case RunStep():
            pass
        case _:
            assert_never(step.kind)
    for value in step.env.values():
        yield "env", value
    if step.cwd is not None:
        yield "text", step.cwd


def _in_probe(probe: Probe) -> Iterator[tuple[str, Expr]]:
    match probe.what:
        case HttpProbe(url=url, contains=contains):
            yield "http", url
            if contains is not None:
                yield "text", contains
        case CommandProbe(command=command):
            for argument in command if isinstance(command, tuple) else ():
                yield "text", argument
        case _:
            assert_never(probe.what)
