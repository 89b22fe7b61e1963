"""Scripts that outlive the connection that started them (SPEC section 7): where they lie, and how they end."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JobPlace:
    """The folder of one job on a target: ``<root>/work/<run>/<job>``."""

    root: str
    """Absolute."""
    run: str
    job: str
    """A name that no other job of the run has: letters, digits, ``-``, ``_`` and ``.``; begins with a letter."""
    mark: str
    """32 hexadecimal digits that nobody could guess: the nonce of the markers that end its output. Its processes carry
    the first half of it in OCTO_MARK."""

    @property
    def folder(self) -> str:
        return f"{self.root}/work/{self.run}/{self.job}"


@dataclass(frozen=True, slots=True)
class JobKey:
    """What a job does: by it a later run finds the job of one that was killed."""

    step: str
    part: str
    """``run``, ``activate``, ``PreDeploy`` …"""
    digest: str
    """A sha256 over the script and all that it is given but for what differs from run to run."""


class JobState(enum.Enum):
    """What became of a job, as far as its target can tell."""

    RUNNING = "running"
    ENDED = "ended"
    VOID = "void"
    """It never began, and never will."""
    LOST = "lost"
    """Its supervisor is gone and left no status: the machine lost power, or somebody killed it."""


class Hangup(enum.Enum):
    """What becomes of a job when whoever started it hangs up without a word."""

    LEAVE = "leave"
    """It goes on: on targets."""
    END = "end"
    """It is ended: on the controller."""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job that an earlier run left in the work folder."""

    run: str
    job: str
    mark: str
    key: JobKey
    state: JobState
    status: int | None = None
    """The exit status of one that has ended."""

    @property
    def ended_well(self) -> bool:
        """It is over, and its script's exit status is 0."""
        return self.state is JobState.ENDED and self.status == 0


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended, or that it did not."""

    state: JobState
    """Never RUNNING."""
    status: int = 1
    run: str = field(default="", kw_only=True)
    """That started it: where it had no folder of its own, it ran in that one's."""
    reason: str = ""
    """Why it did not run, or why it was ended; empty where its status says all."""
    survivors: tuple[str, ...] = ()
    """``pid name`` of what it started and what could not be ended."""
    dropped_bytes: int = 0
    """What it printed beyond the limit."""
    is_late: bool = False
    """The target itself ended it at its deadline."""
    disk_full: bool = False
    """Its output could not be kept from some byte on, and was dropped."""
