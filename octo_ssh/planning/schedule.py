"""The order of a run as a state machine: barriers, windows, budgets, halting. No clock, no I/O (SPEC section 4).

::

    schedule = Schedule(plan)
    loop:
        for start in schedule.ready(): …begin it…
        for settled in schedule.settled(): …tell of it: nothing was done…
        for wait in schedule.waiting(): …have a clock ready for each that has none yet…
        leave when schedule.done
        on an end:    schedule.finished(step_id, target, outcome, handling=schedule.handling(…))
        on a clock:   schedule.waited(step_id, slot)
        on an answer: schedule.waited(step_id, slot) for a yes, schedule.refused(step_id) for a no
        on a loss:    schedule.left(target, outcome)
        on a signal:  schedule.interrupt()
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure
from octo_ssh.model.work import RunPlan
from octo_ssh.planning.ledger import Ledger, Verdict
from octo_ssh.planning.stages import Leaf, leaves, stages
from octo_ssh.planning.window import StageAtWork, Wait, Window, at_work, settled_outcome

__all__ = ["Handling", "Schedule", "Settled", "Start", "Wait"]


@dataclass(frozen=True, slots=True)
class Start:
    """Begin this step on this target."""

    step_id: str
    target: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A step that ended on a target without anything being done."""

    step_id: str
    target: str
    outcome: Outcome
    reason: str


class Handling(enum.Enum):
    """What a step's failure does to the run."""

    COUNT = "count"
    """The target leaves the run, and it is on a budget."""
    IGNORE = "ignore"
    """It counts nowhere: the target stays."""
    LEAVE_OUT = "leave out"
    """The target leaves the run, and it is on no budget, not even a canary's."""
    STOP = "stop"
    """As COUNT, and the run halts."""


