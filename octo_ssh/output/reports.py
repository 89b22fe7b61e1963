"""The answers of ``doctor``, ``exec``, ``status``, ``lock`` and ``trust``, for people. JSON: ``report_document``."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any

from octo_ssh.model.holder import holder_of
from octo_ssh.model.observed import Facts, Lease
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import Diagnosis, ExecResult, Finding, KeyChange, Level, LockRow, StatusReport, TargetStatus
from octo_ssh.output.document import Document, plain_data
from octo_ssh.output.printer import Line, Tone, tone_of
from octo_ssh.output.summary import named
from octo_ssh.output.text import clean, clean_line
from octo_ssh.output.words import amount, duration, fold, size
from octo_ssh.planning.leases import LeaseSight, LeaseState

_LEVELS = {Level.GOOD: ("ok", Tone.GOOD), Level.NOTE: ("note", Tone.CHANGE), Level.BAD: ("bad", Tone.BAD)}


def doctor_lines(diagnoses: Iterable[Diagnosis]) -> tuple[Line, ...]:
    """A line a target, its findings below; targets where all is well in one line each."""
    rows = list(diagnoses)
    notes = _shared_notes(rows)
    lines = [line for row in rows for line in _diagnosis(row, notes)]
    for note, names in notes.items():
        lines += _finding(note, f"{named(names)}: ")
    bad = sum(not _is_well(row) for row in rows)
    verdict = f"{amount(len(rows), 'target')}: " + (f"{bad:,} with something to see to" if bad else "all is well")
    return (*lines, Line(verdict, Tone.BAD if bad else Tone.GOOD))


def _is_well(row: Diagnosis) -> bool:
    return row.outcome.is_good and all(finding.level is not Level.BAD for finding in row.findings)


def _shared_notes(rows: list[Diagnosis]) -> dict[Finding, list[str]]:
    """What is to be noted of several targets alike: told once, at the end."""
    found: dict[Finding, list[str]] = {}
    for row in rows:
        for finding in row.findings:
            if finding.level is Level.NOTE:
                found.setdefault(finding, []).append(row.target)
    return {finding: names for finding, names in found.items() if len(names) > 1}


def _diagnosis(row: Diagnosis, told_later: Container[Finding]) -> Iterator[Line]:
    yield Line(f"{row.target}  {_state(row)}", Tone.TITLE if _is_well(row) else Tone.BAD)
    for finding in row.findings:
        if finding not in told_later:
            yield from _finding(finding)


def _state(row: Diagnosis) -> str:
    """What stands beside the name: the machine, or why there is nothing to say of it."""
    if row.facts is not None:
        return _facts(row.facts)
    if row.host_key_refused:
        return "host key not trusted"
    return "not ready" if row.outcome.is_good else row.outcome.value


def _finding(finding: Finding, whose: str = "") -> Iterator[Line]:
    word, tone = _LEVELS[finding.level]
    yield Line(f"  {word:<4}  {whose}{clean_line(finding.what)}", tone)
    for hint in finding.hint.splitlines():
        yield Line(f"        {clean_line(hint)}", Tone.FAINT)


def _facts(facts: Facts) -> str:
    parts = (f"{facts.user}@{facts.hostname}", facts.kernel, f"{size(facts.disk.free_bytes)} free at {facts.root}")
    return " · ".join(map(clean_line, parts))


def exec_lines(results: Iterable[ExecResult]) -> tuple[Line, ...]:
    """Like answers together, the most common first, as ``clush -b`` does; then how many did well."""
    rows = list(results)
    groups: dict[tuple[str, Outcome, str], list[str]] = {}
    for row in rows:
        groups.setdefault((_ending(row), row.outcome, clean(row.output).rstrip("\n")), []).append(row.target)
    lines: list[Line] = []
    for (ending, outcome, output), names in sorted(groups.items(), key=lambda group: -len(group[1])):
        lines.append(Line(f"── {named(names)} · {ending}", Tone.TITLE if outcome.is_good else Tone.BAD))
        lines += [Line(text) for text in output.split("\n")] if output else []
    return tuple(lines)


def exec_verdict(results: Iterable[ExecResult]) -> Line:
    """For standard error: the counts."""
    rows = list(results)
    well = sum(row.outcome.is_good for row in rows)
    if well == len(rows):
        return Line(f"{amount(len(rows), 'target')}: all returned 0", Tone.GOOD)
    bad = {word: [row.target for row in rows if row.outcome is word] for word in Outcome if not word.is_good}
    told = ", ".join(f"{len(names):,} {word.value}" for word, names in bad.items() if names)
    return Line(f"{amount(len(rows), 'target')}: {well:,} returned 0, {told}", Tone.BAD)


def _ending(row: ExecResult) -> str:
    if row.status is not None:
        return f"exit status {row.status}"
    return f"{row.outcome.value}: {clean_line(row.reason)}" if row.reason else row.outcome.value


def status_lines(report: StatusReport) -> tuple[Line, ...]:
    """Release by target, those that are alike folded."""
    where = f" in {report.environment}" if report.environment else ""
    lines = [Line(f"{report.project}{where}, {amount(len(report.targets), 'target')}", Tone.TITLE)]
    groups: dict[tuple[str, Tone, tuple[str, ...]], list[str]] = {}
    for row in report.targets:
        groups.setdefault(_standing(row), []).append(row.target)
    for (standing, tone, notes), names in groups.items():
        lines.append(Line(f"  {standing:<12}  {named(names)}", tone))
        lines += [Line(f"                {note}", Tone.CHANGE) for note in notes]
    return tuple(lines)


def _standing(row: TargetStatus) -> tuple[str, Tone, tuple[str, ...]]:
    if not row.outcome.is_good:
        return row.outcome.value, tone_of(row.outcome), (clean_line(row.reason),) if row.reason else ()
    notes = [f"{package.package} is in {package.folder}" for package in row.packages if package.folder != row.release]
    notes += [f"{package.package} is not complete" for package in row.packages if not package.complete]
    notes += [f"left undone: {owed}" for owed in row.owed]
    notes += [f"locked by {holder(row.lease)}"] if row.lease else []
    return clean_line(row.release or "nothing"), Tone.PLAIN, tuple(map(clean_line, notes))


def lock_lines(rows: Iterable[LockRow]) -> tuple[Line, ...]:
    """Who holds what; a target without a lock is only counted."""
    every = list(rows)
    lines: list[Line] = []
    free = [row.target for row in every if row.outcome.is_good and row.lease is None and not row.running]
    groups: dict[tuple[str, Tone], list[str]] = {}
    for row in every:
        if not row.outcome.is_good:
            groups.setdefault((f"{row.outcome.value}: {clean_line(row.reason)}", Tone.BAD), []).append(row.target)
        elif row.lease is not None or row.running:
            groups.setdefault((_lock_words(row), Tone.CHANGE), []).append(row.target)
    lines += [Line(f"  {named(names)}  {told}", tone) for (told, tone), names in groups.items()]
    if free:
        lines.append(Line(f"  not locked: {fold(free)}", Tone.GOOD))
    return tuple(lines)


def _lock_words(row: LockRow) -> str:
    at_work = clean_line(", ".join(row.running))
    parts = []
    if row.lease is not None:
        done = "released, was held by" if row.released else "held by"
        parts.append(f"{done} {holder(row.lease, LeaseState(row.state) if row.state else None)}")
    if at_work:
        parts.append(f"ended {at_work}" if row.released else f"still running {at_work}")
    if row.reason:
        parts.append(clean_line(row.reason))
    return "; ".join(parts)


def holder(lease: Lease, state: LeaseState | None = None) -> str:
    """Who holds a lease, as far as its text, which comes from the target, makes sense. Like runs read alike.

    ``state``: how it stands, where more is known than the target says.
    """
    told = str(holder_of(lease) or lease.who)
    match state or LeaseSight(lease).state:
        case LeaseState.KILLED:
            told += ", whose run was killed here"
        case LeaseState.EXPIRED:
            told += f", expired: not renewed {'any more' if lease.age_s is None else f'for {duration(lease.age_s)}'}"
        case LeaseState.DOUBTFUL:
            told += ", from before a reboot"
        case _:
            pass
    return clean_line(told)


def trust_lines(changes: Iterable[KeyChange]) -> tuple[Line, ...]:
    """Every fingerprint that a yes would write, changed keys marked so that nobody misses them."""
    return tuple(line for change in changes for line in _key_change(change))


def _key_change(change: KeyChange) -> Iterator[Line]:
    name = f"{clean_line(change.target)}  {clean_line(change.address)}"
    if change.behind:
        yield Line(f"{name}  not seen yet: {clean_line(change.reason)}", Tone.CHANGE)
    elif not change.offered:
        what, *hints = change.reason.splitlines() or [""]
        yield Line(f"{name}  no key: {clean_line(_without_name(what, change))}", Tone.BAD)
        for hint in hints:
            yield Line(f"       {clean_line(hint).strip()}", Tone.FAINT)
    elif change.is_changed:
        yield Line(f"{name}  CHANGED: was the machine reinstalled, or is this another one?", Tone.BAD)
        for kind, print_ in change.known.items():
            yield Line(f"  was  {kind:<20}  {print_}", Tone.FAINT)
        for kind, print_ in change.offered.items():
            yield Line(f"  now  {kind:<20}  {print_}", Tone.BAD if change.known.get(kind) != print_ else Tone.PLAIN)
    elif change.lines:
        yield Line(f"{name}  {'new' if change.is_new else 'more keys'}", Tone.CHANGE)
        for kind, print_ in change.offered.items():
            yield Line(f"       {kind:<20}  {print_}")
    else:
        yield Line(f"{name}  known", Tone.GOOD)


def _without_name(what: str, change: KeyChange) -> str:
    """A reason beside its target, which stands in front of it in brackets or without."""
    name, colon, rest = what.partition(": ")
    return rest if colon and (name == change.target or name.startswith(f"{change.target} (")) else what


def report_document(name: str, report: Any) -> Document:
    """The one JSON document of a verb: ``{"<name>": …}``."""
    document: Document = plain_data({name: report})
    return document
