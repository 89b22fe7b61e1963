"""What a check for drift of a clean fleet costs, beside one plain ``ssh`` per host that hashes the same files.

``.venv/bin/python -m tests.fleet.drift_cost 20`` boots 20 hosts with 2,000 files and 56 MB each, and measures both in
turns; then the round trips to one host that is 200 ms away. ``--checks 100`` checks a fleet at work that often.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.base import why_no_fleet
from tests.fleet.hosts import Fleet, Host
from tests.fleet.story import Shop
from tests.integration.slow_link import slow_link

HASH = "cd /srv/shop/current/; find . -type f -exec sha256sum {} +"
ROUND_TRIP_S = 0.2
WRITER = (
    "systemd-run --quiet --unit writer --uid deploy sh -c 'cd /srv/shop/shared/var/uploads; n=0; "
    "while sleep 0.05; do n=$((n+1)); echo $n >upload-$((n%50)); rm -f upload-$((n%7)); echo $n >>app.log; done'"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one thing: seconds on the clock, of this machine's processors for the controller, and for the hosts."""

    wall_s: float
    cpu_s: float
    hosts_cpu_s: float


def measured(fleet: Fleet, work: Callable[[], None]) -> Cost:
    """What it costs. The hosts are on the same processors."""
    before, hosts, began = resource.getrusage(resource.RUSAGE_CHILDREN), _used(fleet), time.monotonic()
    work()
    wall_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s, _used(fleet) - hosts)


def _used(fleet: Fleet) -> float:
    lines = (fleet.cgroup / "cpu.stat").read_text().splitlines() if (fleet.cgroup / "cpu.stat").exists() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("usage_usec")), 0.0)


def plain(story: Shop) -> None:
    """One ``ssh`` a host, all at once; what they say goes to nobody."""
    fleet = story.fleet
    running = [_ssh(fleet, host) for host in fleet.webs]
    assert [process.wait() for process in running] == [0] * len(running)


def _ssh(fleet: Fleet, host: Host) -> subprocess.Popen[bytes]:
    options = f"-F none -i {fleet.client_key} -o UserKnownHostsFile={fleet.known_hosts} -o IdentitiesOnly=yes".split()
    words = ["ssh", "-T", *options, "-o", "BatchMode=yes", f"deploy@{host.ip}", HASH]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def drift(story: Shop, *words: str) -> None:
    """One check, as cron would run it: not a word, and 0."""
    done = _octo(story, "drift", "plan.yaml", "--quiet", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr


def _octo(story: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "octo-ssh")
    return subprocess.run(
        [program, *words],
        cwd=story.folder,
        env=story.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def round_trips(story: Shop) -> tuple[int, float]:
    """To the first host, over a link of 200 ms: how often it answered, and what the check took longer."""
    host = story.fleet.webs[0]
    limit = ("--limit", host.name)
    near = min(_seconds(story, limit) for _ in range(3))
    inventory, known = story.folder / "inventory.yaml", story.fleet.known_hosts
    texts = inventory.read_text(), known.read_text()
    with slow_link(host.ip, 22, round_trip_s=ROUND_TRIP_S) as link:
        try:
            inventory.write_text(texts[0].replace(f"host: {host.ip},", f"host: 127.0.0.1, port: {link.port},"))
            known.write_text(f"{texts[1]}[127.0.0.1]:{link.port} {host.host_public_key}\n")
            far = min(_seconds(story, limit) for _ in range(3))
        finally:
            inventory.write_text(texts[0])
            known.write_text(texts[1])
        return min(link.waits), (far - near) / ROUND_TRIP_S


def _seconds(story: Shop, words: tuple[str, ...]) -> float:
    done = _octo(story, "drift", "plan.yaml", "--json", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return float(json.loads(done.stdout)["seconds"])


def at_work(story: Shop, checks: int) -> int:
    """Checks of a fleet whose app writes its shared folder all the time that were not silent and 0."""
    story.each(lambda host: host.run(WRITER))
    try:
        found = [_octo(story, "drift", "plan.yaml", "--quiet") for _ in range(checks)]
        return sum((one.returncode, one.stdout, one.stderr) != (0, "", "") for one in found)
    finally:
        story.each(lambda host: host.run("systemctl stop writer"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", type=int)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--checks", type=int, default=0)
    options = parser.parse_args()
    if reason := why_no_fleet():
        print(reason, file=sys.stderr)
        return 1
    fleet = Fleet.boot(webs=options.hosts)
    with contextlib.closing(fleet), tempfile.TemporaryDirectory() as folder:
        story = Shop(fleet, Path(folder))
        story.set_up()
        story.release("1.0.0")
        told = story.apply()
        assert told.code == 0, told.stderr
        drift(story)
        plain(story)
        turns = [
            (measured(fleet, lambda: plain(story)), measured(fleet, lambda: drift(story))) for _ in range(options.turns)
        ]
        for name, costs in zip(("plain ssh", "octo-ssh drift"), zip(*turns, strict=True), strict=True):
            rows = ((cost.wall_s, cost.cpu_s, cost.hosts_cpu_s) for cost in costs)
            wall, cpu, hosts = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"{name}: {wall:.2f} s wall, {cpu:.2f} s CPU of the controller, {hosts:.2f} s CPU of the hosts")
        factors = sorted(other.wall_s / one.wall_s for one, other in turns)
        print(
            f"factor {statistics.median(factors):.2f} (of turn by turn: {', '.join(f'{one:.2f}' for one in factors)})"
        )
        quick = min(measured(fleet, lambda: drift(story, "--quick")).wall_s for _ in range(3))
        print(f"--quick: {quick:.2f} s wall")
        seen, longer = round_trips(story)
        print(f"round trips at {ROUND_TRIP_S * 1000:.0f} ms: {seen} on the wire, {longer:.1f} by the clock")
        if options.checks:
            print(f"{options.checks} checks at work: {at_work(story, options.checks)} false alarms")
        print(f"load of this machine: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
