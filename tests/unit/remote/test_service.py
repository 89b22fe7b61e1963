"""Units of systemd, under every shell: what is asked of a systemctl that is none. What a real one makes of it is seen
on the hosts of tests/fleet.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import ServiceSeen
from octo_ssh.model.plan import ServiceState
from octo_ssh.remote.resources import look
from octo_ssh.remote.service import service
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .test_script import alive, wait_for

SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>"$HOME/asked"
[ "$1" != --no-ask-password ] || shift
verb=$1
for unit; do :; done
change() { for pair; do echo "$pair" >"$HOME/$unit/${pair%%=*}"; done; }
anew() { change "InvocationID=$(cat "$HOME/asked" | wc -l)"; }
case $verb in
show)
	while [ "$1" != -- ]; do shift; done
	shift
	for unit; do
		cat "$HOME/$unit"/*
		echo
	done
	;;
*) [ ! -e "$HOME/on-$verb" ] || . "$HOME/on-$verb" ;;
esac
"""
START = "change ActiveState=active SubState=running; anew"
HOOKS = {
    "start": START,
    "restart": START,
    "stop": "change ActiveState=inactive SubState=dead",
    "enable": "change UnitFileState=enabled",
    "disable": "change UnitFileState=disabled",
    "reset-failed": "change ActiveState=inactive",
}
INSIDE = """\
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /run || exit
mkdir -p /run/systemd/system
[ ! -d "$HOME/units" ] || cp -R "$HOME/units/." /run/systemd/system
PATH=$1
exec "$2" -s
"""
"""A shell that finds a running systemd where others look for one, and unit files of a home where an administrator has
them."""


