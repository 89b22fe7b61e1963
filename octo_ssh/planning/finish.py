"""The last word on a step at a place: what it waits for, what it owes, on what condition it runs (SPEC section 4)."""

from __future__ import annotations

from dataclasses import replace

from octo_ssh.model.observed import Owed
from octo_ssh.model.plan import Step
from octo_ssh.model.work import Planned
from octo_ssh.planning.consequences import owing
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.outputs import Outlook, uses


def finished(
    scene: Scene, outlook: Outlook, step: Step, place: str, planned: Planned, debts: tuple[Owed, ...] = ()
) -> Planned:
    """What was decided, with what follows from the other steps. Only of a step that has work."""
    assert planned.work is not None
    conditions = scene.conditions(step, place)
    read = dict.fromkeys((*uses(planned.work), *(name for one in conditions for name in one.after)))
    order = scene.order
    return replace(
        planned,
        work=owing(planned.work, debts),
        conditions=conditions,
        after=tuple(name for name in read if name in outlook.due and order[name] < order[step.id]),
    )
