"""What this machine's own shell lacks to stand for a target: looked for in PATH and where Homebrew keeps GNU tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_HOMEBREW = ("/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt")
_FORMULAE = ("coreutils/libexec/gnubin", "findutils/libexec/gnubin", "gnu-tar/libexec/gnubin", "grep/libexec/gnubin",
             "util-linux/bin")  # fmt: skip
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROBE_TIMEOUT_S = 10.0

# SPEC section 7. What a name alone does not prove is tried out: macOS has mv, stat and sort of another family.
_NAMES = ("sh", "find", "grep", "tar", "gzip", "setsid")
_TRIALS = {
    "mv -T (coreutils)": "mkdir a b && ln -s a c && mv -T c d && test -L d",
    "ln, readlink (coreutils)": "ln -s x l && test \"$(readlink l)\" = x",
    "stat -c (coreutils)": "test \"$(stat -c %a .)\" != ''",
    "sha256sum (coreutils)": "printf '' | sha256sum | grep -q e3b0c442",
    "head -c (coreutils)": "test \"$(printf abc | head -c 2)\" = ab",
    "sync, sort, wc (coreutils)": "printf 'b\\na\\n' | LC_ALL=C sort | wc -l",
}  # fmt: skip


def tool_path(environment_path: str | None = None) -> str:
    """A PATH for programs that expect GNU tools: Homebrew's, where there are any, then the usual one."""
    usual = environment_path or os.environ.get("PATH") or _SYSTEM_PATH
    found = [str(place) for root in _HOMEBREW for formula in _FORMULAE if (place := Path(root, formula)).is_dir()]
    return os.pathsep.join(dict.fromkeys([*found, *usual.split(os.pathsep), *_SYSTEM_PATH.split(os.pathsep)]))


def missing_tools(path: str | None = None) -> list[str]:
    """The tools that are not there, as a person would look for them; empty when this machine can be a target."""
    path = path or tool_path()
    missing = [name for name in _NAMES if shutil.which(name, path=path) is None]
    if "sh" in missing:
        return missing
    return missing + [name for name, trial in _TRIALS.items() if not _works(["sh", "-c", trial], path)]


def _works(command: Sequence[str], path: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="octo-tools-") as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PROBE_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0
