"""Leases that are overtaken, programs that are repeated after a lost connection, disks that are full."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import LeaseLost, RemoteError
from octo_ssh.model.jobs import JobPlace, JobState
from octo_ssh.model.memory import baseline_text, journal_line, line_sha256
from octo_ssh.model.observed import Baseline, Lease
from octo_ssh.model.program import Acting
from octo_ssh.remote.holding import Holding, holding
from octo_ssh.remote.job import stop
from octo_ssh.remote.lock import Acquired, Freed, Held, Moved, acquire, free, release, renew
from octo_ssh.remote.record import record

from .conftest import Machine
from .jobs import launching
from .logins import needs_root

ROOT = "~/.octo-ssh"
KEY: dict[str, Any] = {"project": "shop", "environment": None}
LINE = journal_line("", {"what": "decided"})
HEAD = line_sha256(LINE)
SECOND = journal_line(HEAD, {"what": "step ended"})
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
WHO = '{"user":"ann","host":"ci","run":"r2","purpose":"apply shop","since":"noon"}'


def taking(
    token: str, *, head: str = "", lines: tuple[bytes, ...] = (LINE,), over: Lease | None = None, baseline: str = "1"
) -> Acting[Acquired | Held | Moved]:
    return acquire(
        ROOT,
        **KEY,
        run=f"run-{token}",
        token=token,
        ttl_s=90,
        who=WHO,
        expect_head=head,
        lines=lines,
        baseline=baseline_text(Baseline(release=baseline)),
        over=over,
    )


def writing(line: bytes = SECOND, *, head: str = HEAD, release: str = "2", token: str = "t1") -> Acting[None]:
    baseline = baseline_text(Baseline(release=release))
    return record(ROOT, **KEY, epoch=1, token=token, head=head, lines=(line,), baseline=baseline)


def giving_back(*, head: str = HEAD, epoch: int = 1, token: str = "t1") -> Acting[str]:
    last = journal_line(head, {"what": "run ended"})
    return release(ROOT, **KEY, epoch=epoch, token=token, head=head, lines=(last,))


async def look(machine: Machine) -> Holding:
    return await machine.session.observe(holding(ROOT))


async def lease(machine: Machine) -> Lease:
    found = (await look(machine)).lease
    assert found is not None
    return found


def journal(machine: Machine) -> list[bytes]:
    return (machine.root / "journal.jsonl").read_bytes().splitlines()


async def test_a_lease_is_overtaken_by_whoever_knows_its_text(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    before = await lease(machine)
    assert before.link.startswith("t1:90:")
    assert await machine.session.act(taking("t2", head=HEAD, lines=(SECOND,), over=before)) == Acquired(2)
    assert (await lease(machine)).token == "t2"
    assert journal(machine) == [LINE, SECOND]
    told = "the lock was taken over by ann@ci at noon for apply shop \\(run r2\\)"
    for program in (renew(ROOT, epoch=1, token="t1", ttl_s=90), writing(), giving_back(head=line_sha256(SECOND))):
        with pytest.raises(LeaseLost, match=told):
            await machine.session.act(program)
    assert journal(machine) == [LINE, SECOND]
    await machine.session.act(giving_back(head=line_sha256(SECOND), epoch=2, token="t2"))
    with pytest.raises(LeaseLost, match=told):
        await machine.session.act(renew(ROOT, epoch=1, token="t1", ttl_s=90))


async def test_a_holder_that_has_renewed_meanwhile_is_not_overtaken(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    before = await lease(machine)
    await machine.session.act(renew(ROOT, epoch=1, token="t1", ttl_s=91))
    answer = await machine.session.act(taking("t2", head=HEAD, over=before))
    assert isinstance(answer, Held)
    assert answer.lease.ttl_s == 91
    assert answer.lease.link != before.link
    await machine.session.act(renew(ROOT, epoch=1, token="t1", ttl_s=90))


async def test_a_lease_that_was_given_back_meanwhile_is_another_state_than_was_decided_on(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    before = await lease(machine)
    await machine.session.act(free(ROOT, before))
    assert await machine.session.act(taking("t2", head=HEAD, over=before)) == Moved()
    assert (await look(machine)).lease is None


async def test_of_many_that_overtake_at_once_exactly_one_holds(machine: Machine) -> None:
    await machine.session.act(taking("t0", lines=()))
    for round_ in range(10):
        before = await lease(machine)
        takers = (taking(f"{name}{round_}", lines=(), over=before) for name in "abc")
        answers = await asyncio.gather(*map(machine.session.act, takers))
        won = [answer for answer in answers if isinstance(answer, Acquired)]
        assert won == [Acquired(before.epoch + 1)], f"round {round_}: {answers}"


@pytest.mark.parametrize(
    "link",
    ["t1:90:boot::who", "nonsense", "t1:90:{boot}:99999999999.0:", "t1:x:{boot}:1.0:", "t1:90::1.0:", "-rf:::", "a\nb"],
)
async def test_a_made_up_lease_is_held_until_it_is_overtaken_or_freed(link: str, machine: Machine) -> None:
    """The clock of the target jumped, or somebody played with it: nothing can be told from that."""
    text = link.replace("{boot}", BOOT)
    (machine.root / "lock").mkdir(parents=True)
    machine.root.chmod(0o700)
    (machine.root / "lock/4").symlink_to(text)
    before = await lease(machine)
    assert (before.age_s, before.link) == (None, text.rstrip("\n"))
    assert isinstance(await machine.session.act(taking("t2", lines=())), Held)
    assert await machine.session.act(taking("t2", lines=(), over=before)) == Acquired(5)
    await machine.session.act(free(ROOT, await lease(machine)))
    (machine.root / "lock/8").symlink_to(text)
    freed = await machine.session.act(free(ROOT, await lease(machine)))
    assert isinstance(freed, Freed)
    assert (await look(machine)).lease is None


async def test_freeing_ends_the_lease_that_was_seen_and_no_other(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    before = await lease(machine)
    await machine.session.act(giving_back())
    head = (await look(machine)).head
    await machine.session.act(taking("t2", head=head, lines=()))
    assert await machine.session.act(free(ROOT, before)) is None
    now = await lease(machine)
    assert now.token == "t2"
    last = journal_line(head, {"what": "lock released"})
    freed = await machine.session.act(free(ROOT, now, head=head, lines=(last,)))
    assert freed is not None
    assert (freed.lease.link, freed.unwritten) == (now.link, "")
    assert journal(machine)[-1] == last


async def test_a_lock_that_is_taken_twice_by_one_run_is_taken_once(machine: Machine) -> None:
    program = taking("t1")
    assert [await machine.session.act(program) for _ in range(3)] == [Acquired(1)] * 3
    assert journal(machine) == [LINE]
    assert await machine.session.act(taking("t1", head="0" * 64, lines=(SECOND,))) == Moved()


async def test_a_lock_that_was_cut_off_in_the_middle_is_finished(machine: Machine) -> None:
    (machine.root / "lock").mkdir(parents=True)
    machine.root.chmod(0o700)
    (machine.root / "lock/1").symlink_to("t1:90:boot:1.0:")
    assert await machine.session.act(taking("t1")) == Acquired(1)
    assert journal(machine) == [LINE]
    assert (machine.root / "work/run-t1").is_dir()
    assert (machine.root / "state/shop/default.json").exists()


async def test_a_line_is_written_once_however_often_that_is_asked_for(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    for _ in range(3):
        await machine.session.act(writing())
    assert journal(machine) == [LINE, SECOND]


async def test_what_comes_too_late_writes_nothing_over_what_came_after_it(machine: Machine) -> None:
    """A program that hung, when its repetition and others have come after it."""
    await machine.session.act(taking("t1"))
    await machine.session.act(writing())
    third = journal_line(line_sha256(SECOND), {"what": "step ended"})
    await machine.session.act(writing(third, head=line_sha256(SECOND), release="3"))
    with pytest.raises(RemoteError, match=r"somebody else wrote to .*/journal\.jsonl"):
        await machine.session.act(writing())
    assert journal(machine) == [LINE, SECOND, third]
    assert '"3"' in (machine.root / "state/shop/default.json").read_text()


@pytest.mark.parametrize("torn", [SECOND[:10], SECOND, b"\0\0", b"{"])
async def test_what_an_earlier_try_left_unfinished_is_not_in_the_way(torn: bytes, machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    with (machine.root / "journal.jsonl").open("ab") as file:
        file.write(torn)
    await machine.session.act(writing())
    assert [line for line in journal(machine) if line != torn] == [LINE, SECOND][: 1 if torn == SECOND else 2]
    assert journal(machine)[-1] == SECOND


async def test_a_repetition_waits_for_what_is_still_at_work(machine: Machine) -> None:
    if shutil.which("flock", path=machine.path) is None:
        pytest.skip("no flock here")
    await machine.session.act(taking("t1"))
    handle = os.open(machine.root / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    tries = [asyncio.create_task(machine.session.act(writing())) for _ in range(4)]
    await asyncio.sleep(0.3)
    assert journal(machine) == [LINE]
    os.close(handle)
    await asyncio.gather(*tries)
    assert journal(machine) == [LINE, SECOND]


async def test_a_lease_that_is_given_back_twice_was_given_back(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    assert [await machine.session.act(giving_back()) for _ in range(2)] == ["", ""]
    assert len(journal(machine)) == 2
    with pytest.raises(LeaseLost):
        await machine.session.act(giving_back(token="other"))


async def test_somebody_who_looks_never_misses_a_lease_that_is_being_renewed(machine: Machine) -> None:
    await machine.session.act(taking("t1", lines=()))
    renewing = asyncio.create_task(_renew_often(machine))
    while not renewing.done():
        seen = await look(machine)
        assert seen.lease is not None
        assert (seen.lease.epoch, seen.lease.token) == (1, "t1")
        assert isinstance(await machine.session.act(taking("t2", lines=())), Held)
    await renewing


async def _renew_often(machine: Machine) -> None:
    for _ in range(30):
        await machine.session.act(renew(ROOT, epoch=1, token="t1", ttl_s=90))


async def test_nothing_begins_any_more_in_the_work_folder_of_a_run_that_was_overtaken(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    running = asyncio.create_task(machine.session.act(launching(job(machine, "t1", "long"), "exec sleep 1000")))
    await until_it_runs(machine)
    await machine.session.act(taking("t2", head=HEAD, lines=(SECOND,), over=await lease(machine)))
    assert (machine.root / "work/run-t1").stat().st_mode & 0o777 == 0o700, "who is at work there goes on writing"
    with pytest.raises(RemoteError, match="overtaken"):
        await machine.session.act(launching(job(machine, "t1", "late"), "touch ~/late"))
    assert not (machine.home / "late").exists()
    await machine.session.act(launching(job(machine, "t2", "next"), "touch ~/next"))
    assert (machine.home / "next").exists()
    await machine.session.act(giving_back(head=line_sha256(SECOND), epoch=2, token="t2"))
    assert os.listdir(machine.root / "work") == ["run-t1"], "what runs on is still to be seen"
    assert len([seen for seen in (await look(machine)).jobs if seen.state is JobState.RUNNING]) == 1
    await machine.session.act(stop(PLACES["long"]))
    await asyncio.gather(running, return_exceptions=True)
    head = (await look(machine)).head
    await machine.session.act(taking("t3", head=head, lines=()))
    await machine.session.act(giving_back(head=head, epoch=3, token="t3"))
    assert os.listdir(machine.root / "work") == []


async def test_nothing_begins_any_more_for_a_run_whose_lease_was_ended_by_hand(machine: Machine) -> None:
    await machine.session.act(taking("t1"))
    await machine.session.act(free(ROOT, await lease(machine), head=HEAD, lines=(SECOND,)))
    with pytest.raises(RemoteError):
        await machine.session.act(launching(job(machine, "t1", "late"), "touch ~/late"))
    assert not (machine.home / "late").exists()


async def until_it_runs(machine: Machine) -> None:
    for _ in range(200):
        if any(seen.state is JobState.RUNNING for seen in (await look(machine)).jobs):
            return
    raise AssertionError("no job was ever seen to run")


PLACES: dict[str, JobPlace] = {}


def job(machine: Machine, token: str, name: str) -> JobPlace:
    """A new one, in the work folder of the run with that token."""
    PLACES[name] = JobPlace(str(machine.root), f"run-{token}", name, secrets.token_hex(16))
    return PLACES[name]


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A small file system there."""
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "octo-test", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def freeze(folder: Path) -> None:
    """Nothing can be written there any more."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no block free there."""
    with contextlib.suppress(OSError), (folder / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@needs_root
async def test_on_a_full_disk_the_store_goes_first_and_makes_room_for_the_last_lines(machine: Machine) -> None:
    with disk(machine.root, "size=400k"):
        await machine.session.act(taking("t1"))
        (machine.root / "store/part").write_bytes(bytes(100_000))
        fill(machine.root)
        long = journal_line(HEAD, {"text": "x" * 20_000})
        with pytest.raises(RemoteError, match="is the disk full"):
            await machine.session.act(writing(long))
        assert journal(machine) == [LINE]
        assert await machine.session.act(giving_back()) == ""
        assert len(journal(machine)) == 2
        assert not (machine.root / "store").exists()


@needs_root
async def test_a_lease_is_given_back_though_its_journal_cannot_be_written(machine: Machine) -> None:
    with disk(machine.root, "size=400k"):
        await machine.session.act(taking("t1"))
        fill(machine.root)
        last = journal_line(HEAD, {"text": "x" * 20_000})
        told = await machine.session.act(release(ROOT, **KEY, epoch=1, token="t1", head=HEAD, lines=(last,)))
        assert "journal.jsonl cannot be written: is the disk full?" in told
        assert (await look(machine)).lease is None
        assert journal(machine) == [LINE]


@needs_root
@pytest.mark.parametrize("renewed", [False, True])
async def test_a_lease_is_given_back_where_no_file_can_be_made(renewed: bool, machine: Machine) -> None:
    with disk(machine.root, "size=4m,nr_inodes=40"):
        await machine.session.act(taking("t1"))
        if renewed:
            await machine.session.act(renew(ROOT, epoch=1, token="t1", ttl_s=90))
        for number in range(100):
            with contextlib.suppress(OSError):
                (machine.root / f"file-{number}").touch()
        (machine.root / "work/run-t1").rename(machine.root / "elsewhere")
        (machine.root / "store").rename(machine.root / "nowhere")
        await machine.session.act(giving_back())
        assert (await look(machine)).lease is None
        await machine.session.act(giving_back())
        for number in range(100):
            (machine.root / f"file-{number}").unlink(missing_ok=True)
        head = (await look(machine)).head
        assert await machine.session.act(taking("t2", head=head, lines=())) == Acquired(2)


@needs_root
async def test_a_disk_that_was_made_read_only_keeps_the_lease_until_it_expires(machine: Machine) -> None:
    with disk(machine.root, "size=4m"):
        await machine.session.act(taking("t1"))
        freeze(machine.root)
        for program in (writing(), giving_back(), renew(ROOT, epoch=1, token="t1", ttl_s=90)):
            with pytest.raises(RemoteError) as error:
                await machine.session.act(program)
            assert not isinstance(error.value, LeaseLost)
        assert (await lease(machine)).token == "t1"
