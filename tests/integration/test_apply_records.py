"""What a run asks first, what it remembers on the controller, and how ends combine into one exit code."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm import Farm, Told

TOUCH = "- {name: Touch, run: 'touch ~/touched'}"


def test_an_environment_that_wants_a_yes_gets_none_without_a_terminal(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {"confirm": True}})
    farm.write_plan(TOUCH, packages="", environment="production")
    told = farm.apply()
    assert told.code == 5
    assert "production asks for a confirmation" in told.stderr
    assert "--yes" in told.stderr
    assert not any(farm.home().iterdir())
    assert farm.plan().code == 0
    assert farm.apply("-e", "staging").code == 0
    assert farm.apply("--yes").code == 0


def test_nothing_is_asked_where_nothing_changes(farm: Farm) -> None:
    farm.write_inventory(environments={"production": {"confirm": True}})
    farm.write_release({"a": "1"})
    farm.write_plan("- {name: Deploy, package: shop}", environment="production")
    assert farm.apply("--yes").code == 0
    assert farm.apply().ends == {"web-1": "unchanged", "web-2": "unchanged"}


def test_environments_keep_their_places_and_memories_apart(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {}})
    farm.write_release({"a": "1"})
    farm.write_plan("- {name: Deploy, package: shop}", environment="staging")
    assert farm.apply().code == 0
    told = farm.apply("-e", "production")
    assert (told.code, set(told.ends.values())) == (0, {"changed"})
    assert farm.current(environment="staging") == farm.current(environment="production") == "1.0"
    assert farm.baseline(environment="staging")["release"] == "1.0"


def test_records_are_the_users_alone_and_tell_the_whole_run(farm: Farm) -> None:
    farm.write_plan("- {name: Say, run: 'echo hello'}", packages="")
    told = farm.apply()
    run = told.all("run_started")[0]["run"]
    folder = farm.state / "runs" / run
    for path in (farm.state, farm.state / "runs", folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    record = folder / "events.jsonl"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    head, *lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert (head["run"], head["project"]) == (run, "shop")
    assert [line["event"] for line in lines] == [event["event"] for event in told.events]
    assert [line["data"] for line in lines if line["event"] == "step_output"] == ["hello\n", "hello\n"]


def test_a_state_folder_that_was_open_is_closed(farm: Farm) -> None:
    farm.state.mkdir(parents=True, mode=0o755)
    farm.state.chmod(0o755)
    farm.write_plan(TOUCH, packages="")
    assert farm.apply().code == 0
    assert stat.S_IMODE(farm.state.stat().st_mode) == 0o700


def test_a_run_whose_records_cannot_be_kept_does_not_start(farm: Farm) -> None:
    farm.write_plan(TOUCH, packages="")
    farm.env["OCTO_SSH_STATE"] = str(farm.write("state", "a file"))
    told = farm.apply()
    assert told.code == 1
    assert "the run's record cannot be kept" in told.stderr
    assert "OCTO_SSH_STATE" in told.stderr
    assert not any(farm.home().iterdir())


def test_a_planted_link_is_no_state_folder(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    farm.env["OCTO_SSH_STATE"] = str(tmp_path / "link")
    farm.write_plan(TOUCH, packages="")
    told = farm.apply()
    assert told.code == 1
    assert "the run's record cannot be kept" in told.stderr
    assert not any((tmp_path / "elsewhere").iterdir())


OUT = "- {name: Go, run: 'test ! -e ~/broken'}"


@pytest.mark.parametrize(
    ("broken", "down", "top", "code"),
    [
        ([], [], {}, 0),
        (["web-1"], [], {"max_failures": 3}, 1),
        ([], ["web-1"], {"unreachable": "skip"}, 4),
        ([], ["web-1", "web-2", "web-3"], {"unreachable": "skip"}, 4),
        ([], ["web-1"], {}, 4),
        (["web-2"], ["web-1"], {"unreachable": "skip"}, 1),
        (["web-2"], ["web-1"], {"max_failures": 1}, 1),
    ],
    ids=["all well", "failed", "skipped", "all skipped", "stopped", "both", "both, halted"],
)
def test_ends_combine_into_one_exit_code(
    make_farm: Callable[[int], Farm], broken: list[str], down: list[str], top: dict[str, Any], code: int
) -> None:
    farm = make_farm(3)
    farm.write_plan(OUT, packages="", **top)
    for name in broken:
        (farm.home(name) / "broken").touch()
    for name in down:
        farm.hosts[name].stop()
    told = farm.apply()
    assert told.code == code
    assert told.all("run_ended")[0]["exit_code"] == code
    assert {name for name, end in told.ends.items() if end == "failed"} == set(broken)
    assert {name for name, end in told.ends.items() if end == "unreachable"} == set(down)


def test_an_unknown_host_key_beats_a_target_that_is_down(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan(OUT, packages="", unreachable="skip")
    farm.hosts["web-1"].stop()
    (farm.folder / "known_hosts").write_text(farm.hosts["web-2"].known_hosts_line)
    told = farm.apply()
    assert told.code == 5
    assert "web-3" in told.stderr


def test_people_get_plain_lines_and_a_summary(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan("- {name: Deploy shop, package: shop}")
    told = farm.octo("apply", "plan.yaml")
    assert told.code == 0
    assert "Deploy shop" in told.stderr
    assert "shop 1.0: 2 changed" in told.stdout
    assert farm.octo("apply", "plan.yaml", "--quiet").stdout == ""


def test_the_program_itself_does_the_same_from_a_bare_environment(farm: Farm) -> None:
    """All else here is started from a process that has loaded it already."""
    farm.write_plan("- {name: Say, run: 'echo hello'}", packages="")
    program = Path(sys.executable).with_name("octo-ssh")
    done = subprocess.run(
        [program, "apply", "plan.yaml", "--json"],
        cwd=farm.folder,
        env=farm.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = Told(done.returncode, done.stdout, done.stderr)
    assert (told.code, told.stderr, told.output("say", "web-2")) == (0, "", "hello\n")
