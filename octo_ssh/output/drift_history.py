"""What checks for drift found, remembered on the controller: since when, what is gone, how it went.

``<state>/drift.db`` (SQLite, 0600 in a folder that is the user's alone) holds a row for each check and one for each
finding from when it was first seen until it was gone. Checks may overlap: each is written down in one transaction, one
after the other, and one that began earlier takes nothing back of what a later one saw.
"""

from __future__ import annotations

import contextlib
import enum
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from octo_ssh.errors import StateError
from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State, TargetDrift
from octo_ssh.output.drift_database import connected, reading, stored
from octo_ssh.output.words import amount

KEPT_DAYS = 400

Key = tuple[str, str, str]
"""Of a finding."""


@dataclass(frozen=True, slots=True)
class PastCheck:
    """A check in the history: counts of targets by their state."""

    project: str
    environment: str | None
    at: str
    seconds: float
    targets: int
    drifted: int
    unknown: int
    pending: int
    expected: int
    in_sync: int
    findings: int
    """On all targets."""


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that was there when its target was last looked at."""

    project: str
    environment: str | None
    target: str
    step: str
    kind: str
    subject: str
    was: str
    now: str
    first_seen: str
    last_seen: str


@dataclass(frozen=True, slots=True)
class DriftHistory:
    """What is remembered of a project in an environment."""

    project: str
    environment: str | None
    checks: tuple[PastCheck, ...]
    """The latest last."""
    open: tuple[OpenFinding, ...]
    """The oldest first."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An open finding's row."""

    row: int
    first_seen: str
    was: str
    now: str
    seen: str


class Ended(enum.Enum):
    """How a finding that is not there any more ended."""

    GONE = "gone"
    ACCEPTED = "accepted"
    """It is there still, and an apply has remembered it so."""
    EXPECTED = "expected"
    """``drift.ignore`` covers it."""


def with_history(report: DriftReport, path: Path) -> DriftReport:
    """The report with ``ages``, ``before``, ``gone`` and ``accepted``; the check is written down at ``path``.

    A target that was not looked at, or a step of it, keeps its findings: they are neither gone nor still there.
    Raises StateError: then nothing was written, and the report is as good as it was.
    """
    with connected(path) as database:
        whose = (stored(report.project), stored(report.environment or ""))
        known = _open_findings(database, whose)
        before = dict(database.execute("SELECT target, at FROM looks WHERE project = ? AND environment = ?", whose))
        ages: dict[tuple[str, Key], str] = {}
        ended: list[tuple[str, Finding, Ended]] = []
        for target in report.targets:
            looked = before.get(stored(target.target), "")
            is_late = bool(looked) and _moment(looked) > _moment(report.at)
            mine = known.get(stored(target.target), {})
            ages |= _keep(database, whose, report.at, target, mine)
            ended += [] if is_late else _close(database, report.at, target, mine)
            if _was_looked_at(target) and not is_late:
                row = (*whose, stored(target.target), report.at)
                database.execute("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", row)
        _add_check(database, whose, report)
        _forget(database, report.at)
    looks = {target.target: before[name] for target in report.targets if (name := stored(target.target)) in before}
    gone, accepted = (
        tuple((target, finding) for target, finding, how in ended if how is wanted)
        for wanted in (Ended.GONE, Ended.ACCEPTED)
    )
    return replace(report, ages=ages, before=looks, gone=gone, accepted=accepted)


def news(report: DriftReport) -> tuple[tuple[tuple[str, Finding], ...], tuple[tuple[str, Finding], ...]]:
    """What is new in a report that went through ``with_history``, and what is gone; each with its target.

    Where the history knew nothing, for it could not be read, everything is new: rather told twice than never.
    """
    fresh = (
        (target.target, finding)
        for target in report.targets
        for finding in findings_of(target)
        if is_new(report, target.target, finding)
    )
    return tuple(fresh), report.gone


def is_new(report: DriftReport, target: str, finding: Finding) -> bool:
    """No check before saw this."""
    return report.ages.get((target, finding.key), report.at) == report.at


