"""What a view needs to know of the run's plan: names, who belongs to which step, which steps stand together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.model.work import PlannedStep, RunPlan


@dataclass(frozen=True, slots=True)
class StepOutline:
    """A step, as far as a view cares."""

    name: str
    top: str
    """The id of the outermost step that holds it: itself, when it stands at the top."""
    targets: int
    """How many targets it has work for or a result on."""
    is_group: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """The steps of a run by id. Empty before the plan is made."""

    steps: Mapping[str, StepOutline] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: RunPlan) -> Outline:
        found: dict[str, StepOutline] = {}
        for step in plan.steps:
            _add(step, step.step.id, found)
        return cls(found)

    def name(self, step: str) -> str:
        """The step's name; its id where nobody told."""
        known = self.steps.get(step)
        return known.name if known else step

    def top(self, step: str) -> str:
        known = self.steps.get(step)
        return known.top if known else step

    def targets(self, step: str) -> int:
        known = self.steps.get(step)
        return known.targets if known else 0


def _add(step: PlannedStep, top: str, found: dict[str, StepOutline]) -> None:
    found[step.step.id] = StepOutline(step.step.name, top, len(step.targets), bool(step.children))
    for child in step.children:
        _add(child, top, found)
