"""Files and services on real hosts: systemd's own answers, sudo, and a unit that behaves in every way units do."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileKind, FileRequest, ServiceSeen
from octo_ssh.model.plan import ServiceState
from octo_ssh.model.program import Acting, Reading, Sudo
from octo_ssh.model.values import Secret
from octo_ssh.remote.file import put_file, remove_file
from octo_ssh.remote.resources import look
from octo_ssh.remote.service import service
from octo_ssh.remote.unless import Unless, unless
from octo_ssh.transport.local import LocalSession
from tests.fleet.hosts import PASSWORD, Fleet, Host

R = TypeVar("R")
RUNNING, STOPPED = ServiceState.RUNNING, ServiceState.STOPPED
UNIT = """\
[Unit]
StartLimitIntervalSec=60
StartLimitBurst=2
[Service]
{}
[Install]
WantedBy=multi-user.target
"""
STAYS = "ExecStart=sleep infinity"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody at a host, through OpenSSH's own client."""

    host: Host
    session: LocalSession
    sudo: Sudo | None = None

    async def observe(self, program: Reading[R]) -> R:
        return await self.session.observe(program, sudo=self.sudo)

    async def act(self, program: Acting[R], *, timeout_s: float = 60) -> R:
        return await self.session.act(program, sudo=self.sudo, timeout_s=timeout_s)

    async def bring(
        self,
        state: ServiceState | None = None,
        *,
        enabled: bool | None = None,
        restart: bool = False,
        timeout_s: float = 60,
    ) -> ServiceSeen:
        return await self.act(service("oddity", state=state, enabled=enabled, restart=restart), timeout_s=timeout_s)

    async def see(self, *units: str) -> list[ServiceSeen]:
        found = await self.observe(look((), dict(zip(units, units, strict=True))))
        return [found.services[unit] for unit in units]

    def unit(self, service: str) -> None:
        """What the unit is from now on."""
        self.host.write("/etc/systemd/system/oddity.service", UNIT.format(service))
        self.host.run("systemctl daemon-reload")


def login(fleet: Fleet, user: str, sudo: Sudo | None = None) -> Login:
    ssh = shutil.which("ssh")
    assert ssh is not None
    host = fleet.hosts["web-01"]
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityFile": fleet.client_key,
        "UserKnownHostsFile": fleet.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return Login(host, LocalSession(shell=(ssh, "-F", "none", *words, f"{user}@{host.ip}", "sh -s")), sudo)


@pytest.fixture
def root(fleet: Fleet) -> Iterator[Login]:
    """Who may do all, with a password; the unit and the files are gone afterwards."""
    here = login(fleet, "deploy-pw", Sudo("root", Secret(PASSWORD)))
    yield here
    here.host.run("systemctl stop oddity", check=False)
    here.host.run("systemctl disable oddity; systemctl unmask oddity", check=False)
    here.host.run("rm -rf /etc/systemd/system/oddity* /etc/oddity; systemctl daemon-reload; systemctl reset-failed")


@pytest.fixture
def plain(fleet: Fleet) -> Login:
    """The login without sudo."""
    return login(fleet, "deploy")


async def test_units_of_every_kind_are_told_as_systemd_sees_them(root: Login, plain: Login) -> None:
    root.unit(STAYS)
    units = ("oddity", "ssh", "basic.target", "no-such-unit", "--version", "systemd-journald.socket")
    seen = await plain.see(*units)
    assert [(one.load, one.active, one.enabled) for one in seen] == [
        ("loaded", "inactive", "disabled"),
        ("loaded", "active", "enabled"),
        ("loaded", "active", "static"),
        ("not-found", "inactive", ""),
        ("not-found", "inactive", ""),
        ("loaded", "active", "static"),
    ]
    # Where somebody else's process runs, only root may see.
    assert [replace(one, runs_in=()) for one in await root.see(*units[1:])] == seen[1:]


