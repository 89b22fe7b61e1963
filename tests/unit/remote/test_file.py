"""Files on a target, under every shell: made, replaced, given away, removed, and never half there."""

from __future__ import annotations

import asyncio
import hashlib
import os
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
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .logins import NOBODY, needs_root, ordinary_login

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


@pytest.fixture(params=["dash", "busybox"])
def login(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """An ordinary user, where root may make one."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ordinary_login(request.param) as machine:
        yield machine


async def test_an_old_file_is_replaced_at_once_and_keeps_what_is_not_said(machine: Machine) -> None:
    path = machine.home / "app.conf"
    path.write_bytes(b"old")
    path.chmod(0o604)
    with path.open("rb") as reader:
        seen = await put(machine, path, b"new", new_mode=0o600, expect=FileSeen(str(path), FileKind.FILE))
        assert reader.read() == b"old"
    assert (path.read_bytes(), mode_of(path), seen.mode) == (b"new", 0o604, 0o604)
    assert os.listdir(machine.home) == ["app.conf"]


async def test_a_given_mode_beats_the_old_one(machine: Machine) -> None:
    path = machine.home / "tool"
    path.write_bytes(b"old")
    assert (await put(machine, path, mode=0o4755)).mode == 0o4755
    assert mode_of(path) == 0o4755


async def test_a_path_is_the_logins_own_and_told_whole(machine: Machine) -> None:
    seen = await put(machine, ".//etc/./x y", parents=True)
    assert seen.path == f"{machine.home}/etc/x y"
    assert (machine.home / "etc/x y").read_bytes() == b"new\n"
    assert (await put(machine, "~/z")).path == f"{machine.home}/z"


async def test_missing_folders_are_made_only_where_asked_for(machine: Machine) -> None:
    path = machine.home / "a b/c/file"
    with pytest.raises(RemoteError, match=r"the folder .*/a b/c/ is not there.*parents: true"):
        await put(machine, path)
    assert os.listdir(machine.home) == []
    await put(machine, path, mode=0o600, parents=True)
    assert (mode_of(path), mode_of(path.parent), mode_of(path.parent.parent)) == (0o600, 0o755, 0o755)


async def test_an_empty_file_and_megabytes_arrive_whole(machine: Machine, tmp_path: Path) -> None:
    assert (await put(machine, "empty", b"")).size == 0
    data = os.urandom(3_000_000)
    (tmp_path / "source").write_bytes(data)
    seen = await put(
        machine, "big", sent=FileInput(str(tmp_path / "source"), len(data)), size=len(data), sha256=digest(data)
    )
    assert (machine.home / "big").read_bytes() == data
    assert seen.sha256 == digest(data)


async def test_a_secret_arrives_and_no_one_else_may_read_it(machine: Machine) -> None:
    text = "pässwörd'; rm -rf / #\n"
    raw = text.encode()
    await put(machine, "secret", sent=Secret(text), size=len(raw), sha256=digest(raw), new_mode=0o600)
    assert (machine.home / "secret").read_bytes() == raw
    assert mode_of(machine.home / "secret") == 0o600


@pytest.mark.parametrize("content", [b"new", None])
async def test_links_folders_and_other_things_are_refused_and_left(machine: Machine, content: bytes | None) -> None:
    (machine.home / "target").write_bytes(b"precious")
    (machine.home / "link").symlink_to("target")
    (machine.home / "dangling").symlink_to("nowhere")
    (machine.home / "folder").mkdir()
    os.mkfifo(machine.home / "pipe")
    for name in ("link", "dangling"):
        with pytest.raises(RemoteError, match=f"{name} is a symbolic link: octo-ssh does not follow it"):
            await put(machine, name, content)
    for name in ("folder", "pipe", "~"):
        with pytest.raises(RemoteError, match="is not a regular file"):
            await put(machine, name, content)
    assert (machine.home / "target").read_bytes() == b"precious"
    assert sorted(os.listdir(machine.home)) == ["dangling", "folder", "link", "pipe", "target"]


async def test_links_above_the_file_are_followed(machine: Machine) -> None:
    (machine.home / "real").mkdir()
    (machine.home / "link").symlink_to("real")
    seen = await put(machine, "link/file")
    assert seen.path == f"{machine.home}/link/file"
    assert (machine.home / "real/file").read_bytes() == b"new\n"


@pytest.mark.parametrize(("before", "now"), [(FileKind.FILE, None), (FileKind.ABSENT, b"x"), (FileKind.LINK, b"x")])
async def test_what_changed_kind_since_it_was_seen_is_refused(
    machine: Machine, before: FileKind, now: bytes | None
) -> None:
    path = machine.home / "file"
    if now is not None:
        path.write_bytes(now)
    expect = FileSeen(str(path), before)
    with pytest.raises(RemoteError, match=f"was seen as: {before.value}; and is now"):
        await put(machine, path, expect=expect)
    assert (path.read_bytes() if path.exists() else None) == now
    if now is not None:
        with pytest.raises(RemoteError, match=f"was seen as: {before.value}"):
            await remove_it(machine, path, expect)
        assert path.exists()


async def test_content_that_is_not_what_was_promised_changes_nothing(machine: Machine) -> None:
    path = machine.home / "file"
    path.write_bytes(b"old")
    with pytest.raises(RemoteError, match="what arrived is not what was sent"):
        await put(machine, path, b"new", sha256=digest(b"other"))
    assert (path.read_bytes(), os.listdir(machine.home)) == (b"old", ["file"])


async def test_input_that_ends_early_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    path = machine.home / "file"
    path.write_bytes(b"old")
    with pytest.raises(TargetTimeout):
        await put(machine, path, b"new", size=1000, timeout_s=1)
    (tmp_path / "short").write_bytes(b"x" * 100)
    with pytest.raises(StateError, match="became shorter"):
        await put(machine, path, sent=FileInput(str(tmp_path / "short"), 200), size=200, sha256=digest(b""))
    async with asyncio.timeout(10):
        while os.listdir(machine.home) != ["file"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert path.read_bytes() == b"old"


async def test_what_a_killed_run_left_goes_with_the_next_one(machine: Machine) -> None:
    left = machine.home / ".file.octo-0123abcd"
    left.mkdir(mode=0o700)
    (left / "0123abcd").write_bytes(b"half")
    (machine.home / ".file.octo-0123abcdef").mkdir()
    await put(machine, "file")
    assert sorted(os.listdir(machine.home)) == [".file.octo-0123abcdef", "file"]


async def test_only_the_mode_is_set_in_place(machine: Machine) -> None:
    path = machine.home / "file"
    path.write_bytes(b"stays")
    path.chmod(0o644)
    before = path.stat()
    seen = await put(machine, path, None, mode=0o600)
    assert (seen.mode, mode_of(path), path.read_bytes()) == (0o600, 0o600, b"stays")
    assert path.stat().st_ino == before.st_ino
    assert (await put(machine, path, None)).mode == 0o600


async def test_a_file_that_is_gone_cannot_keep_its_content(machine: Machine) -> None:
    with pytest.raises(RemoteError, match="is gone: plan again"):
        await put(machine, "file", None, mode=0o600)


@pytest.mark.parametrize(("owner", "group"), [("a:b", None), ("", None), (None, "x\ny")])
async def test_what_cannot_be_an_owner_is_refused(one_machine: Machine, owner: str | None, group: str | None) -> None:
    with pytest.raises(RemoteError, match="cannot be the"):
        await put(one_machine, "file", owner=owner, group=group)


async def test_an_unknown_owner_is_told_and_nothing_is_left(machine: Machine) -> None:
    with pytest.raises(RemoteError, match=r"cannot belong to no-such-user.*no-such-user"):
        await put(machine, "file", owner="no-such-user")
    assert os.listdir(machine.home) == []


async def test_another_owner_by_name_and_number(login: Machine) -> None:
    """As root, over the login's own home."""
    root = Machine(LocalSession(home=str(login.home), env={"PATH": login.path}), login.home, login.shell, login.path)
    seen = await put(root, "by-name", owner="nobody", group="games", mode=0o2750)
    assert (seen.owner, seen.group, seen.uid, seen.mode) == ("nobody", "games", NOBODY, 0o2750)
    seen = await put(root, "by-number", owner=str(NOBODY), group="54321", new_mode=0o640)
    assert (seen.owner, seen.group, seen.gid, seen.mode) == ("nobody", "54321", 54321, 0o640)
    seen = await put(root, "by-number", b"other", mode=0o4711)
    assert (seen.owner, seen.gid, seen.mode) == ("nobody", 54321, 0o4711)
    seen = await put(root, "by-number", None, owner="root", group="root")
    assert (seen.owner, seen.group, seen.mode) == ("root", "root", 0o4711)


async def test_an_ordinary_user_cannot_give_files_away(login: Machine) -> None:
    theirs = login.home / "theirs"
    theirs.write_bytes(b"root's")
    for path, owner in (("new", "root"), ("theirs", None)):
        with pytest.raises(RemoteError, match=r"cannot belong to (root|0:0|0) \(only root may give files away"):
            await put(login, path, owner=owner)
    theirs.chmod(0o666)
    with pytest.raises(RemoteError, match="its mode cannot be set"):
        await put(login, theirs, None, mode=0o644)
    assert (theirs.read_bytes(), theirs.stat().st_uid, os.listdir(login.home)) == (b"root's", 0, ["theirs"])


async def test_a_failed_gift_leaves_the_mode_as_it_was(login: Machine) -> None:
    await put(login, "file", mode=0o644)
    with pytest.raises(RemoteError, match="cannot belong to root"):
        await put(login, "file", None, mode=0o600, owner="root")
    assert mode_of(login.home / "file") == 0o644


async def test_a_folder_one_may_not_write_to_is_told(login: Machine) -> None:
    (login.home / "closed").mkdir(mode=0o755)
    (login.home / "hidden").mkdir(mode=0o700)
    with pytest.raises(RemoteError, match=r"closed/ cannot be written to: .*ermission"):
        await put(login, "closed/file")
    with pytest.raises(RemoteError, match="hidden/file cannot be looked at by nobody"):
        await put(login, "hidden/file")
    with pytest.raises(RemoteError, match="hidden/file cannot be looked at by nobody"):
        await remove_it(login, "hidden/file")


async def test_what_is_being_written_can_be_reached_by_nobody_else(login: Machine) -> None:
    """Not by its own mode, which a default ACL of the folder would widen, but by that of a folder around it."""
    home = login.home
    home.chmod(0o777)
    task = asyncio.create_task(put(login, "file", b"x", size=10, sha256=digest(b"x" * 10), mode=0o644))
    async with asyncio.timeout(10):
        while not (parts := list(home.glob(".file.octo-*/*"))):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert mode_of(parts[0].parent) & 0o077 == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(home) == []


@pytest.fixture
def small_disk(machine: Machine) -> Iterator[Path]:
    """A file system of 64 KiB, where one may be mounted."""
    place = machine.home / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@needs_root
async def test_a_full_disk_is_told_and_leaves_the_old_file(machine: Machine, small_disk: Path) -> None:
    path = small_disk / "file"
    path.write_bytes(b"old")
    with pytest.raises(RemoteError, match=r"small/file cannot be written: .*(No space left|I/O error)"):
        await put(machine, path, b"x" * 100_000)
    assert (path.read_bytes(), os.listdir(small_disk)) == (b"old", ["file"])


async def remove_it(machine: Machine, path: str | Path, expect: FileSeen | None = None) -> FileSeen:
    return await machine.session.act(remove_file(str(path), expect=expect))


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_file_is_removed_and_that_is_told(machine: Machine, name: str) -> None:
    path = machine.home / name
    path.write_bytes(b"x")
    seen = await remove_it(machine, path, FileSeen(str(path), FileKind.FILE))
    assert seen == FileSeen(str(path), FileKind.ABSENT)
    assert os.listdir(machine.home) == []
    assert (await remove_it(machine, path, FileSeen(str(path), FileKind.FILE))).kind is FileKind.ABSENT


async def test_only_files_are_removed(machine: Machine) -> None:
    (machine.home / "folder").mkdir()
    (machine.home / "link").symlink_to("folder")
    for name in ("folder", "link"):
        with pytest.raises(RemoteError, match=r"symbolic link|not a regular file"):
            await remove_it(machine, name)
    assert sorted(os.listdir(machine.home)) == ["folder", "link"]


async def test_a_file_one_may_not_remove_is_told(login: Machine) -> None:
    (login.home / "closed").mkdir(mode=0o755)
    (login.home / "closed/file").write_bytes(b"x")
    with pytest.raises(RemoteError, match=r"closed/file cannot be removed: .*ermission"):
        await remove_it(login, "closed/file")
    assert (login.home / "closed/file").exists()
