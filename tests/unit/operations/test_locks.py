"""Locking the targets of a run, all or none, with the real programs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import Position, Refused, RemoteError, TargetError
from octo_ssh.execution.context import RunContext, RunIdentity
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.outputs import Outputs
from octo_ssh.execution.steady import SteadySession
from octo_ssh.model import observed
from octo_ssh.model.events import TargetWarned
from octo_ssh.model.inventory import Target
from octo_ssh.model.memory import line_sha256
from octo_ssh.model.observed import Baseline, Lease, Owed
from octo_ssh.operations import locks
from octo_ssh.operations.locks import LockQueue, lock_all, release_all
from octo_ssh.output.record import RunRecord
from octo_ssh.output.reports import holder
from octo_ssh.packages.bundle import Bundles
from octo_ssh.remote.lock import Acquired, acquire, release
from octo_ssh.remote.observe import observe
from tests.unit.operations.fleets import LocalFleet

DUE = {"web-1": ("migrate",), "web-2": ("migrate",)}


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "POLL_S", 0.02)


async def never(*_: object) -> Any:
    raise AssertionError("nobody is asked, and nothing restarts")


async def on_disk() -> None:
    return


async def take(fleet: LocalFleet, name: str) -> Hold:
    """A target as a run holds it before it is locked."""
    identity = RunIdentity("20260101T000000Z-0001", "shop", "1.0", None, "ada", "box")
    context = RunContext(
        identity=identity,
        emit=fleet.events.append,
        on_disk=on_disk,
        now=lambda: "2026-01-01T00:00:00Z",
        secrets=SecretStore(),
        packages={},
        bundles=Bundles(Path("unused")),
        configured={},
        files={},
        outputs=Outputs(SecretStore(), {name: name.title() for name in ("migrate", "init", "seed")}),
        artifacts=fleet.folder / "artifacts",
        connect=never,
        approve=never,
        run_outcome=lambda: "success",
    )
    session = fleet.session(name)
    seen = await session.observe(observe("~/.octo-ssh", "shop", None, ()))
    target = Target(name, Position("inventory.yaml"))
    steady = SteadySession(target, never, fleet.events.append, session)
    return Hold(context, target, steady, seen, token="0123456789abcdef")


async def take_from_others(
    fleet: LocalFleet, name: str, *, who: str = '{"user":"bob","host":"pc","purpose":"apply other","since":"now"}'
) -> Acquired:
    """Somebody else's lease."""
    program = acquire(
        "~/.octo-ssh",
        project="other",
        environment=None,
        run="r0",
        token="t0ken",
        ttl_s=90,
        who=who,
        expect_head="",
        lines=[],
        baseline=None,
    )
    taken = await fleet.session(name).act(program)
    assert isinstance(taken, Acquired)
    return taken


async def lock(
    holds: dict[str, Hold], *, wait_s: float = 0, known: Collection[str] | None = None
) -> tuple[Mapping[str, TargetError], tuple[str, ...]]:
    hold = next(iter(holds.values()))
    state, run = hold.context.artifacts.parent / "state", hold.context.identity.run
    queue = LockQueue(state, run, wait_s, asyncio.get_running_loop().time() + wait_s)
    return await lock_all(holds, DUE, queue, known)


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
    assert (await holds["web-1"].look()).lease is None
    assert due(fleet, "web-1") == {}
    assert [line["what"] for line in journal(fleet, "web-1")] == ["decided", "run ended"]


async def test_waiting_ends_when_the_lease_is_given_back_and_writes_no_journal_meanwhile(fleet: LocalFleet) -> None:
    holds = {name: await take(fleet, name) for name in DUE}
    other = await take_from_others(fleet, "web-2")
    locking = asyncio.create_task(lock(holds, wait_s=60))
    while len(journal(fleet, "web-1")) < 2 or not fleet.events:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # some looks
    assert not locking.done()
    assert len(journal(fleet, "web-1")) == 2
    (told,) = fleet.events
    assert isinstance(told, TargetWarned)
    assert (told.target, told.text[:10]) == ("web-2", "waiting, f")
    given_back = release("~/.octo-ssh", epoch=other.epoch, token="t0ken", project="other", environment=None)
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
    assert (await hold.look()).lease is None


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


