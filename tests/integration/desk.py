"""Somebody at a terminal: the command line with a pseudo-terminal of its own, on which questions are answered."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.farm import Farm, Told

_PATIENCE_S = 30.0
_PROGRAM = "import sys; from octo_ssh.cli import main; sys.exit(main())"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_REPOSITORY = str(Path(__file__).parents[2])
CTRL_C, CTRL_D = "\x03", "\x04"


@dataclass(slots=True)
class Desk:
    """``octo-ssh`` in the foreground of a terminal: its standard input and error; standard output is read apart."""

    process: subprocess.Popen[bytes]
    leader: int
    _shown: bytes = b""
    _seen: int = 0
    """How much of the screen, as plain text, was looked at already."""
    _said: list[bytes] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def open(cls, farm: Farm, *words: str) -> Desk:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words],
            cwd=farm.folder,
            env={**farm.env, "TERM": "xterm", "PYTHONPATH": _REPOSITORY},
            stdin=follower,
            stdout=subprocess.PIPE,
            stderr=follower,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )
        os.close(follower)
        desk = cls(process, leader)
        for work in (desk._watch, desk._listen):
            desk._readers.append(threading.Thread(target=work, daemon=True))
            desk._readers[-1].start()
        return desk

    @property
    def screen(self) -> str:
        """All that was written on the terminal, as plain text."""
        return _ESCAPES.sub("", self._shown.decode(errors="replace")).replace("\r", "")

    @property
    def out(self) -> str:
        """All of standard output so far."""
        return b"".join(self._said).decode()

    @property
    def echoes(self) -> bool:
        """What is typed is shown."""
        return bool(termios.tcgetattr(self.leader)[3] & termios.ECHO)

    def sees(self, text: str) -> str:
        """Wait until the screen shows it, below what was seen before; gives all up to its end."""
        self._until(lambda: text in self.screen[self._seen :], f"the screen shows {text!r}")
        start = self._seen
        self._seen = self.screen.index(text, start) + len(text)
        return self.screen[start : self._seen]

    def hears(self, text: str) -> None:
        """Wait until standard output holds it."""
        self._until(lambda: text in self.out, f"it says {text!r}")

    def types(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def answers(self, question: str, answer: str) -> str:
        """Wait for a question and answer it; gives what was seen before the answer."""
        seen = self.sees(question)
        self.types(f"{answer}\n")
        return seen

    def leaves(self) -> Told:
        """Wait for the end of the command."""
        code = self.process.wait(_PATIENCE_S)
        for reader in self._readers:
            reader.join(_PATIENCE_S)
        assert "Traceback" not in self.screen, self.screen
        assert "internal error" not in self.screen, self.screen
        return Told(code, self.out, self.screen)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(_PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        os.close(self.leader)

    def _until(self, condition: object, what: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        assert callable(condition)
        with self._changed:
            while not condition():
                alive = self.process.poll() is None or any(reader.is_alive() for reader in self._readers)
                if not alive or not self._changed.wait(timeout=min(1.0, end - time.monotonic())):
                    if condition():
                        return
                    if not alive or time.monotonic() >= end:
                        raise AssertionError(f"never came true: {what}\n{self.screen}\n{self.out[-3000:]}")

    def _watch(self) -> None:
        with contextlib.suppress(OSError):  # the last one who held the other side is gone
            while data := os.read(self.leader, 1 << 16):
                with self._changed:
                    self._shown += data
                    self._changed.notify_all()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            with self._changed:
                self._said.append(data)
                self._changed.notify_all()


@contextlib.contextmanager
def at_a_desk(farm: Farm, *words: str) -> Iterator[Desk]:
    """Somebody who applies ``plan.yaml``, with the events on standard output; ``words`` may be more of them."""
    desk = Desk.open(farm, "apply", "plan.yaml", "--json", *words)
    try:
        yield desk
    finally:
        desk.close()


@contextlib.contextmanager
def sitting(farm: Farm, *words: str) -> Iterator[Desk]:
    """Somebody who types any command."""
    desk = Desk.open(farm, *words)
    try:
        yield desk
    finally:
        desk.close()
