"""Root writes where others may write, too: they cannot lead it elsewhere, by links or by moving folders meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileSeen
from octo_ssh.model.program import Acting
from octo_ssh.remote.file import put_file, remove_file

from .conftest import Machine
from .logins import NOBODY, needs_root

pytestmark = needs_root


async def put(machine: Machine, path: Path, content: bytes | None = b"new\n", *, mode: int | None = None) -> FileSeen:
    return await machine.session.act(program(path, content, mode=mode))


def program(path: Path, content: bytes | None, *, mode: int | None = None, parents: bool = False) -> Acting[FileSeen]:
    data = content or b""
    return put_file(
        str(path),
        content=content,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        mode=mode,
        new_mode=0o644,
        owner=None,
        group=None,
        parents=parents,
        expect=None,
    )


def strangers(path: Path) -> Path:
    """A folder of somebody else."""
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    return path


def link(path: Path, to: str | Path, *, owner: int = NOBODY) -> None:
    path.symlink_to(to)
    os.lchown(path, owner, owner)


@pytest.fixture
def etc(machine: Machine) -> Path:
    """A folder of root's, with a file."""
    folder = machine.home / "etc"
    folder.mkdir()
    (folder / "shadow").write_bytes(b"root's")
    (folder / "shadow").chmod(0o600)
    return folder


def untouched(etc: Path) -> bool:
    return (os.listdir(etc), (etc / "shadow").read_bytes(), (etc / "shadow").stat().st_mode & 0o777) == (
        ["shadow"],
        b"root's",
        0o600,
    )


@pytest.mark.parametrize("to", ["{etc}", "../etc", "hop", "../etc//"])
async def test_a_strangers_link_does_not_lead_root_away(machine: Machine, etc: Path, to: str) -> None:
    home = strangers(machine.home / "stranger")
    link(home / "hop", "../etc")
    link(home / "conf", to.format(etc=etc))
    for act in (
        program(home / "conf/new", b"x"),
        program(home / "conf/shadow", b"x"),
        program(home / "conf/shadow", None, mode=0o644),
        program(home / "conf/deep/new", b"x", parents=True),
        remove_file(str(home / "conf/shadow"), expect=None),
    ):
        with pytest.raises(RemoteError, match=f"a link in it was made by user {NOBODY} and leads to .*/etc"):
            await machine.session.act(act)
        assert untouched(etc)


async def test_links_that_lead_to_their_makers_own_and_those_of_root_are_followed(machine: Machine, etc: Path) -> None:
    home = strangers(machine.home / "stranger")
    strangers(home / "releases")
    real = strangers(home / "releases/1 ünï\n")
    link(home / "current", "./releases/../releases//1 ünï\n/")
    link(home / "conf", etc, owner=0)
    (real / "file").write_bytes(b"old")
    assert (await put(machine, home / "current/file")).path == f"{home}/current/file"
    assert (real / "file").read_bytes() == b"new\n"
    await machine.session.act(remove_file(str(home / "current/file"), expect=None))
    assert os.listdir(real) == []
    await put(machine, home / "conf/new")
    assert sorted(os.listdir(etc)) == ["new", "shadow"]


async def test_links_that_lead_in_a_circle_or_nowhere_end(machine: Machine) -> None:
    (machine.home / "a").symlink_to("b")
    (machine.home / "b").symlink_to("a")
    for act in (program(machine.home / "a/file", b"x", parents=True), program(machine.home / "a/file", b"x")):
        with pytest.raises(RemoteError):
            await machine.session.act(act)


async def test_a_folder_that_is_moved_meanwhile_is_written_to_wherever_it_is(machine: Machine, etc: Path) -> None:
    folder = strangers(machine.home / "stranger")
    content = b"x" * 1_000_000
    swapped = False

    def swap(sent: int) -> None:
        nonlocal swapped
        while not swapped and not list(folder.glob(".shadow.octo-*/*")):
            time.sleep(0.01)
        if not swapped:
            folder.rename(machine.home / "moved")
            link(folder, etc)
        swapped = True

    async with asyncio.timeout(30):
        # What is there afterwards is something else, and that is told.
        with pytest.raises(RemoteError, match="was written, and it holds something else"):
            await machine.session.act(program(folder / "shadow", content), on_sent=swap)
    assert untouched(etc)
    assert os.listdir(machine.home / "moved") == ["shadow"]
    assert (machine.home / "moved/shadow").read_bytes() == content


async def test_a_file_with_a_second_name_elsewhere_is_not_given_away(machine: Machine, etc: Path) -> None:
    folder = strangers(machine.home / "stranger")
    os.link(etc / "shadow", folder / "mine")
    with pytest.raises(RemoteError, match="mine has other names"):
        await put(machine, folder / "mine", None, mode=0o644)
    assert (etc / "shadow").stat().st_mode & 0o777 == 0o600
    os.link(etc / "shadow", etc / "shadow-")
    assert (await put(machine, etc / "shadow-", None, mode=0o640)).mode == 0o640


async def test_what_others_made_look_like_leftovers_is_not_searched(machine: Machine) -> None:
    folder = strangers(machine.home / "stranger")
    for name in ("hostname", "0123abcd"):
        (folder / f".file.octo-{name}").mkdir()
        (folder / f".file.octo-{name}/hostname").write_bytes(b"x")
    await put(machine, folder / "file")
    assert sorted(os.listdir(folder)) == [".file.octo-0123abcd", ".file.octo-hostname", "file"]