async def test_a_lease_that_nobody_renews_is_taken_over_when_it_was_watched_for_its_whole_time(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target was started anew: its own clock tells nothing."""
    monkeypatch.setattr(observed, "MIN_TTL_S", 0.3)
    await take_from_others(fleet, "web-1")
    make_up(fleet, "web-1", "t0ken:0:before-the-reboot:1.0:")
    hold = await take(fleet, "web-1")
    with pytest.raises(Refused, match="from before a reboot") as refused:
        await lock({"web-1": hold})
    assert "take them over if nobody renews them" in refused.value.hint
    assert await lock({"web-1": hold}, wait_s=60) == ({}, ())
    assert [line["what"] for line in journal(fleet, "web-1")] == ["took over", "decided"]
    told = [event.text for event in fleet.events if isinstance(event, TargetWarned)]
    assert [text.split(",")[0].split(" from")[0] for text in told] == ["waiting", "the lock was taken over"]
    await release_all([hold], lambda _: "changed")


async def test_a_lease_that_somebody_renews_is_never_taken_over_however_long_it_is_watched(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observed, "MIN_TTL_S", 0.3)
    await take_from_others(fleet, "web-1")
    make_up(fleet, "web-1", "t0ken:0:before-the-reboot:0.0:")
    hold = await take(fleet, "web-1")
    locking = asyncio.create_task(lock({"web-1": hold}, wait_s=1.5))
    tick = 0
    while not locking.done():
        tick += 1
        make_up(fleet, "web-1", f"t0ken:0:before-the-reboot:{tick}.0:")
        await asyncio.sleep(0.05)
    with pytest.raises(Refused):
        await locking


def make_up(fleet: LocalFleet, name: str, link: str) -> None:
    """The last lease of a target says something else from now on."""
    folder = fleet.home(name) / ".octo-ssh/lock"
    (folder / "1.n.test").symlink_to(link)
    (folder / "1.n.test").rename(folder / "1.r")


async def test_a_run_killed_here_is_taken_over_at_once_and_one_that_lives_is_not(fleet: LocalFleet) -> None:
    state, run = fleet.folder / "state", "20260101T000000Z-0007"
    record = RunRecord.create(state, run, project="other", environment=None)
    who = json.dumps({"user": "bob", "host": socket.gethostname(), "run": run, "purpose": "apply", "since": "now"})
    await take_from_others(fleet, "web-1", who=who)
    hold = await take(fleet, "web-1")
    with pytest.raises(Refused, match=f"locked by bob@.* \\(run {run}\\)"):
        await lock({"web-1": hold})
    record.finish()
    assert await lock({"web-1": hold}) == ({}, ())
    assert journal(fleet, "web-1")[0]["from"]["run"] == run
    await release_all([hold], lambda _: "changed")


async def test_two_runs_that_want_the_same_targets_never_both_go_without(fleet: LocalFleet) -> None:
    for _ in range(5):
        runs = [{name: await take(fleet, name) for name in DUE} for _ in range(2)]
        for number, holds in enumerate(runs):
            for hold in holds.values():
                hold.token = f"run{number}"
        ends = await asyncio.gather(*map(lock, runs), return_exceptions=True)
        # the journal moved for whoever came later, or it is refused
        assert [end for end in ends if end == ({}, ())] == [({}, ())], ends
        await asyncio.gather(*(release_all(holds.values(), lambda _: "changed") for holds in runs))


@pytest.mark.parametrize("known", [None, frozenset({"migrate"})])
async def test_a_runbook_forgets_nothing_that_steps_of_a_plan_owe(
    fleet: LocalFleet, known: frozenset[str] | None
) -> None:
    hold = await take(fleet, "web-1")
    debt = Owed("deploy", "shop", "1.0", "activate")
    left = Baseline(release="1.0", owed=(debt,), due={"1.0": ("deploy",)}, held=frozenset({"init"}))
    hold.observed, hold.baseline = replace(hold.observed, baseline=left), left
    assert await lock({"web-1": hold}, known=known) == ({}, ())
    found: object = (hold.baseline.owed, hold.baseline.due, hold.baseline.held)
    if known is None:
        assert found == ((debt,), {"1.0": ("deploy", "migrate")}, frozenset({"init"}))
    else:
        assert found == ((), {"1.0": ("migrate",)}, frozenset())
    await release_all([hold], lambda _: "changed")
