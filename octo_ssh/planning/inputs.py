"""What a plan is made from, and small questions to it that every rule asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from octo_ssh.config.templates import TemplateProblem, render_condition
from octo_ssh.config.variables import targets_of
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model.drift import Expected
from octo_ssh.model.inventory import Target
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import CONTROLLER, BecomeAs, GroupStep, PackageStep, Step, When
from octo_ssh.model.values import Template
from octo_ssh.model.work import LateText
from octo_ssh.planning.configure import Configured, configure
from octo_ssh.planning.places import becoming, sudo_user
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import RunOptions, Selection
from octo_ssh.planning.wanted import Wanted

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
    """Targets that were reached and could not be looked at, or have no room for what they are to get: the reason."""
    manifests: Mapping[str, Manifest]
    """By package, as it was acquired."""
    configured: Mapping[tuple[str, str], Configured]
    """By step id and target."""
    files: Mapping[tuple[str, str], Wanted] = field(default_factory=dict, kw_only=True)
    """What file steps should leave, by step id and target: ``wanted.wanted_file``."""
    texts: Mapping[tuple[str, str], str] = field(default_factory=dict, kw_only=True)
    """The scripts of packages that the plan runs (``scripts.package_scripts``), by package and path."""
    expected: tuple[Expected, ...] = field(default=(), kw_only=True)
    """Of ``drift.ignore``, what is in force (``expected.in_force``): such drift is left as it is."""


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
    order: Mapping[str, int] = field(init=False)
    """Where each step stands in the plan, by its id."""
    ruled_out: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    """Steps that a ``when`` leaves out which uses outputs that are known already: why, by step id and place."""
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
        self.order = {step.id: index for index, step in enumerate(loaded.plan.walk())}

    @property
    def is_runbook(self) -> bool:
        """A plan without packages: its steps are always due (SPEC section 4)."""
        return not self.given.loaded.plan.packages

    @property
    def release(self) -> str | None:
        return self.given.loaded.plan.release

    def target(self, name: str) -> Target:
        return self.given.loaded.inventory.targets[name]

    def names(self, step: Step, place: str) -> Mapping[str, Any]:
        """What templates of the step may use at a place: on a target, or on the controller."""
        return self.given.loaded.scopes.names(target=None if place == CONTROLLER else place, step=step)

    def sudo_user(self, step: Step, place: str) -> str | None:
        return None if step.on_controller else sudo_user(self.become[step.id], self.target(place))

    def is_skipped(self, step: Step) -> bool:
        return step.id in self.given.selection.skipped

    def is_left_out(self, step: Step) -> bool:
        """With ``--skip-step``, in an environment that it is for."""
        here = not step.environments or self.given.loaded.environment in step.environments
        return here and self.is_skipped(step)

    def waits_for_failure(self, step: Step) -> bool:
        return When.FAILURE in self.whens(step)

    def cleans_up(self, step: Step) -> bool:
        return When.ALWAYS in self.whens(step)

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

    def says_no(self, step: Step, place: str) -> str | None:
        """Why the step does nothing at a place, whatever happens: it is skipped, or a ``when`` template is false, its
        own or that of a group around it.
        """
        if self.is_skipped(step):
            return self.given.selection.skipped[step.id]
        for one in (*self.path[step.id], step):
            if isinstance(one.when, Template) and self._condition(one, one.when, place) is False:
                return "'when' is false here" if one is step else f"'when' of '{one.name}' is false here"
        return self.ruled_out.get((step.id, place))

    def whens(self, step: Step) -> tuple[When | Template, ...]:
        """The ``when`` of the groups around the step and its own."""
        return tuple(one.when for one in (*self.path[step.id], step))

    def conditions(self, step: Step, place: str) -> tuple[LateText, ...]:
        """The ``when`` templates that only the run can tell, of the groups around the step and its own."""
        found = [
            self._condition(one, one.when, place)
            for one in (*self.path[step.id], step)
            if isinstance(one.when, Template)
        ]
        return tuple(condition for condition in found if isinstance(condition, LateText))

    def note(self, error: FileErrors | TemplateProblem) -> None:
        """A mistake in a file; all of them are told together."""
        if isinstance(error, FileErrors):
            self.problems.extend(error.problems)
        else:
            self.problems.append(error.problem)

    def _condition(self, step: Step, when: Template, place: str) -> bool | LateText:
        try:
            return render_condition(when, self.names(step, place))
        except TemplateProblem as error:
            self.note(error)
            return False


def _paths(steps: tuple[Step, ...], above: tuple[Step, ...]) -> list[tuple[str, tuple[Step, ...]]]:
    found: list[tuple[str, tuple[Step, ...]]] = []
    for step in steps:
        found.append((step.id, above))
        if isinstance(step.kind, GroupStep):
            found += _paths(step.kind.steps, (*above, step))
    return found


def _no_secret(ref: object) -> Any:
    raise AssertionError("nothing is rendered here")
