"""A check for drift in numbers: one line for people, one map for programs."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.model.drift import DriftReport, State, StepDrift, TargetDrift
from octo_ssh.output.words import amount, duration


@dataclass(frozen=True, slots=True)
class Counts:
    """Targets, but for ``findings`` and ``gone``. One that has drifted and has steps pending counts in both."""

    targets: int
    drifted: int
    findings: int
    """On all targets, less those that are expected."""
    unknown: int
    """Reached, but not all of it could be looked at, or nothing."""
    unreachable: int
    pending: int
    expected: int
    in_sync: int
    gone: int
    """Findings of the check before."""
    accepted: int
    """The same, of those that are there still."""


def counts(report: DriftReport) -> Counts:
    """The numbers of a check."""
    seen = [(target, _states(target)) for target in report.targets]
    return Counts(
        targets=len(seen),
        drifted=sum(State.DRIFTED in states for _, states in seen),
        findings=sum(len(target.findings) + sum(len(step.findings) for step in target.steps) for target, _ in seen),
        unknown=sum(State.UNKNOWN in states and not is_unreachable(target) for target, states in seen),
        unreachable=sum(is_unreachable(target) for target, _ in seen),
        pending=sum(State.PENDING in states for _, states in seen),
        expected=sum(any(step.expected for step in target.steps) for target, _ in seen),
        in_sync=sum(target.state is State.IN_SYNC for target, _ in seen),
        gone=len(report.gone),
        accepted=len(report.accepted),
    )


def last_line(report: DriftReport) -> str:
    """``drift: 3 targets, 7 findings; unknown 1; unreachable 2; pending 4; in sync 12 (of 20), 1.9 s``."""
    found = counts(report)
    drift = f"{amount(found.drifted, 'target')}, {amount(found.findings, 'finding')}" if found.drifted else "none"
    told = ("unknown", "unreachable", "pending", "expected", "gone", "accepted")
    parts = [f"{word} {number:,}" for word in told if (number := getattr(found, word))]
    in_sync = f"in sync {found.in_sync:,} (of {found.targets:,}), {duration(report.seconds)}"
    return "; ".join((f"drift: {drift}", *parts, in_sync))


def is_unreachable(target: TargetDrift) -> bool:
    """It was not reached. One whose host key changed was refused, and that is a finding."""
    return bool(target.unreachable) and not (target.busy or target.broken or target.findings)


def is_pending(step: StepDrift) -> bool:
    """Git wants more of it than was applied, also where what was applied has drifted."""
    return step.state is State.PENDING or (
        step.state is State.DRIFTED and bool(step.reason) and not step.partly_unknown
    )


def _states(target: TargetDrift) -> set[State]:
    """How the target stands, in all that its steps say."""
    also = {
        State.UNKNOWN: any(step.partly_unknown for step in target.steps),
        State.PENDING: any(map(is_pending, target.steps)),
    }
    said = {state for state, is_so in also.items() if is_so}
    return {target.state, *(step.state for step in target.steps), *said}
