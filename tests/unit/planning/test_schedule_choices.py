"""What a failure does where the plan or a person says so, pauses that ask, and steps that start together."""

from __future__ import annotations

import pytest

from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import OnFailure, When
from octo_ssh.model.work import Window
from octo_ssh.planning.schedule import Handling, Schedule
from tests.unit.planning.builders import due, group, row, run, run_plan
from tests.unit.planning.playing import BAD, GOOD, fails, names, play


def rolling(targets: str, **window: object) -> Schedule:
    numbers = {"size": 1, "canary": 0, "max_failures": 0, "pause_s": 0.0, **window}
    leaves = [due(run("drain"), targets), due(run("undrain", when=When.ALWAYS), targets)]
    return Schedule(run_plan(row(group("roll"), *leaves, window=Window(**numbers))))  # type: ignore[arg-type]


# Ignored failures.


def test_a_failure_that_is_ignored_keeps_the_target_in_the_run_and_spends_nothing() -> None:
    plan = run_plan(due(run("one", on_failure=OnFailure.IGNORE), "ab"), due(run("two"), "ab"))
    schedule = Schedule(plan)
    assert play(schedule, fails(("one", "a")))[-2:] == [("two", "a"), ("two", "b")]
    assert schedule.outcomes["one", "a"] is BAD
    assert schedule.ignored_on("a") == ("one",)
    assert (schedule.lost, schedule.halted, schedule.unfinished, schedule.run_outcome) == ({}, None, (), "success")


def test_a_once_step_that_is_ignored_does_not_halt() -> None:
    plan = run_plan(due(run("migrate", once=True, on_failure=OnFailure.IGNORE), "a"), due(run("two"), "ab"))
    schedule = Schedule(plan)
    assert play(schedule, fails(("migrate", "a")))[-1] == ("two", "b")
    assert schedule.halted is None


def test_an_ignored_failure_of_a_canary_is_none() -> None:
    steps = [due(run("one", on_failure=OnFailure.IGNORE), "ab"), due(run("two"), "ab")]
    schedule = Schedule(run_plan(row(group("roll"), *steps, window=Window(1, 1, 0, 0.0))))
    assert play(schedule, fails(("one", "a")))[-1] == ("two", "b")


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.UNREACHABLE])
@pytest.mark.parametrize("choice", [None, *Choice])
def test_only_what_is_known_to_have_failed_can_be_ignored(outcome: Outcome, choice: Choice | None) -> None:
    schedule = Schedule(run_plan(due(run("one", on_failure=OnFailure.IGNORE), "a")))
    schedule.ready()
    assert schedule.handling("one", "a", outcome, choice) is Handling.COUNT


@pytest.mark.parametrize(
    ("on_failure", "choice", "handling"),
    [
        (OnFailure.FAIL, None, Handling.COUNT),
        (OnFailure.IGNORE, None, Handling.IGNORE),
        (OnFailure.FAIL, Choice.IGNORE, Handling.IGNORE),
        (OnFailure.FAIL, Choice.LEAVE_OUT, Handling.LEAVE_OUT),
        (OnFailure.FAIL, Choice.STOP, Handling.STOP),
    ],
)
def test_what_a_failure_does_is_said_by_the_plan_or_a_person(
    on_failure: OnFailure, choice: Choice | None, handling: Handling
) -> None:
    schedule = Schedule(run_plan(due(run("one", on_failure=on_failure), "a")))
    schedule.ready()
    assert schedule.handling("one", "a", BAD, choice) is handling


@pytest.mark.parametrize(
    ("on_failure", "outcome", "interrupted", "asks"),
    [
        (OnFailure.FAIL, Outcome.FAILED, False, True),
        (OnFailure.FAIL, Outcome.FAILED, True, False),
        (OnFailure.FAIL, Outcome.UNKNOWN, False, False),
        (OnFailure.FAIL, Outcome.CHANGED, False, False),
        (OnFailure.IGNORE, Outcome.FAILED, False, False),
    ],
)
def test_when_a_person_is_asked(on_failure: OnFailure, outcome: Outcome, interrupted: bool, asks: bool) -> None:
    schedule = Schedule(run_plan(due(run("one", on_failure=on_failure), "a")))
    schedule.ready()
    if interrupted:
        schedule.interrupt()
    assert schedule.asks_about("one", "a", outcome) is asks


