"""Commands on a host of the fleet without SSH, in all of its namespaces. Each has an end: one that hangs is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

_PS = "ps -e ww -o pid,ppid,user,etimes,stat,wchan:24,args --forest"
_PS_TIMEOUT_S = 10.0
_KILLED_S = 5.0


class Hung(subprocess.SubprocessError):
    """A command on a host did not end in its time, and was killed."""


def run_inside(
    pid_1: int, name: str, command: str, *, user: str, stdin: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """A shell command on the host ``name``, whose first process is ``pid_1`` here; any exit status will do.

    Raises Hung when it takes longer, with what it had said and all that ran on the host.
    """
    with subprocess.Popen(
        _words(pid_1, command, user),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that it can be ended with all that it started
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout_s)
        except subprocess.TimeoutExpired:
            running = _what_runs(pid_1)
            _end(process)
            said = _rest(process)[-2000:]
            raise Hung(f"{name}: not done in {timeout_s:g} s: {command}\n{said}\n{name} ran then:\n{running}") from None
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _words(pid_1: int, command: str, user: str) -> list[str]:
    home = "/root" if user == "root" else f"/home/{user}"
    clean = ["env", "-i", f"HOME={home}", f"USER={user}", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
    switch = [] if user == "root" else ["runuser", "--user", user, "--"]
    return ["nsenter", "--target", str(pid_1), "--all", "--", *switch, *clean, "sh", "-c", command]


def _what_runs(pid_1: int) -> str:
    """On the host, with what each process waits for in the kernel."""
    try:
        done = subprocess.run(_words(pid_1, _PS, "root"), capture_output=True, text=True, timeout=_PS_TIMEOUT_S)
    except (subprocess.TimeoutExpired, OSError) as error:
        return f"(ps does not end there, either: {error})"
    return done.stdout + done.stderr


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _rest(process: subprocess.Popen[str]) -> str:
    """What it had said; not all of it where somebody who has left the group holds its streams."""
    try:
        return "".join(process.communicate(timeout=_KILLED_S))
    except subprocess.TimeoutExpired as error:
        return "".join(part.decode(errors="replace") for part in (error.output, error.stderr) if part)
