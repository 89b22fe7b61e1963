"""The page about a check for drift, as values that its template only has to lay out. Bounded: a page must open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from octo_ssh.model.drift import DriftReport, Expected, Finding, State, StepDrift, TargetDrift
from octo_ssh.output.drift_counts import counts
from octo_ssh.output.drift_history import age_words, findings_of
from octo_ssh.output.drift_sentences import name_words
from octo_ssh.output.drift_words import Folded, folded, predicate, whose
from octo_ssh.output.words import amount, fold

MAX_GROUPS = 1000
MAX_PER_TARGET = 100
MAX_DIFF_LINES = 20_000
"""On the whole page."""
OF_TARGET = "the target itself"
"""In place of a step, for what belongs to none."""

_FEW_STEPS = 8
_LETTERS = {State.DRIFTED: "D", State.UNKNOWN: "U", State.PENDING: "P", State.EXPECTED: "E", State.IN_SYNC: "✓"}
_ORDER = list(State)


@dataclass(frozen=True, slots=True)
class Mark:
    """A state as the page shows it: a class for the colour, a letter for those who see none."""

    css: str
    letter: str
    word: str

    @classmethod
    def of(cls, state: State) -> Mark:
        return cls(state.name.lower(), _LETTERS[state], state.value)


@dataclass(frozen=True, slots=True)
class Tile:
    """A count of targets."""

    mark: Mark
    count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A step on a target; without a mark it has nothing to do there."""

    mark: Mark | None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A target in the map."""

    name: str
    mark: Mark
    anchor: str
    """Of its details; empty: it has none, for all is in sync."""
    cells: tuple[Cell, ...]
    instead: str = ""
    """What is told in place of its steps, where nobody could look at them."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a diff with its class."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """A finding, on one target or many."""

    anchor: str
    step: str
    what: str
    subject: str
    ages: str
    is_new: bool
    whose: str
    names: str
    """All its targets, where they are several."""
    diff: tuple[DiffLine, ...]
    diff_left_off: int = 0


@dataclass(frozen=True, slots=True)
class Detail:
    """A finding among those of its target."""

    what: str
    subject: str
    age: str
    group: str
    """The anchor of the same finding among all; empty where it was left off there."""
    shared: str
    """``12 targets``, where it is on others too."""
    has_diff: bool


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step that is not in sync on a target."""

    name: str
    mark: Mark
    reason: str
    findings: tuple[Detail, ...]
    left_off: int
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetDetail:
    """A target on which something is not in sync."""

    anchor: str
    name: str
    mark: Mark
    unreachable: str
    hint: str
    count: str
    steps: tuple[StepDetail, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is unknown or pending, and where."""

    whose: str
    names: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """An entry of ``drift.ignore``, with what it covers."""

    path: str
    step: str
    reason: str
    until: str
    covers: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """All of it but the trend."""

    tiles: tuple[Tile, ...]
    groups: tuple[Group, ...]
    groups_left_off: int
    gone: tuple[Group, ...]
    accepted: tuple[Group, ...]
    columns: tuple[str, ...]
    has_filler: bool
    """The map gets one more column, for there are too few for what stands in place of steps."""
    rows: tuple[Row, ...]
    unknown: tuple[Reason, ...]
    pending: tuple[Reason, ...]
    expected: tuple[Excuse, ...]
    expired: tuple[Excuse, ...]
    unused: tuple[Excuse, ...]
    unverified: tuple[Reason, ...]
    details: tuple[TargetDetail, ...]


def page_of(report: DriftReport) -> Page:
    """What the page shows of a report."""
    return _Maker(report, MAX_DIFF_LINES).page()


