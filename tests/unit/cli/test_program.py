"""The program from outside: its help, its words, its exit codes, what it prints where."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

OCTO = (sys.executable, "-c", "from octo_ssh.cli import main; main()")
COMMANDS = (
    *("init", "demo", "trust", "doctor", "exec", "lock", "plan", "apply", "status", "drift", "vars", "schema"),
    "completion",
    *("history drift", "secrets keygen", "secrets encrypt", "secrets edit", "secrets rotate"),
)


def run(
    *words: str, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program without a terminal."""
    return subprocess.run(
        [*OCTO, *words],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    listed = done.stdout.partition("Commands:")[2].splitlines()
    words = [line.split()[0] for line in listed if line.strip()][:-1]  # the last line is about the demo
    assert sorted(words) == sorted({command.split()[0] for command in COMMANDS})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_on_standard_output(command: str) -> None:
    done = run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"octo-ssh {command}" in done.stdout


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "completion"])
def test_the_shared_flags_are_on_every_command(command: str) -> None:
    words = run(*command.split(), "--help").stdout
    assert all(flag in words for flag in ("--json", "--quiet", "-v", "--no-color", "--no-input"))


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "octo-ssh")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "Usage"),
        (("aply", "plan.yaml"), "Did you mean 'apply'?"),
        (("apply",), "PLAN"),
        (("apply", "plan.yaml", "--limt", "x"), "--limit"),
        (("apply", "plan.yaml", "--var", "nothing"), "name=text"),
        (("apply", "plan.yaml", "--var", "a:=[1"), "--var a:1:"),
        (("apply", "plan.yaml", "--lock-wait", "10"), "10m"),
        (("apply", "plan.yaml", "--approve", "Sign-off"), "STEP=why"),
        (("exec", "web"), "COMMAND"),
        (("completion", "tcsh"), "error: the shell must be 'bash', 'zsh' or 'fish', not 'tcsh'"),
        (("drift", "plan.yaml", "--against", "git"), "error: --against must be 'baseline' or 'plan', not 'git'"),
    ],
)
def test_what_was_typed_wrongly_is_2_with_a_hint_and_no_traceback(words: tuple[str, ...], hint: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert hint in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_that_is_not_there_was_typed_wrongly_and_is_told_once(tmp_path: Path) -> None:
    done = run("plan", "plan.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("plan.yaml") == 1
    assert "Traceback" not in done.stderr


def test_guided_without_a_terminal_says_that_nobody_is_asked(tmp_path: Path) -> None:
    assert "nobody can be asked" in run("apply", "plan.yaml", "--guided", folder=tmp_path).stderr
    assert "nobody can be asked" not in run("apply", "plan.yaml", "--guided", "--quiet", folder=tmp_path).stderr


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete "), ("zsh", "#compdef"), ("fish", "complete --command")]
)
def test_completion_prints_a_script(shell: str, word: str) -> None:
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert word in done.stdout


def test_the_program_completes_its_own_words() -> None:
    asked = {"_OCTO_SSH_COMPLETE": "complete_bash", "COMP_WORDS": "octo-ssh apply --l", "COMP_CWORD": "2"}
    done = run(environ=asked)
    assert done.stdout.split() == ["--limit", "--lock-wait"]


def test_help_does_not_import_what_is_heavy() -> None:
    heavy = ("asyncio", "asyncssh", "httpx", "jinja2", "pydantic", "rich", "yaml", "platformdirs")
    script = (
        "import sys; sys.argv = ['octo-ssh', '--help']\n"
        "from octo_ssh.cli.program import run; run()\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_output_that_the_locale_cannot_say_is_no_error(tmp_path: Path) -> None:
    done = run("plan", "пла́н.yaml", folder=tmp_path, environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
