"""Whom each step is for: its ``on`` within its group's, and the controller (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model import select as selectors
from octo_ssh.model.plan import CONTROLLER, GroupStep, Step

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


def reached(loaded: Loaded, universe: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Of ``universe``: the targets of each step, by step id. A step in a group reaches the group's targets at most; a
    group has those that some step in it reaches. ``once`` steps have all that come into question.

    A step on the controller has ``CONTROLLER``, and in a rolling group the targets of the group that it stands in; so
    has a group of nothing else.
    """
    selected = _selected(loaded)
    found: dict[str, tuple[str, ...]] = {}

    def visit(step: Step, within: Sequence[str]) -> tuple[str, ...]:
        """The targets of a step, those on the controller left aside."""
        if step.on_controller:
            return ()
        names = in_order(within, selected[step.id])
        if isinstance(step.kind, GroupStep):
            below = [name for child in step.kind.steps for name in visit(child, names)]
            if any(not one.on_controller for one in _leaves(step)):
                names = in_order(names, below)
        found[step.id] = names
        return () if _is_for_controller(step) else names

    def fill(step: Step, within: tuple[str, ...] | None) -> None:
        """Steps on the controller, once their groups' targets are known. ``within`` None: nothing rolls here."""
        if step.on_controller:
            found[step.id] = (CONTROLLER,) if within is None else within
        elif isinstance(step.kind, GroupStep):
            rolls = within is not None or step.kind.rolling is not None
            if _is_for_controller(step):
                found[step.id] = (CONTROLLER,) if not rolls else in_order(within or found[step.id], found[step.id])
            for child in step.kind.steps:
                fill(child, found[step.id] if rolls else None)

    for step in loaded.plan.steps:
        visit(step, tuple(universe))
        fill(step, None)
    return found


def in_order(universe: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``universe`` that are among ``names``, in its order."""
    wanted = set(names)
    return tuple(name for name in universe if name in wanted)


def _selected(loaded: Loaded) -> dict[str, tuple[str, ...]]:
    """What each step's own ``on`` selects. Raises FileErrors for words that nothing has."""
    found: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for step in loaded.plan.walk():
        try:
            found[step.id] = selectors.select(
                selectors.parse(step.on, bare="tag"), loaded.inventory, environment=loaded.environment
            )
        except selectors.SelectError as error:
            problems.append(Problem(step.position, f"on: {error}"))
    if problems:
        raise FileErrors(problems)
    return found


def _leaves(step: Step) -> list[Step]:
    """The steps of a group that do something."""
    if not isinstance(step.kind, GroupStep):
        return [step]
    return [leaf for child in step.kind.steps for leaf in _leaves(child)]


def _is_for_controller(step: Step) -> bool:
    """Nothing in the group runs on a target."""
    return all(one.on_controller for one in _leaves(step))
