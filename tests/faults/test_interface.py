"""A host whose cable is out for a while, in the middle of a step."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.campaign import IS_LONG, Tally, rounds, strike
from tests.faults.stand import PRINTING, Stand, stand
from tests.fleet.hosts import JUMP, Fleet, Host
from tests.integration.farm import Told

SECONDS = {"web-01": 1.0, "web-02": 10.0, **({JUMP: 60.0} if IS_LONG else {})}
"""How long each is cut off; the jump host takes the one behind it along."""


def test_a_run_waits_for_hosts_that_are_cut_off(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """Interface down for 1, 10 and (long) 60 seconds"""
    with stand(fleet, tmp_path, "web-01", "web-02", "web-03", proxied=False, timeout_s=400) as made:
        for number in rounds(short=1, long=5):
            strike(made, tally, number, lambda chance: _unplug(made, chance))
    tally.expect_none()


def _unplug(made: Stand, chance: random.Random) -> Told:
    def pull(host: Host, seconds: float) -> None:
        time.sleep(chance.uniform(0, 0.5))
        made.struck(host.name)
        host.unplug()
        time.sleep(seconds)
        host.plug_in()

    hosts = made.fleet.hosts
    return made.during(*((PRINTING, lambda n=name, s=s: pull(hosts[n], s)) for name, s in SECONDS.items()))
