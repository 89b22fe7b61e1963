"""Many targets at once: connect to them in parallel, keep what was reached, know why the rest was not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from octo_ssh.errors import HostKeyRefused, Refused, TargetError, Unreachable
from octo_ssh.execution.steady import SteadySession
from octo_ssh.model.events import Emit, TargetConnected, TargetLost
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.operations.together import together
from octo_ssh.output.summary import named
from octo_ssh.transport.host_policy import review
from octo_ssh.transport.session import Connector, Session

R = TypeVar("R")
MakeConnector = Callable[[Inventory, Callable[[SecretRef], Secret]], Connector]
"""Makes what connects to the targets of an inventory; secrets are for keys' passphrases."""


@dataclass(slots=True)
class Fleet:
    """The sessions of one command. Use it as an async context manager: leaving it closes every connection."""

    connector: Connector
    emit: Emit
    inventory: str
    """Its path, for the command that reviews host keys."""
    sessions: dict[str, Session] = field(default_factory=dict)
    steady: dict[str, SteadySession] = field(default_factory=dict)
    """The same sessions as those that are opened again when they are lost; made by ``keep``."""
    unreachable: dict[str, Unreachable] = field(default_factory=dict)

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connector.close()

    async def connect(self, targets: Iterable[Target]) -> None:
        """Connect to all of them at once; a slow or dead one holds up nobody but the end of this call."""
        await together(self._connect(target) for target in targets)

    async def _connect(self, target: Target) -> None:
        try:
            session = await self.connector.connect(target)
        except Unreachable as error:
            self.unreachable[target.name] = error
            # Whoever wants them all refuses the whole command, and says once what to do about the keys.
            told_later = isinstance(error, HostKeyRefused) and error.hint.startswith("octo-ssh trust")
            hint = "" if told_later else error.hint
            self.emit(TargetLost(target.name, Outcome.UNREACHABLE, error.beside(target.name), hint))
        else:
            self.sessions[target.name] = session
            self.emit(TargetConnected(target.name))

    def keep(self, targets: Iterable[Target]) -> None:
        """From now on the sessions of these targets are opened again when their connections are lost."""
        for target in targets:
            if target.name in self.sessions and target.name not in self.steady:
                session = SteadySession(target, self.connector.connect, self.emit, self.sessions[target.name])
                self.sessions[target.name] = self.steady[target.name] = session

    def refuse_bad_host_keys(self) -> None:
        """An unknown or changed host key refuses the whole command (SPEC section 5)."""
        bad = {name: error for name, error in self.unreachable.items() if isinstance(error, HostKeyRefused)}
        if not bad:
            return
        changed = [name for name, error in bad.items() if error.changed]
        unknown = [name for name in bad if name not in changed]
        told = [f"the host {_keys(unknown)} not trusted yet"] if unknown else []
        told += [f"the host {_keys(changed)} NOT WHAT WAS TRUSTED BEFORE"] if changed else []
        command = review(self.inventory, *(sorted(bad) if len(bad) <= 5 else ()))
        care = "\nsay yes only when you know why they changed" if changed else ""
        hint = f"nothing was changed; review the keys with: {command}{care}"
        raise Refused("; ".join(told), hint=hint)

    async def each(
        self, names: Iterable[str], do: Callable[[str, Session], Awaitable[R]]
    ) -> Mapping[str, R | TargetError]:
        """Do one thing on many targets at once; a target's error is its own result."""

        async def one(name: str) -> R | TargetError:
            try:
                return await do(name, self.sessions[name])
            except TargetError as error:
                return error

        wanted = [name for name in names if name in self.sessions]
        return dict(zip(wanted, await together(map(one, wanted)), strict=True))


def _keys(names: list[str]) -> str:
    return f"{'key' if len(names) == 1 else 'keys'} of {named(names)} {'is' if len(names) == 1 else 'are'}"
