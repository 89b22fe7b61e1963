"""A host that restarts, or loses power, at any moment of a run."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, rounds, strike
from tests.faults.invariants import Violation
from tests.faults.stand import Stand, stand
from tests.fleet.hosts import Fleet, Host
from tests.integration.farm import Told

MOMENTS = ('"phase":"push"', '"step":"settings","target"', '"step":"count","target"', '"step":"deploy","target"')
SOON_S = 1.0


@pytest.mark.parametrize("how", ["rebooted", "cut off from power"])
def test_the_run_that_is_struck_does_not_guess_and_the_next_one_goes_on(
    fleet: Fleet, tmp_path: Path, tally: Tally, how: str
) -> None:
    """A host {how}"""
    with stand(fleet, tmp_path, proxied=False, timeout_s=400) as made:
        for number in rounds(short=1, long=15):
            strike(
                made,
                tally,
                number,
                lambda chance: _restart(made, how, chance),
                judge=lambda told: _is_honest(made, told),
                once=False,
                may_be_torn=how == "cut off from power",
            )
    tally.expect_none()


def _restart(made: Stand, how: str, chance: random.Random) -> Told:
    host = made.hosts_used[0]

    def restart() -> None:
        time.sleep(chance.uniform(0, SOON_S))
        made.struck(host.name)
        if how == "rebooted":
            host.reboot()
        else:
            host.stop()
            time.sleep(chance.uniform(0, 2))
            host.start()
        _wait_for_logins(host)

    return made.during((chance.choice(MOMENTS), restart))


def _wait_for_logins(host: Host) -> None:
    host.run("systemctl is-system-running --wait", check=False, timeout_s=120)  # before that, only root may log in


def _is_honest(made: Stand, told: Told) -> list[Violation]:
    """The other host is well, and where this one is said to be well, so is the run."""
    first, other = (host.name for host in made.hosts_used)
    if told.ends[other] not in ("changed", "unchanged"):
        return [Violation(other, "goes on", f"{told.ends[other]} because of its neighbour")]
    if told.ends[first] in ("changed", "unchanged") and told.code != 0:
        return [Violation(first, "goes on", f"exit {told.code} although all is well")]
    return []
