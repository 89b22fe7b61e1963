"""A check for drift for people: step by step, the same finding on many targets told once, what is no drift apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from octo_ssh.errors import ExitCode
from octo_ssh.model.drift import DriftReport, Expected, Finding, State, StepDrift, TargetDrift
from octo_ssh.output.drift_counts import is_pending, is_unreachable, last_line
from octo_ssh.output.drift_history import age_words
from octo_ssh.output.drift_sentences import entry_words, sentence
from octo_ssh.output.plan_details import diff_lines
from octo_ssh.output.printer import Line, Tone
from octo_ssh.output.summary import named
from octo_ssh.output.text import clean_line, first_line
from octo_ssh.output.words import amount, fold, natural
from octo_ssh.planning.exit import drift_exit_code

K = TypeVar("K")
FINDINGS = 40
"""More of them below a step are counted, not shown."""
DIFF_LINES = 20
"""More of a diff are cut."""
HINTS = 5
"""More things to do about one trouble are counted, not shown."""
_INDENT = " " * 15
_LABEL = "  {:<11}  "


def drift_view(report: DriftReport, *, verbose: bool = False) -> tuple[Line, ...]:
    """What ``drift`` prints; ``verbose`` adds what is in sync, all findings, and every diff to its end."""
    page = _Page(report, verbose)
    return (*_head(page), *_steps(page), *_pending(page), *_ended(page), *_entries(report), *_foot(report))


@dataclass(frozen=True, slots=True)
class _Page:
    report: DriftReport
    verbose: bool

    def age(self, target: str, finding: Finding) -> str:
        """Since when it is known, in words."""
        first = self.report.ages.get((target, finding.key), "")
        return age_words(first, self.report.at, self.report.before.get(target, ""))

    def whose(self, targets: Sequence[str]) -> str:
        """``web-01, web-02``, ``12 targets``, ``all 20 targets``."""
        if len(targets) <= 2:
            return fold(sorted(map(clean_line, targets), key=natural))
        every = "all " if len(targets) == len(self.report.targets) else ""
        return f"{every}{amount(len(targets), 'target')}"

    def names(self, targets: Sequence[str]) -> Iterator[Line]:
        """Who they are, where ``whose`` does not say it."""
        if 2 < len(targets) < len(self.report.targets):
            yield Line(f"{_INDENT}{fold(sorted(map(clean_line, targets), key=natural))}", Tone.FAINT)


@dataclass(slots=True)
class _Told:
    """A finding on some targets."""

    targets: list[str] = field(default_factory=list)
    ages: Counter[str] = field(default_factory=Counter)

    def age(self) -> str:
        """``, new since yesterday``; where targets differ in it, on how many."""
        known = {words: count for words, count in self.ages.items() if words}
        if not known:
            return ""
        if len(known) == len(self.ages) == 1:
            return f", {next(iter(known))}"
        return "".join(f", {words} on {count:,}" for words, count in known.items())


def _head(page: _Page) -> Iterator[Line]:
    report = page.report
    where = f" in {report.environment}" if report.environment else ""
    count = amount(len(report.targets), "target")
    yield Line(f"{clean_line(report.project + where)}, {count}, {_time(report.at)}", Tone.TITLE)
    for label, tone in (("unreachable", Tone.BAD), ("unknown", Tone.WARNING)):
        reasons = {
            target.target: first_line(target.unreachable)
            for target in report.targets
            if target.unreachable and not target.findings and (label == "unreachable") is is_unreachable(target)
        }
        for reason, names in _grouped(reasons):
            yield Line(f"{_LABEL.format(label)}{named(names)}  {reason}", tone)
            yield from _hints(page, names)
    yield from _findings(page, [(target.target, finding) for target in report.targets for finding in target.findings])
    yield from _hints(page, [target.target for target in report.targets if target.findings])


def _hints(page: _Page, names: Sequence[str]) -> Iterator[Line]:
    """What to do about these targets, each thing once."""
    hints = dict.fromkeys(target.hint for target in page.report.targets if target.target in names)
    told = list(filter(None, map(clean_line, hints)))
    for hint in told if page.verbose else told[:HINTS]:
        yield Line(f"{_INDENT}{hint}", Tone.FAINT)
    if len(told) > HINTS and not page.verbose:
        yield Line(f"{_INDENT}… and so for {len(told) - HINTS:,} more: -v shows them", Tone.FAINT)


def _time(at: str) -> str:
    """``2026-11-24 07:03 UTC``."""
    return clean_line(f"{at[:10]} {at[11:16]} UTC")


def _steps(page: _Page) -> Iterator[Line]:
    """A paragraph for each step of which there is something to say."""
    for steps in _by_step(page.report.targets).values():
        lines = [
            *_findings(page, [(target, finding) for target, step in steps for finding in step.findings]),
            *_unknown(steps),
            *_expected(page, steps),
            *_unverified(page, steps),
            *(_in_sync(steps) if page.verbose else ()),
        ]
        if lines:
            yield Line("")
            yield Line(clean_line(steps[0][1].name), Tone.TITLE)
            yield from lines


def _by_step(targets: Iterable[TargetDrift]) -> dict[str, list[tuple[str, StepDrift]]]:
    found: dict[str, list[tuple[str, StepDrift]]] = {}
    for target in targets:
        for step in target.steps:
            found.setdefault(step.step, []).append((target.target, step))
    return found


def _findings(page: _Page, pairs: Sequence[tuple[str, Finding]]) -> Iterator[Line]:
    """Findings that are the same together; those of the same targets below each other, most targets first."""
    told: dict[tuple[str, tuple[str, ...]], _Told] = {}
    for target, finding in pairs:
        row = told.setdefault((sentence(finding), finding.diff), _Told())
        row.targets.append(target)
        row.ages[page.age(target, finding)] += 1
    rows = sorted(told.items(), key=lambda row: -len(row[1].targets))
    groups: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    shown = rows if page.verbose else rows[:FINDINGS]
    for (words, diff), row in shown:
        groups.setdefault(tuple(row.targets), []).append((f"{words}{row.age()}", diff))
    for targets, findings in groups.items():
        for number, (words, diff) in enumerate(findings):
            yield Line(f"{_LABEL.format('' if number else 'drift')}{page.whose(targets)}: {words}", Tone.BAD)
            yield from () if number else page.names(targets)
            yield from _diff(page, diff)
    if len(rows) > len(shown):
        yield Line(f"{_INDENT}… {len(rows) - len(shown):,} more: -v shows them", Tone.FAINT)


def _diff(page: _Page, diff: tuple[str, ...]) -> Iterator[Line]:
    most = len(diff) if page.verbose else DIFF_LINES
    for line in diff_lines(diff[:most]):
        yield Line(f"{_INDENT}  {line.text}", line.tone)
    if len(diff) > most:
        yield Line(f"{_INDENT}  … {len(diff) - most:,} more lines: -v shows them", Tone.FAINT)


def _unknown(steps: Sequence[tuple[str, StepDrift]]) -> Iterator[Line]:
    """What could not be looked at, also beside what was found."""
    reasons = {
        target: ("in part: " if step.partly_unknown else "") + first_line(step.reason)
        for target, step in steps
        if step.state is State.UNKNOWN or step.partly_unknown
    }
    for reason, names in _grouped(reasons):
        yield Line(f"{_LABEL.format('unknown')}{named(names)}  {reason}".rstrip(), Tone.WARNING)


def _expected(page: _Page, steps: Sequence[tuple[str, StepDrift]]) -> Iterator[Line]:
    """By entry, for one may cover thousands; each finding is told where all is to be told."""
    entries: dict[Expected, dict[str, list[Finding]]] = {}
    for target, step in steps:
        for finding, entry in step.expected:
            entries.setdefault(entry, {}).setdefault(target, []).append(finding)
    for entry, found in entries.items():
        count = amount(sum(map(len, found.values())), "finding")
        words = f"{entry_words(entry)} until {entry.until.isoformat()}: {count}"
        yield Line(f"{_LABEL.format('expected')}{page.whose(list(found))}: {words}", Tone.FAINT)
        yield from page.names(list(found))
        if page.verbose:
            told = [(sentence(finding), target) for target, findings in found.items() for finding in findings]
            yield from (Line(f"{_INDENT}  {_of(names)}{words}", Tone.FAINT) for words, names in _by_first(told))


def _of(names: Sequence[str]) -> str:
    return f"{named(names)}: "


def _unverified(page: _Page, steps: Sequence[tuple[str, StepDrift]]) -> Iterator[Line]:
    names = [target for target, step in steps if step.unverified]
    if names:
        what = f"manifest unverified on {page.whose(names)}"
        yield Line(f"{_LABEL.format('note')}{what}: compared with the target's own record alone", Tone.FAINT)


def _in_sync(steps: Sequence[tuple[str, StepDrift]]) -> Iterator[Line]:
    names = [target for target, step in steps if step.state is State.IN_SYNC]
    if names:
        yield Line(f"{_LABEL.format('in sync')}{named(names)}", Tone.GOOD)


def _pending(page: _Page) -> Iterator[Line]:
    rows = [
        ((clean_line(step.name), first_line(step.reason)), target)
        for steps in _by_step(page.report.targets).values()
        for target, step in steps
        if is_pending(step)
    ]
    if rows:
        yield Line("")
        yield Line("Not applied yet, which is no drift", Tone.TITLE)
    for (name, reason), names in _by_first(rows):
        why = f": {reason}" if reason else ""
        yield Line(f"{_LABEL.format('pending')}{named(names)}  {name}{why}", Tone.CHANGE)


def _ended(page: _Page) -> Iterator[Line]:
    """What the check before found and this one did not: gone, or there still and remembered so."""
    for title, label, tone, pairs in (
        ("Gone since the check before", "gone", Tone.GOOD, page.report.gone),
        ("There still, and accepted by apply since the check before", "accepted", Tone.CHANGE, page.report.accepted),
    ):
        rows = _by_first([(sentence(finding), target) for target, finding in pairs])
        if rows:
            yield Line("")
            yield Line(title, Tone.TITLE)
        for words, names in rows:
            yield Line(f"{_LABEL.format(label)}{page.whose(names)}: {words}", tone)
            yield from page.names(names)


def _entries(report: DriftReport) -> Iterator[Line]:
    """What is to be done about ``drift.ignore``."""
    if report.expired or report.unused:
        yield Line("")
        yield Line("Entries of drift.ignore to look at", Tone.TITLE)
    for entry in report.expired:
        words = f"{entry_words(entry)} ended on {entry.until.isoformat()}: what it covered is drift again"
        yield Line(f"{_LABEL.format('expired')}{words}", Tone.WARNING)
    for entry in report.unused:
        words = f"{entry_words(entry)} until {entry.until.isoformat()}: it matched nothing"
        yield Line(f"{_LABEL.format('unused')}{words}", Tone.CHANGE)


def _foot(report: DriftReport) -> Iterator[Line]:
    yield Line("")
    yield Line(last_line(report), Tone.GOOD if drift_exit_code(report) is ExitCode.DONE else Tone.BAD)


def _by_first(rows: Iterable[tuple[K, str]]) -> list[tuple[K, list[str]]]:
    """The targets of each thing, in the order in which they come."""
    found: dict[K, list[str]] = {}
    for key, target in rows:
        names = found.setdefault(key, [])
        if target not in names[-1:]:
            names.append(target)
    return list(found.items())


def _grouped(reasons: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    return _by_first((reason, target) for target, reason in reasons.items())
