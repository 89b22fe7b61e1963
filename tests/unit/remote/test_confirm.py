"""Releases that wait for a confirmation, under every shell: arming, deciding, going back (SPEC section 8)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import stat
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.jobs import Hangup, JobEnd, JobKey, JobPlace
from octo_ssh.model.observed import PackagePlace, PlaceRequest
from octo_ssh.model.program import Acting
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.model.values import Secret
from octo_ssh.model.wire import ReplyParser, program_text
from octo_ssh.remote.arm import Arming, WayBack, arm, beats
from octo_ssh.remote.confirm import confirm, disarm
from octo_ssh.remote.grant import FlipLost, grant
from octo_ssh.remote.job import launch
from octo_ssh.remote.observe import observe
from octo_ssh.remote.switch import switch

from .conftest import Machine
from .logins import needs_root

EPOCH = 3
LEASE = "0a1b2c3d"
OTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def lay(machine: Machine, *releases: str, current: str | None) -> None:
    """A place with these complete releases."""
    for name in releases:
        (machine.to / "releases" / name).mkdir(parents=True)
        (machine.to / f"releases/{name}.json").write_text("[]")
    (machine.to / ".octo-ssh").mkdir()
    (machine.to / ".octo-ssh/owner").write_text(f"1\n{machine.root}\nshop\nstaging\n")
    if current is not None:
        (machine.to / "current").symlink_to(f"releases/{current}")


def folder(machine: Machine, token: str = "t1") -> Path:
    return machine.to / f".octo-ssh/confirm.{token}"


def program(
    machine: Machine,
    *way_back: WayBack,
    token: str = "t1",
    new: str = "2.0",
    old: str | None = "1.0",
    within_s: float = 60,
    bound_s: float = 3600,
    epoch: int = EPOCH,
    lease: str = LEASE,
) -> Acting[TimerSeen]:
    about = Arming(token, f"run-{epoch}", new, old, "2026-01-02T03:04:05Z", within_s, bound_s, told="it went back")
    return arm(str(machine.to), about, way_back, epoch=epoch, token=lease)


def script(machine: Machine, text: str, *, name: str = "activate", timeout_s: float = 20) -> WayBack:
    return WayBack(name, {}, text, str(machine.to / "releases/1.0"), timeout_s)


async def deploy(machine: Machine, arming: Acting[TimerSeen], *, new: str = "2.0") -> TimerSeen:
    """Armed, and switched to the new release."""
    seen = await machine.session.act(arming)
    await machine.session.act(switch(str(machine.to), new, epoch=EPOCH, token=LEASE))
    return seen


async def decide(machine: Machine, verdict: Verdict | None, *, token: str = "t1", patience_s: float = 10) -> TimerSeen:
    seen = await machine.session.act(confirm(str(machine.to), token, verdict, patience_s=patience_s))
    assert seen is not None
    return seen


async def look(machine: Machine) -> PackagePlace:
    asked = (PlaceRequest("deploy", str(machine.to)),)
    return (await machine.session.observe(observe(str(machine.root), "shop", "staging", asked))).packages["deploy"]


def current(machine: Machine) -> str | None:
    link = machine.to / "current"
    return os.readlink(link) if link.is_symlink() else None


def holding(place: Path, text: str) -> bool:
    """Whether a file there holds the text."""
    return subprocess.run(["grep", "-rq", "-e", text, place], capture_output=True, check=False).returncode == 0


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def in_proc(word: bytes, *, whole: bool = True) -> list[int]:
    """Processes with that among the words of their command lines, or in one of them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word in words or (not whole and any(word in each for each in words)):
                found.append(int(entry.name))
    return found


def timers(machine: Machine, token: str = "t1") -> list[int]:
    return in_proc(os.fsencode(folder(machine, token)))


async def until_gone(machine: Machine, token: str = "t1") -> None:
    async with asyncio.timeout(40):
        while timers(machine, token):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def pull_the_plug(machine: Machine, token: str = "t1") -> None:
    """The timer is gone without a word, and the machine was started anew."""
    for pid in timers(machine, token):
        os.kill(pid, signal.SIGKILL)
    link = folder(machine, token) / "timer"
    _, rest = os.readlink(link).split(":", 1)
    link.unlink()
    link.symlink_to(f"{OTHER_BOOT}:{rest}")


