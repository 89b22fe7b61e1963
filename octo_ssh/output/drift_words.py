"""Words about drift for pages and notifications, and the same finding on many targets told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from octo_ssh.model.drift import DriftReport, Finding
from octo_ssh.output.drift_counts import counts
from octo_ssh.output.drift_sentences import name_words, sentence
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount


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


def predicate(finding: Finding) -> str:
    """A finding's sentence without its subject, for where that stands already."""
    said, subject = sentence(finding), name_words(finding.subject)
    return said.removeprefix(subject).lstrip() if subject else said


def whose(targets: Sequence[str]) -> str:
    """``web-01``, ``12 targets``."""
    return clean_line(targets[0]) if len(targets) == 1 else amount(len(targets), "target")


def about(project: str, environment: str | None) -> str:
    """``shop in production``."""
    return clean_line(f"{project} in {environment}" if environment else project)


def verdict(report: DriftReport) -> str:
    """How it stands, in a sentence without its full stop."""
    found = counts(report)
    targets, unseen = amount(found.targets, "target"), found.unknown + found.unreachable
    if found.drifted:
        said = f"{found.drifted:,} of {targets} {'has' if found.drifted == 1 else 'have'} drifted"
        return f"{said}; {unseen:,} could not be looked at in full" if unseen else said
    if unseen:
        return f"No drift was found, but {unseen:,} of {targets} could not be looked at in full"
    if not found.targets:
        return "There is no target"
    return f"{targets}: all in sync" if found.in_sync == found.targets else f"No drift on {targets}"
