"""Files on a target, under every shell: made, replaced, given away, removed, and never half there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError, StateError, TargetTimeout
from octo_ssh.model.observed import FileKind, FileSeen
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import Secret
from octo_ssh.remote.file import put_file, remove_file

from .conftest import Machine

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ODD_NAMES = (
    "plain",
    "two words ",
    "new\nline\n",
    'it\'s "quoted"',
    "-rf",
    "*?[a]",
    "$HOME`id`",
    "\x01\x7f",
    "ünï",
    "n" * 255,
)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def put(
    machine: Machine,
    path: str | Path,
    content: bytes | None = b"new\n",
    *,
    sent: Secret | FileInput | None = None,
    size: int | None = None,
    sha256: str | None = None,
    mode: int | None = None,
    new_mode: int = 0o644,
    owner: str | None = None,
    group: str | None = None,
    parents: bool = False,
    expect: FileSeen | None = None,
    timeout_s: float = 30,
) -> FileSeen:
    data = content or b""
    return await machine.session.act(
        put_file(
            str(path),
            content=sent or content,
            size=len(data) if size is None else size,
            sha256=digest(data) if sha256 is None else sha256,
            mode=mode,
            new_mode=new_mode,
            owner=owner,
            group=group,
            parents=parents,
            expect=expect,
        ),
        timeout_s=timeout_s,
    )


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_new_file_is_there_with_its_mode_and_nothing_beside_it(machine: Machine, name: str) -> None:
    path = machine.home / "a folder" / name
    path.parent.mkdir()
    seen = await put(machine, path, b"\0any bytes\xff\n", new_mode=0o640)
    assert path.read_bytes() == b"\0any bytes\xff\n"
    assert mode_of(path) == 0o640
    assert os.listdir(path.parent) == [name]
    assert (seen.path, seen.kind, seen.mode, seen.size) == (str(path), FileKind.FILE, 0o640, 12)
    assert seen.sha256 == digest(b"\0any bytes\xff\n")
