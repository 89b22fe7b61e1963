"""What people are told of drift: what no notification has told them yet, and that one was delivered.

The history remembers of each finding whether somebody was told of it, whoever found it first: a check by hand, one of
fewer targets, and a notification that did not arrive leave it untold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from octo_ssh.model.drift import DriftReport, Finding
from octo_ssh.output.drift_database import connected, reading, stored
from octo_ssh.output.drift_history import Ended, findings_of, kind_of, news

Pairs = tuple[tuple[str, Finding], ...]
"""Findings with their targets."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told."""

    new: Pairs = ()
    gone: Pairs = ()
    accepted: Pairs = ()
    """There still, but remembered so by an apply."""
    rows: tuple[int, ...] = ()
    """Of the history: of ``new``."""
    ended_rows: tuple[int, ...] = ()
    """Of the others."""

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.accepted)


def all_news(report: DriftReport) -> News:
    """Where there is no history: all that was found, and what the report itself knows."""
    new, gone = news(report)
    return News(new, gone, report.accepted)


def untold(report: DriftReport, path: Path) -> News:
    """What is there on the targets of a report that was written down at ``path`` and nobody was told of; what somebody
    was told of, and is not there any more. Raises StateError.
    """
    whose = (stored(report.project), stored(report.environment or ""))
    open_rows: dict[tuple[str, ...], int] = {}
    ended: list[tuple[str, Finding, Ended, int]] = []
    names = {stored(target.target): target.target for target in report.targets}
    query = """SELECT id, target, step, kind, subject, was, now, ended FROM findings
               WHERE project = ? AND environment = ?
               AND (gone_at IS NULL AND NOT told OR gone_at IS NOT NULL AND told AND NOT gone_told) ORDER BY id"""
    with reading(path) as database:
        for row, target, step, kind, subject, was, now, how in database.execute(query, whose):
            if not how:
                open_rows[target, step, kind, subject] = row
            elif target in names and (known := kind_of(kind)) is not None:
                ended.append((names[target], Finding(step, known, subject, was, now), Ended(how), row))
    found = [(target.target, finding) for target in report.targets for finding in findings_of(target)]
    keys = {pair: (stored(pair[0]), *map(stored, pair[1].key)) for pair in found}
    fresh = [(*pair, open_rows[key]) for pair, key in keys.items() if key in open_rows]
    return News(
        new=tuple((target, finding) for target, finding, _ in fresh),
        gone=tuple((target, finding) for target, finding, how, _ in ended if how is Ended.GONE),
        accepted=tuple((target, finding) for target, finding, how, _ in ended if how is Ended.ACCEPTED),
        rows=tuple(row for *_, row in fresh),
        ended_rows=tuple(row for *_, row in ended),
    )


def delivered(told: News, path: Path) -> None:
    """Everybody who is to be told of it was. Raises StateError."""
    if told.rows or told.ended_rows:
        with connected(path) as database:
            database.executemany("UPDATE findings SET told = 1 WHERE id = ?", _each(told.rows))
            database.executemany("UPDATE findings SET gone_told = 1 WHERE id = ?", _each(told.ended_rows))


def _each(rows: Iterable[int]) -> list[tuple[int]]:
    return [(row,) for row in rows]
