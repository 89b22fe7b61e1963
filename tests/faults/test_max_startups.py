"""An sshd that lets few begin at once, and everybody coming back to it in the same moment."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, goes_on, rounds
from tests.faults.invariants import Scope, Violation, at_rest
from tests.faults.proxy import How
from tests.faults.stand import PRINTING, Stand, stand
from tests.fleet.bench import cleaned, restart_sshd
from tests.fleet.hosts import Fleet, Host

DROP_IN = "/etc/ssh/sshd_config.d/faults.conf"
TARGETS = 16
RUNBOOK = "- {name: Who, run: 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i $OCTO_TARGET; sleep 0.1; done'}"


@pytest.fixture
def crowded(fleet: Fleet, tmp_path: Path) -> Iterator[Stand]:
    """Many targets on one host with MaxStartups 3:50:6."""
    with stand(fleet, tmp_path, "web-01") as made, cleaned(made.hosts_used, open_doors):
        host = made.hosts_used[0]
        host.write(DROP_IN, "MaxStartups 3:50:6\n")
        restart_sshd(host)
        made.guests = tuple(f"t-{n:02}" for n in range(TARGETS))
        made.write_targets(
            {name: {"on": "web-01", "root": f"~/.octo-ssh-{name[2:]}"} for name in made.guests},
            known_hosts=str(tmp_path / "known_hosts"),
        )
        made.write_plan(RUNBOOK, packages="")
        yield made


def open_doors(host: Host) -> None:
    host.run(f"rm -rf {DROP_IN} ~deploy/.octo-ssh-*")
    restart_sshd(host)


def test_all_come_back_to_an_sshd_that_lets_few_begin_at_once(crowded: Stand, tally: Tally) -> None:
    """Everybody cut at once, MaxStartups 3:50:6"""
    host = crowded.hosts_used[0]
    for number in rounds(short=1, long=10):
        how = random.Random(number).choice([How.RESET, How.HOLE])
        told = crowded.during((PRINTING, lambda how=how: crowded.proxy("web-01").cut(how)))  # type: ignore[misc]
        found = goes_on(told)
        for n in range(TARGETS):
            name, root = f"t-{n:02}", f"/home/deploy/.octo-ssh-{n:02}"
            wanted = "".join(f"{i} {name}\n" for i in range(1, 31))
            if told.output("who", name) != wanted:
                found.append(Violation(name, "output", f"{told.output('who', name)!r}"[:300]))
            found += at_rest(Scope(host, root, f"{root}/apps"))
        tally.add(number, found, told, hits=crowded.take_hits())
    tally.expect_none()
