"""For tests with targets that mean harm: sshds that lie, what a command costs its controller, what it leaves there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo_ssh.model import wire
from octo_ssh.model.program import Program
from tests.integration.farm import Farm, Told
from tests.integration.sshd import Sshd

LIAR = Path(__file__).with_name("liar.py")
MAX_CONTROLLER_KB = 250_000
"""More than any command may take of the controller's memory, whatever a target sends; half of it is Python."""


def liar_config(folder: Path) -> str:
    """Lines of sshd_config: every exec request runs the liar."""
    return f"ForceCommand {sys.executable} {LIAR} {folder}"


def lie_to(sshd: Sshd, program: Program[Any] | None, **lie: Any) -> None:
    """From now on the target of that sshd lies to a program like this one; None: to all."""
    path = sshd.folder / "lies.json"
    lies = json.loads(path.read_text()) if path.exists() else {}
    lies["*" if program is None else digest_of(program)] = lie
    path.write_text(json.dumps(lies))


def be_honest(sshd: Sshd) -> None:
    (sshd.folder / "lies.json").unlink(missing_ok=True)


def digest_of(program: Program[Any]) -> str:
    """By it a target knows a program."""
    return hashlib.sha256(wire.block_of(program.body)).hexdigest()


def octo(farm: Farm, *words: str) -> tuple[Told, int]:
    """Run a command, and the most memory that it took, in kB."""
    process = farm.start(*words)
    watch = Watch(process.pid)
    told = farm.finish(process)
    return told, watch.peak_kb()


@dataclass(slots=True)
class Watch:
    """The most memory that a process has taken, looked at while it runs."""

    pid: int
    _peak_kb: int = 0
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peak_kb(self) -> int:
        """When it has ended."""
        self._thread.join(10)
        return self._peak_kb

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            while found := re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text()):
                self._peak_kb = max(self._peak_kb, int(found[1]))
                time.sleep(0.03)


@contextlib.contextmanager
def untouched(farm: Farm) -> Iterator[None]:
    """Nothing is written on the controller but records of runs, what the cache keeps by its digest, and histories."""
    before = files_of(farm)
    yield
    after = files_of(farm)
    assert {path for path in after if after[path] != before.get(path)} == set()
    assert set(before) <= set(after)


def files_of(farm: Farm) -> dict[str, bytes]:
    """All that lies beside the plan, which tests write, and in the controller's home, but for records and cache."""
    ours = re.compile(r"controller/\.(?:local/state|cache)/octo-ssh/|sshd-|web|plan\.yaml|release/")
    found: dict[str, bytes] = {}
    for path in sorted(farm.folder.rglob("*")):
        name = str(path.relative_to(farm.folder))
        if not ours.match(name) and path.is_file() and not path.is_symlink():
            found[name] = path.read_bytes()
    return found


def is_clean(text: str) -> bool:
    """No byte in it makes a terminal do anything but show text."""
    return re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text) is None
