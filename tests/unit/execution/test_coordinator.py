"""The coordinator: starts what is ready, hears what has ended, waits what must be waited, stops what may be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.coordinator import Approve, Coordinator
from octo_ssh.model.events import (
    Choice,
    Event,
    GroupPaused,
    RunHalted,
    StepDecided,
    StepEnded,
    StepFailed,
    StepStarted,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure, When
from octo_ssh.model.work import RunPlan, Window
from octo_ssh.planning.schedule import Schedule, Start
from tests.unit.planning.builders import approve, due, group, here, row, run, run_plan

GOOD, BAD = StepEnd(Outcome.CHANGED, "ran", 0), StepEnd(Outcome.FAILED, "exit status 1", 1)


@dataclass
class Stage:
    """A run without targets: steps end as they are told to."""

    plan: RunPlan
    ends: dict[tuple[str, str], StepEnd] = field(default_factory=dict)
    hold_on: Callable[[Start], Awaitable[None]] | None = None
    unstoppable: frozenset[str] = frozenset()
    answers: list[Choice] | None = None
    """What a person says to failures, one after another; when there is no more, he thinks. None: nobody is asked."""
    approve: Approve | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)
    coordinator: Coordinator = field(init=False)

    def __post_init__(self) -> None:
        def stoppable(start: Start) -> bool:
            return start.step_id not in self.unstoppable

        self.coordinator = Coordinator(
            Schedule(self.plan),
            self._carry_out,
            stoppable,
            self.events.append,
            decide=None if self.answers is None else self._decide,
            approve=self.approve,
            by="ann",
        )

    async def _decide(self, start: Start, end: StepEnd) -> Choice:
        self.asked.append((start.step_id, start.target))
        assert not end.outcome.is_good
        if not self.answers:
            await forever(start)
        assert self.answers
        return self.answers.pop(0)

    async def _carry_out(self, start: Start) -> StepEnd:
        key = (start.step_id, start.target)
        self.begun.append(key)
        if self.hold_on is not None:
            await self.hold_on(start)
        return self.ends.get(key, GOOD)

    def ended(self) -> dict[tuple[str, str], Outcome]:
        return {(end.step, end.target): end.outcome for end in self.events if isinstance(end, StepEnded)}


async def forever(start: Start) -> None:
    await asyncio.Event().wait()


async def test_everything_is_done_in_order_and_told() -> None:
    stage = Stage(run_plan(due(run("one"), "ab"), due(run("two"), "ab", idle="a")))
    await stage.coordinator.run()
    assert stage.begun == [("one", "a"), ("one", "b"), ("two", "b")]
    assert stage.ended() == {
        ("one", "a"): Outcome.CHANGED,
        ("one", "b"): Outcome.CHANGED,
        ("two", "a"): Outcome.UNCHANGED,
        ("two", "b"): Outcome.CHANGED,
    }
    assert [event.step for event in stage.events if isinstance(event, StepStarted)] == ["one", "two"]


async def test_a_halt_is_told_once_with_its_reason() -> None:
    stage = Stage(run_plan(due(run("one"), "ab"), due(run("two"), "ab")), ends={("one", "a"): BAD})
    await stage.coordinator.run()
    assert stage.begun == [("one", "a"), ("one", "b")]
    (halt,) = [event for event in stage.events if isinstance(event, RunHalted)]
    assert "max_failures is 0" in halt.reason


async def test_pauses_are_waited_and_told() -> None:
    window = Window(size=1, canary=1, max_failures=0, pause_s=0.01)
    stage = Stage(run_plan(row(group("roll"), due(run("work"), "abc"), window=window)))
    await stage.coordinator.run()
    assert stage.begun == [("work", "a"), ("work", "b"), ("work", "c")]
    assert len([event for event in stage.events if isinstance(event, GroupPaused)]) == 2


async def interrupted(stage: Stage) -> None:
    """Run it, and interrupt it as soon as everything that can begin has."""
    running = asyncio.create_task(stage.coordinator.run())
    for _ in range(5):
        await asyncio.sleep(0)
    stage.coordinator.interrupt()
    await asyncio.wait_for(running, 5)


async def test_an_interrupt_stops_what_may_be_stopped_and_starts_nothing_new() -> None:
    stage = Stage(run_plan(due(run("one"), "ab"), due(run("two"), "ab")), hold_on=forever)
    await interrupted(stage)
    assert stage.begun == [("one", "a"), ("one", "b")]
    assert {end for (step, _), end in stage.ended().items() if step == "one"} == {Outcome.FAILED}


async def test_an_interrupt_waits_for_what_may_not_be_stopped() -> None:
    async def a_moment(start: Start) -> None:
        await asyncio.sleep(0.05)

    stage = Stage(run_plan(due(run("deploy"), "a"), due(run("two"), "a")), hold_on=a_moment)
    stage.unstoppable = frozenset({"deploy"})
    await interrupted(stage)
    assert stage.ended() == {("deploy", "a"): Outcome.CHANGED}


async def test_an_interrupt_lets_entered_groups_clean_up() -> None:
    async def work_hangs(start: Start) -> None:
        if start.step_id == "work":
            await forever(start)

    cleanup, never = due(run("cleanup", when=When.ALWAYS), "a"), due(run("more"), "a")
    stage = Stage(run_plan(row(group("group"), due(run("work"), "a"), never, cleanup)), hold_on=work_hangs)
    await interrupted(stage)
    assert stage.begun == [("work", "a"), ("cleanup", "a")]
    assert stage.ended()["cleanup", "a"] is Outcome.CHANGED


async def test_what_cleans_up_already_is_not_stopped_by_an_interrupt() -> None:
    go_on = asyncio.Event()

    async def cleanup_takes_long(start: Start) -> None:
        if start.step_id == "cleanup":
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            await go_on.wait()

    cleanup = due(run("cleanup", when=When.ALWAYS), "a")
    stage = Stage(run_plan(row(group("group"), due(run("work"), "a"), cleanup)), hold_on=cleanup_takes_long)
    await interrupted(stage)
    assert stage.ended() == {("work", "a"): Outcome.CHANGED, ("cleanup", "a"): Outcome.CHANGED}


async def test_an_interrupt_before_a_step_has_begun_leaves_it_undone() -> None:
    stage = Stage(run_plan(due(run("one"), "a"), due(run("two"), "a")))
    running = asyncio.create_task(stage.coordinator.run())
    await asyncio.sleep(0)
    stage.coordinator.interrupt()
    await asyncio.wait_for(running, 5)
    assert stage.begun == []
    end = next(event for event in stage.events if isinstance(event, StepEnded))
    assert (end.step, end.outcome, end.reason) == ("one", Outcome.FAILED, "interrupted before it began")


async def test_what_is_raised_unforeseen_ends_the_run_and_leaves_nothing_behind() -> None:
    ended: list[str] = []

    async def one_breaks(start: Start) -> None:
        if start.target == "a":
            raise RuntimeError("the disk is full")
        try:
            await forever(start)
        finally:
            ended.append(start.target)

    stage = Stage(run_plan(due(run("one"), "ab")), hold_on=one_breaks)
    with pytest.raises(RuntimeError, match="the disk is full"):
        await asyncio.wait_for(stage.coordinator.run(), 5)
    assert ended == ["b"]


# Failures that a person, or the plan, has a word about.


def kinds(stage: Stage) -> list[str]:
    wanted = (StepFailed, StepDecided, StepEnded)
    return [type(event).__name__ for event in stage.events if isinstance(event, wanted)]


async def test_a_failure_is_told_then_asked_about_then_decided() -> None:
    stage = Stage(run_plan(due(run("one"), "a")), ends={("one", "a"): BAD}, answers=[Choice.LEAVE_OUT])
    await stage.coordinator.run()
    assert kinds(stage) == ["StepFailed", "StepDecided", "StepEnded"]
    (failed,) = [event for event in stage.events if isinstance(event, StepFailed)]
    assert (failed.step, failed.target, failed.reason, failed.status) == ("one", "a", "exit status 1", 1)
    (decided,) = [event for event in stage.events if isinstance(event, StepDecided)]
    assert (decided.choice, decided.by) == (Choice.LEAVE_OUT, "ann")


async def test_a_step_is_carried_out_again_as_often_as_a_person_says_so() -> None:
    stage = Stage(run_plan(due(run("one"), "a")), ends={("one", "a"): BAD}, answers=[Choice.RETRY, Choice.RETRY])

    async def third_time_lucky(start: Start) -> None:
        if len(stage.begun) == 3:
            stage.ends.clear()

    stage.hold_on = third_time_lucky
    await stage.coordinator.run()
    assert stage.begun == [("one", "a")] * 3
    assert stage.ended() == {("one", "a"): Outcome.CHANGED}
    assert kinds(stage) == ["StepFailed", "StepDecided"] * 2 + ["StepEnded"]


@pytest.mark.parametrize(
    ("choice", "goes_on", "halted"),
    [
        (Choice.IGNORE, [("two", "a"), ("two", "b")], None),
        (Choice.LEAVE_OUT, [("two", "b")], None),
        (Choice.STOP, [], "stopped by ann: 'one' failed on a"),
    ],
)
async def test_what_is_chosen_is_done(choice: Choice, goes_on: list[tuple[str, str]], halted: str | None) -> None:
    plan = run_plan(due(run("one"), "ab"), due(run("two"), "ab"))
    stage = Stage(plan, ends={("one", "a"): BAD}, answers=[choice])
    await stage.coordinator.run()
    assert stage.begun[2:] == goes_on
    assert stage.coordinator.schedule.halted == halted
    end = next(event for event in stage.events if isinstance(event, StepEnded) and event.target == "a")
    assert (end.outcome, end.ignored) == (Outcome.FAILED, choice is Choice.IGNORE)


async def test_the_rest_of_the_window_goes_on_while_a_person_thinks() -> None:
    window = Window(size=2, canary=0, max_failures=0, pause_s=0.0)
    stage = Stage(
        run_plan(row(group("roll"), due(run("work"), "abcd"), window=window)), ends={("work", "a"): BAD}, answers=[]
    )
    running = asyncio.create_task(stage.coordinator.run())
    for _ in range(30):
        await asyncio.sleep(0)
    assert set(stage.ended()) == {("work", target) for target in "bcd"}
    stage.coordinator.interrupt()
    await asyncio.wait_for(running, 5)


async def test_an_interrupt_drops_an_open_question_and_the_failure_counts() -> None:
    cleanup = due(run("cleanup", when=When.ALWAYS), "a")
    plan = run_plan(row(group("group"), due(run("work"), "a"), cleanup), due(run("two"), "a"))
    stage = Stage(plan, ends={("work", "a"): BAD}, answers=[], unstoppable=frozenset({"work"}))
    await interrupted(stage)
    assert stage.asked == [("work", "a")]
    assert stage.begun == [("work", "a"), ("cleanup", "a")]
    assert kinds(stage)[:2] == ["StepFailed", "StepEnded"]
    assert stage.ended()["work", "a"] is Outcome.FAILED
    assert stage.coordinator.schedule.lost == {"a": Outcome.FAILED}


async def test_nobody_is_asked_about_what_an_interrupt_has_ended() -> None:
    stage = Stage(run_plan(due(run("one"), "a")), hold_on=forever, answers=[])
    await interrupted(stage)
    assert stage.asked == []


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.UNREACHABLE, Outcome.UNCHANGED, Outcome.SKIPPED])
async def test_a_person_is_asked_about_failures_only(outcome: Outcome) -> None:
    stage = Stage(run_plan(due(run("one"), "a")), ends={("one", "a"): StepEnd(outcome, "")}, answers=[])
    await asyncio.wait_for(stage.coordinator.run(), 5)
    assert stage.asked == []


async def test_what_the_plan_ignores_is_told_as_ignored_and_nobody_is_asked() -> None:
    one = due(run("one", on_failure=OnFailure.IGNORE), "a")
    stage = Stage(run_plan(one, due(run("two"), "a")), ends={("one", "a"): BAD}, answers=[])
    await asyncio.wait_for(stage.coordinator.run(), 5)
    assert stage.begun == [("one", "a"), ("two", "a")]
    assert [event.ignored for event in stage.events if isinstance(event, StepEnded)] == [True, False]
    assert stage.asked == []


async def test_what_an_interrupt_ends_is_not_ignored() -> None:
    stage = Stage(run_plan(due(run("one", on_failure=OnFailure.IGNORE), "a")), hold_on=forever)
    await interrupted(stage)
    assert [event.ignored for event in stage.events if isinstance(event, StepEnded)] == [False]
    assert stage.coordinator.schedule.lost == {"a": Outcome.FAILED}


async def test_a_refused_approval_is_not_asked_about_again() -> None:
    ends = {("ok", CONTROLLER): StepEnd(Outcome.FAILED, "no")}
    stage = Stage(run_plan(here(approve("ok")), due(run("one"), "a")), ends=ends, answers=[])
    await asyncio.wait_for(stage.coordinator.run(), 5)
    assert stage.asked == []
    assert [event.reason for event in stage.events if isinstance(event, RunHalted)] == ["'ok' was not approved"]


# Pauses that wait for a yes.

ROLLING = run_plan(row(group("roll"), due(run("work"), "ab"), window=Window(1, 1, 0, 0.0, asks=True)))


async def yes(step_id: str) -> bool:
    assert step_id == "roll"
    return True


async def no(step_id: str) -> bool:
    return False


async def test_with_a_yes_the_window_goes_on() -> None:
    stage = Stage(ROLLING, approve=yes)
    await stage.coordinator.run()
    assert stage.begun == [("work", "a"), ("work", "b")]
    assert [event.seconds for event in stage.events if isinstance(event, GroupPaused)] == [None]


@pytest.mark.parametrize("approve", [no, None])
async def test_with_a_no_or_nobody_there_the_run_halts(approve: Approve | None) -> None:
    stage = Stage(ROLLING, approve=approve)
    await stage.coordinator.run()
    assert stage.begun == [("work", "a")]
    assert [event.reason for event in stage.events if isinstance(event, RunHalted)] == [
        "going on with 'roll' was not approved"
    ]


async def test_an_interrupt_drops_the_question_and_that_is_no_refusal() -> None:
    dropped: list[str] = []

    async def thinks(step_id: str) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            dropped.append(step_id)
        return True

    stage = Stage(ROLLING, approve=thinks)
    await interrupted(stage)
    assert dropped == ["roll"]
    assert stage.begun == [("work", "a")]
    assert stage.coordinator.schedule.halted is None


async def test_what_is_ignored_is_remembered_before_it_is_told() -> None:
    one = due(run("one", on_failure=OnFailure.IGNORE), "a")
    stage = Stage(run_plan(one, due(run("two"), "a")), ends={("one", "a"): BAD})
    remembered: list[tuple[str, int]] = []

    async def remember(start: Start, end: StepEnd) -> StepEnd:
        remembered.append((start.step_id, len(stage.ended())))
        return end

    stage.coordinator.ignored = remember
    await stage.coordinator.run()
    assert remembered == [("one", 0)]
    assert stage.begun == [("one", "a"), ("two", "a")]


async def test_a_target_that_is_lost_while_it_remembers_is_lost() -> None:
    one = due(run("one", on_failure=OnFailure.IGNORE), "a")
    stage = Stage(run_plan(one, due(run("two"), "a")), ends={("one", "a"): BAD})

    async def lose(start: Start, end: StepEnd) -> StepEnd:
        return StepEnd(Outcome.UNKNOWN, "the connection was lost")

    stage.coordinator.ignored = lose
    await stage.coordinator.run()
    assert stage.begun == [("one", "a")]
    assert [event.ignored for event in stage.events if isinstance(event, StepEnded)] == [False, False]
    assert stage.coordinator.schedule.lost == {"a": Outcome.UNKNOWN}


async def test_an_interrupt_while_an_ignored_failure_is_remembered_changes_nothing_of_it() -> None:
    stage = Stage(run_plan(due(run("one", on_failure=OnFailure.IGNORE), "a")), ends={("one", "a"): BAD})

    async def takes_long(start: Start, end: StepEnd) -> StepEnd:
        await forever(start)
        return end

    stage.coordinator.ignored = takes_long
    await interrupted(stage)
    assert [event.ignored for event in stage.events if isinstance(event, StepEnded)] == [True]
    assert stage.coordinator.schedule.lost == {}
