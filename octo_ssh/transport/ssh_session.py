"""A session over SSH: each program in a ``sh -s`` of its own, several at once on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncssh

from octo_ssh.errors import ConnectionLost, RemoteError, TargetTimeout
from octo_ssh.model import wire
from octo_ssh.model.program import Acting, Program, Reading, Sudo
from octo_ssh.transport.attempts import Attempts
from octo_ssh.transport.conversation import converse
from octo_ssh.transport.options import ConnectOptions
from octo_ssh.transport.session import OnOutput
from octo_ssh.transport.ssh_login import Link

R = TypeVar("R")
T = TypeVar("T")

_READ_BYTES = 1024 * 1024
_WINDOW_BYTES = 4 * 1024 * 1024
_UNSENT_BYTES = 1024 * 1024
"""What may wait for the network before a sender has to wait too."""
_END_TIMEOUT_S = 1.0
_AFTERGLOW_S = 0.25
_AFTERGLOW_TRIES = 6


class SshSession:
    """What ``transport/session.py`` promises, over one connection."""

    def __init__(
        self, link: Link, options: ConnectOptions, attempts: Attempts, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._attempts = attempts
        self._link = link
        self._options = options
        self._on_close = on_close
        self._shells = _Shells(options.shells)
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def target(self) -> str:
        return self._link.endpoint.name

    async def observe(self, program: Reading[R], *, sudo: Sudo | None = None, timeout_s: float = 60.0) -> R:
        """Run a program that changes nothing; its parsed reply."""
        return await self._run(program, sudo=sudo, timeout_s=timeout_s)

    async def act(
        self,
        program: Acting[R],
        *,
        sudo: Sudo | None = None,
        timeout_s: float = 60.0,
        on_output: OnOutput | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        """Run a program, feed it its input; its parsed reply."""
        return await self._run(program, sudo=sudo, timeout_s=timeout_s, on_output=on_output, on_sent=on_sent)

    async def close(self) -> None:
        """End the connection. May be called twice."""
        if not self._closed:
            self._closed = True
            self._on_close()
            await self._link.close()
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(
        self,
        program: Program[R],
        *,
        sudo: Sudo | None,
        timeout_s: float,
        on_output: OnOutput | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        async with self._shell() as pipe:
            return await converse(
                pipe,
                program,
                target=self.target,
                sudo=sudo,
                timeout_s=timeout_s,
                on_output=on_output,
                on_sent=on_sent,
                attempts=self._attempts,
            )

    @contextlib.asynccontextmanager
    async def _shell(self) -> AsyncIterator[SshPipe]:
        """A fresh ``sh -s``, when one may be had. Raises ConnectionLost, TargetTimeout, RemoteError."""
        await self._shells.enter()
        try:
            pipe = await self._open()
        except BaseException:
            self._shells.leave()
            raise
        try:
            yield pipe
        finally:
            # Nobody waits for the end of a shell that has answered; its place is taken until then.
            ending = asyncio.create_task(pipe.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        self._shells.leave()

    async def _open(self) -> SshPipe:
        patience = _AFTERGLOW_TRIES
        while True:
            try:
                async with asyncio.timeout(self._options.channel_s):
                    return await SshPipe.open(self._link)
            except TimeoutError:
                raise TargetTimeout(
                    f"{self.target}: no shell was opened within {self._options.channel_s:g} s"
                ) from None
            except asyncssh.ChannelOpenError as error:
                if self._link.connection.is_closed():
                    raise _lost(self._link) from None
                # The target's MaxSessions is lower than we thought: wait until one of ours ends, and remember. sshd
                # counts a shell for a moment longer than we do.
                if not await self._shells.fewer():
                    patience -= 1
                    await asyncio.sleep(_AFTERGLOW_S)
                if not patience:
                    raise RemoteError(
                        f"{self.target}: sshd opens no shell: {error.reason}",
                        hint="MaxSessions, ForceCommand, or the account's restrictions in sshd_config decide",
                    ) from None
            except (asyncssh.Error, OSError):
                raise _lost(self._link) from None


class SshPipe:
    """The streams of one ``sh -s`` on a connection, as ``conversation.Pipe``."""

    def __init__(
        self,
        link: Link,
        stdin: asyncssh.SSHWriter[bytes],
        stdout: asyncssh.SSHReader[bytes],
        stderr: asyncssh.SSHReader[bytes],
    ) -> None:
        self._link = link
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self._channel: asyncssh.SSHClientChannel[bytes] = stdin.channel  # type: ignore[assignment]
        self._channel.set_write_buffer_limits(high=_UNSENT_BYTES)

    @classmethod
    async def open(cls, link: Link) -> SshPipe:
        """Make the one exec request. Raises asyncssh's errors."""
        stdin, stdout, stderr = await link.connection.open_session(
            wire.EXEC_REQUEST, encoding=None, request_pty=False, env={}, send_env=(), window=_WINDOW_BYTES
        )
        return cls(link, stdin, stdout, stderr)

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            self._stdin.write(data)
            await self._stdin.drain()
        if self._link.connection.is_closed():
            raise _lost(self._link)

    async def write_eof(self) -> None:
        with contextlib.suppress(OSError):
            self._stdin.write_eof()

    async def read_stdout(self) -> bytes:
        return await self._read(self._stdout.read(_READ_BYTES))

    async def read_stderr(self) -> bytes:
        return await self._read(self._stderr.read(_READ_BYTES))

    async def wait(self) -> int | None:
        await self._channel.wait_closed()
        status = self._channel.get_exit_status()
        return status if status is not None and status >= 0 else None

    async def close(self) -> None:
        """Let it end: ``end`` does the rest."""
        await self.write_eof()

    async def end(self) -> None:
        """Wait a moment for the shell to end by itself, then drop it. sshd counts it against MaxSessions until then."""
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await self._channel.wait_closed()
                    return
            self._channel.abort()

    async def _read(self, reading: Awaitable[bytes]) -> bytes:
        try:
            return await reading
        except (asyncssh.Error, OSError):
            raise _lost(self._link) from None


class _Shells:
    """How many programs may run at once on a connection; learns when sshd allows fewer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def enter(self) -> None:
        while self._running >= self._limit:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
        self._running += 1

    def leave(self) -> None:
        self._running -= 1
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)

    async def fewer(self) -> bool:
        """One that has entered was refused: wait until another leaves. False, at once, when there is no other."""
        if self._running < 2:
            return False
        self._limit = min(self._limit, self._running - 1)
        self._running -= 1
        try:
            await self.enter()
        except BaseException:
            self._running += 1
            raise
        return True


def _lost(link: Link) -> ConnectionLost:
    """The connection is gone: why, as far as that is known."""
    reason = link.client.lost
    words = "" if reason is None else " ".join(str(getattr(reason, "reason", reason)).split())
    if words in ("", "Connection lost"):
        words = "it was closed from the other side"
    return ConnectionLost(f"{link.endpoint.title}: the connection was lost: {words}")