async def test_a_confirmed_release_stays_and_nothing_of_the_timer_does(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    seen = await deploy(machine, program(machine, script(machine, "touch went-back")))
    assert (seen.verdict, seen.runs, seen.run, seen.new, seen.old) == (None, True, f"run-{EPOCH}", "2.0", "1.0")
    assert (seen.since, seen.within_s, seen.is_open) == ("2026-01-02T03:04:05Z", 60, True)
    assert len(timers(machine)) == 1
    assert (await decide(machine, Verdict.CONFIRMED)).verdict is Verdict.CONFIRMED
    assert timers(machine) == []
    assert (await decide(machine, Verdict.RETURNED)).verdict is Verdict.CONFIRMED
    await machine.session.act(disarm(str(machine.to)))
    assert current(machine) == "releases/2.0"
    assert not (machine.to / "releases/1.0/went-back").exists()
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [f".flip.{EPOCH}.{LEASE}", "guard", "owner"]
    assert await machine.session.act(confirm(str(machine.to), "t1", Verdict.CONFIRMED, patience_s=1)) is None


async def test_what_nobody_confirms_is_undone_and_the_old_release_takes_effect_again(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    env: dict[str, str | Secret] = {"PLACE": "it's here", "TOKEN": Secret("s3cr3t-value")}
    first = WayBack("Deploy", env, '#!/bin/sh\necho "$PLACE:$TOKEN" >~/deployed', None, 20)
    second = script(machine, "readlink ../../current >activated")
    await deploy(machine, program(machine, first, second, within_s=1))
    assert not holding(machine.to, "s3cr3t-value")
    assert len(timers(machine)) == 1
    assert not in_proc(b"s3cr3t-value", whole=False)
    await until_gone(machine)
    assert current(machine) == "releases/1.0"
    assert (machine.home / "deployed").read_text() == "it's here:s3cr3t-value\n"
    assert (machine.to / "releases/1.0/activated").read_text() == "releases/1.0\n"
    seen = await decide(machine, Verdict.CONFIRMED)
    assert (seen.verdict, seen.is_done, seen.runs) == (Verdict.REVERTED, True, False)
    assert seen.came == {"Deploy": 0, "activate": 0}
    with pytest.raises(FlipLost):
        await machine.session.act(switch(str(machine.to), "2.0", epoch=EPOCH, token=LEASE))
    assert (await machine.session.act(grant(str(machine.to), epoch=EPOCH, token=LEASE))) == "1.0"
    await machine.session.act(disarm(str(machine.to)))
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [f".flip.{EPOCH}.{LEASE}", "guard", "owner"]


async def test_a_first_release_that_nobody_confirms_leaves_no_current(machine: Machine) -> None:
    lay(machine, "2.0", current=None)
    await deploy(machine, program(machine, old=None, within_s=1))
    assert current(machine) == "releases/2.0"
    await until_gone(machine)
    assert current(machine) is None
    assert (await look(machine)).timers[0].verdict is Verdict.REVERTED


async def test_term_means_now_whatever_the_time_and_hup_means_nothing(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine, script(machine, "touch activated")))
    (pid,) = timers(machine)
    os.kill(pid, signal.SIGHUP)
    await asyncio.sleep(0.2)
    assert timers(machine) == [pid]
    assert current(machine) == "releases/2.0"
    os.kill(pid, signal.SIGTERM)
    await until_gone(machine)
    assert current(machine) == "releases/1.0"
    assert (machine.to / "releases/1.0/activated").exists()


async def test_signals_do_not_cut_the_way_back_short_nor_are_they_ignored_by_its_scripts(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    text = "grep SigIgn /proc/self/status >ignored; touch began; sleep 1; touch activated"
    await deploy(machine, program(machine, script(machine, text)))
    (pid,) = timers(machine)
    os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(20):
        while not (machine.to / "releases/1.0/began").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for pid in timers(machine):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGHUP)
    await until_gone(machine)
    assert (machine.to / "releases/1.0/activated").exists()
    assert (await decide(machine, None)).came == {"activate": 0}
    mask = int((machine.to / "releases/1.0/ignored").read_text().split()[1], 16)
    assert mask & (1 << (signal.SIGTERM - 1) | 1 << (signal.SIGHUP - 1)) == 0


async def test_it_does_not_count_while_a_script_of_the_step_runs_and_counts_anew_afterwards(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine, within_s=1))
    told = Path(beats(str(machine.to), "t1"))
    add(told, "b\n")
    await asyncio.sleep(4)
    assert current(machine) == "releases/2.0"
    add(told, "e")
    await until_gone(machine)
    assert current(machine) == "releases/1.0"
    assert "beats" not in os.listdir(folder(machine))


