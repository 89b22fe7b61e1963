"""What is done again because nobody saw how it ended: it comes to the same, and what is still at work is ended."""

from __future__ import annotations

import os
import shutil

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileKind, FileSeen, Tree
from octo_ssh.model.program import Acting
from octo_ssh.remote.build import build
from octo_ssh.remote.commit import commit, discard
from octo_ssh.remote.file import put_file, remove_file
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.prune import prune
from octo_ssh.remote.receive import receive
from octo_ssh.remote.service import service
from octo_ssh.remote.switch import switch

from .conftest import Machine
from .releases import LEASE, File, Release, release_of
from .talking import talk, until
from .test_build import PLAIN, deploy, look, send


def building(machine: Machine, folder: str, release: Release) -> Acting[Tree | None]:
    return build(
        str(machine.root),
        str(machine.to),
        folder,
        project="shop",
        environment="staging",
        base=None,
        manifest=release.manifest,
        difference=release.difference,
        bundle=release.bundle,
        **LEASE,
    )


def names(machine: Machine) -> list[str]:
    return sorted(os.listdir(machine.to / "releases"))


def test_all_of_them_say_that_they_may_be_repeated() -> None:
    digest = "0" * 64
    file = {"content": b"", "size": 0, "sha256": digest, "mode": None, "new_mode": 0o644, "owner": None, "group": None}
    programs: list[Acting[object]] = [
        receive("/x", digest, "/x", 1, **LEASE),
        commit("/x", "1", digest),
        discard("/x"),
        prune("/x", keep=()),
        put_file("/x", **file, parents=False, expect=None),  # type: ignore[arg-type]
        remove_file("/x", expect=None),
        service("shop", state=None, enabled=True, restart=False),
    ]
    assert [program.name for program in programs if not program.repeatable] == []


async def test_a_release_is_built_and_completed_as_often_as_is_wanted(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home)
    await send(machine, release)
    program = building(machine, "1.0", release)
    assert program.repeatable
    for _ in range(2):
        assert await machine.session.act(program) == Tree(release.manifest.entries)
    for _ in range(2):
        await machine.session.act(commit(str(machine.to), "1.0", release.manifest.sha256))
    assert names(machine) == ["1.0", "1.0.json"]
    with pytest.raises(RemoteError, match="never written again"):
        await machine.session.act(commit(str(machine.to), "1.0", "0" * 64))


async def test_a_build_that_a_lost_connection_left_at_work_is_ended(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home)
    await send(machine, release)
    with talk(machine, building(machine, "1.0", release)) as left:
        left.send(b"the beginning of its input")
        await until((machine.to / ".octo-ssh/build.1.0/input").exists)
        assert await machine.session.act(building(machine, "1.0", release)) == Tree(release.manifest.entries)
        assert left.process.wait(20) == -9
    await machine.session.act(commit(str(machine.to), "1.0", release.manifest.sha256))
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [".flip.1.0123abcd", "owner"]


async def test_a_completion_that_was_cut_short_goes_on(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home)
    await send(machine, release)
    await machine.session.act(building(machine, "1.0", release))
    (machine.to / "releases/.1.0.tmp.json").rename(machine.to / "releases/1.0.json")
    assert (await look(machine)).releases == ()
    await machine.session.act(commit(str(machine.to), "1.0", release.manifest.sha256))
    seen = await machine.session.observe(inspect(str(machine.to), ("1.0",), hashed=True))
    assert seen["1.0"].tree == Tree(release.manifest.entries)
    assert names(machine) == ["1.0", "1.0.json"]


@pytest.mark.parametrize("left", ["1.0", "1.0.json", ".1.0.tmp", ".1.0.tmp.json", ".0.9.tmp"])
async def test_what_a_killed_run_left_half_built_is_built_anew(machine: Machine, left: str) -> None:
    await deploy(machine, "0.9", PLAIN)
    path = machine.to / "releases" / left
    if left.endswith(".json"):
        path.write_bytes(b"half a mani")
    else:
        shutil.copytree(machine.to / "releases/0.9/lib", path / "lib")
        (path / "lib").chmod(0o500)
    (machine.to / ".octo-ssh/build.0.8").mkdir()
    release = release_of({"a": File(b"a")}, machine.home)
    await send(machine, release)
    assert await machine.session.act(building(machine, "1.0", release)) == Tree(release.manifest.entries)
    await machine.session.act(commit(str(machine.to), "1.0", release.manifest.sha256))
    assert names(machine) == ["0.9", "0.9.json", "1.0", "1.0.json"]
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [".flip.1.0123abcd", "owner"]


async def test_what_was_built_and_is_not_wanted_goes(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home)
    await send(machine, release)
    await machine.session.act(building(machine, "1.0", release))
    await machine.session.act(discard(str(machine.to)))
    assert names(machine) == []


async def test_a_removal_that_was_cut_short_is_made_good_and_removes_nothing_else(machine: Machine) -> None:
    for folder in ("1.0", "2.0", "3.0"):
        await deploy(machine, folder, {"a": File(folder.encode())})
    await machine.session.act(switch(str(machine.to), "3.0", **LEASE))
    (machine.to / "releases/1.0").rename(machine.to / "releases/.1.0.tmp")
    assert [release.name for release in (await look(machine)).releases] == ["2.0", "3.0"]
    for removed in (("2.0",), ()):
        pruned = await machine.session.act(prune(str(machine.to), keep=()))
        assert pruned.removed == removed
        assert names(machine) == ["3.0", "3.0.json"]


async def test_a_file_that_was_written_by_the_try_before_is_right(machine: Machine) -> None:
    path = machine.home / "file"
    program = put_file(
        str(path),
        content=b"new\n",
        size=4,
        sha256="7aa7a5359173d05b63cfd682e3c38487f3cb4f7f1d60659fe59fab1505977d4c",
        mode=None,
        new_mode=0o640,
        owner=None,
        group=None,
        parents=True,
        expect=FileSeen(str(path), FileKind.ABSENT),
    )
    for _ in range(2):
        seen = await machine.session.act(program)
        assert (path.read_bytes(), seen.mode) == (b"new\n", 0o640)
    path.write_bytes(b"another")
    with pytest.raises(RemoteError, match="Somebody else is at work there"):
        await machine.session.act(program)
    removal = remove_file(str(path), expect=FileSeen(str(path), FileKind.FILE))
    for _ in range(2):
        assert (await machine.session.act(removal)).kind is FileKind.ABSENT
