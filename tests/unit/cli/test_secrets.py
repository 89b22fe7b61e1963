"""``octo-ssh secrets`` from outside: what is printed where, and that nothing secret is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from octo_ssh.config.age import decrypt, new_identity
from octo_ssh.config.document import parse_document, plain
from octo_ssh.config.problems import Problems
from octo_ssh.model.values import AgeSource

OCTO = (sys.executable, "-c", "from octo_ssh.cli import main; main()", "secrets")
KEY, RECIPIENT = new_identity()


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "age-recipients.txt").write_text(RECIPIENT)
    return tmp_path


def run(folder: Path, *words: str, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OCTO, *words],
        cwd=folder,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "OCTO_SSH_AGE_KEY": KEY, **environ},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def decrypted(text: str, *path: str) -> bytes:
    node = parse_document(text, "x", Problems())
    assert node is not None
    value = plain(node)
    for key in (*path, "secret", "age"):
        value = value[key]
    return decrypt(AgeSource(text=value), {"OCTO_SSH_AGE_KEY": KEY})


def test_keygen_prints_the_recipient_and_nothing_of_the_key(tmp_path: Path) -> None:
    done = run(tmp_path, "keygen", "--output", "my.key")
    assert (done.returncode, done.stdout[:4], done.stdout.count("\n")) == (0, "age1", 1)
    assert "age-recipients.txt" in done.stderr
    assert "AGE-SECRET-KEY" not in done.stdout + done.stderr
    again = run(tmp_path, "keygen", "--output", "my.key", "--json")
    assert (again.returncode, again.stdout) == (2, "")
    made = json.loads(run(tmp_path, "keygen", "--json").stdout)["secrets keygen"]
    assert made["path"] == str(tmp_path / "config/octo-ssh/age.key")
    assert made["recipient"].startswith("age1")


def test_a_value_comes_from_a_pipe_and_goes_out_encrypted(team: Path) -> None:
    done = run(team, "encrypt", typed="hunter22\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert decrypted(done.stdout) == b"hunter22\n"
    named = run(team, "encrypt", "--name", "db", "--quiet", typed="hunter22")
    assert decrypted(named.stdout, "db") == b"hunter22"
    told = json.loads(run(team, "encrypt", "--json", typed="hunter22").stdout)["secrets encrypt"]
    assert decrypted(told["yaml"]) == b"hunter22"


@pytest.mark.parametrize(("second", "status"), [(b"hunter22\n", 0), (b"hunter23\n", 2)], ids=["the same", "another"])
def test_a_value_is_asked_for_twice_without_an_echo(team: Path, second: bytes, status: int) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*OCTO, "encrypt"], cwd=team, stdin=follower, stderr=follower, stdout=subprocess.PIPE
    ) as process:
        os.close(follower)
        seen = b""
        for question, answer in ((b"The secret: ", b"hunter22\n"), (b"Once more: ", second)):
            while question not in seen:
                seen += os.read(leader, 4096)
            os.write(leader, answer)
        assert process.stdout is not None
        out = process.stdout.read().decode()
    os.close(leader)
    assert process.returncode == status
    assert b"hunter" not in seen
    if status == 0:
        assert decrypted(out) == b"hunter22"
    else:
        assert out == ""


def test_a_terminal_is_not_asked_where_that_is_forbidden(team: Path) -> None:
    leader, follower = pty.openpty()
    done = subprocess.run(
        [*OCTO, "encrypt", "--no-input"], cwd=team, stdin=follower, capture_output=True, text=True, check=False
    )
    os.close(leader)
    os.close(follower)
    assert (done.returncode, done.stdout) == (5, "")
    assert "pipe it" in done.stderr


def test_a_file_is_encrypted_changed_and_encrypted_anew(team: Path) -> None:
    (team / "key").write_text("hunter22\n")
    done = run(team, "encrypt", "key")
    assert (done.returncode, done.stdout) == (0, "wrote key.age\n")
    assert "Remove the plain file" in done.stderr
    assert run(team, "encrypt", "key").returncode == 2
    assert run(team, "encrypt", "key", "--force", "--quiet").stdout == ""
    (team / "ed").write_text('#!/bin/sh\necho more >>"$1"\n')
    (team / "ed").chmod(0o755)
    done = run(team, "edit", "key.age", VISUAL=str(team / "ed"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "changed key.age\n", "")
    assert decrypt(AgeSource(path=str(team / "key.age")), {"OCTO_SSH_AGE_KEY": KEY}) == b"hunter22\nmore\n"
    (team / "plan.yaml").write_text(run(team, "encrypt", "--name", "a", typed="hunter22").stdout)
    done = run(team, "rotate", ".")
    assert done.stdout == "./key.age\n./plan.yaml: 1 value\n2 files encrypted anew\n"
    assert decrypted((team / "plan.yaml").read_text(), "a") == b"hunter22"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("encrypt", "--recipients", "nowhere"), 1, "nowhere: this file does not exist"),
        (("encrypt", "key", "--name", "x"), 2, "--name is for a value"),
        (("encrypt", "nothing"), 2, "does not exist"),
        (("encrypt",), 1, "4 characters at least"),
        (("edit", "plan.yaml"), 2, "does not end in .age"),
        (("rotate", "nothing.age"), 2, "there is no"),
        (("rotate",), 2, "PATH"),
    ],
)
def test_what_is_wrong_is_said_once_without_a_traceback(
    team: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    done = run(team, *words, typed="ab")
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