def findings_of(target: TargetDrift) -> Iterator[Finding]:
    """All that differs there and is not expected: of the target itself, then step by step."""
    yield from target.findings
    for step in target.steps:
        yield from step.findings


def age_words(first_seen: str, now: str, before: str = "") -> str:
    """``new since yesterday``, ``still there after 6 days``; empty where nobody knows since when.

    All are times in ISO 8601: ``now`` is the check's, ``before`` that of the one before.
    """
    if not first_seen:
        return ""
    if first_seen != now:
        return f"still there after {_elapsed(_moment(now) - _moment(first_seen))}"
    if not before:
        return "new"
    since = _moment(now) - _moment(before)
    if timedelta(hours=20) <= since < timedelta(hours=36):
        return "new since yesterday"
    return f"new in the last {_elapsed(since).removeprefix('1 ')}"


def elapsed_words(since: str, now: str) -> str:
    """``6 days``, from one time in ISO 8601 to another; ``new`` where they are the same."""
    return "new" if since == now else _elapsed(_moment(now) - _moment(since))


def past_checks(path: Path, project: str, environment: str | None, *, limit: int) -> tuple[PastCheck, ...]:
    """The last checks of a project in an environment, the latest last. Raises StateError."""
    query = f"SELECT {_CHECK} FROM checks WHERE project = ? AND environment = ? ORDER BY at DESC, id DESC LIMIT ?"
    with reading(path) as database:
        rows = database.execute(query, (stored(project), stored(environment or ""), limit)).fetchall()
    return tuple(_past_check(row) for row in reversed(rows))


def checked_projects(path: Path) -> tuple[tuple[str, str | None], ...]:
    """Every project and environment that was ever checked. Raises StateError."""
    with reading(path) as database:
        rows = database.execute("SELECT DISTINCT project, environment FROM checks ORDER BY 1, 2").fetchall()
    return tuple((project, environment or None) for project, environment in rows)


def open_findings(path: Path, project: str, environment: str | None) -> tuple[OpenFinding, ...]:
    """What was there when last looked for, the oldest first. Raises StateError."""
    query = f"""SELECT {_FINDING} FROM findings WHERE project = ? AND environment = ? AND gone_at IS NULL
                ORDER BY first_seen, id"""
    with reading(path) as database:
        rows = database.execute(query, (stored(project), stored(environment or ""))).fetchall()
    return tuple(OpenFinding(row[0], row[1] or None, *row[2:]) for row in rows)


_CHECK = "project, environment, at, seconds, targets, drifted, unknown, pending, expected, in_sync, findings"
_FINDING = "project, environment, target, step, kind, subject, was, now, first_seen, last_seen"


def _past_check(row: tuple[object, ...]) -> PastCheck:
    project, environment, *rest = row
    return PastCheck(str(project), str(environment) or None, *rest)  # type: ignore[arg-type]  # the columns' types


def _moment(text: str) -> datetime:
    """Raises StateError for what is no time with a zone: it came out of a file."""
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    raise StateError(f"no time in ISO 8601: {text!r}")


def _elapsed(span: timedelta) -> str:
    seconds = max(1, round(span.total_seconds()))
    if seconds < 60:
        return amount(seconds, "second")
    minutes = round(seconds / 60)
    if minutes < 120:
        return amount(minutes, "minute")
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"


def _open_findings(database: sqlite3.Connection, whose: tuple[str, str]) -> Mapping[str, dict[Key, _Known]]:
    """By target and key, all as they are stored."""
    found: dict[str, dict[Key, _Known]] = {}
    rows = database.execute(
        """SELECT id, target, step, kind, subject, first_seen, was, now, seen FROM findings
           WHERE project = ? AND environment = ? AND gone_at IS NULL""",
        whose,
    )
    for row, target, step, kind, subject, *known in rows:
        found.setdefault(target, {})[step, kind, subject] = _Known(row, *known)
    return found


def _stored_key(finding: Finding) -> Key:
    step, kind, subject = finding.key
    return stored(step), kind, stored(subject)


