"""An ordinary user beside root, for what depends on who looks: tests that need one are skipped for others."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from octo_ssh.transport.local import LocalSession

from .conftest import Machine

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def ordinary_login(shell: str) -> Iterator[Machine]:
    """``nobody`` under the shell, with a home of its own that root can write to as well."""
    program = shutil.which(shell)
    if program is None or shutil.which("setpriv") is None:
        pytest.skip(f"{shell} or setpriv is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "bin").mkdir(mode=0o755)
        (folder / "home").mkdir(mode=0o755)
        os.chown(folder / "home", NOBODY, NOBODY)
        path = str(folder / "bin")
        if shell == "busybox":
            subprocess.run([program, "--install", "-s", path], check=True)
        else:
            (folder / "bin/sh").symlink_to(program)
            path = f"{path}:{os.environ['PATH']}"
        become = (shutil.which("setpriv") or "", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        session = LocalSession(
            shell,
            shell=(*become, f"{folder}/bin/sh", "-s"),
            home=f"{folder}/home",
            env={"PATH": path, "LANG": "C.UTF-8"},
        )
        yield Machine(session, folder / "home", shell, path)