# A person's choices.


def test_a_target_that_is_left_out_is_lost_and_on_no_budget() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), due(run("two"), "ab")))
    begun = play(schedule, fails(("one", "a")), {("one", "a"): Choice.LEAVE_OUT})
    assert begun[-1] == ("two", "b")
    assert (schedule.lost, schedule.halted, schedule.run_outcome) == ({"a": BAD}, None, "failure")
    assert schedule.outcomes["two", "a"] is Outcome.SKIPPED


def test_a_once_step_halts_even_where_its_target_is_left_out_because_nobody_did_it() -> None:
    schedule = Schedule(run_plan(due(run("migrate", once=True), "a"), due(run("two"), "ab")))
    assert play(schedule, fails(("migrate", "a")), {("migrate", "a"): Choice.LEAVE_OUT}) == [("migrate", "a")]


def test_another_canary_takes_the_place_of_one_that_is_left_out() -> None:
    schedule = rolling("abcd", size=2, canary=1)
    begun = play(schedule, fails(("drain", "a")), {("drain", "a"): Choice.LEAVE_OUT})
    assert begun[:4] == [("drain", "a"), ("undrain", "a"), ("drain", "b"), ("undrain", "b")]
    assert begun[4:6] == [("drain", "c"), ("drain", "d")]
    assert schedule.halted is None


def test_when_every_canary_is_left_out_the_run_comes_to_its_end() -> None:
    schedule = rolling("ab", canary=1)
    choices = {("drain", target): Choice.LEAVE_OUT for target in "ab"}
    assert len(play(schedule, fails(("drain", "a"), ("drain", "b")), choices)) == 4


def test_a_target_that_is_left_out_is_not_on_its_groups_budget() -> None:
    schedule = rolling("abc", max_failures=1)
    play(schedule, fails(("drain", "a"), ("drain", "b")), {("drain", "a"): Choice.LEAVE_OUT})
    assert schedule.halted is None
    assert ("drain", "c") in schedule.outcomes


def test_to_stop_halts_the_run_whatever_the_budget_and_names_who_said_so() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab", max_parallel=1), max_failures=9))
    assert play(schedule, fails(("one", "a")), {("one", "a"): Choice.STOP}) == [("one", "a")]
    assert schedule.halted == "stopped by ann: 'one' failed on a"
    assert schedule.lost == {"a": BAD}


# Pauses that ask.


def after_the_canary(schedule: Schedule) -> Schedule:
    for step in ("drain", "undrain"):
        schedule.ready()
        schedule.finished(step, "a", GOOD)
    assert schedule.ready() == ()
    return schedule


def test_after_the_canary_the_window_waits_for_a_yes_and_only_then() -> None:
    schedule = after_the_canary(rolling("abc", size=2, canary=1, asks=True))
    (wait,) = schedule.waiting()
    assert (wait.step_id, wait.seconds) == ("roll", None)
    schedule.waited(wait.step_id, wait.slot)
    assert names(schedule.ready()) == [("drain", "b"), ("drain", "c")]
    schedule.finished("drain", "b", GOOD)
    schedule.ready()
    assert schedule.waiting() == ()


def test_a_no_halts_the_run() -> None:
    schedule = after_the_canary(rolling("abc", canary=1, asks=True))
    schedule.refused("roll")
    assert schedule.ready() == ()
    assert schedule.waiting() == ()
    assert schedule.done
    assert schedule.halted == schedule.controller_failure == "going on with 'roll' was not approved"
    assert schedule.unfinished == ("b", "c")


def test_a_no_that_nobody_waits_for_any_more_does_nothing() -> None:
    schedule = after_the_canary(rolling("ab", canary=1, asks=True))
    schedule.interrupt()
    schedule.ready()
    schedule.refused("roll")
    assert schedule.halted is None


def test_nobody_is_asked_when_the_canary_was_all_there_is_or_has_failed() -> None:
    assert after_the_canary(rolling("a", canary=1, asks=True)).waiting() == ()
    failed = rolling("ab", canary=1, asks=True)
    failed.ready()
    failed.finished("drain", "a", BAD)
    failed.ready()
    failed.finished("undrain", "a", GOOD)
    failed.ready()
    assert failed.waiting() == ()
    assert failed.done


# Steps that start together.


