"""Jobs for tests: places, connections that are cut at a byte, and who of ours still runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from octo_ssh.errors import ConnectionLost
from octo_ssh.model.jobs import Hangup, JobEnd, JobKey, JobPlace
from octo_ssh.model.program import Acting, Program, Sudo
from octo_ssh.model.values import Secret
from octo_ssh.remote.job import attach, launch
from octo_ssh.transport.conversation import Pipe, converse
from octo_ssh.transport.local import LocalSession

R = TypeVar("R")

BEFORE_OUTPUT = len(f"{'n' * 32} up\n{'n' * 32} output\n")
"""Bytes of a reply before the first that a script has printed."""
KEY = JobKey("migrate", "run", "5" * 64)


def place_at(root: Path, job: str = "migrate.run") -> JobPlace:
    return JobPlace(str(root), "run-1", job, secrets.token_hex(16))


def launching(
    place: JobPlace,
    text: str | Secret,
    *,
    env: Mapping[str, str | Secret] | None = None,
    cwd: str | None = None,
    timeout_s: float = 60,
    limit_bytes: int = 64 << 20,
    hangup: Hangup = Hangup.LEAVE,
    beat: str = "",
    entered: bool = False,
) -> Acting[JobEnd]:
    return launch(
        place,
        key=KEY,
        env=env or {},
        script=text,
        cwd=cwd,
        timeout_s=timeout_s,
        limit_bytes=limit_bytes,
        hangup=hangup,
        beat=beat,
        entered=entered,
    )


async def ran(
    session: LocalSession, program: Acting[JobEnd], *, sudo: Sudo | None = None, timeout_s: float = 60
) -> tuple[JobEnd, bytes]:
    """How it ended, and what it printed."""
    heard: list[bytes] = []
    end = await session.act(program, sudo=sudo, timeout_s=timeout_s, on_output=heard.append)
    return end, b"".join(heard)


async def ran_whole(session: LocalSession, place: JobPlace, text: str) -> tuple[JobEnd, bytes]:
    """As ``ran``, for a script at a place."""
    return await ran(session, launching(place, text))


async def cut(
    session: LocalSession, program: Program[R], most: int, heard: list[bytes], *, sudo: Sudo | None = None
) -> R | None:
    """Run the program over a connection that is lost after so many bytes; None: it was."""
    pipe = _Cut(await session._open(), most)
    try:
        return await converse(pipe, program, target="web-01", sudo=sudo, on_output=heard.append)
    except ConnectionLost:
        return None


async def listened(session: LocalSession, place: JobPlace, heard: list[bytes], *, most: int) -> JobEnd | None:
    """Go on listening to a job, at the byte behind what was heard."""
    program = attach(place, offset=sum(map(len, heard)), take_void=False)
    return await cut(session, program, most, heard)


def of_ours(place: JobPlace) -> list[str]:
    """What runs in the folder of a job, or carries its mark."""
    found = []
    mark = f"OCTO_MARK={place.mark[:16]}".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            here = str((process / "cwd").readlink()).removesuffix(" (deleted)") == place.folder
            if here or mark in (process / "environ").read_bytes():
                name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if name:  # a zombie runs no more
                    found.append(f"{process.name} {name[:60]}")
        except OSError:
            continue
    return found


async def until(condition: Callable[[], object], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class _Cut:
    """A connection that is lost after some bytes of standard output, without a word to either side."""

    def __init__(self, pipe: Pipe, most: int) -> None:
        self._pipe, self._left = pipe, most

    async def read_stdout(self) -> bytes:
        if self._left <= 0:
            raise ConnectionLost("cut")
        data = (await self._pipe.read_stdout())[: self._left]
        self._left -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        await self._pipe.write(data)

    async def write_eof(self) -> None:
        await self._pipe.write_eof()

    async def read_stderr(self) -> bytes:
        return await self._pipe.read_stderr()

    async def wait(self) -> int | None:
        return await self._pipe.wait()

    async def close(self) -> None:
        await self._pipe.close()
