"""Disks without room, of bytes or of inodes, at every moment of a push; and disks that become read-only.

What failed left nothing behind, what was there before is untouched, and with room again all is well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import Tree
from octo_ssh.remote.build import build
from octo_ssh.remote.commit import commit
from octo_ssh.remote.file import put_file
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.prune import prune
from octo_ssh.remote.receive import Received, receive
from octo_ssh.remote.switch import switch

from .conftest import Machine
from .logins import needs_root
from .releases import LEASE, File, Folder, Item, Link, Release, release_of, take_lease
from .test_build import deploy, look, send

OLD: dict[str, Item] = {"bin/app": File(os.urandom(9_000), 0o755), "lib/same": File(os.urandom(30_000))}
NEW: dict[str, Item] = {
    **OLD,
    "bin/app": File(os.urandom(11_000), 0o755),
    "etc/a": File(b"a"),
    "etc/b": File(b"b"),
    "lib/big": File(os.urandom(50_000)),
    "lib/current": Link("big"),
    "ro": Folder(0o500),
    "ro/inside": File(os.urandom(5_000)),
}
Resize = Callable[[str], None]
pytestmark = needs_root


@contextmanager
def small_disk(at: Path, options: str) -> Iterator[Resize]:
    """A file system of its own; what is yielded mounts it anew with other options, its content stays."""
    at.mkdir(parents=True, exist_ok=True)
    if run(["mount", "-t", "tmpfs", "-o", f"{options},mode=700", "tmpfs", at], check=False).returncode:
        pytest.skip("nothing can be mounted here")

    def remount(other: str) -> None:
        run(["mount", "-o", f"remount,{other}", at], check=True)

    try:
        yield remount
    finally:
        run(["umount", "-l", at], check=True)


def used(at: Path) -> tuple[int, int]:
    """Bytes and inodes that are taken there."""
    seen = os.statvfs(at)
    return (seen.f_blocks - seen.f_bfree) * seen.f_frsize, seen.f_files - seen.f_ffree


def tight(what: str, at: Path, room: int) -> str:
    """Options that leave so much room: KiB, or inodes."""
    taken_bytes, taken_inodes = used(at)
    # size=0 would be no bound at all
    return f"size={max(4096, taken_bytes + room * 1024)}" if what == "bytes" else f"nr_inodes={taken_inodes + room}"


WIDE = "size=50m,nr_inodes=10000"
ROOMS = [("bytes", room) for room in (0, 4, 12, 40, 80, 120, 160, 200, 240)]
ROOMS += [("inodes", room) for room in (0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 19, 22, 25, 28)]


@pytest.mark.parametrize(("what", "room"), [("bytes", 0), ("bytes", 4), ("bytes", 100), ("inodes", 0)])
async def test_a_package_that_the_store_has_no_room_for_leaves_nothing(
    machine: Machine, tmp_path: Path, what: str, room: int
) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(os.urandom(200_000))
    digest = sha256(path.read_bytes()).hexdigest()
    with small_disk(machine.root, WIDE) as resize:
        take_lease(machine.root)
        (machine.root / "store").mkdir()
        resize(tight(what, machine.root, room))
        with pytest.raises(RemoteError, match=r"cannot be kept in .*: there is room for [0-9]+ bytes, and [0-9]+ new"):
            await machine.session.act(receive("~/.octo-ssh", digest, path, 200_000, **LEASE))
        assert os.listdir(machine.root / "store") == []
        resize(WIDE)
        assert await machine.session.act(receive("~/.octo-ssh", digest, path, 200_000, **LEASE)) is Received.STORED


@pytest.mark.parametrize(("what", "room"), ROOMS)
async def test_a_place_without_room_stays_as_it_was(machine: Machine, what: str, room: int) -> None:
    with small_disk(machine.to, WIDE) as resize:
        old = await deploy(machine, "1.0", OLD)
        await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
        before = (await machine.session.act(prune(str(machine.to), keep=()))).fingerprint
        release = release_of(NEW, machine.home, base=old)
        await send(machine, release)
        resize(tight(what, machine.to, room))
        failure = await _failure(machine, release)
        if failure is None:
            return  # this much is enough
        assert "there is room for" in failure.message or "No space left" in failure.message
        assert sorted(os.listdir(machine.to / "releases")) == ["1.0", "1.0.json"]
        assert sorted(os.listdir(machine.to / ".octo-ssh")) == [".flip.1.0123abcd", "owner"]
        assert (await look(machine)).fingerprint == before
        resize(WIDE)
        await _bring(machine, release)


async def _failure(machine: Machine, release: Release) -> RemoteError | None:
    try:
        await _bring(machine, release)
    except RemoteError as error:
        return error
    return None


async def _bring(machine: Machine, release: Release) -> None:
    """Build the second release and give it its name."""
    program = build(
        str(machine.root),
        str(machine.to),
        "2.0",
        project="shop",
        environment="staging",
        base="1.0",
        manifest=release.manifest,
        difference=release.difference,
        bundle=release.bundle,
        shared=("var/data",),
        **LEASE,
    )
    assert await machine.session.act(program) == Tree(release.manifest.entries)
    await machine.session.act(commit(str(machine.to), "2.0", release.manifest.sha256))
    seen = await machine.session.observe(inspect(str(machine.to), ("2.0",), hashed=True))
    assert seen["2.0"].tree == Tree(release.manifest.entries)


@pytest.mark.parametrize(("what", "room"), [("bytes", 0), ("bytes", 8), ("inodes", 0), ("inodes", 1)])
async def test_a_file_that_there_is_no_room_for_stays_as_it_was(machine: Machine, what: str, room: int) -> None:
    folder = machine.home / "etc"
    content = os.urandom(20_000)
    with small_disk(folder, WIDE) as resize:
        (folder / "conf").write_bytes(b"old")
        program = put_file(
            str(folder / "conf"),
            content=content,
            size=len(content),
            sha256=sha256(content).hexdigest(),
            mode=None,
            new_mode=0o644,
            owner=None,
            group=None,
            parents=False,
            expect=None,
        )
        resize(tight(what, folder, room))
        with pytest.raises(RemoteError):
            await machine.session.act(program)
        assert (os.listdir(folder), (folder / "conf").read_bytes()) == (["conf"], b"old")
        resize(WIDE)
        await machine.session.act(program)
        assert (folder / "conf").read_bytes() == content


async def test_a_disk_that_becomes_read_only_keeps_what_it_had(machine: Machine) -> None:
    with small_disk(machine.to, WIDE) as remount:
        old = await deploy(machine, "1.0", OLD)
        await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
        release = release_of(NEW, machine.home, base=old)
        await send(machine, release)
        remount("ro")
        with pytest.raises(RemoteError):
            await _bring(machine, release)
        remount("rw")
        tree = await machine.session.act(
            build(
                str(machine.root),
                str(machine.to),
                "2.0",
                project="shop",
                environment="staging",
                base="1.0",
                manifest=release.manifest,
                difference=release.difference,
                bundle=release.bundle,
                **LEASE,
            )
        )
        assert tree == Tree(release.manifest.entries)
        remount("ro")
        with pytest.raises(RemoteError, match="cannot be made"):
            await machine.session.act(commit(str(machine.to), "2.0", release.manifest.sha256))
        place = await look(machine)
        assert ([release.name for release in place.releases], place.current) == (["1.0"], "1.0")
        remount("rw")
        await _bring(machine, release)
