"""What is told of a unit's files and of its process, under every shell, by a systemctl that is none."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from octo_ssh.model.observed import ServiceSeen
from octo_ssh.model.plan import ServiceState
from octo_ssh.remote.resources import look
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .logins import NOBODY, ordinary_login
from .test_service import INSIDE, NO_FILES, Manager, make_manager

RUN = "/run/systemd/system"
FRAGMENT = f"{RUN}/vendor/shop.service"
"""Where nobody looks but who is told."""
NOBODY_WORDS = f"--reuid={NOBODY} --regid={NOBODY} --clear-groups"
ODD = "two words 'and' \"more\" $(id)\nlines.conf"


@pytest.fixture
def manager(machine: Machine) -> Manager:
    return with_files(make_manager(machine))


def with_files(manager: Manager) -> Manager:
    """With a unit whose file lies where a package might have it; ``units`` stands for ``/run/systemd/system``."""
    (manager.home / "units/vendor").mkdir(parents=True)
    (manager.home / "units/shop.service.d").mkdir()
    (manager.home / "units/vendor/shop.service").write_bytes(b"[Service]\nExecStart=/bin/true\n")
    tell(manager)
    return manager


def tell(manager: Manager, *dropins: str, **more: str) -> None:
    """What systemd says of the unit from now on. Like systemd, with quotes around names with a blank."""
    shutil.rmtree(manager.home / "shop.service", ignore_errors=True)
    words = " ".join(f'"{path}"' if " " in path else path for path in dropins)
    manager.unit("shop.service", **{"FragmentPath": FRAGMENT, "DropInPaths": words, **more})


async def see(manager: Manager, unit: str = "shop") -> ServiceSeen:
    return (await manager.session.observe(look((), {"one": unit}))).services["one"]


async def test_the_same_files_give_the_same_digest(manager: Manager) -> None:
    seen = await see(manager)
    assert seen == ServiceSeen(
        True,
        "loaded",
        "inactive",
        "disabled",
        unit_sha256=seen.unit_sha256,
        files={FRAGMENT: hashlib.sha256(b"[Service]\nExecStart=/bin/true\n").hexdigest()},
    )
    assert len(seen.unit_sha256) == 64
    assert await see(manager) == seen
    assert await manager.bring(ServiceState.STOPPED) == seen


def _link(path: Path, to: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda units: (units / "vendor/shop.service").write_bytes(b"[Service]\nExecStart=/bin/evil\n"),
    "gone": lambda units: (units / "vendor/shop.service").unlink(),
    "a fifo": lambda units: _fifo(units / "vendor/shop.service"),
    "masked": lambda units: _link(units / "vendor/shop.service", "/dev/null"),
    "a dangling link": lambda units: _link(units / "vendor/shop.service", "nowhere"),
    "a file that comes first": lambda units: (units / "shop.service").touch(),
    "a mask that comes first": lambda units: _link(units / "shop.service", "/dev/null"),
    "a drop-in": lambda units: (units / "shop.service.d/one.conf").touch(),
    "a drop-in with an odd name": lambda units: (units / "shop.service.d" / ODD).touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_every_change_on_disk_shows_though_systemd_was_told_of_none(
    manager: Manager, change: Callable[[Path], object]
) -> None:
    before = await see(manager)
    change(manager.home / "units")
    after = await see(manager)
    assert len(after.unit_sha256) == 64
    assert after.unit_sha256 != before.unit_sha256
    assert after.files != before.files


async def test_drop_ins_are_told_and_their_content_counts(manager: Manager) -> None:
    names = [f"{RUN}/shop.service.d/{name}" for name in ("b.conf", "a.conf", ODD)]
    for name in ("a.conf", "b.conf", ODD, "no-drop-in"):
        (manager.home / "units/shop.service.d" / name).write_text("[Service]\n")
    found = await see(manager)
    assert sorted(found.dropins) == sorted(names)
    tell(manager, *names)
    told = await see(manager)
    assert sorted(told.dropins) == sorted(names)
    assert told.unit_sha256 == found.unit_sha256, "reading them in is no change"
    (manager.home / "units/shop.service.d" / ODD).write_text("[Service]\nNice=3\n")
    assert (await see(manager)).unit_sha256 not in ("", told.unit_sha256)


async def test_what_systemd_has_not_forgotten_yet_does_not_count(manager: Manager) -> None:
    before = await see(manager)
    tell(manager, f"{RUN}/shop.service.d/removed.conf", "relative", "/nonexistent/x.conf")
    assert await see(manager) == before


async def test_an_instance_has_the_files_of_its_template_too(manager: Manager) -> None:
    manager.unit("a@b\\x2dc.service")
    before = await see(manager, "a@b\\x2dc")
    assert before.unit_sha256 == NO_FILES
    (manager.home / "units/a@.service").touch()
    (manager.home / "units/a@.service.d").mkdir()
    (manager.home / "units/a@.service.d/x.conf").touch()
    after = await see(manager, "a@b\\x2dc")
    assert after.unit_sha256 != before.unit_sha256
    assert after.dropins == (f"{RUN}/a@.service.d/x.conf",)


async def test_of_a_unit_that_is_not_there_nothing_is_remembered(manager: Manager) -> None:
    manager.unit("none.service", LoadState="not-found")
    assert (await see(manager, "none")).unit_sha256 == ""


@pytest.mark.parametrize("hidden", ["vendor", "vendor/shop.service", "shop.service.d", "shop.service.d/x.conf"])
async def test_what_may_not_be_read_is_never_taken_for_absent(hidden: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ordinary_login("dash") as machine:
        manager = with_files(make_manager(machine))
        (manager.home / "units/shop.service.d/x.conf").touch()
        words = [str(word) for word in manager.session._shell]
        words[words.index("-c") + 1] = INSIDE.replace(
            'exec "$2"', f'exec {shutil.which("setpriv")} {NOBODY_WORDS} "$2"'
        )
        session = LocalSession("nobody", shell=words, home=str(manager.home), env={"PATH": machine.path})
        asked = look((), {"one": "shop"})
        (manager.home / "asked").touch()
        (manager.home / "asked").chmod(0o666)
        assert len((await session.observe(asked)).services["one"].unit_sha256) == 64
        (manager.home / "units" / hidden).chmod(0o600)
        seen = (await session.observe(asked)).services["one"]
        assert (seen.load, seen.unit_sha256) == ("loaded", "")


async def test_where_the_main_process_runs_is_told(manager: Manager) -> None:
    release = manager.home / "releases/1.0 of ünï"
    release.mkdir(parents=True)
    program = release / "app"
    shutil.copy(shutil.which("sleep") or "", program)
    process = await asyncio.create_subprocess_exec(program, "60", cwd=release)
    try:
        tell(manager, MainPID=str(process.pid), ActiveState="active")
        seen = await see(manager)
        assert (seen.main_pid, seen.runs_in) == (process.pid, (str(release), str(program)))
        shutil.rmtree(release)
        assert (await see(manager)).runs_in == (str(release), str(program))
    finally:
        process.kill()
        await process.wait()
    assert (await see(manager)).runs_in == ()


@pytest.mark.parametrize("pid", ["0", "", "x", "1/../1", "-1"])
async def test_without_a_process_nothing_is_told_of_one(manager: Manager, pid: str) -> None:
    tell(manager, MainPID=pid)
    seen = await see(manager)
    assert (seen.main_pid, seen.runs_in) == (0, ())


async def test_units_do_not_get_each_others_files(manager: Manager) -> None:
    (manager.home / "units/b.service.d").mkdir()
    (manager.home / "units/b.service.d/b.conf").touch()
    manager.unit("a.service")
    manager.unit("b.service", MainPID=str(os.getpid()))
    found = (await manager.session.observe(look((), {"a": "a", "b": "b", "shop": "shop"}))).services
    assert found["a"].unit_sha256 == NO_FILES
    assert found["b"].dropins == (f"{RUN}/b.service.d/b.conf",)
    assert found["shop"] == await see(manager)
    assert (found["a"].main_pid, found["b"].main_pid) == (0, os.getpid())
