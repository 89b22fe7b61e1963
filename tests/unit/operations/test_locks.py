"""Locking the targets of a run, all or none, with the real programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import Position, Refused, RemoteError, TargetError
from octo_ssh.execution.context import RunContext, RunIdentity
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.outputs import Outputs
from octo_ssh.model.inventory import Target
from octo_ssh.model.memory import line_sha256
from octo_ssh.model.observed import Baseline, Lease, Owed
from octo_ssh.operations import locks
from octo_ssh.operations.locks import lock_all, release_all
from octo_ssh.output.reports import holder
from octo_ssh.packages.bundle import Bundles
from octo_ssh.remote.lock import Acquired, acquire, free, release
from octo_ssh.remote.observe import observe
from tests.unit.operations.fleets import LocalFleet

DUE = {"web-1": ("migrate",), "web-2": ("migrate",)}


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL_S", 0.02)


async def never(*_: object) -> Any:
    raise AssertionError("nobody is asked, and nothing restarts")


async def take(fleet: LocalFleet, name: str) -> Hold:
    """A target as a run holds it before it is locked."""
    identity = RunIdentity("20260101T000000Z-0001", "shop", "1.0", None, "ada", "box", "2026-01-01")
    context = RunContext(
        identity=identity,
        emit=fleet.events.append,
        now=lambda: "2026-01-01T00:00:00Z",
        secrets=SecretStore(),
        packages={},
        bundles=Bundles(Path("unused")),
        configured={},
        files={},
        outputs=Outputs(SecretStore(), {name: name.title() for name in ("migrate", "init", "seed")}),
        artifacts=Path("unused"),
        connect=never,
        approve=never,
        run_outcome=lambda: "success",
    )
    session = fleet.session(name)
    seen = await session.observe(observe("~/.octo-ssh", "shop", None, ()))
    return Hold(context, Target(name, Position("inventory.yaml")), session, seen, token="0123456789abcdef")


async def take_from_others(fleet: LocalFleet, name: str) -> Acquired:
    """Somebody else's lease."""
    program = acquire(
        "~/.octo-ssh",
        project="other",
        environment=None,
        run="r0",
        token="t0ken",
        ttl_s=90,
        who='{"user":"bob","host":"pc","purpose":"apply other","since":"now"}',
        expect_head="",
        lines=[],
        baseline=None,
    )
    taken = await fleet.session(name).act(program)
    assert isinstance(taken, Acquired)
    return taken


async def lock(holds: dict[str, Hold], *, wait_s: float = 0) -> tuple[Mapping[str, TargetError], tuple[str, ...]]:
    return await lock_all(holds, DUE, deadline=asyncio.get_running_loop().time() + wait_s, wait_s=wait_s)


def journal(fleet: LocalFleet, name: str) -> list[dict[str, Any]]:
    path = fleet.home(name) / ".octo-ssh/journal.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def due(fleet: LocalFleet, name: str) -> Any:
    return json.loads((fleet.home(name) / ".octo-ssh/state/shop/default.json").read_bytes())["due"]


async def test_when_one_target_is_held_nothing_is_due_on_the_others(fleet: LocalFleet) -> None:
    holds = {name: await take(fleet, name) for name in DUE}
    await take_from_others(fleet, "web-2")
    with pytest.raises(Refused, match="web-2 is locked by bob@pc since now for apply other"):
        await lock(holds)
    assert await holds["web-1"].is_free()
    assert due(fleet, "web-1") == {}
    assert [line["what"] for line in journal(fleet, "web-1")] == ["decided", "run ended"]


