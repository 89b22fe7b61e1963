"""What is found of one step on one target, as it is gathered: differences, what is expected, unknown, pending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from octo_ssh.model.drift import Expected, Finding, FindingKind, State, StepDrift
from octo_ssh.planning.expected import Mark

GONE = "gone"
NAMED = 3
"""Paths that a reason names before it counts."""


@dataclass(slots=True)
class Verdict:
    """One step on one target."""

    step: str
    name: str
    mark: Mark
    """Which entry of ``drift.ignore`` covers a path; one that has expired where none in force does."""
    today: date
    unknown: list[str] = field(default_factory=list)
    """Why it could not be looked at."""
    pending: list[str] = field(default_factory=list)
    """What git wants that was not applied."""
    unverified: bool = False
    unverified_files: tuple[str, ...] = ()
    unit_sha256: str = ""
    _findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    _expected: dict[tuple[str, str, str], tuple[Finding, Expected]] = field(default_factory=dict)

    def drifted(self, kind: FindingKind, subject: str, was: str = "", now: str = "", *, seen: str = "") -> None:
        """A difference that nothing can cover. ``seen``: a digest by which a later check knows it again."""
        self._keep(Finding(self.step, kind, subject, was, now, seen=seen), None)

    def differs(self, kind: FindingKind, path: str, was: str = "", now: str = "", diff: tuple[str, ...] = ()) -> None:
        """A difference at a path, which ``drift.ignore`` may cover."""
        self._keep(Finding(self.step, kind, path, was, now, diff), self.mark(path))

    def within(self, kind: FindingKind, path: str, was: str, now: str, expected: Expected | None) -> None:
        """A difference at a path, for which ``outermost`` has found what covers it."""
        self._keep(Finding(self.step, kind, path, was, now), expected)

    def expects(self, path: str) -> bool:
        """Whether a difference there is drift that is expected today."""
        return self._is_in_force(self.mark(path))

    def has(self, kind: FindingKind, subject: str) -> bool:
        """Whether that was found, covered or not."""
        key = Finding(self.step, kind, subject).key
        return key in self._findings or key in self._expected

    @property
    def is_empty(self) -> bool:
        """Nothing is to be said of it."""
        return not (self._findings or self._expected or self.unknown or self.pending)

    def told(self) -> StepDrift:
        """All of it."""
        state = State.IN_SYNC
        for found, one in (
            (self._findings, State.DRIFTED),
            (self.unknown, State.UNKNOWN),
            (self.pending, State.PENDING),
            (self._expected, State.EXPECTED),
        ):
            if found:
                state = one
                break
        return StepDrift(
            step=self.step,
            name=self.name,
            state=state,
            reason="; ".join((*self.unknown, *self.pending)),
            findings=tuple(self._findings.values()),
            expected=tuple(self._expected.values()),
            partly_unknown=bool(self._findings and self.unknown),
            unverified=self.unverified,
            unverified_files=self.unverified_files,
            unit_sha256=self.unit_sha256,
        )

    def _keep(self, finding: Finding, expected: Expected | None) -> None:
        if expected is None or not self._is_in_force(expected):
            self._findings.setdefault(finding.key, finding)
        else:
            self._expected.setdefault(finding.key, (finding, expected))

    def _is_in_force(self, expected: Expected | None) -> bool:
        return expected is not None and self.today <= expected.until


def listed(paths: Iterable[str]) -> str:
    """``etc/app.conf, lib/x and 4 more``."""
    every = tuple(paths)
    return ", ".join(every[:NAMED]) + (f" and {len(every) - NAMED} more" if len(every) > NAMED else "")
