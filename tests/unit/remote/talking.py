"""A program that a test talks to by hand: it may be cut off, or left behind as by a connection that was lost."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from octo_ssh.model.program import Program
from octo_ssh.model.wire import program_text

from .conftest import Machine

NONCE = "f0" * 16


async def until(condition: Callable[[], bool]) -> None:
    """Come back when it holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Talk:
    """A program that runs."""

    process: subprocess.Popen[bytes]
    said: list[bytes]
    """What it answered up to now, line by line."""

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def hear(self, word: str) -> bytes:
        """All lines up to a marker."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.endswith(f"{NONCE} {word}\n".encode()):
                break
        else:
            raise AssertionError(f"{word} never came, but {lines}")
        self.said.extend(lines)
        return b"".join(lines)

    def send(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def cut(self) -> int:
        """The connection is lost, and the target sees it."""
        self.process.stdin = self.stdin.close()
        return self.process.wait(20)


@contextlib.contextmanager
def talk(machine: Machine, program: Program[Any]) -> Iterator[Talk]:
    """Start a program; its input is the test's to send."""
    shell = f"{machine.path.split(':')[0]}/sh"
    env = {"PATH": machine.path, "LANG": "C.UTF-8", "HOME": str(machine.home)}
    process = subprocess.Popen(
        [shell, "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        cwd=machine.home,
        start_new_session=True,
    )
    talking = Talk(process, [])
    try:
        talking.send(program_text(program, NONCE))
        talking.hear("up")
        yield talking
    finally:
        process.kill()
        with contextlib.suppress(OSError):
            process.communicate()
