"""A fleet on this machine for the tests of operations: the real programs, each target with a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from octo_ssh.errors import TargetError
from octo_ssh.model.events import Event, TargetConnected, TargetLost
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.transport.local import LocalSession
from octo_ssh.transport.session import Connector, Session


class CountedSession(LocalSession):
    """Tells its fleet when it is closed."""

    def __init__(self, fleet: LocalFleet, name: str) -> None:
        super().__init__(name, home=str(fleet.home(name)))
        self._fleet = fleet

    async def close(self) -> None:
        self._fleet.open -= 1


@dataclass
class LocalFleet:
    """An inventory file and a connector to it."""

    folder: Path
    broken: dict[str, TargetError] = field(default_factory=dict)
    """Raised in place of a connection, by target."""
    sessions: Mapping[str, Session] = field(default_factory=dict)
    """Used in place of this machine's shell, by target."""
    events: list[Event] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    is_closed: bool = False

    def write(self, text: str) -> str:
        path = self.folder / "inventory.yaml"
        path.write_text(text)
        return str(path)

    def request(self, *selector: str, environment: str | None = None) -> FleetRequest:
        return FleetRequest(str(self.folder / "inventory.yaml"), selector, environment)

    def home(self, name: str) -> Path:
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def session(self, name: str) -> Session:
        return self.sessions.get(name) or CountedSession(self, name)

    def make_connector(self, inventory: Inventory, reveal: Callable[[SecretRef], Secret]) -> Connector:
        return self

    async def connect(self, target: Target) -> Session:
        if target.name in self.broken:
            raise self.broken[target.name]
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return self.session(target.name)

    async def close(self) -> None:
        self.is_closed = True

    def told(self) -> list[tuple[str, str]]:
        """What was said of targets while they were visited."""
        return [
            (type(event).__name__, event.target)
            for event in self.events
            if isinstance(event, TargetConnected | TargetLost)
        ]
