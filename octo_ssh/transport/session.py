"""The narrow waist: what the rest of octo-ssh knows of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from octo_ssh.model.inventory import Target
from octo_ssh.model.program import Acting, Reading, Sudo

R = TypeVar("R")
OnOutput = Callable[[bytes], None]


class Observer(Protocol):
    """A connection that can only look."""

    @property
    def target(self) -> str: ...

    async def observe(self, program: Reading[R], *, sudo: Sudo | None = None, timeout_s: float = 60.0) -> R:
        """Run a program that changes nothing; its parsed reply.

        Raises ConnectionLost, TargetTimeout, or RemoteError (bad reply, sudo refused). A password that sudo refused is
        not tried again over connections of the same connector.
        """
        ...

    async def close(self) -> None: ...


class Session(Observer, Protocol):
    """A connection that can also act."""

    async def act(
        self,
        program: Acting[R],
        *,
        sudo: Sudo | None = None,
        timeout_s: float = 60.0,
        on_output: OnOutput | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        """Run a program, feed it its input, and parse its reply.

        Bytes of the section ``output`` go to ``on_output`` as they come and are not kept in the reply. When the task
        is cancelled or the deadline passes, the program's farewell is sent and standard input closed, which makes
        programs end what they started; the program's end is awaited for 10 s before the channel is dropped.
        ``on_sent`` gets the running count of input bytes. Raises as ``observe``.
        """
        ...


class Connector(Protocol):
    """Makes connections; holds what they share (ramp, agent, known hosts)."""

    async def connect(self, target: Target) -> Session:
        """A session on the target. Raises Unreachable or HostKeyRefused."""
        ...

    async def close(self) -> None:
        """Close every session and jump connection that is still open."""
        ...
