"""What nobody was told of yet, however often somebody looked meanwhile."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output.drift_database import _FIRST, DATABASE
from octo_ssh.output.drift_history import open_findings, with_history
from octo_ssh.output.drift_told import all_news, delivered, untold
from tests.unit.output.test_drift_history import EDITED, OTHER_KEY, STOPPED, at, check, target

UNIT = Finding("unit", FindingKind.UNIT, "shop.service", "", "with evil.conf", seen="a1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / DATABASE


def looked(report: DriftReport, path: Path) -> DriftReport:
    """A check by hand."""
    return with_history(report, path)


def told(report: DriftReport, path: Path, *, arrives: bool = True) -> list[str]:
    """A check with a notification: what that says."""
    news = untold(with_history(report, path), path)
    if arrives:
        delivered(news, path)
    return [
        f"{what} {name} {finding.subject}"
        for what, pairs in (("new", news.new), ("gone", news.gone), ("accepted", news.accepted))
        for name, finding in pairs
    ]


def unit(sha256: str, *findings: Finding) -> TargetDrift:
    state = State.DRIFTED if findings else State.IN_SYNC
    return TargetDrift("web-1", (StepDrift("unit", "unit", state, findings=findings, unit_sha256=sha256),))


def test_a_check_by_hand_takes_no_news_away(path: Path) -> None:
    looked(check(0, target("web-1", EDITED)), path)
    assert told(check(1, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]
    assert told(check(2, target("web-1", EDITED)), path) == []
    looked(check(3, target("web-1")), path)
    assert told(check(4, target("web-1")), path) == ["gone web-1 etc/app.conf"]
    assert told(check(5, target("web-1")), path) == []


def test_what_did_not_arrive_is_told_again(path: Path) -> None:
    assert told(check(0, target("web-1", EDITED)), path, arrives=False) == ["new web-1 etc/app.conf"]
    assert told(check(1, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]
    assert told(check(2, target("web-1")), path, arrives=False) == ["gone web-1 etc/app.conf"]
    assert told(check(3, target("web-1")), path) == ["gone web-1 etc/app.conf"]


def test_a_check_of_fewer_targets_tells_of_those_alone(path: Path) -> None:
    looked(check(0, target("web-1", EDITED), target("web-2", EDITED)), path)
    assert told(check(1, target("web-2", EDITED)), path) == ["new web-2 etc/app.conf"]
    assert told(check(2, target("web-1", EDITED), target("web-2", EDITED)), path) == ["new web-1 etc/app.conf"]
    looked(check(3, target("web-1"), target("web-2")), path)
    assert told(check(4, target("web-2")), path) == ["gone web-2 etc/app.conf"]
    assert told(check(5, target("web-1"), target("web-2")), path) == ["gone web-1 etc/app.conf"]


def test_environments_are_told_apart(path: Path) -> None:
    looked(check(0, target("web-1", EDITED), environment=None), path)
    assert told(check(1, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]
    assert told(check(2, target("web-1", EDITED), environment=None), path) == ["new web-1 etc/app.conf"]


def test_what_came_and_went_untold_is_no_news(path: Path) -> None:
    looked(check(0, target("web-1", EDITED)), path)
    looked(check(1, target("web-1")), path)
    assert told(check(2, target("web-1")), path) == []


def test_what_was_told_went_and_is_back_is_new_and_not_gone(path: Path) -> None:
    told(check(0, target("web-1", EDITED)), path)
    looked(check(1, target("web-1")), path)
    assert told(check(2, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]
    assert told(check(3, target("web-1")), path) == ["gone web-1 etc/app.conf"]


def test_what_is_expected_meanwhile_is_not_told_as_gone(path: Path) -> None:
    told(check(0, target("web-1", EDITED)), path)
    until = Expected("etc/*", "a trial", date(2026, 11, 25))
    covered = TargetDrift("web-1", (StepDrift("shop", "shop", State.EXPECTED, expected=((EDITED, until),)),))
    assert told(check(1, covered), path) == []
    assert told(check(3, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]


def test_nobody_could_look_and_so_nothing_is_told_of_it(path: Path) -> None:
    told(check(0, target("web-1", EDITED, STOPPED)), path)
    assert told(check(1, TargetDrift("web-1", findings=(OTHER_KEY,))), path) == ["new web-1 ssh-ed25519"]
    assert told(check(2, TargetDrift("web-1", unreachable="connection refused")), path) == []


def test_what_is_there_still_and_remembered_so_was_accepted(path: Path) -> None:
    told(check(0, unit("a1", UNIT)), path)
    report = looked(check(1, unit("a1")), path)
    assert (report.gone, report.accepted) == ((), (("web-1", UNIT),))
    assert told(check(2, unit("a1")), path) == ["accepted web-1 shop.service"]
    assert told(check(3, unit("a1")), path) == []


@pytest.mark.parametrize("sha256", ["", "b2"])
def test_what_is_not_as_it_was_found_is_gone(path: Path, sha256: str) -> None:
    looked(check(0, unit("a0", replace(UNIT, seen="a0"))), path)
    looked(check(1, unit("a1", UNIT)), path)
    report = looked(check(2, unit(sha256)), path)
    assert (report.gone, report.accepted) == ((("web-1", UNIT),), ())


def test_a_history_of_before_knows_of_nobody_who_was_told(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        for statement in (*_FIRST, "PRAGMA user_version = 1"):
            database.execute(statement)
        values = ("shop", "production", "web-1", *EDITED.key, "", "", at(0), at(0))
        database.execute(f"INSERT INTO findings VALUES (1, {', '.join('?' * len(values))}, NULL)", values)
    database.close()
    assert told(check(1, target("web-1", EDITED)), path) == ["new web-1 etc/app.conf"]
    assert [row.first_seen for row in open_findings(path, "shop", "production")] == [at(0)]


def test_without_a_history_all_is_news() -> None:
    report = check(0, target("web-1", EDITED))
    assert [name for name, _ in all_news(report).new] == ["web-1"]
    assert not all_news(check(0, target("web-1")))
