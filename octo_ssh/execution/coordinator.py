"""Drives a schedule: starts what is ready, hears what has ended, waits what must be waited. Decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from octo_ssh.execution.context import StepEnd
from octo_ssh.model.events import Emit, GroupPaused, RunHalted, StepEnded, StepStarted
from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.schedule import Schedule, Start, Wait

CarryOut = Callable[[Start], Awaitable[StepEnd]]


@dataclass(slots=True)
class Coordinator:
    """Runs a schedule to its end.

    ``carry_out`` does one step on one target and never raises but for cancellation; ``stoppable`` tells whether a
    step may be cancelled by an interrupt: scripts and checks may, a package past its switch may not.
    """

    schedule: Schedule
    carry_out: CarryOut
    stoppable: Callable[[Start], bool]
    emit: Emit
    _running: dict[asyncio.Task[StepEnd], Start] = field(default_factory=dict, init=False)
    _pauses: dict[asyncio.Task[None], Wait] = field(default_factory=dict, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _halt_told: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Returns when nothing runs and nothing more will start.

        When something unforeseen is raised (the controller's disk is full), nothing new is started, and what may not
        be cut short is awaited before it is raised.
        """
        try:
            while True:
                self._start_what_is_ready()
                if self.schedule.done:
                    return
                waiting: set[asyncio.Task[StepEnd] | asyncio.Task[None]] = {*self._running, *self._pauses}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._take_in()
        except BaseException:
            self.interrupt()
            raise
        finally:
            await asyncio.gather(*self._running, *self._pauses, return_exceptions=True)

    def interrupt(self) -> None:
        """Nothing new starts; scripts and checks that run are stopped. Groups that were entered run their ends."""
        self.schedule.interrupt()
        for task, start in self._running.items():
            if self.stoppable(start) and not self.schedule.is_wanted_still(start.step_id, start.target):
                task.cancel()
        for pause in self._pauses:
            pause.cancel()

    def _start_what_is_ready(self) -> None:
        started = self.schedule.ready()
        for end in self.schedule.settled():
            self._tell_of(end.step_id)
            self.emit(StepEnded(end.step_id, end.target, end.outcome, end.reason, 0.0))
        for start in started:
            self._tell_of(start.step_id)
            self._running[asyncio.create_task(self._one(start))] = start
        waits = self.schedule.waiting()
        for pause, wait in self._pauses.items():
            if wait not in waits:
                pause.cancel()
        for wait in waits:
            if wait not in self._pauses.values():
                self.emit(GroupPaused(wait.step_id, wait.seconds))
                self._pauses[asyncio.create_task(asyncio.sleep(wait.seconds))] = wait
        if self.schedule.halted and not self._halt_told:
            self._halt_told = True
            self.emit(RunHalted(self.schedule.halted))

    def _tell_of(self, step_id: str) -> None:
        if step_id not in self._told:
            self._told.add(step_id)
            self.emit(StepStarted(step_id))

    async def _one(self, start: Start) -> StepEnd:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            end = await self.carry_out(start)
        except asyncio.CancelledError:
            end = StepEnd(Outcome.FAILED, "interrupted: its processes were ended")
        seconds = loop.time() - began
        self.emit(StepEnded(start.step_id, start.target, end.outcome, end.reason, seconds, end.status, end.tail))
        return end

    def _take_in(self) -> None:
        for pause in [pause for pause in self._pauses if pause.done()]:
            wait = self._pauses.pop(pause)
            self.schedule.waited(wait.step_id, wait.slot)
        for task in [task for task in self._running if task.done()]:
            start = self._running.pop(task)
            self.schedule.finished(start.step_id, start.target, task.result().outcome)