class Schedule:
    """What may start now, given how everything so far has ended."""

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self.ledger = Ledger(plan)
        self._stages: list[StageAtWork] = [at_work(stage) for stage in stages(plan)]
        self._leaves = leaves(plan)
        self._running: dict[tuple[str, str], Leaf] = {}
        self._started: list[Start] = []
        self._settled: list[Settled] = []

    def ready(self) -> tuple[Start, ...]:
        """Steps to begin now: each is given out once and counts as running from here on."""
        while self._stages:
            self._stages[0].pump(self)
            if not self._stages[0].over(self):
                break
            self._stages.pop(0)
        started, self._started = tuple(self._started), []
        return started

    def settled(self) -> tuple[Settled, ...]:
        """Steps that ended by themselves since this was last asked: nothing to do, skipped, target unreachable."""
        ended, self._settled = tuple(self._settled), []
        return ended

    def waiting(self) -> tuple[Wait, ...]:
        """Every pause that is on, as of the last ``ready``; one stays until ``waited`` or until it has lost its
        point (halted, interrupted, no target left).
        """
        stage = self._stages[0] if self._stages else None
        return tuple(stage.waits.values()) if isinstance(stage, Window) and not self.ledger.stopped else ()

    def waited(self, step_id: str, slot: int | None = None) -> None:
        """A pause is over. Without ``slot``: the group's longest-standing one."""
        stage = self._stages[0] if self._stages else None
        if isinstance(stage, Window) and stage.stage.group.step.id == step_id and stage.waits:
            stage.waited(next(iter(stage.waits)) if slot is None else slot)

    def refused(self, step_id: str) -> None:
        """Nobody said yes to the pause of this group: the run halts."""
        stage = self._stages[0] if self._stages else None
        if isinstance(stage, Window) and stage.stage.group.step.id == step_id and stage.waits:
            self.ledger.fail_controller(f"going on with {stage.stage.group.step.name!r} was not approved")

    def asks_about(self, step_id: str, target: str, outcome: Outcome) -> bool:
        """Of a step that runs and would end so: there is something for a person to decide. An approval was decided
        by one, and after an interrupt nobody is kept waiting.
        """
        leaf = self._running[step_id, target]
        is_settled = leaf.is_approval or leaf.step.step.on_failure is OnFailure.IGNORE
        return outcome is Outcome.FAILED and not is_settled and not self.ledger.interrupted

    def handling(self, step_id: str, target: str, outcome: Outcome, choice: Choice | None = None) -> Handling:
        """What the end of a step that runs does to the run: as the plan says, or as a person does.

        Only what is known to have failed is ever ignored, and a refused approval never is.
        """
        leaf = self._running[step_id, target]
        if outcome is not Outcome.FAILED or leaf.is_approval:
            return Handling.COUNT
        match choice:
            case Choice.IGNORE:
                return Handling.IGNORE
            case Choice.LEAVE_OUT:
                return Handling.LEAVE_OUT
            case Choice.STOP:
                return Handling.STOP
            case _:
                ignores = leaf.step.step.on_failure is OnFailure.IGNORE
                return Handling.IGNORE if ignores else Handling.COUNT

    def finished(
        self, step_id: str, target: str, outcome: Outcome, *, handling: Handling = Handling.COUNT, by: str = "a person"
    ) -> None:
        """A step that ``ready`` gave out has ended; with STOP, ``by`` whose word. ``handling`` is for what did not
        end well. Raises KeyError for a step that does not run.
        """
        leaf = self._running.pop((step_id, target))
        self.ledger.outcomes[step_id, target] = outcome
        if outcome.is_good:
            return
        if handling is Handling.IGNORE:
            self.ledger.ignored.add((step_id, target))
            return
        if handling is Handling.STOP:
            self.ledger.halt(f"stopped by {by}: {leaf.name!r} failed on {target}")
        if target == CONTROLLER:
            failed = "was not approved" if leaf.is_approval else "failed on the controller"
            self.ledger.fail_controller(f"{leaf.name!r} {failed}", leaf.groups)
            return
        self._lose(target, outcome, leaf, is_counted=handling is not Handling.LEAVE_OUT)
        if leaf.step.step.once:
            self.ledger.halt(f"{leaf.name!r} runs once for all targets, and did not end well on {target}")

    def left(self, target: str, outcome: Outcome) -> None:
        """The target was lost outside a step: in a push, or with its lock."""
        if outcome.is_good:
            raise ValueError(f"{target} does not leave the run with {outcome.value}")
        self._lose(target, outcome, None, is_counted=True)

    def interrupt(self) -> None:
        """Nothing new starts; groups that were entered still run their ``always`` steps."""
        self.ledger.interrupted = True

    def is_wanted_still(self, step_id: str, target: str) -> bool:
        """Of a step that runs: it would be started even now. After an interrupt: what cleans up where the run was."""
        return self.ledger.verdict(self._running[step_id, target], target) is Verdict.GO

    @property
    def halted(self) -> str | None:
        """Why no new target is started any more."""
        return self.ledger.halted

    @property
    def interrupted(self) -> bool:
        return self.ledger.interrupted

    @property
    def done(self) -> bool:
        """Nothing runs, and nothing more will. Ask after ``ready``."""
        return not self._stages and not self._running

    @property
    def controller_acts(self) -> bool:
        """A step on the controller would be carried out as things stand: because it is due, or because the run did
        not go well and it is for that. Tells at the start whether there is something to play where no target changes.
        """
        return any(
            self.ledger.verdict(leaf, CONTROLLER) is Verdict.GO and self.ledger.carried_out(leaf, CONTROLLER)
            for leaf in self._leaves
            if CONTROLLER in leaf.step.planned
        )

    @property
    def outcomes(self) -> Mapping[tuple[str, str], Outcome]:
        """By step id and target; a step that was never started has none."""
        return self.ledger.outcomes

    @property
    def lost(self) -> Mapping[str, Outcome]:
        """Targets that did not end well."""
        return self.ledger.lost

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Targets that are well, but on which something due was not started."""
        return tuple(name for name in self.plan.targets if self.is_unfinished(name))

    def is_unfinished(self, target: str) -> bool:
        """The target is well, but something that is due there, and may change it, has not ended."""
        return target not in self.ledger.lost and any(
            leaf.planned(target).due
            and not leaf.planned(target).only_remembers
            and (leaf.id, target) not in self.ledger.outcomes
            for leaf in self._leaves
            if target in leaf.step.planned
        )

    def outcomes_of(self, target: str) -> frozenset[Outcome]:
        """How the steps ended there, so far."""
        ends = (self.ledger.outcomes.get((leaf.id, target)) for leaf in self._leaves)
        return frozenset(end for end in ends if end is not None)

    @property
    def run_outcome(self) -> str:
        """OCTO_RUN_OUTCOME as it stands: ``success`` or ``failure``."""
        return "failure" if self.ledger.is_bad else "success"

    @property
    def controller_failure(self) -> str | None:
        """What did not end well on the controller, approvals included."""
        return self.ledger.controller

    def ignored_on(self, target: str) -> tuple[str, ...]:
        """Names of the steps whose failure there was ignored."""
        return tuple(leaf.name for leaf in self._leaves if (leaf.id, target) in self.ledger.ignored)

    def start(self, leaf: Leaf, target: str) -> None:
        """For stages only."""
        self._running[leaf.id, target] = leaf
        self.ledger.began(leaf, target)
        self._started.append(Start(leaf.id, target))

    def settle(self, leaf: Leaf, target: str, verdict: Verdict) -> None:
        """For stages only."""
        if verdict is Verdict.NEVER:
            return
        planned = leaf.planned(target)
        outcome = settled_outcome(leaf, target, verdict)
        said = verdict is Verdict.GO or not outcome.is_good or planned.outcome is Outcome.SKIPPED
        otherwise = "something failed before" if target == CONTROLLER else "the target left the run before"
        self.ledger.outcomes[leaf.id, target] = outcome
        self._settled.append(Settled(leaf.id, target, outcome, planned.reason if said else otherwise))
        if verdict is Verdict.SKIP and planned.acts and leaf.step.step.once:
            self.ledger.halt(f"{leaf.name!r} runs once for all targets, and {target} left the run before it")

    def running(self, leaf: Leaf) -> int:
        """For stages only."""
        return sum(step_id == leaf.id for step_id, _ in self._running)

    def is_running(self, leaf: Leaf, target: str) -> bool:
        """For stages only."""
        return (leaf.id, target) in self._running

    def _lose(self, target: str, outcome: Outcome, leaf: Leaf | None, *, is_counted: bool) -> None:
        if not self.ledger.lose(target, outcome, leaf.groups if leaf else ()):
            return
        stage = self._stages[0] if self._stages else None
        window = stage if isinstance(stage, Window) and stage.holds(target) else None
        if window is not None and is_counted:
            window.lost(target, self.ledger)
        elif window is not None:
            window.left_out(target)
        elif is_counted:
            self.ledger.spend(target)
