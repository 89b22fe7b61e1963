"""``vars``: what a variable is on a target, who said so, and that nothing is read or asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.load import LoadRequest
from octo_ssh.errors import FileErrors, UsageError
from octo_ssh.model.reports import Standing, VariableRow, VariablesReport
from octo_ssh.model.values import Prompt, SecretRef, Template
from octo_ssh.operations.vars import VarsRequest, variables

INVENTORY = """\
version: 1
environments: {staging: {}, production: {variables: {level: warning}}}
variables: {port: 8080, level: info}
tags:
  web: {variables: {workers: 4, tie: 1}}
  blue: {variables: {tie: 2}}
targets:
  web-01: {environments: [staging, production], tags: [web]}
  web-02: {environments: [staging], tags: [web, blue], variables: {port: 9090}}
  db-01: {environments: [production]}
  lone-01: {}
"""
PLAN = """\
version: 1
project: shop
environment: staging
packages: {shop: {file: "shop-${{ release }}.tgz"}}
variables:
  db: {hosts: [{name: "one-${{ environment }}"}]}
  url: http://${{ db.hosts[0].name }}:${{ port }}/
  Project.Color: red
  color: ${{ vars["Project.Color"] | upper }}
  token: {secret: {command: [touch, was-run]}}
  alias: ${{ token }}
  ask: {prompt: {text: "Which?"}}
  greeting: hello ${{ ask }}
  own: ${{ target }}
  version: ${{ release }}
steps:
- {name: Deploy it, package: shop, on: web, variables: {level: debug}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.yaml").write_text(INVENTORY)
    Path("plan.yaml").write_text(PLAN)


def report(target: str = "web-01", step: str | None = None, **files: Any) -> VariablesReport:
    return variables(VarsRequest(target, LoadRequest("plan.yaml", **files), step))


def rows(target: str = "web-01", step: str | None = None, **files: Any) -> dict[str, VariableRow]:
    return {row.name: row for row in report(target, step, **files).variables}


def test_every_variable_of_the_target_stands_there_by_name() -> None:
    found = report(release="1.4.2")
    assert (found.target, found.environment, found.step) == ("web-01", "staging", None)
    assert [(row.name, row.exported) for row in found.variables if row.name != row.exported] == [
        ("Project.Color", "Project_Color")
    ]
    names = [row.name for row in found.variables]
    assert names == sorted(names, key=str.casefold)
    values = {row.name: row.value for row in found.variables if row.standing is Standing.VALUE}
    assert values == {
        "color": "RED",
        "db": {"hosts": ({"name": "one-staging"},)},
        "level": "info",
        "own": "web-01",
        "port": 8080,
        "Project.Color": "red",
        "tie": 1,
        "url": "http://one-staging:8080/",
        "version": "1.4.2",
        "workers": 4,
    }


def test_secrets_and_prompts_stand_as_such_and_nothing_is_read_or_asked() -> None:
    found = rows()
    for name in ("token", "alias"):
        assert found[name].standing is Standing.SECRET
        assert isinstance(found[name].value, SecretRef)
    assert found["ask"].standing is Standing.PROMPT
    assert isinstance(found["ask"].value, Prompt)
    assert (found["greeting"].standing, found["greeting"].note) == (Standing.WAITS, "needs the answer for 'ask'")
    assert not Path("was-run").exists()


def test_who_said_it_and_what_it_beat_is_told() -> None:
    row = rows("web-02")["port"]
    assert (row.value, row.said.written, row.said.source, str(row.said.origin)) == (
        9090,
        9090,
        "target web-02",
        "inventory.yaml:9:68",
    )
    assert [(said.written, said.source, str(said.origin)) for said in row.beaten] == [
        (8080, "inventory", "inventory.yaml:3:13")
    ]
    assert isinstance(rows()["url"].said.written, Template)


@pytest.mark.parametrize("word", ["Deploy it", "deploy_it"])
def test_a_step_has_its_own(word: str) -> None:
    assert report(step=word).step == "Deploy it"
    assert (rows()["level"].value, rows(step=word)["level"].value) == ("info", "debug")


def test_what_was_typed_is_stronger() -> None:
    found = rows("web-01", environment="production", variables={"port": 1, "token": "hunter22"})
    assert (found["level"].value, found["port"].value, found["port"].said.source) == ("warning", 1, "command line")
    assert found["token"].standing is Standing.SECRET


def test_what_is_wrong_stands_at_its_variable() -> None:
    found = rows("web-02")
    assert {name for name, row in found.items() if row.standing is Standing.WRONG} == {"tie", "version"}
    assert found["tie"].note.startswith("inventory.yaml:6:22: 'tie' is set here by tag blue and at inventory.yaml:5:33")
    assert found["version"].note == (
        "plan.yaml:15:12: there is no 'release' here: the plan says none, and no --release was given"
    )


def test_on_the_controller_there_is_what_depends_on_no_target() -> None:
    found = rows("controller", release="1.4.2")
    assert found["port"].value == 8080
    assert "workers" not in found
    assert (found["own"].standing, found["own"].note) == (
        Standing.ABSENT,
        "plan.yaml:14:8: there is no 'target' here: this value is the same for all targets",
    )


@pytest.mark.parametrize(
    ("target", "step", "message"),
    [
        ("web-1", None, "there is no target 'web-1' (did you mean 'web-01'?)"),
        ("x", None, "there is no target 'x': known are 'web-01', 'web-02', 'db-01', 'lone-01'"),
        ("controler", None, "there is no target 'controler' (did you mean 'controller'?)"),
        ("db-01", None, "db-01 is not in staging\n  add -e production"),
        ("lone-01", None, "lone-01 is not in staging\n  it is in no environment: give it one"),
        ("web-01", "Deploy itt", "there is no step 'Deploy itt' (did you mean 'Deploy it'?)"),
        ("web-01", "x", "there is no step 'x': known are 'Deploy it'"),
    ],
)
def test_what_was_typed_wrongly_is_told(target: str, step: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        report(target, step)
    assert str(caught.value) == message


def test_files_that_cannot_be_read_are_told() -> None:
    Path("plan.yaml").write_text("version: 1\n")
    with pytest.raises(FileErrors):
        report()
