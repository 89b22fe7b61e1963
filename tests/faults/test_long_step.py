"""A step of 20 seconds (long: ten minutes) that goes on while its connection is lost three times."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.faults.campaign import IS_LONG, Tally, goes_on
from tests.faults.invariants import Violation, at_rest
from tests.faults.proxy import How
from tests.faults.stand import PRINTING, stand
from tests.fleet.hosts import Fleet

TICKS = 6000 if IS_LONG else 200
"""Of a tenth of a second, a line each."""
LOSSES = ((How.RESET, 0.0), (How.HOLE, 5.0 if IS_LONG else 1.0), (How.RESET, 8.0 if IS_LONG else 2.0))
"""How each is lost, and for how many seconds nobody can come back."""
LINE = "tick {} of a step that takes its time"
STEPS = f"""
- name: Slow
  "on": [web]
  timeout: 30m
  run: |
    echo once >>~/ran
    i=0
    while [ $i -lt {TICKS} ]; do i=$((i + 1)); echo "{LINE.format("$i")}"; sleep 0.1; done
"""


def test_a_long_step_loses_nothing_through_three_losses(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """A long step through three losses"""
    with stand(fleet, tmp_path, "web-01", "web-02", timeout_s=1800) as made:
        made.write_plan(STEPS, packages="")
        stop = threading.Event()

        def lose() -> None:
            for how, down_s in LOSSES:
                if stop.wait(TICKS / 50):
                    return
                for name in made.names:
                    made.proxy(name).cut(how, down_s=down_s)

        told = made.during((PRINTING, lose))
        stop.set()
        found = goes_on(told)
        wanted = "".join(LINE.format(number) + "\n" for number in range(1, TICKS + 1))
        for host in made.hosts_used:
            said = told.output("slow", host.name)
            tally.notes.append(f"{host.name}: {said.count(chr(10))} lines, {len(said)} bytes of {len(wanted)}")
            if said != wanted:
                found.append(Violation(host.name, "output", f"{len(said)} instead of {len(wanted)} bytes"))
            if (host.view / "home/deploy/ran").read_text() != "once\n":
                found.append(Violation(host.name, "once", (host.view / "home/deploy/ran").read_text()))
            if (cuts := len(made.proxy(host.name).cut_at)) != 3:
                found.append(Violation(host.name, "test", f"cut {cuts} times"))
            found += at_rest(made.scope(host))
        tally.add(0, found, told, hits=made.take_hits())
    tally.expect_none()
