"""A plan against its inventory: what can only be told with both at hand, for every target it is for (SPEC section 4).

Templates are rendered for each target that a step reaches; of many targets for which one template fails, the first is
named. Nothing is run, and no secret is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from octo_ssh.config.plan_outputs import output_problems
from octo_ssh.config.plan_templates import Use, check, templates_of
from octo_ssh.config.problems import nearest, quoted_list
from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.templates import TemplateProblem, render_text
from octo_ssh.config.variables import Scopes
from octo_ssh.errors import Position, Problem
from octo_ssh.model import select as selectors
from octo_ssh.model.inventory import Inventory
from octo_ssh.model.plan import CONTROLLER, GroupStep, ReleasePlan, Step, UrlOrigin
from octo_ssh.model.values import Expr, SecretRef, Template
from octo_ssh.model.work import LateText


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a step."""

    targets: tuple[str, ...]
    groups: tuple[Step, ...] = ()
    becomes: bool = field(default=False, kw_only=True)
    rolls: bool = field(default=False, kw_only=True)


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
    _reached: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """As ``output_problems`` takes it."""
    _needed: dict[SecretRef, set[Position]] = field(default_factory=dict)

    def problems(self, targets: tuple[str, ...]) -> list[Problem]:
        """Everything that is wrong for these targets, those of the environment; each mistake once."""
        self._found.extend(self.scopes.problems())
        self._check_origins()
        self._check_environments()
        for step in self.plan.steps:
            self._check_step(step, _Around(targets))
        self._found.extend(output_problems(self.plan.steps, self._reached, self.inventory.targets))
        for name in targets:
            self._need(self.inventory.targets[name].identity_passphrase)
        self._check_sources()
        return sorted(set(self._found))

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
            where = source.location
            if not isinstance(where, Template):
                continue
            try:
                text = render_text(where, names)
            except TemplateProblem as problem:
                self._found.append(problem.problem)
                continue
            if isinstance(source.origin, UrlOrigin) and not text.startswith("https://"):
                self._found.append(Problem(where.position, f"'url' must start with https://, and gives '{text}'"))

    def _check_step(self, step: Step, around: _Around) -> None:
        selected = set(self._selected(step))
        targets = tuple(name for name in around.targets if name in selected)
        if step.environments and self.environment not in step.environments:
            for child in step.kind.steps if isinstance(step.kind, GroupStep) else ():
                self._check_step(child, around)
            return
        alone = step.on_controller and not around.rolls
        self._reached[step.id] = (CONTROLLER,) if alone else targets
        if alone:
            self._check_for(step, (None,))
            for group in around.groups:  # whether it runs is asked here, not for a target
                self._check_templates(list(templates_of(group)), (None,), group)
            return
        self._check_for(step, targets)
        becomes = around.becomes or step.become is not None
        if isinstance(step.kind, GroupStep):
            rolls = around.rolls or step.kind.rolling is not None
            for child in step.kind.steps:
                self._check_step(child, _Around(targets, (*around.groups, step), becomes=becomes, rolls=rolls))
            return
        for name in targets if becomes and not step.on_controller else ():
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

    def _check_environments(self) -> None:
        """Words at ``environments`` of steps."""
        known = self.inventory.environments
        for (_, place), at in self.places.items():
            key, _, word = place.partition(":")
            if key == "environments" and word not in known:
                hint = nearest(word, known) or (f": known are {quoted_list(known)}" if known else ": there are none")
                self._found.append(Problem(at, f"unknown environment '{word}'{hint}"))

    def _check_for(self, step: Step, targets: tuple[str | None, ...]) -> None:
        """A step's own templates and secrets, on each of its targets; on the controller, that is None."""
        self._check_templates(list(templates_of(step)), targets, step)
        secrets = [] if isinstance(step.kind, GroupStep) else list(step.secrets)
        for target in targets:
            secrets = [name for name in secrets if self._is_secret(step, name, target)]

    def _check_templates(self, templates: list[tuple[Use, Expr]], targets: tuple[str | None, ...], step: Step) -> None:
        for target in targets if templates else ():
            names = self.scopes.names(target=target, step=step)
            templates = [(use, expr) for use, expr in templates if self._is_right(use, expr, names)]

    def _is_right(self, use: Use, expr: Expr, names: Mapping[str, Any]) -> bool:
        """Whether a value can be rendered; note what is wrong, or which secrets it needs."""
        try:
            self._need(check(use, expr, names))
        except TemplateProblem as problem:
            self._found.append(problem.problem)
            return False
        return True

    def _is_secret(self, step: Step, name: str, target: str | None) -> bool:
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
            self._found.append(problem.problem)
            return False
        if not isinstance(resolved.value, SecretRef):
            message = f"'{name}' is no secret, and scripts have it anyway: remove it here (set by {resolved.source})"
            self._found.append(Problem(at, message))
            return False
        self._need(resolved.value)
        return True
