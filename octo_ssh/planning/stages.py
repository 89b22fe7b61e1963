"""A plan's steps as stages: what stands between two barriers (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from octo_ssh.model.work import Planned, PlannedStep, RunPlan


@dataclass(frozen=True, slots=True)
class Leaf:
    """A step that does something, and the groups it stands in, outermost first."""

    step: PlannedStep
    groups: tuple[PlannedStep, ...] = ()

    @property
    def id(self) -> str:
        return self.step.step.id

    def planned(self, target: str) -> Planned:
        return self.step.planned[target]


@dataclass(frozen=True, slots=True)
class Together:
    """One step on all its targets in parallel."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Sliding:
    """A rolling group: all its steps on one target before a slot of the window takes its next."""

    group: PlannedStep
    above: tuple[PlannedStep, ...]
    leaves: tuple[Leaf, ...]
    """The group's steps in order; groups inside it are only folders here."""


Stage = Together | Sliding


def stages(plan: RunPlan) -> tuple[Stage, ...]:
    """What the run goes through, one after another. A group without a window is a row of barriers."""
    return tuple(_stages(plan.steps, ()))


def leaves(plan: RunPlan) -> tuple[Leaf, ...]:
    """Every step that does something, in the order of the file."""
    return tuple(_leaves(plan.steps, ()))


def _stages(steps: tuple[PlannedStep, ...], above: tuple[PlannedStep, ...]) -> Iterator[Stage]:
    for step in steps:
        if step.window is not None:
            yield Sliding(step, above, tuple(_leaves(step.children, (*above, step))))
        elif step.children:
            yield from _stages(step.children, (*above, step))
        else:
            yield Together(Leaf(step, above))


def _leaves(steps: tuple[PlannedStep, ...], above: tuple[PlannedStep, ...]) -> Iterator[Leaf]:
    for step in steps:
        if step.children:
            yield from _leaves(step.children, (*above, step))
        else:
            yield Leaf(step, above)
