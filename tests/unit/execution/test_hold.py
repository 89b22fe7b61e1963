"""A target that a run holds: what it writes down, what it does not know, and that it is its own no longer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import ConnectionLost, LeaseLost, RemoteError, Unreachable
from octo_ssh.model.events import TargetWarned
from octo_ssh.model.memory import line_sha256
from octo_ssh.model.outcomes import Outcome
from octo_ssh.remote.lock import free
from tests.unit.execution.targets import Stand, stand
from tests.unit.execution.test_engine import do, work


def journal(target: Stand) -> list[dict[str, Any]]:
    """Its lines, which are one chain."""
    raw = (target.home / ".octo-ssh/journal.jsonl").read_bytes().splitlines()
    lines = [json.loads(line) for line in raw]
    assert [line["prev"] for line in lines] == ["", *map(line_sha256, raw[:-1])]
    return lines


async def lose_the_reply(target: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written, and nobody hears of it."""
    act = target.session.act

    async def unheard(program: Any, **how: Any) -> Any:
        await act(program, **how)
        raise ConnectionLost("web-1: gone")

    target.hold.session.patience_s = 0
    target.reconnects.append(Unreachable("web-1: refused"))
    monkeypatch.setattr(target.session, "act", unheard)
    with pytest.raises(ConnectionLost):
        await target.hold.record({"what": "one"})
    monkeypatch.undo()


async def test_a_line_of_which_nobody_heard_is_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    await lose_the_reply(target, monkeypatch)
    await target.hold.record({"what": "two"})
    await target.hold.release("changed")
    assert [line["what"] for line in journal(target)] == ["decided", "one", "two", "run ended"]


async def test_a_line_that_was_never_written_is_not_gone_on_from(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.session.breaks["writing the journal"] = [RemoteError("web-1: the disk is full")]
    with pytest.raises(RemoteError):
        await target.hold.record({"what": "one"})
    await target.hold.record({"what": "two"})
    assert [line["what"] for line in journal(target)] == ["decided", "two"]


async def test_the_last_line_too_goes_on_from_one_of_which_nobody_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    await lose_the_reply(target, monkeypatch)
    await target.hold.release("unknown")
    assert [line["what"] for line in journal(target)] == ["decided", "one", "run ended"]
    assert target.told(TargetWarned) == []


async def test_a_lease_that_is_given_back_without_its_last_line_is_told_of(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / ".octo-ssh/journal.jsonl").write_text("somebody wrote this\n")
    await target.hold.release("changed")
    assert (await target.hold.look()).lease is None
    (warning,) = target.told(TargetWarned)
    assert "the end of the run is not in its journal: somebody else wrote to" in warning.text


async def test_whoever_slept_asks_first_whether_the_target_is_still_its_own(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.hold._seen_s -= 1000
    assert (await do(target, work("true"))).outcome is Outcome.CHANGED
    assert target.session.acted.count("renewing the lock") == 1
    lease = (await target.hold.look()).lease
    assert lease is not None
    await target.session.act(free(target.hold.root, lease))
    target.hold._seen_s -= 1000
    end = await do(target, work("touch ~/ran"))
    assert (end.outcome, end.reason) == (
        Outcome.UNKNOWN,
        "the lock was released by somebody else: octo-ssh lock --release",
    )
    assert not (target.home / "ran").exists()
    with pytest.raises(LeaseLost):
        await target.hold.assure()
