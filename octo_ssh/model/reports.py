"""What the verbs other than ``apply`` answer, as values for the renderers. All text from targets is data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.errors import Position
from octo_ssh.model.observed import Facts, Lease
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import Expr, Prompt, SecretRef, Value


class Level(enum.Enum):
    """How a finding of ``doctor`` weighs."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``doctor`` looked at."""

    level: Level
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A target, as ``doctor`` saw it. ``facts`` is None when it could not be reached."""

    target: str
    facts: Facts | None
    findings: tuple[Finding, ...]
    outcome: Outcome = Outcome.UNCHANGED
    """UNREACHABLE or UNKNOWN when it could not be looked at."""
    host_key_refused: bool = False


@dataclass(frozen=True, slots=True)
class ExecResult:
    """One command on one target. ``output`` is both streams in their order, bounded."""

    target: str
    outcome: Outcome
    """CHANGED: it ran and returned 0; FAILED, UNREACHABLE, UNKNOWN."""
    status: int | None
    output: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """Where a package stands on a target."""

    package: str
    folder: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What a target's own memory says of a project in an environment."""

    target: str
    outcome: Outcome
    """UNCHANGED when it was read; UNREACHABLE, UNKNOWN."""
    reason: str
    release: str | None
    packages: tuple[PackageStatus, ...]
    owed: tuple[str, ...]
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The release of a project on every target of an environment."""

    project: str
    environment: str | None
    targets: tuple[TargetStatus, ...]


@dataclass(frozen=True, slots=True)
class LockRow:
    """A target's lock. ``released`` is set when this command freed it, and ended what still ran."""

    target: str
    outcome: Outcome
    lease: Lease | None
    released: bool = False
    reason: str = ""
    state: str = ""
    """``free``, ``held``, ``expired``, ``killed`` (its run was, on this controller), ``doubtful`` (it is from before a
    reboot)."""
    running: tuple[str, ...] = ()
    """What is still at work there: ``step migrate of run 2026…``."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The host key a target shows, against what known_hosts holds."""

    target: str
    address: str
    """The name known_hosts is asked for: ``host`` or ``[host]:port``."""
    offered: Mapping[str, str]
    """Fingerprint (``SHA256:…``) by key type."""
    known: Mapping[str, str]
    """What the file held before, likewise."""
    lines: tuple[str, ...]
    """The known_hosts lines that a yes would write."""
    reason: str = ""
    """Why there is no key of it."""
    behind: str = ""
    """The jump host whose key must be trusted before this target can be looked at."""

    @property
    def is_new(self) -> bool:
        return bool(self.offered) and not self.known

    @property
    def is_changed(self) -> bool:
        """A known key differs, or none of the kinds that are known is shown any more. More kinds are no change."""
        same = [kind for kind in self.offered if kind in self.known]
        if not same:
            return bool(self.offered) and bool(self.known)
        return any(self.known[kind] != self.offered[kind] for kind in same)


class Standing(enum.Enum):
    """What can be said of a variable's value before a run."""

    VALUE = "value"
    SECRET = "secret"
    """Only where it comes from."""
    PROMPT = "prompt"
    """A person is asked when a run starts."""
    WAITS = "waits"
    """It is made from the answer to a prompt."""
    ABSENT = "absent"
    """It depends on a target, and the controller is none: scripts there do not have it."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Said:
    """One definition of a variable: what was written, and where."""

    written: Expr
    origin: Position
    source: str
    """``plan``, ``tag web``, …"""


@dataclass(frozen=True, slots=True)
class VariableRow:
    """A variable on one target."""

    name: str
    exported: str
    """Its name in scripts."""
    standing: Standing
    value: Value | SecretRef | Prompt
    """None where ``standing`` is WAITS, ABSENT or WRONG."""
    note: str
    """What it waits for, what it lacks, or what is wrong; else empty."""
    said: Said
    beaten: tuple[Said, ...]
    """The other definitions that hold there, strongest first."""


@dataclass(frozen=True, slots=True)
class VariablesReport:
    """The variables of a plan on one target, or on the controller, by name."""

    target: str
    environment: str | None
    step: str | None
    """The name of the step they are for; None: outside of any."""
    variables: tuple[VariableRow, ...]
