"""``octo-ssh vars`` from outside: its words, its exit codes, its document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_program import run

INVENTORY = "version: 1\nvariables: {port: 8080}\ntargets: {web-01: {variables: {port: 9090}}}\n"
PLAN = "version: 1\nproject: shop\nsteps:\n- {name: Look, run: x, variables: {level: debug}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def test_the_plan_in_this_folder_is_taken(folder: Path) -> None:
    done = run("vars", "web-01", "--explain", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "web-01: 1 variable",
        "  port  9090",
        "          from target web-01, inventory.yaml:3:32",
        "          beats 8080 from inventory, inventory.yaml:2:13",
    ]


def test_the_document_has_what_was_typed_and_the_step(folder: Path) -> None:
    done = run("vars", "controller", "plan.yaml", "--step", "look", "--var", "port=1", "--json", folder=folder)
    assert done.returncode == 0
    report = json.loads(done.stdout)["vars"]
    assert (report["target"], report["step"]) == ("controller", "Look")
    assert {row["name"]: row["value"] for row in report["variables"]} == {"level": "debug", "port": "1"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("vars", "web-1"), 2, "there is no target 'web-1' (did you mean 'web-01'?)"),
        (("vars", "web-01", "none.yaml"), 2, "there is no plan 'none.yaml'"),
        (("vars", "web-01", "--var", "x"), 2, "--var number 1 is no assignment"),
        (("vars", "web-01", "inventory.yaml"), 1, "inventory.yaml:"),
    ],
)
def test_what_is_wrong_is_told_on_the_side(folder: Path, words: tuple[str, ...], code: int, message: str) -> None:
    done = run(*words, folder=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_a_value_that_is_wrong_is_shown_and_the_command_fails(folder: Path) -> None:
    (folder / "plan.yaml").write_text(PLAN + "variables: {x: '${{ prot }}'}\n")
    done = run("vars", "web-01", folder=folder)
    assert done.returncode == 1
    assert "wrong: plan.yaml:5:16: undefined name 'prot' (did you mean 'port'?)" in done.stdout


def test_quiet_says_nothing_when_all_is_well(folder: Path) -> None:
    assert run("vars", "web-01", "--quiet", folder=folder).stdout == ""