def together(*targets: str, **keys: object) -> Schedule:
    second = run("b", starts_with_previous=True)
    return Schedule(run_plan(due(run("a"), targets[0]), due(second, targets[1]), due(run("c"), "xy"), **keys))  # type: ignore[arg-type]


def test_there_is_no_barrier_before_a_step_that_starts_with_the_previous_and_one_after_both() -> None:
    schedule = together("xy", "y")
    assert names(schedule.ready()) == [("a", "x"), ("a", "y"), ("b", "y")]
    schedule.finished("a", "x", GOOD)
    schedule.finished("a", "y", GOOD)
    assert schedule.ready() == ()
    schedule.finished("b", "y", GOOD)
    assert names(schedule.ready()) == [("c", "x"), ("c", "y")]


def test_each_of_them_has_its_own_max_parallel() -> None:
    second = run("b", starts_with_previous=True)
    plan = run_plan(due(run("a"), "xyz", max_parallel=1), due(second, "xyz", max_parallel=2))
    schedule = Schedule(plan)
    assert names(schedule.ready()) == [("a", "x"), ("b", "x"), ("b", "y")]
    schedule.finished("b", "x", GOOD)
    assert names(schedule.ready()) == [("b", "z")]


def test_when_sees_what_is_so_as_the_step_starts() -> None:
    clean = run("b", when=When.ALWAYS, starts_with_previous=True)
    plan = run_plan(due(run("a"), "xy"), due(clean, "xy", standby=True, max_parallel=1), max_failures=9)
    schedule = Schedule(plan)
    assert names(schedule.ready()) == [("a", "x"), ("a", "y")]
    assert schedule.outcomes["b", "x"] is Outcome.SKIPPED, "it was well when the step's turn came"
    waits = due(run("b", starts_with_previous=True), "xy", max_parallel=1)
    schedule = Schedule(run_plan(due(run("a"), "xy"), waits, max_failures=9))
    assert ("b", "x") in names(schedule.ready())
    schedule.finished("a", "y", BAD)
    schedule.finished("b", "x", GOOD)
    assert schedule.ready() == ()
    assert schedule.outcomes["b", "y"] is Outcome.SKIPPED


def test_inside_a_window_both_run_at_once_on_a_target_and_the_next_waits_for_both() -> None:
    second = run("b", starts_with_previous=True)
    steps = [due(run("a"), "xy"), due(second, "xy"), due(run("c"), "xy")]
    schedule = Schedule(run_plan(row(group("roll"), *steps, window=Window(1, 0, 0, 0.0))))
    assert names(schedule.ready()) == [("a", "x"), ("b", "x")]
    schedule.finished("b", "x", GOOD)
    assert schedule.ready() == ()
    schedule.finished("a", "x", GOOD)
    assert names(schedule.ready()) == [("c", "x")]
    schedule.finished("c", "x", GOOD)
    assert names(schedule.ready()) == [("a", "y"), ("b", "y")]


def test_inside_a_window_one_that_is_settled_is_settled_once_while_the_other_waits_for_its_turn() -> None:
    second = due(run("b", starts_with_previous=True), "xy", max_parallel=1)
    steps = [due(run("a"), "xy", idle="y"), second]
    schedule = Schedule(run_plan(row(group("roll"), *steps, window=Window(2, 0, 0, 0.0))))
    assert names(schedule.ready()) == [("a", "x"), ("b", "x")]
    assert [(end.step_id, end.target) for end in schedule.settled()] == [("a", "y")]
    schedule.finished("b", "x", GOOD)
    assert names(schedule.ready()) == [("b", "y")]
    assert schedule.settled() == ()


def test_a_group_never_stands_beside_a_step() -> None:
    first = row(group("g"), due(run("a"), "x"))
    schedule = Schedule(run_plan(first, due(run("b", starts_with_previous=True), "x")))
    assert names(schedule.ready()) == [("a", "x")]


# Conditions that turn out false when the step's turn comes.


def test_a_step_that_is_skipped_when_its_turn_comes_is_finished_and_well() -> None:
    schedule = Schedule(run_plan(due(run("one", once=True), "a"), due(run("two"), "ab")))
    play(schedule, lambda step, target: Outcome.SKIPPED)
    assert (schedule.halted, schedule.lost, schedule.unfinished, schedule.run_outcome) == (None, {}, (), "success")
    assert schedule.outcomes["one", "a"] is Outcome.SKIPPED
