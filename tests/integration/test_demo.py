"""The tour, as a new user takes it: it ends well, tells what it does, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.sshd import why_no_sshd


def demo(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it with a home and a folder for temporary files of its own, without a terminal."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "OCTO_", "SSH_"))}
    return subprocess.run(
        [sys.executable, "-c", "from octo_ssh.cli import main; main()", "demo", *words],
        env={**environ, "HOME": str(home), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def left_behind(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def test_the_tour_shows_two_releases_and_a_return_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert told.index("shop 1: 5 changed") < told.index("shop 1: nothing to do, 5 targets unchanged")
    assert told.index("nothing to do") < told.index("shop 2: 5 changed") < told.index("shop 3-broken: ")
    assert "back at 2 · at 2" in told
    assert told.count("current -> releases/2") == 4
    assert "the shop does not answer; its log says:" in done.stderr
    assert left_behind(tmp_path) == []


def test_the_tour_on_openssh_is_the_same(tmp_path: Path) -> None:
    if reason := why_no_sshd():
        pytest.skip(reason)
    done = demo(tmp_path, "--sshd")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("current -> releases/2") == 4
    assert left_behind(tmp_path) == []


def test_the_tour_as_json_is_events_and_nothing_else(tmp_path: Path) -> None:
    done = demo(tmp_path, "--json")
    ends = [event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "run_ended"]
    assert [event["exit_code"] for event in ends] == [0, 0, 0, 1]
