"""The shop's whole story on a fleet, told by the command line itself; figures as they come.

``.venv/bin/python -m tests.fleet.story 20`` boots 20 hosts and prints what it measures; ``test_story.py`` asserts it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fleet import shop
from tests.fleet.base import why_no_fleet
from tests.fleet.hosts import Fleet, Host

_TIMEOUT_S = 600


@dataclass(slots=True)
class Told:
    """One ``octo-ssh`` command: how it ended and what it said."""

    code: int
    events: list[dict[str, Any]]
    stderr: str
    seconds: float
    cpu_s: float

    def all(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    @property
    def outcomes(self) -> dict[tuple[str, str], str]:
        """By step id and target."""
        return {(event["step"], event["target"]): event["outcome"] for event in self.all("step_ended")}

    @property
    def sent(self) -> dict[str, int]:
        """Bytes of packages by target."""
        return {event["target"]: event["sent"] for event in self.all("push_done")}


@dataclass(slots=True)
class Shop:
    """A fleet with the shop's unit on it, and a folder with inventory, plan and release."""

    fleet: Fleet
    folder: Path
    user: str = "deploy"
    env: dict[str, str] = field(default_factory=dict)

    def set_up(self) -> None:
        (self.folder / "inventory.yaml").write_text(self.fleet.inventory(user=self.user))
        (self.folder / "plan.yaml").write_text(shop.PLAN)
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C",
            "OCTO_SSH_STATE": str(self.folder / "state"),
            "OCTO_SSH_CACHE": str(self.folder / "cache"),
        }
        self.each(
            lambda host: host.run(
                f"printf '%s' '{shop.UNIT}' >/etc/systemd/system/shop.service && systemctl daemon-reload"
                f" && install -d -o {self.user} /srv/shop"
            )
        )

    def roll_out(self, rolling: str) -> None:
        """How the plan rolls its release out."""
        (self.folder / "plan.yaml").write_text(shop.PLAN.replace(shop.CAREFUL, rolling))

    def release(self, version: str, *, edited: int = 0, healthy: bool = True) -> None:
        """Put a release into the folder that the plan packages."""
        shop.write_release(self.folder / "release", version, edited=edited, healthy=healthy)

    def apply(self, *words: str) -> Told:
        """``octo-ssh apply plan.yaml`` as cron would run it: bare environment, no terminal."""
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = self._run("apply", "plan.yaml", *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return Told(done.returncode, events, done.stderr, time.monotonic() - began, cpu_s)

    def plan(self, *words: str) -> dict[tuple[str, str], str]:
        """What ``plan`` says of each step (by id) and target."""
        done = self._run("plan", "plan.yaml", *words)
        assert done.returncode == 0, done.stderr
        return planned(json.loads(done.stdout))

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "octo-ssh"), *words, "--json"],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def each(self, do: Any) -> list[Any]:
        """Do something on every web host at once."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(do, self.fleet.webs))

    def current(self) -> set[str]:
        """Where ``current`` points, over all hosts."""
        return set(self.each(lambda host: os.readlink(host.folder / "srv/shop/current")))

    def healthz(self) -> set[str]:
        """What the running services answer."""
        return set(self.each(_healthz))


def _healthz(host: Host) -> str:
    return host.run(f"curl -fsS http://127.0.0.1:{shop.PORT}/healthz").stdout.strip()


def planned(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Outcomes by step id and target from the JSON of a plan."""
    found: dict[tuple[str, str], str] = {}
    pending = list(document["steps"])
    while pending:
        step = pending.pop()
        found |= {(step["id"], target): row["outcome"] for target, row in step["planned"].items()}
        pending += step["steps"]
    return found


def compressed_bytes(folder: Path, count: int) -> int:
    """What the edited files of a release weigh, each compressed alone as the targets could undo it."""
    files = sorted((folder / "lib").rglob("*.txt"))
    names = [path for path in files if int(path.stem.removeprefix("module")) < count]
    return sum(
        len(subprocess.run(["zstd", "-3", "-c", str(path)], capture_output=True, check=True).stdout) for path in names
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", type=int)
    options = parser.parse_args()
    if reason := why_no_fleet():
        print(reason, file=sys.stderr)
        return 1
    fleet = Fleet.boot(webs=options.hosts)
    with contextlib.closing(fleet), tempfile.TemporaryDirectory() as folder:
        story = Shop(fleet, Path(folder))
        story.set_up()
        chapters = (
            ("first release", "1.0.0", 0, True),
            ("again", "1.0.0", 0, True),
            ("60 files changed", "1.1.0", shop.EDITED, True),
            ("health check fails", "1.2.0", shop.EDITED + 1, False),
        )
        for title, version, edited, healthy in chapters:
            story.release(version, edited=edited, healthy=healthy)
            story.roll_out(shop.CAREFUL if healthy else shop.ALL_AT_ONCE)
            told = story.apply("--release", version)
            sent = sorted(set(told.sent.values()))
            print(
                f"{title}: exit {told.code}, {told.seconds:.1f} s wall, {told.cpu_s:.1f} s controller CPU, "
                f"sent per target {sent}, current {story.current()}, service says {story.healthz()}"
            )
            if told.code not in (0, 1) or (told.code == 1 and healthy):
                print(told.stderr[-3000:])
                print(json.dumps(told.all("step_ended")[-3:], indent=1)[:3000])
        print(f"the 60 files, each compressed alone: {compressed_bytes(story.folder / 'release', shop.EDITED)} B")
    return 0


if __name__ == "__main__":
    sys.exit(main())
