"""Who is still in the run, who may be started, and when the run halts (SPEC section 4, "Failures")."""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass, field

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import When
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
    touched: set[str] = field(default_factory=set)
    """Targets on which something was started."""
    entered: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By group id."""
    halted: str | None = None
    interrupted: bool = False
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
            what = "could not be looked at" if self.plan.broken else "cannot be reached"
            way_on = "" if self.plan.broken else " ('unreachable: skip' in the plan would go on without)"
            self.halt(f"{named(self._spent)} {what}; max_failures is {self.plan.max_failures}{way_on}")

    @property
    def stopped(self) -> bool:
        """No new target is started any more."""
        return self.halted is not None or self.interrupted

    @property
    def mark(self) -> tuple[int, bool, bool]:
        """Changes whenever a verdict on a step that waits may have changed."""
        return len(self.lost), self.stopped, self.interrupted

    def halt(self, reason: str) -> None:
        """The first reason stays."""
        self.halted = self.halted or reason

    def began(self, leaf: Leaf, target: str) -> None:
        """The step is started: the target is inside every group that holds it."""
        self.touched.add(target)
        for group in leaf.groups:
            self.entered[group.step.id].add(target)

    def lose(self, target: str, outcome: Outcome, groups: tuple[PlannedStep, ...] = ()) -> bool:
        """The target did not end well inside ``groups``. True when it was in the run until now."""
        for group in groups:
            if group.step.when in (When.FAILURE, When.ALWAYS):
                self._lost_inside[group.step.id].add(target)
        first = target not in self.lost
        self.lost.setdefault(target, outcome)
        return first

    def spend(self, target: str) -> None:
        """A failure on the run's own budget."""
        self._spent.append(target)
        if len(self._spent) > self.plan.max_failures:
            self.halt(f"{named(self._spent)} did not end well; max_failures is {self.plan.max_failures}")

    def verdict(self, leaf: Leaf, target: str) -> Verdict:
        """Whether the step may start there now."""
        return self._verdict((*leaf.groups, leaf.step), target)

    def may_enter(self, group: PlannedStep, above: tuple[PlannedStep, ...], target: str) -> Verdict:
        """Whether a window may take the target."""
        return self._verdict((*above, group), target)

    def carried_out(self, leaf: Leaf, target: str) -> bool:
        """Of a step that may start: whether there is something to do, work on standby included."""
        planned = leaf.planned(target)
        return planned.due or (planned.work is not None and target in self.lost)

    def _verdict(self, path: tuple[PlannedStep, ...], target: str) -> Verdict:
        if self.lost.get(target) is Outcome.UNREACHABLE or target in self.plan.broken:
            return Verdict.SKIP
        for depth, step in enumerate(path):
            if target in self.entered[step.step.id]:
                continue
            cleanup = next((group for group in reversed(path[:depth]) if _is_cleanup(group)), None)
            bad = target in (self.lost if cleanup is None else self._lost_inside[cleanup.step.id])
            if not _wants(step, bad=bad):
                return Verdict.SKIP
            if self.stopped and cleanup is None and not self._still(step, target, inside=depth > 0):
                return Verdict.NEVER
        return Verdict.GO

    def _still(self, step: PlannedStep, target: str, *, inside: bool) -> bool:
        """After a halt or an interrupt: only what cleans up, and only where the run has been already."""
        if self.interrupted:
            return inside and step.step.when is When.ALWAYS
        return _is_cleanup(step) and (inside or target in self.touched)


def named(targets: list[str]) -> str:
    """A few names, and how many more."""
    more = f" and {len(targets) - NAMED} more" if len(targets) > NAMED else ""
    return ", ".join(targets[:NAMED]) + more


def _is_cleanup(step: PlannedStep) -> bool:
    return step.step.when in (When.FAILURE, When.ALWAYS)


def _wants(step: PlannedStep, *, bad: bool) -> bool:
    """``when`` against the target's own outcome; a template was decided when the plan was made."""
    match step.step.when:
        case When.ALWAYS:
            return True
        case When.FAILURE:
            return bad
        case _:
            return not bad
