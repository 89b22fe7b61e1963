"""Who is still in the run, who may be started, and when the run halts (SPEC section 4, "Failures")."""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass, field

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, When
from octo_ssh.model.work import PlannedStep, RunPlan
from octo_ssh.planning.stages import Leaf

NAMED = 5


class Verdict(enum.Enum):
    """What becomes of a step on a target."""

    GO = "go"
    SKIP = "skip"
    """Its ``when`` says no, or the target is out."""
    NEVER = "never"
    """The run has halted or was interrupted: it would have been its turn, and is not started any more."""


@dataclass(slots=True)
class Ledger:
    """What has happened so far, and the rules that follow from it. No order, no windows."""

    plan: RunPlan
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    lost: dict[str, Outcome] = field(default_factory=dict)
    """Targets that left the run, with what they left it for."""
    ignored: set[tuple[str, str]] = field(default_factory=set)
    """By step id and target: failures that count nowhere."""
    touched: set[str] = field(default_factory=set)
    """Targets on which something was started; the controller too, when it was more than a question."""
    entered: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By group id."""
    halted: str | None = None
    interrupted: bool = False
    controller: str | None = None
    """What did not end well on the controller; the first reason stays."""
    _lost_inside: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By id of a group that is itself for failures, or for always: targets that failed within it."""
    _spent: list[str] = field(default_factory=list)
    """Targets that failed on the run's own budget."""

    def __post_init__(self) -> None:
        self.lost.update(dict.fromkeys(self.plan.unreachable, Outcome.UNREACHABLE))
        self.lost.update(dict.fromkeys(self.plan.broken, Outcome.FAILED))
        unreachable = () if self.plan.skip_unreachable else self.plan.unreachable
        self._spent = [name for name in self.plan.targets if name in unreachable or name in self.plan.broken]
        if len(self._spent) > self.plan.max_failures:
            what = "cannot be deployed to" if self.plan.broken else "cannot be reached"
            way_on = "" if self.plan.broken else " ('unreachable: skip' in the plan would go on without)"
            self.halt(f"{named(self._spent)} {what}; max_failures is {self.plan.max_failures}{way_on}")

    @property
    def stopped(self) -> bool:
        """No new target is started any more."""
        return self.halted is not None or self.interrupted

    @property
    def is_bad(self) -> bool:
        """The run's own outcome so far: something was lost that is not simply skipped, or it has stopped."""
        return self.stopped or any(
            not (self.plan.skip_unreachable and name in self.plan.unreachable) for name in self.lost
        )

    @property
    def mark(self) -> tuple[int, bool, bool]:
        """Changes whenever a verdict on a step that waits may have changed."""
        return len(self.lost), self.stopped, self.interrupted

    def halt(self, reason: str) -> None:
        """The first reason stays."""
        self.halted = self.halted or reason

    def began(self, leaf: Leaf, target: str) -> None:
        """The step is started: the target is inside every group that holds it."""
        if not (leaf.is_approval or leaf.planned(target).only_remembers):
            self.touched.add(target)
        for group in leaf.groups:
            self.entered[group.step.id].add(target)

    def lose(self, target: str, outcome: Outcome, groups: tuple[PlannedStep, ...] = ()) -> bool:
        """The target did not end well inside ``groups``. True when it was in the run until now."""
        self._fails_inside(groups, target)
        first = target not in self.lost
        self.lost.setdefault(target, outcome)
        return first

    def fail_controller(self, reason: str, groups: tuple[PlannedStep, ...] = ()) -> None:
        """Something on the controller did not end well: the run halts, if it has not stopped by itself."""
        self._fails_inside(groups, CONTROLLER)
        self.controller = self.controller or reason
        if not self.interrupted:
            self.halt(reason)

    def spend(self, target: str) -> None:
        """A failure on the run's own budget."""
        self._spent.append(target)
        if len(self._spent) > self.plan.max_failures:
            self.halt(f"{named(self._spent)} did not end well; max_failures is {self.plan.max_failures}")

    def verdict(self, leaf: Leaf, target: str) -> Verdict:
        """Whether the step may start there now."""
        if target == CONTROLLER:
            return self._on_controller(leaf)
        return self._on_target((*leaf.groups, leaf.step), target)

    def may_enter(self, group: PlannedStep, above: tuple[PlannedStep, ...], target: str) -> Verdict:
        """Whether a window may take the target."""
        return self._on_target((*above, group), target)

    def carried_out(self, leaf: Leaf, target: str) -> bool:
        """Of a step that may start: whether there is something to do, work on standby included."""
        planned = leaf.planned(target)
        bad = self.is_bad if target == CONTROLLER else target in self.lost
        return planned.due or (planned.work is not None and bad)

    def _on_target(self, path: tuple[PlannedStep, ...], target: str) -> Verdict:
        if self.lost.get(target) is Outcome.UNREACHABLE or target in self.plan.broken:
            return Verdict.SKIP
        for depth, step in enumerate(path):
            if target in self.entered[step.step.id]:
                continue
            cleanup = _cleanup_around(path, depth)
            bad = target in (self.lost if cleanup is None else self._lost_inside[cleanup.step.id])
            if not _wants(step, bad=bad):
                return Verdict.SKIP
            if cleanup is not None and self._is_refused(step, cleanup):
                return Verdict.NEVER
            if self.stopped and cleanup is None and not self._still(step, target, inside=depth > 0):
                return Verdict.NEVER
        return Verdict.GO

    def _on_controller(self, leaf: Leaf) -> Verdict:
        """There, ``when`` looks at the run's outcome, and whoever is inside a group brought the controller along."""
        if leaf.is_approval and self.interrupted:
            return Verdict.NEVER
        path = (*leaf.groups, leaf.step)
        for depth, step in enumerate(path):
            if self.entered[step.step.id]:
                continue
            cleanup = _cleanup_around(path, depth)
            if cleanup is None and self.stopped and not self._still_on_controller(step, inside=depth > 0):
                return Verdict.NEVER
            if cleanup is not None and self._is_refused(step, cleanup):
                return Verdict.NEVER
            bad = self.is_bad if cleanup is None else bool(self._lost_inside[cleanup.step.id])
            if leaf.is_approval and not _is_cleanup(step):
                # Targets that are well go on behind it: it is not passed over for those that are not.
                bad = cleanup is None and bool(self.plan.targets) and set(self.plan.targets) <= self.lost.keys()
            if not _wants(step, bad=bad):
                return Verdict.SKIP
        return Verdict.GO

    def _fails_inside(self, groups: tuple[PlannedStep, ...], target: str) -> None:
        for group in groups:
            if _is_cleanup(group):
                self._lost_inside[group.step.id].add(target)

    def _is_refused(self, step: PlannedStep, cleanup: PlannedStep) -> bool:
        """The controller failed inside ``cleanup``: what halting is elsewhere, for a group that a halt does not end."""
        return CONTROLLER in self._lost_inside[cleanup.step.id] and not _is_cleanup(step)

    def _still(self, step: PlannedStep, target: str, *, inside: bool) -> bool:
        """After a halt or an interrupt: only what cleans up, and only where the run has been already."""
        if self.interrupted:
            return inside and step.step.when is When.ALWAYS
        return _is_cleanup(step) and (inside or target in self.touched)

    def _still_on_controller(self, step: PlannedStep, *, inside: bool) -> bool:
        """After a halt, what is for failures or for always; after an interrupt, the latter if anything was done."""
        if self.interrupted:
            return step.step.when is When.ALWAYS and (inside or bool(self.touched))
        return _is_cleanup(step)


def named(targets: list[str]) -> str:
    """A few names, and how many more."""
    more = f" and {len(targets) - NAMED} more" if len(targets) > NAMED else ""
    return ", ".join(targets[:NAMED]) + more


def _is_cleanup(step: PlannedStep) -> bool:
    return step.step.when in (When.FAILURE, When.ALWAYS)


def _cleanup_around(path: tuple[PlannedStep, ...], depth: int) -> PlannedStep | None:
    """The innermost group around a place of ``path`` that is itself for failures, or for always."""
    return next((group for group in reversed(path[:depth]) if _is_cleanup(group)), None)


def _wants(step: PlannedStep, *, bad: bool) -> bool:
    """``when`` against an outcome so far; a template was decided when the plan was made."""
    match step.step.when:
        case When.ALWAYS:
            return True
        case When.FAILURE:
            return bad
        case _:
            return not bad
