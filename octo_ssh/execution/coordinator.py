"""Drives a schedule: starts what is ready, hears what has ended, waits what must be waited. Decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from octo_ssh.execution.context import StepEnd
from octo_ssh.model.events import (
    Choice,
    Emit,
    GroupPaused,
    RunHalted,
    StepDecided,
    StepEnded,
    StepFailed,
    StepStarted,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.schedule import Handling, Schedule, Start, Wait

CarryOut = Callable[[Start], Awaitable[StepEnd]]
Decide = Callable[[Start, StepEnd], Awaitable[Choice]]
"""Asks a person what to do about a failed step. Cancelled by an interrupt."""
Approve = Callable[[str], Awaitable[bool]]
"""Asks whether a rolling group, by its id, goes on after its canary. Cancelled when that has lost its point."""
Ignored = Callable[[Start, StepEnd], Awaitable[StepEnd]]
"""Has a failure that counts nowhere remembered. Gives the end, or what came of it where that was not possible."""

CUT_SHORT = "interrupted: its processes were ended"


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
    decide: Decide | None = None
    """None: nobody is asked about failures."""
    approve: Approve | None = None
    """None: nobody is there to approve, and what waits for it is refused."""
    ignored: Ignored | None = None
    """None: nobody remembers failures that count nowhere."""
    by: str = "a person"
    """Who decides: told in events."""
    _running: dict[asyncio.Task[_Ended], Start] = field(default_factory=dict, init=False)
    _asking: set[Start] = field(default_factory=set, init=False)
    """Of what runs: what has failed, while a person is asked about it."""
    _pauses: dict[asyncio.Task[bool], Wait] = field(default_factory=dict, init=False)
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
                waiting: set[asyncio.Task[_Ended] | asyncio.Task[bool]] = {*self._running, *self._pauses}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._take_in()
        except BaseException:
            self.interrupt()
            raise
        finally:
            await asyncio.gather(*self._running, *self._pauses, return_exceptions=True)
            self._settle()

    def _settle(self) -> None:
        """What was at work when something unforeseen ended the run has its outcome, too; nobody is told any more."""
        for task, start in self._running.items():
            if task.cancelled():
                outcome, handling = Outcome.FAILED, Handling.COUNT
            elif task.exception() is not None:
                outcome, handling = Outcome.UNKNOWN, Handling.COUNT
            else:
                outcome, handling = task.result().end.outcome, task.result().handling
            self.schedule.finished(start.step_id, start.target, outcome, handling=handling, by=self.by)
        self._running.clear()

    def interrupt(self) -> None:
        """Nothing new starts; scripts and checks that run are stopped, and open questions are dropped. Groups that
        were entered run their ends.
        """
        self.schedule.interrupt()
        for task, start in self._running.items():
            is_wanted = self.schedule.is_wanted_still(start.step_id, start.target)
            if start in self._asking or (self.stoppable(start) and not is_wanted):
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
                self._pauses[asyncio.create_task(self._may_go_on(wait))] = wait
        if self.schedule.halted and not self._halt_told:
            self._halt_told = True
            self.emit(RunHalted(self.schedule.halted))

    def _tell_of(self, step_id: str) -> None:
        if step_id not in self._told:
            self._told.add(step_id)
            self.emit(StepStarted(step_id))

    async def _may_go_on(self, wait: Wait) -> bool:
        if wait.seconds is None:
            return self.approve is not None and await self.approve(wait.step_id)
        await asyncio.sleep(wait.seconds)
        return True

    async def _one(self, start: Start) -> _Ended:
        """Carry a step out, again as often as a person says so."""
        choice: Choice | None = Choice.RETRY
        while choice is Choice.RETRY:
            ended = await self._once(start)
            choice = await self._choice(start, ended.end)
        if not ended.is_cut_short:
            ended.handling = self.schedule.handling(start.step_id, start.target, ended.end.outcome, choice)
        if ended.handling is Handling.IGNORE:
            await self._put_aside(start, ended)
        self._tell_end(start, ended)
        return ended

    async def _put_aside(self, start: Start, ended: _Ended) -> None:
        """Have a failure that is ignored remembered."""
        if self.ignored is None:
            return
        try:
            ended.end = await self.ignored(start, ended.end)
        except asyncio.CancelledError:  # an interrupt, which comes too late for this step
            return
        if ended.end.outcome is not Outcome.FAILED:
            ended.handling = Handling.COUNT

    def _tell_end(self, start: Start, ended: _Ended) -> None:
        end = ended.end
        self.emit(
            StepEnded(
                step=start.step_id,
                target=start.target,
                outcome=end.outcome,
                reason=end.reason,
                seconds=ended.seconds,
                status=end.status,
                tail=end.tail,
                ignored=ended.handling is Handling.IGNORE,
            )
        )

    async def _once(self, start: Start) -> _Ended:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            end = await self.carry_out(start)
        except asyncio.CancelledError:
            return _Ended(StepEnd(Outcome.FAILED, CUT_SHORT), loop.time() - began, is_cut_short=True)
        return _Ended(end, loop.time() - began)

    async def _choice(self, start: Start, end: StepEnd) -> Choice | None:
        """What a person says to a failure; None where nobody is asked, or an interrupt came before the answer."""
        if self.decide is None or not self.schedule.asks_about(start.step_id, start.target, end.outcome):
            return None
        self.emit(StepFailed(start.step_id, start.target, end.reason, end.status, end.tail))
        self._asking.add(start)
        try:
            choice = await self.decide(start, end)
        except asyncio.CancelledError:
            return None
        finally:
            self._asking.discard(start)
        self.emit(StepDecided(start.step_id, start.target, choice, self.by))
        return choice

    def _take_in(self) -> None:
        for pause in [pause for pause in self._pauses if pause.done()]:
            wait = self._pauses.pop(pause)
            if pause.cancelled() or pause.result():
                self.schedule.waited(wait.step_id, wait.slot)
            else:
                self.schedule.refused(wait.step_id)
        for task in [task for task in self._running if task.done()]:
            start = self._running[task]
            ended = self._unbegun(start) if task.cancelled() else task.result()
            del self._running[task]
            self.schedule.finished(start.step_id, start.target, ended.end.outcome, handling=ended.handling, by=self.by)

    def _unbegun(self, start: Start) -> _Ended:
        """The interrupt came between the decision to begin and the beginning."""
        ended = _Ended(StepEnd(Outcome.FAILED, "interrupted before it began"), 0.0, is_cut_short=True)
        self._tell_end(start, ended)
        return ended


@dataclass(slots=True)
class _Ended:
    """How a step ended, and what that does to the run."""

    end: StepEnd
    seconds: float
    """Of the last try; time for questions is not in it."""
    handling: Handling = Handling.COUNT
    is_cut_short: bool = False
    """By an interrupt: that is no failure for anybody to ignore."""
