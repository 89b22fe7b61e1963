"""A session that is opened again: what may be repeated is, what may not is told, and patience ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, DeadlinePassed, HostKeyRefused, TargetTimeout, Unreachable
from octo_ssh.execution import steady
from octo_ssh.model.events import ConnectionReopened, ConnectionReopening, Event
from octo_ssh.model.program import Acting
from tests.unit.execution.targets import Session, Stand, stand

LOST = ConnectionLost("web-1: the connection was lost: reset")


@pytest.fixture
async def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    monkeypatch.setattr(steady, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(steady, "LONGEST_PAUSE_S", 0.002)
    return await stand(tmp_path)


def counting(target: Stand, *, repeatable: bool) -> Acting[int]:
    """A program that counts its runs in a file."""
    return Acting(
        name="counting",
        body='printf "%s up\\n" "$1"; echo x >>"$HOME/runs"; printf "%s end 0\\n" "$1"',
        words=(),
        parse=lambda reply: len((target.home / "runs").read_text().split()),
        repeatable=repeatable,
    )


def again(target: Stand) -> Session:
    return Session("web-1", target.home)


def reopened(target: Stand) -> list[type[Event]]:
    return [type(event) for event in target.events]


async def test_what_may_be_repeated_is_done_over_another_connection(target: Stand) -> None:
    target.session.breaks["counting"] = [LOST]
    target.reconnects.extend([Unreachable("web-1: refused"), again(target)])
    assert await target.hold.session.act(counting(target, repeatable=True)) == 1
    assert reopened(target) == [ConnectionReopening, ConnectionReopened]
    assert target.told(ConnectionReopening)[0].reason == "the connection was lost: reset"


async def test_what_may_not_be_repeated_is_told_and_the_connection_is_mended_when_that_is_asked_for(
    target: Stand,
) -> None:
    target.session.breaks["counting"] = [LOST]
    target.reconnects.append(again(target))
    with pytest.raises(ConnectionLost):
        await target.hold.session.act(counting(target, repeatable=False))
    assert target.events == []
    await target.hold.session.mend(LOST)
    await target.hold.session.mend(LOST)
    assert await target.hold.session.act(counting(target, repeatable=False)) == 1
    assert reopened(target) == [ConnectionReopening, ConnectionReopened]


async def test_all_that_lost_it_share_one_new_connection(target: Stand) -> None:
    target.session.breaks["counting"] = [LOST] * 5
    target.reconnects.append(again(target))
    program = counting(target, repeatable=True)
    await asyncio.gather(*(target.hold.session.act(program) for _ in range(5)))
    assert len((target.home / "runs").read_text().split()) == 5
    assert target.reconnects == []


async def test_patience_ends_and_is_not_had_again(target: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target.hold.session, "patience_s", 0.01)
    target.session.breaks["counting"] = [LOST] * 2
    target.reconnects.extend(Unreachable("web-1: no route", hint="look") for _ in range(100))
    with pytest.raises(ConnectionLost, match="reset; it could not be reached again: no route") as caught:
        await target.hold.session.act(counting(target, repeatable=True))
    assert caught.value.hint == "look"
    left = len(target.reconnects)
    with pytest.raises(ConnectionLost):
        await target.hold.session.act(counting(target, repeatable=True))
    assert len(target.reconnects) == left - 1


async def test_another_host_key_ends_it_at_once(target: Stand) -> None:
    target.session.breaks["counting"] = [LOST]
    target.reconnects.append(HostKeyRefused("web-1: changed", changed=True))
    with pytest.raises(HostKeyRefused):
        await target.hold.session.act(counting(target, repeatable=True))


async def test_a_program_that_is_late_is_not_repeated(target: Stand) -> None:
    target.session.breaks["counting"] = [DeadlinePassed("web-1: late")]
    with pytest.raises(DeadlinePassed):
        await target.hold.session.act(counting(target, repeatable=True))
    assert target.events == []


async def test_a_target_that_lets_us_in_and_says_nothing_is_given_up(target: Stand) -> None:
    target.hold.session.patience_s = 0
    silent = [again(target) for _ in range(3)]
    for session in (target.session, *silent):
        session.breaks["counting"] = [TargetTimeout("web-1: no answer")]
    target.reconnects.extend(silent)
    with pytest.raises(TargetTimeout):
        await target.hold.session.act(counting(target, repeatable=True))


async def test_what_is_listened_to_is_not_repeated(target: Stand) -> None:
    target.session.breaks["counting"] = [LOST]
    with pytest.raises(ConnectionLost):
        await target.hold.session.act(counting(target, repeatable=True), on_output=lambda data: None)
    assert target.events == []
