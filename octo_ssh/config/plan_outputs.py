"""Whether the outputs that steps use can be there: told before a run, from the plan alone (SPEC section 4, Outputs)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octo_ssh.config.plan_kinds import NOUNS
from octo_ssh.config.plan_templates import outputs_of
from octo_ssh.config.problems import nearest, quoted_list
from octo_ssh.config.templates import OutputUse
from octo_ssh.errors import Problem
from octo_ssh.model.plan import (
    CONTROLLER,
    ApproveStep,
    CheckStep,
    FileStep,
    GroupStep,
    PackageStep,
    RunStep,
    ServiceStep,
    Step,
    StepKind,
    walk_steps,
)

_NOUN_OF: dict[type[StepKind], str] = {  # of those without scripts that can say something
    CheckStep: NOUNS["check"],
    FileStep: NOUNS["file"],
    ServiceStep: NOUNS["service"],
    ApproveStep: NOUNS["approve"],
    GroupStep: NOUNS["steps"],
}


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where a step stands."""

    step: Step
    number: int
    """In the order of the file."""
    beside: frozenset[str]
    """Ids of the steps that it runs at the same time with."""
    rolling: str | None
    """The id of the rolling group around it."""


def output_problems(
    steps: tuple[Step, ...], reached: Mapping[str, tuple[str, ...]], inventory_names: Mapping[str, object]
) -> Iterator[Problem]:
    """What is wrong with the outputs that steps use.

    ``reached``: by step id, the targets that a step is for in this environment; ``(CONTROLLER,)`` for one that is on
    the controller and not run for each target. A step that is not for this environment is not in it.
    """
    seats = {seat.step.id: seat for seat in _seats(steps, None)}
    for reader in walk_steps(steps):
        if not reached.get(reader.id):
            continue
        for use in outputs_of(reader):
            message = _misplaced(use, seats[reader.id], seats) or _out_of_reach(
                use, seats[reader.id], seats[use.step], reached, inventory_names
            )
            if message is not None:
                yield Problem(use.position, message)


def _seats(steps: tuple[Step, ...], rolling: str | None, first: int = 0) -> list[_Seat]:
    found: list[_Seat] = []
    beside: list[str] = []
    for step in steps:
        beside = [*beside, step.id] if step.starts_with_previous else [step.id]
        found.append(_Seat(step, first + len(found), frozenset(beside) - {step.id}, rolling))
        if isinstance(step.kind, GroupStep):
            inner = step.id if step.kind.rolling else rolling
            found.extend(_seats(step.kind.steps, inner, first + len(found)))
    return found


def _misplaced(use: OutputUse, reader: _Seat, seats: Mapping[str, _Seat]) -> str | None:
    """Why a step can have no outputs for another, wherever they run."""
    giver = seats.get(use.step)
    if giver is None:
        by_name = next((seat.step.id for seat in seats.values() if seat.step.name == use.step), None)
        earlier = [seat.step.id for seat in seats.values() if seat.number < reader.number]
        known = f": those before this one are {quoted_list(earlier)}" if earlier else ": none stands before this one"
        hint = f": write its id, '{by_name}'" if by_name else nearest(use.step, earlier) or known
        return f"there is no step with the id '{use.step}'{hint}"
    if not isinstance(giver.step.kind, RunStep | PackageStep):
        return f"'{use.step}' is {_NOUN_OF[type(giver.step.kind)]}, which gives no outputs: only scripts do"
    if giver.number >= reader.number:
        return f"the step '{use.step}' does not come before this one: its outputs are not known here, move one of them"
    if use.step in reader.beside:
        return f"the step '{use.step}' runs at the same time as this one: remove 'start: with_previous'"
    return None


def _out_of_reach(
    use: OutputUse,
    reader: _Seat,
    giver: _Seat,
    reached: Mapping[str, tuple[str, ...]],
    inventory_names: Mapping[str, object],
) -> str | None:
    """Why it is not clear which target's output is meant, or that there is none."""
    givers = reached.get(use.step)
    if givers is None:
        return None  # not in this environment: what an earlier run left, or a default
    is_one = giver.step.once or givers == (CONTROLLER,)
    if reader.rolling is not None and reader.rolling == giver.rolling and (use.target is not None or giver.step.once):
        return f"'{use.step}' is in the same rolling group: there each target has only its own outputs"
    if use.target is not None:
        if use.target in givers:
            return None
        if use.target not in inventory_names and use.target != CONTROLLER:
            return f"there is no target '{use.target}'{nearest(use.target, givers) or ': check its name'}"
        return f"the step '{use.step}' does not run on '{use.target}': it runs on {quoted_list(givers) or 'nobody'}"
    if is_one or not givers:
        return None
    outside = next((name for name in reached[reader.step.id] if name not in givers), None)
    if outside is None:
        return None
    where = "here on the controller" if outside == CONTROLLER else f"on '{outside}'"
    return (
        f"it is not clear whose output is meant {where}: '{use.step}' runs on {quoted_list(givers, most=3)}, say which,"
        f' steps.{use.step}.outputs["{givers[0]}"].{use.name}'
    )
