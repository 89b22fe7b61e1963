"""Steps on the controller: where they run, what they inherit, what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.engine import Engine
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.model.events import OutputSet
from octo_ssh.model.observed import StepOutputs
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, ApproveStep
from octo_ssh.model.values import Template
from octo_ssh.model.work import ApproveWork, LateText, Planned, PlannedStep, ScriptWork
from octo_ssh.planning.schedule import Start
from tests.unit.execution.targets import Stand, stand
from tests.unit.planning.builders import HERE, run, step


async def do(target: Stand, work: ScriptWork | ApproveWork, place: str = CONTROLLER, **keys: Any) -> StepEnd:
    kind = ApproveStep("look") if isinstance(work, ApproveWork) else run("x").kind
    made = step("go", kind, on_controller=True)
    planned = PlannedStep(made, (place,), {place: Planned(Outcome.CHANGED, "", work, **keys)})
    folder = target.home.parent / "plan folder"
    folder.mkdir(exist_ok=True)
    seat = ControllerSeat.at(str(folder), root=str(target.home.parent / "run"), hidden=["SHOP_TOKEN"])
    engine = Engine(target.context, {"web-1": target.hold}, seat, {"go": planned}, set())
    return await engine.carry_out(Start("go", place))


def script(text: str, **keys: Any) -> ScriptWork:
    return ScriptWork(text, {}, keys.pop("cwd", None), {}, None, 20.0, "", **keys)


async def test_a_script_runs_in_the_plans_folder_and_its_outputs_count(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    end = await do(target, script("pwd; octo_set port 8080"))
    assert (end.outcome, end.tail) == (Outcome.CHANGED, str(tmp_path / "plan folder").encode())
    assert target.told(OutputSet) == [OutputSet("go", CONTROLLER, "port", "8080")]
    assert target.context.outputs.steps("web-1")["go"]["output"] == {"port": "8080"}
    (tmp_path / "plan folder/inner").mkdir()
    assert (await do(target, script("pwd", cwd="inner"))).tail.endswith(b"plan folder/inner")


async def test_what_was_said_here_is_remembered_by_the_targets_that_the_run_holds(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    run_id = target.context.identity.run
    await do(target, script("octo_set port 8080"))
    assert target.hold.baseline.outputs == {"go": StepOutputs({"port": "8080"}, release="1.0", run=run_id)}
    assert (await do(target, script("octo_set port 8081; exit 1"))).outcome is Outcome.FAILED
    assert target.hold.baseline.outputs["go"].values == {"port": "8080"}
    await do(target, script("true"))
    assert target.hold.baseline.outputs == {}


async def test_secrets_of_the_plan_are_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2hunter2")
    monkeypatch.setenv("SHOP_REGION", "eu")
    target = await stand(tmp_path)
    end = await do(target, script('echo "${SHOP_TOKEN-none} $SHOP_REGION"'))
    assert end.tail == b"none eu"


async def test_done_for_a_target_is_remembered_there(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    assert target.hold.baseline.due == {}
    end = await do(target, script("true"), place="web-1")
    assert end.outcome is Outcome.CHANGED
    assert b'"on":"controller"' in (target.home / ".octo-ssh/journal.jsonl").read_bytes().splitlines()[-1]


@pytest.mark.parametrize(("given", "outcome"), [(True, Outcome.UNCHANGED), (False, Outcome.FAILED)])
async def test_an_approval_is_given_or_refused(tmp_path: Path, given: bool, outcome: Outcome) -> None:
    target = await stand(tmp_path)
    target.approvals.append(given)
    end = await do(target, ApproveWork("look"))
    assert (end.outcome, end.reason) == (outcome, "approved" if given else "not approved")


@pytest.mark.parametrize(("value", "outcome"), [("1", Outcome.CHANGED), ("0", Outcome.SKIPPED)])
async def test_a_condition_on_outputs_is_decided_when_its_turn_comes(
    tmp_path: Path, value: str, outcome: Outcome
) -> None:
    target = await stand(tmp_path)
    target.context.outputs.take("other", "web-1", {"count": value})
    condition = LateText(Template("${{ steps.other.output.count | int > 0 }}", HERE), {}, after=("other",))
    end = await do(target, script("true"), conditions=(condition,))
    assert end.outcome is outcome


async def test_a_condition_that_is_no_yes_or_no_fails(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    target.context.outputs.take("other", "web-1", {"count": "1"})
    condition = LateText(Template("${{ steps.other.output.count }}", HERE), {}, after=("other",))
    end = await do(target, script("true"), conditions=(condition,))
    assert end.outcome is Outcome.FAILED
    assert "must give true or false, and gives '1'" in end.reason
