"""What doctor finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from octo_ssh.errors import ConnectionLost, HostKeyRefused, RemoteError, Unreachable
from octo_ssh.model.observed import Disk, Facts, Lease
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.program import Reading, Sudo
from octo_ssh.model.reports import Diagnosis, Level
from octo_ssh.operations.doctor import doctor, judge, with_twins
from octo_ssh.remote.observe import NEEDED_TOOLS, Health
from octo_ssh.transport.session import Session
from tests.unit.operations.fleets import LocalFleet

TOOLS = NEEDED_TOOLS | {"zstd", "curl", "logger", "sudo"}
FACTS = Facts(
    user="deploy",
    uid=1000,
    home="/home/deploy",
    hostname="web-1",
    machine_id="m1",
    kernel="Linux 6.1 x86_64",
    boot_id="b1",
    root="/home/deploy/.octo-ssh",
    disk=Disk(50 << 30, 1_000_000),
    tools=TOOLS,
)
WELL = Health(FACTS, None, kills_user_processes=False)


def with_facts(**changes: Any) -> Health:
    return replace(WELL, facts=replace(FACTS, **changes))


LEASE = Lease(
    3, "t", 90, "b1", 1.0, '{"user":"ada","host":"laptop","run":"r","purpose":"apply shop","since":"now"}', 5.0
)


@pytest.mark.parametrize(
    ("health", "level", "what"),
    [
        (with_facts(tools=TOOLS - {"setsid", "tar", "sort"}), Level.BAD, "missing: setsid, sort, tar"),
        (with_facts(tools=TOOLS - {"curl"}), Level.NOTE, "neither curl nor wget"),
        (with_facts(tools=TOOLS - {"zstd"}), Level.NOTE, "no zstd"),
        (with_facts(tools=TOOLS - {"logger"}), Level.NOTE, "no logger"),
        (with_facts(selinux=True), Level.NOTE, "SELinux without restorecon"),
        (with_facts(disk=Disk(50 << 20, None)), Level.BAD, "only 50 MiB free at /home/deploy/.octo-ssh"),
        (with_facts(disk=Disk(500 << 20, None)), Level.NOTE, "only 500 MiB free"),
        (with_facts(disk=Disk(50 << 30, 99)), Level.NOTE, "only 99 files"),
        (replace(WELL, kills_user_processes=True), Level.NOTE, "KillUserProcesses=yes"),
        (replace(WELL, lease=LEASE), Level.NOTE, "locked by ada@laptop since"),
    ],
)
def test_each_shortcoming_is_found_alone(health: Health, level: Level, what: str) -> None:
    findings = list(judge("web-1", health))
    if "curl" in what:
        assert not list(judge("web-1", with_facts(tools=TOOLS - {"curl"} | {"wget"})))
    assert [(finding.level, finding.what.startswith(what)) for finding in findings] == [(level, True)]


def test_a_good_machine_has_no_findings() -> None:
    assert list(judge("web-1", WELL)) == []
    assert list(judge("web-1", replace(WELL, kills_user_processes=None))) == []


def test_packages_to_install_are_named() -> None:
    (finding,) = judge("web-1", with_facts(tools=TOOLS - {"setsid", "sort", "stat"}))
    assert finding.hint == "install coreutils util-linux"


@dataclass
class FakeSession:
    """Answers with a given health; sudo does as told."""

    health: Health
    sudo: Callable[[Sudo], None] = lambda sudo: None

    target = "db"

    async def observe(self, program: Reading[Any], *, sudo: Sudo | None = None, timeout_s: float = 60.0) -> Any:
        if sudo is None:
            return self.health
        self.sudo(sudo)
        return {}

    async def close(self) -> None:
        """Nothing is open."""


async def examine(
    fleet: LocalFleet, health: Health, become: str, sudo: Callable[[Sudo], None]
) -> list[tuple[Level, str]]:
    fleet.write(f"version: 1\ntargets: {{db: {{{become}}}}}\n")
    fleet.sessions = {"db": cast(Session, FakeSession(health, sudo))}
    (row,) = await doctor(fleet.request(), emit=fleet.events.append, make_connector=fleet.make_connector)
    return [(finding.level, finding.what) for finding in row.findings]


def works(sudo: Sudo) -> None:
    """sudo lets everybody."""


def refuses(sudo: Sudo) -> None:
    raise RemoteError("sudo refused")


def never(sudo: Sudo) -> None:
    raise AssertionError("sudo was tried")


NO_SUDO = with_facts(tools=TOOLS - {"sudo"})
PASSWORD = "become: {password: {secret: {env: DOCTOR_TEST_PASSWORD}}}"


@pytest.mark.parametrize(
    ("health", "become", "sudo", "found"),
    [
        (WELL, "", works, [(Level.GOOD, "steps can become root")]),
        (WELL, "", refuses, [(Level.NOTE, "steps cannot become root: sudo refused")]),
        (WELL, PASSWORD, works, [(Level.GOOD, "steps can become root")]),
        (WELL, PASSWORD, refuses, [(Level.BAD, "steps cannot become root: sudo refused")]),
        (WELL, "become: {user: app}", refuses, [(Level.BAD, "steps cannot become app: sudo refused")]),
        (WELL, "become: {user: deploy}", never, []),
        (with_facts(user="root"), "", never, []),
        (NO_SUDO, "", never, [(Level.NOTE, "no sudo: steps cannot become root")]),
        (NO_SUDO, "become: {user: app}", never, [(Level.BAD, "no sudo: steps cannot become app")]),
    ],
)
async def test_becoming_another_user_is_tried_as_it_is_configured(
    fleet: LocalFleet,
    monkeypatch: pytest.MonkeyPatch,
    health: Health,
    become: str,
    sudo: Callable[[Sudo], None],
    found: list[tuple[Level, str]],
) -> None:
    monkeypatch.setenv("DOCTOR_TEST_PASSWORD", "correct horse")
    assert await examine(fleet, health, become, sudo) == found


async def test_the_configured_password_is_the_one_that_sudo_gets(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCTOR_TEST_PASSWORD", "correct horse")
    given: list[Sudo] = []
    await examine(fleet, WELL, PASSWORD, given.append)
    assert [(sudo.user, sudo.password and sudo.password.reveal()) for sudo in given] == [("root", "correct horse")]


async def test_a_password_that_cannot_be_read_is_a_finding_of_that_target(fleet: LocalFleet) -> None:
    ((level, what),) = await examine(fleet, WELL, PASSWORD, never)
    assert level is Level.BAD
    assert "DOCTOR_TEST_PASSWORD" in what


async def test_this_machine_is_looked_at_with_the_real_program(fleet: LocalFleet) -> None:
    rows = await doctor(fleet.request("web-1"), emit=fleet.events.append, make_connector=fleet.make_connector)
    (row,) = rows
    assert row.facts is not None
    assert row.facts.root == str(fleet.home("web-1") / ".octo-ssh")
    assert row.facts.disk.free_bytes > 0
    assert not [finding for finding in row.findings if finding.what.startswith("missing")]
    assert list(fleet.home("web-1").iterdir()) == [], "doctor wrote something"


async def test_a_root_that_others_can_enter_is_a_finding(fleet: LocalFleet) -> None:
    (fleet.home("web-1") / ".octo-ssh").mkdir(mode=0o755)
    (row,) = await doctor(fleet.request("web-1"), emit=fleet.events.append, make_connector=fleet.make_connector)
    assert (row.facts, row.outcome) == (None, Outcome.UNCHANGED)
    assert "chmod 700" in row.findings[0].what


async def test_targets_that_cannot_be_looked_at_tell_why(fleet: LocalFleet) -> None:
    fleet.broken = {
        "web-1": Unreachable("refused", hint="is sshd running?"),
        "web-2": HostKeyRefused("web-2: unknown key"),
    }

    class Lost(FakeSession):
        async def observe(self, program: Reading[Any], *, sudo: Sudo | None = None, timeout_s: float = 60.0) -> Any:
            raise ConnectionLost("db: gone")

    fleet.sessions = {"db": cast(Session, Lost(WELL)), "web-3": cast(Session, FakeSession(WELL))}
    rows = await doctor(fleet.request(), emit=fleet.events.append, make_connector=fleet.make_connector)
    assert [(row.target, row.outcome, row.host_key_refused) for row in rows] == [
        ("web-1", Outcome.UNREACHABLE, False),
        ("web-2", Outcome.UNREACHABLE, True),
        ("web-3", Outcome.UNCHANGED, False),
        ("db", Outcome.UNREACHABLE, False),
    ]
    assert [(finding.what, finding.hint) for finding in rows[0].findings] == [("refused", "is sshd running?")]


def test_two_names_for_one_machine_and_root_are_found() -> None:
    def row(name: str, **changes: Any) -> Diagnosis:
        return Diagnosis(name, replace(FACTS, **changes), ())

    rows = (
        row("a"),
        row("b"),
        row("other-root", root="/srv"),
        row("clone", boot_id="b2"),
        row("no-id", machine_id=""),
        row("no-id-either", machine_id=""),
        Diagnosis("gone", None, ()),
    )
    found = {each.target: [finding.what for finding in each.findings] for each in with_twins(rows) if each.findings}
    assert found == {"a": ["the same machine and root as b"], "b": ["the same machine and root as a"]}


@pytest.mark.skipif(not shutil.which("sudo") or os.geteuid() != 0, reason="needs sudo, and to be root")
async def test_real_sudo_is_tried(fleet: LocalFleet) -> None:
    fleet.write("version: 1\ntargets: {a: {become: {user: nobody}}, b: {become: {user: no-such-user}}}\n")
    rows = await doctor(fleet.request(), emit=fleet.events.append, make_connector=fleet.make_connector)
    told = {row.target: [(each.level, each.what) for each in row.findings if "become" in each.what] for row in rows}
    assert told["a"] == [(Level.GOOD, "steps can become nobody")]
    ((level, what),) = told["b"]
    assert level is Level.BAD
    assert what.startswith("steps cannot become no-such-user: ")
