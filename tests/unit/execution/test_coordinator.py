"""The coordinator: starts what is ready, hears what has ended, waits what must be waited, stops what may be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.coordinator import Coordinator
from octo_ssh.model.events import Event, GroupPaused, RunHalted, StepEnded, StepStarted
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import When
from octo_ssh.model.work import RunPlan, Window
from octo_ssh.planning.schedule import Schedule, Start
from tests.unit.planning.builders import due, group, row, run, run_plan

GOOD, BAD = StepEnd(Outcome.CHANGED, "ran", 0), StepEnd(Outcome.FAILED, "exit status 1", 1)


@dataclass
class Stage:
    """A run without targets: steps end as they are told to."""

    plan: RunPlan
    ends: dict[tuple[str, str], StepEnd] = field(default_factory=dict)
    hold_on: Callable[[Start], Awaitable[None]] | None = None
    unstoppable: frozenset[str] = frozenset()
    events: list[Event] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)
    coordinator: Coordinator = field(init=False)

    def __post_init__(self) -> None:
        def stoppable(start: Start) -> bool:
            return start.step_id not in self.unstoppable

        self.coordinator = Coordinator(Schedule(self.plan), self._carry_out, stoppable, self.events.append)

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
