"""One program's life over one shell: sudo, start, input, reply, deadline, cancellation. Knows no SSH.

Whoever has a ``sh -s`` somewhere and can offer it as a ``Pipe`` gets the contract of ``transport/session.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from octo_ssh.errors import (
    ConnectionLost,
    DeadlinePassed,
    OctoError,
    RemoteError,
    StateError,
    SudoRefused,
    TargetTimeout,
)
from octo_ssh.model import wire
from octo_ssh.model.program import FileInput, Input, Program, Sudo
from octo_ssh.model.values import Secret
from octo_ssh.transport.attempts import Attempts

R = TypeVar("R")
OnOutput = Callable[[bytes], None]
OnSent = Callable[[int], None]

START_TIMEOUT_S = 30.0
"""From the first byte sent to ``up``: the deadline of the phases sudo and start."""
CLOSING_TIMEOUT_S = 10.0
"""How long a cancelled program may take to end what it started."""

_KILLED = frozenset((128 + 1, 128 + 9, 128 + 15))
"""What a login shell or sudo around it says of a shell that was ended by a signal: the machine goes down, perhaps."""
_PIECE_BYTES = 256 * 1024
_STDERR_BYTES = 64 * 1024
_READ_AT_ONCE_BYTES = 64 * 1024
_LAST_WORDS_TIMEOUT_S = 2.0
_SHOWN_BYTES = 2000
_MAX_DIGITS = 18


class Pipe(Protocol):
    """The three streams and the end of one ``sh -s``. Any method may raise ConnectionLost."""

    async def write(self, data: bytes) -> None:
        """Send, and return when more may be sent. What nobody reads any more is dropped without an error."""
        ...

    async def write_eof(self) -> None:
        """Close standard input. May be called twice."""
        ...

    async def read_stdout(self) -> bytes:
        """The next bytes; empty at the end."""
        ...

    async def read_stderr(self) -> bytes:
        """The next bytes; empty at the end."""
        ...

    async def wait(self) -> int | None:
        """The exit status. None: it was killed, or the connection went away."""
        ...

    async def close(self) -> None:
        """Drop it, whatever still runs. May be called twice."""
        ...


async def converse(
    pipe: Pipe,
    program: Program[R],
    *,
    target: str,
    sudo: Sudo | None = None,
    timeout_s: float = 60.0,
    on_output: OnOutput | None = None,
    on_sent: OnSent | None = None,
    attempts: Attempts | None = None,
) -> R:
    """Run the program in a fresh ``sh -s``; its parsed reply. The pipe is closed in any case.

    ``attempts``: what came of passwords for sudo so far. Raises ConnectionLost, TargetTimeout, or RemoteError (bad
    reply, sudo refused; SudoRefused where it was given the password). When the task is cancelled or the deadline
    passes, the program's farewell is sent, standard input is closed, and the program's end awaited for
    CLOSING_TIMEOUT_S.
    """
    talk = _Conversation(pipe, program, target, sudo, on_output, on_sent, attempts or Attempts())
    try:
        try:
            async with asyncio.timeout(timeout_s):
                await talk.whole()
        except TimeoutError:
            ended = await talk.wind_down()
            raise DeadlinePassed(
                f"{target}: {program.name} was not done within {timeout_s:g} s",
                hint=talk.after_timeout(ended),
            ) from None
        except asyncio.CancelledError:
            await talk.wind_down()
            raise
        return await talk.result()
    finally:
        await talk.close()


class _Conversation(Generic[R]):
    def __init__(
        self,
        pipe: Pipe,
        program: Program[R],
        target: str,
        sudo: Sudo | None,
        on_output: OnOutput | None,
        on_sent: OnSent | None,
        attempts: Attempts,
    ) -> None:
        self._pipe = pipe
        self._program = program
        self._target = target
        self._sudo = sudo
        self._on_sent = on_sent
        self._attempts = attempts
        self._gave_password = False
        # sudo's arguments can be seen by everybody on the target: the program gets a nonce of its own.
        self._sudo_nonce = secrets.token_hex(16)
        self._nonce = secrets.token_hex(16)
        self._parser = wire.ReplyParser(self._nonce, on_output, mark=program.mark, max_bytes=program.max_reply_bytes)
        self._greeting: bytes | None = wire.sudo_greeting(self._sudo_nonce) if sudo else None
        self._before_greeting = b""
        self._stderr = b""
        self._prompts = 0
        self._is_told = False
        """The program's text was sent."""
        self._is_fed = not program.input
        """All of its input was."""
        self._changed = asyncio.Event()
        self._stdout_over = False
        self._stderr_over = False
        self._failure: BaseException | None = None
        self._tasks = [asyncio.create_task(self._read_stdout()), asyncio.create_task(self._read_stderr())]

    async def whole(self) -> None:
        """From the first byte to the end marker."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._start()
        except TimeoutError:
            raise TargetTimeout(
                f"{self._target}: {'sudo and ' if self._sudo else ''}the shell did not answer within "
                f"{START_TIMEOUT_S:g} s{self._last_words()}"
            ) from None
        if self._program.input:
            sending = asyncio.create_task(self._send(self._program.input))
            self._tasks.append(sending)
            sending.add_done_callback(self._sent)
        await self._until(lambda: self._parser.ended)

    async def result(self) -> R:
        reply = self._parser.reply(self._stderr)
        size = sum(len(content) for _, content in reply.sections)
        try:
            if size > _READ_AT_ONCE_BYTES:  # other targets go on meanwhile
                return await asyncio.to_thread(self._program.parse, reply)
            return self._program.parse(reply)
        except ValueError as error:
            raise RemoteError(
                f"{self._target}: the reply of {self._program.name} makes no sense: {error}{self._last_words()}"
            ) from error

    async def wind_down(self) -> bool:
        """Close standard input and wait for the program's end, which is told by what this returns."""
        try:
            async with asyncio.timeout(CLOSING_TIMEOUT_S):
                for task in self._tasks[2:]:
                    task.cancel()
                await self._bid_farewell()
                await self._pipe.write_eof()
                await self._until(lambda: self._parser.ended)
        except (TimeoutError, OctoError):
            return False
        return True

    async def _bid_farewell(self) -> None:
        """Say that the end is meant. Not before all of the input: the program would take it for a part of that, and
        the shell before it is up for a command; a program whose input is cut off does nothing.
        """
        if self._program.farewell and self._is_told:
            await self._until(lambda: self._parser.is_up)
            if self._is_fed:
                await self._pipe.write(self._program.farewell)

    def after_timeout(self, ended: bool) -> str:
        """What a person should know about what the deadline left on the target."""
        if not ended:
            return "what it started may still be running there"
        reply = self._parser.reply()
        left = b"".join(content for name, content in reply.sections if name == "survivors")
        return f"still running there, could not be ended: {_shown(left)}" if left.strip() else ""

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._pipe.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self) -> None:
        try:
            text = wire.program_text(self._program, self._nonce)
        except ValueError as error:
            raise RemoteError(f"{self._target}: {self._program.name} cannot be sent: {error}") from error
        if self._sudo is not None:
            async with self._attempts.one(self._target, self._sudo):
                await self._become(self._sudo)
        self._is_told = True
        await self._pipe.write(text)
        await self._until(lambda: self._parser.is_up or self._prompts > 1)
        if not self._parser.is_up:
            raise self._refused("sudo refused the password")

    async def _become(self, sudo: Sudo) -> None:
        await self._pipe.write(wire.sudo_text(sudo, self._sudo_nonce))
        await self._until(lambda: self._greeting is None or self._prompts > 0)
        if self._greeting is None:
            return
        if sudo.password is None:
            raise self._refused("sudo wants a password", "set become.password for this target, or allow NOPASSWD")
        if "\n" in sudo.password.reveal():
            # sudo reads one line; the shell behind it would take the rest for commands.
            raise self._refused("a password for sudo is one line", "look at become.password of this target")
        self._gave_password = True
        await self._pipe.write(sudo.password.reveal().encode("utf-8", "surrogateescape") + b"\n")
        await self._until(lambda: self._greeting is None or self._prompts > 1)
        if self._greeting is not None:
            raise self._refused("sudo refused the password", "look at become.password of this target")

    def _refused(self, what: str, hint: str = "") -> RemoteError:
        user = self._sudo.user if self._sudo else ""
        kind = SudoRefused if self._gave_password else RemoteError
        return kind(f"{self._target}: {what} (to become {user})", hint=hint)

    async def _send(self, pieces: tuple[Input, ...]) -> None:
        sent = 0
        for piece in pieces:
            offset = 0
            if isinstance(piece, FileInput) and piece.resumes:
                offset = await self._offset(piece)
                sent += offset
            for data in _chunks(piece, offset):
                await self._pipe.write(data)
                sent += len(data)
                if self._on_sent is not None:
                    self._on_sent(sent)
        self._is_fed = True

    async def _offset(self, file: FileInput) -> int:
        """How much of the file the target has: all of it where the program ends without a word of that."""
        await self._until(lambda: self._parser.ended or self._parser.told("at") is not None)
        told = self._parser.told("at")
        if told is None:
            return file.size
        offset = int(told) if told.isdigit() and len(told) <= _MAX_DIGITS else file.size + 1
        if offset > file.size:
            raise RemoteError(
                f"{self._target}: the reply of {self._program.name} makes no sense: it has {_shown(told)!r} bytes of a "
                f"file of {file.size}"
            )
        return offset

    def _sent(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be seen. Raises what a reader ran into, or that the stream ended without it."""
        while not condition():
            if self._failure is not None:
                raise self._failure
            if self._stdout_over:
                raise await self._broken()
            await self._changed.wait()
            self._changed.clear()

    async def _broken(self) -> OctoError:
        """Standard output ended too early: why."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_TIMEOUT_S):
                while not self._stderr_over and self._failure is None:
                    await self._changed.wait()
                    self._changed.clear()
        status: int | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_TIMEOUT_S):
                status = await self._pipe.wait()
        name = self._program.name
        if status is None:
            return ConnectionLost(f"{self._target}: the connection was lost while {name} ran{self._last_words()}")
        if self._sudo is not None and self._greeting is not None:
            if status == wire.CANNOT_ENTER and self._sudo.inside:
                return RemoteError(f"{self._target}: {self._sudo.inside} cannot be entered{self._last_words()}")
            return self._refused(f"sudo refused{self._last_words()}")
        if not self._parser.is_up:
            return RemoteError(
                f"{self._target}: `{wire.EXEC_REQUEST}` ended with status {status}, no shell answered"
                f"{self._last_words()}"
            )
        if status in _KILLED:  # nothing of what came of it was seen, as when nothing had stood around the shell
            return ConnectionLost(f"{self._target}: {name} was killed, status {status}{self._last_words()}")
        return RemoteError(f"{self._target}: {name} stopped in the middle, status {status}{self._last_words()}")

    def _last_words(self) -> str:
        said = self._stderr.replace(wire.sudo_prompt(self._sudo_nonce), b"").strip()
        said = said or (b"" if self._parser.is_up else (self._parser.noise or self._before_greeting)).strip()
        return f": {_shown(said)}" if said else ""

    async def _read_stdout(self) -> None:
        await self._reading(self._pipe.read_stdout, self._hear)
        self._stdout_over = True
        self._changed.set()

    async def _read_stderr(self) -> None:
        await self._reading(self._pipe.read_stderr, self._overhear)
        self._stderr_over = True
        self._changed.set()

    async def _reading(self, read: Callable[[], Awaitable[bytes]], take: Callable[[bytes], None]) -> None:
        try:
            while data := await read():
                take(data)
        except ValueError as error:
            self._failure = RemoteError(f"{self._target}: the reply of {self._program.name} makes no sense: {error}")
        except Exception as error:
            self._failure = error

    def _hear(self, data: bytes) -> None:
        if self._greeting is not None:
            self._before_greeting = (self._before_greeting + data)[-_SHOWN_BYTES - len(data) :]
            before, found, data = self._before_greeting.partition(self._greeting)
            if not found:
                return
            self._greeting = None
            self._before_greeting = before
            self._changed.set()
        self._parser.feed(data)
        self._changed.set()

    def _overhear(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-_STDERR_BYTES:]
        if self._sudo is not None and not self._parser.is_up:
            prompts = self._stderr.count(wire.sudo_prompt(self._sudo_nonce))
            if prompts > self._prompts:
                self._prompts = prompts
                self._changed.set()


def _chunks(piece: Input, offset: int) -> Iterator[bytes]:
    """The bytes of a piece of input; of a file, those from the offset on."""
    match piece:
        case Secret():
            yield piece.reveal().encode("utf-8", "surrogateescape")
        case FileInput(path, size):
            yield from _file_chunks(path, size, offset)
        case bytes():
            for start in range(0, len(piece), _PIECE_BYTES):
                yield piece[start : start + _PIECE_BYTES]


def _file_chunks(path: str, size: int, offset: int) -> Iterator[bytes]:
    """The file's bytes. Reading blocks for a piece at a time: the file was written or hashed a moment ago."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            file.seek(offset)
            left = size - offset
            while left > 0:
                data = file.read(min(left, _PIECE_BYTES))
                if not data:
                    raise StateError(f"{path} became shorter while it was sent")
                left -= len(data)
                yield data
    except OSError as error:
        raise StateError(f"{path} cannot be read while it is sent: {error.strerror}") from error


def _shown(text: bytes) -> str:
    """Bytes from a target, fit for a message: bounded, one line a line, no control characters."""
    lines = text[-_SHOWN_BYTES:].decode("utf-8", "replace").split("\n")
    return "\n".join("".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines)
