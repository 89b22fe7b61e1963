"""Looking at files and units, under every shell: what is there, what may not be seen, and nothing is touched."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileKind, FileRequest, FileSeen, ServiceSeen
from octo_ssh.model.program import Reply
from octo_ssh.remote.resources import Resources, look, unit_name

from .conftest import Machine
from .logins import NOBODY, ordinary_login
from .test_file import ODD_NAMES


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def see(machine: Machine, *paths: str | Path, sha256: str = "") -> list[FileSeen]:
    asked = [FileRequest(f"step-{number}", str(path), sha256) for number, path in enumerate(paths)]
    found = await machine.session.observe(look(asked, {}))
    assert list(found.files) == [request.step_id for request in asked]
    assert found.services == {}
    return list(found.files.values())


async def test_nothing_asked_is_nothing_seen(machine: Machine) -> None:
    assert await machine.session.observe(look((), {})) == Resources({}, {})


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_file_is_told_with_all_that_can_be_said_of_it(machine: Machine, name: str) -> None:
    path = machine.home / "a folder" / name
    path.parent.mkdir()
    path.write_bytes(b"\0bytes\n")
    path.chmod(0o4751)
    (seen,) = await see(machine, path)
    assert seen == FileSeen(
        str(path),
        FileKind.FILE,
        mode=0o4751,
        owner=path.owner(),
        group=path.group(),
        size=7,
        sha256=digest(b"\0bytes\n"),
        uid=os.geteuid(),
        gid=path.stat().st_gid,
    )


async def test_every_kind_is_told_and_no_link_is_followed(machine: Machine) -> None:
    (machine.home / "file").write_bytes(b"")
    (machine.home / "link").symlink_to("file")
    (machine.home / "dangling").symlink_to("nowhere")
    os.mkfifo(machine.home / "pipe")
    before = os.getcwd()
    os.chdir(machine.home)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.chdir(before)
    names = ("file", "link", "dangling", ".", "pipe", "socket", "/dev/null", "/", "nothing", "file/below")
    seen = await see(machine, *names)
    assert [one.kind.value for one in seen] == [
        *("file", "link", "link", "folder", "other", "other", "other", "folder", "absent", "absent")
    ]
    assert [one.missing_parents for one in seen] == [False] * 9 + [True]


async def test_paths_are_told_absolute_and_as_they_were_written(machine: Machine) -> None:
    (machine.home / "real").mkdir()
    (machine.home / "link").symlink_to("real")
    (machine.home / "real/file").write_bytes(b"x")
    seen = await see(machine, "link//./file", "~/link/file/", "~", "//no//such/")
    assert [one.path for one in seen] == [f"{machine.home}/link/file"] * 2 + [str(machine.home), "/no/such"]
    assert [one.kind.value for one in seen] == ["file", "file", "folder", "absent"]
    with pytest.raises(RemoteError, match="may not hold"):
        await see(machine, "../x")


async def test_missing_parents_are_told(machine: Machine) -> None:
    seen = await see(machine, "a", "a/b", "/nonexistent", "/nonexistent/b/c")
    assert [one.missing_parents for one in seen] == [False, True, False, True]
    assert {one.kind for one in seen} == {FileKind.ABSENT}


async def test_content_comes_where_it_is_asked_for_other_and_small(machine: Machine) -> None:
    small, large = os.urandom(64 * 1024), b"x" * (64 * 1024 + 1)
    (machine.home / "small").write_bytes(small)
    (machine.home / "large").write_bytes(large)
    (machine.home / "empty").write_bytes(b"")
    names = ("small", "large", "empty")
    wanted = digest(b"wanted")
    assert [one.content for one in await see(machine, *names)] == [None, None, None]
    assert [one.content for one in await see(machine, *names, sha256=wanted)] == [small, None, b""]
    assert [one.content for one in await see(machine, "small", sha256=digest(small))] == [None]


async def test_hundreds_are_seen_in_one_go(one_machine: Machine) -> None:
    for number in range(300):
        (one_machine.home / f"{number}").write_bytes(str(number).encode())
    seen = await see(one_machine, *map(str, range(300)), sha256=digest(b"7"))
    assert [one.content for one in seen] == [None if n == 7 else str(n).encode() for n in range(300)]


@pytest.fixture(params=["dash", "busybox"])
def login(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """An ordinary user, where root may make one."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ordinary_login(request.param) as machine:
        yield machine


async def test_what_may_not_be_seen_is_never_called_absent(login: Machine) -> None:
    (login.home / "closed/inner").mkdir(parents=True)
    (login.home / "closed/file").write_bytes(b"x")
    (login.home / "closed").chmod(0o700)
    (login.home / "into").symlink_to("closed/inner")
    (login.home / "secret").write_bytes(b"x")
    (login.home / "secret").chmod(0o600)
    names = ("closed", "closed/file", "closed/nothing", "closed/inner/deep/er", "into/file", "secret", "nothing")
    seen = await see(login, *names, sha256=digest(b""))
    assert [one.kind.value for one in seen] == ["folder", *["unreadable"] * 5, "absent"]
    assert not any(one.missing_parents for one in seen)
    assert [one.mode for one in seen] == [0o700, 0, 0, 0, 0, 0o600, 0]
    assert (seen[5].owner, seen[5].content, seen[5].sha256) == ("root", None, "")


