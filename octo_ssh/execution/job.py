"""A script as a job of its seat (SPEC section 7): started, listened to over as many connections as it takes, and ended
when it must be.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from octo_ssh.errors import ConnectionLost, DeadlinePassed, RemoteError, StateError, TargetError, TargetTimeout
from octo_ssh.execution.seat import Seat
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.jobs import JobEnd, JobKey, JobPlace, JobState
from octo_ssh.model.program import Acting, Sudo
from octo_ssh.remote.job import attach, stop

Launch = Callable[[JobPlace], Acting[JobEnd]]
"""The program that starts a job at a place."""

LEAST_S = 15.0
"""Time to hear of an end that has come already."""
ENDING_TIMEOUT_S = 30.0
"""For ending a job, and being told so."""


@dataclass(slots=True)
class Listener:
    """One job, from its start or from where an earlier run was cut off."""

    seat: Seat
    voice: StepVoice
    sudo: Sudo | None
    place: JobPlace
    launch: Launch
    timeout_s: float
    limit_bytes: int
    """Of what it prints, more is not taken: the target should not have sent it."""
    is_left: bool = False
    """An earlier run started it: it is only listened to, from its first byte."""
    _offset: int = field(default=0, init=False)

    async def to_the_end(self) -> JobEnd:
        """ENDED, or LOST where the target cannot tell how.

        Raises DeadlinePassed once it was ended for being late, StateError once it was ended because the controller's
        disk is full, ConnectionLost where nobody knows what came of it, LeaseLost for a run that was overtaken, and
        HostKeyRefused. When the task is cancelled the job is ended first; ConnectionLost tells that this was not seen.
        """
        try:
            return await self._listen()
        except (DeadlinePassed, StateError, asyncio.CancelledError) as error:
            if not await self._is_ended() and not isinstance(error, StateError):
                why = "it was late" if isinstance(error, DeadlinePassed) else "the run was interrupted"
                raise ConnectionLost(
                    f"{self.seat.name}: {why}, and that the script was ended could not be seen: it may still run there"
                ) from None
            raise
        finally:
            self.seat.forget(self.place)

    async def _listen(self) -> JobEnd:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout_s
        program = self._attach() if self.is_left else self.launch(self.place)
        while True:
            try:
                end = await self.seat.session.act(
                    program,
                    sudo=None if self.sudo is None else replace(self.sudo, inside=self.place.folder),
                    timeout_s=max(deadline - loop.time(), min(LEAST_S, self.timeout_s)),
                    on_output=self._heard,
                )
            except DeadlinePassed:
                raise
            except (ConnectionLost, TargetTimeout) as error:
                await self.seat.mend(error)
                program = self._attach()
                continue
            except RemoteError:
                await self.seat.assure()  # who was overtaken can begin nothing any more
                raise
            if end.state is not JobState.VOID:
                dropped = end.dropped_bytes + max(0, self._offset - self.limit_bytes)
                return replace(end, run=self.place.run, dropped_bytes=dropped)
            self.place = new_place(self.seat, self.place.run, self.place.job.rpartition(".")[0])
            program = self.launch(self.place)

    def _attach(self) -> Acting[JobEnd]:
        entered = self.sudo is not None
        return attach(self.place, offset=self._offset, take_void=True, boot_id=self.seat.boot_id, entered=entered)

    def _heard(self, data: bytes) -> None:
        room = max(0, self.limit_bytes - self._offset)
        self._offset += len(data)
        if room:
            self.voice.output(data[:room])

    async def _is_ended(self) -> bool:
        """End it if it still runs; whether it is seen to have ended."""
        try:
            async with asyncio.timeout(ENDING_TIMEOUT_S):
                end = await self.seat.session.act(stop(self.place), timeout_s=ENDING_TIMEOUT_S)
        except (TargetError, TimeoutError):
            return False
        if end.survivors:
            self.voice.note(f"still running, could not be ended: {', '.join(end.survivors)}")
        return end.state is not JobState.LOST


def new_place(seat: Seat, run: str, name: str) -> JobPlace:
    """A place for a job that nobody has had."""
    return JobPlace(seat.root, run, f"{name}.{secrets.token_hex(4)}", secrets.token_hex(16))


async def run_job(
    seat: Seat,
    voice: StepVoice,
    key: JobKey,
    launch: Launch,
    *,
    run: str,
    sudo: Sudo | None,
    timeout_s: float,
    limit_bytes: int,
) -> JobEnd:
    """Run a script to its end; where an earlier run was cut off in the middle of the same one, go on with that.

    Raises as ``Listener.to_the_end``.
    """
    left = seat.left_job(key)
    if left is None:
        place = new_place(seat, run, f"{key.step}.{key.part}")
    else:
        place = JobPlace(seat.root, left.run, left.job, left.mark)
        running = left.state is JobState.RUNNING
        voice.note(f"{'still running' if running else 'was done'} since run {left.run}, which was cut off")
    listener = Listener(seat, voice, sudo, place, launch, timeout_s, limit_bytes, is_left=left is not None)
    try:
        return await listener.to_the_end()
    finally:
        if left is None:
            seat.outdate()
