"""``octo-ssh drift`` as somebody who types it sees it: against real targets, one of them down."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from octo_ssh.output.drift_json import drift_schema
from tests.integration.farm import Farm, Told

FILES = """
- name: Settings
  file: ~/etc/app.conf
  content: "port = ${{ level }}\\n"
  parents: true
"""


def _applied(farm: Farm) -> Farm:
    farm.write_plan(FILES, packages="", variables={"level": 80})
    told = farm.apply()
    assert told.code == 0, told.stderr + told.stdout
    return farm


def _drift(farm: Farm, *words: str) -> Told:
    return farm.octo("drift", "plan.yaml", *words)


def test_in_sync_is_quiet_and_0(farm: Farm) -> None:
    told = _drift(_applied(farm), "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")


def test_what_was_changed_by_hand_is_told_with_its_difference_and_found_again(farm: Farm) -> None:
    path = _applied(farm).home() / "etc/app.conf"
    path.write_text("port = 81\n")
    told = _drift(farm, "--quiet")
    assert told.code == 3, told.stderr
    assert "  drift        web-1: " in told.stdout
    assert "/etc/app.conf changed, new" in told.stdout
    assert "-port = 81" in told.stdout or "+port = 81" in told.stdout
    assert path.read_text() == "port = 81\n"
    document = json.loads(_drift(farm, "--json").stdout)
    assert [error.message for error in Draft202012Validator(drift_schema()).iter_errors(document)] == []
    assert (document["exit_code"], document["counts"]["drifted"]) == (3, 1)
    path.write_text("port = 80\n")
    told = _drift(farm)
    assert told.code == 0
    assert "  gone         web-1: " in told.stdout


def test_a_target_that_is_down_is_named_and_the_others_are_checked(farm: Farm) -> None:
    path = _applied(farm).home() / "etc/app.conf"
    inventory = farm.folder / "inventory.yaml"
    document = yaml.safe_load(inventory.read_text())
    document["targets"]["web-9"] = {"port": 1, "tags": ["web"]}
    inventory.write_text(yaml.safe_dump(document))
    told = _drift(farm, "--quiet")
    assert told.code == 4, told.stdout + told.stderr
    assert "  unreachable  web-9  " in told.stdout
    well, all_ = len(farm.hosts), len(farm.hosts) + 1
    assert f"drift: none; unreachable 1; in sync {well} (of {all_}), " in told.stdout.splitlines()[-1]
    path.unlink()
    told = _drift(farm, "--quiet")
    assert told.code == 3
    assert "/etc/app.conf missing" in told.stdout
    last = told.stdout.splitlines()[-1]
    assert last.startswith(f"drift: 1 target, 1 finding; unreachable 1; in sync {well - 1} (of {all_}), ")


def test_what_is_expected_is_no_drift_until_it_ends(farm: Farm) -> None:
    path = _applied(farm).home() / "etc/app.conf"
    path.write_text("port = 81\n")
    plan = Path(farm.folder / "plan.yaml")
    before = plan.read_text()
    plan.write_text(f"{before}\ndrift: {{ignore: [{{path: {path}, reason: a sale, until: 2999-01-01}}]}}\n")
    told = _drift(farm)
    assert told.code == 0, told.stdout
    assert "(a sale) until 2999-01-01: 1 finding" in told.stdout
    plan.write_text(f"{before}\ndrift: {{ignore: [{{path: {path}, reason: a sale, until: 2020-01-01}}]}}\n")
    told = _drift(farm)
    assert told.code == 3
    assert "(a sale) ended on 2020-01-01: what it covered is drift again" in told.stdout


def test_a_page_is_written_beside_the_report(farm: Farm) -> None:
    _applied(farm)
    assert _drift(farm, "--report", "drift.html").code == 0
    page = farm.folder / "drift.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text().startswith("<!DOCTYPE html>")
