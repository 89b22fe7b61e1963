"""What happens in a run, as values. Work emits them; whoever renders or stores them knows nothing of how it is done.

Each event becomes one JSON line (``output/json.py``) with ``event``: the class name in snake case, and ``at``: the
controller's time in ISO 8601 UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.work import RunPlan


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: str
    project: str
    release: str | None
    environment: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """``acquire``, ``connect``, ``observe``, ``lock``, ``push``, ``steps``, ``record``."""

    phase: str


@dataclass(frozen=True, slots=True)
class PackageReady:
    package: str
    files: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TargetConnected:
    target: str


@dataclass(frozen=True, slots=True)
class TargetLost:
    """The target leaves the run outside a step, or while one ran."""

    target: str
    outcome: Outcome
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TargetWarned:
    """Something about a target that people should know; its outcome stays."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionReopening:
    """The connection to a target was lost, and is made again."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionReopened:
    target: str
    seconds: float
    """How long there was none."""


@dataclass(frozen=True, slots=True)
class PlanMade:
    plan: RunPlan


@dataclass(frozen=True, slots=True)
class PushStarted:
    target: str
    package: str
    bytes: int
    """What will be sent, compressed."""


@dataclass(frozen=True, slots=True)
class PushAdvanced:
    target: str
    package: str
    sent: int


@dataclass(frozen=True, slots=True)
class PushDone:
    target: str
    package: str
    sent: int
    release_dir: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The step begins on at least one target."""

    step: str


@dataclass(frozen=True, slots=True)
class StepBegan:
    """The step begins on a target."""

    step: str
    target: str


@dataclass(frozen=True, slots=True)
class StepNote:
    """Something a person should see: ``activating``, ``verifying``, ``going back to 1.4.1``, a retry."""

    step: str
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Bytes that a step printed on a target: masked, otherwise as they came. Data, never markup."""

    step: str
    target: str
    data: bytes


@dataclass(frozen=True, slots=True)
class StepEnded:
    step: str
    target: str
    outcome: Outcome
    reason: str
    seconds: float
    status: int | None = None
    """The exit status of what ran, where something did."""
    tail: bytes = b""
    """The last lines of output, for a failure."""
    ignored: bool = False
    """A failure that counts nowhere: ``on_failure: ignore``, or a person said so."""


class Level(enum.Enum):
    """How loud a line is that a script marked."""

    VERBOSE = "verbose"
    HIGHLIGHT = "highlight"
    WARNING = "warning"
    WAIT = "wait"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class StepSaid:
    """A line that a script marked (``octo_highlight``, ``octo_warn``): shown without ``-v``. Masked text."""

    step: str
    target: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """``octo_progress``: 0 to 100, and what for."""

    step: str
    target: str
    percent: int
    text: str


@dataclass(frozen=True, slots=True)
class OutputSet:
    """A script gave an output."""

    step: str
    target: str
    name: str
    value: str | None
    """None: it is secret."""


@dataclass(frozen=True, slots=True)
class ArtifactKept:
    """A file of a target was copied here."""

    step: str
    target: str
    name: str
    path: str
    """On the controller."""
    bytes: int


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed on a target, and a person is asked what to do about it: told before the question."""

    step: str
    target: str
    reason: str
    status: int | None = None
    tail: bytes = b""


class Choice(enum.Enum):
    """What a person may say to a failed step (guided failure)."""

    RETRY = "retry"
    IGNORE = "ignore"
    LEAVE_OUT = "leave out"
    """The target leaves the run; the failure is on no budget."""
    STOP = "stop"
    """The run halts."""


@dataclass(frozen=True, slots=True)
class StepDecided:
    """What a person said to it."""

    step: str
    target: str
    choice: Choice
    by: str


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """An ``approve`` step or a ``pause: approve`` was answered."""

    step: str
    given: bool
    by: str
    note: str
    """With ``--approve "NAME=note"``; empty where it was said on the terminal."""


@dataclass(frozen=True, slots=True)
class GroupPaused:
    step: str
    seconds: float | None
    """None: until somebody says yes."""


@dataclass(frozen=True, slots=True)
class RunHalted:
    """No new target is started any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A first signal came."""

    signal: str


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Where a target stands at the end."""

    target: str
    outcome: Outcome
    reason: str
    release: str | None
    """Where it is now, where that was seen."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    run: str
    exit_code: int
    seconds: float
    results: tuple[TargetResult, ...]
    next_command: str = ""
    """What goes on, e.g. ``octo-ssh apply plan.yaml --limit @failed``."""


Event = (
    RunStarted
    | PhaseStarted
    | PackageReady
    | TargetConnected
    | TargetLost
    | TargetWarned
    | ConnectionReopening
    | ConnectionReopened
    | PlanMade
    | PushStarted
    | PushAdvanced
    | PushDone
    | StepStarted
    | StepBegan
    | StepNote
    | StepOutput
    | StepEnded
    | StepSaid
    | StepProgress
    | OutputSet
    | ArtifactKept
    | StepFailed
    | StepDecided
    | ApprovalGiven
    | GroupPaused
    | RunHalted
    | Interrupted
    | RunEnded
)
Emit = Callable[[Event], None]
