"""A package's way into the store, under every shell: cut off, gone on with, damaged, written by two."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from octo_ssh.errors import TargetError
from octo_ssh.model.program import Acting
from octo_ssh.remote.receive import Received, receive

from .conftest import Machine
from .releases import LEASE, take_lease
from .talking import talk, until

SIZE = 300_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """A bundle that is on its way to a machine."""

    machine: Machine
    path: Path
    data: bytes

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()

    @property
    def store(self) -> Path:
        return self.machine.root / "store"

    def program(self, *, wanted: tuple[str, ...] = ()) -> Acting[Received]:
        return receive("~/.octo-ssh", self.sha256, self.path, len(self.data), **LEASE, wanted=wanted)

    async def send(self) -> Received:
        return await self.machine.session.act(self.program())

    def leave(self, content: bytes, name: str = "1") -> Path:
        """A part that an earlier try left."""
        self.store.mkdir(exist_ok=True)
        part = self.store / f".{self.sha256}.{name}"
        part.write_bytes(content)
        return part

    def is_stored(self) -> bool:
        return os.listdir(self.store) == [self.sha256] and (self.store / self.sha256).read_bytes() == self.data


@pytest.fixture
def parcel(machine: Machine, tmp_path: Path) -> Parcel:
    take_lease(machine.root)
    path = tmp_path / "bundle"
    path.write_bytes(os.urandom(SIZE))
    return Parcel(machine, path, path.read_bytes())


async def test_content_that_is_there_is_not_sent_again_and_damage_is_repaired(parcel: Parcel) -> None:
    assert await parcel.send() is Received.STORED
    assert await parcel.send() is Received.HAD
    (parcel.store / parcel.sha256).write_bytes(b"x" * SIZE)
    assert await parcel.send() is Received.STORED
    assert parcel.is_stored()


@pytest.mark.parametrize("cut_at", [0, 1, 65_536, SIZE - 1, SIZE])
async def test_after_a_cut_the_rest_is_sent(parcel: Parcel, cut_at: int) -> None:
    with talk(parcel.machine, parcel.program()) as lost:
        assert lost.hear("go").splitlines()[1].startswith(b"0")
        lost.send(parcel.data[:cut_at])
        lost.cut()
    sent: list[int] = []
    received = await parcel.machine.session.act(parcel.program(), on_sent=sent.append)
    assert parcel.is_stored()
    assert received is (Received.HAD if cut_at == SIZE else Received.STORED)
    # What is counted begins where the rest does, and the first piece holds all of a short one.
    assert sent == ([] if cut_at == SIZE else [min(cut_at + 256 * 1024, SIZE), SIZE][cut_at > SIZE - 256 * 1024 :])


async def test_many_cuts_cost_nothing_of_what_had_come(parcel: Parcel) -> None:
    for start in range(0, SIZE, 70_000):
        with talk(parcel.machine, parcel.program()) as lost:
            said = lost.hear("go").decode()
            assert f"at\n{start}" in said
            lost.send(parcel.data[start : start + 70_000])
            lost.cut()
    assert parcel.is_stored()


async def test_a_program_that_a_lost_connection_left_at_work_is_ended_and_what_it_wrote_is_kept(parcel: Parcel) -> None:
    with talk(parcel.machine, parcel.program()) as left:
        left.hear("go")
        left.send(parcel.data[:100_000])
        part = await _grown(parcel, 90_000)
        with talk(parcel.machine, parcel.program()) as next_one:
            came = int(re.sub(rb"\D.*", b"", next_one.hear("go").splitlines()[1]))
            assert came >= 90_000
            assert left.process.wait(20) == -9
            assert not part.exists()
            next_one.send(parcel.data[came:])
            next_one.hear("end 0")
    assert parcel.is_stored()


async def _grown(parcel: Parcel, size: int) -> Path:
    """The part, as soon as it is so long."""
    await until(lambda: any(part.stat().st_size >= size for part in parcel.store.glob(f".{parcel.sha256}.*")))
    return next(parcel.store.glob(f".{parcel.sha256}.*"))


async def test_two_at_once_never_spoil_what_comes_of_it(parcel: Parcel) -> None:
    parcel.leave(parcel.data[:50_000])
    ends = await asyncio.gather(
        *(parcel.send() for _ in range(6)),
        return_exceptions=True,
    )
    assert all(isinstance(end, Received | TargetError) for end in ends)
    assert Received.DAMAGED not in ends
    await parcel.send()
    assert parcel.is_stored()


async def test_of_several_parts_the_longest_is_gone_on_with(parcel: Parcel) -> None:
    parcel.leave(parcel.data[:10], "1")
    parcel.leave(parcel.data[:90_000], "77")
    parcel.leave(parcel.data[:5], "9")
    parcel.leave(parcel.data + b"more", "3")
    with talk(parcel.machine, parcel.program()) as talking:
        assert b"at\n90000" in talking.hear("go")
        talking.send(parcel.data[90_000:])
        talking.hear("end 0")
    assert parcel.is_stored()


async def test_a_part_that_is_damaged_is_thrown_away_and_then_all_is_sent(parcel: Parcel) -> None:
    parcel.leave(b"x" + parcel.data[1:90_000])
    assert await parcel.send() is Received.DAMAGED
    assert os.listdir(parcel.store) == []
    assert await parcel.send() is Received.STORED
    assert parcel.is_stored()


async def test_other_content_than_was_announced_is_not_kept(parcel: Parcel) -> None:
    other = receive("~/.octo-ssh", "0" * 64, parcel.path, SIZE, **LEASE)
    assert await parcel.machine.session.act(other) is Received.DAMAGED
    assert os.listdir(parcel.store) == []


async def test_what_other_runs_left_goes_unless_this_one_has_use_for_it(parcel: Parcel) -> None:
    other, wanted = "1" * 64, "2" * 64
    parcel.store.mkdir()
    for name in (other, wanted, f".{other}.12", f".{wanted}.12"):
        (parcel.store / name).write_bytes(b"content")
    await parcel.send()
    assert len(os.listdir(parcel.store)) == 5
    await parcel.machine.session.act(parcel.program(wanted=(wanted, parcel.sha256)))
    assert sorted(os.listdir(parcel.store)) == sorted((parcel.sha256, wanted, f".{wanted}.12"))


async def test_without_the_lease_nothing_is_touched(parcel: Parcel) -> None:
    part = parcel.leave(parcel.data[:1000])
    (parcel.machine.root / "lock/2").symlink_to("somebody:90:boot:1.0:")
    with pytest.raises(TargetError, match="the lock"):
        await parcel.send()
    assert part.read_bytes() == parcel.data[:1000]


async def test_links_in_the_store_are_not_followed(parcel: Parcel, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    parcel.store.mkdir()
    (parcel.store / f".{parcel.sha256}.1").symlink_to(precious)
    assert await parcel.send() is Received.STORED
    (parcel.store / parcel.sha256).unlink()
    (parcel.store / parcel.sha256).symlink_to(precious)
    with pytest.raises(TargetError, match="symbolic link"):
        await parcel.send()
    assert precious.read_bytes() == b"precious"
