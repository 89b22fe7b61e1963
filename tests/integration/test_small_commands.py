"""``trust``, ``doctor``, ``exec``, ``lock`` and ``status`` as a person types them, against real sshds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import ExitCode
from tests.conftest import SshdFarm
from tests.integration.sshd import Sshd


@dataclass
class Desk:
    """A folder with an inventory of the given sshds, and the command line."""

    folder: Path
    servers: list[Sshd]

    def write(self, *, more: str = "") -> None:
        lines = ["version: 1", "defaults: {ssh_config: none}", "targets:"]
        for number, sshd in enumerate(self.servers, 1):
            where = f"host: {sshd.host}, port: {sshd.port}, user: {sshd.user}, identity: {sshd.client_key}"
            lines.append(f"  web-{number}: {{{where}{more if number > 1 else ''}}}")
        (self.folder / "inventory.yaml").write_text("\n".join(lines) + "\n")

    def run(self, *words: str) -> tuple[int, str, str]:
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "OCTO_SSH_STATE": str(self.folder / "state"),
            "OCTO_SSH_CACHE": str(self.folder / "cache"),
        }
        command = [sys.executable, "-c", "from octo_ssh.cli import main; main()", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def json(self, *words: str) -> tuple[int, Any]:
        verb, *rest = words
        code, out, err = self.run(verb, "--json", *rest)
        assert out, err
        return code, json.loads(out)


@pytest.fixture
def desk(tmp_path: Path, sshd_farm: SshdFarm) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, sshd_farm(2))
    desk.write()
    return desk


def test_trust_comes_first_and_asks_before_it_writes(desk: Desk) -> None:
    code, found = desk.json("doctor")
    assert code == ExitCode.DIFFERS
    assert [row["host_key_refused"] for row in found["doctor"]] == [True, True]
    code, out, err = desk.run("trust")
    assert (code, (desk.folder / "known_hosts").exists()) == (ExitCode.REFUSED, False)
    assert "SHA256:" in out
    assert "--yes" in err
    assert desk.run("trust", "--check")[0] == ExitCode.DIFFERS
    assert desk.run("trust", "--yes")[0] == ExitCode.DONE
    assert desk.run("trust", "--check")[0] == ExitCode.DONE
    assert (
        "127.0.0.1" in (desk.folder / "known_hosts").read_text()
        or "localhost" in (desk.folder / "known_hosts").read_text()
    )


def test_a_changed_key_is_told_and_replaced_only_after_a_yes(desk: Desk) -> None:
    desk.run("trust", "--yes")
    before = (desk.folder / "known_hosts").read_text()
    desk.servers[0].renew_host_key()
    desk.servers[0].restart()
    code, out, _ = desk.run("trust", "--check")
    assert (code, "CHANGED" in out) == (ExitCode.DIFFERS, True)
    assert (desk.folder / "known_hosts").read_text() == before
    assert desk.json("exec", "web-1", "--", "true")[1]["exec"][0]["outcome"] == "unreachable"
    assert desk.run("trust", "web-1", "--yes")[0] == ExitCode.DONE
    after = (desk.folder / "known_hosts").read_text().splitlines()
    assert len(after) == len(before.splitlines())
    assert desk.run("exec", "all", "--", "true")[0] == ExitCode.DONE


def test_what_lies_behind_a_jump_host_is_looked_at_once_that_is_trusted(desk: Desk) -> None:
    desk.write(more=", jump: web-1")
    code, found = desk.json("trust", "web-2", "--check")
    assert [(row["target"], row["behind"]) for row in found["trust"]] == [("web-1", ""), ("web-2", "web-1")]
    assert code == ExitCode.DIFFERS
    code, out, err = desk.run("trust", "web-2", "--yes")
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == ["web-1", "web-2", "web-2"]
    assert (code, err.count("wrote the keys of 1 machine to known_hosts")) == (ExitCode.DONE, 2)
    assert desk.run("exec", "web-2", "--", "true")[0] == ExitCode.DONE


def test_with_json_a_second_call_looks_behind_the_jump_host(desk: Desk) -> None:
    desk.write(more=", jump: web-1")
    assert desk.json("trust", "web-2", "--yes")[0] == ExitCode.INCOMPLETE
    code, found = desk.json("trust", "web-2", "--yes")
    assert [(row["target"], code) for row in found["trust"]] == [("web-2", ExitCode.DONE)]


def test_keys_that_were_collected_elsewhere_are_reviewed_like_fetched_ones(desk: Desk) -> None:
    desk.run("trust", "--yes")
    collected = (desk.folder / "known_hosts").read_text()
    (desk.folder / "known_hosts").write_text("")
    (desk.folder / "from-console").write_text(
        f"# seen on the console\n{collected}10.9.9.9 {collected.split(' ', 1)[1]}"
    )
    for server in desk.servers:
        server.stop()
    assert desk.run("trust", "--from", "from-console", "--check")[0] == ExitCode.DIFFERS
    code, out, err = desk.run("trust", "--from", "from-console")
    assert (code, out.count("SHA256:"), "--yes" in err) == (ExitCode.REFUSED, 2, True)
    assert (desk.folder / "known_hosts").read_text() == ""
    assert desk.run("trust", "web-2", "--from", "from-console", "--yes")[0] == ExitCode.DONE
    assert (desk.folder / "known_hosts").read_text() == collected.splitlines(keepends=True)[1]


def test_doctor_tells_what_it_sees_and_writes_nothing(desk: Desk) -> None:
    desk.run("trust", "--yes")
    code, found = desk.json("doctor")
    assert code in (ExitCode.DONE, ExitCode.DIFFERS)
    facts = [row["facts"] for row in found["doctor"]]
    assert [each["root"].endswith("/.octo-ssh") for each in facts] == [True, True]
    assert facts[0]["root"] != facts[1]["root"], "each test sshd has a home of its own"
    desk.servers[1].stop()
    code, found = desk.json("doctor", "web-2")
    assert (code, found["doctor"][0]["outcome"]) == (ExitCode.INCOMPLETE, "unreachable")


def test_exec_folds_and_its_exit_code_tells(desk: Desk) -> None:
    desk.run("trust", "--yes")
    code, out, err = desk.run("exec", "all", "--", "echo same; test $OCTO_TARGET = web-1")
    assert code == ExitCode.FAILED
    assert "same" in out
    assert "1 failed" in err
    code, found = desk.json("exec", "web-1", "--", "printf", "%s", "a b")
    assert (code, found["exec"][0]["status"]) == (ExitCode.DONE, 0)


def test_locks_are_shown_and_freed(desk: Desk) -> None:
    desk.run("trust", "--yes")
    code, found = desk.json("lock")
    assert (code, [row["lease"] for row in found["lock"]]) == (ExitCode.DONE, [None, None])
    assert desk.run("lock", "--release")[0] == ExitCode.USAGE
    code, found = desk.json("lock", "--release", "all")
    assert (code, [row["released"] for row in found["lock"]]) == (ExitCode.DONE, [False, False])


def test_status_of_a_project_that_was_never_deployed(desk: Desk) -> None:
    desk.run("trust", "--yes")
    plan = "version: 1\nproject: shop\nsteps: [{name: Hello, run: 'echo hello'}]\n"
    (desk.folder / "plan.yaml").write_text(plan)
    code, found = desk.json("status", "plan.yaml")
    assert (code, [row["release"] for row in found["status"]["targets"]]) == (ExitCode.DONE, [None, None])


def test_init_then_its_own_files_are_read(desk: Desk) -> None:
    code, out, _ = desk.run("init", "new")
    assert (code, out.count("wrote")) == (ExitCode.DONE, 3)
    code, _, err = desk.run("exec", "-i", "new/inventory.yaml", "tag:wbe", "--", "true")
    assert code == ExitCode.USAGE
    assert "web" in err
