"""Words of the command line with a form of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from octo_ssh.cli.words import approvals, assignments, command_line, command_line_of, seconds
from octo_ssh.errors import UsageError
from octo_ssh.model.values import Value
from octo_ssh.operations.requests import PlanRequest


def test_text_stays_text_and_yaml_is_read() -> None:
    words = [
        "port=8080",
        "list:=[1, two, true]",
        "map:={a: 1}",
        "empty=",
        "url=http://x/?a=b",
        "Project.Color=red",
        "no:=no",
    ]
    assert assignments(words) == {
        "port": "8080",
        "list": (1, "two", True),
        "map": {"a": 1},
        "empty": "",
        "url": "http://x/?a=b",
        "Project.Color": "red",
        "no": "no",
    }


def test_the_later_of_two_counts() -> None:
    assert assignments(["a=1", "a:=2"]) == {"a": 2}


@pytest.mark.parametrize(
    "word", ["s3cret", "=s3cret", "1a=s3cret", "a b=s3cret", ":=s3cret", "s3cret/=", "a:={s3cret: [b"]
)
def test_what_is_no_assignment_is_bad_usage_and_not_shown(word: str) -> None:
    with pytest.raises(UsageError, match=r"--var (number 2 is no assignment|a:1:)") as caught:
        assignments(["a=1", word])
    assert "s3cret" not in str(caught.value)


def test_bad_yaml_is_bad_usage_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"--var a:1:"):
        assignments(["a:={b: [1}"])


def test_durations_carry_their_unit() -> None:
    assert seconds("10m", "--lock-wait") == 600
    assert seconds("0s", "--lock-wait") == 0
    with pytest.raises(UsageError, match="--lock-wait must be a duration"):
        seconds("10", "--lock-wait")


def test_the_command_that_goes_on_can_be_typed_again() -> None:
    told = command_line(
        "apply", "my plan.yaml", inventory=None, environment="staging", release="1.4.2", var=["a=b c", "x:=$(evil)"]
    )
    assert shlex.split(told) == [
        *("octo-ssh", "apply", "my plan.yaml", "-e", "staging", "--release", "1.4.2"),
        *("--var", "a=b c", "--var", "x:=$(evil)"),
    ]


def test_of_two_assignments_the_command_that_goes_on_has_the_later() -> None:
    var = ["a.b:c=former secret", "x=1", "a.b:c:=2"]
    told = command_line("apply", "plan.yaml", inventory=None, environment=None, release=None, var=var)
    assert shlex.split(told) == ["octo-ssh", "apply", "plan.yaml", "--var", "a.b:c:=2", "--var", "x=1"]


def test_after_a_saved_plan_the_plan_it_was_made_of_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    variables: dict[str, Value] = {"a.b": "c d", "x": (1, "two"), "y": True}
    request = PlanRequest(
        f"{tmp_path}/plan.yaml", "/etc/inventory.yaml", "staging", variables=variables, limit=("web-01",)
    )
    words = shlex.split(command_line_of("apply", request))
    assert words[:7] == ["octo-ssh", "apply", "plan.yaml", "-i", "/etc/inventory.yaml", "-e", "staging"]
    assert assignments(words[8::2]) == variables
    assert words[7::2] == ["--var"] * 3


def test_an_approval_is_a_step_and_a_note() -> None:
    words = ["Sign-off=looked at a=b in the dashboard", " sign_off_2 = fine "]
    assert approvals(words) == {"Sign-off": "looked at a=b in the dashboard", "sign_off_2": "fine"}


@pytest.mark.parametrize("words", [["Sign-off"], ["=fine"], ["Sign-off="], ["a=x", "a=y"]])
def test_what_is_no_approval_is_bad_usage(words: list[str]) -> None:
    with pytest.raises(UsageError, match="--approve"):
        approvals(words)
