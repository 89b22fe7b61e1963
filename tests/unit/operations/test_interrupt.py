"""Signals: the first is told, the second leaves at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from octo_ssh.operations.interrupt import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_is_told_by_its_name(number: signal.Signals) -> None:
    came: list[str] = []
    arrived = asyncio.Event()

    def note(name: str) -> None:
        came.append(name)
        arrived.set()

    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_DFL)
    try:
        with Interrupts(note) as interrupts:
            os.kill(os.getpid(), number)
            await asyncio.wait_for(arrived.wait(), 10)
        assert came == [interrupts.came] == [number.name]
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


async def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts(lambda name: pytest.fail(name)):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.05)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_second_signal_leaves_at_once() -> None:
    program = """
import asyncio, os, signal
from octo_ssh.operations.interrupt import Interrupts
async def main():
    with Interrupts(lambda name: os.kill(os.getpid(), signal.SIGTERM)):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
