"""Runs ``octo-ssh`` many times without loading it each time.

A process with a bare environment has loaded the program once. For each command it forks: the child gets a session, a
folder, an environment and streams of its own and then runs as the program does. Loading is most of what a short
command costs.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

_MODULES = ("octo_ssh.cli.program", "octo_ssh.operations.apply", "octo_ssh.operations.plan", "octo_ssh.transport.ssh")
_REPOSITORY = Path(__file__).parents[2]


class Command:
    """A command that runs, or has run: the part of ``subprocess.Popen`` that the tests need."""

    def __init__(self, pid: int, status: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = os.fdopen(stdout, encoding="utf-8", errors="replace")
        self._status = os.fdopen(status, "rb")
        self._stderr = ""
        self._listener = threading.Thread(target=self._listen, args=(stderr,), daemon=True)
        self._listener.start()

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What of its streams was not read yet, when it has ended. Kills it and raises TimeoutExpired when it lasts."""
        late = threading.Timer(timeout, self.kill)
        late.start()
        with self.stdout, self._status:
            rest = self.stdout.read()
            self.returncode = int(self._status.read())
        self._listener.join()
        if not late.is_alive():
            raise subprocess.TimeoutExpired("octo-ssh", timeout, rest, self._stderr.encode())
        late.cancel()
        return rest, self._stderr

    def _listen(self, stderr: int) -> None:
        with os.fdopen(stderr, encoding="utf-8", errors="replace") as stream:
            self._stderr = stream.read()


class Starter:
    """Starts commands. The process behind it ends with ``close``, or with its maker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=_REPOSITORY,
                env={"PATH": "/usr/bin:/bin", "LANG": "C"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket = ours

    def close(self) -> None:
        self._socket.close()
        self._process.wait(30)

    def start(self, words: tuple[str, ...], *, cwd: Path, env: dict[str, str]) -> Command:
        """``octo-ssh`` with these words; its standard input is empty."""
        (out, their_out), (err, their_err), (status, their_status) = os.pipe(), os.pipe(), os.pipe()
        request = json.dumps({"words": words, "cwd": str(cwd), "env": env}).encode()
        socket.send_fds(self._socket, [len(request).to_bytes(4, "big") + request], [their_out, their_err, their_status])
        for handle in (their_out, their_err, their_status):
            os.close(handle)
        pid = int(os.read(status, 16))
        return Command(pid, status, out, err)


@functools.cache
def shared_starter() -> Starter:
    """The one of this session of tests."""
    starter = Starter()
    atexit.register(starter.close)
    return starter


def _serve(handle: int) -> None:
    """The process behind a Starter: loads the program, then forks for each request until the other side is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for name in _MODULES:
        __import__(name)
    with socket.socket(fileno=handle) as link:
        while True:
            data, handles, _, _ = socket.recv_fds(link, 1 << 20, 3)
            if not data:
                return
            size = int.from_bytes(data[:4], "big")
            while len(data) < size + 4:
                data += link.recv(1 << 20)
            if os.fork() == 0:
                link.close()
                _supervise(json.loads(data[4:]), *handles)
            for one in handles:
                os.close(one)


def _supervise(request: dict[str, Any], out: int, err: int, status: int) -> NoReturn:
    """Fork once more for the command itself; tell its process id at once, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _become(request, out, err)
    os.close(out)
    os.close(err)
    os.write(status, b"%016d" % pid)
    _, ended = os.waitpid(pid, 0)
    os.write(status, b"%d" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    os.setsid()
    # Whoever starts the tests in the background of a script has these ignored, and octo-ssh leaves it at that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 256)
    # those of the process behind were made for whatever it was given
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["octo-ssh", *request["words"]]
    from octo_ssh.cli.program import run

    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
