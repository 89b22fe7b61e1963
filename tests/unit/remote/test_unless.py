"""Commands that say whether a step is done already, under every shell: what they get, and that they are ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError, TargetTimeout
from octo_ssh.model.program import Reply, Sudo
from octo_ssh.model.values import Secret
from octo_ssh.remote.unless import TIMED_OUT, Unless, unless
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .jobs import until
from .test_script import alive, wait_for


async def ask(
    machine: Machine,
    *scripts: str,
    env: Mapping[str, str | Secret] | None = None,
    limit_s: float = 20,
    timeout_s: float = 60,
) -> list[int]:
    checks = [Unless(f"step-{number}", env or {}, script) for number, script in enumerate(scripts)]
    found = await machine.session.observe(unless(checks, limit_s=limit_s), timeout_s=timeout_s)
    assert list(found) == [check.step_id for check in checks]
    return list(found.values())


async def test_each_status_is_told_by_step(machine: Machine) -> None:
    scripts = ("true", "false", "exit 42", "kill -9 $$", "echo out; echo err >&2", "cat; read x", "exit 124")
    assert await ask(machine, *scripts) == [0, 1, 42, 137, 0, 1, 124]
    assert await ask(machine) == []


async def test_it_runs_at_home_with_its_own_variables(machine: Machine) -> None:
    checks = [
        Unless(
            "one", {"A": 'it\'s "quoted"\n', "SECRET": Secret("pässwörd'; rm #")}, 'echo "$A$SECRET$B" >got; pwd >at'
        ),
        Unless("two", {"B": "\x1c\x1d"}, 'test -z "$A$SECRET$o_all" && test "$B" = "$(printf "\\034\\035")"'),
    ]
    assert await machine.session.observe(unless(checks)) == {"one": 0, "two": 0}
    assert (machine.home / "got").read_text() == "it's \"quoted\"\npässwörd'; rm #\n"
    assert (machine.home / "at").read_text() == f"{machine.home}\n"


async def test_no_secret_is_in_an_argument_list(machine: Machine) -> None:
    text = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; done 2>/dev/null >~/seen; true t0p"
    assert await ask(machine, text, text, env={"TOKEN": Secret("v3ry-s3cret")}) == [0, 0]
    seen = (machine.home / "seen").read_text(errors="replace")
    assert "setsid" in seen or "/dev/fd/3" in seen
    assert "v3ry-s3cret" not in seen
    assert "true t0p" not in seen


async def test_many_and_large_ones_come_through(machine: Machine) -> None:
    env = {"LONG": "x" * 100_000}
    text = "# a comment\n" * 5_000 + "test ${#LONG} = 100000 && exit 7"
    assert await ask(machine, *[text] * 5, env=env) == [7] * 5


async def test_the_first_line_names_the_interpreter(one_machine: Machine) -> None:
    program = shutil.which("python3")
    assert program is not None
    assert await ask(one_machine, f"#!{program}\nraise SystemExit(3)\n", "true", "#!/nonexistent\n") == [3, 0, 127]


async def test_one_that_takes_too_long_is_ended_and_the_next_one_runs(machine: Machine) -> None:
    mark = f"33.{time.monotonic_ns()}"
    assert await ask(machine, f"trap '' TERM; sleep {mark} & wait; sleep {mark}", "exit 5", limit_s=1) == [TIMED_OUT, 5]
    assert alive(mark) == []


async def test_when_nobody_waits_any_more_it_is_ended_and_no_other_begins(machine: Machine) -> None:
    mark = f"34.{time.monotonic_ns()}"
    task = asyncio.create_task(ask(machine, f"touch up; sleep {mark}", "touch never"))
    await wait_for(machine.home / "up")
    await until(lambda: alive(mark))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []
    assert not (machine.home / "never").exists()


async def test_a_deadline_ends_it_too(machine: Machine) -> None:
    mark = f"36.{time.monotonic_ns()}"
    with pytest.raises(TargetTimeout):
        await ask(machine, f"sleep {mark}; exit", timeout_s=1)
    assert alive(mark) == []


@pytest.mark.parametrize("text", ["echo a\0b", "".join(map(chr, range(1, 128)))])
def test_what_no_shell_can_hold_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="cannot be sent"):
        unless([Unless("one", {}, text)])


def test_texts_that_use_all_dividers_together_are_refused() -> None:
    low = "".join(map(chr, range(1, 16)))
    high = "".join(map(chr, range(16, 32)))
    with pytest.raises(RemoteError, match="cannot be sent"):
        unless([Unless("one", {}, low), Unless("two", {}, high)])


def test_a_reply_that_tells_of_fewer_is_no_answer() -> None:
    with pytest.raises(ValueError, match="tells of 1 commands instead of 2"):
        unless([Unless("one", {}, ""), Unless("two", {}, "")]).parse(Reply(0, (("exit-0", b""),)))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo")
async def test_with_sudo_it_runs_as_that_user_in_a_folder_that_can_be_entered(one_machine: Machine) -> None:
    checks = [Unless("one", {}, 'test "$(id -un)" = nobody && test "$PWD" = /')]
    assert await one_machine.session.observe(unless(checks), sudo=Sudo("nobody")) == {"one": 0}


async def test_a_shell_that_would_put_the_commands_into_arguments_runs_none(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("enable -n printf\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/printf").write_text('#!/bin/sh\necho "$*" >>"$HOME/seen"\nexec /usr/bin/printf "$@"\n')
    (tmp_path / "bin/printf").chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    session = LocalSession(shell=("bash", "-s"), home=str(tmp_path), env={"PATH": path, "BASH_ENV": f"{tmp_path}/rc"})
    with pytest.raises(RemoteError, match="no printf of its own"):
        await session.observe(unless([Unless("one", {"TOKEN": Secret("v3ry-s3cret")}, "touch ~/ran")]))
    assert not (tmp_path / "ran").exists()
    assert "v3ry-s3cret" not in (tmp_path / "seen").read_text()