@dataclass(frozen=True, slots=True)
class Manager:
    """The units of a home, and what was asked for."""

    session: LocalSession
    home: Path

    def unit(self, name: str = "shop.service", **properties: str) -> None:
        folder = self.home / name
        folder.mkdir()
        start = {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled"}
        for key, value in {**start, "InvocationID": "", **properties}.items():
            (folder / key).write_text(f"{key}={value}\n")

    def on(self, verb: str, text: str) -> None:
        """What systemctl does then."""
        (self.home / f"on-{verb}").write_text(f"{text}\n")

    @property
    def asked(self) -> list[str]:
        """All but the looks, without what is always there."""
        lines = (self.home / "asked").read_text().splitlines()
        return [line.removeprefix("--no-ask-password ") for line in lines if not line.startswith(("show", "status"))]

    async def bring(
        self,
        state: ServiceState | None = None,
        *,
        enabled: bool | None = None,
        restart: bool = False,
        unit: str = "shop",
        since: str = "",
        timeout_s: float = 30,
    ) -> ServiceSeen:
        program = service(unit, state=state, enabled=enabled, restart=restart, since=since)
        return await self.session.act(program, timeout_s=timeout_s)


@pytest.fixture
def manager(machine: Machine) -> Manager:
    return make_manager(machine)


@pytest.fixture
def one_manager(one_machine: Machine) -> Manager:
    """Under one shell, for what would take long under each."""
    return make_manager(one_machine)


def make_manager(machine: Machine) -> Manager:
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("needs root and unshare")
    (machine.home / "bin").mkdir()
    tool = machine.home / "bin/systemctl"
    tool.write_text(SYSTEMCTL)
    tool.chmod(0o755)
    shell = shutil.which("sh", path=machine.path)
    assert shell is not None
    path = f"{machine.home}/bin:{machine.path}"
    words = (unshare, "--mount", "--", "/bin/sh", "-c", INSIDE, "sh", path, shell)
    manager = Manager(
        LocalSession(machine.shell, shell=words, home=str(machine.home), env={"PATH": path}), machine.home
    )
    for verb, text in HOOKS.items():
        manager.on(verb, text)
    return manager


@pytest.mark.parametrize("active", ["active", "inactive", "failed"])
async def test_a_restart_that_is_repeated_is_one(one_manager: Manager, active: str) -> None:
    one_manager.unit(ActiveState=active, InvocationID="abc")
    for _ in range(2):
        assert (await one_manager.bring(restart=True, since="abc")).active == "active"
    assert [words for words in one_manager.asked if "reset" not in words] == ["restart -- shop.service"]


async def test_a_unit_that_fell_over_after_the_restart_is_restarted_again(one_manager: Manager) -> None:
    one_manager.unit(ActiveState="failed", InvocationID="abd")
    assert (await one_manager.bring(restart=True, since="abc")).active == "active"


RUNNING, STOPPED = ServiceState.RUNNING, ServiceState.STOPPED
ASKED = [
    # state, enabled, restart, ActiveState, UnitFileState, what is asked of systemctl
    (RUNNING, None, False, "active", "disabled", []),
    (RUNNING, None, False, "inactive", "disabled", ["start"]),
    (RUNNING, None, False, "failed", "disabled", ["reset-failed", "start"]),
    (RUNNING, None, True, "active", "disabled", ["restart"]),
    (RUNNING, None, True, "inactive", "disabled", ["restart"]),
    (RUNNING, True, True, "failed", "disabled", ["enable", "reset-failed", "restart"]),
    (RUNNING, True, False, "active", "enabled", []),
    (STOPPED, None, False, "active", "enabled", ["stop"]),
    (STOPPED, None, False, "activating", "enabled", ["stop"]),
    (STOPPED, None, False, "inactive", "enabled", []),
    (STOPPED, None, False, "failed", "enabled", []),
    (STOPPED, None, True, "active", "enabled", ["stop"]),
    (STOPPED, None, True, "inactive", "enabled", []),
    (STOPPED, False, False, "active", "enabled", ["disable", "stop"]),
    (None, True, False, "inactive", "disabled", ["enable"]),
    (None, True, False, "active", "enabled-runtime", ["enable"]),
    (None, False, False, "active", "enabled-runtime", ["disable --runtime"]),
    (None, False, False, "active", "disabled", []),
    (None, False, False, "active", "static", []),
    (None, None, True, "active", "static", ["restart"]),
    (None, None, True, "inactive", "static", ["restart"]),
    (None, None, False, "inactive", "static", []),
]


@pytest.mark.parametrize(("state", "enabled", "restart", "active", "file", "asked"), ASKED)
async def test_only_what_is_not_so_yet_is_asked_for(
    one_manager: Manager,
    state: ServiceState | None,
    enabled: bool | None,
    restart: bool,
    active: str,
    file: str,
    asked: list[str],
) -> None:
    one_manager.unit(ActiveState=active, UnitFileState=file)
    seen = await one_manager.bring(state, enabled=enabled, restart=restart)
    assert one_manager.asked == [f"{words} -- shop.service" for words in asked]
    is_up = active == "active" if not any("start" in word or "stop" in word for word in asked) else "stop" not in asked
    assert (seen.active == "active") is is_up
    if enabled is not None:
        assert (seen.enabled == "enabled") is enabled


CANNOT = [
    ({"LoadState": "not-found"}, RUNNING, None, "shop.service is not there: systemd knows no unit file of that name"),
    ({"LoadState": "masked"}, RUNNING, None, "shop.service is masked: somebody decided"),
    ({"LoadState": "masked"}, STOPPED, True, "shop.service is masked"),
    ({"LoadState": "bad-setting"}, RUNNING, None, "shop.service cannot be used: systemd says bad-setting"),
    ({"UnitFileState": "static"}, None, True, r"cannot be enabled: its unit file has no \[Install\] section"),
]


@pytest.mark.parametrize(("properties", "state", "enabled", "words"), CANNOT)
async def test_what_cannot_be_is_said_in_a_sentence_and_nothing_is_asked(
    manager: Manager, properties: dict[str, str], state: ServiceState | None, enabled: bool | None, words: str
) -> None:
    manager.unit(**properties)
    with pytest.raises(RemoteError, match=words):
        await manager.bring(state, enabled=enabled)
    assert manager.asked == []


@pytest.mark.parametrize(("load", "active", "asked"), [("not-found", "inactive", 0), ("masked", "active", 1)])
async def test_what_is_not_there_is_disabled_already_and_can_be_stopped(
    manager: Manager, load: str, active: str, asked: int
) -> None:
    manager.unit(LoadState=load, ActiveState=active, UnitFileState="masked" if load == "masked" else "")
    assert (await manager.bring(enabled=False)).load == load
    assert (await manager.bring(STOPPED, enabled=False, restart=True)).active == "inactive"
    assert len(manager.asked) == asked


async def test_a_start_that_fails_gives_the_tools_words_and_the_units_last_ones(manager: Manager) -> None:
    manager.unit()
    manager.on("start", "echo Job for it failed. >&2; change ActiveState=failed; exit 1")
    manager.on("status", "seq 1 2000; echo the \x1b[31mport is taken")
    with pytest.raises(RemoteError) as caught:
        await manager.bring(RUNNING)
    first, said, *log = str(caught.value).splitlines()
    assert (first, said, log[-1]) == ("shop.service did not start", "Job for it failed.", "the  [31mport is taken")
    assert len(str(caught.value)) < 4000


async def test_a_journal_is_preferred(manager: Manager) -> None:
    manager.unit()
    manager.on("start", "exit 1")
    tool = manager.home / "bin/journalctl"
    tool.write_text('#!/bin/sh\nif [ "$1" != --sync ]; then echo "$*"; fi\n')
    tool.chmod(0o755)
    with pytest.raises(RemoteError, match=r"\n-q --since @[0-9]+ -u shop.service -n 20 -o cat --no-pager$"):
        await manager.bring(RUNNING)


FALLS_OVER = {
    "at once": ("change ActiveState=failed", "is failed right after its start"),
    "a oneshot": ("change ActiveState=inactive", "is inactive right after its start"),
    "a little later": (
        START + "; (sleep 1; change ActiveState=failed) >/dev/null 2>&1 &",
        "is failed right after its start",
    ),
    "again and again": (
        START + "; (sleep 1; anew) >/dev/null 2>&1 &",
        "fell over after its start, and was started again",
    ),
    "waiting for the next try": (
        "change ActiveState=activating SubState=auto-restart",
        "systemd tries again and again",
    ),
}


@pytest.mark.parametrize(("text", "words"), FALLS_OVER.values(), ids=FALLS_OVER)
async def test_a_unit_that_falls_over_after_its_start_has_failed(manager: Manager, text: str, words: str) -> None:
    manager.unit()
    manager.on("start", text)
    with pytest.raises(RemoteError, match=words):
        await manager.bring(RUNNING)


@pytest.mark.parametrize(
    ("state", "kind", "result", "is_fine"),
    [
        (None, "oneshot", "success", True),
        (RUNNING, "oneshot", "success", False),
        (None, "oneshot", "exit-code", False),
        (None, "simple", "success", False),
    ],
)
async def test_a_unit_that_does_one_thing_and_ends_was_restarted_unless_it_is_to_run(
    one_manager: Manager, state: ServiceState | None, kind: str, result: str, is_fine: bool
) -> None:
    one_manager.unit(Type=kind, Result=result)
    one_manager.on("restart", "change ActiveState=inactive SubState=dead; anew")
    if is_fine:
        assert (await one_manager.bring(state, restart=True)).active == "inactive"
    else:
        with pytest.raises(RemoteError, match="is inactive right after its start"):
            await one_manager.bring(state, restart=True)


async def test_a_unit_that_is_activating_is_waited_for(manager: Manager) -> None:
    manager.unit()
    later = "(sleep 1; change ActiveState=active SubState=running) >/dev/null 2>&1 &"
    manager.on("restart", f"change ActiveState=activating SubState=start; {later}")
    assert (await manager.bring(restart=True)).active == "active"


async def test_a_change_that_does_not_show_is_no_success(manager: Manager) -> None:
    manager.unit(ActiveState="active")
    manager.on("enable", ":")
    manager.on("stop", ":")
    with pytest.raises(RemoteError, match=r"shop.service is disabled still, after systemctl said that all is well"):
        await manager.bring(enabled=True)
    with pytest.raises(RemoteError, match=r"shop.service is active after it was stopped"):
        await manager.bring(STOPPED)


@pytest.mark.parametrize(("verb", "state", "enabled"), [("enable", None, True), ("stop", STOPPED, None)])
async def test_the_tools_own_words_come_through(
    manager: Manager, verb: str, state: ServiceState | None, enabled: bool | None
) -> None:
    manager.unit(ActiveState="active")
    manager.on(verb, "echo Access denied >&2; exit 4")
    with pytest.raises(RemoteError, match=r"^shop\.service (cannot be enabled|did not stop)\nAccess denied"):
        await manager.bring(state, enabled=enabled)


async def test_a_tool_that_says_nothing_of_the_unit_is_told(manager: Manager) -> None:
    with pytest.raises(RemoteError, match=r"systemctl does not tell: .*shop"):
        await manager.bring(RUNNING)


async def test_when_nobody_waits_any_more_systemctl_is_left(manager: Manager) -> None:
    mark = f"37.{time.monotonic_ns()}"
    manager.unit()
    manager.on("start", f'touch "$HOME/up"; exec sleep {mark}')
    task = asyncio.create_task(manager.bring(RUNNING))
    await wait_for(manager.home / "up")
    async with asyncio.timeout(10):
        while not alive(mark):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []


NO_FILES = hashlib.sha256(b"").hexdigest()


async def test_units_are_looked_at_in_one_call(manager: Manager) -> None:
    manager.unit("a.service", ActiveState="active")
    manager.unit("b.timer", UnitFileState="enabled")
    manager.unit("--help.service", LoadState="not-found", UnitFileState="")
    found = await manager.session.observe(look((), {"one": "a", "two": "b.timer", "three": "--help", "four": "a"}))
    loaded = ServiceSeen(systemd=True, load="loaded", active="active", enabled="disabled", unit_sha256=NO_FILES)
    assert found.services == {
        "one": loaded,
        "two": replace(loaded, active="inactive", enabled="enabled"),
        "three": replace(loaded, load="not-found", active="inactive", enabled="", unit_sha256=""),
        "four": loaded,
    }
    assert len((manager.home / "asked").read_text().splitlines()) == 1


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs here")
async def test_without_systemd_there_is_a_sentence(machine: Machine) -> None:
    program = service("shop", state=RUNNING, enabled=None, restart=False)
    with pytest.raises(RemoteError, match="systemd does not run on the target"):
        await machine.session.act(program)
