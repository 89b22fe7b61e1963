"""How a run ends (SPEC section 5)."""

from __future__ import annotations

import pytest

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure
from octo_ssh.model.work import Window
from octo_ssh.planning.exit import exit_code, next_command, results
from octo_ssh.planning.schedule import Schedule
from tests.unit.planning.builders import approve, due, group, here, row, run, run_plan
from tests.unit.planning.playing import GOOD, fails, play


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


def test_ignored_failures_count_nowhere_and_are_told() -> None:
    schedule = Schedule(run_plan(due(run("one", on_failure=OnFailure.IGNORE), "abc"), due(run("two"), "b")))
    play(schedule, fails(("one", "a"), ("one", "b")))
    ended = results(schedule, reasons={"a": "exit status 1", "b": "exit status 1"})
    assert [(end.outcome, end.reason) for end in ended] == [
        (Outcome.UNCHANGED, "'one' failed, and that is ignored"),
        (Outcome.CHANGED, "'one' failed, and that is ignored"),
        (Outcome.CHANGED, ""),
    ]
    assert exit_code(ended) is ExitCode.DONE
    assert next_command("octo-ssh apply plan.yaml", ended) == ""


def test_a_failure_on_the_controller_is_a_result_of_its_own_and_exits_1() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), here(run("notify"))))
    play(schedule, fails(("notify", CONTROLLER)))
    told = results(schedule, reasons={CONTROLLER: "exit status 7"}, releases={"a": "1.0"})
    assert [(end.target, end.outcome, end.reason, end.release) for end in told] == [
        ("a", Outcome.CHANGED, "", "1.0"),
        (CONTROLLER, Outcome.FAILED, "exit status 7", None),
    ]
    assert exit_code(told) is ExitCode.FAILED
    assert next_command("octo-ssh apply plan.yaml", told) == "", "no target is left to go on with"


def test_what_went_well_on_the_controller_is_no_result() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), here(run("notify"))))
    play(schedule)
    assert [end.target for end in results(schedule)] == ["a"]


def test_a_refused_approval_exits_1_and_goes_on_with_who_was_left() -> None:
    schedule = Schedule(run_plan(here(approve("Sign-off")), due(run("one"), "a")))
    play(schedule, fails(("Sign-off", CONTROLLER)))
    ended = results(schedule)
    assert [(end.target, end.outcome, end.reason) for end in ended] == [
        ("a", Outcome.SKIPPED, "not started"),
        (CONTROLLER, Outcome.FAILED, "'Sign-off' was not approved"),
    ]
    assert exit_code(ended) is ExitCode.FAILED
    assert next_command("octo-ssh apply plan.yaml", ended) == "octo-ssh apply plan.yaml --limit @failed"


def test_a_pause_that_is_refused_exits_1_even_where_an_unknown_target_would_give_4() -> None:
    window = Window(1, 1, 0, 0.0, asks=True)
    plan = run_plan(due(run("zero"), "c"), row(group("roll"), due(run("one"), "ab"), window=window), max_failures=1)
    schedule = Schedule(plan)
    schedule.ready()
    schedule.finished("zero", "c", Outcome.UNKNOWN)
    schedule.ready()
    schedule.finished("one", "a", GOOD)
    schedule.ready()
    schedule.refused("roll")
    schedule.ready()
    ended = {end.target: end.outcome for end in results(schedule)}
    assert ended == {
        "a": Outcome.CHANGED,
        "b": Outcome.SKIPPED,
        "c": Outcome.UNKNOWN,
        CONTROLLER: Outcome.FAILED,
    }
    assert exit_code(results(schedule)) is ExitCode.FAILED


def test_a_step_whose_condition_turned_out_false_leaves_nothing_to_be_done() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a")))
    play(schedule, lambda step, target: Outcome.SKIPPED)
    (end,) = results(schedule)
    assert (end.outcome, exit_code([end])) == (Outcome.UNCHANGED, ExitCode.DONE)
