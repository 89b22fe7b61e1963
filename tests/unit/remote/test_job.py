"""Scripts that outlive their connection, under every shell: no byte is lost or doubled, and their end is told."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.jobs import Hangup, JobEnd, JobPlace, JobState
from octo_ssh.model.values import Secret
from octo_ssh.model.wire import program_text
from octo_ssh.remote import job as job_module
from octo_ssh.remote.job import FAREWELL, attach, stop

from .conftest import Machine
from .jobs import BEFORE_OUTPUT, cut, launching, listened, of_ours, place_at, ran, ran_whole, until
from .test_script import DESCENDANTS, alive, wait_for

GOOD = JobEnd(JobState.ENDED, 0)
VOID = JobEnd(JobState.VOID)


@pytest.fixture
def place(machine: Machine) -> Iterator[JobPlace]:
    yield from _clean(machine)


@pytest.fixture
def one_place(one_machine: Machine) -> Iterator[JobPlace]:
    yield from _clean(one_machine)


def _clean(machine: Machine) -> Iterator[JobPlace]:
    """Whatever a test does, nothing of ours runs afterwards."""
    place = place_at(machine.root)
    yield place
    until_s = time.monotonic() + 10
    while of_ours(place) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert of_ours(place) == []
    if (folder := Path(place.folder)).exists():
        assert {path.name for path in folder.iterdir()} <= {"go", "log", "status"}


def supervisor(place: JobPlace) -> int:
    return int((Path(place.folder) / "go").readlink().parts[2])


async def begun(place: JobPlace, name: str = "go") -> None:
    await until(lambda: (Path(place.folder) / name).is_symlink())


async def left(machine: Machine, place: JobPlace, text: str, **given: object) -> None:
    """Launch a job that says ``up``, and lose the connection then."""
    heard: list[bytes] = []
    program = launching(place, f"echo up; {text}", cwd=str(machine.home), **given)  # type: ignore[arg-type]
    assert await cut(machine.session, program, BEFORE_OUTPUT + 3, heard) is None
    assert b"".join(heard) == b"up\n"


def arguments() -> list[bytes]:
    """Of every process that runs, its argument list."""
    return [_content(path) for path in Path("/proc").glob("[0-9]*/cmdline")]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path): _content(path) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def this_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def pretend(place: JobPlace, *words: str) -> None:
    """Say that somebody else runs a job."""
    os.unlink(f"{place.folder}/go")
    os.symlink("/".join(("run", *words)), f"{place.folder}/go")


# What comes of it


@pytest.mark.parametrize("status", [0, 1, 42, 97, 126, 143, 255])
async def test_the_exit_status_is_the_scripts_own(machine: Machine, place: JobPlace, status: int) -> None:
    assert await ran_whole(machine.session, place, f"echo out; echo err >&2; exit {status}") == (
        JobEnd(JobState.ENDED, status),
        b"out\nerr\n",
    )
    assert await ran(machine.session, attach(place, offset=4, take_void=True)) == (
        JobEnd(JobState.ENDED, status),
        b"err\n",
    )


async def test_a_script_that_ends_by_a_signal_says_so(machine: Machine, place: JobPlace) -> None:
    assert (await ran_whole(machine.session, place, "kill -9 $$"))[0] == JobEnd(JobState.ENDED, 137)


async def test_any_bytes_come_whole_at_whatever_byte_one_attaches(machine: Machine, place: JobPlace) -> None:
    content = random.Random(7).randbytes(300_000) + place.mark.encode() + b"\0" + place.mark.encode()[:20]
    (machine.home / "content").write_bytes(content)
    assert await ran_whole(machine.session, place, f"cat '{machine.home}/content'") == (GOOD, content)
    for offset in (0, len(content), *(random.Random(8).randrange(len(content)) for _ in range(8))):
        assert await ran(machine.session, attach(place, offset=offset, take_void=True)) == (GOOD, content[offset:])


async def test_output_is_whole_however_often_the_connection_is_lost(machine: Machine, place: JobPlace) -> None:
    dice = random.Random(3)
    text = (
        "i=0; while [ $i -lt 3000 ]; do echo line $i; [ $((i % 60)) -ne 0 ] || sleep 0.02; i=$((i + 1)); done; exit 5"
    )
    heard: list[bytes] = []
    end = await cut(machine.session, launching(place, text), dice.randrange(100, 2000), heard)
    cuts = 0
    while end is None:
        cuts += 1
        most = dice.randrange(69, 1500) if cuts < 50 else 1 << 30
        end = await listened(machine.session, place, heard, most=most)
    assert end == JobEnd(JobState.ENDED, 5)
    assert b"".join(heard) == b"".join(f"line {i}\n".encode() for i in range(3000))
    assert cuts > 10


async def test_a_script_of_300_kb_with_a_variable_of_100_runs(machine: Machine, place: JobPlace) -> None:
    text = "x=1\n" + "# a comment of no importance\n" * 10_500 + 'printf %s "$LONG" | wc -c; echo done $x\n'
    end, output = await ran(machine.session, launching(place, text, env={"LONG": "x" * 100_000}))
    assert end == GOOD
    assert output.split() == [b"100000", b"done", b"1"]


async def test_a_script_that_shows_its_environment_breaks_nothing(machine: Machine, place: JobPlace) -> None:
    end, output = await ran(machine.session, launching(place, "echo $(env) ; env", env={"GIVEN": "1"}))
    assert end == GOOD
    assert place.mark.encode() not in output
    names = {line.split(b"=")[0] for line in output.splitlines()[1:]}
    assert names <= {b"GIVEN", b"OCTO_MARK", b"PATH", b"LANG", b"HOME", b"PWD", b"OLDPWD", b"SHLVL", b"_"}


async def test_no_secret_is_in_an_argument_list_or_in_a_file(machine: Machine, place: JobPlace) -> None:
    await left(machine, place, "sleep 1; : t0p-s3cret", env={"TOKEN": Secret("v3ry-s3cret")})
    files = files_below(machine.home)
    assert f"{place.folder}/log" in files
    for content in (*arguments(), *files.values()):
        assert b"s3cret" not in content
        assert place.mark.encode() not in content
    assert (await ran(machine.session, attach(place, offset=3, take_void=True)))[0] == GOOD


async def test_the_folder_is_the_given_one_else_the_runs(machine: Machine, place: JobPlace) -> None:
    there = machine.home / "a 'place'"
    there.mkdir()
    assert (await ran(machine.session, launching(place, "pwd", cwd="a 'place'")))[1].decode() == f"{there}\n"
    other = place_at(machine.root, "other.run")
    assert (await ran_whole(machine.session, other, "pwd"))[1].decode() == f"{machine.root}/work/run-1\n"


async def test_a_folder_that_is_not_there_is_told_and_nothing_runs(machine: Machine, place: JobPlace) -> None:
    end, output = await ran(machine.session, launching(place, "echo ran", cwd="/nonexistent/place"))
    assert (end.state, end.status, output) == (JobState.ENDED, 97, b"")
    assert "/nonexistent/place" in end.reason
    assert await ran(machine.session, attach(place, offset=0, take_void=True)) == (VOID, b"")


@pytest.mark.parametrize("umask", ["027", "777"])
async def test_the_script_has_the_logins_own_umask_and_no_input(machine: Machine, place: JobPlace, umask: str) -> None:
    before = os.umask(int(umask, 8))
    try:
        _, output = await ran_whole(machine.session, place, "umask; cat; read x || echo none")
    finally:
        os.umask(before)
    assert output.split()[0][-3:] == umask.encode()
    assert output.split()[1:] == [b"none"]
    assert os.stat(place.folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{place.folder}/log").st_mode & 0o777 == 0o600


async def test_whoever_counts_the_time_of_scripts_hears_of_its_beginning_and_end(
    machine: Machine, place: JobPlace
) -> None:
    beats = machine.home / "the beats"
    beats.touch()
    text = f"cat '{beats}'; exit 1"
    assert await ran(machine.session, launching(place, text, beat=str(beats))) == (JobEnd(JobState.ENDED, 1), b"b")
    assert beats.read_bytes() == b"be"


async def test_nothing_begins_whose_time_nobody_counts(machine: Machine, place: JobPlace) -> None:
    with pytest.raises(RemoteError, match="went back by itself"):
        await ran(machine.session, launching(place, "touch ~/ran", beat=str(machine.home / "beats")))
    assert not (machine.home / "ran").exists()


# The connection is lost


async def test_a_job_goes_on_without_a_connection_and_keeps_its_end(machine: Machine, place: JobPlace) -> None:
    await left(machine, place, "sleep 1; echo late; exit 3")
    await until(lambda: not of_ours(place))
    assert os.readlink(f"{place.folder}/status") == "3"
    assert await ran(machine.session, attach(place, offset=3, take_void=True)) == (
        JobEnd(JobState.ENDED, 3),
        b"late\n",
    )


async def test_a_job_of_the_controller_ends_with_its_connection(machine: Machine, place: JobPlace) -> None:
    mark = f"34.{time.monotonic_ns()}"
    await left(machine, place, f"sleep {mark}", hangup=Hangup.END)
    await until(lambda: not of_ours(place))
    assert alive(mark) == []
    assert os.readlink(f"{place.folder}/status") == "143.cancelled"


async def test_a_launch_that_is_cut_off_starts_nothing(machine: Machine, place: JobPlace) -> None:
    program = launching(place, "touch ~/ran; : " + "x" * 100_000)
    assert await cut(machine.session, program, 20, []) is None
    assert await ran(machine.session, attach(place, offset=0, take_void=True)) == (VOID, b"")
    assert await ran_whole(machine.session, place, "touch ~/ran") == (VOID, b"")
    assert not (machine.home / "ran").exists()


@pytest.mark.parametrize("farewell", [b"", FAREWELL])
async def test_a_script_that_arrives_in_part_is_not_run(machine: Machine, place: JobPlace, farewell: bytes) -> None:
    program = launching(place, "touch ~/ran; : " + "x" * 100_000)
    (script,) = program.input
    assert isinstance(script, Secret)
    content = script.reveal().encode()
    for sent in (0, 1, 50_000, len(content) - 5, len(content) - 1):
        pipe = await machine.session._open()
        await pipe.write(program_text(program, "5" * 32))
        assert await pipe.read_stdout() == b"5" * 32 + b" up\n"
        await pipe.write(content[:sent] + farewell)
        await pipe.write_eof()
        said = b""
        while data := await pipe.read_stdout():
            said += data
        await pipe.close()
        assert b"the input was cut off" in said
    assert await ran(machine.session, attach(place, offset=0, take_void=True)) == (VOID, b"")
    assert not (machine.home / "ran").exists()


async def test_launched_and_void_exclude_each_other(one_machine: Machine) -> None:
    """Whoever is told that a job is void may start another one: the first never ran and never will."""
    for n in range(100):
        place = place_at(one_machine.root, f"job-{n}")
        ran_file = one_machine.home / f"ran-{n}"

        async def wait_and_take(place: JobPlace = place, n: int = n) -> JobEnd:
            await asyncio.sleep(n / 1000)
            return (await ran(one_machine.session, attach(place, offset=0, take_void=True)))[0]

        launched, attached = await asyncio.gather(
            ran_whole(one_machine.session, place, f"touch '{ran_file}'"), wait_and_take()
        )
        assert launched[0] == attached
        assert attached == (GOOD if ran_file.exists() else VOID)


async def test_a_job_is_never_launched_twice(machine: Machine, place: JobPlace) -> None:
    assert (await ran_whole(machine.session, place, "echo one"))[0] == GOOD
    with pytest.raises(RemoteError, match="was launched before"):
        await ran_whole(machine.session, place, "echo two")


async def test_after_another_boot_what_is_not_there_is_lost_not_void(machine: Machine, place: JobPlace) -> None:
    lost = JobEnd(JobState.LOST)
    assert await ran(machine.session, attach(place, offset=0, take_void=True, boot_id="another")) == (lost, b"")
    assert await ran(machine.session, attach(place, offset=0, take_void=False)) == (lost, b"")
    boot_id = this_boot()
    assert await ran(machine.session, attach(place, offset=0, take_void=True, boot_id=boot_id)) == (VOID, b"")


async def test_an_overtaken_run_starts_nothing(machine: Machine, place: JobPlace) -> None:
    os.makedirs(place.folder)
    os.symlink("over", f"{place.folder}/../over")
    with pytest.raises(RemoteError, match="was overtaken"):
        await ran_whole(machine.session, place, "touch ~/ran")
    assert not (machine.home / "ran").exists()


# It is ended


@pytest.mark.parametrize("text", DESCENDANTS.values(), ids=DESCENDANTS.keys())
async def test_a_cancelled_job_is_ended_with_all_that_it_started(machine: Machine, place: JobPlace, text: str) -> None:
    mark = f"36.{time.monotonic_ns()}"
    program = launching(place, text.format(m=mark), cwd=str(machine.home))
    task = asyncio.create_task(ran(machine.session, program))
    await wait_for(machine.home / "up")
    await until(lambda: alive(mark))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []
    assert os.readlink(f"{place.folder}/status").endswith(".cancelled")


@pytest.mark.parametrize("text", DESCENDANTS.values(), ids=DESCENDANTS.keys())
async def test_a_job_that_was_left_can_be_stopped(machine: Machine, place: JobPlace, text: str) -> None:
    mark = f"37.{time.monotonic_ns()}"
    await left(machine, place, text.format(m=mark))
    await until(lambda: alive(mark))
    end = await machine.session.act(stop(place))
    assert (end.state, end.reason, end.survivors) == (JobState.ENDED, "cancelled", ())
    assert alive(mark) == []
    assert await machine.session.act(stop(place)) == end


async def test_who_listens_again_can_cancel_too(machine: Machine, place: JobPlace) -> None:
    mark = f"38.{time.monotonic_ns()}"
    await left(machine, place, f"sleep {mark}")
    task = asyncio.create_task(ran(machine.session, attach(place, offset=0, take_void=True)))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive(mark) == []


async def test_what_has_not_begun_is_stopped_for_ever(machine: Machine, place: JobPlace) -> None:
    assert await machine.session.act(stop(place)) == VOID
    assert (await ran_whole(machine.session, place, "touch ~/ran"))[0] == VOID
    assert not (machine.home / "ran").exists()


async def test_it_has_a_deadline_of_its_own(machine: Machine, place: JobPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "DEADLINE_GRACE_S", 0)
    mark = f"39.{time.monotonic_ns()}"
    await left(machine, place, f"sleep {mark}", timeout_s=1)
    await until(lambda: not of_ours(place))
    assert alive(mark) == []
    assert await ran(machine.session, attach(place, offset=3, take_void=True)) == (
        JobEnd(JobState.ENDED, 143, is_late=True),
        b"",
    )


async def test_who_ends_all_of_a_login_is_told_of(machine: Machine, place: JobPlace) -> None:
    """As logind does with KillUserProcesses, and a machine that is shut down: TERM to everybody."""
    mark = f"40.{time.monotonic_ns()}"
    await left(machine, place, f"sleep {mark}")
    for process in of_ours(place):
        os.kill(int(process.split()[0]), signal.SIGTERM)
    await until(lambda: not of_ours(place))
    assert (await ran(machine.session, attach(place, offset=3, take_void=True)))[0].status == 143


async def test_of_a_supervisor_that_was_killed_nothing_is_known_and_nothing_left(
    machine: Machine, place: JobPlace
) -> None:
    mark = f"41.{time.monotonic_ns()}"
    await left(machine, place, f"setsid sleep {mark} & sleep {mark}")
    os.kill(supervisor(place), signal.SIGKILL)
    assert await ran(machine.session, attach(place, offset=0, take_void=True)) == (JobEnd(JobState.LOST), b"up\n")
    assert alive(mark) == []
    assert of_ours(place) == []


async def test_how_a_script_ended_is_not_known_when_it_killed_who_waited_for_it(
    machine: Machine, place: JobPlace
) -> None:
    mark = f"43.{time.monotonic_ns()}"
    text = f"echo bye; sleep {mark} >/dev/null & kill -KILL $PPID; sleep 0.2; exit 0"
    assert await ran_whole(machine.session, place, text) == (JobEnd(JobState.LOST), b"bye\n")
    assert alive(mark) == []


async def test_whoever_listens_hears_that_the_supervisor_was_killed(machine: Machine, place: JobPlace) -> None:
    mark = f"42.{time.monotonic_ns()}"
    task = asyncio.create_task(ran_whole(machine.session, place, f"echo on; sleep {mark}"))
    await begun(place)
    await until(lambda: alive(mark))
    os.kill(supervisor(place), signal.SIGKILL)
    assert await task == (JobEnd(JobState.LOST), b"on\n")
    assert alive(mark) == []


async def test_a_number_that_another_process_has_by_now_is_not_its_supervisor(
    machine: Machine, place: JobPlace
) -> None:
    await left(machine, place, "sleep 60")
    words = os.readlink(f"{place.folder}/go").split("/")
    os.kill(supervisor(place), signal.SIGKILL)
    bystander = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        pretend(place, *words[1:2], str(bystander.pid), *words[3:])
        assert (await ran(machine.session, attach(place, offset=0, take_void=True)))[0] == JobEnd(JobState.LOST)
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()


async def test_another_boot_is_not_this_one(machine: Machine, place: JobPlace) -> None:
    assert (await ran_whole(machine.session, place, "echo x"))[0] == GOOD
    words = os.readlink(f"{place.folder}/go").split("/")
    os.unlink(f"{place.folder}/status")
    os.truncate(f"{place.folder}/log", 2)
    pretend(place, "another-boot", "1", "0", *words[4:])
    assert await ran(machine.session, attach(place, offset=0, take_void=True)) == (JobEnd(JobState.LOST), b"x\n")


# What is left on purpose


async def test_a_daemon_keeps_nothing_of_ours_at_work(machine: Machine, place: JobPlace) -> None:
    mark = f"43.{time.monotonic_ns()}"
    try:
        program = f"(trap '' HUP; exec sleep {mark}) & echo started; exit 4"
        assert await ran_whole(machine.session, place, program) == (JobEnd(JobState.ENDED, 4), b"started\n")
        await until(lambda: all(mark in process for process in of_ours(place)))
        assert len(alive(mark)) == 1
    finally:
        for pid in alive(mark):
            os.kill(pid, 9)


async def test_a_daemon_that_goes_on_talking_holds_nobody_up(machine: Machine, place: JobPlace) -> None:
    end, output = await ran(machine.session, launching(place, "echo started; yes & sleep 0.1", limit_bytes=3_000_000))
    assert (end.state, end.status) == (JobState.ENDED, 0)
    assert output.startswith(b"started\ny\ny\n")


async def test_when_the_folder_is_removed_nothing_of_ours_stays_for_a_daemon(machine: Machine, place: JobPlace) -> None:
    mark = f"45.{time.monotonic_ns()}"
    try:
        await left(machine, place, f"sleep 0.5; sleep {mark} & exit 1")
        shutil.rmtree(machine.root)
        await until(lambda: alive(mark))
        await until(lambda: all(mark in process for process in of_ours(place)))
    finally:
        for pid in alive(mark):
            os.kill(pid, 9)


async def test_when_somebody_kills_who_keeps_the_output_the_end_is_still_told(
    machine: Machine, place: JobPlace
) -> None:
    await left(machine, place, "sleep 1; echo lost; exit 8")
    await until(lambda: any(" dd " in process for process in of_ours(place)))
    for process in of_ours(place):
        if " dd " in process:
            os.kill(int(process.split()[0]), signal.SIGKILL)
    await until(lambda: not of_ours(place))
    end, _ = await ran(machine.session, attach(place, offset=3, take_void=True))
    assert (end.status, end.disk_full) == (8, True)


# More than may be kept


@pytest.mark.parametrize("more", [-50, -39, -38, -20, -1, 0, 1, 500_000])
async def test_beyond_the_limit_output_is_dropped_and_counted(machine: Machine, place: JobPlace, more: int) -> None:
    """Around the limit, the marker that ends the output is cut, too."""
    limit = 200_000
    text = f"echo first; head -c {limit + more - 6} /dev/zero; exit 9"
    end, output = await ran(machine.session, launching(place, text, limit_bytes=limit))
    assert end == JobEnd(JobState.ENDED, 9, dropped_bytes=max(0, more))
    assert output == b"first\n" + b"\0" * (limit + min(0, more) - 6)
    assert await ran(machine.session, attach(place, offset=limit - 100, take_void=True)) == (
        end,
        output[limit - 100 :],
    )


async def test_many_short_lines_reach_the_limit_as_one_long_one_does(machine: Machine, place: JobPlace) -> None:
    text = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done"
    whole = b"".join(f"line {i}\n".encode() for i in range(2000))
    limit = whole.index(b"line 500") + 1  # no hexadecimal digit there, which could be a mark's first
    end, output = await ran(machine.session, launching(place, text, limit_bytes=limit))
    assert (end.status, end.dropped_bytes) == (0, len(whole) - limit)
    assert output == whole[:limit]


async def test_dropped_output_of_a_daemon_holds_nobody_up(machine: Machine, place: JobPlace) -> None:
    mark = f"44.{time.monotonic_ns()}"
    try:
        text = f"head -c 5000 /dev/zero; sleep {mark} & exit 1"
        end, output = await ran(machine.session, launching(place, text, limit_bytes=1000))
        assert end == JobEnd(JobState.ENDED, 1, dropped_bytes=4000)
        assert output == b"\0" * 1000
    finally:
        for pid in alive(mark):
            os.kill(pid, 9)


@pytest.fixture
def small_disk(machine: Machine) -> Iterator[Path]:
    """The root on a file system of half a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    machine.root.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", machine.root], check=False
    ).returncode
    if mounted != 0:
        pytest.skip("may not mount")
    yield machine.root
    subprocess.run(["umount", "-l", machine.root], check=True)


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


