"""Outputs of steps: whose counts for whom, what scripts get of them, what is remembered."""

from __future__ import annotations

import base64

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import SecretError
from octo_ssh.execution.outputs import Outputs, to_remember
from octo_ssh.model.observed import Baseline, StepOutputs
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.model.work import PlannedStep, RunPlan
from tests.unit.planning.builders import due, here, observed, run


def outputs() -> Outputs:
    return Outputs(SecretStore({}), {"go": "Go", "other": "Other"})


def plan(release: str, *steps: PlannedStep) -> RunPlan:
    return RunPlan("shop", release, None, ("web-1", "web-2"), steps, max_failures=0)


def test_a_place_reads_its_own_before_anybody_elses() -> None:
    said = outputs()
    said.remember({}, plan("1.0", due(run("go"), ["web-1", "web-2"])))
    said.take("go", "web-1", {"port": "1"})
    said.take("go", "web-2", {"port": "2"})
    assert said.steps("web-1")["go"]["output"] == {"port": "1"}
    assert said.steps("web-3")["go"]["output"] == {"port": "2"}
    assert said.steps("web-3")["go"]["outputs"] == {"web-1": {"port": "1"}, "web-2": {"port": "2"}}


def test_what_targets_remember_counts_until_this_run_says_something() -> None:
    said = outputs()
    old = Baseline(
        outputs={"go": StepOutputs({"port": "1", "gone": "x"}, release="1.0"), "removed": StepOutputs({"a": "b"})}
    )
    said.remember({"web-1": observed(baseline=old)}, plan("1.0"))
    assert said.steps("web-1") == {
        "go": {"output": {"port": "1", "gone": "x"}, "outputs": {"web-1": old.outputs["go"].values}}
    }
    said.take("go", "web-1", {"port": "2"})
    assert said.steps("web-1")["go"]["output"] == {"port": "2"}


def test_of_a_step_that_ran_once_here_and_there_this_releases_counts() -> None:
    said = outputs()
    said.remember(
        {
            "web-1": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "new"}, release="1.1")})),
            "web-2": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "old"}, release="1.0")})),
        },
        plan("1.1"),
    )
    assert said.steps("db")["go"]["output"] == {"v": "new"}


def test_what_a_target_remembers_of_a_step_that_ran_elsewhere_since_counts_no_more() -> None:
    """Neither here, where a ``once`` step ran for another release, nor as the latest, of two runs for this one."""
    said = outputs()
    remembered = {
        "web-1": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "new"}, release="1.1", run="r3")})),
        "web-2": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "old"}, release="1.1", run="r2")})),
        "web-3": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "back"}, release="1.0", run="r4")})),
    }
    said.remember(remembered, plan("1.1", due(run("go", once=True), ["web-1"])))
    assert [said.steps(name)["go"]["output"]["v"] for name in remembered] == ["new"] * 3
    said.take("go", "web-3", {"v": "now"})
    assert [said.steps(name)["go"]["output"]["v"] for name in remembered] == ["now"] * 3


def test_what_was_said_on_the_controller_is_remembered_by_targets() -> None:
    said = outputs()
    remembered = {
        "web-1": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "new"}, release="1.0", run="r2")})),
        "web-2": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "old"}, release="1.0", run="r1")})),
    }
    said.remember(remembered, plan("1.0", here(run("go"))))
    assert said.steps("web-2")["go"] == {"output": {"v": "new"}, "outputs": {CONTROLLER: {"v": "new"}}}


def test_secret_outputs_go_to_scripts_that_read_the_step_alone() -> None:
    said = outputs()
    token = said.secret("go", "web-1", "token", Secret("hunter2hunter2"))
    said.take("go", "web-1", {"token": token, "Odd name": "x"})
    assert said.exported("web-1", ()) == {"OCTO_OUTPUT_GO_Odd_name": "x"}
    assert said.exported("web-1", ["go"])["OCTO_OUTPUT_GO_token"] == token
    assert said.secrets.reveal(token).reveal() == "hunter2hunter2"
    encoded = base64.b64encode(b"x").decode()
    assert said.listed(["go"]) == {"OCTO_OUTPUTS": f"go\tweb-1\tOdd name\t{encoded}\n"}


def test_a_target_that_said_nothing_itself_reads_nobody_else() -> None:
    remembered = {
        "web-1": observed(baseline=Baseline(outputs={"go": StepOutputs({"v": "1"}), "one": StepOutputs({"v": "2"})}))
    }
    said = Outputs(SecretStore({}), {"go": "Go", "one": "One"})
    targets = ["web-1", "web-2"]
    said.remember(remembered, plan("1.0", due(run("go"), targets), due(run("one", once=True), targets)))
    assert said.exported("web-1", ()) == {"OCTO_OUTPUT_GO_v": "1", "OCTO_OUTPUT_ONE_v": "2"}
    assert said.exported("web-2", ()) == {"OCTO_OUTPUT_ONE_v": "2"}
    assert said.steps("web-2")["go"] == {"output": {}, "outputs": {"web-1": {"v": "1"}}}
    assert said.exported(CONTROLLER, ()) == {"OCTO_OUTPUT_GO_v": "1", "OCTO_OUTPUT_ONE_v": "2"}


def test_scripts_get_no_more_than_a_program_can_inherit() -> None:
    said = outputs()
    said.take("go", "web-1", {f"v{number}": "x" * 32_000 for number in range(10)})
    said.take("other", "web-1", {"small": "y"})
    assert said.exported("web-1", ["other"]) == {"OCTO_OUTPUT_OTHER_small": "y"}
    assert len(said.exported("web-1", ["go"])) == 11
    assert said.listed(["other"]).keys() == {"OCTO_OUTPUTS"}
    lists = said.listed(["go"])
    assert list(lists) == ["OCTO_OUTPUTS", *(f"OCTO_OUTPUTS_{number}" for number in range(2, 6))]
    assert all(len(text) < 128 * 1024 and text.endswith("\n") for text in lists.values())
    assert len("".join(lists.values()).splitlines()) == 10
    assert "".join(said.listed([]).values()).count("\n") == 11


def test_a_secret_output_that_changes_leaves_the_old_one_masked() -> None:
    said = outputs()
    for text in ("first secret", "second secret"):
        said.take("go", "web-1", {"token": said.secret("go", "web-1", "token", Secret(text))})
    assert {secret.reveal() for secret in said.secrets.known()} == {"first secret", "second secret"}


def test_a_secret_that_cannot_be_masked_is_refused() -> None:
    with pytest.raises(SecretError, match="shorter than 4"):
        outputs().secret("go", "web-1", "token", Secret("abc"))


def test_of_secrets_only_the_names_are_remembered() -> None:
    said = outputs()
    token = said.secret("go", "web-1", "token", Secret("hunter2hunter2"))
    assert isinstance(token, SecretRef)
    assert to_remember({"token": token, "port": "1"}, "1.0", "r") == StepOutputs(
        {"port": "1"}, frozenset({"token"}), "1.0", "r"
    )
    assert to_remember({}, "1.0", "r") is None
