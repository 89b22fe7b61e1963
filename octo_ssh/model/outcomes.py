"""How a step ends on a target, and what that does to the run (SPEC sections 1, 4 and 5)."""

from __future__ import annotations

import enum

from octo_ssh.errors import ExitCode


class Outcome(enum.Enum):
    """Of a step on a target. Never guessed: a lost connection gives UNKNOWN."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"

    @property
    def is_good(self) -> bool:
        """The target goes on with the run."""
        return self in (Outcome.UNCHANGED, Outcome.CHANGED, Outcome.SKIPPED)

    @property
    def exit_code(self) -> ExitCode:
        match self:
            case Outcome.FAILED:
                return ExitCode.FAILED
            case Outcome.UNREACHABLE | Outcome.UNKNOWN:
                return ExitCode.INCOMPLETE
            case _:
                return ExitCode.DONE
