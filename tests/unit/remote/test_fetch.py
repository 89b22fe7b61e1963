"""Copying one file: every byte, no waiting for what has no end, and a sentence for what cannot be had."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.remote.fetch import Fetched, fetch
from octo_ssh.transport.local import LocalSession

from .conftest import Machine

CONTENT = bytes(range(256)) * 5000 + b"\nend"


async def copy(
    machine: Machine, path: str | Path, *, cwd: str | None = None, max_bytes: int = 10_000_000
) -> tuple[Fetched, bytes]:
    pieces: list[bytes] = []
    found = await machine.session.act(fetch(str(path), cwd=cwd, max_bytes=max_bytes), on_output=pieces.append)
    return found, b"".join(pieces)


@pytest.mark.parametrize("content", [CONTENT, b"", b"no newline"])
async def test_every_byte_arrives_and_the_size_is_told(machine: Machine, content: bytes) -> None:
    file = machine.home / "a 'file' ünï"
    file.write_bytes(content)
    assert await copy(machine, file) == (Fetched(len(content)), content)


async def test_a_relative_path_lies_in_the_given_folder(machine: Machine) -> None:
    (machine.home / "app").mkdir()
    (machine.home / "app/-n").write_text("inside")
    assert (await copy(machine, "-n", cwd=str(machine.home / "app")))[1] == b"inside"
    assert (await copy(machine, "-n", cwd="app"))[1] == b"inside"
    assert (await copy(machine, "app/-n"))[1] == b"inside"


async def test_a_link_is_followed(machine: Machine) -> None:
    (machine.home / "file").write_text("content")
    (machine.home / "link").symlink_to("file")
    assert (await copy(machine, machine.home / "link"))[1] == b"content"


async def test_what_is_no_plain_file_is_refused_and_nothing_hangs(machine: Machine) -> None:
    os.mkfifo(machine.home / "fifo")
    (machine.home / "to fifo").symlink_to("fifo")
    (machine.home / "dangling").symlink_to("nowhere")
    for path in (machine.home / "fifo", machine.home / "to fifo", machine.home, "/dev/zero", machine.home / "dangling"):
        with pytest.raises(RemoteError, match="is not a plain file"):
            await copy(machine, path)


async def test_a_file_that_is_not_there_is_told(machine: Machine) -> None:
    with pytest.raises(RemoteError, match="missing is not there, or its folder may not be entered"):
        await copy(machine, machine.home / "missing")


async def test_a_file_that_is_too_large_is_refused_before_a_byte_is_sent(machine: Machine) -> None:
    (machine.home / "big").write_bytes(b"x" * 1001)
    pieces: list[bytes] = []
    with pytest.raises(RemoteError, match="has 1001 bytes; 1000 is the most that is copied"):
        await machine.session.act(fetch(f"{machine.home}/big", cwd=None, max_bytes=1000), on_output=pieces.append)
    assert pieces == []
    assert (await copy(machine, machine.home / "big", max_bytes=1001))[0] == Fetched(1001)


async def test_a_file_that_may_not_be_read_is_told(machine: Machine) -> None:
    # Root may read everything but this one, which the kernel lets nobody read.
    path = "/proc/self/mem"
    if os.geteuid() != 0:
        file = machine.home / "closed"
        file.touch(0)
        path = str(file)
        with pytest.raises(RemoteError, match="closed may not be read"):
            await copy(machine, path)
    else:
        assert (await copy(machine, path))[0] == Fetched(0)


async def test_a_file_that_shrinks_meanwhile_is_an_error(one_machine: Machine, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (one_machine.home / "log").write_bytes(b"x" * 100)
    (tools / "head").write_text(f'#!/bin/sh\n: >{one_machine.home}/log\nexec {shutil.which("head")} "$@"\n')
    (tools / "head").chmod(0o755)
    session = LocalSession(home=str(one_machine.home), env={"PATH": f"{tools}:{one_machine.path}"})
    with pytest.raises(RemoteError, match="log became shorter while it was read"):
        await session.act(fetch("log", cwd=None, max_bytes=1000))
