"""What a run asks and checks before it changes anything, with real programs in folders of this machine."""

from __future__ import annotations

import pytest

from octo_ssh.errors import ExitCode, Refused, RemoteError, Unreachable
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.operations.apply import apply
from octo_ssh.operations.requests import ApplyOptions, PlanRequest, Surroundings
from tests.unit.operations.fleets import LocalFleet
from tests.unit.operations.test_approvals import Yes

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
    plan = fleet.folder / "plan.yaml"
    plan.write_text(f"{HEAD}steps:\n{steps}")
    return await apply(
        PlanRequest(str(plan)),
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
