"""A session with this machine's own shell: each program runs in a ``sh -s`` of its own, as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from octo_ssh.errors import ConnectionLost
from octo_ssh.model.program import Acting, Program, Reading, Sudo
from octo_ssh.transport.attempts import Attempts
from octo_ssh.transport.conversation import converse
from octo_ssh.transport.session import OnOutput

R = TypeVar("R")

_STREAM_LIMIT_BYTES = 1024 * 1024
_EXIT_TIMEOUT_S = 1.0


class LocalSession:
    """What ``transport/session.py`` promises, without a network. Programs may run at the same time."""

    def __init__(
        self,
        target: str = "local",
        *,
        shell: Sequence[str] = ("sh", "-s"),
        home: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """``home`` and ``cwd`` default to the user's home; ``env`` to this process's own environment."""
        self._target = target
        self._attempts = Attempts()
        self._shell = tuple(shell)
        chosen = dict(os.environ if env is None else env)
        self._home = home or chosen.get("HOME") or os.path.expanduser("~")
        self._cwd = cwd or self._home
        self._env = {**chosen, "HOME": self._home}

    @property
    def target(self) -> str:
        return self._target

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
        """Run a program, feed it its input, and parse its reply."""
        return await self._run(program, sudo=sudo, timeout_s=timeout_s, on_output=on_output, on_sent=on_sent)

    async def close(self) -> None:
        """Nothing is kept between programs."""

    async def _run(
        self,
        program: Program[R],
        *,
        sudo: Sudo | None,
        timeout_s: float,
        on_output: OnOutput | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        pipe = await self._open()
        return await converse(
            pipe,
            program,
            target=self._target,
            sudo=sudo,
            timeout_s=timeout_s,
            on_output=on_output,
            on_sent=on_sent,
            attempts=self._attempts,
        )

    async def _open(self) -> _ProcessPipe:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._shell,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._cwd,
                env=self._env,
                limit=_STREAM_LIMIT_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            raise ConnectionLost(f"{self._target}: {self._shell[0]} cannot be started: {error.strerror}") from error
        return _ProcessPipe(process)


class _ProcessPipe:
    """A child process as a ``Pipe``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process was started without pipes")
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if not self._stdin.is_closing():
                self._stdin.write(data)
                await self._stdin.drain()

    async def write_eof(self) -> None:
        self._stdin.close()

    async def read_stdout(self) -> bytes:
        return await self._stdout.read(_STREAM_LIMIT_BYTES)

    async def read_stderr(self) -> bytes:
        return await self._stderr.read(_STREAM_LIMIT_BYTES)

    async def wait(self) -> int | None:
        # A shell that was killed by a signal stands for a connection that was cut.
        self._stop_reading()
        status = await self._process.wait()
        return status if status >= 0 else None

    async def close(self) -> None:
        self._stdin.close()
        self._stop_reading()
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _stop_reading(self) -> None:
        """Let go of the read ends: asyncio tells of the exit only then, and a daemon may hold the others for ever."""
        for stream in (self._stdout, self._stderr):
            transport = getattr(stream, "_transport", None)
            if transport is not None:
                transport.close()
