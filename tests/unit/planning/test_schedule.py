"""The schedule: examples for every sentence of SPEC 4 "Failures", one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import When
from octo_ssh.model.work import Window
from octo_ssh.planning.schedule import Schedule
from tests.unit.planning.builders import due, file, group, here, remembering, row, run, run_plan
from tests.unit.planning.playing import BAD, GOOD, fails, names, play


def test_a_step_begins_only_when_the_step_before_has_ended_everywhere() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), due(run("two"), "ab")))
    assert names(schedule.ready()) == [("one", "a"), ("one", "b")]
    schedule.finished("one", "a", GOOD)
    assert schedule.ready() == ()
    schedule.finished("one", "b", GOOD)
    assert names(schedule.ready()) == [("two", "a"), ("two", "b")]


def test_no_more_targets_at_once_than_max_parallel() -> None:
    schedule = Schedule(run_plan(due(run("one"), "abc", max_parallel=2)))
    assert names(schedule.ready()) == [("one", "a"), ("one", "b")]
    assert schedule.ready() == ()
    schedule.finished("one", "b", GOOD)
    assert names(schedule.ready()) == [("one", "c")]


def test_a_step_with_nothing_to_do_ends_at_once_with_its_planned_outcome() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a", idle="a"), due(run("two"), "a")))
    assert names(schedule.ready()) == [("two", "a")]
    (settled,) = schedule.settled()
    assert (settled.step_id, settled.target, settled.outcome) == ("one", "a", Outcome.UNCHANGED)
    assert schedule.settled() == ()


def test_a_failed_target_leaves_the_run_and_the_others_go_on_within_the_budget() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), due(run("two"), "ab"), max_failures=1))
    assert play(schedule, fails(("one", "a"))) == [("one", "a"), ("one", "b"), ("two", "b")]
    assert schedule.halted is None
    assert schedule.outcomes["two", "a"] is Outcome.SKIPPED


def test_a_step_that_was_bound_to_fail_is_skipped_where_the_target_has_left_the_run() -> None:
    second = due(run("two"), "ab")
    bound = {name: replace(planned, outcome=Outcome.FAILED) for name, planned in second.planned.items()}
    schedule = Schedule(run_plan(due(run("one"), "ab"), replace(second, planned=bound), max_failures=1))
    assert play(schedule, fails(("one", "a"))) == [("one", "a"), ("one", "b"), ("two", "b")]
    assert schedule.outcomes["two", "a"] is Outcome.SKIPPED


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNREACHABLE])
def test_whatever_is_not_good_spends_the_budget(outcome: Outcome) -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab", max_parallel=1)))
    schedule.ready()
    schedule.finished("one", "a", outcome)
    assert schedule.ready() == ()
    assert schedule.done
    assert schedule.halted == "a did not end well; max_failures is 0"
    assert schedule.unfinished == ("b",)


def test_a_target_that_is_lost_outside_a_step_spends_the_budget_too() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab")))
    schedule.left("a", Outcome.FAILED)
    assert schedule.ready() == ()
    assert schedule.halted
    assert schedule.done


def test_nothing_starts_when_more_targets_are_unreachable_than_may_fail() -> None:
    plan = run_plan(due(run("one"), "b"), unreachable={"a": "refused"}, targets=("a", "b"))
    schedule = Schedule(plan)
    assert schedule.ready() == ()
    assert (
        schedule.halted
        == "a cannot be reached; max_failures is 0 ('unreachable: skip' in the plan would go on without)"
    )


def test_unreachable_targets_that_are_to_be_skipped_spend_nothing() -> None:
    plan = run_plan(due(run("one"), "b"), unreachable={"a": "refused"}, targets=("a", "b"), skip_unreachable=True)
    schedule = Schedule(plan)
    assert play(schedule) == [("one", "b")]
    assert schedule.run_outcome == "success"
    assert schedule.lost == {"a": Outcome.UNREACHABLE}


@pytest.mark.parametrize(
    ("when", "standby", "after_failure", "after_success"),
    [
        (When.SUCCESS, False, False, True),
        (When.FAILURE, True, True, False),
        (When.ALWAYS, False, True, True),
        (When.ALWAYS, True, True, False),
    ],
)
def test_when_looks_at_the_targets_own_outcome(
    when: When, standby: bool, after_failure: bool, after_success: bool
) -> None:
    plan = run_plan(due(run("one"), "ab"), due(run("two", when=when), "ab", standby=standby), max_failures=9)
    begun = play(Schedule(plan), fails(("one", "a")))
    assert (("two", "a") in begun) is after_failure
    assert (("two", "b") in begun) is after_success


def test_an_unreachable_target_runs_nothing_more() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a"), due(run("two", when=When.ALWAYS), "a"), max_failures=9))
    schedule.ready()
    schedule.finished("one", "a", Outcome.UNREACHABLE)
    assert schedule.ready() == ()
    assert schedule.done


def test_after_a_halt_cleaning_up_goes_only_where_the_run_has_been() -> None:
    plan = run_plan(
        due(run("one"), "abc", max_parallel=2), due(run("two"), "abc"), due(run("clean", when=When.ALWAYS), "abc")
    )
    begun = play(Schedule(plan), fails(("one", "a")))
    assert begun == [("one", "a"), ("one", "b"), ("clean", "a"), ("clean", "b")]


def test_a_failed_once_step_halts_whatever_the_budget() -> None:
    schedule = Schedule(run_plan(due(run("migrate", once=True), "a"), due(run("two"), "ab"), max_failures=9))
    assert play(schedule, fails(("migrate", "a"))) == [("migrate", "a")]
    assert schedule.halted == "'migrate' runs once for all targets, and did not end well on a"
    assert schedule.unfinished == ("b",)


def test_a_once_step_whose_target_has_left_halts_the_run() -> None:
    plan = run_plan(due(run("one"), "ab"), due(run("migrate", once=True), "a"), due(run("two"), "ab"), max_failures=9)
    schedule = Schedule(plan)
    assert play(schedule, fails(("one", "a"))) == [("one", "a"), ("one", "b")]
    assert schedule.halted == "'migrate' runs once for all targets, and a left the run before it"


# Windows.


def rolling(targets: str, *, idle: str = "", **window: float) -> Schedule:
    numbers = {"size": 1, "canary": 0, "max_failures": 0, "pause_s": 0.0, **window}
    leaves = [
        due(run("drain"), targets, idle=idle),
        due(run("deploy"), targets, idle=idle),
        due(run("undrain", when=When.ALWAYS), targets, idle=idle),
    ]
    return Schedule(run_plan(row(group("roll"), *leaves, window=Window(**numbers)), due(run("after"), targets)))  # type: ignore[arg-type]


def test_all_steps_of_a_group_run_on_a_target_before_its_slot_takes_the_next() -> None:
    assert play(rolling("ab"))[:6] == [
        ("drain", "a"),
        ("deploy", "a"),
        ("undrain", "a"),
        ("drain", "b"),
        ("deploy", "b"),
        ("undrain", "b"),
    ]


def test_a_slot_takes_its_next_target_while_others_are_still_busy() -> None:
    schedule = rolling("abc", size=2)
    assert names(schedule.ready()) == [("drain", "a"), ("drain", "b")]
    for step in ("drain", "deploy", "undrain"):
        schedule.finished(step, "a", GOOD)
        started = names(schedule.ready())
    assert started == [("drain", "c")]


def test_the_canary_goes_alone_and_the_pause_follows_it() -> None:
    schedule = rolling("abc", size=2, canary=1, pause_s=30.0)
    assert names(schedule.ready()) == [("drain", "a")]
    for step in ("drain", "deploy", "undrain"):
        assert schedule.waiting() == ()
        schedule.finished(step, "a", GOOD)
        started = names(schedule.ready())
    assert started == []
    (wait,) = schedule.waiting()
    assert (wait.step_id, wait.seconds) == ("roll", 30.0)
    schedule.waited(wait.step_id, wait.slot)
    assert names(schedule.ready()) == [("drain", "b"), ("drain", "c")]


def test_each_slot_pauses_for_itself() -> None:
    schedule = rolling("abcd", size=2, pause_s=5.0)
    schedule.ready()
    for target in "ab":
        for step in ("drain", "deploy", "undrain"):
            schedule.finished(step, target, GOOD)
            schedule.ready()
    first, second = schedule.waiting()
    assert first.slot != second.slot
    schedule.waited("roll", second.slot)
    assert names(schedule.ready()) == [("drain", "c")]
    assert schedule.waiting() == (first,)


def test_a_failed_canary_halts_whatever_the_budget() -> None:
    schedule = rolling("abc", canary=1, max_failures=2)
    assert play(schedule, fails(("deploy", "a"))) == [("drain", "a"), ("deploy", "a"), ("undrain", "a")]
    assert schedule.halted == "the canary a of 'roll' did not end well"
    assert schedule.unfinished == ("b", "c")


def test_failures_inside_a_group_count_against_its_own_budget_only() -> None:
    schedule = rolling("abc", max_failures=1)
    begun = play(schedule, fails(("deploy", "a")))
    assert schedule.halted is None
    assert [pair for pair in begun if pair[0] == "after"] == [("after", "b"), ("after", "c")]


def test_past_the_groups_budget_those_inside_still_run_their_always_steps() -> None:
    schedule = rolling("abc", size=2)
    assert names(schedule.ready()) == [("drain", "a"), ("drain", "b")]
    schedule.finished("drain", "a", BAD)
    assert names(schedule.ready()) == [("undrain", "a")]
    schedule.finished("drain", "b", GOOD)
    assert names(schedule.ready()) == [("undrain", "b")]
    schedule.finished("undrain", "a", GOOD)
    schedule.finished("undrain", "b", GOOD)
    assert schedule.ready() == ()
    assert schedule.done
    assert schedule.unfinished == ("b", "c")


def test_a_groups_steps_reach_only_targets_that_entered_it() -> None:
    always = due(run("undrain", when=When.ALWAYS), "ab")
    plan = run_plan(due(run("before"), "ab"), row(group("g"), due(run("drain"), "ab"), always), max_failures=9)
    begun = play(Schedule(plan), fails(("before", "a")))
    assert begun == [("before", "a"), ("before", "b"), ("drain", "b"), ("undrain", "b")]


def test_in_a_group_without_a_window_halting_leaves_the_always_steps_of_those_inside() -> None:
    drain = due(run("drain"), "abc", max_parallel=2)
    always = due(run("undrain", when=When.ALWAYS), "abc")
    schedule = Schedule(run_plan(row(group("g"), drain, due(run("deploy"), "abc"), always)))
    begun = play(schedule, fails(("drain", "a")))
    assert begun == [("drain", "a"), ("drain", "b"), ("undrain", "a"), ("undrain", "b")]


def test_targets_with_nothing_to_do_take_no_slot_and_cost_no_pause() -> None:
    schedule = rolling("abc", idle="ab", canary=1, pause_s=60.0)
    assert names(schedule.ready()) == [("drain", "c")]
    for step in ("drain", "deploy", "undrain"):
        schedule.finished(step, "c", GOOD)
        schedule.ready()
        assert schedule.waiting() == ()
    assert schedule.outcomes["deploy", "a"] is Outcome.UNCHANGED


def rolling_where_some_remember(targets: str, busy: str, **window: float) -> Schedule:
    """A group with a file that is to be remembered on all its targets and a script that is due on some."""
    numbers = {"size": 1, "canary": 0, "max_failures": 0, "pause_s": 0.0, **window}
    idle = set(targets) - set(busy)
    leaves = [remembering(file("note"), targets), due(run("deploy"), targets, idle=idle)]
    return Schedule(run_plan(row(group("roll"), *leaves, window=Window(**numbers))))  # type: ignore[arg-type]


def test_targets_that_only_remember_are_no_canaries_and_cost_no_pause() -> None:
    schedule = rolling_where_some_remember("abcde", "bd", canary=1, pause_s=60.0)
    assert names(schedule.ready()) == [("note", "a")]
    schedule.finished("note", "a", Outcome.UNCHANGED)
    assert (names(schedule.ready()), schedule.waiting()) == ([("note", "b")], ())
    schedule.finished("note", "b", Outcome.UNCHANGED)
    assert names(schedule.ready()) == [("deploy", "b")]
    schedule.finished("deploy", "b", GOOD)
    assert schedule.ready() == ()
    (wait,) = schedule.waiting()
    schedule.waited(wait.step_id, wait.slot)
    assert play(schedule) == [("note", "c"), ("note", "d"), ("deploy", "d"), ("note", "e")]
    assert schedule.unfinished == ()


def test_nobody_is_asked_after_a_canary_when_all_others_only_remember() -> None:
    schedule = rolling_where_some_remember("abc", "a", canary=1, asks=True)
    schedule.ready()
    schedule.finished("note", "a", Outcome.UNCHANGED)
    schedule.ready()
    schedule.finished("deploy", "a", GOOD)
    assert names(schedule.ready()) == [("note", "b")]
    assert schedule.waiting() == ()


def test_what_was_not_remembered_is_nothing_unfinished_and_no_reason_to_clean_up_or_halt() -> None:
    once = run("once", once=True)
    schedule = Schedule(
        run_plan(
            remembering(file("note"), "ab"),
            due(run("work"), "c"),
            remembering(once, "c"),
            here(run("clean", when=When.ALWAYS), standby=True),
            max_failures=1,
        )
    )
    schedule.ready()
    schedule.finished("note", "a", Outcome.UNCHANGED)
    schedule.interrupt()
    schedule.finished("note", "b", Outcome.UNCHANGED)
    assert schedule.ready() == ()
    assert schedule.unfinished == ("c",)
    other = Schedule(replace(schedule.plan))
    assert play(other, fails(("work", "c")))
    assert other.halted is None


def test_a_target_lost_before_it_was_taken_is_no_canary() -> None:
    schedule = rolling("abc", canary=1)
    schedule.left("a", Outcome.UNREACHABLE)
    assert schedule.halted
    tolerant = Schedule(run_plan(*schedule.plan.steps, max_failures=1))
    tolerant.left("a", Outcome.UNREACHABLE)
    assert names(tolerant.ready()) == [("drain", "b")]


def test_a_group_for_failures_is_for_targets_that_failed_and_counts_success_within() -> None:
    rescue = row(
        group("rescue", when=When.FAILURE), due(run("dump"), "ab", standby=True), due(run("mail"), "ab", standby=True)
    )
    schedule = Schedule(run_plan(due(run("one"), "ab"), rescue, max_failures=9))
    assert play(schedule, fails(("one", "a"))) == [("one", "a"), ("one", "b"), ("dump", "a"), ("mail", "a")]


def test_a_target_that_had_a_slot_but_had_not_begun_does_not_begin_after_a_halt() -> None:
    cleanup = group("cleanup", when=When.ALWAYS)
    window = Window(2, 0, 0, 0.0)
    schedule = Schedule(run_plan(row(cleanup, due(run("one"), "ab", max_parallel=1), window=window)))
    assert names(schedule.ready()) == [("one", "a")]
    schedule.finished("one", "a", BAD)
    assert schedule.ready() == ()
    assert schedule.done


# Interrupts.


def test_an_interrupt_starts_nothing_new_but_the_always_steps_of_entered_groups() -> None:
    schedule = rolling("abc", pause_s=9.0)
    schedule.ready()
    schedule.interrupt()
    schedule.finished("drain", "a", BAD)
    assert names(schedule.ready()) == [("undrain", "a")]
    schedule.finished("undrain", "a", GOOD)
    assert schedule.ready() == ()
    assert schedule.waiting() == ()
    assert schedule.done


def test_an_interrupt_ends_a_run_outside_groups() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), due(run("clean", when=When.ALWAYS), "ab"), max_failures=9))
    schedule.ready()
    schedule.interrupt()
    schedule.finished("one", "a", BAD)
    schedule.finished("one", "b", GOOD)
    assert schedule.ready() == ()
    assert schedule.done
    assert schedule.unfinished == ("b",)


def test_after_an_interrupt_only_what_cleans_up_inside_a_group_is_wanted_still() -> None:
    cleanup = due(run("cleanup", when=When.ALWAYS), "a")
    schedule = Schedule(
        run_plan(row(group("group"), due(run("work"), "a"), cleanup), due(run("end", when=When.ALWAYS), "a"))
    )
    for step_id, wanted in (("work", False), ("cleanup", True), ("end", False)):
        schedule.ready()
        assert schedule.is_wanted_still(step_id, "a")
        schedule.ledger.interrupted = True
        assert schedule.is_wanted_still(step_id, "a") is wanted
        schedule.ledger.interrupted = False
        schedule.finished(step_id, "a", GOOD)


def test_a_pause_loses_its_point_with_an_interrupt() -> None:
    schedule = rolling("ab", pause_s=9.0)
    schedule.ready()
    for step in ("drain", "deploy", "undrain"):
        schedule.finished(step, "a", GOOD)
        schedule.ready()
    assert schedule.waiting()
    schedule.interrupt()
    assert schedule.ready() == ()
    assert schedule.waiting() == ()
    assert schedule.done


# Edges.


def test_the_end_of_a_step_that_does_not_run_is_a_mistake_of_the_caller() -> None:
    schedule = Schedule(run_plan(due(run("one"), "a")))
    with pytest.raises(KeyError):
        schedule.finished("one", "a", GOOD)


def test_nobody_leaves_with_a_good_outcome() -> None:
    with pytest.raises(ValueError, match="does not leave"):
        Schedule(run_plan(due(run("one"), "a"))).left("a", GOOD)


def test_the_runs_outcome_as_scripts_see_it() -> None:
    schedule = Schedule(run_plan(due(run("one"), "ab"), max_failures=9))
    schedule.ready()
    schedule.finished("one", "a", GOOD)
    assert schedule.run_outcome == "success"
    schedule.finished("one", "b", BAD)
    assert schedule.run_outcome == "failure"


def test_a_plan_without_steps_is_done_at_once() -> None:
    schedule = Schedule(run_plan())
    assert schedule.ready() == ()
    assert schedule.done
