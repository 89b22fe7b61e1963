"""A target that prints without end: the controller's memory stays small, and nobody else waits."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tests.faults.campaign import IS_LONG, Tally, goes_on
from tests.faults.invariants import Violation, at_rest
from tests.faults.stand import stand
from tests.fleet.hosts import Fleet
from tests.integration.farm import Told

BYTES = 10_000_000_000 if IS_LONG else 1_000_000_000
MAX_RSS_KB = 200_000
STEPS = f"""
- name: Print
  "on": [web]
  run: |
    test "$OCTO_TARGET" != web-01 || yes "a line that somebody prints again and again and again" | head -c {BYTES}
    echo done >~/ran
"""


def test_a_target_that_prints_gigabytes_harms_nobody(fleet: Fleet, tmp_path: Path, tally: Tally) -> None:
    """A target that prints 1 GB (long: 10 GB)"""
    with stand(fleet, tmp_path, "web-01", "web-02", "web-03", proxied=False, timeout_s=1800) as made:
        made.write_plan(STEPS, packages="")
        process = made.start_apply()
        peak_kb, read, ends = 0, 0, []
        kept = []
        for line in process.stdout:
            if '"event":"step_output"' in line:
                read += len(line)
            else:
                kept.append(line)
            if '"event":"step_ended"' in line:
                ends.append(re.search(r'"target":"([^"]+)"', line)[1])  # type: ignore[index]
            peak_kb = max(peak_kb, _peak_kb(process.pid))
        told = made.finish(process)
        told = Told(told.code, "".join(kept), told.stderr)
        found = goes_on(told)
        if peak_kb > MAX_RSS_KB:
            found.append(Violation("controller", "memory", f"{peak_kb} kB"))
        if not any("dropped" in note for note in told.notes("print", "web-01")):
            found.append(
                Violation("web-01", "output", f"nobody says that some was dropped: {told.notes('print', 'web-01')}")
            )
        if ends[-1] != "web-01":
            found.append(Violation("all", "others wait", f"the ends came in the order {ends}"))
        for host in made.hosts_used:
            if (host.view / "home/deploy/ran").read_text() != "done\n":
                found.append(Violation(host.name, "once", "the step did not come to its own end"))
            found += at_rest(made.scope(host))
        tally.notes.append(f"peak {peak_kb // 1000} MB, {read / 1e6:.0f} MB of events for {BYTES / 1e9:g} GB printed")
        tally.add(0, found, told)
    tally.expect_none()


def _peak_kb(pid: int) -> int:
    with contextlib.suppress(OSError, TypeError):
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
    return 0
