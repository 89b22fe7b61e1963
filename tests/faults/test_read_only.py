"""File systems that turn read-only under a run, as Linux does it when a disk has errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import Tally, ends_with, rounds
from tests.faults.invariants import standing
from tests.faults.small_disks import small_disks
from tests.faults.stand import STEPS, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import wait_until

PAUSE = """
- name: Pause
  "on": controller
  run: |
    touch paused
    until [ -e go ]; do sleep 0.05; done
"""
"""Goes before the package step: a moment at which nobody writes."""


@pytest.mark.parametrize("place", ["root", "to"])
@pytest.mark.parametrize("moment", ["before", "in the middle of"])
def test_a_read_only_disk_fails_the_target_and_leaves_what_was_there(
    fleet: Fleet, tmp_path: Path, tally: Tally, place: str, moment: str
) -> None:
    """{place} read-only {moment} the run"""
    with stand(fleet, tmp_path, proxied=False) as made, small_disks(made.hosts_used[0]) as disks:
        before, deploy, after = STEPS.partition("- name: Deploy")
        steps = before + PAUSE.lstrip("\n") + deploy + after
        go, paused = tmp_path / "go", tmp_path / "paused"
        go.touch()
        made.first_release(steps=steps)

        def freeze() -> None:
            wait_until(paused.exists, "the run pauses")
            disks[place].freeze()
            go.touch()

        for number in rounds(short=1, long=3):
            made.new_release(number + 1, steps=steps)
            if moment == "before":
                disks[place].freeze()
                told = made.apply()
            else:
                go.unlink()
                paused.unlink()
                told = made.during(('"step":"pause"', freeze))
            found = ends_with(told, 1, 4) + standing(made.scope(made.hosts_used[0], may_be_torn=True))
            disks[place].thaw()
            tally.add(number, found + made.after(told, once=False, may_be_torn=True), told)
    tally.expect_none()
