"""One command on many targets."""

from __future__ import annotations

from typing import Any, cast

import pytest

from octo_ssh.errors import ConnectionLost, Position, Unreachable
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import ExecResult
from octo_ssh.model.values import PromptSource, SecretRef
from octo_ssh.operations import exec_, roster
from octo_ssh.operations.exec_ import run_command
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import Roster
from octo_ssh.transport.session import Session
from tests.unit.operations.fleets import LocalFleet


async def run(
    fleet: LocalFleet, command: str | tuple[str, ...], *selector: str, timeout_s: float = 30.0
) -> tuple[ExecResult, ...]:
    return await run_command(
        fleet.request(*selector),
        command,
        timeout_s=timeout_s,
        emit=fleet.events.append,
        make_connector=fleet.make_connector,
    )


async def test_shell_text_runs_in_each_targets_home(fleet: LocalFleet) -> None:
    rows = await run(fleet, 'echo "$OCTO_TARGET"; pwd -P; cat')
    homes = {row.target: f"{row.target}\n{fleet.home(row.target).resolve()}\n".encode() for row in rows}
    assert {row.target: row.output for row in rows} == homes
    assert {(row.outcome, row.status) for row in rows} == {(Outcome.CHANGED, 0)}
    assert list(fleet.home("web-1").iterdir()) == [], "something was left on the target"


async def test_both_streams_come_in_their_order(fleet: LocalFleet) -> None:
    (row,) = await run(fleet, "echo one; echo two >&2; echo three; exit 3", "db")
    assert (row.outcome, row.status, row.output) == (Outcome.FAILED, 3, b"one\ntwo\nthree\n")


async def test_several_words_are_a_program_and_its_arguments(fleet: LocalFleet) -> None:
    (row,) = await run(fleet, ("printf", "%s|", "it's", "$HOME", "a\nb", "", "*", "-n"), "db")
    assert row.output == b"it's|$HOME|a\nb||*|-n|"


async def test_a_program_that_is_not_there_is_a_failure_of_the_command(fleet: LocalFleet) -> None:
    (row,) = await run(fleet, ("no-such-program",), "db")
    assert (row.outcome, row.status) == (Outcome.FAILED, 127)


async def test_a_command_that_takes_too_long_is_ended(fleet: LocalFleet) -> None:
    (row,) = await run(fleet, "echo begun; sleep 60", "db", timeout_s=1.5)
    assert (row.outcome, row.status, row.output) == (Outcome.FAILED, None, b"begun\n")
    assert row.reason == "not done within 1.5 s: its processes were ended"


async def test_endless_output_is_bounded(fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_, "MAX_OUTPUT_BYTES", 1000)
    (row,) = await run(fleet, "head -c 50000 /dev/zero | tr '\\0' x", "db")
    assert row.output == b"x" * 1000 + b"\n[and 49,000 bytes more]\n"


async def test_targets_that_are_gone_or_go_are_told_apart(fleet: LocalFleet) -> None:
    class Lost:
        target = "web-2"

        async def act(self, program: Any, *, on_output: Any, **_: Any) -> Any:
            on_output(b"half")
            raise ConnectionLost("web-2: the connection is gone")

        async def close(self) -> None:
            """Nothing is open."""

    fleet.broken["web-1"] = Unreachable("web-1: no route")
    fleet.sessions = {"web-2": cast(Session, Lost())}
    rows = await run(fleet, "echo well", "tag:web")
    assert [(row.target, row.outcome, row.output, row.reason) for row in rows] == [
        ("web-1", Outcome.UNREACHABLE, b"", "no route"),
        ("web-2", Outcome.UNKNOWN, b"half", "the connection is gone"),
        ("web-3", Outcome.CHANGED, b"well\n", ""),
    ]


async def test_passwords_of_the_inventory_are_masked_in_what_is_printed(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(request: FleetRequest) -> Roster:
        found = roster.call(request)
        found.secrets.remember(SecretRef(PromptSource("Password"), Position("inventory.yaml")), "hunter2hunter2")
        return found

    monkeypatch.setattr(exec_, "call", call)
    (row,) = await run(fleet, "echo it is hunter2hunter2; printf hunter2hunter2 | base64; exit 3", "db")
    assert (row.status, row.output) == (3, b"it is ***\n***\n")
    (row,) = await run(fleet, "echo hunter2hunter2; sleep 60", "db", timeout_s=1.5)
    assert row.output == b"***\n"
