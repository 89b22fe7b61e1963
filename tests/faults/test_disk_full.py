"""Disks that are full, of bytes or of inodes: before a push, in the middle of it, and while a step runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, ends_with, rounds
from tests.faults.invariants import Violation, at_rest, current
from tests.faults.small_disks import SmallDisk, small_disks
from tests.faults.stand import PRINTING, PUSHING, Stand, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

KILOBYTES = 3000
"""Of a release: enough for a push to be met in its middle on a slow link."""


@pytest.fixture
def cramped(fleet: Fleet, tmp_path: Path) -> Iterator[tuple[Stand, dict[str, SmallDisk]]]:
    """Two hosts with a release on them; the first one's disks are small, and the way there is slow."""
    with stand(fleet, tmp_path) as made, small_disks(made.hosts_used[0]) as disks:
        made.first_release()
        made.proxy("web-01").delay_s = 0.02
        with contextlib.ExitStack() as stack:
            for disk in disks.values():
                stack.callback(disk.empty)
            yield made, disks


@pytest.mark.parametrize("place", ["root", "to"])
@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_full_disk_is_seen_before_the_push(
    cramped: tuple[Stand, dict[str, SmallDisk]], tally: Tally, place: str, what: str
) -> None:
    """No {what} left in {place} before the push"""
    made, disks = cramped
    for number in rounds(short=1, long=3):
        made.new_release(number + 1, kilobytes=KILOBYTES)
        disks[place].fill(what, but=500 if what == "bytes" else 20)
        told = made.apply()
        found = _failed_alone(made, told)
        if told.sent.get("web-01"):
            found.append(Violation("web-01", "before the push", f"{told.sent['web-01']} bytes were sent all the same"))
        found += _untouched(made)
        disks[place].empty()
        tally.add(number, found + made.after(told), told)
    tally.expect_none()


@pytest.mark.parametrize(
    ("place", "what", "moment"),
    [
        ("root", "bytes", PUSHING),
        ("to", "bytes", PUSHING),
        ("root", "inodes", PUSHING),
        ("to", "inodes", PUSHING),
        ("root", "bytes", PRINTING),
        ("root", "inodes", PRINTING),
    ],
    ids=lambda value: {PUSHING: "push", PRINTING: "step"}.get(value, value),
)
def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_release_and_no_rubble(
    cramped: tuple[Stand, dict[str, SmallDisk]], tally: Tally, place: str, what: str, moment: str
) -> None:
    """No {what} left in {place} in the middle"""
    made, disks = cramped
    tally.fault += " of a push" if moment == PUSHING else " of a step"
    for number in rounds(short=1, long=3):
        made.new_release(number + 1, kilobytes=KILOBYTES)
        told = made.during((moment, lambda: disks[place].fill(what)))
        found = _failed_alone(made, told) + _untouched(made)
        disks[place].empty()
        # Its output may have been lost with the disk: then it is run again.
        tally.add(number, found + made.after(told, once=moment == PUSHING, may_be_torn=True), told)
    tally.expect_none()


def _failed_alone(made: Stand, told: Told) -> list[Violation]:
    """The target with the full disk failed, for a reason that says so; the other one is well."""
    found = ends_with(told, 1)
    if told.ends.get("web-01") != "failed" or told.ends.get("web-02") != "changed":
        found.append(Violation("all", "failed", f"ends are {told.ends}"))
    reasons = [row["reason"] for row in told.all("run_ended")[-1]["results"] if row["target"] == "web-01"]
    if not any(word in reason for reason in reasons for word in ("disk", "space", "inodes", "bytes")):
        found.append(Violation("web-01", "reason", f"{reasons}"))
    return found


def _untouched(made: Stand) -> list[Violation]:
    """While the disk is still full: the old release is there, nothing else, and nobody holds the lock."""
    scope = made.scope(made.hosts_used[0], may_be_torn=True)
    found = [violation for violation in at_rest(scope) if ".filler" not in violation.what]
    if current(scope) != made.before["web-01"]:
        found.append(scope.breach("current", f"is {current(scope)} instead of {made.before['web-01']}"))
    return found
