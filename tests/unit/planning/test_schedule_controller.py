"""Steps on the controller, as the schedule sees them: what ``when`` looks at there, and what their failure does."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure, When
from octo_ssh.model.work import PlannedStep, Window
from octo_ssh.planning.schedule import Schedule
from tests.unit.planning.builders import approve, due, group, here, row, run, run_plan
from tests.unit.planning.playing import BAD, GOOD, fails, names, play

NOTIFY = here(run("notify", when=When.ALWAYS))


def on_controller(begun: list[tuple[str, str]]) -> list[str]:
    return [step for step, target in begun if target == CONTROLLER]


def test_a_step_on_the_controller_is_a_barrier_like_any_other() -> None:
    plan = run_plan(due(run("one"), "ab"), here(run("flip")), due(run("two"), "ab"))
    assert plan.targets == ("a", "b")
    assert play(Schedule(plan)) == [("one", "a"), ("one", "b"), ("flip", CONTROLLER), ("two", "a"), ("two", "b")]


@pytest.mark.parametrize(
    ("when", "standby", "after_failure", "after_success"),
    [
        (When.SUCCESS, False, False, True),
        (When.FAILURE, True, True, False),
        (When.ALWAYS, False, True, True),
        (When.ALWAYS, True, True, False),
    ],
)
@pytest.mark.parametrize("max_failures", [0, 9])
def test_when_looks_at_the_runs_outcome(
    when: When, standby: bool, after_failure: bool, after_success: bool, max_failures: int
) -> None:
    """Whether the failure halted the run or was within its budget."""
    plan = run_plan(due(run("one"), "ab"), here(run("tell", when=when), standby=standby), max_failures=max_failures)
    assert on_controller(play(Schedule(plan), fails(("one", "a")))) == (["tell"] if after_failure else [])
    assert on_controller(play(Schedule(plan))) == (["tell"] if after_success else [])


def test_a_step_that_is_passed_over_for_a_failure_elsewhere_says_so() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), here(run("flip")), due(run("two"), "ab"), max_failures=9))
    assert play(schedule, fails(("one", "a")))[-1] == ("two", "b")
    assert ("flip", CONTROLLER, Outcome.SKIPPED, "something failed before") in [
        (end.step_id, end.target, end.outcome, end.reason) for end in schedule.settled()
    ]


def test_after_a_halt_a_plain_step_is_never_started_and_leaves_no_outcome() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), here(run("flip")), NOTIFY))
    assert on_controller(play(schedule, fails(("one", "a")))) == ["notify"]
    assert ("flip", CONTROLLER) not in schedule.outcomes


def test_skipped_unreachable_targets_and_ignored_failures_are_no_failure_of_the_run() -> None:
    one = due(run("one", on_failure=OnFailure.IGNORE), "a")
    plan = run_plan(one, here(run("flip")), targets=("a", "b"), unreachable={"b": "refused"}, skip_unreachable=True)
    assert on_controller(play(Schedule(plan), fails(("one", "a")))) == ["flip"]


@pytest.mark.parametrize("gone", [{"unreachable": {"a": "refused"}}, {"broken": {"a": "no sudo"}}])
def test_whoever_is_to_be_told_of_failures_is_told_of_a_run_that_halts_before_it_begins(gone: dict[str, Any]) -> None:
    tell = [here(run("sorry", when=When.FAILURE), standby=True), here(run("notify", when=When.ALWAYS), standby=True)]
    plan = run_plan(due(run("one"), "b"), here(run("flip")), *tell, targets=("a", "b"), **gone)
    schedule = Schedule(plan)
    assert schedule.halted
    assert schedule.controller_acts
    assert play(schedule) == [("sorry", CONTROLLER), ("notify", CONTROLLER)]


@pytest.mark.parametrize(
    ("step", "unreachable", "acts"),
    [
        (here(run("flip")), {}, True),
        (here(run("flip")), {"a": "refused"}, False),
        (NOTIFY, {}, True),
        (here(run("notify", when=When.ALWAYS), standby=True), {}, False),
        (here(run("notify", when=When.ALWAYS), standby=True), {"a": "refused"}, True),
        (due(run("one"), "b"), {}, False),
    ],
)
def test_whether_the_controller_has_something_to_do_where_no_target_changes(
    step: PlannedStep, unreachable: dict[str, str], acts: bool
) -> None:
    plan = run_plan(step, targets=("a", "b"), unreachable=unreachable, max_failures=1)
    assert Schedule(plan).controller_acts is acts


def test_a_step_that_fails_on_the_controller_halts_the_run_and_loses_nobody() -> None:
    plan = run_plan(due(run("one"), "a"), here(run("flip")), due(run("two"), "a"), NOTIFY, max_failures=9)
    schedule = Schedule(plan)
    assert play(schedule, fails(("flip", CONTROLLER))) == [
        ("one", "a"),
        ("flip", CONTROLLER),
        ("notify", CONTROLLER),
    ]
    assert schedule.halted == schedule.controller_failure == "'flip' failed on the controller"
    assert schedule.lost == {}
    assert schedule.unfinished == ("a",)
    assert schedule.run_outcome == "failure"


def test_a_refused_approval_halts_the_run_and_targets_clean_up() -> None:
    plan = run_plan(
        due(run("one"), "a"), here(approve("Sign-off")), due(run("two"), "a"), due(run("clean", when=When.ALWAYS), "a")
    )
    schedule = Schedule(plan)
    assert play(schedule, fails(("Sign-off", CONTROLLER)))[-1] == ("clean", "a")
    assert schedule.halted == "'Sign-off' was not approved"
    assert ("two", "a") not in schedule.outcomes


def test_an_approval_is_not_passed_over_while_some_target_would_go_on_behind_it() -> None:
    plan = run_plan(due(run("one"), "ab"), here(approve("ok")), due(run("two"), "ab"), max_failures=2)
    assert ("ok", CONTROLLER) in play(Schedule(plan), fails(("one", "a")))
    assert ("ok", CONTROLLER) not in play(Schedule(plan), fails(("one", "a"), ("one", "b")))


def test_no_refusal_is_ever_ignored() -> None:
    schedule = Schedule(run_plan(here(approve("ok", on_failure=OnFailure.IGNORE)), due(run("two"), "a")))
    assert play(schedule, fails(("ok", CONTROLLER)), {("ok", CONTROLLER): Choice.IGNORE}) == [("ok", CONTROLLER)]
    assert schedule.halted == "'ok' was not approved"


def test_a_failure_on_the_controller_can_be_ignored() -> None:
    schedule = Schedule(run_plan(here(run("flip", on_failure=OnFailure.IGNORE)), due(run("two"), "a")))
    assert play(schedule, fails(("flip", CONTROLLER))) == [("flip", CONTROLLER), ("two", "a")]
    assert (schedule.halted, schedule.controller_failure, schedule.run_outcome) == (None, None, "success")


@pytest.mark.parametrize("choice", [Choice.STOP, Choice.LEAVE_OUT])
def test_the_controller_cannot_be_left_out(choice: Choice) -> None:
    schedule = Schedule(run_plan(here(run("flip")), due(run("two"), "a")))
    assert play(schedule, fails(("flip", CONTROLLER)), {("flip", CONTROLLER): choice}) == [("flip", CONTROLLER)]
    assert schedule.halted


# Groups.


def test_inside_a_rolling_group_a_step_on_the_controller_is_the_targets_own() -> None:
    steps = [due(run("drain", on_controller=True), "ab"), due(run("deploy"), "ab")]
    schedule = Schedule(run_plan(row(group("roll"), *steps, window=Window(1, 0, 1, 0.0))))
    assert play(schedule, fails(("drain", "a"))) == [("drain", "a"), ("drain", "b"), ("deploy", "b")]
    assert schedule.lost == {"a": BAD}
    assert schedule.controller_failure is None


def test_in_a_group_that_any_target_entered_the_controller_cleans_up_after_a_halt() -> None:
    undo = here(run("undo", when=When.ALWAYS))
    entered = run_plan(row(group("g"), due(run("one"), "a"), undo))
    assert play(Schedule(entered), fails(("one", "a"))) == [("one", "a"), ("undo", CONTROLLER)]
    before = run_plan(due(run("zero"), "a"), row(group("g"), due(run("one"), "a"), undo))
    assert play(Schedule(before), fails(("zero", "a"))) == [("zero", "a")]


def test_a_rescue_that_is_refused_on_the_controller_goes_no_further_there() -> None:
    rescue = row(
        group("rescue", when=When.FAILURE),
        here(approve("Restore?"), standby=True),
        due(run("restore"), "a", standby=True),
        due(run("tidy", when=When.ALWAYS), "a", standby=True),
        here(run("report"), standby=True),
    )
    plan = run_plan(due(run("one"), "a"), rescue)
    assert play(Schedule(plan), fails(("one", "a")))[1:] == [
        ("Restore?", CONTROLLER),
        ("restore", "a"),
        ("tidy", "a"),
        ("report", CONTROLLER),
    ]
    refused = play(Schedule(plan), fails(("one", "a"), ("Restore?", CONTROLLER)))
    assert refused[1:] == [("Restore?", CONTROLLER), ("tidy", "a")]


def test_inside_a_rescue_the_controller_looks_at_what_failed_within() -> None:
    rescue = row(
        group("rescue", when=When.FAILURE), due(run("dump"), "a", standby=True), here(run("report"), standby=True)
    )
    plan = run_plan(due(run("one"), "a"), rescue)
    assert play(Schedule(plan), fails(("one", "a")))[-1] == ("report", CONTROLLER)
    assert play(Schedule(plan), fails(("one", "a"), ("dump", "a")))[-1] == ("dump", "a")


# Interrupts.


@pytest.mark.parametrize("when", [When.SUCCESS, When.FAILURE, When.ALWAYS])
@pytest.mark.parametrize("touched", [True, False])
def test_after_an_interrupt_only_always_steps_run_and_only_if_something_was_done(when: When, touched: bool) -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), here(run("tell", when=when), standby=when is not When.SUCCESS)))
    if touched:
        schedule.ready()
        schedule.interrupt()
        schedule.finished("one", "a", GOOD)
    else:
        schedule.interrupt()
    assert names(schedule.ready()) == ([("tell", CONTROLLER)] if touched and when is When.ALWAYS else [])


def test_what_the_controller_did_itself_is_cleaned_up_after_an_interrupt() -> None:
    schedule = Schedule(run_plan(here(run("mute")), due(run("one"), "a"), here(run("unmute", when=When.ALWAYS))))
    schedule.ready()
    schedule.interrupt()
    schedule.finished("mute", CONTROLLER, GOOD)
    assert names(schedule.ready()) == [("unmute", CONTROLLER)]
    assert schedule.is_wanted_still("unmute", CONTROLLER)


def test_a_question_alone_does_nothing_that_would_be_cleaned_up() -> None:
    schedule = Schedule(run_plan(here(approve("ok")), due(run("one"), "a"), NOTIFY))
    schedule.ready()
    schedule.interrupt()
    assert not schedule.is_wanted_still("ok", CONTROLLER)
    schedule.finished("ok", CONTROLLER, BAD)
    assert schedule.ready() == ()
    assert schedule.done
    assert schedule.halted is None


def test_nobody_is_asked_anything_after_an_interrupt() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), here(approve("ok", when=When.ALWAYS))))
    schedule.ready()
    schedule.interrupt()
    schedule.finished("one", "a", GOOD)
    assert schedule.ready() == ()
