"""Who may take over a target that somebody holds (SPEC section 6). Pure: clocks and files are somebody else's.

A lease is over when its run was killed on this very controller, when the target's clock says that nobody renewed it for
its whole time, or when this controller has seen it unchanged for as long. The target's clock says nothing across a
restart. And a script that still runs holds the target, whatever became of the lease: only a run that joins it goes on.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from octo_ssh.model.jobs import JobSeen, JobState
from octo_ssh.model.observed import Lease


class LeaseState(enum.Enum):
    """How a lease stands."""

    FREE = "free"
    HELD = "held"
    EXPIRED = "expired"
    """Nobody renewed it for its whole time."""
    KILLED = "killed"
    """The run that holds it was killed on this controller."""
    DOUBTFUL = "doubtful"
    """From before the target was started anew, or from a target without a clock: only time tells."""


@dataclass(frozen=True, slots=True)
class LeaseSight:
    """A target's lock, as a controller sees it."""

    lease: Lease | None
    jobs: tuple[JobSeen, ...] = ()
    """Scripts in the work folder, of whatever run."""
    was_killed: bool = False
    """The lease's run has its record on this controller, and is no more."""
    unchanged_s: float = 0.0
    """For how long, on this controller's clock, the lease says the same."""

    @property
    def state(self) -> LeaseState:
        lease = self.lease
        if lease is None:
            return LeaseState.FREE
        if self.was_killed:
            return LeaseState.KILLED
        ttl_s = lease.holds_s
        if self.unchanged_s >= ttl_s or (lease.age_s is not None and lease.age_s >= ttl_s):
            return LeaseState.EXPIRED
        return LeaseState.DOUBTFUL if lease.age_s is None else LeaseState.HELD

    @property
    def running(self) -> tuple[JobSeen, ...]:
        """Scripts that are at work."""
        return tuple(job for job in self.jobs if job.state is JobState.RUNNING)


def may_take(sight: LeaseSight, joins: Callable[[tuple[JobSeen, ...]], bool]) -> bool:
    """Whether a run may take the target now. ``joins``: of all scripts there, it goes on with those that still run."""
    match sight.state:
        case LeaseState.HELD | LeaseState.DOUBTFUL:
            return False
        case LeaseState.KILLED:
            return not sight.running or joins(sight.jobs)
        case LeaseState.FREE | LeaseState.EXPIRED:
            return not sight.running
        case state:
            assert_never(state)
