"""A controller that is itself short of something: of room for its records, of open files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Tally, ends_with, goes_on, rounds
from tests.faults.invariants import Violation, at_rest
from tests.faults.stand import ROOT, Stand, in_short, stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

OCTO_SSH = str(Path(sys.executable).parent / "octo-ssh")
MANY = 24


@pytest.fixture
def made(fleet: Fleet, tmp_path: Path) -> Iterator[Stand]:
    with stand(fleet, tmp_path, proxied=False) as stood:
        yield stood


def apply_within(made: Stand, *before: str, **env: str) -> Told:
    """Apply, with words before the command that make its world smaller."""
    done = subprocess.run(
        [*before, OCTO_SSH, "apply", "plan.yaml", "--json"],
        cwd=made.folder,
        env=made.env | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=made.timeout_s,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Told(done.returncode, done.stdout, done.stderr)


def test_a_full_disk_of_the_controller_halts_the_run_in_order(made: Stand, tally: Tally) -> None:
    """The controller's disk full"""
    state = made.folder / "small"
    state.mkdir()
    # In the name space of the fleet's warden: whatever happens, it goes with the fleet.
    within = [*made.fleet.within, "sh", "-c", 'cd "$0" && exec "$@"', str(made.folder)]
    mount = [*made.fleet.within, "mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mount, "size=40k", "tmpfs", str(state)], check=True)
    try:
        for number in rounds(short=1, long=5):
            made.new_release(number + 1)
            told = apply_within(made, *within, OCTO_SSH_STATE=str(state))
            found = ends_with(told, 1)
            if "record cannot be kept" not in told.stdout + told.stderr:
                found.append(Violation("controller", "reason", in_short(told)))
            scopes = [made.scope(host) for host in made.hosts_used]
            found += [violation for scope in scopes for violation in at_rest(scope)]
            full = apply_within(made, *within, OCTO_SSH_STATE=str(state))
            found += ends_with(full, 1, 5)
            if full.all("step_began"):
                found.append(Violation("controller", "record", "a run began that nobody could write down"))
            subprocess.run([*mount, "remount,size=8m", "tmpfs", str(state)], check=True)
            found += goes_on(apply_within(made, *within, OCTO_SSH_STATE=str(state)))
            tally.add(number, found + made.after(None, once=False), told)
            subprocess.run([*made.fleet.within, "sh", "-c", f"rm -rf {state}/runs"], check=True)
            subprocess.run([*mount, "remount,size=40k", "tmpfs", str(state)], check=True)
    finally:
        subprocess.run([*made.fleet.within, "umount", "-l", str(state)], check=True)
    tally.expect_none()


def test_few_open_files_are_enough_for_many_targets(made: Stand, tally: Tally) -> None:
    """A limit of 64 open files, for many targets"""
    made.write_targets(
        {f"t-{n:02}": {"on": made.names[n % 2], "root": f"{ROOT}-{n:02}"} for n in range(MANY)},
        known_hosts=str(made.folder / "known_hosts"),
    )
    made.write_release({"file": "text\n"})
    made.write_plan("- {name: Deploy, package: shop}\n- {name: Who, run: 'echo $OCTO_TARGET'}")
    limit = ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh"]
    for number in rounds(short=1, long=3):
        told = apply_within(made, *limit)
        found = goes_on(told)
        if len(told.ends) != MANY:
            found.append(Violation("all", "ends", json.dumps(told.ends)))
        tally.add(number, found, told)
        for host in made.hosts_used:
            host.run(f"rm -rf {ROOT}-*")
    tally.expect_none()
