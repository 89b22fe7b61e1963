"""sshd dies with all its sessions in the middle of a run, and is started again a moment later."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.campaign import Tally, rounds, strike
from tests.faults.stand import PRINTING, PUSHING, Stand, stand
from tests.fleet.bench import restart_sshd
from tests.fleet.hosts import Fleet, Host
from tests.integration.farm import Told


def test_a_run_gets_over_the_death_of_sshd(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """sshd and all its sessions killed"""
    with stand(fleet, tmp_path, proxied=False) as made:
        for number in rounds(short=2, long=10):
            strike(made, tally, number, lambda chance: _kill_sshd(made, chance))
    tally.expect_none()


def _kill_sshd(made: Stand, chance: random.Random) -> Told:
    def kill(host: Host) -> None:
        time.sleep(chance.uniform(0, 1))
        made.struck(host.name)
        host.run("pkill -KILL sshd", check=False)
        time.sleep(chance.uniform(0, 3))
        restart_sshd(host)

    struck = chance.sample(made.hosts_used, chance.randint(1, len(made.hosts_used)))
    moment = chance.choice([PRINTING, PRINTING, PUSHING])
    return made.during(*((moment, lambda h=host: kill(h)) for host in struck))
