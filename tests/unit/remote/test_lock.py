"""The lease and the memory of a target, under every shell."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.memory import baseline_text, journal_line, line_sha256
from octo_ssh.model.observed import Baseline, Done, Lease, Observed, PackageBaseline
from octo_ssh.remote.holding import holding
from octo_ssh.remote.lock import Acquired, Held, Moved, acquire, free, release, renew
from octo_ssh.remote.observe import observe
from octo_ssh.remote.record import record

from .conftest import Machine

WHO = json.dumps({"user": "jörg", "host": "laptop", "run": "run-1", "purpose": "apply shop " + "1.4.2-" * 30})
LINE = journal_line("", {"what": "decided", "text": 'it\'s a "line" with ü and \\'})
LOST = "the lock was (released by somebody else|taken over by)"
BASELINE = Baseline(
    release="1.0", packages={"shop": PackageBaseline("/srv/the shop", "1.0", "0" * 64, "f" * 64, ("0.9",))}
)


async def take(
    machine: Machine,
    token: str = "t1",
    *,
    head: str = "",
    lines: tuple[bytes, ...] = (LINE,),
    baseline: Baseline | None = BASELINE,
) -> Acquired | Held | Moved:
    return await machine.session.act(
        acquire(
            "~/.octo-ssh",
            project="shop",
            environment=None,
            run="run-1",
            token=token,
            ttl_s=90,
            who=WHO,
            expect_head=head,
            lines=lines,
            baseline=None if baseline is None else baseline_text(baseline),
        )
    )


async def give_back(
    machine: Machine, epoch: int, token: str = "t1", lines: tuple[bytes, ...] = (), *, head: str = line_sha256(LINE)
) -> str:
    return await machine.session.act(
        release(
            "~/.octo-ssh",
            epoch=epoch,
            token=token,
            project="shop",
            environment=None,
            head=head,
            lines=lines,
        )
    )


async def free_it(machine: Machine) -> Lease | None:
    """End the lease that there is."""
    seen = await machine.session.observe(holding("~/.octo-ssh"))
    if seen.lease is None:
        return None
    freed = await machine.session.act(free("~/.octo-ssh", seen.lease))
    return None if freed is None else freed.lease


async def look(machine: Machine) -> Observed:
    return await machine.session.observe(observe("~/.octo-ssh", "shop", None, ()))


async def test_a_lease_is_an_ordinary_dangling_link_to_those_who_look(machine: Machine) -> None:
    await take(machine)
    link = machine.home / ".octo-ssh/lock/1"
    assert len(os.readlink(link)) > 100
    with pytest.raises(FileNotFoundError):
        os.stat(link)


async def test_a_fresh_target_is_locked_and_remembers(machine: Machine) -> None:
    assert await take(machine) == Acquired(1)
    seen = await look(machine)
    assert seen.baseline == BASELINE
    assert seen.journal.head == line_sha256(LINE)
    assert seen.journal.size == len(LINE) + 1
    assert seen.lease is not None
    assert (seen.lease.epoch, seen.lease.token, seen.lease.ttl_s, seen.lease.who) == (1, "t1", 90, WHO)
    assert seen.lease.age_s is not None
    assert machine.root.stat().st_mode & 0o777 == 0o700
    assert (machine.root / "journal.jsonl").read_bytes() == LINE + b"\n"
    assert (machine.root / "journal.jsonl").stat().st_mode & 0o777 == 0o600
    assert (machine.root / "work/run-1").is_dir()


async def test_a_held_lock_is_told_with_its_holder_and_nothing_is_written(machine: Machine) -> None:
    await take(machine)
    second = await take(machine, "t2", head=line_sha256(LINE))
    assert isinstance(second, Held)
    assert (second.lease.token, second.lease.who) == ("t1", WHO)
    assert (machine.root / "journal.jsonl").read_bytes() == LINE + b"\n"


async def test_a_released_lock_can_be_taken_again_and_only_the_last_epoch_stays(machine: Machine) -> None:
    await take(machine)
    last = journal_line(line_sha256(LINE), {"what": "run ended"})
    await give_back(machine, 1, lines=(last,))
    assert not (machine.root / "work/run-1").exists()
    assert (await look(machine)).lease is None
    assert await take(machine, "t2", head=line_sha256(last), lines=()) == Acquired(2)
    await give_back(machine, 2, "t2")
    assert sorted(os.listdir(machine.root / "lock")) == ["2", "2.x"]
    assert (machine.root / "journal.jsonl").read_bytes() == LINE + b"\n" + last + b"\n"


async def test_a_journal_that_moved_gives_the_lock_back(machine: Machine) -> None:
    await take(machine)
    await give_back(machine, 1)
    assert await take(machine, "t2", head="") == Moved()
    assert (await look(machine)).lease is None
    assert await take(machine, "t3", head=line_sha256(LINE)) == Acquired(3)


async def test_only_the_holder_renews_and_releases(machine: Machine) -> None:
    await take(machine)
    await machine.session.act(renew("~/.octo-ssh", epoch=1, token="t1", ttl_s=120))
    seen = await look(machine)
    assert seen.lease is not None
    assert (seen.lease.ttl_s, seen.lease.who) == (120, WHO)
    with pytest.raises(RemoteError, match=LOST):
        await machine.session.act(renew("~/.octo-ssh", epoch=1, token="other", ttl_s=120))
    with pytest.raises(RemoteError, match=LOST):
        await give_back(machine, 1, "other")
    freed = await free_it(machine)
    assert isinstance(freed, Lease)
    assert freed.token == "t1"
    assert await free_it(machine) is None
    with pytest.raises(RemoteError, match=LOST):
        await machine.session.act(renew("~/.octo-ssh", epoch=1, token="t1", ttl_s=120))


async def test_of_two_that_race_exactly_one_holds(machine: Machine) -> None:
    for round_ in range(50):
        answers = await asyncio.gather(*(take(machine, token, lines=(), baseline=None) for token in ("a", "b")))
        won = [answer for answer in answers if isinstance(answer, Acquired)]
        assert len(won) == 1, f"round {round_}: {answers}"
        held = [answer for answer in answers if isinstance(answer, Held)]
        assert [answer.lease.epoch for answer in held] == [won[0].epoch]
        await free_it(machine)


async def test_a_stale_taker_of_an_old_epoch_gives_way(machine: Machine) -> None:
    await take(machine)
    (machine.root / "lock/7").symlink_to("x:90::1.0:")
    with pytest.raises(RemoteError, match=LOST):
        await machine.session.act(renew("~/.octo-ssh", epoch=1, token="t1", ttl_s=90))
    assert isinstance(await take(machine, "t2", head=line_sha256(LINE)), Held)


async def test_records_are_appended_and_replace_the_baseline(machine: Machine) -> None:
    await take(machine)
    later = Baseline(release="2.0", done={"d": Done("migrate", "2.0", "r")}, due={"2.0": ("a", "b")})
    second = journal_line(line_sha256(LINE), {"what": "step ended", "long": "x" * 300_000})
    await machine.session.act(
        record(
            "~/.octo-ssh",
            epoch=1,
            token="t1",
            project="shop",
            environment=None,
            head=line_sha256(LINE),
            lines=(second,),
            baseline=baseline_text(later),
        )
    )
    seen = await look(machine)
    assert seen.baseline == later
    assert seen.journal.head == line_sha256(second)


async def test_a_run_that_lost_its_lease_writes_nothing_any_more(machine: Machine) -> None:
    await take(machine)
    await free_it(machine)
    assert await take(machine, "t2", head=line_sha256(LINE), lines=()) == Acquired(2)
    late = record(
        "~/.octo-ssh",
        epoch=1,
        token="t1",
        project="shop",
        environment=None,
        head=line_sha256(LINE),
        lines=(LINE,),
        baseline=b"{}",
    )
    with pytest.raises(RemoteError, match=LOST):
        await machine.session.act(late)
    assert (machine.root / "journal.jsonl").read_bytes() == LINE + b"\n"
    assert (await look(machine)).baseline == BASELINE


@pytest.mark.parametrize("torn", [b'{"v":1,"torn', b'{"v":1,"to\0\0\0', b"\0\0"])
async def test_what_a_power_cut_left_unfinished_does_not_swallow_the_next_line(torn: bytes, machine: Machine) -> None:
    await take(machine)
    await give_back(machine, 1)
    with (machine.root / "journal.jsonl").open("ab") as file:
        file.write(torn)
    head = (await look(machine)).journal.head
    assert head == line_sha256(torn)
    assert await take(machine, "t2", head=head) == Acquired(2)
    assert (machine.root / "journal.jsonl").read_bytes() == LINE + b"\n" + torn + b"\n" + LINE + b"\n"


async def test_a_lock_whose_run_can_have_no_folder_is_given_back(machine: Machine) -> None:
    (machine.root / "work").mkdir(mode=0o700, parents=True)
    machine.root.chmod(0o700)
    (machine.root / "work/run-1").symlink_to("nowhere/at all")
    with pytest.raises(RemoteError, match="cannot be made"):
        await take(machine)
    (machine.root / "work/run-1").unlink()
    seen = await look(machine)
    assert seen.lease is None
    assert await take(machine, "t2", head=seen.journal.head) == Acquired(2)


async def test_a_damaged_baseline_is_told_and_never_taken_as_empty(machine: Machine) -> None:
    await take(machine)
    (machine.root / "state/shop/default.json").write_text('{"format":1,"release"')
    with pytest.raises(RemoteError, match=r"/state/shop/default\.json on the target is damaged: it is no JSON"):
        await look(machine)
    (machine.root / "state/shop/default.json").write_text('{"format":2}')
    with pytest.raises(RemoteError, match="written by a newer octo-ssh"):
        await look(machine)


@pytest.mark.parametrize("planted", ["", "work", "store", "lock", "state", "journal.jsonl"])
async def test_a_link_in_place_of_what_is_ours_is_not_followed(machine: Machine, planted: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if planted:
        machine.root.mkdir(mode=0o700)
    (machine.root / planted if planted else machine.root).symlink_to(elsewhere)
    with pytest.raises(RemoteError, match="is a symbolic link"):
        await look(machine)
    with pytest.raises(RemoteError, match="is a symbolic link"):
        await take(machine)
    assert list(elsewhere.iterdir()) == []


async def test_a_root_that_others_may_enter_is_refused(machine: Machine) -> None:
    machine.root.mkdir(mode=0o755)
    machine.root.chmod(0o755)
    with pytest.raises(RemoteError, match="chmod 700"):
        await take(machine)


async def test_looking_writes_nothing(machine: Machine) -> None:
    seen = await look(machine)
    assert seen.baseline == Baseline()
    assert (seen.epoch, seen.lease, seen.journal.size) == (0, None, 0)
    assert seen.facts.root == str(machine.root)
    assert seen.facts.home == str(machine.home)
    assert seen.facts.disk.free_bytes > 0
    assert {"tar", "gzip", "find", "grep", "setsid"} <= seen.facts.tools
    assert list(machine.home.iterdir()) == []
