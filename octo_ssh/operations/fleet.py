"""Many targets at once: connect to them in parallel, keep what was reached, know why the rest was not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from octo_ssh.errors import HostKeyRefused, Refused, TargetError, Unreachable
from octo_ssh.model.events import Emit, TargetConnected, TargetLost
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.operations.together import together
from octo_ssh.transport.session import Connector, Session

R = TypeVar("R")
MakeConnector = Callable[[Inventory, Callable[[SecretRef], Secret]], Connector]
"""Makes what connects to the targets of an inventory; secrets are for keys' passphrases."""


@dataclass(slots=True)
class Fleet:
    """The sessions of one command. Use it as an async context manager: leaving it closes every connection."""

    connector: Connector
    emit: Emit
    sessions: dict[str, Session] = field(default_factory=dict)
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
            self.emit(TargetLost(target.name, Outcome.UNREACHABLE, error.beside(target.name), error.hint))
        else:
            self.sessions[target.name] = session
            self.emit(TargetConnected(target.name))

    def refuse_bad_host_keys(self) -> None:
        """An unknown or changed host key refuses the whole command (SPEC section 5)."""
        bad = {name: error for name, error in self.unreachable.items() if isinstance(error, HostKeyRefused)}
        if not bad:
            return
        told = "\n".join(str(error) for error in list(bad.values())[:5])
        more = f"\nand {len(bad) - 5} more" if len(bad) > 5 else ""
        names = " ".join(sorted(bad)) if len(bad) <= 5 else "'*'"
        raise Refused(f"{told}{more}", hint=f"nothing was changed; review the keys with: octo-ssh trust {names}")

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
