"""A target that a run holds, for the tests of execution: this machine's shell with a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import Position, Unreachable
from octo_ssh.execution.context import RunContext, RunIdentity
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.outputs import Outputs
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.execution.steady import SteadySession
from octo_ssh.model.events import Event
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Baseline
from octo_ssh.model.program import Acting, Sudo
from octo_ssh.packages.bundle import Bundles
from octo_ssh.remote.observe import observe
from octo_ssh.transport.local import LocalSession

R = TypeVar("R")


class Session(LocalSession):
    """Raises what it is told to before it does anything; by the program's name."""

    def __init__(self, name: str, home: Path) -> None:
        super().__init__(name, home=str(home))
        self.breaks: dict[str, list[BaseException]] = {}
        self.acted: list[str] = []

    async def act(
        self,
        program: Acting[R],
        *,
        sudo: Sudo | None = None,
        timeout_s: float = 60.0,
        on_output: Callable[[bytes], None] | None = None,
        on_sent: Callable[[int], None] | None = None,
    ) -> R:
        self.acted.append(program.name)
        if self.breaks.get(program.name):
            raise self.breaks[program.name].pop(0)
        return await super().act(program, sudo=sudo, timeout_s=timeout_s, on_output=on_output, on_sent=on_sent)


@dataclass
class Stand:
    """One target, and all that its run tells."""

    hold: Hold
    session: Session
    home: Path
    events: list[Event] = field(default_factory=list)
    approvals: list[bool] = field(default_factory=list)
    """Answers to give, first one first; none left: no."""
    reconnects: list[Session | Unreachable] = field(default_factory=list)
    """What connecting again gives, first one first."""

    @property
    def context(self) -> RunContext:
        return self.hold.context

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def lock(self, steps: Iterable[str] = ()) -> None:
        assert await self.hold.acquire(line={"what": "decided", "due": [*steps]}, baseline=Baseline()) is None


async def stand(folder: Path, *, environ: dict[str, str] | None = None) -> Stand:
    """A target that was observed and is not locked yet."""
    home = folder / "home"
    home.mkdir()
    session, events = Session("web-1", home), list[Event]()
    store, approvals, reconnects = SecretStore(environ or {}), list[bool](), list[Session | Unreachable]()

    async def approve(step_id: str, about: str) -> bool:
        return approvals.pop(0) if approvals else False

    async def connect(target: Target) -> Session:
        found = reconnects.pop(0)
        if isinstance(found, Unreachable):
            raise found
        return found

    async def on_disk() -> None:
        return

    context = RunContext(
        identity=RunIdentity("20260101T000000Z-0001", "shop", "1.0", None, "ada", "box"),
        emit=events.append,
        on_disk=on_disk,
        now=lambda: "2026-01-01T00:00:00+00:00",
        secrets=store,
        packages={},
        bundles=Bundles(folder / "bundles"),
        configured={},
        files={},
        outputs=Outputs(store, {name: name.title() for name in ("go", "other", "once")}),
        artifacts=folder / "run" / "artifacts",
        connect=connect,
        approve=approve,
        run_outcome=lambda: "success",
    )
    seen = await session.observe(observe("~/.octo-ssh", "shop", None, []))
    target = Target("web-1", Position("inventory.yaml", 1, 1))
    steady = SteadySession(target, connect, events.append, session)
    hold = Hold(context, target, steady, seen, token="0123abcd")
    return Stand(hold, session, home, events, approvals, reconnects)


def controller(folder: Path) -> ControllerSeat:
    """This machine, as steps on the controller see it."""
    return ControllerSeat.at(str(folder), root=str(folder / "run"), hidden=())
