"""A release that waits for its confirmation, from the controller's side (SPEC section 8)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import ConnectionLost, LeaseLost, RemoteError, Unreachable
from octo_ssh.execution import confirm as module
from octo_ssh.execution.confirm import Timer, overtake
from octo_ssh.execution.fence import flip
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.timers import Verdict
from octo_ssh.model.work import PackageWork, ScriptWork
from octo_ssh.planning.unconfirmed import went_back
from octo_ssh.remote.arm import Arming, arm
from octo_ssh.remote.grant import grant

from .targets import Session, Stand, stand

GONE = Unreachable("web-1: connection refused")


class Once(Session):
    """A connection, which knows when it is closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "CONTACT_S", 3.0)


def script(text: str) -> ScriptWork:
    return ScriptWork(script=text, env={}, cwd=None, release_dirs={}, sudo_user=None, timeout_s=10, digest="")


def work(made: Stand, **keys: Any) -> PackageWork:
    known: dict[str, Any] = {
        "package": "shop",
        "to": str(made.home / "srv"),
        "folder": "2.0",
        "manifest": Manifest.of([]),
        "build": False,
        "switch": True,
        "base": None,
        "previous": "1.0",
        "seeds": (),
        "shared": (),
        "activate": None,
        "verify": None,
        "keep": (),
        "sudo_user": None,
        "confirm_s": 60.0,
    }
    return PackageWork(**{**known, **keys})


async def held(folder: Path) -> Stand:
    """A target with two complete releases, locked, with the right to switch."""
    made = await stand(folder)
    for name in ("1.0", "2.0"):
        (made.home / "srv/releases" / name).mkdir(parents=True)
        (made.home / f"srv/releases/{name}.json").write_text("[]")
    (made.home / "srv/.octo-ssh").mkdir()
    (made.home / "srv/current").symlink_to("releases/1.0")
    await made.lock()
    to = str(made.home / "srv")
    await made.session.act(grant(to, epoch=made.hold.epoch, token=made.hold.token))
    return made


async def armed(made: Stand, **keys: Any) -> Timer:
    """The new release is current."""
    way_back = {"activate": script(f"touch '{made.home}/activated'")}
    wanted = work(made, **keys)
    timer = await Timer.armed(made.hold, wanted, scripts=(), way_back=way_back)
    await flip(made.hold, wanted, "2.0")
    return timer


@pytest.fixture(autouse=True)
def _no_timer_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    for pid in timers(tmp_path):
        os.kill(pid, signal.SIGKILL)


