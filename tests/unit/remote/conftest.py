"""A machine for the remote programs: this one's own shells, each with a home of its own and only its own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from octo_ssh.transport.local import LocalSession
from tests.faults.campaign import IS_LONG

SHELLS = ("dash", "bash", "busybox")


@dataclass(frozen=True, slots=True)
class Machine:
    """One login."""

    session: LocalSession
    home: Path
    shell: str
    path: str
    """Its PATH."""

    @property
    def root(self) -> Path:
        return self.home / ".octo-ssh"

    @property
    def to(self) -> Path:
        return self.home / "srv/the shop"


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By shell: a PATH on which ``sh`` is that shell; for busybox, all tools are its own."""
    found: dict[str, str] = {}
    for shell in SHELLS:
        program = shutil.which(shell)
        if program is None:
            continue
        folder = tmp_path_factory.mktemp(shell)
        if shell == "busybox":
            subprocess.run([program, "--install", "-s", folder], check=True)
            found[shell] = str(folder)
        else:
            (folder / "sh").symlink_to(program)
            found[shell] = f"{folder}:{os.environ['PATH']}"
    return found


@pytest.fixture(params=SHELLS if IS_LONG else SHELLS[1:])
def machine(request: pytest.FixtureRequest, tmp_path: Path, tools: dict[str, str]) -> Machine:
    """A login with an empty home, under each shell that is installed here. Dash is Debian's ``sh``, under which all
    tests of whole commands run anyway.
    """
    return make_machine(request.param, tmp_path / "home of ünï", tools)


@pytest.fixture
def one_machine(tmp_path: Path, tools: dict[str, str]) -> Machine:
    """A login under one shell, for what does not depend on it."""
    return make_machine(next(iter(tools)), tmp_path / "home", tools)


def make_machine(shell: str, home: Path, tools: dict[str, str]) -> Machine:
    if shell not in tools:
        pytest.skip(f"{shell} is not installed")
    home.mkdir()
    path = tools[shell]
    folder = path.split(":")[0]
    session = LocalSession(shell, shell=(f"{folder}/sh", "-s"), home=str(home), env={"PATH": path, "LANG": "C.UTF-8"})
    return Machine(session, home, shell, path)