@dataclass(slots=True)
class _Maker:
    """Makes a page; knows the names of steps and which finding stands where."""

    report: DriftReport
    diff_lines_left: int
    names: dict[str, str] = field(default_factory=dict)
    """Of steps, by id, in the order of their columns."""
    anchors: dict[Finding, tuple[str, int]] = field(default_factory=dict)
    """By finding: its group's anchor, and on how many targets it is."""

    def page(self) -> Page:
        report = self.report
        self.names = _step_names(report.targets)
        ordered = sorted(report.targets, key=lambda target: _ORDER.index(target.state))
        groups, left_off = self._groups()
        return Page(
            tiles=_tiles(report),
            groups=groups,
            groups_left_off=left_off,
            gone=self._ended("gone", report.gone),
            accepted=self._ended("accepted", report.accepted),
            columns=tuple(self.names.values()),
            has_filler=len(self.names) < _FEW_STEPS and any(not target.steps for target in report.targets),
            rows=tuple(self._row(number, target) for number, target in enumerate(ordered)),
            unknown=self._reasons(State.UNKNOWN),
            pending=self._reasons(State.PENDING),
            expected=self._expected(),
            expired=tuple(map(self._excuse, report.expired)),
            unused=tuple(map(self._excuse, report.unused)),
            unverified=self._unverified(),
            details=tuple(
                self._details(number, target) for number, target in enumerate(ordered) if _has_details(target)
            ),
        )

    def _groups(self) -> tuple[tuple[Group, ...], int]:
        """New ones first, then those on most targets; and how many are left off."""
        pairs = [(target.target, finding) for target in self.report.targets for finding in findings_of(target)]
        rows = sorted(folded(pairs), key=lambda row: (not self._is_new(row), -len(row.targets)))
        for number, row in enumerate(rows):
            self.anchors[row.finding] = (f"f-{number}" if number < MAX_GROUPS else "", len(row.targets))
        shown = tuple(self._group(f"f-{number}", row) for number, row in enumerate(rows[:MAX_GROUPS]))
        return shown, len(rows) - len(shown)

    def _ended(self, what: str, pairs: Sequence[tuple[str, Finding]]) -> tuple[Group, ...]:
        return tuple(self._group(f"{what}-{number}", row) for number, row in enumerate(folded(pairs[:MAX_GROUPS])))

    def _name(self, step: str) -> str:
        return self.names.get(step, step)

    def _is_new(self, row: Folded) -> bool:
        """The history says so of one of its targets."""
        return any(self.report.ages.get((target, row.finding.key)) == self.report.at for target in row.targets)

    def _group(self, anchor: str, row: Folded) -> Group:
        finding = row.finding
        taken = finding.diff[: self.diff_lines_left]
        self.diff_lines_left -= len(taken)
        return Group(
            anchor=anchor,
            step=self._name(finding.step) or OF_TARGET,
            what=predicate(finding),
            subject=name_words(finding.subject),
            ages=self._ages(row),
            is_new=self._is_new(row),
            whose=whose(row.targets),
            names=fold(row.targets) if len(row.targets) > 1 else "",
            diff=tuple(DiffLine(_diff_css(line), line) for line in taken),
            diff_left_off=len(finding.diff) - len(taken),
        )

    def _age(self, target: str, finding: Finding) -> str:
        first_seen = self.report.ages.get((target, finding.key), "")
        return age_words(first_seen, self.report.at, self.report.before.get(target, ""))

    def _ages(self, row: Folded) -> str:
        words = Counter(filter(None, (self._age(target, row.finding) for target in row.targets)))
        if len(words) < 2:
            return "".join(words)
        return ", ".join(f"{word} on {count:,}" for word, count in words.most_common(3))

    def _row(self, number: int, target: TargetDrift) -> Row:
        by_step = {step.step: step for step in target.steps}
        cells = tuple(_cell(by_step[step]) if step in by_step else Cell(None) for step in self.names)
        anchor = f"t-{number}" if _has_details(target) else ""
        instead = target.unreachable or ", ".join(predicate(finding) for finding in target.findings)
        return Row(target.target, Mark.of(target.state), anchor, cells, "" if target.steps else instead)

    def _reasons(self, state: State) -> tuple[Reason, ...]:
        """The steps in ``state`` by their reasons; for UNKNOWN also the targets that were not looked at at all."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for target in self.report.targets:
            if state is State.UNKNOWN and target.unreachable:
                found["", target.unreachable].append(target.target)
                continue
            for step in target.steps:
                if step.state is state or (state is State.UNKNOWN and step.partly_unknown):
                    found[step.step, step.reason].append(target.target)
        return self._as_reasons(found)

    def _unverified(self) -> tuple[Reason, ...]:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for target in self.report.targets:
            for step in target.steps:
                if step.unverified or step.unverified_files:
                    files = ", ".join(map(name_words, step.unverified_files[:MAX_PER_TARGET]))
                    found[step.step, "" if step.unverified else f"only {files}"].append(target.target)
        return self._as_reasons(found)

    def _as_reasons(self, found: Mapping[tuple[str, str], Sequence[str]]) -> tuple[Reason, ...]:
        rows = sorted(found.items(), key=lambda item: -len(item[1]))
        return tuple(
            Reason(whose(names), fold(names) if len(names) > 1 else "", self._name(step), reason)
            for (step, reason), names in rows
        )

    def _expected(self) -> tuple[Excuse, ...]:
        found: dict[Expected, tuple[set[str], set[str]]] = {}
        for target in self.report.targets:
            for step in target.steps:
                for finding, entry in step.expected:
                    paths, names = found.setdefault(entry, (set(), set()))
                    paths.add(finding.subject)
                    names.add(target.target)
        return tuple(
            self._excuse(entry, f"{amount(len(paths), 'path')} on {amount(len(names), 'target')}")
            for entry, (paths, names) in found.items()
        )

    def _excuse(self, entry: Expected, covers: str = "") -> Excuse:
        until = f"{entry.until.day} {entry.until:%B %Y}"
        return Excuse(entry.path, self._name(entry.step), entry.reason, until, covers)

    def _details(self, number: int, target: TargetDrift) -> TargetDetail:
        own = StepDrift("", OF_TARGET, State.DRIFTED, findings=target.findings)
        steps = [own] if target.findings else []
        steps += [step for step in target.steps if step.state is not State.IN_SYNC]
        count = len(list(findings_of(target)))
        return TargetDetail(
            anchor=f"t-{number}",
            name=target.target,
            mark=Mark.of(target.state),
            unreachable=target.unreachable,
            hint=target.hint,
            count=amount(count, "finding") if count else "",
            steps=tuple(self._step(target.target, step) for step in steps),
        )

    def _step(self, target: str, step: StepDrift) -> StepDetail:
        return StepDetail(
            name=step.name,
            mark=Mark.of(step.state),
            reason=step.reason,
            findings=tuple(self._detail(target, finding) for finding in step.findings[:MAX_PER_TARGET]),
            left_off=max(0, len(step.findings) - MAX_PER_TARGET),
            expected=_paths(name_words(finding.subject) for finding, _ in step.expected),
        )

    def _detail(self, target: str, finding: Finding) -> Detail:
        anchor, count = self.anchors[finding]
        return Detail(
            what=predicate(finding),
            subject=name_words(finding.subject),
            age=self._age(target, finding),
            group=anchor,
            shared=amount(count, "target") if count > 1 else "",
            has_diff=bool(finding.diff),
        )


def _tiles(report: DriftReport) -> tuple[Tile, ...]:
    found = counts(report)
    unknown = Mark.of(State.UNKNOWN)
    return (
        Tile(Mark.of(State.DRIFTED), found.drifted),
        Tile(unknown, found.unknown),
        Tile(Mark(unknown.css, unknown.letter, "unreachable"), found.unreachable),
        Tile(Mark.of(State.PENDING), found.pending),
        Tile(Mark.of(State.EXPECTED), found.expected),
        Tile(Mark.of(State.IN_SYNC), found.in_sync),
    )


def _has_details(target: TargetDrift) -> bool:
    return target.state is not State.IN_SYNC


def _cell(step: StepDrift) -> Cell:
    said = step.state.value
    if step.findings:
        said += f", {amount(len(step.findings), 'finding')}"
    return Cell(Mark.of(step.state), said)


def _step_names(targets: Iterable[TargetDrift]) -> dict[str, str]:
    """Names by id. A step that only some targets have stands behind the one that it follows there."""
    order: list[str] = []
    names: dict[str, str] = {}
    for target in targets:
        at = 0
        for step in target.steps:
            if step.step not in names:
                order.insert(at, step.step)
                names[step.step] = step.name
            at = order.index(step.step) + 1
    return {step: names[step] for step in order}


def _paths(subjects: Iterable[str]) -> tuple[str, ...]:
    every = list(subjects)
    rest = len(every) - MAX_PER_TARGET
    return (*every[:MAX_PER_TARGET], *([f"and {rest:,} more"] if rest > 0 else []))


def _diff_css(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "head"
    return {"+": "plus", "-": "minus"}.get(line[:1], "same")
