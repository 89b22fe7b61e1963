"""Two controllers want the same hosts in the same moment: one holds all of them, the other none."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path

from tests.faults.campaign import Tally, chance_of, rounds
from tests.faults.invariants import Violation, journal
from tests.faults.stand import Stand, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

STEPS = """
- name: Alone
  run: |
    mkdir ~/alone || { echo "$OCTO_RUN" >>~/not-alone; exit 9; }
    sleep 0.3
    rmdir ~/alone
"""
HOLDERS = {
    (0, 5): "the first held them alone",
    (5, 0): "the second held them alone",
    (0, 0): "both held them, one after the other",
}
"""By the exit codes of the first and of the second controller."""


def test_exactly_one_of_two_controllers_holds_the_fleet(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """Two controllers at once"""
    with stand(fleet, tmp_path, "web-01", "web-02", "web-03", "web-04", proxied=False) as made:
        other = made.second()
        made.write_plan(STEPS, packages="")
        for number in rounds(short=4, long=200):
            holders, is_close, found = _race(made, other, chance_of(tally.fault, number))
            found += [violation for host in made.hosts_used for violation in _one_after_another(made, host.name)]
            tally.counts[holders] += 1
            tally.counts["neither saw the other before it tried to lock"] += is_close
            tally.add(number, found)
    tally.expect_none()


def _race(made: Stand, other: Stand, chance: random.Random) -> tuple[str, bool, list[Violation]]:
    """Who held the hosts, whether it was a close race, and what was wrong."""
    first = made.start_apply()
    time.sleep(chance.choice([0.0, 0.0, chance.uniform(0, 0.1)]))
    second = other.start_apply()
    told = [made.finish(first), other.finish(second)]
    codes = " and ".join(sorted(str(each.code) for each in told))
    found = []
    if codes not in ("0 and 0", "0 and 5"):
        found.append(Violation("all", "one holds", f"exits {codes}: {[each.stderr[-400:] for each in told]}"))
    if any(each.code == 5 and _touched(each) for each in told):
        found.append(Violation("all", "all or none", "the refused one has done something"))
    for host in made.hosts_used:
        if (host.view / "home/deploy/not-alone").exists():
            found.append(Violation(host.name, "one holds", "two were at work at once"))
            host.run("rm -rf ~deploy/not-alone ~deploy/alone")
    holders = HOLDERS.get((told[0].code, told[1].code), "it is unclear who held them")
    return holders, all("lock" in each.phases for each in told), found


def _touched(told: Told) -> bool:
    return bool(told.all("step_began"))


def _one_after_another(made: Stand, name: str) -> list[Violation]:
    """The journal's lines of one run are not interrupted by another's."""
    runs = [str(line["run"]) for line in journal(made.scope(made.fleet.hosts[name]))]
    if len(list(itertools.groupby(runs))) == len(set(runs)):
        return []
    return [Violation(name, "one holds", f"runs in each other's way: {runs[-12:]}")]
