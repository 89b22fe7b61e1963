"""Whom a command without a plan is for, and visiting them."""

from __future__ import annotations

import asyncio

import pytest

from octo_ssh.errors import ConnectionLost, FileErrors, RemoteError, TargetError, TargetTimeout, Unreachable, UsageError
from octo_ssh.model.inventory import Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call, outcome_of, visit
from octo_ssh.transport.session import Session
from tests.unit.operations.fleets import LocalFleet


@pytest.mark.parametrize(
    ("selector", "environment", "names"),
    [
        ((), None, ("web-1", "web-2", "web-3", "db")),
        (("tag:web", "!web-2"), None, ("web-1", "web-3")),
        (("db", "web-1"), None, ("web-1", "db")),
        ((), "production", ("db",)),
    ],
)
def test_targets_are_called_in_the_inventorys_order(
    fleet: LocalFleet, selector: tuple[str, ...], environment: str | None, names: tuple[str, ...]
) -> None:
    roster = call(fleet.request(*selector, environment=environment))
    assert roster.names == names
    assert tuple(target.name for target in roster.targets) == names


@pytest.mark.parametrize(
    ("selector", "environment", "message"),
    [
        (("web-9",), None, "web-9"),
        (("tag:wbe",), None, "web"),
        (("@failed",), None, "@failed"),
        (("web-1 & db",), None, "'web-1 & db' selects no target"),
        (("web-1",), "production", "'web-1' selects no target in production"),
        ((), "producton", "there is no environment 'producton'.*production"),
    ],
)
def test_what_was_typed_wrongly_is_bad_usage(
    fleet: LocalFleet, selector: tuple[str, ...], environment: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        call(fleet.request(*selector, environment=environment))


def test_an_inventory_that_is_not_there_is_bad_usage_and_a_bad_one_is_not(fleet: LocalFleet) -> None:
    with pytest.raises(UsageError, match=r"there is no inventory 'nowhere\.yaml'"):
        call(FleetRequest("nowhere.yaml"))
    fleet.write("version: 1\ntargts: {}\n")
    with pytest.raises(FileErrors, match="targts"):
        call(fleet.request())


async def test_every_target_has_its_own_end_and_every_connection_is_closed(fleet: LocalFleet) -> None:
    fleet.broken["web-2"] = Unreachable("web-2: refused")

    async def do(target: Target, session: Session) -> str:
        if target.name == "db":
            raise RemoteError("db: no")
        return target.name.upper()

    seen = await visit(call(fleet.request()), do, emit=fleet.events.append, make_connector=fleet.make_connector)
    assert {name: str(answer) for name, answer in seen.items()} == {
        "web-1": "WEB-1",
        "web-2": "web-2: refused",
        "web-3": "WEB-3",
        "db": "db: no",
    }
    assert list(seen) == ["web-1", "web-2", "web-3", "db"]
    assert sorted(fleet.told()) == [
        ("TargetConnected", "db"),
        ("TargetConnected", "web-1"),
        ("TargetConnected", "web-3"),
        ("TargetLost", "web-2"),
    ]
    assert (fleet.open, fleet.is_closed) == (0, True)


async def test_only_so_many_targets_are_visited_at_once(fleet: LocalFleet) -> None:
    fleet.write("version: 1\ntargets: {'t-[1:40]': {}}\n")

    async def do(target: Target, session: Session) -> None:
        await asyncio.sleep(0)

    await visit(call(fleet.request()), do, emit=fleet.events.append, make_connector=fleet.make_connector, at_once=7)
    assert fleet.most_open == 7


@pytest.mark.parametrize(
    ("error", "looking", "acting"),
    [
        (Unreachable("x"), Outcome.UNREACHABLE, Outcome.UNREACHABLE),
        (RemoteError("x"), Outcome.FAILED, Outcome.FAILED),
        (ConnectionLost("x"), Outcome.UNREACHABLE, Outcome.UNKNOWN),
        (TargetTimeout("x"), Outcome.UNREACHABLE, Outcome.FAILED),
    ],
)
def test_what_an_error_says_depends_on_whether_something_was_done(
    error: TargetError, looking: Outcome, acting: Outcome
) -> None:
    assert (outcome_of(error), outcome_of(error, acted=True)) == (looking, acting)