async def test_every_override_shows_whether_systemd_was_told_of_it_or_not(root: Login, plain: Login) -> None:
    root.unit(STAYS)
    root.host.run("systemctl start oddity")
    (first,) = await plain.see("oddity")
    assert (len(first.unit_sha256), first.dropins, first.runs_in) == (64, (), ())
    (seen,) = await root.see("oddity")
    assert seen == replace(first, runs_in=("/", "/usr/bin/sleep"))
    assert seen.main_pid == int(root.host.run("systemctl show -P MainPID oddity").stdout)
    names = ("10-plain.conf", "20 with blanks and 'quotes'.conf", "30-ünï.conf")
    digests = {first.unit_sha256}
    for number, name in enumerate(names):
        root.host.write(f"/etc/systemd/system/oddity.service.d/{name}", "[Service]\nNice=5\n")
        (found,) = await plain.see("oddity")
        root.host.run("systemctl daemon-reload")
        (told,) = await plain.see("oddity")
        assert told.unit_sha256 == found.unit_sha256
        assert (
            {*told.dropins}
            == {*found.dropins}
            == {f"/etc/systemd/system/oddity.service.d/{n}" for n in names[: number + 1]}
        )
        digests.add(told.unit_sha256)
    assert len(digests) == 4
    root.host.run("rm -r /etc/systemd/system/oddity.service.d")
    assert await plain.see("oddity") == [first]
    root.host.run("systemctl daemon-reload")
    assert await plain.see("oddity") == [first]
    assert await root.bring(RUNNING) == seen
    root.host.run("systemctl set-property oddity CPUWeight=50")
    (set_,) = await plain.see("oddity")
    assert set_.unit_sha256 not in digests
    root.host.run("systemctl revert oddity; systemctl daemon-reload")
    assert await plain.see("oddity") == [first]


async def test_the_files_of_units_that_a_package_brought_are_told(plain: Login) -> None:
    seen = await plain.see("ssh", "systemd-journald", "getty@tty1", "systemd-journald.socket", "dbus")
    assert [len(one.unit_sha256) for one in seen] == [64] * 5
    assert len({one.unit_sha256 for one in seen}) == 5
    assert [one.main_pid > 0 for one in seen[:2]] == [True, True]


async def test_a_service_goes_all_the_ways_it_can(root: Login) -> None:
    root.unit(STAYS)
    up, down = ("active", "enabled"), ("inactive", "disabled")
    seen = await root.bring(RUNNING, enabled=True)
    assert (seen.active, seen.enabled) == up
    first = root.host.run("systemctl show -P MainPID oddity").stdout
    seen = await root.bring(RUNNING, enabled=True)
    assert ((seen.active, seen.enabled), root.host.run("systemctl show -P MainPID oddity").stdout) == (up, first)
    seen = await root.bring(RUNNING, restart=True)
    assert (seen.active, seen.enabled) == up
    assert root.host.run("systemctl show -P MainPID oddity").stdout != first
    seen = await root.bring(STOPPED, enabled=False)
    assert (seen.active, seen.enabled) == down
    assert (await root.bring(STOPPED, restart=True)).active == "inactive"
    assert (await root.bring(restart=True)).active == "active"
    (seen,) = await root.see("oddity")
    assert (seen.load, seen.active, seen.enabled) == ("loaded", "active", "disabled")


FAILS = {
    "the program is missing": ("Type=exec\nExecStart=/nonexistent", ["did not start", "203/EXEC"]),
    "it fails before": (
        "ExecStartPre=sh -c 'echo port is taken; exit 1'\n" + STAYS,
        ["did not start", "port is taken"],
    ),
    "it ends at once": ("ExecStart=sh -c 'echo giving up; exit 3'", ["failed right after its start", "giving up"]),
    "it ends a second later": ("ExecStart=sh -c 'sleep 1; echo bye; exit 3'", ["failed right after its start", "bye"]),
    "again and again": ("Restart=always\nRestartSec=5\nExecStart=sh -c 'echo bye; exit 3'", ["tries again", "bye"]),
    "again and again, fast": ("Restart=always\nExecStart=sh -c 'sleep 0.7; exit 3'", ["fell over after its start"]),
    "it never says that it is ready": ("Type=notify\nTimeoutStartSec=2\n" + STAYS, ["did not start", "timeout"]),
}


@pytest.mark.parametrize(("text", "words"), FAILS.values(), ids=FAILS)
async def test_a_unit_that_does_not_stay_up_has_failed_with_its_own_words(
    root: Login, text: str, words: list[str]
) -> None:
    root.unit(text)
    with pytest.raises(RemoteError) as caught:
        await root.bring(RUNNING)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


async def test_a_unit_that_failed_too_often_is_started_all_the_same_once_it_is_well(root: Login) -> None:
    root.unit("Restart=always\nRestartSec=100ms\nExecStart=false")
    with pytest.raises(RemoteError):
        await root.bring(RUNNING)
    async with asyncio.timeout(20):
        while (await root.see("oddity"))[0].active != "failed":  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    root.unit(STAYS)
    assert (await root.bring(RUNNING, restart=True)).active == "active"


