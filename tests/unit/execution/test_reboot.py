"""A step in which the machine restarts: whatever becomes of its script, it counts that the machine was started anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, Unreachable
from octo_ssh.execution import reboot
from octo_ssh.execution.context import StepEnd
from octo_ssh.model.outcomes import Outcome
from tests.unit.execution.targets import Session, Stand, stand
from tests.unit.execution.test_engine import do, work


@pytest.fixture
async def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    monkeypatch.setattr(reboot, "TRY_EVERY_S", 0.01)
    target = await stand(tmp_path)
    await target.lock(["go"])
    return target


async def restart(target: Stand, script: str, *, anew: bool, answers: Iterable[Session | Unreachable] = ()) -> StepEnd:
    """``anew``: whoever answers does so under another boot id than the one before."""
    if anew:
        target.hold.boot_id = "before"
    target.reconnects.extend([*answers, *(Session("web-1", target.home) for _ in range(20))])
    return await do(target, replace(work(script), reboots=True, timeout_s=2))


async def test_a_lost_connection_is_what_is_wanted_and_it_is_waited_for_the_machine(target: Stand) -> None:
    target.session.breaks["the script"] = [ConnectionLost("web-1: gone")]
    end = await restart(target, "reboot", anew=True, answers=[Unreachable("web-1: refused")])
    assert (end.outcome, end.reason) == (Outcome.CHANGED, "restarted")
    assert target.hold.session.session is not target.session
    assert (await target.hold.look()).lease is not None


@pytest.mark.parametrize("signal", ["HUP", "TERM", "KILL"])
async def test_a_script_that_the_shutdown_reached_first_has_not_failed(target: Stand, signal: str) -> None:
    end = await restart(target, f"kill -{signal} $$", anew=True)
    assert (end.outcome, end.reason) == (Outcome.CHANGED, "restarted")


async def test_a_script_that_was_killed_by_something_else_has(target: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reboot, "STILL_UP_S", 0)
    end = await restart(target, "kill -KILL $$", anew=False)
    assert (end.outcome, end.reason) == (Outcome.FAILED, "exit status 137")


async def test_a_script_that_fails_is_not_waited_for(target: Stand) -> None:
    end = await restart(target, "exit 3", anew=True)
    assert (end.outcome, end.reason) == (Outcome.FAILED, "exit status 3")
    assert len(target.reconnects) == 20


async def test_a_machine_that_does_not_go_down_is_unknown(target: Stand) -> None:
    target.session.breaks["the script"] = [ConnectionLost("web-1: gone")]
    target.reconnects.extend(Session("web-1", target.home) for _ in range(1000))
    end = await restart(target, "true", anew=False)
    assert end.outcome is Outcome.UNKNOWN
    assert end.reason == "not back within 2 s after its restart: it did not go down"
