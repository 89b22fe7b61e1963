"""How drift reads, wherever it is told: counts, findings, and the same finding on many targets told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, fold

_PHRASES = {
    FindingKind.CONTENT: "content changed",
    FindingKind.KIND: "of another kind",
    FindingKind.MODE: "mode",
    FindingKind.OWNER: "owner",
    FindingKind.LINK: "leads elsewhere",
    FindingKind.MISSING: "missing",
    FindingKind.EXTRA: "extra",
    FindingKind.CURRENT: "not the current release",
    FindingKind.SHARED: "no shared path any more",
    FindingKind.MANIFEST: "manifest changed",
    FindingKind.STATE: "state",
    FindingKind.ENABLED: "start at boot",
    FindingKind.MASKED: "masked",
    FindingKind.UNIT: "unit files changed",
    FindingKind.OLD_RELEASE: "runs an old release",
    FindingKind.UNLESS: "not so any more",
    FindingKind.OWED: "left undone",
    FindingKind.CHECK: "check does not pass",
    FindingKind.HOST_KEY: "host key changed",
}


@dataclass(frozen=True, slots=True)
class Folded:
    """The same finding on some targets."""

    finding: Finding
    targets: tuple[str, ...]


def folded(pairs: Iterable[tuple[str, Finding]]) -> tuple[Folded, ...]:
    """Findings that are the same to the last word, together; in the order in which they come first."""
    groups: dict[Finding, list[str]] = {}
    for target, finding in pairs:
        groups.setdefault(finding, []).append(target)
    return tuple(Folded(finding, tuple(targets)) for finding, targets in groups.items())


def phrase(kind: FindingKind) -> str:
    """What is the matter, in a word or two."""
    return _PHRASES[kind]


def change_words(finding: Finding) -> str:
    """``0644 → 0600``; empty where nothing is said of it."""
    was, now = clean_line(finding.was), clean_line(finding.now)
    if was and now:
        return f"{was} → {now}"
    return f"was {was}" if was else now


def whose(targets: Sequence[str]) -> str:
    """``web-01``, ``12 targets``."""
    return clean_line(targets[0]) if len(targets) == 1 else amount(len(targets), "target")


def whose_by_name(targets: Sequence[str]) -> str:
    """``web-01``, ``12 targets: web-01 … web-12``."""
    return clean_line(targets[0]) if len(targets) == 1 else f"{whose(targets)}: {clean_line(fold(targets))}"


def counts_of(report: DriftReport) -> Counter[State]:
    """Targets by how they stand."""
    return Counter(target.state for target in report.targets)


def counts_words(report: DriftReport) -> str:
    """``3 drifted, 1 unknown, 296 in sync``."""
    counts = counts_of(report)
    return ", ".join(f"{counts[state]:,} {state.value}" for state in State if counts[state]) or "no target"


def about(project: str, environment: str | None) -> str:
    """``shop in production``."""
    return clean_line(f"{project} in {environment}" if environment else project)


def verdict(report: DriftReport) -> str:
    """How it stands, in a sentence without its full stop."""
    counts, count = counts_of(report), len(report.targets)
    if drifted := counts[State.DRIFTED]:
        have = "has" if drifted == 1 else "have"
        return f"{drifted:,} of {amount(count, 'target')} {have} drifted"
    if unknown := counts[State.UNKNOWN]:
        return f"No drift was found, but {unknown:,} of {amount(count, 'target')} could not be looked at"
    if counts[State.IN_SYNC] == count:
        return f"{amount(count, 'target')}: all in sync" if count else "There is no target"
    return f"No drift on {amount(count, 'target')}"