async def test_a_slow_start_is_waited_for(root: Login) -> None:
    root.unit("Type=notify\nNotifyAccess=all\nExecStart=sh -c 'sleep 2; systemd-notify --ready; sleep infinity'")
    assert (await root.bring(RUNNING)).active == "active"


async def test_what_cannot_be_is_a_sentence(root: Login) -> None:
    with pytest.raises(RemoteError, match=r"oddity\.service is not there"):
        await root.bring(RUNNING)
    root.host.run("ln -s /dev/null /etc/systemd/system/oddity.service; systemctl daemon-reload")
    with pytest.raises(RemoteError, match=r"oddity\.service is masked"):
        await root.bring(RUNNING)
    root.host.run("rm /etc/systemd/system/oddity.service")
    root.host.write("/etc/systemd/system/oddity.service", f"[Service]\n{STAYS}\n")
    root.host.run("systemctl daemon-reload")
    with pytest.raises(RemoteError, match="cannot be enabled: its unit file has no"):
        await root.bring(enabled=True)
    root.unit("Nonsense")
    with pytest.raises(RemoteError, match=r"oddity\.service cannot be used: systemd says bad-setting"):
        await root.bring(RUNNING)


async def test_who_may_not_is_told_in_the_tools_own_words(root: Login, plain: Login) -> None:
    root.unit(STAYS)
    with pytest.raises(RemoteError, match=r"(?i)oddity\.service did not start\n.*(denied|authenti)"):
        await plain.bring(RUNNING)
    with pytest.raises(RemoteError, match=r"(?i)oddity\.service cannot be enabled\n.*(denied|authenti)"):
        await plain.bring(enabled=True)


async def test_a_start_that_takes_too_long_leaves_no_systemctl_behind(root: Login) -> None:
    root.unit("ExecStartPre=sleep 30\n" + STAYS)
    with pytest.raises(Exception, match="was not done within 3 s"):
        await root.bring(RUNNING, timeout_s=3)
    assert root.host.run("pgrep -a systemctl", check=False).stdout == ""


async def test_a_file_of_root_is_seen_written_and_removed(root: Login, plain: Login) -> None:
    data = b"password\n"
    digest = hashlib.sha256(data).hexdigest()
    wanted = FileRequest("file", "/etc/oddity/a b.conf", hashlib.sha256(b"").hexdigest())
    before = (await root.observe(look((wanted,), {}))).files["file"]
    assert (before.kind, before.missing_parents) == (FileKind.ABSENT, True)
    seen = await root.act(
        put_file(
            wanted.path,
            content=Secret(data.decode()),
            size=len(data),
            sha256=digest,
            mode=0o640,
            new_mode=0o600,
            owner=None,
            group="deploy",
            parents=True,
            expect=before,
        )
    )
    assert (seen.owner, seen.group, seen.mode, seen.sha256) == ("root", "deploy", 0o640, digest)
    assert root.host.run("ls -A /etc/oddity").stdout == "a b.conf\n"
    assert root.host.run("stat -c '%U:%G %a' '/etc/oddity/a b.conf'").stdout == "root:deploy 640\n"
    assert (await root.observe(look((wanted,), {}))).files["file"].content == data
    assert (await plain.observe(look((wanted,), {}))).files["file"].content == data
    root.host.run("chmod 600 '/etc/oddity/a b.conf'")
    assert (await plain.observe(look((wanted,), {}))).files["file"].kind is FileKind.UNREADABLE
    with pytest.raises(RemoteError, match=r"cannot be removed: .*Permission denied"):
        await plain.act(remove_file(wanted.path, expect=None))
    assert (await root.act(remove_file(wanted.path, expect=seen))).kind is FileKind.ABSENT


async def test_what_is_done_already_is_asked_as_the_steps_user(root: Login, plain: Login) -> None:
    checks = [
        Unless(
            "who",
            {"SECRET": Secret("s3cret")},
            'test "$SECRET" = s3cret && test "$(id -un)" = root && test "$PWD" = /root',
        ),
        Unless("ssh", {}, "systemctl is-active --quiet ssh"),
        Unless("nothing", {}, "systemctl is-active --quiet nothing"),
    ]
    assert await root.observe(unless(checks)) == {"who": 0, "ssh": 0, "nothing": 3}
    assert (await plain.observe(unless(checks)))["who"] == 1
