"""Where a script runs: a target that the run holds, or the controller itself."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from octo_ssh.errors import RemoteError
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


@dataclass(frozen=True, slots=True)
class ControllerSeat:
    """This machine: for steps with ``on: controller``. Nobody else is become here."""

    session: LocalSession
    root: str
    plan_folder: str
    name: str = CONTROLLER

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

    def check(self) -> None:
        """Raises RemoteError where this machine's tools cannot run and end a script (macOS without GNU tools)."""
        if missing := missing_tools():
            raise RemoteError(
                f"{', '.join(missing)} missing on this machine: steps on the controller need it",
                hint="macOS: brew install coreutils findutils gnu-tar grep util-linux",
            )
