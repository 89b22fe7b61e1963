"""File systems that turn read-only under a run, as Linux does it when a disk has errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.campaign import IS_LONG, Tally, ends_with, rounds
from tests.faults.invariants import standing
from tests.faults.small_disks import SmallDisk, small_disks
from tests.faults.stand import STEPS, Stand, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import wait_until

PAUSE = """\
- name: Pause
  "on": controller
  run: |
    touch paused
    until [ -e go ]; do sleep 0.05; done
"""
"""A moment at which nobody writes."""
PAUSING = STEPS.replace("- name: Deploy", f"{PAUSE}- name: Deploy")


@pytest.fixture(scope="module")
def pausing(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, dict[str, SmallDisk]]]:
    """Two hosts with a release on them; the first one's disks can be frozen."""
    folder = tmp_path_factory.mktemp("frozen")
    with stand(fleet, folder, proxied=False) as made, small_disks(made.hosts_used[0]) as disks:
        (folder / "go").touch()
        made.first_release(steps=PAUSING)
        yield made, disks


CASES = [("root", "in the middle of"), ("to", "before"), ("to", "in the middle of"), ("root", "before")]


@pytest.mark.parametrize(("place", "moment"), CASES if IS_LONG else CASES[:2])
def test_a_read_only_disk_fails_the_target_and_leaves_what_was_there(
    pausing: tuple[Stand, dict[str, SmallDisk]], tally: Tally, place: str, moment: str
) -> None:
    """{place} read-only {moment} the run"""
    made, disks = pausing
    go, paused = made.folder / "go", made.folder / "paused"

    def freeze() -> None:
        wait_until(paused.exists, "the run pauses")
        disks[place].freeze()
        go.touch()

    for number in rounds(short=1, long=3):
        made.new_release(made.last + 1, steps=PAUSING)
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
