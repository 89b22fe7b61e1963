"""``octo-ssh history drift`` for people: past checks in numbers, and what is open since when. JSON: the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from octo_ssh.model.drift import Finding, FindingKind
from octo_ssh.output.drift_history import DriftHistory, OpenFinding, PastCheck, elapsed_words
from octo_ssh.output.drift_sentences import name_words, sentence
from octo_ssh.output.drift_words import about, whose
from octo_ssh.output.printer import Line, Tone
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, fold

_COLUMNS = ("drifted", "unknown", "pending", "expected", "in sync", "findings")


def history_lines(histories: Sequence[DriftHistory]) -> tuple[Line, ...]:
    """Each project and environment with its checks, the latest last, then its open findings, the oldest first."""
    if not histories:
        return (Line("no check for drift is remembered here"),)
    lines: list[Line] = []
    for history in histories:
        lines += [Line("")] if lines else []
        lines += _history(history)
    return tuple(lines)


def _history(history: DriftHistory) -> Iterator[Line]:
    title = f"{about(history.project, history.environment)}: {amount(len(history.checks), 'check')}"
    yield Line(title, Tone.TITLE)
    yield Line(f"  {'checked (UTC)':<16}  targets  {'  '.join(_COLUMNS)}", Tone.FAINT)
    for check in history.checks:
        yield _check(check)
    if not history.open:
        yield Line("  nothing is open", Tone.GOOD)
        return
    yield Line(f"  open: {amount(len(history.open), 'finding')}", Tone.TITLE)
    for (age, said), targets in _folded(history.open, history.checks[-1].at).items():
        names = "" if len(targets) == 1 else f" ({clean_line(fold(targets))})"
        yield Line(f"    {age:>10}  {whose(targets)}: {said}{names}", Tone.BAD)


def _check(check: PastCheck) -> Line:
    numbers = (check.drifted, check.unknown, check.pending, check.expected, check.in_sync, check.findings)
    columns = "  ".join(f"{number:>{len(name)},}" for number, name in zip(numbers, _COLUMNS, strict=True))
    tone = Tone.BAD if check.drifted else Tone.CHANGE if check.unknown else Tone.PLAIN
    return Line(f"  {_minute(check.at):<16}  {check.targets:>7,}  {columns}", tone)


def _folded(findings: Iterable[OpenFinding], now: str) -> dict[tuple[str, str], list[str]]:
    """Targets by age and sentence, in the order of the ages."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in findings:
        groups.setdefault((elapsed_words(row.first_seen, now), _said(row)), []).append(row.target)
    return groups


def _said(row: OpenFinding) -> str:
    kind = next((kind for kind in FindingKind if kind.value == row.kind), None)
    if kind is None:  # of another version of octo-ssh
        return f"{name_words(row.subject)} {clean_line(row.kind)}"
    return sentence(Finding(row.step, kind, row.subject, row.was, row.now))


def _minute(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M}"
