"""Scripts on a target, under every shell: what they get, what comes back, and that they are ended wholly."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError, TargetTimeout
from octo_ssh.model.program import Sudo
from octo_ssh.model.values import Secret
from octo_ssh.remote.script import ScriptResult, script
from octo_ssh.transport.local import LocalSession

from .conftest import Machine


async def run(
    machine: Machine,
    text: str | Secret,
    *,
    env: dict[str, str | Secret] | None = None,
    cwd: str = "~",
    timeout_s: float = 30,
    sudo: Sudo | None = None,
) -> tuple[ScriptResult, bytes]:
    output: list[bytes] = []
    result = await machine.session.act(
        script(env=env or {}, script=text, cwd=cwd),
        timeout_s=timeout_s,
        on_output=output.append,
        sudo=sudo,
    )
    return result, b"".join(output)


def alive(mark: str) -> list[int]:
    """Processes whose command line holds the mark."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


async def wait_for(path: Path) -> None:
    async with asyncio.timeout(20):
        while path.name not in os.listdir(path.parent):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_both_streams_come_in_their_order_and_the_status_is_exact(machine: Machine) -> None:
    result, output = await run(machine, "echo one; echo two >&2; printf three; exit 42")
    assert result == ScriptResult(42)
    assert output == b"one\ntwo\nthree"


async def test_variables_and_secrets_arrive_byte_by_byte(machine: Machine) -> None:
    values: dict[str, str | Secret] = {
        "PLAIN": 'it\'s "quoted" $HOME `id` \\ \n two lines\n',
        "SECRET": Secret("pässwörd'; rm -rf / #"),
        "ODD": os.fsdecode(b"\xff\xfe\x01\x1f"),
        "LONG": "x" * 100_000,
        "o_nonce": "not ours",
        "o_script": "nor this",
    }
    text = 'printf "%s|" "$PLAIN" "$SECRET" "$ODD" "$o_nonce" "$o_script"; printf %s "$LONG" | wc -c'
    result, output = await run(machine, text, env=values)
    assert result.status == 0
    *parts, size = output.split(b"|")
    assert parts == [
        b'it\'s "quoted" $HOME `id` \\ \n two lines\n',
        "pässwörd'; rm -rf / #".encode(),
        b"\xff\xfe\x01\x1f",
        b"not ours",
        b"nor this",
    ]
    assert size.strip() == b"100000"


async def test_nothing_of_ours_but_the_mark_is_in_the_environment(machine: Machine) -> None:
    _, output = await run(machine, "env", env={"GIVEN": "1"})
    names = {line.split(b"=")[0] for line in output.splitlines()}
    assert b"GIVEN" in names
    assert names <= {b"GIVEN", b"OCTO_MARK", b"PATH", b"LANG", b"HOME", b"PWD", b"OLDPWD", b"SHLVL", b"_"}


async def test_no_secret_is_in_an_argument_list(machine: Machine) -> None:
    text = Secret("sleep 0.2; for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; done 2>/dev/null; echo t0p-s3cret")
    _, output = await run(machine, text, env={"TOKEN": Secret("v3ry-s3cret")})
    assert b"v3ry-s3cret" not in output
    assert output.count(b"t0p-s3cret") == 1


async def test_standard_input_is_empty(machine: Machine) -> None:
    assert await run(machine, "cat; read x; echo $?") == (ScriptResult(0), b"1\n")


@pytest.mark.parametrize("interpreter", ["python3", "perl"])
async def test_the_first_line_names_the_interpreter(one_machine: Machine, interpreter: str) -> None:
    program = shutil.which(interpreter)
    if program is None:
        pytest.skip(f"{interpreter} is not installed")
    assert await run(one_machine, f"#!{program}\nprint('hello')\n") == (
        ScriptResult(0),
        b"hello\n" if interpreter == "python3" else b"hello",
    )
    assert (await run(one_machine, f"#!/usr/bin/env {interpreter}\nexit(3)\n"))[0].status == 3


async def test_options_of_the_interpreter_count(machine: Machine) -> None:
    assert (await run(machine, "#!/bin/sh -e\nfalse\necho not reached\n")) == (ScriptResult(1), b"")


async def test_an_interpreter_that_is_missing_fails_with_words(machine: Machine) -> None:
    result, output = await run(machine, "#!/nonexistent/interpreter\n")
    assert result.status != 0
    assert b"/nonexistent/interpreter" in output


async def test_the_folder_is_the_given_one_else_the_home(machine: Machine) -> None:
    place = machine.home / "a 'place'"
    place.mkdir()
    assert (await run(machine, "pwd", cwd=str(place)))[1].decode() == f"{place}\n"
    assert (await run(machine, "pwd", cwd="a 'place'"))[1].decode() == f"{place}\n"
    assert (await run(machine, "pwd"))[1].decode() == f"{machine.home}\n"
    assert list(machine.home.iterdir()) == [place]


async def test_a_folder_that_is_not_there_is_told(machine: Machine) -> None:
    result, output = await run(machine, "touch ran", cwd="/nonexistent/place")
    assert result.status == 97
    assert "/nonexistent/place" in result.reason
    assert output == b""


