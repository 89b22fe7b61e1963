"""Many acts await one fsync: what announces them is on disk before they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class GroupCommit:
    """Call it before an act: it returns when everything that was written before the call is on disk."""

    sync: Callable[[], None]
    """Blocks until all that was written is on disk. Raises StateError."""
    _next: asyncio.Task[None] | None = field(default=None, init=False)
    """The fsync that will begin when the one that runs is done: it takes in whoever comes until then."""
    _running: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def __call__(self) -> None:
        """Raises StateError."""
        if self._next is None:
            self._next = asyncio.create_task(self._commit())
        await asyncio.shield(self._next)

    async def _commit(self) -> None:
        async with self._running:
            self._next = None  # who comes from here on has written something that this fsync may not see
            await asyncio.to_thread(self.sync)
