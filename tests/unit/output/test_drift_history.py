"""The history of checks for drift: since when, what is gone, and that checks beside each other do no harm."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from octo_ssh.errors import StateError
from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output import drift_database
from octo_ssh.output.document import timestamp
from octo_ssh.output.drift_database import DATABASE
from octo_ssh.output.drift_history import (
    KEPT_DAYS,
    age_words,
    checked_projects,
    news,
    open_findings,
    past_checks,
    with_history,
)

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
EDITED = Finding("shop", FindingKind.CONTENT, "etc/app.conf", "sha256 1", "sha256 2")
STOPPED = Finding("unit", FindingKind.STATE, "shop.service", "active", "inactive")
UNHEALTHY = Finding("probe", FindingKind.CHECK, "http://localhost/", "", "status 500")
OTHER_KEY = Finding("", FindingKind.HOST_KEY, "ssh-ed25519", "SHA256:a", "SHA256:b")


def at(day: float) -> str:
    return timestamp(START + timedelta(days=day))


def target(name: str, *findings: Finding, state: State | None = None, steps: tuple[str, ...] = ()) -> TargetDrift:
    """One whose steps are those of its findings and ``steps``."""
    ids = dict.fromkeys((*(finding.step for finding in findings), *(steps or ("shop", "unit"))))
    return TargetDrift(
        name,
        tuple(
            StepDrift(step, step, state or (State.DRIFTED if mine else State.IN_SYNC), findings=mine)
            for step in ids
            for mine in [tuple(finding for finding in findings if finding.step == step)]
        ),
    )


def check(day: float, *targets: TargetDrift, environment: str | None = "production") -> DriftReport:
    return DriftReport("shop", environment, at(day), targets, seconds=1.5)


def told(report: DriftReport) -> tuple[list[str], list[str]]:
    """What is new and what is gone, as ``target subject``."""
    new, gone = news(report)
    return [f"{name} {finding.subject}" for name, finding in new], [
        f"{name} {finding.subject}" for name, finding in gone
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state" / DATABASE


def test_a_finding_is_new_once_then_still_there_then_gone_once(path: Path) -> None:
    first = with_history(check(0, target("web-1", EDITED)), path)
    second = with_history(check(6, target("web-1", EDITED)), path)
    third = with_history(check(7, target("web-1")), path)
    fourth = with_history(check(8, target("web-1")), path)
    assert [told(report) for report in (first, second, third, fourth)] == [
        (["web-1 etc/app.conf"], []),
        ([], []),
        ([], ["web-1 etc/app.conf"]),
        ([], []),
    ]
    assert second.ages == {("web-1", EDITED.key): at(0)}
    assert second.before == {"web-1": at(0)}
    assert third.gone == (("web-1", EDITED),)


def test_a_finding_that_comes_back_is_new_again(path: Path) -> None:
    for day, findings in enumerate([(EDITED,), ()]):
        with_history(check(day, target("web-1", *findings)), path)
    report = with_history(check(2, target("web-1", EDITED)), path)
    assert told(report) == (["web-1 etc/app.conf"], [])
    assert report.ages == {("web-1", EDITED.key): at(2)}


def test_what_has_changed_further_is_the_same_finding_with_its_latest_words(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    report = with_history(check(1, target("web-1", replace(EDITED, now="sha256 3"))), path)
    assert told(report) == ([], [])
    [row] = open_findings(path, "shop", "production")
    assert (row.now, row.first_seen, row.last_seen) == ("sha256 3", at(0), at(1))


@pytest.mark.parametrize(
    "later",
    [
        TargetDrift("web-1", unreachable="connection refused"),
        TargetDrift("web-1", unreachable="busy: anna@desk"),
        TargetDrift("web-1", findings=(OTHER_KEY,)),
        target("web-1", state=State.UNKNOWN),
        target("web-1", replace(STOPPED, subject="else.service"), steps=("unit",)),
    ],
    ids=["unreachable", "busy", "another machine", "denied", "something else found"],
)
def test_a_finding_is_neither_gone_nor_seen_where_nobody_could_look(path: Path, later: TargetDrift) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    if later.state is State.DRIFTED and not later.findings:
        later = replace(
            later, steps=(*later.steps, StepDrift("shop", "shop", State.UNKNOWN, reason="permission denied"))
        )
    report = with_history(check(1, later), path)
    assert report.gone == ()
    assert {row.subject: row.last_seen for row in open_findings(path, "shop", "production")}["etc/app.conf"] == at(0)
    after = with_history(check(2, target("web-1", EDITED)), path)
    assert told(after)[0] == []
    assert after.ages["web-1", EDITED.key] == at(0)


def test_a_target_left_out_keeps_its_findings(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED), target("web-2", EDITED)), path)
    report = with_history(check(1, target("web-2")), path)
    assert told(report) == ([], ["web-2 etc/app.conf"])
    assert [row.target for row in open_findings(path, "shop", "production")] == ["web-1"]


def test_a_step_that_is_partly_unreadable_keeps_what_was_not_seen(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    another = replace(EDITED, subject="bin/run")
    step = StepDrift("shop", "shop", State.DRIFTED, "etc: permission denied", (another,), partly_unknown=True)
    assert told(with_history(check(1, TargetDrift("web-1", (step,))), path)) == (["web-1 bin/run"], [])


def test_a_check_that_is_not_asked_is_not_gone(path: Path) -> None:
    with_history(check(0, target("web-1", UNHEALTHY)), path)
    assert with_history(check(1, target("web-1")), path).gone == ()
    assert told(with_history(check(2, target("web-1", steps=("probe",))), path))[1] == ["web-1 http://localhost/"]


def test_a_step_that_is_watched_no_more_leaves_nothing_open(path: Path) -> None:
    with_history(check(0, target("web-1", STOPPED)), path)
    assert told(with_history(check(1, target("web-1", steps=("shop",))), path))[1] == ["web-1 shop.service"]


def test_what_is_expected_is_no_news_and_its_end_is(path: Path) -> None:
    until = Expected("etc/*", "a trial", date(2026, 11, 25))
    covered = TargetDrift(
        "web-1",
        (
            StepDrift("shop", "shop", State.EXPECTED, expected=((EDITED, until),)),
            StepDrift("unit", "unit", State.IN_SYNC),
        ),
    )
    with_history(check(0, target("web-1", EDITED)), path)
    assert told(with_history(check(1, covered), path)) == ([], [])
    assert open_findings(path, "shop", "production") == ()
    assert told(with_history(check(2, target("web-1", EDITED)), path)) == (["web-1 etc/app.conf"], [])


def test_a_changed_host_key_is_gone_when_the_target_is_let_in_again(path: Path) -> None:
    with_history(check(0, TargetDrift("web-1", findings=(OTHER_KEY,), unreachable="host key changed")), path)
    assert told(with_history(check(1, TargetDrift("web-1", unreachable="no route")), path)) == ([], [])
    assert told(with_history(check(2, target("web-1")), path)) == ([], ["web-1 ssh-ed25519"])


def test_projects_and_environments_know_nothing_of_each_other(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    with_history(check(1, target("web-1"), environment=None), path)
    with_history(replace(check(2, target("web-1")), project="blog"), path)
    assert checked_projects(path) == (("blog", "production"), ("shop", None), ("shop", "production"))
    assert len(open_findings(path, "shop", "production")) == 1
    assert [row.at for row in past_checks(path, "shop", None, limit=9)] == [at(1)]


def test_checks_are_counted_the_latest_last(path: Path) -> None:
    pending = target("web-3", state=State.PENDING)
    for day in range(4):
        with_history(check(day, target("web-1", EDITED, STOPPED), target("web-2"), pending), path)
    rows = past_checks(path, "shop", "production", limit=3)
    assert [row.at for row in rows] == [at(1), at(2), at(3)]
    last = rows[-1]
    assert (last.targets, last.drifted, last.in_sync, last.pending, last.unknown, last.findings) == (3, 1, 1, 1, 0, 2)
    assert last.seconds == 1.5


def test_what_is_too_old_is_let_go(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED), target("web-2", EDITED)), path)
    with_history(check(1, target("web-1")), path)
    with_history(check(KEPT_DAYS + 2, target("web-9")), path)
    assert [row.at for row in past_checks(path, "shop", "production", limit=9)] == [at(KEPT_DAYS + 2)]
    assert open_findings(path, "shop", "production") == ()
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM findings").fetchone() == (0,)
        assert database.execute("SELECT target FROM looks").fetchall() == [("web-9",)]
    database.close()


def test_a_check_that_began_earlier_takes_nothing_back(path: Path) -> None:
    with_history(check(0, target("web-1")), path)
    with_history(check(2, target("web-1", EDITED)), path)
    late = with_history(check(1, target("web-1")), path)
    assert told(late) == ([], [])
    assert len(open_findings(path, "shop", "production")) == 1
    assert with_history(check(3, target("web-1", EDITED)), path).before == {"web-1": at(2)}


def test_a_name_that_is_no_text_is_kept(path: Path) -> None:
    odd = replace(EDITED, subject="etc/\udcff\x00 '\"; DROP TABLE checks")
    report = with_history(check(0, target("web-1", odd)), path)
    assert report.ages == {("web-1", odd.key): at(0)}
    assert with_history(check(1, target("web-1", odd)), path).ages == {("web-1", odd.key): at(0)}
    assert len(told(with_history(check(2, target("web-1")), path))[1]) == 1


def test_the_file_is_the_users_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with_history(check(0, target("web-1", EDITED)), path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == [DATABASE]


def _check_many(path: Path, name: str, start: float) -> None:
    for number in range(15):
        with_history(check(start + number, target("shared", EDITED), target(name, EDITED)), path)


def test_checks_in_two_processes_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_check_many, args=(path, name, day)) for name, day in (("a", 0), ("b", 0.5))]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(past_checks(path, "shop", "production", limit=99)) == 30
    assert sorted(row.target for row in open_findings(path, "shop", "production")) == ["a", "b", "shared"]


def _damage(path: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def _of_tomorrow(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_link(path: Path) -> None:
    os.replace(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_damage, "is damaged"),
        (_of_tomorrow, "is of a newer octo-ssh"),
        (_a_folder, "cannot be kept"),
        (_a_link, "cannot be kept"),
    ],
)
def test_a_history_that_cannot_be_kept_is_told(path: Path, harm: Callable[[Path], None], words: str) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    harm(path)
    with pytest.raises(StateError, match=words) as caught:
        with_history(check(1, target("web-1")), path)
    assert caught.value.hint


def test_a_report_that_cannot_be_written_down_leaves_the_history_as_it_was(path: Path) -> None:
    with_history(check(0, target("web-1", EDITED)), path)
    with pytest.raises(StateError, match="no time"):
        with_history(replace(check(1, target("web-2", EDITED), target("web-1")), at="tomorrow"), path)
    assert [row.target for row in open_findings(path, "shop", "production")] == ["web-1"]


def test_without_a_history_everything_is_news() -> None:
    assert told(check(0, target("web-1", EDITED))) == (["web-1 etc/app.conf"], [])


def test_reading_where_nothing_was_ever_checked_makes_nothing(path: Path) -> None:
    assert past_checks(path, "shop", None, limit=3) == ()
    assert open_findings(path, "shop", None) == ()
    assert checked_projects(path) == ()
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("first_seen", "before", "words"),
    [
        (10, 9, "new since yesterday"),
        (10, 4, "new in the last 6 days"),
        (10, 10 - 1 / 1440, "new in the last minute"),
        (10, 10 - 15 / 1440, "new in the last 15 minutes"),
        (10, 9.75, "new in the last 6 hours"),
        (10, None, "new"),
        (4, 9, "still there after 6 days"),
        (9, None, "still there after 24 hours"),
        (10 - 1 / 1440, 9, "still there after 1 minute"),
        (10, 10 - 20 / 86400, "new in the last 20 seconds"),
        (10, 10 - 0.2 / 86400, "new in the last second"),
        (10 - 20 / 86400, 9, "still there after 20 seconds"),
        (10 - 59.6 / 86400, 9, "still there after 1 minute"),
        (None, 9, ""),
    ],
)
def test_an_age_in_words(first_seen: float | None, before: float | None, words: str) -> None:
    said = age_words("" if first_seen is None else at(first_seen), at(10), "" if before is None else at(before))
    assert said == words


def test_whoever_reads_while_the_first_check_is_written_down_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, has_looked = tmp_path / "state" / DATABASE, threading.Event()
    real = drift_database._version

    def version(database: sqlite3.Connection) -> int:
        found = real(database)
        has_looked.set()
        return found

    with ThreadPoolExecutor() as pool:
        with drift_database.connected(path):
            monkeypatch.setattr(drift_database, "_version", version)
            reads = pool.submit(checked_projects, path)
            assert has_looked.wait(20)
        assert reads.result(20) == ()
