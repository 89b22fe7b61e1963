"""The clock of a host jumps, by years and in both directions: neither steps nor leases care."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, ends_with, goes_on, rounds, strike
from tests.faults.stand import PRINTING, Stand, stand
from tests.fleet.bench import cleaned
from tests.fleet.hosts import Fleet, Host
from tests.integration.farm import Told, wait_until

# Hosts share the machine's clock: what asks for the time is told another one.
DATE = """#!/bin/sh
exec /usr/bin/date --date="@$(($(/usr/bin/date +%s) + $(cat /run/clock-offset 2>/dev/null || echo 0)))" "$@"
"""
FAKE = "/usr/local/bin/date"
YEAR_S = 365 * 86400
JUMPS_S = (-20 * YEAR_S, -3600, 86400, 20 * YEAR_S)


@pytest.fixture
def jumpy(fleet: Fleet, tmp_path: Path) -> Iterator[Stand]:
    """Two hosts whose clocks can be set."""
    with (
        stand(fleet, tmp_path) as made,
        cleaned(made.hosts_used, lambda host: host.run(f"rm -f {FAKE} /run/clock-offset")),
    ):
        for host in made.hosts_used:
            host.write(FAKE, DATE, mode=0o755)
        yield made


def jump(host: Host, seconds: int) -> None:
    host.run(f"echo {seconds} >/run/clock-offset")


def test_a_run_does_not_care_about_a_clock_that_jumps(jumpy: Stand, tally: Tally) -> None:
    """A clock that jumps in a step"""

    def leap(chance: random.Random) -> Told:
        return jumpy.during(
            *((PRINTING, lambda h=host: jump(h, chance.choice(JUMPS_S))) for host in jumpy.hosts_used),
            ('"step":"deploy","target"', lambda: jump(jumpy.hosts_used[0], chance.choice(JUMPS_S))),
        )

    for number in rounds(short=1, long=8):
        strike(jumpy, tally, number, leap)
    tally.expect_none()


def test_a_lease_does_not_end_because_a_clock_jumps(jumpy: Stand, tally: Tally) -> None:
    """A clock that jumps under a lease"""
    other = jumpy.second()
    for number in rounds(short=1, long=8):
        go = jumpy.folder / f"go-{number}"
        jumpy.write_plan(
            f'- {{name: Hold, "on": controller, run: "until [ -e {go.name} ]; do sleep 0.1; done"}}\n'
            '- {name: Do, "on": [web], run: "echo done"}',
            packages="",
        )
        process = jumpy.start_apply()
        wait_until(lambda: all(jumpy.is_held(host) for host in jumpy.hosts_used), "both are held")
        for host in jumpy.hosts_used:
            jump(host, random.Random(number).choice([-20 * YEAR_S, 20 * YEAR_S]))
        found = ends_with(other.apply(), 5)
        go.touch()
        told = jumpy.finish(process)
        tally.add(number, found + goes_on(told), told)
    tally.expect_none()
