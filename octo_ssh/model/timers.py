"""Timers of releases that wait for a confirmation (SPEC section 8): what they do, and what was seen of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Verdict(enum.Enum):
    """What became of a release that waits for its confirmation. Whoever says it first decides."""

    CONFIRMED = "confirmed"
    """The controller came back over a connection of its own."""
    RETURNED = "returned"
    """The controller goes back to the release before."""
    REVERTED = "reverted"
    """The target went back by itself."""
    OVERTAKEN = "overtaken"
    """Another run took the target over: it is for that one to say."""


@dataclass(frozen=True, slots=True)
class TimerSeen:
    """A timer that a target holds, or held."""

    token: str
    """Which one it is: letters and digits."""
    verdict: Verdict | None
    """None: nobody has decided."""
    runs: bool
    """Its process is there: it counts, or goes back at this moment."""
    restarted: bool = False
    """The machine was started anew since it was armed: it had no time to decide, for the power was cut."""
    run: str = ""
    """Of the run that armed it. This and what follows is text from a target."""
    new: str = ""
    """The release folder that waits."""
    old: str | None = None
    """The one that it goes back to; None: to none."""
    since: str = ""
    """When it was armed, on the controller's clock."""
    within_s: int = 0
    came: Mapping[str, int] = field(default_factory=dict)
    """What it ran when it went back, by name (``activate``, …), with the exit status."""
    is_done: bool = False
    """It has gone back, and run what there was to run."""
    is_missed: bool = False
    """When it was to go back, something else than ``new`` was current: it left that alone."""

    @property
    def is_open(self) -> bool:
        """Nobody confirmed the release, and nobody went back from it."""
        return self.verdict in (None, Verdict.OVERTAKEN)
