"""Disks that are full, of bytes or of inodes: before a push, in the middle of it, and while a step runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.campaign import IS_LONG, Tally, ends_with, rounds
from tests.faults.invariants import Violation, at_rest, current
from tests.faults.small_disks import SmallDisk, small_disks
from tests.faults.stand import PRINTING, PUSHING, Stand, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

KILOBYTES = 3000
"""Of a release: enough for a push to be met in its middle on a slow link."""
DELAY_S = 0.02


@pytest.fixture(scope="module")
def cramped(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, dict[str, SmallDisk]]]:
    """Two hosts with a release on them; the first one's disks are small."""
    with (
        stand(fleet, tmp_path_factory.mktemp("disks"), "web-01", "web-02") as made,
        small_disks(made.hosts_used[0]) as disks,
    ):
        made.first_release()
        yield made, disks


BEFORE = [("root", "bytes"), ("to", "inodes"), ("to", "bytes"), ("root", "inodes")]
DURING = [
    ("root", "bytes", PUSHING),
    ("to", "inodes", PUSHING),
    ("root", "bytes", PRINTING),
    ("root", "inodes", PRINTING),
    ("to", "bytes", PUSHING),
    ("root", "inodes", PUSHING),
]


@pytest.mark.parametrize(("place", "what"), BEFORE if IS_LONG else BEFORE[:2])
def test_a_full_disk_is_seen_before_the_push(
    cramped: tuple[Stand, dict[str, SmallDisk]], tally: Tally, place: str, what: str
) -> None:
    """No {what} left in {place} before the push"""
    made, disks = cramped
    for number in rounds(short=1, long=3):
        made.new_release(made.last + 1, kilobytes=KILOBYTES)
        disks[place].fill(what, but=500 if what == "bytes" else 20)
        told = made.apply()
        found = _failed_alone(made, told)
        if told.sent.get("web-01"):
            found.append(Violation("web-01", "before the push", f"{told.sent['web-01']} bytes were sent all the same"))
        found += _at_rest_though_full(made)
        if (now := current(made.scope(made.hosts_used[0]))) != made.before["web-01"]:
            found.append(Violation("web-01", "current", f"is {now} instead of {made.before['web-01']}"))
        disks[place].empty()
        tally.add(number, found + made.after(told), told)
    tally.expect_none()


@pytest.mark.parametrize(
    ("place", "what", "moment"),
    DURING if IS_LONG else DURING[:3],
    ids=lambda value: {PUSHING: "push", PRINTING: "step"}.get(value, value),
)
def test_a_disk_that_fills_up_in_the_middle_fails_its_target_and_leaves_no_rubble(
    cramped: tuple[Stand, dict[str, SmallDisk]], tally: Tally, place: str, what: str, moment: str
) -> None:
    """No {what} left in {place} in the middle"""
    made, disks = cramped
    tally.fault += " of a push" if moment == PUSHING else " of a step"
    for number in rounds(short=1, long=3):
        made.new_release(made.last + 1, kilobytes=KILOBYTES)
        made.proxy("web-01").delay_s = DELAY_S if moment == PUSHING else 0.0
        told = made.during((moment, lambda: disks[place].fill(what)))
        made.proxy("web-01").delay_s = 0.0
        found = _failed_alone(made, told) + _at_rest_though_full(made)
        if moment == PUSHING and (now := current(made.scope(made.hosts_used[0]))) != made.before["web-01"]:
            found.append(Violation("web-01", "current", f"is {now} instead of {made.before['web-01']}"))
        disks[place].empty()
        # Its end may have been lost with the disk: then it is run again.
        tally.add(number, found + made.after(told, once=moment == PUSHING, may_be_torn=True), told)
    tally.expect_none()


def _failed_alone(made: Stand, told: Told) -> list[Violation]:
    """The target with the full disk failed, for a reason that says so; the other one is well."""
    found = ends_with(told, 1)
    if told.ends.get("web-01") != "failed" or told.ends.get("web-02") != "changed":
        found.append(Violation("all", "failed", f"ends are {told.ends}"))
    reasons = [row["reason"] for row in told.all("run_ended")[-1]["results"] if row["target"] == "web-01"]
    if not any(word in reason for reason in reasons for word in ("disk", "space", "no room")):
        found.append(Violation("web-01", "reason", f"{reasons}"))
    return found


def _at_rest_though_full(made: Stand) -> list[Violation]:
    """While the disk is still full: nothing runs or lies there, and nobody holds the lock."""
    scope = made.scope(made.hosts_used[0], may_be_torn=True)
    return [violation for violation in at_rest(scope) if ".filler" not in violation.what]
