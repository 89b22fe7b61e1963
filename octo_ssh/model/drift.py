"""What a check for drift found: values for reports, history and notifications (SPEC sections 1, 5 and 6)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


class FindingKind(enum.Enum):
    """How something differs from what the last success left."""

    CONTENT = "content"
    KIND = "kind"
    """A file became a link, a folder, a fifo …"""
    MODE = "mode"
    OWNER = "owner"
    LINK = "link"
    """A link leads elsewhere."""
    MISSING = "missing"
    EXTRA = "extra"
    CURRENT = "current"
    """``current`` is gone, or leads to another release."""
    SHARED = "shared"
    """A shared path is gone, or is none any more."""
    MANIFEST = "manifest"
    """The target's own record of a release is not what the controller derives, or is gone."""
    STATE = "state"
    """A unit that should run does not, or the other way round."""
    ENABLED = "enabled"
    MASKED = "masked"
    UNIT = "unit"
    """A unit's files were changed or overridden."""
    OLD_RELEASE = "old release"
    """A unit's process still runs from a release that is not current."""
    UNLESS = "unless"
    """What a step made true is not true any more."""
    OWED = "owed"
    """A consequence of an earlier run was never seen to happen."""
    CHECK = "check"
    """A check step does not pass (``--health``)."""
    HOST_KEY = "host key"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference on one target."""

    step: str
    """The id of the step; empty for what belongs to the target itself."""
    kind: FindingKind
    subject: str
    """A path, a unit, a consequence. Text from a target: clean it before it is shown."""
    was: str = ""
    """As it should be, in a word or two; never content."""
    now: str = ""
    diff: tuple[str, ...] = ()
    """Lines of a unified diff, masked; empty where none is to be shown."""
    seen: str = field(default="", compare=False)
    """Of a unit's files: the digest of what was found, by which a later check knows it again."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The same in two checks: the same difference, whatever it has become meanwhile."""
        return self.step, self.kind.value, self.subject


@dataclass(frozen=True, slots=True)
class Expected:
    """An entry of ``drift.ignore``: it covers findings until the end of a day (UTC)."""

    path: str
    """A pattern as in ``configure``, relative to a package's release, or the absolute path of a file step."""
    reason: str
    until: date
    step: str = ""
    """Only of this step; empty: of every one."""


class State(enum.Enum):
    """How a step stands on a target. In this order, the worst first."""

    DRIFTED = "drifted"
    UNKNOWN = "unknown"
    """It could not be looked at: permission denied, busy, unreachable."""
    PENDING = "pending"
    """Never applied there, or git wants more than was applied."""
    EXPECTED = "expected"
    """It differs only in what ``drift.ignore`` names."""
    IN_SYNC = "in sync"


@dataclass(frozen=True, slots=True)
class StepDrift:
    """One step on one target."""

    step: str
    name: str
    """As the plan has it; the id where the plan has it no more."""
    state: State
    reason: str = ""
    """Why it is unknown or pending."""
    findings: tuple[Finding, ...] = ()
    expected: tuple[tuple[Finding, Expected], ...] = ()
    """Findings that ``drift.ignore`` covers, with the entry that does."""
    partly_unknown: bool = False
    """It has drifted, and not all of it could be looked at: ``reason`` says why."""
    unverified: bool = False
    """The manifest could be compared with nothing but the target's own record of it."""
    unverified_files: tuple[str, ...] = ()
    """Of a manifest that could be compared otherwise: files whose content could not, for it holds a secret, say."""
    unit_sha256: str = ""
    """Of a service step: the digest of its unit's files as they are; empty: not known."""


@dataclass(frozen=True, slots=True)
class TargetDrift:
    """One target."""

    target: str
    steps: tuple[StepDrift, ...] = ()
    unreachable: str = ""
    """Why it was not reached, or not looked at as a whole (busy)."""
    hint: str = ""
    """What to do about that, or about its host key, where that is known."""
    findings: tuple[Finding, ...] = ()
    """Of the target itself: its host key."""
    busy: bool = False
    """It was reached, but somebody works there: ``unreachable`` says who."""
    broken: bool = False
    """It was reached, but what it said is of no use: ``unreachable`` says why."""

    @property
    def state(self) -> State:
        """The worst of its steps."""
        if self.findings:
            return State.DRIFTED
        if self.unreachable:
            return State.UNKNOWN
        order = list(State)
        return min((step.state for step in self.steps), key=order.index, default=State.IN_SYNC)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One check."""

    project: str
    environment: str | None
    at: str
    """When it began: ISO 8601, UTC."""
    targets: tuple[TargetDrift, ...]
    """In inventory order."""
    expired: tuple[Expected, ...] = ()
    """Entries of ``drift.ignore`` whose end has come, and which would have covered something."""
    unused: tuple[Expected, ...] = ()
    """Entries that matched nothing."""
    seconds: float = 0.0
    ages: Mapping[tuple[str, tuple[str, str, str]], str] = field(default_factory=dict)
    """By target and a finding's key: when it was first seen (ISO 8601, UTC), where the history knows."""
    before: Mapping[str, str] = field(default_factory=dict)
    """By target: when the check before looked at it (ISO 8601, UTC), where the history knows."""
    gone: tuple[tuple[str, Finding], ...] = ()
    """Findings of the check before, by target, that this one did not find though it looked."""
    accepted: tuple[tuple[str, Finding], ...] = ()
    """The same, but what was found is there still: an apply has accepted it, and remembers it so."""
