"""A trap for secrets: targets and a folder with a sentinel in every place that a secret may have.

Whatever commands say through it is kept; ``Trap.traces`` searches all of that, every file here and on the targets, and
the command lines of processes that were seen meanwhile.
"""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo_ssh.config.age import encrypt, new_identity
from tests.conftest import MakeSshd
from tests.integration.commands import Command
from tests.integration.farm import Farm, Told, command_lines
from tests.integration.sentinels import SHOUT, Sentinel, files_with, shown, shown_by_events

TIMEOUT_S = 120.0
REPOSITORY = Path(__file__).parents[2]
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
_LOGGER = """#!/bin/sh
{ printf '%s\\n' "$@" && cat; } >>LOG
"""
_SUDO = """#!/bin/sh
# What sudo -S does, for somebody who must give a password even as root. LOG: all that it is given as arguments.
for word in "$@"; do printf '%s\\n' "$word"; done >>LOG
while [ $# -gt 0 ]; do
	case $1 in
	-H | -S) shift ;;
	-p) prompt=$2 && shift 2 ;;
	-u) user=$2 && shift 2 ;;
	--) shift && break ;;
	esac
done
for try in 1 2; do
	printf %s "$prompt" >&2
	IFS= read -r said || exit 1
	[ "$said" != "$(cat PASSWORD)" ] || exec setpriv --reuid "$user" --clear-groups env HOME=/ "$@"
	echo 'Sorry, try again.' >&2
done
exit 1
"""


@dataclass(slots=True, repr=False)
class Trap:
    """Targets and a folder with sentinels in every place; all that commands say is kept and searched."""

    farm: Farm
    secrets: dict[str, Sentinel]
    """By place."""
    given: set[Path]
    """Files that hold a secret because that is what they are for."""
    said: list[tuple[str, str]] = field(default_factory=list)
    """Of every command: what it was, and all that it said."""
    processes: set[str] = field(default_factory=set)
    """Command lines that were seen."""
    began: float = field(default_factory=time.time)

    def of(self, place: str) -> str:
        return self.secrets[place].text

    def write_plan(self, steps: str, **top: Any) -> None:
        """A plan with a variable for every source of secrets; without packages a runbook."""
        top.setdefault("packages", "")
        self.farm.write_plan(steps, variables=self.variables, **top)

    @property
    def variables(self) -> dict[str, Any]:
        folder = self.farm.folder
        return {
            "by_env": {"secret": {"env": "SHOP_TOKEN"}},
            "word": {"secret": {"env": "SHOP_WORD"}},
            "by_file": {"secret": {"file": "sources/key"}},
            "by_command": {"secret": {"command": ["sources/give"]}},
            "by_age": {"secret": {"age": (folder / "age.txt").read_text()}},
            "by_age_file": {"secret": {"age": "sources/license.age"}},
            "by_scope": {
                "scoped": [
                    {"value": {"secret": {"env": "SHOP_SCOPED"}}, "target": "web-1"},
                    {"value": {"secret": {"env": "SHOP_TOKEN"}}},
                ]
            },
            "shout": f"{sys.executable} {folder / 'shout.py'}",
        }

    def octo(self, *words: str) -> Told:
        return self.finish(self.farm.start(*words), words)

    def finish(self, process: Command, words: tuple[str, ...], read: str = "") -> Told:
        """``read``: what of its standard output was read already."""
        told = self.farm.finish(process)
        told = Told(told.code, read + told.stdout, told.stderr)
        self.heard(words, told.stdout + told.stderr)
        return told

    def heard(self, words: tuple[str, ...], text: str) -> None:
        self.said.append((" ".join(words), text))

    def apply(self, *words: str) -> Told:
        return self.octo("apply", "plan.yaml", "--json", "-vv", *words)

    def typed(self, words: tuple[str, ...], answers: list[tuple[str, str]]) -> tuple[int, str]:
        """A command on a terminal, whose questions are answered: what is waited for, and what is typed or which signal
        is sent. Its exit code, and all that was to be seen.
        """
        terminal, theirs = pty.openpty()
        code = "import sys; from octo_ssh.cli.program import run; sys.exit(run())"
        with subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=self.farm.folder,
            env={**self.farm.env, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            seen, done = b"", 0
            end = time.monotonic() + TIMEOUT_S
            left = list(answers)
            while time.monotonic() < end:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
                if left and left[0][0].encode() in seen[done:]:
                    done = len(seen)
                    answer = left.pop(0)[1]
                    if answer.startswith("SIG"):
                        process.send_signal(getattr(signal, answer))
                    else:
                        os.write(terminal, answer.encode() + b"\n")
            else:
                process.kill()
            os.close(terminal)
        assert not left, (left, seen)
        text = seen.decode(errors="replace")
        self.heard(words, text)
        return process.returncode, text

    def traces(self, *, allowed: dict[str, set[str]] | None = None) -> list[str]:
        """Where secrets were found that have no business there. ``allowed``: by a file's path on the targets, the
        places whose secrets it may hold.
        """
        every = tuple(self.secrets.values())
        found = [f"{places} in what was said by: {words}" for words, text in self.said
                 if (places := shown_by_events(every, text))]  # fmt: skip
        found += [f"{places} in a process: {line[:200]}" for line in tuple(self.processes)
                  if (places := shown(every, line.encode()))]  # fmt: skip
        folder = self.farm.folder
        for name, places in files_with(every, folder).items():
            if folder / name not in self.given:
                found.append(f"{places} in {name}, here")
        for record in (folder / "controller").rglob("events.jsonl"):
            if places := shown_by_events(every, record.read_text()):
                found.append(f"{places} in the events of {record.parent.name}")
        for log in (folder.parent / "fake").glob("*.log"):
            if places := shown(every, log.read_bytes()):
                found.append(f"{places} in what {log.stem} was told")
        for path in (path for top in _TEMPORARY if top.is_dir() for path in top.iterdir()):
            if path.is_file() and path.stat().st_mtime >= self.began and (places := shown(every, path.read_bytes())):
                found.append(f"{places} in {path}")
        for target, sshd in self.farm.hosts.items():
            for name, places in files_with(every, sshd.folder).items():
                may = (allowed or {}).get(name.removeprefix("home/"), set())
                left = {place: around for place, around in places.items() if place not in may}
                if left and sshd.folder / name not in self.given:
                    found.append(f"{left} in {name}, on {target}")
        return found


@contextmanager
def set_trap(make_sshd: MakeSshd, tmp_path: Path) -> Iterator[Trap]:
    """Two targets; a login needs a passphrase, and who becomes somebody else a password."""
    fake = tmp_path / "fake"
    fake.mkdir()
    names = ("env", "command", "age", "age file", "passphrase", "sudo", "output", "octopus output", "scope", "answer")
    secrets = {place: Sentinel.tricky(place) for place in (*names, "var", "content")}
    secrets |= {"file": Sentinel.lines("file"), "word": Sentinel.word("word"), "mask": Sentinel.tricky("mask")}
    (fake / "password").write_text(secrets["sudo"].text)
    for name, text in (("sudo", _SUDO), ("logger", _LOGGER)):
        text = text.replace("LOG", str(fake / f"{name}.log")).replace("PASSWORD", str(fake / "password"))
        (fake / name).write_text(text)
        (fake / name).chmod(0o755)
    sshds = [
        make_sshd(name, extra=f'SetEnv HOME="{tmp_path / name}/home" PATH="{fake}:/usr/bin:/bin"')
        for name in ("one", "two")
    ]
    folder = tmp_path / "farm"
    folder.mkdir()
    farm = Farm.create(folder, sshds)
    farm.timeout_s = TIMEOUT_S
    made = Trap(farm, secrets, {fake / "password"})
    plant(made)
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(made.processes, stop), daemon=True)
    watcher.start()
    try:
        yield made
    finally:
        stop.set()
        watcher.join()
        farm.close()


