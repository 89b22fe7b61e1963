"""A session that is opened again when its connection is lost: what may be repeated is, and no caller notices.

Work that may not be repeated (starting a job) raises ConnectionLost at once; ``mend`` then gives it a connection to
look at what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from octo_ssh.errors import ConnectionLost, DeadlinePassed, HostKeyRefused, TargetError, TargetTimeout
from octo_ssh.model.events import ConnectionReopened, ConnectionReopening, Emit
from octo_ssh.model.inventory import Target
from octo_ssh.model.program import Acting, Reading, Sudo
from octo_ssh.transport.session import OnOutput, Session

R = TypeVar("R")
Connect = Callable[[Target], Awaitable[Session]]

LOOKING_PATIENCE_S = 30.0
"""How long a lost connection is tried again where nothing was changed yet."""
ACTING_PATIENCE_S = 300.0
"""The same for a target that the run holds: long enough for a network that is repaired, or a machine that restarts."""
LEAVING_PATIENCE_S = 10.0
"""The same when the run was interrupted."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0


@dataclass(slots=True)
class SteadySession:
    """What ``transport/session.py`` promises, over as many connections as it takes.

    A connection that cannot be had again within ``patience_s`` is given up: what was to be done raises ConnectionLost,
    and whatever comes later tries just once. A target that lets us in and then does not answer is given up after the
    same time.
    """

    destination: Target
    connect: Connect
    """Raises Unreachable or HostKeyRefused."""
    emit: Emit
    session: Session
    patience_s: float = LOOKING_PATIENCE_S
    _broken: Session | None = field(default=None, init=False)
    """The session that was found to be lost."""
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _given_up: bool = field(default=False, init=False)

    @property
    def target(self) -> str:
        return self.destination.name

    async def observe(self, program: Reading[R], *, sudo: Sudo | None = None, timeout_s: float = 60.0) -> R:
        """Run a program that changes nothing, as often as connections are lost; its parsed reply.

        Raises what ``Session.observe`` does, and HostKeyRefused.
        """
        return await self._repeated(lambda session: session.observe(program, sudo=sudo, timeout_s=timeout_s))

    async def act(
        self,
        program: Acting[R],
        *,
        sudo: Sudo | None = None,
        timeout_s: float = 60.0,
        on_output: OnOutput | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        """Run a program: once, or where it may be repeated as often as connections are lost. Raises as ``observe``.

        One that is listened to is never repeated: what was heard cannot be unheard.
        """

        def run(session: Session) -> Awaitable[R]:
            return session.act(program, sudo=sudo, timeout_s=timeout_s, on_output=on_output, on_sent=on_sent)

        return await (self._repeated(run) if program.repeatable and on_output is None else self._once(run))

    async def mend(self, error: TargetError) -> None:
        """Have a connection again after ``error``; at once where somebody else has seen to that.

        Raises HostKeyRefused, and ConnectionLost when patience is over.
        """
        async with self._opening:
            if self.session is not self._broken:
                return
            lost, loop = self.session, asyncio.get_running_loop()
            self.emit(ConnectionReopening(self.target, error.beside(self.target)))
            began = loop.time()
            self.session = await self._fresh(error, began)
            self._broken, self._given_up = None, False
            self.emit(ConnectionReopened(self.target, loop.time() - began))
        with contextlib.suppress(TargetError):
            await lost.close()

    async def close(self) -> None:
        await self.session.close()

    async def _once(self, run: Callable[[Session], Awaitable[R]]) -> R:
        session = self.session
        try:
            return await run(session)
        except DeadlinePassed:
            raise
        except (ConnectionLost, TargetTimeout):
            self._broken = session
            raise

    async def _repeated(self, run: Callable[[Session], Awaitable[R]]) -> R:
        loop = asyncio.get_running_loop()
        silent_since: float | None = None
        while True:
            try:
                return await self._once(run)
            except DeadlinePassed:
                raise
            except ConnectionLost as error:
                await self.mend(error)
            except TargetTimeout as error:
                silent_since = silent_since or loop.time()
                if loop.time() > silent_since + self.patience_s:
                    raise
                await self.mend(error)

    async def _fresh(self, error: TargetError, began: float) -> Session:
        pause_s, loop = FIRST_PAUSE_S, asyncio.get_running_loop()
        last = error
        while True:
            try:
                return await self.connect(self.destination)
            except HostKeyRefused:
                raise
            except TargetError as refusal:
                last = refusal
            if self._given_up or loop.time() + pause_s > began + self.patience_s:
                self._given_up = True
                tried = f"could not be reached again: {last.beside(self.target)}"
                raise ConnectionLost(f"{self.target}: {error.beside(self.target)}; it {tried}", hint=last.hint)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
