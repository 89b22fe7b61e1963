"""TCP connections that are cut at any byte: in the handshake, in a push, in a step, while output is fetched."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, goes_on, goes_on_or_is_incomplete, rounds, strike
from tests.faults.proxy import Cut, How, Way
from tests.faults.stand import Stand, stand
from tests.faults.watching import Watched
from tests.fleet.hosts import JUMP, Fleet
from tests.integration.farm import Told

ZONES = {
    "the handshake": (Way.UP, "phase_started", '"phase":"lock"'),
    "a push": (Way.UP, '"phase":"push"', '"phase":"steps"'),
    "a step": (Way.UP, '"phase":"steps"', '"run_ended"'),
    "the fetching of output": (Way.DOWN, '"step":"count","target"', '"step":"deploy","target"'),
}
"""By name: the way that is counted, and the events between which its bytes are."""
WORST_S = 3.0


@pytest.fixture(scope="module")
def cut_stand(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, Watched]]:
    """Three hosts, one of them behind the jump host, and a run that nothing happened to."""
    with stand(fleet, tmp_path_factory.mktemp("cuts"), "web-01", "web-02", "web-03") as made:
        clean = made.first_release()
        yield made, clean


@pytest.mark.parametrize("zone", ZONES)
def test_a_run_gets_over_cuts(cut_stand: tuple[Stand, Watched], tally: Tally, zone: str) -> None:
    """Connections cut in {zone}"""
    made, clean = cut_stand
    # before anything has begun, a target may also be left out
    judge = goes_on_or_is_incomplete if zone == "the handshake" else goes_on
    for number in rounds(short=1, long=50):
        strike(made, tally, number, functools.partial(_cut, made, clean, zone), judge=judge)
    tally.expect_none()


def _cut(made: Stand, clean: Watched, zone: str, chance: random.Random) -> Told:
    """Cut the ways to some hosts, each at a byte of its own."""
    way, begin, end = ZONES[zone]
    names = chance.sample(["web-01", "web-02", JUMP], chance.randint(1, 3))
    for name in names:
        first, last = clean.passed(begin, name, way), clean.passed(end, name, way)
        how = chance.choices([How.RESET, How.HOLE], [3, 1])[0]
        down_s = chance.choice([0.0, chance.uniform(0, WORST_S)])
        made.proxy(name).arm(Cut(way, chance.randint(first, max(first, last)), how, down_s))
    told = made.during()
    made.mend()
    return told


def test_a_run_notices_connections_that_a_firewall_forgot(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """Connections that hear nothing ever again"""
    config = tmp_path / "ssh_config"
    config.write_text("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 3\n")
    with stand(fleet, tmp_path) as made:
        made.write_inventory_of({}, defaults={"ssh_config": str(config)})

        def forget(chance: random.Random) -> Told:
            for host in made.hosts_used:
                cut = Cut(Way.DOWN, chance.randint(10_000, 50_000), How.FORGOTTEN)
                made.proxy(host.name).arm(cut)
            told = made.during()
            made.mend()
            return told

        for number in rounds(short=1, long=10):
            strike(made, tally, number, forget)
    tally.expect_none()