def _keep(
    database: sqlite3.Connection,
    whose: tuple[str, str],
    at: str,
    target: TargetDrift,
    known: Mapping[Key, _Known],
) -> dict[tuple[str, Key], str]:
    """Write down what was found on a target; since when each finding is known."""
    ages: dict[tuple[str, Key], str] = {}
    for finding in {_stored_key(finding): finding for finding in findings_of(target)}.values():
        key, said = _stored_key(finding), (stored(finding.was), stored(finding.now))
        if (row := known.get(key)) is None:
            values = (*whose, stored(target.target), *key, *said, at, at)
            # nobody need be told that it was gone: it is there again, and that is told
            again = """UPDATE findings SET gone_told = 1 WHERE gone_at IS NOT NULL
                       AND (project, environment, target, step, kind, subject) = (?, ?, ?, ?, ?, ?)"""
            database.execute(again, values[:6])
            insert = f"INSERT INTO findings ({_FINDING}, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            database.execute(insert, (*values, finding.seen))
        else:
            update = "UPDATE findings SET was = ?, now = ?, seen = ?, last_seen = max(last_seen, ?) WHERE id = ?"
            database.execute(update, (*said, finding.seen, at, row.row))
        ages[target.target, finding.key] = at if row is None else row.first_seen
    return ages


def _close(
    database: sqlite3.Connection, at: str, target: TargetDrift, known: Mapping[Key, _Known]
) -> Iterator[tuple[str, Finding, Ended]]:
    """Close what was looked for and not found; what became of it."""
    found = {_stored_key(finding) for finding in findings_of(target)}
    for key, row in known.items():
        if key in found or not _was_looked_for(target, key):
            continue
        how = _how(target, key, row)
        update = "UPDATE findings SET gone_at = ?, ended = ?, gone_told = ? WHERE id = ?"
        database.execute(update, (at, how.value, how is Ended.EXPECTED, row.row))
        if (kind := kind_of(key[1])) is not None:
            yield target.target, Finding(key[0], kind, key[2], row.was, row.now), how


def _how(target: TargetDrift, key: Key, row: _Known) -> Ended:
    """How a finding that is not there any more has ended."""
    mine = [step for step in target.steps if stored(step.step) == key[0]]
    if any(_stored_key(finding) == key for step in mine for finding, _ in step.expected):
        return Ended.EXPECTED
    if key[1] == FindingKind.UNIT.value and any(row.seen and step.unit_sha256 == row.seen for step in mine):
        return Ended.ACCEPTED
    return Ended.GONE


def _was_looked_at(target: TargetDrift) -> bool:
    return not target.unreachable and not any(finding.kind is FindingKind.HOST_KEY for finding in target.findings)


def _was_looked_for(target: TargetDrift, key: Key) -> bool:
    """Whether this check would have seen such a finding."""
    if not _was_looked_at(target):
        return False
    id_, kind, _ = key
    step = next((step for step in target.steps if stored(step.step) == id_), None)
    if step is None:
        # it is watched no more, and that settles it; but checks are only asked with --health
        return kind != FindingKind.CHECK.value
    return step.state is not State.UNKNOWN and not step.partly_unknown


def kind_of(value: str) -> FindingKind | None:
    """None for one that this version does not know."""
    return next((kind for kind in FindingKind if kind.value == value), None)


def _add_check(database: sqlite3.Connection, whose: tuple[str, str], report: DriftReport) -> None:
    counts = Counter(target.state for target in report.targets)
    states = (State.DRIFTED, State.UNKNOWN, State.PENDING, State.EXPECTED, State.IN_SYNC)
    found = sum(len(list(findings_of(target))) for target in report.targets)
    values = (
        *whose,
        report.at,
        report.seconds,
        len(report.targets),
        *(counts[state] for state in states),
        found,
    )
    database.execute(f"INSERT INTO checks ({_CHECK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def _forget(database: sqlite3.Connection, at: str) -> None:
    """Let go of what is too old to be of use; an open finding whose target nobody looks at any more, too."""
    oldest = (_moment(at) - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%dT%H:%M:%S")
    database.execute("DELETE FROM checks WHERE at < ?", (oldest,))
    database.execute("DELETE FROM findings WHERE coalesce(gone_at, last_seen) < ?", (oldest,))
    database.execute("DELETE FROM looks WHERE at < ?", (oldest,))
