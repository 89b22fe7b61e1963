"""``octo-ssh history drift`` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output.drift_database import DATABASE
from octo_ssh.output.drift_history import with_history
from tests.unit.cli.test_program import run

FINDING = Finding("unit", FindingKind.STATE, "shop.service", "active", "inactive")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three checks of a project in two environments, one of another project."""
    (tmp_path / "plan.yaml").write_text("version: 1\nproject: shop\nsteps:\n- {name: Look, run: x}\n")
    drifted = TargetDrift("web-01", (StepDrift("unit", "Unit", State.DRIFTED, findings=(FINDING,)),))
    in_sync = TargetDrift("web-02", (StepDrift("unit", "Unit", State.IN_SYNC),))
    for day, project, environment, target in (
        (1, "shop", "production", drifted),
        (2, "shop", "production", drifted),
        (2, "shop", "staging", in_sync),
        (3, "blog", None, in_sync),
    ):
        report = DriftReport(project, environment, f"2026-11-0{day}T02:00:00.000Z", (target,))
        with_history(report, tmp_path / "state" / DATABASE)
    return tmp_path


def history(folder: Path, *words: str) -> tuple[int, str, str]:
    done = run("history", "drift", *words, folder=folder, environ={"OCTO_SSH_STATE": str(folder / "state")})
    return done.returncode, done.stdout, done.stderr


def test_every_project_is_shown(folder: Path) -> None:
    code, out, err = history(folder)
    assert (code, err) == (0, "")
    titles = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["blog: 1 check", "shop in production: 2 checks", "shop in staging: 1 check"]
    assert "24 hours  web-01: shop.service is inactive" in out


def test_a_plan_and_an_environment_narrow_it(folder: Path) -> None:
    code, out, _ = history(folder, "plan.yaml", "-e", "production", "--last", "1", "--json")
    assert code == 0
    [found] = json.loads(out)["history"]
    assert (found["project"], found["environment"], len(found["checks"])) == ("shop", "production", 1)
    assert found["checks"][0]["drifted"] == 1
    assert found["open"][0]["first_seen"] == "2026-11-01T02:00:00.000Z"


def test_quiet_says_nothing_where_nothing_is_open(folder: Path) -> None:
    assert history(folder, "-e", "staging", "--quiet") == (0, "", "")
    assert "web-01" in history(folder, "-e", "production", "--quiet")[1]


def test_without_a_check_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert history(tmp_path) == (0, "no check for drift is remembered here\n", "")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("none.yaml",), 2, "there is no plan 'none.yaml'"),
        (("broken.yaml",), 1, "broken.yaml:1:1"),
        (("--last", "0"), 2, "--last"),
    ],
)
def test_what_is_wrong_is_told_on_the_side(folder: Path, words: tuple[str, ...], code: int, message: str) -> None:
    (folder / "broken.yaml").write_text("steps: []\n")
    found, out, err = history(folder, *words)
    assert (found, out) == (code, "")
    assert message in err


def test_a_damaged_history_is_an_error(folder: Path) -> None:
    (folder / "state" / DATABASE).write_bytes(b"nothing of the kind " * 300)
    code, out, err = history(folder)
    assert (code, out) == (1, "")
    assert "is damaged" in err
    assert "a new history begins then" in err
