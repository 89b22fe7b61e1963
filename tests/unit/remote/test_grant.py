"""The right to switch ``current``, under every shell."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from octo_ssh.errors import LeaseLost, RemoteError
from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote.grant import FlipLost, checked, grant
from octo_ssh.remote.source import body
from octo_ssh.remote.switch import switch

from .conftest import Machine
from .releases import LEASE, File, release_of
from .test_build import deploy, lay_out, send

ME = LEASE
FLIPS, REVOCATIONS = 1000, 50


async def two_releases(machine: Machine) -> str:
    """1.0 is current, 2.0 is there; both by the lease of epoch 1."""
    for folder in ("1.0", "2.0"):
        await deploy(machine, folder, {"version": File(folder.encode())})
    await machine.session.act(switch(str(machine.to), "1.0", **ME))
    return str(machine.to)


def rights(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.to / ".octo-ssh").iterdir() if path.name.startswith("."))


async def test_whoever_was_overtaken_cannot_switch_any_more(machine: Machine) -> None:
    to = await two_releases(machine)
    assert await machine.session.act(grant(to, epoch=2, token="next")) == "1.0"
    for folder in ("2.0", "1.0", None):
        with pytest.raises(FlipLost, match="was taken over"):
            await machine.session.act(switch(to, folder, **ME))
        assert os.readlink(machine.to / "current") == "releases/1.0"
    with pytest.raises(LeaseLost):
        await machine.session.act(grant(to, **ME))
    await machine.session.act(switch(to, "2.0", epoch=2, token="next"))
    assert os.readlink(machine.to / "current") == "releases/2.0"
    assert rights(machine) == [".flip.2.next"]


async def test_whoever_was_overtaken_cannot_get_the_right_by_laying_out_a_release(machine: Machine) -> None:
    to = await two_releases(machine)
    await machine.session.act(grant(to, epoch=2, token="next"))
    release = release_of({"version": File(b"3")}, machine.home)
    await send(machine, release)
    with pytest.raises(FlipLost):
        await lay_out(machine, "3.0", release)
    assert rights(machine) == [".flip.2.next"]
    assert sorted(os.listdir(machine.to / "releases")) == ["1.0", "1.0.json", "2.0", "2.0.json"]


async def test_the_right_is_taken_as_often_as_one_likes_and_switching_twice_is_switching_once(machine: Machine) -> None:
    to = await two_releases(machine)
    for _ in range(2):
        assert await machine.session.act(grant(to, **ME)) == "1.0"
    for folder in ("2.0", None):
        for _ in range(2):
            await machine.session.act(switch(to, folder, **ME))
    assert await machine.session.act(grant(to, **ME)) is None
    assert rights(machine) == [f".flip.1.{ME['token']}"]
    assert os.listdir(machine.to / f".octo-ssh/.flip.1.{ME['token']}") == []


async def test_of_one_epoch_only_the_last_token_counts(machine: Machine) -> None:
    """The lock was made anew, and counts from 1 again."""
    to = await two_releases(machine)
    await machine.session.act(grant(to, epoch=1, token="another"))
    with pytest.raises(FlipLost):
        await machine.session.act(switch(to, "2.0", **ME))
    assert rights(machine) == [".flip.1.another"]


async def test_a_later_right_of_a_lock_that_is_no_more_is_void(machine: Machine) -> None:
    to = await two_releases(machine)
    await machine.session.act(grant(to, epoch=57, token="old"))
    with pytest.raises(FlipLost) as error:
        await machine.session.act(grant(to, epoch=1, token="new"))
    assert error.value.later == 57
    assert await machine.session.act(grant(to, epoch=1, token="new", void=57)) == "1.0"
    await machine.session.act(switch(to, "2.0", epoch=1, token="new"))
    with pytest.raises(FlipLost):
        await machine.session.act(switch(to, "1.0", epoch=57, token="old"))


async def test_where_no_package_was_ever_laid_out_nothing_is_made(machine: Machine) -> None:
    assert await machine.session.act(grant(str(machine.to), **ME)) is None
    assert not machine.to.exists()
    machine.to.mkdir(parents=True)
    assert await machine.session.act(grant(str(machine.to), **ME)) is None
    assert list(machine.to.iterdir()) == []


async def test_what_is_not_ours_is_not_touched(machine: Machine, tmp_path: Path) -> None:
    to = await two_releases(machine)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    right = machine.to / f".octo-ssh/.flip.1.{ME['token']}"
    right.rmdir()
    right.symlink_to(elsewhere)
    with pytest.raises(RemoteError):
        await machine.session.act(grant(to, **ME))
    (machine.to / ".octo-ssh/.flip.odd").mkdir()
    await machine.session.act(grant(to, epoch=2, token="next"))
    assert rights(machine) == [".flip.2.next", ".flip.odd"]
    assert os.listdir(elsewhere) == ["kept"]
    (machine.to / "current").unlink()
    (machine.to / "current").symlink_to(elsewhere)
    with pytest.raises(RemoteError, match="current points at"):
        await machine.session.act(grant(to, epoch=3, token="third"))


async def test_of_many_that_take_the_right_at_once_the_latest_has_it_alone(machine: Machine) -> None:
    to = await two_releases(machine)
    for first in range(10, 50, 4):
        claims = [grant(to, epoch=epoch, token=f"t{epoch}") for epoch in range(first, first + 4)]
        ends = await asyncio.gather(*map(machine.session.act, claims), return_exceptions=True)
        assert ends[-1] == "1.0"
        assert {type(end) for end in ends} <= {str, FlipLost}, ends
        assert rights(machine) == [f".flip.{first + 3}.t{first + 3}"]


# A run that does nothing but switch to and fro, until it cannot any more. Words: to epoch token
RESTLESS = """
o_to=$1
while :; do
flip "$2" "$3" 1.0
printf x >>"$o_to/flips"
flip "$2" "$3" 2.0
printf x >>"$o_to/flips"
done
"""


def _ended(reply: Reply) -> None:
    checked(reply)


def restless(to: str, epoch: int) -> Acting[None]:
    return Acting(
        name="switching to and fro",
        body=body("place", "flip", "switch").partition("umask 022")[0] + RESTLESS,
        words=(to, str(epoch), f"t{epoch}"),
        parse=_ended,
    )


async def test_no_switch_of_whoever_was_overtaken_ever_takes_effect(machine: Machine) -> None:
    to = await two_releases(machine)
    flips = machine.to / "flips"
    flips.touch()
    await machine.session.act(grant(to, epoch=10, token="t10"))
    for epoch in range(10, 10 + REVOCATIONS):
        before = flips.stat().st_size
        running = asyncio.create_task(machine.session.act(restless(to, epoch)))
        while flips.stat().st_size < before + FLIPS // REVOCATIONS:
            assert not running.done(), running
            await asyncio.sleep(0.002)
        current = await machine.session.act(grant(to, epoch=epoch + 1, token=f"t{epoch + 1}"))
        with pytest.raises(FlipLost):
            await running
        assert os.readlink(machine.to / "current") == f"releases/{current}", f"epoch {epoch}"
    assert flips.stat().st_size >= FLIPS
