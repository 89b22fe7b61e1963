"""How a run ends (SPEC section 5)."""

from __future__ import annotations

import pytest

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.exit import exit_code, next_command, results
from octo_ssh.planning.schedule import Schedule
from tests.unit.planning.builders import due, run, run_plan


def ends(*outcomes: Outcome) -> list[TargetResult]:
    return [TargetResult(f"web-{number}", outcome, "", None) for number, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], ExitCode.DONE),
        ([Outcome.CHANGED, Outcome.UNCHANGED], ExitCode.DONE),
        ([Outcome.CHANGED, Outcome.FAILED], ExitCode.FAILED),
        ([Outcome.CHANGED, Outcome.UNREACHABLE], ExitCode.INCOMPLETE),
        ([Outcome.UNKNOWN], ExitCode.INCOMPLETE),
        ([Outcome.UNKNOWN, Outcome.FAILED], ExitCode.FAILED),
        ([Outcome.UNREACHABLE, Outcome.SKIPPED], ExitCode.INCOMPLETE),
        ([Outcome.SKIPPED], ExitCode.FAILED),
    ],
)
def test_exit_codes(outcomes: list[Outcome], code: ExitCode) -> None:
    assert exit_code(ends(*outcomes)) is code
    assert exit_code(ends(*outcomes), interrupted=True) is ExitCode.INTERRUPTED


def test_the_command_that_goes_on_is_for_those_that_are_not_done() -> None:
    assert next_command("octo-ssh apply plan.yaml", ends(Outcome.CHANGED)) == ""
    for left in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNREACHABLE, Outcome.SKIPPED):
        assert next_command("octo-ssh apply plan.yaml", ends(left)) == "octo-ssh apply plan.yaml --limit @failed"


def test_each_targets_end_state() -> None:
    plan = run_plan(
        due(run("one"), "abcd", idle="d", max_parallel=2), unreachable={"e": "refused"}, targets=tuple("abcde")
    )
    schedule = Schedule(run_plan(*plan.steps, max_failures=1, unreachable=plan.unreachable, targets=plan.targets))
    schedule.ready()
    schedule.finished("one", "a", Outcome.CHANGED)
    schedule.finished("one", "b", Outcome.FAILED)
    schedule.ready()
    assert schedule.halted
    told = {end.target: (end.outcome, end.reason) for end in results(schedule, reasons={"b": "exit status 1"})}
    assert told == {
        "a": (Outcome.CHANGED, ""),
        "b": (Outcome.FAILED, "exit status 1"),
        "c": (Outcome.SKIPPED, "not started"),
        "d": (Outcome.UNCHANGED, "nothing to do"),
        "e": (Outcome.UNREACHABLE, "refused"),
    }


def test_where_nothing_is_to_be_done_nothing_needs_to_be_played() -> None:
    (end,) = results(Schedule(run_plan(due(run("one"), "a", idle="a"))))
    assert (end.outcome, exit_code([end])) == (Outcome.UNCHANGED, ExitCode.DONE)