def watch(processes: set[str], stop: threading.Event) -> None:
    while not stop.wait(0.1):
        processes.update(command_lines())


def plant(trap: Trap) -> None:
    farm, of = trap.farm, trap.of
    key, recipient = new_identity()
    (farm.folder / "tmp").mkdir()
    farm.env |= {
        "SHOP_TOKEN": of("env"),
        "SHOP_WORD": of("word"),
        "SHOP_SCOPED": of("scope"),
        "PASSPHRASE": of("passphrase"),
        "SUDO_PASSWORD": of("sudo"),
        "OCTO_SSH_AGE_KEY": key,
        "TMPDIR": str(farm.folder / "tmp"),
        "LANG": "C.UTF-8",
    }
    farm.write("sources/key", of("file") + "\n", 0o600)
    farm.write("sources/give", f"#!/bin/sh\necho {shlex.quote(of('command'))}\n", 0o700)
    farm.write("sources/license.age", encrypt(of("age file").encode(), [recipient]))
    farm.write("age.txt", encrypt(of("age").encode(), [recipient]))
    farm.write("shout.py", SHOUT)
    trap.given |= {farm.folder / "sources/key", farm.folder / "sources/give"}
    for name in farm.hosts:
        for file, place in (("made", "output"), ("made2", "octopus output"), ("made3", "mask")):
            path = farm.home(name) / file
            path.write_text(of(place))
            trap.given.add(path)
    locked = farm.folder / "id_locked"
    shutil.copyfile(next(iter(farm.hosts.values())).client_key, locked)
    locked.chmod(0o600)
    command = ["ssh-keygen", "-q", "-p", "-P", "", "-N", of("passphrase"), "-f", str(locked)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    write_inventory(trap)


def write_inventory(trap: Trap, **per_target: dict[str, Any]) -> None:
    keys = {
        "identity": str(trap.farm.folder / "id_locked"),
        "identity_passphrase": {"secret": {"env": "PASSPHRASE"}},
        "become": {"user": "nobody", "password": {"secret": {"env": "SUDO_PASSWORD"}}},
    }
    trap.farm.write_inventory({name: {**keys, **per_target.get(name, {})} for name in trap.farm.hosts})