async def test_the_script_has_the_logins_own_umask(machine: Machine) -> None:
    before = os.umask(0o027)
    try:
        _, output = await run(machine, "umask")
    finally:
        os.umask(before)
    assert output.strip()[-3:] == b"027"


async def test_megabytes_of_any_bytes_come_through(machine: Machine) -> None:
    result, output = await run(machine, "head -c 20000000 /dev/zero; printf '\\377\\0end'")
    assert result.status == 0
    assert output == b"\0" * 20_000_000 + b"\xff\0end"


async def test_a_script_of_a_megabyte_runs(machine: Machine) -> None:
    text = "x=1\n" + "# a comment of no importance\n" * 35_000 + "echo done $x\n"
    assert await run(machine, text) == (ScriptResult(0), b"done 1\n")


async def test_a_daemon_left_behind_does_not_hang_the_step(machine: Machine) -> None:
    mark = f"30.{time.monotonic_ns()}"
    try:
        result, output = await run(machine, f"(sleep {mark} &) ; echo started", timeout_s=20)
        assert (result.status, output) == (0, b"started\n")
        async with asyncio.timeout(20):
            while not alive(mark):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        for pid in alive(mark):
            os.kill(pid, 9)


DESCENDANTS = {
    "a plain child": "sleep {m} & touch up; wait",
    "one that ignores TERM and HUP": "trap '' TERM HUP; touch up; while :; do sleep {m}; done",
    "a session of its own": "setsid sleep {m} & touch up; wait",
    "double-forked": "(setsid sh -c 'sleep {m} & sleep {m}' &) ; touch up; sleep {m}",
    "one that ignores TERM in its own session": "setsid sh -c 'trap \"\" TERM; touch up; sleep {m}; sleep {m}' & wait",
}


@pytest.mark.parametrize("text", DESCENDANTS.values(), ids=DESCENDANTS.keys())
async def test_what_a_cancelled_script_started_is_ended(machine: Machine, text: str) -> None:
    mark = f"31.{time.monotonic_ns()}"
    task = asyncio.create_task(run(machine, text.format(m=mark), cwd=str(machine.home)))
    await wait_for(machine.home / "up")
    for _ in range(400):  # some say that they are up before they have begun
        if alive(mark):
            break
        await asyncio.sleep(0.05)
    assert alive(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []


ODD_TOOLS = {
    "finding processes takes long": ("grep", f'sleep 1\nexec {shutil.which("grep")} "$@"'),
    "somebody sets the clock back": ("date", "echo 1000000000"),
}


@pytest.mark.parametrize(("name", "text"), ODD_TOOLS.values(), ids=ODD_TOOLS.keys())
async def test_a_target_ends_all_of_it_even_when(one_machine: Machine, tmp_path: Path, name: str, text: str) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / name).write_text(f"#!/bin/sh\n{text}\n")
    (odd / name).chmod(0o755)
    session = LocalSession(home=str(one_machine.home), env={"PATH": f"{odd}:{one_machine.path}"})
    mark = f"35.{time.monotonic_ns()}"
    program = script(env={}, script=f"trap '' TERM; touch up; while :; do sleep {mark}; done")
    task = asyncio.create_task(session.act(program))
    await wait_for(one_machine.home / "up")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []


async def test_a_deadline_ends_the_script_and_says_so(machine: Machine) -> None:
    mark = f"32.{time.monotonic_ns()}"
    with pytest.raises(TargetTimeout, match=r"was not done within 0\.5 s"):
        await run(machine, f"sleep {mark}; echo", timeout_s=0.5)
    assert alive(mark) == []


@pytest.mark.parametrize("text", ["echo a\0b", "".join(map(chr, range(1, 128)))])
async def test_what_no_shell_can_hold_is_refused(one_machine: Machine, text: str) -> None:
    with pytest.raises(RemoteError, match="cannot be sent"):
        await run(one_machine, text)


async def test_a_variable_too_long_to_be_inherited_is_refused_by_name(one_machine: Machine) -> None:
    with pytest.raises(RemoteError, match="variable BIG is longer"):
        await run(one_machine, "true", env={"BIG": "x" * 200_000})


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo")
async def test_with_sudo_the_whole_program_runs_as_that_user(machine: Machine) -> None:
    if shutil.which("sudo", path=machine.path) is None:
        pytest.skip("busybox has no sudo")
    result, output = await run(
        machine, "id -un; pwd; echo $TOKEN", cwd="/", env={"TOKEN": Secret("s3cret")}, sudo=Sudo("nobody")
    )
    assert (result.status, output) == (0, b"nobody\n/\ns3cret\n")


async def test_a_shell_that_would_put_the_script_into_arguments_runs_none(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("enable -n printf\n")
    session = LocalSession(shell=("bash", "-s"), home=str(tmp_path), env={**os.environ, "BASH_ENV": f"{tmp_path}/rc"})
    secret = Secret("touch ~/ran")
    with pytest.raises(RemoteError, match="no printf of its own"):
        await session.act(script(env={}, script=secret))
    assert not (tmp_path / "ran").exists()
