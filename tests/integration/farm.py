"""A few targets on loopback and the command line that deploys to them, as cron would run it.

The sshds are real ones and are shared by all tests of a session; a test gets them with empty homes. ``octo-ssh`` runs
in a process of its own, with a bare environment and no terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.commands import Command, shared_starter
from tests.integration.sshd import Sshd

_TIMEOUT_S = 60.0
_PATIENCE_S = 20.0


@dataclass(slots=True)
class Told:
    """One command: how it ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        """The one result of a command."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def all(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    @property
    def phases(self) -> list[str]:
        return [event["phase"] for event in self.all("phase_started")]

    @property
    def outcomes(self) -> dict[tuple[str, str], str]:
        """By step id and target."""
        return {(event["step"], event["target"]): event["outcome"] for event in self.all("step_ended")}

    def outcome(self, step: str) -> dict[str, str]:
        """Of one step, by target."""
        return {target: outcome for (name, target), outcome in self.outcomes.items() if name == step}

    def reason(self, step: str, target: str = "web-1") -> str:
        found: str = next(e["reason"] for e in self.all("step_ended") if (e["step"], e["target"]) == (step, target))
        return found

    def output(self, step: str, target: str = "web-1") -> str:
        """What a step printed on a target."""
        return "".join(e["data"] for e in self.all("step_output") if (e["step"], e["target"]) == (step, target))

    def planned(self, step: str, target: str = "web-1") -> dict[str, Any]:
        """Of ``plan --json``: what is to come of a step."""
        found: dict[str, Any] = next(each["planned"][target] for each in self.steps if each["id"] == step)
        return found

    @property
    def promised(self) -> dict[tuple[str, str], str]:
        """Of ``plan --json``: the outcomes to come, by step id and target."""
        return {(step["id"], name): row["outcome"] for step in self.steps for name, row in step["planned"].items()}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Of ``plan --json``: every step, groups before what stands in them."""
        pending, found = list(self.document["steps"]), []
        while pending:
            found.append(pending.pop(0))
            pending[:0] = found[-1]["steps"]
        return found

    def notes(self, step: str, target: str = "web-1") -> list[str]:
        return [e["text"] for e in self.all("step_note") if (e["step"], e["target"]) == (step, target)]

    @property
    def ends(self) -> dict[str, str]:
        """Each target's end state."""
        return {row["target"]: row["outcome"] for row in self.all("run_ended")[-1]["results"]}

    @property
    def sent(self) -> dict[str, int]:
        """Bytes of packages by target; targets that nothing was sent to are not in it."""
        return {event["target"]: event["sent"] for event in self.all("push_done")}


