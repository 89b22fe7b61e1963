"""Steps on the controller: scripts, checks and approvals that run here (SPEC section 4).

They run only where the run changes something or failed: for all targets at once on any of them, in a rolling group
once for each target whose group is busy. In a plan without packages they always run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.config.templates import TemplateProblem, render_word
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, ApproveStep, CheckStep, GroupStep, RunStep, Step
from octo_ssh.model.work import ApproveWork, Planned, Work
from octo_ssh.planning.dueness import left_over
from octo_ssh.planning.finish import finished
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.outputs import Outlook
from octo_ssh.planning.scripts import Folders, probe, run_script
from octo_ssh.planning.target import TargetForecast

NAMED = 3


@dataclass(slots=True)
class ControllerForecast:
    """The steps on the controller, at every place they have."""

    scene: Scene
    here: Mapping[str, TargetForecast]
    outlook: Outlook
    _due: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why, by step id and place."""
    _steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps = [step for step in self.scene.given.loaded.plan.walk() if step.on_controller]

    def settle(self) -> bool:
        """Decide again, now that more may be due on targets. False when nothing came of it."""
        so_far = len(self._due)
        for step in self._steps:
            for place in self._places(step):
                reason = self._reason(step, place)
                if reason is not None and (step.id, place) not in self._due:
                    self._due[step.id, place] = reason
                    self.outlook.due.add(step.id)
        return len(self._due) > so_far

    def make_due(self, step: Step, place: str, reason: str) -> bool:
        """Of a script: another step wants it to run. False where it does already, or must not."""
        if (step.id, place) in self._due or place not in self._places(step) or not isinstance(step.kind, RunStep):
            return False
        if self.scene.waits_for_failure(step) or self.scene.says_no(step, place) is not None:
            return False
        self._due[step.id, place] = reason
        self.outlook.due.add(step.id)
        return True

    def due(self) -> list[tuple[Step, str]]:
        """Every step that is due, with its place."""
        return [(step, place) for step in self._steps for place in self._places(step) if (step.id, place) in self._due]

    def work(self, step: Step, place: str) -> Work | None:
        """What is to be done of a step that is due."""
        return self._planned(step, place).work

    def planned(self, step: Step, place: str) -> Planned:
        """What comes of a step at a place: CONTROLLER, or a target that was observed."""
        planned = self._planned(step, place)
        return planned if planned.work is None else finished(self.scene, self.outlook, step, place, planned)

    def _planned(self, step: Step, place: str) -> Planned:
        if (no := self.scene.says_no(step, place)) is not None:
            return Planned(Outcome.SKIPPED, no)
        try:
            if self.scene.waits_for_failure(step):
                return Planned(Outcome.SKIPPED, "only after a failure", self._work(step, place), standby=True)
            if (step.id, place) in self._due:
                outcome = Outcome.CHANGED if isinstance(step.kind, RunStep) else Outcome.UNCHANGED
                return Planned(outcome, self._due[step.id, place], self._work(step, place))
            standby = self._work(step, place) if self.scene.cleans_up(step) else None
            return Planned(Outcome.UNCHANGED, "nothing changes", standby, standby=standby is not None)
        except TemplateProblem as error:
            self.scene.note(error)
            return Planned(Outcome.SKIPPED, error.message)

    def _places(self, step: Step) -> list[str]:
        return [place for place in self.scene.reach[step.id] if place == CONTROLLER or place in self.here]

    def _reason(self, step: Step, place: str) -> str | None:
        if self.scene.waits_for_failure(step) or self.scene.says_no(step, place) is not None:
            return None
        if self.scene.is_runbook:
            return "a plan without packages: always runs"
        if place != CONTROLLER:
            rolling = next(group for group in self.scene.path[step.id] if _rolls(group))
            if self.here[place].is_busy_within(rolling):
                return "its group changes this target"
            # It drained the target, say, and the step that undrains it failed.
            return left_over(step, self.here[place].observed.baseline, self.scene.release)
        changing = [name for name, each in self.here.items() if each.changes]
        more = f" and {len(changing) - NAMED} more" if len(changing) > NAMED else ""
        return f"this run changes {', '.join(changing[:NAMED])}{more}" if changing else None

    def _work(self, step: Step, place: str) -> Work:
        match step.kind:
            case ApproveStep(text):
                return ApproveWork(render_word(text, self.scene.names(step, place)))
            case CheckStep(what):
                return probe(self.scene, step, place, what, Folders())
            case _:
                return run_script(self.scene, step, place, Folders(), "")


def _rolls(group: Step) -> bool:
    return isinstance(group.kind, GroupStep) and group.kind.rolling is not None
