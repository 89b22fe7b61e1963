"""What a run's events add up to beside its results: approvals, failures that counted nowhere, what was kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from octo_ssh.model.events import (
    ApprovalGiven,
    ArtifactKept,
    Event,
    PlanMade,
    RunStarted,
    StepEnded,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.output.outline import Outline


@dataclass(slots=True)
class Story:
    """Follows a run for its summary."""

    title: str = ""
    """``shop 1.4.2 → staging``."""
    outline: Outline = field(default_factory=Outline)
    ignored: list[StepEnded] = field(default_factory=list)
    """Failures under ``on_failure: ignore``, or that a person ignored."""
    here: dict[str, StepEnded] = field(default_factory=dict)
    """By step: ends on the controller that were not good and count."""
    ends: dict[str, StepEnded] = field(default_factory=dict)
    """By target: the first step that failed there, or of which nobody knows, and that counts."""
    approvals: list[ApprovalGiven] = field(default_factory=list)
    artifacts: list[ArtifactKept] = field(default_factory=list)

    @property
    def ignoring(self) -> frozenset[str]:
        """The targets with failures that were ignored."""
        return frozenset(end.target for end in self.ignored)

    @property
    def answered(self) -> frozenset[str]:
        """The steps of which somebody was asked."""
        return frozenset(approval.step for approval in self.approvals)

    def take(self, event: Event) -> None:
        """Learn of an event."""
        match event:
            case RunStarted():
                self.title = run_title(event)
            case PlanMade(plan):
                self.outline = Outline.of(plan)
            case StepEnded(ignored=True):
                self.ignored.append(event)
            case StepEnded(step, target=target, outcome=outcome) if target == CONTROLLER and not outcome.is_good:
                self.here[step] = event
            case StepEnded(target=target, outcome=Outcome.FAILED | Outcome.UNKNOWN):
                self.ends.setdefault(target, event)
            case ApprovalGiven():
                self.approvals.append(event)
            case ArtifactKept():
                self.artifacts.append(event)
            case _:
                pass  # the other views of a run tell of these


def run_title(event: RunStarted) -> str:
    """``shop 1.4.2 → staging``."""
    what = f"{event.project} {event.release}" if event.release else event.project
    return f"{what} → {event.environment}" if event.environment else what