@dataclass(slots=True)
class Farm:
    """Targets ``web-1`` … ``web-N`` and a folder with inventory, plan and release."""

    folder: Path
    hosts: dict[str, Sshd]
    env: dict[str, str] = field(default_factory=dict)
    timeout_s: float = _TIMEOUT_S
    """Of one command."""
    _running: list[Command] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, sshds: list[Sshd]) -> Farm:
        farm = cls(folder, {f"web-{number}": sshd for number, sshd in enumerate(sshds, 1)})
        home = folder / "controller"
        home.mkdir()
        farm.env = {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": str(home)}
        farm.write_known_hosts()
        farm.write_inventory()
        return farm

    def write_known_hosts(self) -> None:
        lines = (sshd.known_hosts_line for sshd in self.hosts.values())
        (self.folder / "known_hosts").write_text("".join(lines))

    def write_inventory(self, per_target: dict[str, dict[str, Any]] | None = None, **top: Any) -> None:
        """``top``: keys of the file; ``environments`` given, every target is in all of them unless it says else."""
        some = next(iter(self.hosts.values()))
        defaults = {"ssh_config": "none", "host": "127.0.0.1", "user": some.user, "identity": str(some.client_key)}
        if "environments" in top:
            defaults["environments"] = list(top["environments"])  # type: ignore[assignment]
        targets = {
            name: {"port": sshd.port, "tags": ["web"], **(per_target or {}).get(name, {})}
            for name, sshd in self.hosts.items()
        }
        document = {"version": 1, "defaults": defaults, "targets": targets, **top}
        (self.folder / "inventory.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def write_plan(
        self, steps: str, *, packages: str = "{shop: {dir: release}}", release: str = "1.0", **top: Any
    ) -> None:
        """``steps`` is YAML, a list. Without ``packages`` the plan is a runbook."""
        document: dict[str, Any] = {"version": 1, "project": "shop", **top, "steps": yaml.safe_load(steps)}
        if packages:
            document |= {"packages": yaml.safe_load(packages), "release": release}
        (self.folder / "plan.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def write_release(self, files: Mapping[str, str]) -> None:
        """The release folder, anew."""
        shutil.rmtree(self.folder / "release", ignore_errors=True)
        (self.folder / "release").mkdir()
        for name, text in files.items():
            self.write(f"release/{name}", text)

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file beside the plan."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def apply(self, *words: str) -> Told:
        """``octo-ssh apply plan.yaml --json``."""
        return self.octo("apply", "plan.yaml", "--json", *words)

    def plan(self, *words: str) -> Told:
        return self.octo("plan", "plan.yaml", "--json", *words)

    def plan_then_apply(self, *words: str) -> Told:
        """Apply, to outcomes and an exit code that ``plan`` has said before."""
        forecast = self.plan(*words)
        assert forecast.stdout, forecast.stderr
        told = self.apply(*words)
        seen = forecast.stdout + told.stdout[-3000:] + told.stderr
        if told.outcomes or "changed" in forecast.promised.values():
            assert told.outcomes == forecast.promised, seen
        assert forecast.code == told.code, seen
        return told

    def is_settled(self, *words: str) -> bool:
        """One more apply changes, locks and writes nothing on any target."""
        before = {name: listing(self.home(name)) for name in self.hosts}
        told = self.plan_then_apply(*words)
        is_same = {name: listing(self.home(name)) for name in self.hosts} == before
        return told.code == 0 and "changed" not in told.outcomes.values() and "lock" not in told.phases and is_same

    def octo(self, *words: str) -> Told:
        """Any command, to its end."""
        return self.finish(self.start(*words))

    def start(self, *words: str) -> Command:
        """Any command; ``finish`` waits for its end."""
        process = shared_starter().start(words, cwd=self.folder, env=self.env)
        self._running.append(process)
        return process

    def start_apply(self, *words: str) -> Command:
        return self.start("apply", "plan.yaml", "--json", *words)

    def finish(self, process: Command) -> Told:
        stdout, stderr = process.communicate(timeout=self.timeout_s)
        self._running.remove(process)
        assert "Traceback" not in stderr, stderr
        assert "internal error" not in stderr, stderr
        assert process.returncode is not None
        return Told(process.returncode, stdout, stderr)

    def until_said(self, process: Command, text: str) -> None:
        """Read its standard output until a line holds the text; fails when it ends without."""
        for line in process.stdout:
            if text in line:
                return
        raise AssertionError(f"never said: {text}")

    def forget(self, process: Command) -> None:
        """The test has seen to its end itself."""
        self._running.remove(process)

    def interrupt(self, process: Command, number: int = signal.SIGINT) -> None:
        process.send_signal(number)

    def kill(self, process: Command) -> None:
        """As a power cut of the controller would."""
        process.kill()
        process.communicate(timeout=_TIMEOUT_S)
        self._running.remove(process)

    def free(self, target: str = "web-1") -> None:
        """Give back the lease of a run that was killed."""
        freed = self.octo("lock", "--release", target)
        assert freed.code == 0, freed.stderr

    def home(self, target: str = "web-1") -> Path:
        return self.hosts[target].home

    def root(self, target: str = "web-1") -> Path:
        return self.home(target) / ".octo-ssh"

    def to(self, target: str = "web-1", *, environment: str = "default", package: str = "shop") -> Path:
        """The default place of a package."""
        return self.root(target) / "apps/shop" / environment / package

    def current(self, target: str = "web-1", **where: str) -> str | None:
        """The release folder that ``current`` points at."""
        link = self.to(target, **where) / "current"
        return os.readlink(link).removeprefix("releases/") if link.is_symlink() else None

    def releases(self, target: str = "web-1") -> set[str]:
        """Complete ones."""
        folder = self.to(target) / "releases"
        return {
            path.name for path in folder.iterdir() if path.is_dir() and folder.joinpath(f"{path.name}.json").exists()
        }

    def journal(self, target: str = "web-1") -> list[dict[str, Any]]:
        path = self.root(target) / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def baseline(self, target: str = "web-1", environment: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root(target) / f"state/shop/{environment}.json").read_text())
        return found

    def is_locked(self, target: str = "web-1") -> bool:
        """Somebody's lease is there."""
        links = [path.name for path in (self.root(target) / "lock").glob("*")]
        last = max((int(name) for name in links if name.isdigit()), default=0)
        return last > 0 and f"{last}.x" not in links

    @property
    def state(self) -> Path:
        """The controller's own records."""
        return Path(self.env["HOME"]) / ".local/state/octo-ssh"

    def close(self) -> None:
        """End what still runs, and leave the sshds as they were found."""
        for process in self._running:
            process.kill()
            process.communicate(_TIMEOUT_S)
        for sshd in self.hosts.values():
            sshd.end_what_it_left()
            if sshd.connections() or not _listens(sshd):
                sshd.restart()
            shutil.rmtree(sshd.home, ignore_errors=True)
            sshd.home.mkdir(mode=0o700)


def _listens(sshd: Sshd) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((sshd.host, sshd.port), timeout=1):
        return True
    return False


def listing(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """All that lies in a folder: inode, mode, mtime and what a link says, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        target = os.readlink(path) if path.is_symlink() else ""
        found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_mode, stat.st_mtime_ns, target)
    return found


def wait_until(condition: Callable[[], Any], what: str = "what was waited for") -> None:
    """Poll until something is true; fails when it never is."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came true: {what}")
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """The process is there, and is more than a dead entry that nobody has asked for yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def command_lines() -> Iterator[str]:
    """Of every process of this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
