"""sshd and its sessions are stopped (SIGSTOP): they hold their connections, say nothing, and go on some time later."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.campaign import IS_LONG, Tally, rounds, strike
from tests.faults.stand import PRINTING, Stand, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

STOPPED_S = 90.0 if IS_LONG else 8.0
"""The long time is more than connections are given to answer."""


def test_a_run_waits_for_an_sshd_that_is_stopped(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """sshd stopped for a while (SIGSTOP)"""
    with stand(fleet, tmp_path, proxied=False, timeout_s=400) as made:
        for number in rounds(short=1, long=3):
            strike(made, tally, number, lambda chance: _stop_sshd(made, chance))
    tally.expect_none()


def _stop_sshd(made: Stand, chance: random.Random) -> Told:
    host = made.hosts_used[0]

    def stop() -> None:
        time.sleep(chance.uniform(0, 1))
        made.struck(host.name)
        host.run("pkill -STOP sshd")
        time.sleep(STOPPED_S)
        host.run("pkill -CONT sshd")

    return made.during((PRINTING, stop))
