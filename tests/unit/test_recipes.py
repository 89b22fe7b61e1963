"""The recipes of the docs: shown as they are, and every command in them is one that octo-ssh understands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs/recipes/drift"
PAGE = (ROOT / "docs/drift.md").read_text(encoding="utf-8")
BARE = {"PATH": "/usr/bin:/bin", "LANG": "C"}
"""What cron gives."""


def read(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


def of_cron() -> list[str]:
    """The commands of the crontab, less the times before them."""
    lines = [line for line in read("crontab").splitlines() if re.match(r"[0-9*]", line)]
    return [line.split(None, 5)[5] for line in lines]


def of_systemd(home: Path) -> list[str]:
    """What the service runs, where it runs."""
    keys = dict(line.split("=", 1) for line in read("octo-ssh-drift.service").splitlines() if "=" in line)
    text = f"cd '{keys['WorkingDirectory']}' && exec {keys['ExecStart']}"
    return [text.replace("%h", str(home))]


def of_gitlab() -> list[str]:
    job: dict[str, Any] = yaml.safe_load(read("gitlab-ci.yml"))["drift"]
    return ["\n".join(["set -e", *job["script"]])]


def of_github() -> list[str]:
    steps = yaml.safe_load(read("github-workflow.yml"))["jobs"]["drift"]["steps"]
    return ["set -e\n" + step["run"] for step in steps if "run" in step]


def run(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """As cron would: a bare environment, ``octo-ssh`` where pipx puts it (CI: on the PATH)."""
    environ = {**BARE, "HOME": str(home), "SSH_KEY": str(home / "key")}
    environ["PATH"] = f"{BARE['PATH']}:{home}/.local/bin" if "\n" in command else BARE["PATH"]
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=home / "shop", env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".local/bin").mkdir(parents=True)
    (tmp_path / "shop").mkdir()
    (tmp_path / "key").write_text("a key\n")
    (tmp_path / "shop/notify.txt").write_text("json://127.0.0.1:1/\n")
    program = tmp_path / ".local/bin/octo-ssh"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = ['{ROOT}']\nfrom octo_ssh.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("kind", ["cron", "systemd", "gitlab", "github"])
def test_every_recipe_comes_as_far_as_the_plan(kind: str, home: Path) -> None:
    commands = {"cron": of_cron(), "systemd": of_systemd(home), "gitlab": of_gitlab(), "github": of_github()}[kind]
    assert len(commands) == 1
    done = run(commands[0], home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no plan 'plan.yaml'")


@pytest.mark.parametrize("kind", ["gitlab", "github"])
def test_keys_are_private_from_the_first_byte(kind: str, home: Path) -> None:
    [command] = of_gitlab() if kind == "gitlab" else of_github()
    before = os.umask(0o022)
    try:
        run(command, home)
    finally:
        os.umask(before)
    key = home / ".ssh/id_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() == ("a key" if kind == "gitlab" else str(home / "key"))


@pytest.mark.parametrize(("fence", "name"), [("crontab", "crontab"), ("ini", "octo-ssh-drift.service")])
def test_the_page_shows_the_files_as_they_are(fence: str, name: str) -> None:
    assert f"```{fence}\n{read(name)}```\n" in PAGE


def test_every_recipe_is_on_the_page() -> None:
    assert [path.name for path in RECIPES.iterdir() if f"(recipes/drift/{path.name})" not in PAGE] == []
