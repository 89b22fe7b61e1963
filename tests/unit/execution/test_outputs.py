"""Outputs of steps: whose counts for whom, what scripts get of them, what is remembered."""

from __future__ import annotations

import base64

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import SecretError
from octo_ssh.execution.outputs import Outputs, to_remember
from octo_ssh.model.observed import Baseline, StepOutputs
from octo_ssh.model.values import SecretRef
from tests.unit.planning.builders import observed


def outputs() -> Outputs:
    return Outputs(SecretStore({}), {"go": "Go", "other": "Other"})


def test_a_place_reads_its_own_before_anybody_elses() -> None:
    said = outputs()
    said.take("go", "web-1", {"port": "1"})
    said.take("go", "web-2", {"port": "2"})
    assert said.steps("web-1")["go"]["output"] == {"port": "1"}
    assert said.steps("web-3")["go"]["output"] == {"port": "2"}  # the only one of a once step, say
    assert said.steps("web-3")["go"]["outputs"] == {"web-1": {"port": "1"}, "web-2": {"port": "2"}}


def test_what_targets_remember_counts_until_this_run_says_something() -> None:
    said = outputs()
    old = Baseline(
        outputs={"go": StepOutputs({"port": "1", "gone": "x"}, release="1.0"), "removed": StepOutputs({"a": "b"})}
    )
    said.remember({"web-1": observed(baseline=old)}, "1.0")
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
        "1.1",
    )
    assert said.steps("db")["go"]["output"] == {"v": "new"}


def test_secret_outputs_go_to_scripts_that_read_the_step_alone() -> None:
    said = outputs()
    token = said.secret("go", "web-1", "token", "hunter2hunter2")
    said.take("go", "web-1", {"token": token, "Odd name": "x"})
    assert said.exported("web-1", ()) == {"OCTO_OUTPUT_GO_Odd_name": "x"}
    env = said.exported("web-1", ["go"])
    assert env["OCTO_OUTPUT_GO_token"] == token
    assert said.secrets.reveal(token).reveal() == "hunter2hunter2"
    encoded = base64.b64encode(b"x").decode()
    assert env["OCTO_OUTPUTS"] == f"go\tweb-1\tOdd name\t{encoded}\n"


def test_a_secret_output_that_changes_leaves_the_old_one_masked() -> None:
    said = outputs()
    for text in ("first secret", "second secret"):
        said.take("go", "web-1", {"token": said.secret("go", "web-1", "token", text)})
    assert {secret.reveal() for secret in said.secrets.known()} == {"first secret", "second secret"}


def test_a_secret_that_cannot_be_masked_is_refused() -> None:
    with pytest.raises(SecretError, match="shorter than 4"):
        outputs().secret("go", "web-1", "token", "abc")


def test_of_secrets_only_the_names_are_remembered() -> None:
    said = outputs()
    token = said.secret("go", "web-1", "token", "hunter2hunter2")
    assert isinstance(token, SecretRef)
    assert to_remember({"token": token, "port": "1"}, "1.0") == StepOutputs({"port": "1"}, frozenset({"token"}), "1.0")
    assert to_remember({}, "1.0") is None
