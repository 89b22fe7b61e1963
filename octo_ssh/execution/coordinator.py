"""Drives a schedule: starts what is ready, hears what has ended, waits what must be waited. Decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from octo_ssh.execution.context import StepEnd
from octo_ssh.model.events import Emit, GroupPaused, RunHalted, StepEnded, StepStarted
from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.schedule import Schedule, Start

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
    _pauses: dict[asyncio.Task[None], str] = field(default_factory=dict, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _halted: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Returns when nothing runs and nothing more will start."""
        try:
            while True:
                self._start_what_is_ready()
                waiting: set[asyncio.Task[StepEnd] | asyncio.Task[None]] = {*self._running, *self._pauses}
                if not waiting:
                    return
                ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._take_in(task)
        finally:
            for left in (*self._running, *self._pauses):
                left.cancel()
            await asyncio.gather(*self._running, *self._pauses, return_exceptions=True)

    def interrupt(self) -> None:
        """Nothing new starts; scripts and checks that run are stopped. Groups that were entered run their ends."""
        self.schedule.interrupt()
        for task, start in self._running.items():
            if self.stoppable(start):
                task.cancel()
        for pause in self._pauses:
            pause.cancel()

    def _start_what_is_ready(self) -> None:
        for start in self.schedule.ready():
            if start.step_id not in self._told:
                self._told.add(start.step_id)
                self.emit(StepStarted(start.step_id))
            self._running[asyncio.create_task(self._one(start))] = start
        for wait in self.schedule.waiting():
            if wait.step_id not in self._pauses.values():
                self.emit(GroupPaused(wait.step_id, wait.seconds))
                self._pauses[asyncio.create_task(asyncio.sleep(wait.seconds))] = wait.step_id
        if self.schedule.halted and not self._halted:
            self._halted = True
            self.emit(RunHalted(self.schedule.halted))

    async def _one(self, start: Start) -> StepEnd:
        began = asyncio.get_running_loop().time()
        try:
            end = await self.carry_out(start)
        except asyncio.CancelledError:
            end = StepEnd(Outcome.FAILED, "interrupted; its processes were ended")
        seconds = asyncio.get_running_loop().time() - began
        self.emit(
            StepEnded(start.step_id, start.target, end.outcome, end.reason, seconds, end.status, end.tail)
        )
        return end

    def _take_in(self, task: asyncio.Task[StepEnd] | asyncio.Task[None]) -> None:
        if task in self._pauses:
            step_id = self._pauses.pop(task)  # type: ignore[arg-type]
            self.schedule.waited(step_id)
            return
        start = self._running.pop(task)  # type: ignore[arg-type]
        end = task.result()
        if isinstance(end, StepEnd):
            self.schedule.finished(start.step_id, start.target, end.outcome)
