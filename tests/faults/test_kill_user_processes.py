"""logind with KillUserProcesses=yes: steps end with the connection, which is said, not guessed away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, ends_with, rounds, strike
from tests.faults.proxy import How
from tests.faults.stand import PRINTING, Stand, stand
from tests.fleet.bench import cleaned
from tests.fleet.hosts import Fleet

DROP_IN = "/etc/systemd/logind.conf.d/faults.conf"
SET = "systemctl restart systemd-logind"


@pytest.fixture
def killing(fleet: Fleet, tmp_path: Path) -> Iterator[Stand]:
    """Two hosts, the first of which ends whatever a session leaves."""
    with (
        stand(fleet, tmp_path) as made,
        cleaned(made.hosts_used[:1], lambda host: host.run(f"rm {DROP_IN}; {SET}")),
    ):
        host = made.hosts_used[0]
        host.write(DROP_IN, "[Login]\nKillUserProcesses=yes\n")
        host.run(SET)
        yield made


def test_a_step_that_logind_ended_is_not_taken_for_done(killing: Stand, tally: Tally) -> None:
    """Cut in a step, with KillUserProcesses=yes"""
    for number in rounds(short=1, long=5):
        strike(
            killing,
            tally,
            number,
            lambda _: killing.during((PRINTING, lambda: killing.proxy("web-01").cut(How.RESET))),
            judge=lambda told: ends_with(told, 1, 4),
            once=False,
        )
    tally.expect_none()


def test_doctor_says_that_steps_end_with_the_connection(killing: Stand) -> None:
    rows = killing.octo("doctor", "--json").document["doctor"]
    told = {row["target"]: [found["what"] for found in row["findings"]] for row in rows}
    assert [name for name, texts in told.items() if any("KillUserProcesses" in text for text in texts)] == ["web-01"]