async def test_beyond_its_bound_it_goes_back_whatever_runs(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    arming = program(machine, within_s=60, bound_s=1)
    await machine.session.act(arming)
    add(Path(beats(str(machine.to), "t1")), "b")
    await machine.session.act(switch(str(machine.to), "2.0", epoch=EPOCH, token=LEASE))
    await until_gone(machine)
    assert current(machine) == "releases/1.0"


@pytest.mark.parametrize(
    ("texts", "came"),
    [
        (("exit 3", "touch never"), {"Deploy": 3}),
        (("sleep LATE & sleep LATE", "touch never"), {"Deploy": 124}),
        (("#!/bin/no-such-shell\n", "touch never"), {"Deploy": 127}),
        (("true", "exit 7"), {"Deploy": 0, "activate": 7}),
    ],
    ids=["the first fails", "the first is late", "no interpreter", "the second fails"],
)
async def test_the_way_back_ends_where_something_fails_and_says_so(
    machine: Machine, texts: tuple[str, str], came: dict[str, int]
) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    late = f"48611.{os.getpid()}"  # others may run this test meanwhile
    one, two = texts[0].replace("LATE", late), texts[1]
    timeout_s = 1 if "sleep" in one else 20
    way_back = [script(machine, one, name="Deploy", timeout_s=timeout_s), script(machine, two)]
    await deploy(machine, program(machine, *way_back, within_s=1))
    await until_gone(machine)
    seen = await decide(machine, None)
    assert ({name: status if status != 126 else 127 for name, status in seen.came.items()}, seen.is_done) == (
        came,
        True,
    )
    assert current(machine) == "releases/1.0"
    assert not (machine.to / "releases/1.0/never").exists()
    assert in_proc(late.encode()) == []


async def test_a_daemon_that_the_way_back_starts_stays_and_holds_nothing_up(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    text = "sleep 4711 & echo $! >pid; echo started"
    await deploy(machine, program(machine, script(machine, text), within_s=1))
    await until_gone(machine)
    pid = int((machine.to / "releases/1.0/pid").read_text())
    os.kill(pid, signal.SIGKILL)
    assert (await decide(machine, None)).came == {"activate": 0}


async def test_a_release_that_did_not_become_current_is_left_alone_and_cannot_any_more(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await machine.session.act(program(machine, script(machine, "touch activated"), within_s=1))
    await until_gone(machine)
    seen = await decide(machine, None)
    assert (seen.verdict, seen.is_missed, seen.is_done) == (Verdict.REVERTED, True, True)
    assert not (machine.to / "releases/1.0/activated").exists()
    with pytest.raises(FlipLost):
        await machine.session.act(switch(str(machine.to), "2.0", epoch=EPOCH, token=LEASE))


async def test_arming_again_finds_the_timer_of_the_first_time(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    seen = await asyncio.gather(*(machine.session.act(program(machine)) for _ in range(5)))
    assert {(each.verdict, each.runs) for each in seen} == {(None, True)}
    assert len(timers(machine)) == 1
    assert (await machine.session.act(program(machine))).runs
    assert len(timers(machine)) == 1
    assert (await decide(machine, Verdict.RETURNED)).verdict is Verdict.RETURNED
    assert (await machine.session.act(program(machine))).verdict is Verdict.RETURNED
    assert timers(machine) == []


async def test_arming_that_was_cut_off_is_done_when_it_is_repeated(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    arming = program(machine, script(machine, "touch activated"), within_s=1)
    (content,) = arming.input
    assert isinstance(content, Secret)
    half = Acting(arming.name, arming.body, arming.words, arming.parse, (Secret(content.reveal()[:-9]),))
    with pytest.raises(RemoteError, match="cut off"):
        await asyncio.wait_for(_hung_up(machine, half), 20)
    assert timers(machine) == []
    await deploy(machine, arming)
    await until_gone(machine)
    assert (machine.to / "releases/1.0/activated").exists()


async def _hung_up(machine: Machine, program: Acting[TimerSeen]) -> None:
    """The input ends before all of it has come."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("sh", path=machine.path) or "sh",
        "-s",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": machine.path, "HOME": str(machine.home)},
    )
    parser = ReplyParser("n" * 32)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(program_text(program, "n" * 32))
    while not parser.is_up:
        parser.feed(await process.stdout.read(1000))
    (content,) = program.input
    assert isinstance(content, Secret)
    process.stdin.write(content.reveal().encode())
    process.stdin.close()
    while chunk := await process.stdout.read(1000):
        parser.feed(chunk)
    await process.wait()
    program.parse(parser.reply())


async def test_without_the_right_to_switch_nothing_is_armed(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await machine.session.act(grant(str(machine.to), epoch=EPOCH + 1, token="another"))
    with pytest.raises(FlipLost):
        await machine.session.act(program(machine))
    assert not folder(machine).exists()


@pytest.mark.parametrize(("missing", "old"), [("releases/2.0.json", "1.0"), ("releases/1.0.json", "1.0")])
async def test_only_complete_releases_are_armed(machine: Machine, missing: str, old: str) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    (machine.to / missing).unlink()
    with pytest.raises(RemoteError, match="is not a complete release"):
        await machine.session.act(program(machine, old=old))
    assert timers(machine) == []


async def test_the_timer_of_a_run_that_was_overtaken_changes_nothing(machine: Machine) -> None:
    """Its right to go back is the right to switch, and that is somebody else's now."""
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine, script(machine, "touch activated"), within_s=1))
    await machine.session.act(grant(str(machine.to), epoch=EPOCH + 1, token="another"))
    await until_gone(machine)
    assert current(machine) == "releases/2.0"
    assert not (machine.to / "releases/1.0/activated").exists()
    (seen,) = (await look(machine)).timers
    assert (seen.verdict, seen.is_open) == (Verdict.OVERTAKEN, True)


async def test_who_arms_next_ends_the_timer_of_the_run_before(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", "3.0", current="1.0")
    await deploy(machine, program(machine, script(machine, "touch activated")))
    await machine.session.act(program(machine, token="t2", new="3.0", epoch=EPOCH + 1, lease="another"))
    assert timers(machine) == []
    assert len(timers(machine, "t2")) == 1
    assert [seen.token for seen in (await look(machine)).timers] == ["t2"]
    assert await machine.session.act(confirm(str(machine.to), "t1", Verdict.CONFIRMED, patience_s=1)) is None
    assert (await decide(machine, Verdict.CONFIRMED, token="t2")).verdict is Verdict.CONFIRMED
    assert current(machine) == "releases/2.0"


async def test_a_script_of_an_overtaken_run_that_is_gone_on_with_is_waited_for(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine))
    told = Path(beats(str(machine.to), "t1"))
    add(told, "b")
    await machine.session.act(program(machine, token="t2", within_s=1, epoch=EPOCH + 1, lease="another"))
    assert timers(machine) == []
    await asyncio.sleep(4)
    assert current(machine) == "releases/2.0"
    add(told, "e")
    await until_gone(machine, "t2")
    assert current(machine) == "releases/1.0"
    await machine.session.act(disarm(str(machine.to)))
    assert (await look(machine)).timers == ()


async def test_a_script_tells_the_timer_of_itself_and_does_not_begin_once_the_target_goes_back(
    machine: Machine,
) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine))
    told = Path(beats(str(machine.to), "t1"))
    (machine.root / "work/run-1").mkdir(parents=True)
    machine.root.chmod(0o700)

    def job(name: str) -> Acting[JobEnd]:
        place = JobPlace(str(machine.root), "run-1", name, name[0] * 32)
        key = JobKey("deploy", "activate", "d" * 64)
        return launch(
            place,
            key=key,
            env={},
            script=f"cat '{told}' >~/seen",
            cwd=None,
            timeout_s=20,
            limit_bytes=1000,
            hangup=Hangup.LEAVE,
            beat=str(told),
        )

    assert (await machine.session.act(job("a1"))).status == 0
    assert ((machine.home / "seen").read_text(), (folder(machine) / "beats").read_text()) == ("b", "be")
    (machine.home / "seen").unlink()
    for pid in timers(machine):
        os.kill(pid, signal.SIGTERM)
    await until_gone(machine)
    with pytest.raises(RemoteError, match="went back by itself before this could begin"):
        await machine.session.act(job("b2"))
    assert not (machine.home / "seen").exists()
    assert "beats" not in os.listdir(folder(machine))


async def test_a_place_tells_of_its_timers(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    assert (await look(machine)).timers == ()
    (machine.to / ".octo-ssh/confirm.is something else").mkdir()
    assert (await look(machine)).timers == ()
    armed = await deploy(machine, program(machine))
    assert (await look(machine)).timers == (armed,)
    pull_the_plug(machine)
    (seen,) = (await look(machine)).timers
    assert (seen.verdict, seen.runs, seen.restarted, seen.is_open) == (None, False, True, True)
    assert (await decide(machine, Verdict.CONFIRMED)).verdict is Verdict.CONFIRMED
    (folder(machine) / "confirmed").write_bytes(b"\xff\x00\x1b[31mlong" * 1000)
    (seen,) = (await look(machine)).timers
    assert (seen.verdict, seen.new, seen.is_open) == (Verdict.CONFIRMED, "", False)
    assert "\x1b" not in seen.run


async def test_a_timer_that_was_killed_is_no_timer_any_more(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine))
    for pid in timers(machine):
        os.kill(pid, signal.SIGKILL)
    await until_gone(machine)
    (seen,) = (await look(machine)).timers
    assert (seen.verdict, seen.runs, seen.restarted) == (None, False, False)
    with pytest.raises(RemoteError, match="does not run: somebody ended it"):
        await machine.session.act(program(machine))


def guarded(machine: Machine) -> None:
    """A service's unit runs the guard before it starts the service."""
    guard = machine.to / ".octo-ssh/guard"
    assert stat.S_IMODE(guard.stat().st_mode) == 0o755
    shell = shutil.which("sh", path=machine.path) or "sh"
    done = subprocess.run([shell, guard], env={"PATH": machine.path}, cwd="/", capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


async def test_the_guard_goes_back_after_a_power_cut_and_at_no_other_time(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine))
    guarded(machine)
    assert current(machine) == "releases/2.0"
    pull_the_plug(machine)
    guarded(machine)
    assert current(machine) == "releases/1.0"
    (seen,) = (await look(machine)).timers
    assert (seen.verdict, seen.is_done) == (Verdict.REVERTED, True)
    guarded(machine)
    await machine.session.act(disarm(str(machine.to)))
    guarded(machine)
    assert current(machine) == "releases/1.0"


@pytest.mark.parametrize("verdict", [Verdict.CONFIRMED, Verdict.OVERTAKEN, Verdict.RETURNED])
async def test_the_guard_leaves_alone_what_is_decided(machine: Machine, verdict: Verdict) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    await deploy(machine, program(machine))
    await decide(machine, verdict)
    pull_the_plug(machine)
    guarded(machine)
    assert current(machine) == "releases/2.0"


async def test_the_guard_leaves_alone_a_release_that_is_not_current(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", "3.0", current="3.0")
    await machine.session.act(program(machine))
    pull_the_plug(machine)
    guarded(machine)
    assert current(machine) == "releases/3.0"


async def test_the_guard_takes_a_first_release_away(machine: Machine) -> None:
    lay(machine, "2.0", current=None)
    await deploy(machine, program(machine, old=None))
    pull_the_plug(machine)
    guarded(machine)
    assert current(machine) is None


async def test_a_link_in_the_place_of_the_folder_is_refused(machine: Machine) -> None:
    lay(machine, "1.0", "2.0", current="1.0")
    elsewhere = machine.home / "elsewhere"
    elsewhere.mkdir()
    folder(machine).symlink_to(elsewhere)
    for attempt in (program(machine), confirm(str(machine.to), "t1", Verdict.CONFIRMED, patience_s=1)):
        with pytest.raises(RemoteError, match="symbolic link"):
            await machine.session.act(attempt)
    assert (await look(machine)).timers == ()
    await machine.session.act(disarm(str(machine.to)))
    assert os.listdir(elsewhere) == []


@needs_root
async def test_a_full_disk_hinders_neither_the_way_back_nor_a_confirmation(machine: Machine) -> None:
    machine.to.mkdir(parents=True)
    mount(machine.to, "size=512k,nr_inodes=100")
    try:
        lay(machine, "1.0", "2.0", current="1.0")
        await deploy(machine, program(machine, script(machine, "touch ~/activated")))
        fill(machine.to)
        for pid in timers(machine):
            os.kill(pid, signal.SIGTERM)
        await until_gone(machine)
        assert current(machine) == "releases/1.0"
        assert (machine.home / "activated").exists()
        assert (await look(machine)).timers[0].verdict is Verdict.REVERTED
        empty(machine.to)
        await machine.session.act(disarm(str(machine.to)))
        await machine.session.act(grant(str(machine.to), epoch=EPOCH, token=LEASE))
        await deploy(machine, program(machine))
        fill(machine.to)
        assert (await decide(machine, Verdict.CONFIRMED)).verdict is Verdict.CONFIRMED
    finally:
        unmount(machine.to)


@needs_root
async def test_where_the_disk_is_full_nothing_is_armed(machine: Machine) -> None:
    machine.to.mkdir(parents=True)
    mount(machine.to, "size=512k,nr_inodes=100")
    try:
        lay(machine, "1.0", "2.0", current="1.0")
        fill(machine.to)
        with pytest.raises(RemoteError, match="cannot be"):
            await machine.session.act(program(machine))
        assert timers(machine) == []
    finally:
        unmount(machine.to)


def mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> None:
    """No byte and no inode is left."""
    with contextlib.suppress(OSError), (place / "filler").open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with contextlib.suppress(OSError):
        for number in range(200):
            (place / f"filler-{number}").touch()


def empty(place: Path) -> None:
    for path in place.glob("filler*"):
        path.unlink()


RACES = 200 if os.environ.get("OCTO_FAULTS") == "long" else 25
"""Under each shell."""
AT_ONCE = 4


async def test_of_confirming_and_going_back_the_first_wins_and_the_other_knows(machine: Machine) -> None:
    """At the very moment at which the timer fires, which TERM chooses, somebody confirms; nobody is ever told wrong."""
    dice = random.Random(machine.shell)
    ends: Counter[Verdict | None] = Counter()

    async def race(number: int) -> None:
        own = Machine(machine.session, machine.home / f"race-{number}", machine.shell, machine.path)
        own.home.mkdir()
        lay(own, "1.0", "2.0", current="1.0")
        way_back = WayBack("activate", {}, f"touch '{own.home}/activated'", None, 20)
        await deploy(own, program(own, way_back))
        (pid,) = timers(own)

        async def fire() -> None:
            await asyncio.sleep(dice.uniform(0, 0.03))
            os.kill(pid, signal.SIGTERM)

        async def say() -> TimerSeen:
            await asyncio.sleep(dice.uniform(0, 0.01))
            return await decide(own, Verdict.CONFIRMED)

        _, told = await asyncio.gather(fire(), say(), return_exceptions=True)
        assert isinstance(told, TimerSeen), told
        ends[told.verdict] += 1
        await until_gone(own)
        went_back = told.verdict is Verdict.REVERTED
        assert told.verdict in (Verdict.CONFIRMED, Verdict.REVERTED)
        assert current(own) == ("releases/1.0" if went_back else "releases/2.0")
        assert (own.home / "activated").exists() == went_back
        states = [name for name in os.listdir(folder(own)) if re.fullmatch("armed|confirmed|reverted|overtaken", name)]
        assert states == [told.verdict.value]
        shutil.rmtree(own.home)

    for start in range(0, RACES, AT_ONCE):
        await asyncio.gather(*(race(number) for number in range(start, min(start + AT_ONCE, RACES))))
    assert sum(ends.values()) == RACES
    assert min(ends[Verdict.CONFIRMED], ends[Verdict.REVERTED]) > 0, ends
