"""Passwords for sudo are tried by one at a time until one went well, and never again once refused."""

from __future__ import annotations

import asyncio

import pytest

from octo_ssh.errors import SudoRefused
from octo_ssh.model.program import Sudo
from octo_ssh.model.values import Secret
from octo_ssh.transport.attempts import Attempts

ROOT = Sudo("root", Secret("open sesame"))


async def test_one_goes_first_and_after_a_success_all_at_once() -> None:
    attempts, inside, both = Attempts(), list[str](), asyncio.Barrier(2)

    async def later(name: str) -> None:
        async with attempts.one("web-01", ROOT):
            inside.append(name)
            await both.wait()

    async with attempts.one("web-01", ROOT):
        tasks = [asyncio.create_task(later(name)) for name in ("a", "b")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inside == []
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    assert sorted(inside) == ["a", "b"]


async def test_a_refusal_counts_for_that_target_and_user_alone() -> None:
    attempts = Attempts()
    with pytest.raises(SudoRefused):
        async with attempts.one("web-01", ROOT):
            raise SudoRefused("web-01: sudo refused the password", hint="look")
    with pytest.raises(SudoRefused) as caught:
        async with attempts.one("web-01", ROOT):
            pytest.fail("it is not tried again")
    assert (caught.value.message, caught.value.hint[:9]) == ("web-01: sudo refused the password", "look; it ")
    for target, sudo in (("web-02", ROOT), ("web-01", Sudo("app", ROOT.password)), ("web-01", Sudo("root"))):
        async with attempts.one(target, sudo):
            pass


async def test_what_went_wrong_otherwise_proves_nothing() -> None:
    attempts = Attempts()
    for _ in range(2):
        with pytest.raises(ValueError, match="the line was cut"):
            async with attempts.one("web-01", ROOT):
                raise ValueError("the line was cut")
