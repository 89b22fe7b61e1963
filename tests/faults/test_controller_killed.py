"""kill -9 of the controller at random moments, and apply again: what was done is not repeated, what runs is joined."""

from __future__ import annotations

import functools
import random
import time
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, rounds, strike
from tests.faults.stand import Stand, stand
from tests.fleet.hosts import Fleet

EVENTS = 55
"""Of a run that nothing happens to, about."""
SECONDS = 4.0
"""That it takes, about."""


@pytest.mark.parametrize("moment", ["after some events", "after some time"])
def test_apply_again_goes_on_where_a_killed_controller_was(
    fleet: Fleet, tmp_path: Path, tally: Tally, moment: str
) -> None:
    """The controller killed {moment}"""
    kill = _after_events if moment == "after some events" else _after_time
    with stand(fleet, tmp_path, "web-01", "web-02", "web-03", proxied=False) as made:
        for number in rounds(short=1, long=25):
            strike(made, tally, number, functools.partial(_kill_again_and_again, made, kill))
    tally.expect_none()


def _kill_again_and_again(made: Stand, kill: object, chance: random.Random) -> None:
    """One to three controllers of one release are killed, one after another."""
    assert callable(kill)
    for _ in range(chance.choice([1, 1, 2, 3])):
        kill(made, chance)
        time.sleep(chance.choice([0.0, 0.0, chance.uniform(0, 2)]))


def _after_events(made: Stand, chance: random.Random) -> None:
    process, told = made.start_apply(), []
    left = chance.randint(1, EVENTS)
    for line in process.stdout:
        told.append(line)
        left -= '"event":"step_output"' not in line
        if left <= 0:
            break
    time.sleep(chance.choice([0.0, chance.uniform(0, 0.05)]))
    made.strike_down(process, told)


def _after_time(made: Stand, chance: random.Random) -> None:
    process = made.start_apply()
    time.sleep(chance.uniform(0, SECONDS))
    made.strike_down(process, [])
