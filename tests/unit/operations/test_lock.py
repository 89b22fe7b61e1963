"""Showing and freeing locks, with the real programs."""

from __future__ import annotations

import os

import pytest

from octo_ssh.errors import RemoteError, Unreachable, UsageError
from octo_ssh.model.outcomes import Outcome
from octo_ssh.operations.lock import locks
from octo_ssh.remote.lock import Acquired, acquire, renew
from tests.unit.operations.fleets import LocalFleet


async def hold(fleet: LocalFleet, name: str, root: str = "~/.octo-ssh") -> Acquired:
    program = acquire(
        root,
        project="shop",
        environment="staging",
        run="r1",
        token="t0ken",
        ttl_s=90,
        who='{"user":"ada"}',
        expect_head="",
        lines=[],
        baseline=None,
    )
    taken = await fleet.session(name).act(program)
    assert isinstance(taken, Acquired)
    return taken


async def test_who_holds_what_is_shown_and_nothing_is_changed(fleet: LocalFleet) -> None:
    await hold(fleet, "web-1")
    fleet.broken["web-3"] = Unreachable("refused")
    for _ in range(2):
        rows = await locks(
            fleet.request(),
            release=False,
            state=fleet.folder / "state",
            emit=fleet.events.append,
            make_connector=fleet.make_connector,
        )
        assert [(row.target, row.outcome, row.lease and row.lease.who, row.released, row.reason) for row in rows] == [
            ("web-1", Outcome.UNCHANGED, '{"user":"ada"}', False, ""),
            ("web-2", Outcome.UNCHANGED, None, False, ""),
            ("web-3", Outcome.UNREACHABLE, None, False, "refused"),
            ("db", Outcome.UNCHANGED, None, False, ""),
        ]


async def test_release_ends_the_lease_and_its_holder_has_lost_it(fleet: LocalFleet) -> None:
    taken = await hold(fleet, "db", "~/elsewhere")
    rows = await locks(
        fleet.request("all"),
        release=True,
        state=fleet.folder / "state",
        emit=fleet.events.append,
        make_connector=fleet.make_connector,
    )
    assert [(row.target, row.outcome, row.released) for row in rows] == [
        ("web-1", Outcome.UNCHANGED, False),
        ("web-2", Outcome.UNCHANGED, False),
        ("web-3", Outcome.UNCHANGED, False),
        ("db", Outcome.CHANGED, True),
    ]
    assert rows[3].lease is not None
    assert rows[3].lease.token == "t0ken"
    with pytest.raises(RemoteError, match="lock was released by somebody else"):
        await fleet.session("db").act(renew("~/elsewhere", epoch=taken.epoch, token="t0ken", ttl_s=90))
    assert os.listdir(fleet.home("web-1")) == [], "a target without a lock was written to"


async def test_releasing_wants_targets_named(fleet: LocalFleet) -> None:
    with pytest.raises(UsageError, match="--release wants targets"):
        await locks(
            fleet.request(),
            release=True,
            state=fleet.folder / "state",
            emit=fleet.events.append,
            make_connector=fleet.make_connector,
        )
    assert fleet.told() == []
