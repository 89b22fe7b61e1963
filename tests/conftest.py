"""Fixtures for all tests: real OpenSSH servers on loopback, and a fleet of Debian hosts.

A run in which no test ran is no success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.campaign import PROPERTY, table
from tests.fleet.base import why_no_fleet
from tests.fleet.hosts import Fleet
from tests.integration.sshd import Sshd, make_key, why_no_login_shell, why_no_sshd

# No test times anything, and machines may be busy.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

MakeSshd = Callable[..., Sshd]
SshdFarm = Callable[[int], list[Sshd]]


@pytest.fixture(scope="session", autouse=True)
def _leave_the_user_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or touches the records, caches and keys of whoever runs the tests."""
    own = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCTO_SSH_STATE", str(own / "state"))
        patch.setenv("OCTO_SSH_CACHE", str(own / "cache"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key without passphrase that every test sshd lets in."""
    if reason := why_no_sshd():
        pytest.skip(reason)
    return make_key(tmp_path_factory.mktemp("client") / "id_ed25519")


@pytest.fixture
def make_sshd(tmp_path: Path, client_key: Path) -> Iterator[MakeSshd]:
    """Makes sshds: ``make_sshd(extra="MaxStartups 2:100:2", login_shell="/bin/csh")``; all are stopped at the end."""
    made: list[Sshd] = []

    def make(name: str = "", *, extra: str = "", login_shell: str | None = None) -> Sshd:
        if login_shell is not None and (reason := why_no_login_shell()):
            pytest.skip(reason)
        folder = tmp_path / (name or f"sshd-{len(made) + 1}")
        made.append(Sshd.create(folder, client_key, extra=extra, login_shell=login_shell))
        return made[-1]

    yield make
    for sshd in made:
        sshd.stop()
        sshd.end_what_it_left()


@pytest.fixture
def sshd(make_sshd: MakeSshd) -> Sshd:
    """One running sshd."""
    return make_sshd()


@pytest.fixture
def sshd_farm(make_sshd: MakeSshd) -> SshdFarm:
    """``sshd_farm(5)``: that many running sshds, each with its own home, port and host key."""
    return lambda count: [make_sshd() for _ in range(count)]


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Five hosts that are up: web-01 and web-02, and web-03 and web-04 behind the host ``jump``.

    They are shared by the whole session: a test leaves them as it found them, or resets what it used.
    """
    if reason := why_no_fleet():
        pytest.skip(reason)
    fleet = Fleet.boot(webs=4, behind_jump=2)
    yield fleet
    fleet.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pytest calls a run of nothing but skipped tests a success; a CI that believed it would see nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or reporter is None or session.config.option.collectonly:
        return
    if session.exitstatus == pytest.ExitCode.OK and not any(reporter.stats.get(key) for key in ("passed", "xfailed")):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault tests have found, as a table."""
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    properties = [entry for report in reports if report.when == "teardown" for entry in report.user_properties]
    if rows := [value for name, value in properties if name == PROPERTY]:
        terminalreporter.section("faults")
        for line in table(rows):
            terminalreporter.write_line(line)