async def test_waiting_ends_when_the_lease_is_given_back_and_writes_no_journal_meanwhile(fleet: LocalFleet) -> None:
    holds = {name: await take(fleet, name) for name in DUE}
    other = await take_from_others(fleet, "web-2")
    locking = asyncio.create_task(lock(holds, wait_s=60))
    await asyncio.sleep(0.5)  # some looks
    assert not locking.done()
    assert len(journal(fleet, "web-1")) == 2
    given_back = release("~/.octo-ssh", epoch=other.epoch, token="t0ken", run="r0", project="other", environment=None)
    await fleet.session("web-2").act(given_back)
    assert await locking == ({}, ())
    assert due(fleet, "web-1") == {"1.0": ["migrate"]}
    await release_all(holds.values(), lambda _: "changed")
    lines = (fleet.home("web-1") / ".octo-ssh/journal.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["prev"] for line in lines] == ["", *map(line_sha256, lines[:-1])], "the chain holds"


async def test_a_cancelled_locking_leaves_no_lease(fleet: LocalFleet) -> None:
    hold = await take(fleet, "web-1")
    locking = asyncio.create_task(lock({"web-1": hold}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    locking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await locking
    await release_all([hold], lambda _: "skipped")
    assert [line["what"] for line in journal(fleet, "web-1")] == ["decided", "run ended"], "it was taken meanwhile"
    assert await hold.session.act(free("~/.octo-ssh")) is None


async def test_a_cancelled_record_is_whole_and_the_chain_goes_on(fleet: LocalFleet) -> None:
    hold = await take(fleet, "web-1")
    assert await lock({"web-1": hold}) == ({}, ())
    recording = asyncio.create_task(hold.record({"what": "step ended"}))
    await asyncio.sleep(0)
    recording.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recording
    await release_all([hold], lambda _: "changed")
    lines = (fleet.home("web-1") / ".octo-ssh/journal.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["what"] for line in lines] == ["decided", "step ended", "run ended"]
    assert [json.loads(line)["prev"] for line in lines] == ["", *map(line_sha256, lines[:-1])]


async def test_a_target_that_cannot_be_locked_says_why_and_is_not_ours(fleet: LocalFleet) -> None:
    hold = await take(fleet, "web-1")
    (fleet.home("web-1") / ".octo-ssh").write_text("in the way")
    failed, moved = await lock({"web-1": hold})
    assert isinstance(failed["web-1"], RemoteError)
    assert moved == ()
    assert hold.lost


@pytest.mark.parametrize("who", ["[" * 900, "5", "{}", '{"user":[]}', "not json"])
def test_whatever_a_lease_says_of_its_holder_is_shown_as_it_stands(who: str) -> None:
    assert holder(Lease(1, "t", 90, "boot", 0.0, who, age_s=1.0)) == who


async def test_what_unless_said_when_the_run_decided_is_remembered_with_the_decision(fleet: LocalFleet) -> None:
    hold = await take(fleet, "web-1")
    hold.observed = replace(hold.observed, unless={"init": 0, "seed": 1})
    assert await lock({"web-1": hold}) == ({}, ())
    assert hold.baseline.held == {"init"}
    state = json.loads((fleet.home("web-1") / ".octo-ssh/state/shop/default.json").read_bytes())
    assert state["held"] == ["init"]
    await release_all([hold], lambda _: "changed")


@pytest.mark.parametrize("known", [None, frozenset({"migrate"})])
async def test_a_runbook_forgets_nothing_that_steps_of_a_plan_owe(
    fleet: LocalFleet, known: frozenset[str] | None
) -> None:
    hold = await take(fleet, "web-1")
    debt = Owed("deploy", "shop", "1.0", "activate")
    left = Baseline(release="1.0", owed=(debt,), due={"1.0": ("deploy",)}, held=frozenset({"init"}))
    hold.observed, hold.baseline = replace(hold.observed, baseline=left), left
    deadline = asyncio.get_running_loop().time()
    assert await lock_all({"web-1": hold}, DUE, known, deadline=deadline, wait_s=0) == ({}, ())
    found: object = (hold.baseline.owed, hold.baseline.due, hold.baseline.held)
    if known is None:
        assert found == ((debt,), {"1.0": ("deploy", "migrate")}, frozenset({"init"}))
    else:
        assert found == ((), {"1.0": ("migrate",)}, frozenset())
    await release_all([hold], lambda _: "changed")
