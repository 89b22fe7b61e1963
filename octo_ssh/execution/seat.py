"""Where a script runs: a target that the run holds, or the controller itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from octo_ssh.errors import RemoteError, TargetError
from octo_ssh.model.jobs import Hangup, JobKey, JobPlace, JobSeen
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.model.program import Sudo
from octo_ssh.transport.local import LocalSession
from octo_ssh.transport.local_tools import missing_tools, tool_path
from octo_ssh.transport.session import Session


class Seat(Protocol):
    """What running a script needs to know of a place."""

    @property
    def name(self) -> str: ...

    @property
    def session(self) -> Session: ...

    @property
    def root(self) -> str:
        """Absolute; scripts without a folder of their own run in ``work/<run>`` below it."""
        ...

    async def sudo(self, user: str | None) -> Sudo | None:
        """How to become a user; None where whoever logged in is that user. Raises SecretError."""
        ...

    def folder(self, cwd: str | None) -> str | None:
        """Where a script with this ``cwd`` runs; None: the run's work folder."""
        ...

    @property
    def boot_id(self) -> str:
        """Of the machine as it was when the run began; empty where it cannot restart in between."""
        ...

    @property
    def hangup(self) -> Hangup:
        """What becomes of a script here when the controller vanishes."""
        ...

    def left_job(self, key: JobKey) -> JobSeen | None:
        """The same script, of a run that was cut off: still running, or done and well. It is given once."""
        ...

    def outdate(self) -> None:
        """Something was done here: what scripts of an earlier run did after that is to be done anew."""
        ...

    async def mend(self, error: TargetError) -> None:
        """Have a connection again after ``error``. Raises ConnectionLost or HostKeyRefused where none can be had."""
        ...

    async def assure(self) -> None:
        """See that this run still holds the place. Raises LeaseLost."""
        ...

    def forget(self, job: JobPlace) -> None:
        """Remove what is left of a job that has ended, where that is not done with the run's work folder."""
        ...


@dataclass(frozen=True, slots=True)
class ControllerSeat:
    """This machine: for steps with ``on: controller``. Nobody else is become here."""

    session: LocalSession
    root: str
    plan_folder: str
    name: str = CONTROLLER
    boot_id: str = ""

    @classmethod
    def at(cls, folder: str, *, root: str, hidden: Iterable[str]) -> ControllerSeat:
        """Scripts run in ``folder``, with this process's environment less the variables that hold secrets of the plan:
        a script gets only the secrets that it names (SPEC section 4).
        """
        kept = {name: value for name, value in os.environ.items() if name not in set(hidden)}
        path = tool_path(kept.get("PATH"))
        return cls(LocalSession(CONTROLLER, env={**kept, "PATH": path}), root, os.path.abspath(folder))

    async def sudo(self, user: str | None) -> Sudo | None:
        assert user is None, "config refuses become on the controller"
        return None

    def folder(self, cwd: str | None) -> str | None:
        """``cwd`` is relative to the plan's folder (SPEC section 4)."""
        return os.path.join(self.plan_folder, os.path.expanduser(cwd or ""))

    @property
    def hangup(self) -> Hangup:
        """Nobody would look after it."""
        return Hangup.END

    def left_job(self, key: JobKey) -> JobSeen | None:
        """A controller that was killed takes its scripts with it."""
        return None

    def outdate(self) -> None:
        """There is nothing."""

    async def mend(self, error: TargetError) -> None:
        """There is no connection that could be made again."""
        raise error

    async def assure(self) -> None:
        """Nobody takes this machine over."""

    def forget(self, job: JobPlace) -> None:
        """What a script printed may hold secrets: it stays in no record."""
        shutil.rmtree(job.folder, ignore_errors=True)

    def check(self) -> None:
        """Raises RemoteError where this machine's tools cannot run and end a script (macOS without GNU tools)."""
        if missing := missing_tools():
            raise RemoteError(
                f"{', '.join(missing)} missing on this machine: steps on the controller need it",
                hint="macOS: brew install coreutils findutils gnu-tar grep util-linux",
            )
