"""What a command answers becomes its exit code (SPEC section 5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.cli.deploy import plan_exit_code
from octo_ssh.cli.fleet import doctor_exit_code
from octo_ssh.errors import ExitCode
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure
from octo_ssh.model.reports import Diagnosis, Finding, Level
from tests.unit.output import samples
from tests.unit.planning.builders import file, remembering


@pytest.mark.parametrize(
    ("outcome", "unreachable", "asked", "plain"),
    [
        (Outcome.UNCHANGED, False, 0, 0),
        (Outcome.CHANGED, False, 3, 0),
        (Outcome.UNCHANGED, True, 4, 4),
        (Outcome.CHANGED, True, 3, 4),
        (Outcome.FAILED, True, 1, 1),
    ],
)
def test_a_plan_returns_3_for_changes_only_when_asked(
    outcome: Outcome, unreachable: bool, asked: int, plain: int
) -> None:
    work = samples.script() if outcome is Outcome.CHANGED else None
    step = samples.step("One", samples.everywhere("a", outcome, work=work))
    run_plan = samples.plan([step], "ab", unreachable={"b": "refused"} if unreachable else {})
    assert plan_exit_code(run_plan, differs=ExitCode.DIFFERS) == asked
    assert plan_exit_code(run_plan, differs=ExitCode.DONE) == plain


def test_to_remember_is_no_difference() -> None:
    run_plan = samples.plan([remembering(file("note"), "a")], "ab")
    assert plan_exit_code(run_plan, differs=ExitCode.DIFFERS) == ExitCode.DONE


def test_what_is_done_on_the_controller_alone_is_a_change_too() -> None:
    step = samples.step("Tell", samples.everywhere([CONTROLLER], work=samples.script()))
    assert plan_exit_code(samples.plan([step], "ab"), differs=ExitCode.DIFFERS) == ExitCode.DIFFERS


def test_a_step_whose_failure_is_ignored_does_not_fail_a_plan() -> None:
    step = samples.step("One", samples.everywhere("a", Outcome.FAILED))
    step = replace(step, step=replace(step.step, on_failure=OnFailure.IGNORE))
    assert plan_exit_code(samples.plan([step], "a"), differs=ExitCode.DIFFERS) == ExitCode.DONE


@pytest.mark.parametrize(
    ("outcome", "level", "host_key_refused", "code"),
    [
        (Outcome.UNCHANGED, Level.GOOD, False, 0),
        (Outcome.UNCHANGED, Level.NOTE, False, 0),
        (Outcome.UNCHANGED, Level.BAD, False, 3),
        (Outcome.UNREACHABLE, Level.BAD, False, 4),
        (Outcome.UNREACHABLE, Level.BAD, True, 3),
    ],
)
def test_doctor_tells_what_is_wrong_from_what_could_not_be_seen(
    outcome: Outcome, level: Level, host_key_refused: bool, code: int
) -> None:
    diagnosis = Diagnosis("a", None, (Finding(level, "x"),), outcome, host_key_refused)
    assert doctor_exit_code(diagnosis) == code
