"""A plan's steps as stages: what stands between two barriers (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from octo_ssh.model.plan import ApproveStep
from octo_ssh.model.work import Planned, PlannedStep, RunPlan


@dataclass(frozen=True, slots=True)
class Leaf:
    """A step that does something, and the groups it stands in, outermost first."""

    step: PlannedStep
    groups: tuple[PlannedStep, ...] = ()

    @property
    def id(self) -> str:
        return self.step.step.id

    @property
    def name(self) -> str:
        return self.step.step.name

    @property
    def is_approval(self) -> bool:
        """Somebody is asked, and nothing is done."""
        return isinstance(self.step.step.kind, ApproveStep)

    def planned(self, target: str) -> Planned:
        return self.step.planned[target]


Abreast = tuple[Leaf, ...]
"""A step and those that ``start: with_previous`` puts beside it: there is no barrier between them."""


@dataclass(frozen=True, slots=True)
class Together:
    """Steps on all their targets in parallel."""

    leaves: Abreast


@dataclass(frozen=True, slots=True)
class Sliding:
    """A rolling group: all its steps on one target before a slot of the window takes its next."""

    group: PlannedStep
    above: tuple[PlannedStep, ...]
    rows: tuple[Abreast, ...]
    """The group's steps in order; groups inside it are only folders here."""

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        return tuple(leaf for row in self.rows for leaf in row)


Stage = Together | Sliding


def stages(plan: RunPlan) -> tuple[Stage, ...]:
    """What the run goes through, one after another. A group without a window is a row of barriers."""
    return tuple(_stages(plan.steps, ()))


def leaves(plan: RunPlan) -> tuple[Leaf, ...]:
    """Every step that does something, in the order of the file."""
    return tuple(leaf for row in _rows(plan.steps, ()) for leaf in row)


def _stages(steps: tuple[PlannedStep, ...], above: tuple[PlannedStep, ...]) -> Iterator[Stage]:
    for abreast in _abreast(steps):
        first = abreast[0]
        if first.window is not None:
            yield Sliding(first, above, tuple(_rows(first.children, (*above, first))))
        elif first.children:
            yield from _stages(first.children, (*above, first))
        else:
            yield Together(tuple(Leaf(step, above) for step in abreast))


def _rows(steps: tuple[PlannedStep, ...], above: tuple[PlannedStep, ...]) -> Iterator[Abreast]:
    for abreast in _abreast(steps):
        first = abreast[0]
        if first.children:
            yield from _rows(first.children, (*above, first))
        else:
            yield tuple(Leaf(step, above) for step in abreast)


def _abreast(steps: tuple[PlannedStep, ...]) -> list[list[PlannedStep]]:
    """The steps of one list; those that start with the one before stand with it. A group always stands alone."""
    found: list[list[PlannedStep]] = []
    for step in steps:
        joins = step.step.starts_with_previous and not step.children
        if joins and found and not found[-1][0].children:
            found[-1].append(step)
        else:
            found.append([step])
    return found
