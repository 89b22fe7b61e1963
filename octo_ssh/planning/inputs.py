"""What a plan is made from, and small questions to it that every rule asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from octo_ssh.config.templates import TemplateProblem, render
from octo_ssh.config.variables import targets_of
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model.inventory import Target
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import BecomeAs, GroupStep, PackageStep, Step, When
from octo_ssh.model.values import Template
from octo_ssh.planning.configure import Configured, configure
from octo_ssh.planning.places import becoming, sudo_user
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import RunOptions, Selection

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


@dataclass(frozen=True, slots=True)
class PlanInput:
    """Everything that is known before a run."""

    loaded: Loaded
    options: RunOptions
    selection: Selection
    observed: Mapping[str, Observed]
    """By target; those of ``selection.once_extra`` included."""
    unreachable: Mapping[str, str]
    """Targets that could not be reached, with the reason."""
    broken: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Targets that were reached and could not be looked at, with the reason."""
    manifests: Mapping[str, Manifest]
    """By package, as it was acquired."""
    configured: Mapping[tuple[str, str], Configured]
    """By step id and target."""


@dataclass(slots=True)
class Scene:
    """The input with what follows from it at once, and what was found wrong so far."""

    given: PlanInput
    reach: Mapping[str, tuple[str, ...]] = field(init=False)
    """Targets of the run by step id."""
    reach_all: Mapping[str, tuple[str, ...]] = field(init=False)
    """Before ``--limit``."""
    path: Mapping[str, tuple[Step, ...]] = field(init=False)
    """By step id: the groups it stands in, outermost first."""
    become: Mapping[str, BecomeAs | None] = field(init=False)
    problems: list[Problem] = field(default_factory=list, init=False)
    """Mistakes in files."""
    refusals: list[str] = field(default_factory=list, init=False)
    """Why the run is refused as a whole."""

    def __post_init__(self) -> None:
        loaded = self.given.loaded
        self.reach = reached(loaded, self.given.selection.targets)
        self.reach_all = reached(loaded, targets_of(loaded.inventory, loaded.environment))
        self.become = becoming(loaded.plan)
        self.path = dict(_paths(loaded.plan.steps, ()))

    @property
    def is_runbook(self) -> bool:
        """A plan without packages: its steps are always due (SPEC section 4)."""
        return not self.given.loaded.plan.packages

    @property
    def release(self) -> str | None:
        return self.given.loaded.plan.release

    def target(self, name: str) -> Target:
        return self.given.loaded.inventory.targets[name]

    def names(self, step: Step, target: str) -> Mapping[str, Any]:
        """What templates of the step may use there."""
        return self.given.loaded.scopes.names(target=target, step=step)

    def sudo_user(self, step: Step, target: str) -> str | None:
        return sudo_user(self.become[step.id], self.target(target))

    def is_skipped(self, step: Step) -> bool:
        return step.id in self.given.selection.skipped

    def waits_for_failure(self, step: Step) -> bool:
        return any(one.when is When.FAILURE for one in (*self.path[step.id], step))

    def cleans_up(self, step: Step) -> bool:
        return any(one.when is When.ALWAYS for one in (*self.path[step.id], step))

    def packages_of(self, target: str) -> tuple[Step, ...]:
        """The package steps that bring something to the target in this run."""
        return tuple(
            step
            for step in self.given.loaded.plan.walk()
            if isinstance(step.kind, PackageStep) and target in self.reach[step.id] and not self.is_skipped(step)
        )

    def wanted(self, step: Step, target: str) -> Configured:
        """What the release folder must hold there."""
        assert isinstance(step.kind, PackageStep)
        known = self.given.configured.get((step.id, target))
        return known or configure(self.given.manifests[step.kind.package], {}, step, {}, _no_secret)

    def says_no(self, step: Step, target: str) -> str | None:
        """Why a ``when`` template leaves the target out: its own, or that of a group around it."""
        for one in (*self.path[step.id], step):
            if isinstance(one.when, Template) and not self._holds(one, one.when, target):
                return "'when' is false here" if one is step else f"'when' of '{one.name}' is false here"
        return None

    def note(self, error: FileErrors | TemplateProblem) -> None:
        """A mistake in a file; all of them are told together."""
        if isinstance(error, FileErrors):
            self.problems.extend(error.problems)
        else:
            self.problems.append(Problem(error.position, error.message))

    def _holds(self, step: Step, when: Template, target: str) -> bool:
        try:
            value = render(when, self.names(step, target))
        except TemplateProblem as error:
            self.note(error)
            return False
        if not isinstance(value, bool):
            self.problems.append(Problem(when.position, f"'when' must give true or false, and gives {value!r}"))
        return value is True


def _paths(steps: tuple[Step, ...], above: tuple[Step, ...]) -> list[tuple[str, tuple[Step, ...]]]:
    found: list[tuple[str, tuple[Step, ...]]] = []
    for step in steps:
        found.append((step.id, above))
        if isinstance(step.kind, GroupStep):
            found += _paths(step.kind.steps, (*above, step))
    return found


def _no_secret(ref: object) -> Any:
    raise AssertionError("nothing is rendered here")
