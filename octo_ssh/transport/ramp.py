"""How much at once: logins per destination, handshakes in all, open files. A dead machine holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass

try:
    import resource
except ImportError:  # pragma: no cover
    resource = None  # type: ignore[assignment]

_WANTED_FILES = 65_536
_KEPT_FILES = 160
"""For everything that is no connection: packages, records, pipes, the agent. A third, where there are few in all."""
_THREADS = 256


def raise_file_limit() -> int:
    """Raise this process's soft limit of open files as far as is allowed; how many there may be then."""
    if resource is None:
        return _WANTED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    # macOS allows less than it says: come down until it agrees.
    while soft != resource.RLIM_INFINITY and wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            wanted //= 2
            continue
        return wanted
    return _WANTED_FILES if soft == resource.RLIM_INFINITY else soft


@dataclass(slots=True)
class _Door:
    gate: asyncio.Semaphore
    users: int = 0


class Ramp:
    """The limits that all connections of a connector share."""

    def __init__(self, *, per_destination: int, handshakes: int, files: int | None = None) -> None:
        self._per_destination = per_destination
        self._handshakes = asyncio.Semaphore(handshakes)
        self._threads = asyncio.Semaphore(_THREADS)
        self._doors: dict[Hashable, _Door] = {}
        files = raise_file_limit() if files is None else files
        self.capacity = max(1, files - min(_KEPT_FILES, files // 3))
        """Connections that may be open at once."""

    @contextlib.asynccontextmanager
    async def login(self, destination: Hashable) -> AsyncIterator[None]:
        """Held from the first packet to the end of a login: sshd counts unauthenticated connections."""
        door = self._doors.setdefault(destination, _Door(asyncio.Semaphore(self._per_destination)))
        door.users += 1
        try:
            async with door.gate:
                yield
        finally:
            door.users -= 1
            if not door.users:
                del self._doors[destination]

    @contextlib.asynccontextmanager
    async def handshake(self) -> AsyncIterator[None]:
        """Held while keys are exchanged: taken only when the other side has spoken, so a silent one holds none."""
        async with self._handshakes:
            yield

    @contextlib.asynccontextmanager
    async def thread(self) -> AsyncIterator[None]:
        """Held while something that may block has a thread of its own: so many that hung ones hardly matter."""
        async with self._threads:
            yield
