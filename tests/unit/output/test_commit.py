"""Group commit: nobody goes on before what they wrote is on disk, and many share one fsync."""

from __future__ import annotations

import asyncio
import time

import pytest

from octo_ssh.errors import StateError
from octo_ssh.output.commit import GroupCommit


class Disk:
    """Remembers what had been written when each fsync began."""

    def __init__(self) -> None:
        self.written = 0
        self.synced = 0
        self.syncs = 0

    def sync(self) -> None:
        seen = self.written
        time.sleep(0.01)
        self.syncs += 1
        self.synced = seen


async def test_whoever_returns_finds_what_it_wrote_on_disk() -> None:
    disk = Disk()
    commit = GroupCommit(disk.sync)

    async def act(delay: float) -> None:
        await asyncio.sleep(delay)
        disk.written += 1
        mine = disk.written
        await commit()
        assert disk.synced >= mine

    await asyncio.gather(*(act(number * 0.001) for number in range(60)))
    assert disk.synced == 60
    assert disk.syncs < 20


async def test_many_at_once_share_one() -> None:
    disk = Disk()
    commit = GroupCommit(disk.sync)
    await asyncio.gather(*(commit() for _ in range(100)))
    assert disk.syncs == 1


async def test_all_hear_that_the_disk_is_full_and_the_next_may_succeed() -> None:
    full = True

    def sync() -> None:
        if full:
            raise StateError("disk full")

    commit = GroupCommit(sync)
    ends = await asyncio.gather(commit(), commit(), return_exceptions=True)
    assert [type(end) for end in ends] == [StateError, StateError]
    full = False
    await commit()


async def test_one_that_is_cancelled_takes_nothing_from_the_others() -> None:
    disk = Disk()
    commit = GroupCommit(disk.sync)
    one, other = asyncio.create_task(commit()), asyncio.create_task(commit())
    await asyncio.sleep(0)
    one.cancel()
    await other
    assert disk.syncs == 1
    with pytest.raises(asyncio.CancelledError):
        await one