def timers(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"octo-ssh-timer" in line and os.fsencode(folder) in line:
                found.append(int(entry.name))
    return found


def current(made: Stand) -> str:
    return os.readlink(made.home / "srv/current")


def strike(folder: Path) -> None:
    """The timer goes back now."""
    for pid in timers(folder):
        os.kill(pid, signal.SIGTERM)


async def test_it_is_confirmed_over_a_connection_of_its_own_as_soon_as_one_can_be_made(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made)
    fresh = Once("web-1", made.home)
    made.reconnects += [GONE, GONE, fresh]
    made.session.acted.clear()
    assert (await timer.confirm()).verdict is Verdict.CONFIRMED
    assert made.session.acted == []
    assert (fresh.acted, fresh.closed) == (["confirming the release"], True)
    assert timers(tmp_path) == []
    await timer.clear()
    assert not list((made.home / "srv/.octo-ssh").glob("confirm.*"))
    assert current(made) == "releases/2.0"


async def test_a_connection_that_does_not_answer_confirms_nothing_and_another_is_made(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made)
    broken, fresh = Once("web-1", made.home), Once("web-1", made.home)
    broken.breaks["confirming the release"] = [ConnectionLost("web-1: lost")]
    made.reconnects += [broken, fresh]
    assert (await timer.confirm()).verdict is Verdict.CONFIRMED
    assert (broken.closed, fresh.closed) == (True, True)


async def test_who_comes_too_late_hears_that_the_target_went_back(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made)
    strike(tmp_path)
    made.reconnects += [GONE, Once("web-1", made.home), Once("web-1", made.home)]
    seen = await timer.confirm()
    assert (seen.verdict, seen.is_done, seen.came) == (Verdict.REVERTED, True, {"activate": 0})
    assert timer.refusal == "connection refused"
    assert current(made) == "releases/1.0"
    assert (made.home / "activated").exists()
    with pytest.raises(LeaseLost):
        await flip(made.hold, timer.work, "2.0")
    await timer.regain()
    await flip(made.hold, timer.work, "2.0")


async def test_where_nobody_can_be_reached_for_long_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONTACT_S", -59.5)
    made = await held(tmp_path)
    timer = await armed(made)
    made.reconnects += [GONE] * 100
    with pytest.raises(ConnectionLost, match="nobody can tell whether it went back by itself: connection refused"):
        await timer.confirm()
    assert await timer.await_verdict() is None


async def test_after_a_connection_was_lost_the_verdict_is_waited_for_and_not_given(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made, confirm_s=1.0)
    made.reconnects += [Once("web-1", made.home) for _ in range(50)]
    seen = await timer.await_verdict()
    assert seen is not None
    assert seen.verdict is Verdict.REVERTED


async def test_a_timer_that_somebody_ended_is_not_waited_for(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made)
    for pid in timers(tmp_path):
        os.kill(pid, signal.SIGKILL)
    made.reconnects += [Once("web-1", made.home)] * 3
    assert await timer.await_verdict() is None


async def test_the_controller_goes_back_itself_or_hears_that_it_was_done(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await armed(made)
    assert (await timer.take_back()).verdict is Verdict.RETURNED
    assert (timers(tmp_path), current(made)) == ([], "releases/2.0")
    await timer.clear()
    timer = await armed(made)
    strike(tmp_path)
    made.reconnects += [Once("web-1", made.home)] * 3
    assert (await timer.take_back()).verdict is Verdict.REVERTED
    assert current(made) == "releases/1.0"


async def test_what_was_not_switched_is_called_off(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await Timer.armed(made.hold, work(made), scripts=(), way_back={})
    assert await timer.call_off() is None
    assert timers(tmp_path) == []
    assert current(made) == "releases/1.0"
    assert not list((made.home / "srv/.octo-ssh").glob("confirm.*"))


async def test_what_took_too_long_to_be_switched_was_called_off_by_the_target(tmp_path: Path) -> None:
    made = await held(tmp_path)
    timer = await Timer.armed(made.hold, work(made), scripts=(), way_back={"activate": script("touch ~/activated")})
    strike(tmp_path)
    async with asyncio.timeout(20):
        while timers(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(LeaseLost):
        await flip(made.hold, work(made), "2.0")
    made.reconnects += [Once("web-1", made.home)] * 3
    seen = await timer.call_off()
    assert seen is not None
    assert (seen.verdict, seen.is_missed) == (Verdict.REVERTED, True)
    assert went_back(seen) == "2.0 did not become current within 60 s, and was called off by the target itself"
    assert not (made.home / "activated").exists()


async def test_a_run_that_was_overtaken_arms_nothing(tmp_path: Path) -> None:
    made = await held(tmp_path)
    await made.session.act(grant(str(made.home / "srv"), epoch=made.hold.epoch + 1, token="another"))
    with pytest.raises(LeaseLost):
        await Timer.armed(made.hold, work(made), scripts=(), way_back={})
    assert timers(tmp_path) == []


async def test_timers_of_other_runs_are_overtaken_unless_they_went_back(tmp_path: Path) -> None:
    made = await held(tmp_path)
    to = str(made.home / "srv")
    about = Arming("other", "run-0", "2.0", "1.0", "", 60, 600, "")
    seen = await made.session.act(arm(to, about, (), epoch=made.hold.epoch, token=made.hold.token))
    await flip(made.hold, work(made), "2.0")
    await overtake(made.hold, work(made), (seen,))
    assert timers(tmp_path) == []
    assert (made.home / "srv/.octo-ssh/confirm.other/overtaken").exists()
    (made.home / "srv/.octo-ssh/confirm.other/overtaken").rename(made.home / "srv/.octo-ssh/confirm.other/reverted")
    with pytest.raises(RemoteError, match=r"went back to 1\.0 by itself while it was looked at"):
        await overtake(made.hold, work(made), (seen,))


async def test_what_the_timer_holds_of_a_script_is_what_it_would_get_from_us(tmp_path: Path) -> None:
    made = await held(tmp_path)
    text = f"printf '%s %s' \"$OCTO_RUN\" \"$(pwd)\" >'{made.home}/activated'"
    wanted = work(made)
    ready = ScriptWork(text, {"A": "b"}, "srv/releases/1.0", {}, None, 10, "")
    await Timer.armed(made.hold, wanted, scripts=(ready,), way_back={"activate": ready})
    await flip(made.hold, wanted, "2.0")
    strike(tmp_path)
    timer = Timer(made.hold, wanted, _token(made), 10)
    made.reconnects += [Once("web-1", made.home)] * 9
    assert (await timer.confirm()).verdict is Verdict.REVERTED
    assert (made.home / "activated").read_text() == f"{made.context.identity.run} {made.home}/srv/releases/1.0"


def _token(made: Stand) -> str:
    (folder,) = (made.home / "srv/.octo-ssh").glob("confirm.*")
    return folder.name.removeprefix("confirm.")