async def test_a_disk_that_is_full_still_tells_the_end(machine: Machine, small_disk: Path, place: JobPlace) -> None:
    text = "echo first; head -c 2000000 /dev/zero; exit 6"
    end, output = await ran_whole(machine.session, place, text)
    assert (end.state, end.status, end.disk_full) == (JobState.ENDED, 6, True)
    assert output.startswith(b"first\n\0")
    assert 300_000 < len(output) < 520_000
    assert end.dropped_bytes > 1_300_000
    assert await ran(machine.session, attach(place, offset=6, take_void=True)) == (end, output[6:])


async def test_a_disk_that_somebody_else_fills_loses_neither_script_nor_status(
    machine: Machine, small_disk: Path, place: JobPlace
) -> None:
    text = f"echo first; cat /dev/zero >'{small_disk}/rubble'; echo second; touch ran; exit 2"
    program = launching(place, text, cwd=str(machine.home))
    end, _ = await ran(machine.session, program)
    assert (end.state, end.status) == (JobState.ENDED, 2)
    assert (machine.home / "ran").exists()


async def test_a_disk_without_room_for_a_job_starts_none(machine: Machine, small_disk: Path, place: JobPlace) -> None:
    remount(small_disk, "nr_inodes=5")
    with pytest.raises(RemoteError, match=r"No space left|disk full"):
        await ran_whole(machine.session, place, "touch ~/ran")
    assert not (machine.home / "ran").exists()
