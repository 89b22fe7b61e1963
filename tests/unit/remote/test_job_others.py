"""Jobs of other users, and what is told of jobs to whoever looks at a target."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from octo_ssh.model.jobs import JobEnd, JobPlace, JobSeen, JobState
from octo_ssh.model.program import Sudo
from octo_ssh.model.values import Secret
from octo_ssh.remote.holding import holding
from octo_ssh.remote.job import attach, stop
from octo_ssh.remote.observe import observe

from .conftest import Machine
from .jobs import BEFORE_OUTPUT, KEY, cut, launching, of_ours, place_at, ran, until
from .logins import needs_root, ordinary_login
from .test_script import alive


@pytest.fixture
def place(machine: Machine) -> Iterator[JobPlace]:
    place = place_at(machine.root)
    machine.root.mkdir(mode=0o700)
    yield place
    assert of_ours(place) == []


@pytest.fixture
def other(machine: Machine, place: JobPlace) -> Sudo:
    """Another user, who may not enter the root."""
    if os.geteuid() != 0 or shutil.which("sudo", path=machine.path) is None:
        pytest.skip("needs root and sudo")
    return Sudo("nobody", inside=place.folder)


async def test_another_users_job_is_kept_as_the_logins_own(machine: Machine, place: JobPlace, other: Sudo) -> None:
    program = launching(place, "id -un; pwd; echo $TOKEN; exit 7", env={"TOKEN": Secret("s3cret")}, entered=True)
    assert await ran(machine.session, program, sudo=other) == (JobEnd(JobState.ENDED, 7), b"nobody\n/\ns3cret\n")
    again = attach(place, offset=7, take_void=True, entered=True)
    assert await ran(machine.session, again, sudo=other) == (JobEnd(JobState.ENDED, 7), b"/\ns3cret\n")
    assert machine.root.stat().st_mode & 0o777 == 0o700


async def test_another_users_job_outlives_the_connection_and_is_stopped_by_the_login(
    machine: Machine, place: JobPlace, other: Sudo
) -> None:
    mark = f"51.{time.monotonic_ns()}"
    heard: list[bytes] = []
    program = launching(place, f"echo up; setsid sleep {mark} & sleep {mark}", entered=True)
    assert await cut(machine.session, program, BEFORE_OUTPUT + 3, heard, sudo=other) is None
    await until(lambda: len(alive(mark)) == 2)
    assert [(job.state, job.status) for job in (await machine.session.observe(holding(place.root))).jobs] == [
        (JobState.RUNNING, None)
    ]
    end = await machine.session.act(stop(place))
    assert (end.state, end.reason) == (JobState.ENDED, "cancelled")
    assert alive(mark) == []
    shutil.rmtree(machine.root / "work")


async def test_another_user_can_void_a_launch_too(machine: Machine, place: JobPlace, other: Sudo) -> None:
    taking = attach(place, offset=0, take_void=True, entered=True)
    assert await ran(machine.session, taking, sudo=other) == (JobEnd(JobState.VOID), b"")
    assert await ran(machine.session, launching(place, "echo x", entered=True), sudo=other) == (
        JobEnd(JobState.VOID),
        b"",
    )


async def test_whoever_looks_is_told_of_jobs_and_how_they_stand(machine: Machine, place: JobPlace) -> None:
    def seen(of: JobPlace, state: JobState, status: int | None = None) -> JobSeen:
        return JobSeen("run-1", of.job, of.mark, KEY, state, status)

    ended, void, lost = (place_at(machine.root, name) for name in ("a-ended", "b-void", "c-lost"))
    await ran(machine.session, launching(ended, "exit 3"))
    await ran(machine.session, attach(void, offset=0, take_void=True))
    for job in (lost, place):
        assert await cut(machine.session, launching(job, "echo up; sleep 60"), BEFORE_OUTPUT + 3, []) is None
    os.kill(int(os.readlink(f"{lost.folder}/go").split("/")[2]), signal.SIGKILL)
    expected = (seen(ended, JobState.ENDED, 3), seen(lost, JobState.LOST), seen(place, JobState.RUNNING))
    assert (await machine.session.observe(holding(place.root))).jobs == expected
    assert (await machine.session.observe(observe(place.root, "", None, ()))).jobs == expected
    for job in (lost, place):
        await machine.session.act(stop(job))
    assert (await machine.session.observe(holding(place.root))).jobs[2] == seen(place, JobState.ENDED, 143)
    assert of_ours(lost) == []


def link_with_status(go: Path, status: str) -> None:
    go.symlink_to(f"run/boot/1/0/step/run/{'0' * 64}/{'0' * 32}")
    go.with_name("status").symlink_to(status)


PLANTED: dict[str, Callable[[Path], None]] = {
    "a link to a secret": lambda go: go.symlink_to("/etc/shadow"),
    "a fifo": lambda go: os.mkfifo(go),
    "a folder": lambda go: go.mkdir(),
    "words that are not ours": lambda go: go.symlink_to("run/../../x\n1 2"),
    "no process": lambda go: go.symlink_to(f"run/boot/-1/0/step/run/{'0' * 64}/{'x' * 32}"),
    "a step without a name": lambda go: go.symlink_to(f"run/boot/1/0//run/{'0' * 64}/{'0' * 32}"),
    "a status that is none": lambda go: link_with_status(go, "0\n1"),
    "a digest that is none": lambda go: go.symlink_to(f"run/boot/1/0/step/run/zz/{'0' * 32}"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
async def test_what_others_plant_in_a_jobs_folder_is_no_job(
    one_machine: Machine, plant: Callable[[Path], None]
) -> None:
    place = place_at(one_machine.root)
    one_machine.root.mkdir(mode=0o700)
    folder = one_machine.root / "work/run-1/x"
    folder.mkdir(parents=True)
    plant(folder / "go")
    await ran(one_machine.session, launching(place, "exit 3"))
    async with asyncio.timeout(20):
        seen = (await one_machine.session.observe(holding(place.root))).jobs
    assert [job.job for job in seen] == [place.job]


async def test_no_more_than_200_jobs_are_told_and_all_that_still_run(one_machine: Machine) -> None:
    one_machine.root.mkdir(mode=0o700)
    for n in range(250):
        folder = one_machine.root / f"work/run-1/job-{n}"
        folder.mkdir(parents=True)
        (folder / "go").symlink_to(f"run/boot/1/0/step/run/{'0' * 64}/{'0' * 32}")
    last = JobPlace(str(one_machine.root), "run-2", "last", secrets.token_hex(16))
    running = asyncio.create_task(ran(one_machine.session, launching(last, "exec sleep 1000")))
    await until((Path(last.folder) / "go").is_symlink)
    seen = (await one_machine.session.observe(holding(str(one_machine.root)))).jobs
    assert (len(seen), seen[-1].job, seen[-1].state) == (201, "last", JobState.RUNNING)
    await one_machine.session.act(stop(last))
    await running


@needs_root
async def test_an_ordinary_login_runs_jobs_too() -> None:
    with ordinary_login("dash") as machine:
        place = place_at(machine.root)
        end = await ran(machine.session, launching(place, "id -u; exit 2"))
        assert end == (JobEnd(JobState.ENDED, 2), b"65534\n")
        assert (await machine.session.observe(holding(place.root))).jobs[0].status == 2