async def test_who_has_no_name_is_told_by_number(login: Machine) -> None:
    (login.home / "file").write_bytes(b"x")
    os.chown(login.home / "file", 54321, 54322)
    (seen,) = await see(login, "file")
    assert (seen.owner, seen.group, seen.uid, seen.gid) == ("54321", "54322", 54321, 54322)
    os.chown(login.home / "file", NOBODY, NOBODY)
    assert (await see(login, "file"))[0].owner == "nobody"


async def test_looking_leaves_no_trace(machine: Machine) -> None:
    (machine.home / "file").write_bytes(b"x")
    before = {path: path.lstat() for path in (machine.home, machine.home / "file")}
    await see(machine, "file", "nothing", sha256=digest(b""))
    assert {path: path.lstat().st_ctime_ns for path in before} == {p: was.st_ctime_ns for p, was in before.items()}


UNITS = {
    "shop": "shop.service",
    "shop.service": "shop.service",
    "app-1.2": "app-1.2.service",
    "getty@tty1": "getty@tty1.service",
    "-.mount": "-.mount",
    "dbus.socket": "dbus.socket",
    "a\\x2db": "a\\x2db.service",
    "--help": "--help.service",
}


@pytest.mark.parametrize(("name", "whole"), UNITS.items())
def test_a_name_without_a_suffix_is_a_service(name: str, whole: str) -> None:
    assert unit_name(name) == whole


@pytest.mark.parametrize(
    "name", ["", "a b", "a;b", "*", "a?", "[a]", "a/b", "a\nb", "$(id)", "ünit", ".service", "x" * 300]
)
def test_what_is_no_unit_is_refused(name: str) -> None:
    with pytest.raises(RemoteError, match="cannot be the name of a systemd unit"):
        unit_name(name)


@pytest.mark.parametrize("name", ["getty@", "getty@.service"])
def test_a_template_without_an_instance_is_refused(name: str) -> None:
    with pytest.raises(RemoteError, match="name one of its instances, such as getty@one"):
        unit_name(name)


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs here")
async def test_without_systemd_that_is_all_that_is_told(machine: Machine) -> None:
    found = await machine.session.observe(look((), {"one": "shop", "two": "--help"}))
    assert found.services == {"one": ServiceSeen(systemd=False), "two": ServiceSeen(systemd=False)}


def parsed(units: str, services: Mapping[str, str]) -> Mapping[str, ServiceSeen]:
    return look((), services).parse(Reply(0, (("units", units.encode()),))).services


def test_two_steps_may_name_one_unit() -> None:
    block = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nInvocationID=ab\n"
    seen = ServiceSeen(systemd=True, load="loaded", active="active", enabled="enabled", start="ab")
    assert parsed(block, {"one": "shop", "two": "shop.service"}) == {"one": seen, "two": seen}


def test_a_unit_that_is_not_there_is_told_as_such() -> None:
    told = "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n\nActiveState=failed\nLoadState=loaded\n"
    assert parsed(told, {"one": "a", "two": "b"}) == {
        "one": ServiceSeen(systemd=True, load="not-found", active="inactive"),
        "two": ServiceSeen(systemd=True, load="loaded", active="failed"),
    }


@pytest.mark.parametrize("told", ["LoadState=loaded\n\nLoadState=loaded\n", "ActiveState=active\n", "nonsense"])
def test_another_number_of_units_is_no_answer(told: str) -> None:
    with pytest.raises(ValueError, match="systemctl told of"):
        parsed(told, {"one": "shop"})


def test_a_state_that_is_no_word_is_not_believed() -> None:
    assert parsed("LoadState=\x1b[31mred\nActiveState=act ive\n", {"one": "shop"})["one"].load == "unknown"


def file_reply(*fields: str, content: bytes = b"") -> Reply:
    packed = (("content", content),) if content else ()
    return Reply(0, (("file", "".join(f"{field}\0" for field in fields).encode()), *packed))


LIES = [
    ("/x", "file", "0", "81a4:0:0:1:root:root"),
    ("/x", "file", "0", "81a4:0:0:1:root:root", "abc"),
    ("/x", "strange", "0", "", ""),
    ("/x", "file", "0", "81a4:0:0:x:root:root", "0" * 64),
    ("/x", "file", "0", "81a4:0:0", "0" * 64),
]


@pytest.mark.parametrize("fields", LIES)
def test_a_reply_that_makes_no_sense_is_refused(fields: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        look((FileRequest("one", "/x"),), {}).parse(file_reply(*fields))


def test_content_that_is_not_what_was_hashed_is_dropped() -> None:
    reply = file_reply("/x", "file", "0", "81a4:0:0:1:root:root", digest(b"a"), content=gzip.compress(b"b"))
    assert look((FileRequest("one", "/x", digest(b"")),), {}).parse(reply).files["one"].content is None


async def test_a_path_of_which_nobody_can_tell_is_not_called_absent(machine: Machine) -> None:
    """As on a disk that fails: here, a name that no disk can hold, and links that lead in a circle."""
    (machine.home / "circle").symlink_to("circle")
    seen = await see(machine, "x" * 300, "circle/file", "none: No such file or directory", "file: Not a directory/x")
    assert [one.kind.value for one in seen] == ["unreadable", "unreadable", "absent", "absent"]
    (machine.home / "a file").write_bytes(b"")
    assert [one.kind.value for one in await see(machine, "a file/below")] == ["absent"]
