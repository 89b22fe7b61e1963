"""What a run asks and checks before it changes anything, with real programs in folders of this machine."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from octo_ssh.errors import ExitCode, Refused, RemoteError, Unreachable
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.model.events import RunEnded
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.program import Acting
from octo_ssh.operations import saved
from octo_ssh.operations.apply import apply
from octo_ssh.operations.plan import plan
from octo_ssh.operations.requests import ApplyOptions, PlanRequest, Surroundings
from tests.unit.operations.fleets import CountedSession, LocalFleet
from tests.unit.operations.test_approvals import Yes

R = TypeVar("R")

INVENTORY = """
version: 1
environments: {production: {confirm: true}}
targets:
  web-[1:2]: {environments: [production]}
"""
HEAD = "version: 1\nproject: shop\nenvironment: production\n"
HERE = "- {name: Note, on: controller, run: 'echo noted >note'}\n"


async def run(fleet: LocalFleet, steps: str, options: ApplyOptions) -> ExitCode:
    fleet.write(INVENTORY)
    path = fleet.folder / "plan.yaml"
    path.write_text(f"{HEAD}steps:\n{steps}")
    return await apply(
        PlanRequest(str(path)),
        options,
        emit=fleet.events.append,
        make_connector=fleet.make_connector,
        surroundings=Surroundings(fleet.folder / "state", fleet.folder / "cache"),
    )


def noted(fleet: LocalFleet) -> bool:
    return (fleet.folder / "note").exists()


async def test_a_confirmation_is_wanted_for_the_controller_alone_too(fleet: LocalFleet) -> None:
    with pytest.raises(Refused, match="nobody is here"):
        await run(fleet, HERE, ApplyOptions())
    person = Yes(answer=False)
    with pytest.raises(Refused, match="not confirmed"):
        await run(fleet, HERE, ApplyOptions(person=person))
    assert person.asked == ["Apply shop on the controller, for production?"]
    assert not noted(fleet)
    assert await run(fleet, HERE, ApplyOptions(yes=True)) is ExitCode.DONE
    assert noted(fleet)


async def test_a_run_that_halts_before_it_begins_asks_nothing_and_tells_of_its_end(fleet: LocalFleet) -> None:
    fleet.broken["web-2"] = Unreachable("web-2: connection refused")
    steps = "- {name: Work, run: 'true'}\n- {name: Sign, approve: Look}\n" + HERE.replace(
        "Note,", "Note, when: always,"
    )
    assert await run(fleet, steps, ApplyOptions()) is ExitCode.INCOMPLETE
    assert noted(fleet)


async def test_missing_tools_of_the_controller_are_told_before_a_target_is_changed(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(_: ControllerSeat) -> None:
        raise RemoteError("setsid missing on this machine")

    monkeypatch.setattr(ControllerSeat, "check", lacks)
    work = "- {name: Work, run: 'touch ~/worked'}\n"
    with pytest.raises(RemoteError, match="setsid"):
        await run(fleet, work + HERE, ApplyOptions(yes=True))
    assert not (fleet.home("web-1") / ".octo-ssh").exists()
    approved = ApplyOptions(yes=True, approvals={"Sign": "fine"})
    assert await run(fleet, f"{work}- {{name: Sign, approve: Look}}\n", approved) is ExitCode.DONE  # nothing runs here
    assert (fleet.home("web-1") / "worked").exists()


@pytest.mark.parametrize(
    "step",
    ["file: ~/key, content: {secret: {env: SHOP_KEY}}", "run: 'true', env: {KEY: {secret: {env: SHOP_KEY}}}"],
)
async def test_the_controllers_scripts_inherit_no_secret_of_any_step(
    fleet: LocalFleet, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "hunter2hunter2")
    here = "- {name: Note, on: controller, run: 'echo ${SHOP_KEY-nothing} >note'}\n"
    assert await run(fleet, f"- {{name: Key, {step}}}\n{here}", ApplyOptions(yes=True)) is ExitCode.DONE
    assert (fleet.folder / "note").read_text() == "nothing\n"


NOTE = "- {name: File, file: ~/note, content: right}\n- {name: Sign, approve: Look}\n"
"""In a plan with a package nothing here happens by itself."""


async def apply_release(fleet: LocalFleet, options: ApplyOptions) -> ExitCode:
    release = fleet.folder / "release"
    release.mkdir(exist_ok=True)
    (release / "app").write_text("app")
    head = "release: '1.0'\npackages: {shop: {dir: release}}\n"
    deploy = "- {name: Deploy, package: shop, to: ~/shop}\n"
    fleet.write(INVENTORY)
    path = fleet.folder / "plan.yaml"
    path.write_text(f"{HEAD}{head}steps:\n{deploy}{NOTE}{HERE}")
    return await apply(
        PlanRequest(str(path)),
        options,
        emit=fleet.events.append,
        make_connector=fleet.make_connector,
        surroundings=Surroundings(fleet.folder / "state", fleet.folder / "cache"),
    )


def forget(fleet: LocalFleet, name: str) -> Path:
    """The target does not know its file any more; the path of its baseline."""
    path = fleet.home(name) / ".octo-ssh/state/shop/production.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {}}))
    return path


async def test_a_run_that_only_remembers_asks_nobody_and_ends_unchanged(fleet: LocalFleet) -> None:
    everything = ApplyOptions(yes=True, approvals={"Sign": "fine"})
    assert await apply_release(fleet, everything) is ExitCode.DONE
    (fleet.folder / "note").unlink()
    path = forget(fleet, "web-1")
    assert await apply_release(fleet, ApplyOptions()) is ExitCode.DONE
    assert {end.target: end.outcome for end in last_end(fleet).results} == {
        "web-1": Outcome.UNCHANGED,
        "web-2": Outcome.UNCHANGED,
    }
    assert not noted(fleet)
    assert "file" in json.loads(path.read_text())["files"]
    lines = (fleet.home("web-1") / ".octo-ssh/journal.jsonl").read_bytes()
    assert await apply_release(fleet, ApplyOptions()) is ExitCode.DONE
    assert (fleet.home("web-1") / ".octo-ssh/journal.jsonl").read_bytes() == lines, "nothing is left to remember"


class Overtaken(CountedSession):
    """Another run changes the target after this one has looked, and before it locks."""

    async def act(self, program: Acting[R], **keys: Any) -> R:
        home = self._fleet.home(self.target)
        if (home / "note").read_text() == "right":
            (home / "note").write_text("wrong")
            journal = home / ".octo-ssh/journal.jsonl"
            journal.write_bytes(journal.read_bytes() + b'{"v":1,"at":"%.9f"}\n' % time.time())
        return await super().act(program, **keys)


async def test_who_was_not_asked_is_asked_when_a_second_look_finds_changes(fleet: LocalFleet) -> None:
    await apply_release(fleet, ApplyOptions(yes=True, approvals={"Sign": "fine"}))
    forget(fleet, "web-1")
    home = fleet.home("web-1")
    fleet.sessions = {"web-1": Overtaken(fleet, "web-1")}
    with pytest.raises(Refused, match="'Sign' will ask for an approval"):
        await apply_release(fleet, ApplyOptions(yes=True))
    (home / "note").write_text("right")
    with pytest.raises(Refused, match="asks for a confirmation"):
        await apply_release(fleet, ApplyOptions(approvals={"Sign": "fine"}))
    assert (home / "note").read_text() == "wrong"


async def test_a_saved_plan_is_held_to_what_a_second_look_finds(fleet: LocalFleet) -> None:
    agreed = ApplyOptions(yes=True, approvals={"Sign": "fine"})
    await apply_release(fleet, agreed)
    forget(fleet, "web-1")
    surroundings = Surroundings(fleet.folder / "state", fleet.folder / "cache")
    request, out = PlanRequest(str(fleet.folder / "plan.yaml")), str(fleet.folder / "saved")
    await plan(
        request, emit=fleet.events.append, make_connector=fleet.make_connector, surroundings=surroundings, out=out
    )
    fleet.sessions = {"web-1": Overtaken(fleet, "web-1")}
    with pytest.raises(Refused, match="web-1 is not as when this plan was made"):
        await apply_release(fleet, replace(agreed, check=saved.read(out).refuse_changes))
    assert (fleet.home("web-1") / "note").read_text() == "wrong"


def last_end(fleet: LocalFleet) -> RunEnded:
    return [event for event in fleet.events if isinstance(event, RunEnded)][-1]


@pytest.mark.parametrize("works", [False, True])
async def test_a_target_that_went_back_forgets_nothing_also_where_that_is_ignored(
    fleet: LocalFleet, works: bool
) -> None:
    await apply_release(fleet, ApplyOptions(yes=True, approvals={"Sign": "fine"}))
    verify = f"on_failure: ignore, verify: {{command: '{str(works).lower()}', within: 1s}}"
    head = "release: '2.0'\npackages: {shop: {dir: release}}\n"
    path = fleet.folder / "plan.yaml"
    path.write_text(f"{HEAD}{head}steps:\n- {{name: Deploy, package: shop, to: ~/shop, {verify}}}\n")
    ended = await apply(
        PlanRequest(str(path)),
        ApplyOptions(yes=True),
        emit=fleet.events.append,
        make_connector=fleet.make_connector,
        surroundings=Surroundings(fleet.folder / "state", fleet.folder / "cache"),
    )
    left = json.loads((fleet.home("web-1") / ".octo-ssh/state/shop/production.json").read_text())
    assert (ended, list(left["files"])) == ((ExitCode.DONE, []) if works else (ExitCode.FAILED, ["file"]))
