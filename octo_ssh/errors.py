"""The exception tree and the exit codes.

::

    OctoError                   a message for the user; never a traceback
    ├── UsageError              typed wrongly on the command line              exit 2
    ├── FileErrors              mistakes in files, all of them at once         exit 1
    ├── PackageError            a package cannot be had or is not safe         exit 1
    ├── StateError              the controller's own records cannot be kept    exit 1
    ├── SecretError             a secret cannot be read                        exit 1
    ├── Refused                 the whole command, before anything changed     exit 5
    └── TargetError             one target; the others go on
        ├── Unreachable         no connection, with the reason
        │   └── HostKeyRefused  unknown or changed host key
        ├── ConnectionLost      it was there, and went away: outcome unknown
        ├── TargetTimeout       a phase passed its deadline
        │   └── DeadlinePassed  a program did, and was ended
        └── RemoteError         a program on the target failed or answered nonsense
            ├── LeaseLost       the lock there is not ours any more: outcome unknown
            └── SudoRefused     sudo was given the password, and refused
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class ExitCode(enum.IntEnum):
    """What the process returns (SPEC section 5)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERS = 3
    INCOMPLETE = 4
    REFUSED = 5
    INTERRUPTED = 130


_PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.REFUSED,
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.DIFFERS,
    ExitCode.INCOMPLETE,
    ExitCode.DONE,
)


def combine(codes: Iterable[ExitCode]) -> ExitCode:
    """Several codes as one: 130 over 5 over 1 over 3 over 4 (SPEC section 5)."""
    return min(codes, key=_PRECEDENCE.index, default=ExitCode.DONE)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file the user wrote. ``line`` and ``column`` count from 1; 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where, and what with what to do (SPEC section 2)."""

    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


class OctoError(Exception):
    """A failure with a message for the user. ``hint`` says what to do next."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(OctoError):
    """Typed wrongly on the command line."""

    exit_code = ExitCode.USAGE


class FileErrors(OctoError):
    """Every mistake of all files that were read, sorted by place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class PackageError(OctoError):
    """A package cannot be had, or is not safe to unpack."""


class StateError(OctoError):
    """The controller's own records cannot be read or written."""


class SecretError(OctoError):
    """A secret's source gave nothing usable. The message never holds the value."""


class Refused(OctoError):
    """The whole command was refused before anything changed."""

    exit_code = ExitCode.REFUSED


class TargetError(OctoError):
    """Something about one target; the others go on. The message begins with the target's name."""

    def beside(self, target: str) -> str:
        """The message for where the target's name stands already: without it in front."""
        name, colon, rest = self.message.partition(": ")
        return rest if colon and (name == target or name.startswith(f"{target} (")) else self.message


class Unreachable(TargetError):
    """No connection could be made."""

    exit_code = ExitCode.INCOMPLETE


class HostKeyRefused(Unreachable):
    """The host key is unknown or has changed; refuses ``apply`` as a whole (SPEC section 5)."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, *, hint: str = "", changed: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.changed = changed


class ConnectionLost(TargetError):
    """The connection went away before the result was seen: the outcome is ``unknown``."""

    exit_code = ExitCode.INCOMPLETE


class TargetTimeout(TargetError):
    """A phase on a target passed its deadline."""


class DeadlinePassed(TargetTimeout):
    """A program ran longer than it was given and was told to end. ``hint``: what may run on there; empty: nothing."""


class RemoteError(TargetError):
    """A program on the target failed, or its reply was not what it must be."""


class LeaseLost(RemoteError):
    """The lock on the target was freed or taken over: what comes of a step that ran there is not for us to know."""

    exit_code = ExitCode.INCOMPLETE


class SudoRefused(RemoteError):
    """``sudo`` was given the password, and refused: trying it again may lock the account."""
