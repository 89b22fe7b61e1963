"""What a check for drift returns: 3 over 4 over 0, and what does not count."""

from __future__ import annotations

import pytest

from octo_ssh.errors import ExitCode
from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.planning.exit import drift_exit_code

UNREACHABLE = TargetDrift("gone", unreachable="refused")
HOST_KEY = TargetDrift("other", unreachable="refused", findings=(Finding("", FindingKind.HOST_KEY, ""),))


def standing(*states: State) -> TargetDrift:
    return TargetDrift("web", tuple(StepDrift(state.value, state.value, state) for state in states))


@pytest.mark.parametrize(
    ("targets", "code"),
    [
        ([], ExitCode.DONE),
        ([standing(State.IN_SYNC)], ExitCode.DONE),
        ([standing(State.PENDING, State.EXPECTED), standing()], ExitCode.DONE),
        ([standing(State.PENDING, State.UNKNOWN)], ExitCode.INCOMPLETE),
        ([standing(State.IN_SYNC), UNREACHABLE], ExitCode.INCOMPLETE),
        ([standing(State.UNKNOWN, State.DRIFTED)], ExitCode.DIFFERS),
        ([standing(State.DRIFTED), UNREACHABLE], ExitCode.DIFFERS),
        ([HOST_KEY], ExitCode.DIFFERS),
        ([HOST_KEY, UNREACHABLE], ExitCode.DIFFERS),
    ],
)
def test_drift_counts_more_than_what_was_not_seen(targets: list[TargetDrift], code: ExitCode) -> None:
    report = DriftReport("shop", None, "2026-11-24T07:03:12Z", tuple(targets))
    assert drift_exit_code(report) is code
