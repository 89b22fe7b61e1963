"""Where packages go on each target, and as whom: what must be looked at there (SPEC section 4)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octo_ssh.config.templates import TemplateProblem, render_text
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model.inventory import Target
from octo_ssh.model.plan import BecomeAs, GroupStep, PackageStep, ReleasePlan, Step
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import Selection

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


@dataclass(frozen=True, slots=True)
class Place:
    """A package step's place on a target."""

    step_id: str
    package: str
    to: str
    """Absolute, or as the target resolves it: relative to the login's home, ``~`` included."""
    sudo_user: str | None
    """As whom it is looked at and changed; None: the login."""
    shared: tuple[str, ...]


def places(loaded: Loaded, selection: Selection) -> Mapping[str, tuple[Place, ...]]:
    """The places of every target of the run, in the order of the steps.

    Raises FileErrors for two package steps at one place of a target, and for templates that cannot be rendered.
    """
    found: dict[str, dict[str, Place]] = {}
    problems: list[Problem] = []
    reach = reached(loaded, selection.targets)
    become = becoming(loaded.plan)
    for step in loaded.plan.walk():
        if not isinstance(step.kind, PackageStep) or step.id in selection.skipped:
            continue
        for name in reach[step.id]:
            target = loaded.inventory.targets[name]
            try:
                to = step_place(loaded, step, name)
            except TemplateProblem as error:
                problems.append(error.problem)
                continue
            here = found.setdefault(name, {})
            key = posixpath.normpath(to)
            if key in here:
                other = here[key].step_id
                problems.append(Problem(step.position, f"'{step.name}' and step '{other}' both go to {to} on {name}"))
                continue
            here[key] = Place(step.id, step.kind.package, to, sudo_user(become[step.id], target), step.kind.shared)
    if problems:
        raise FileErrors(problems)
    return {name: tuple(here.values()) for name, here in found.items()}


def becoming(plan: ReleasePlan) -> Mapping[str, BecomeAs | None]:
    """Each step's ``become``, by step id: a step that is silent does as its group does."""
    found: dict[str, BecomeAs | None] = {}

    def visit(steps: tuple[Step, ...], inherited: BecomeAs | None) -> None:
        for step in steps:
            found[step.id] = step.become or inherited
            if isinstance(step.kind, GroupStep):
                visit(step.kind.steps, found[step.id])

    visit(plan.steps, None)
    return found


def sudo_user(become: BecomeAs | None, target: Target) -> str | None:
    """As whom a step acts on a target; None: as the login."""
    return None if become is None else become.user or target.become.user


def absolute(path: str, home: str) -> str:
    """A path of the plan on a target: relative ones and ``~`` lie in the login's home, whoever acts."""
    if path == "~" or path.startswith("~/"):
        path = path[2:]
    return posixpath.join(home, path)


def step_place(loaded: Loaded, step: Step, target: str) -> str:
    """Where a package step puts things on a target, as ``Place.to``. Raises TemplateProblem."""
    assert isinstance(step.kind, PackageStep)
    if step.kind.to is None:
        plan, root = loaded.plan, loaded.inventory.targets[target].root
        return posixpath.join(root, "apps", plan.project, loaded.environment or "default", step.kind.package)
    return render_text(step.kind.to, loaded.scopes.names(target=target, step=step))
