"""How a run ends, from how its targets ended: results, exit code, the command that goes on (SPEC section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octo_ssh.errors import ExitCode, combine
from octo_ssh.model.drift import DriftReport, State
from octo_ssh.model.events import TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.planning.schedule import Schedule


def results(
    schedule: Schedule,
    *,
    reasons: Mapping[str, str] | None = None,
    releases: Mapping[str, str | None] | None = None,
) -> tuple[TargetResult, ...]:
    """Each target's end state, in inventory order, and the controller's where something there did not end well.
    ``reasons`` and ``releases`` are what the run saw, by target; reasons are told of what did not end well only.

    SKIPPED means: well, but something that was due there was never started.
    """
    reasons, releases = reasons or {}, releases or {}
    ends = [
        TargetResult(name, outcome, _reason(schedule, name, outcome, reasons.get(name, "")), releases.get(name))
        for name in schedule.plan.targets
        for outcome in [target_outcome(schedule, name)]
    ]
    if schedule.controller_failure is not None:
        why = reasons.get(CONTROLLER) or schedule.controller_failure
        ends.append(TargetResult(CONTROLLER, Outcome.FAILED, why, None))
    return tuple(ends)


def target_outcome(schedule: Schedule, target: str) -> Outcome:
    """One target's steps as one outcome. Failures that are ignored count nowhere."""
    if target in schedule.lost:
        return schedule.lost[target]
    if schedule.is_unfinished(target):
        return Outcome.SKIPPED
    return Outcome.CHANGED if Outcome.CHANGED in schedule.outcomes_of(target) else Outcome.UNCHANGED


def exit_code(ends: Sequence[TargetResult], *, interrupted: bool = False) -> ExitCode:
    """130 over 1 over 4 over 0. A run that only unreachable or unknown targets have stopped is incomplete: 4."""
    codes = [end.outcome.exit_code for end in ends if not end.outcome.is_good]
    if not codes and any(end.outcome is Outcome.SKIPPED for end in ends):
        codes.append(ExitCode.FAILED)
    if interrupted:
        codes.append(ExitCode.INTERRUPTED)
    return combine(codes)


def drift_exit_code(report: DriftReport) -> ExitCode:
    """3 where anything drifted, also a host key; else 4 where anything could not be looked at; else 0.

    What is pending or expected does not count.
    """
    states = {target.state for target in report.targets}
    states |= {step.state for target in report.targets for step in target.steps}
    return combine(
        (
            ExitCode.DIFFERS if State.DRIFTED in states else ExitCode.DONE,
            ExitCode.INCOMPLETE if State.UNKNOWN in states else ExitCode.DONE,
        )
    )


def next_command(command: str, ends: Sequence[TargetResult]) -> str:
    """The command that goes on where this run did not end well; empty when all is done.

    ``command`` is what the person typed, less the selection of targets. The controller is none: what failed there
    leaves its mark on the targets that were not finished.
    """
    left = [
        end for end in ends if end.target != CONTROLLER and (not end.outcome.is_good or end.outcome is Outcome.SKIPPED)
    ]
    return f"{command} --limit @failed" if left else ""


def _reason(schedule: Schedule, target: str, outcome: Outcome, told: str) -> str:
    match outcome:
        case Outcome.SKIPPED:
            begun = Outcome.CHANGED in schedule.outcomes_of(target)
            return "not finished: the run stopped before" if begun else "not started"
        case Outcome.CHANGED | Outcome.UNCHANGED:
            ignored = schedule.ignored_on(target)
            failed = f"{', '.join(map(repr, ignored))} failed, and that is ignored" if ignored else ""
            return failed or ("nothing to do" if outcome is Outcome.UNCHANGED else "")
        case Outcome.UNREACHABLE if target in schedule.plan.unreachable:
            return told or schedule.plan.unreachable[target]
        case Outcome.FAILED if target in schedule.plan.broken:
            return told or schedule.plan.broken[target]
        case _:
            return told
