"""Whom a run is for, what of the plan it does, and how little the second one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.farm import Farm, listing

PLAN = """
- name: Prepare
  run: echo "$OCTO_TARGET" >>~/prepared
- name: Deploy
  package: shop
  activate: echo active >>~/activated
  verify: {command: [test, -e, hello.txt], within: 5s}
- name: Smoke test
  check: {command: [test, -s, "hello.txt"], within: 5s}
"""
RUNBOOK = '- {name: Say, run: echo "$greeting-$count-$flag" | tee -a ~/said}'


def test_a_second_apply_takes_no_lock_and_writes_nothing(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(PLAN)
    first = farm.apply()
    assert first.code == 0, first.stderr
    assert first.ends == {"web-1": "changed", "web-2": "changed"}
    before = {name: listing(farm.home(name)) for name in farm.hosts}
    told = farm.apply()
    assert (told.code, set(told.ends.values())) == (0, {"unchanged"})
    assert set(told.outcomes.values()) <= {"unchanged"}
    assert "lock" not in told.phases
    assert before == {name: listing(farm.home(name)) for name in farm.hosts}
    assert (farm.home() / "prepared").read_text() == "web-1\n"
    said = farm.octo("apply", "plan.yaml")
    assert said.code == 0
    assert "nothing to do, 2 targets unchanged" in said.stdout
    assert farm.octo("apply", "plan.yaml", "--quiet") == type(said)(0, "", "")


@pytest.mark.parametrize(
    ("words", "reached"),
    [
        (["--limit", "*-3", "--limit", "web-1"], {"web-1", "web-3"}),
        (["--limit", "tag:blue & !web-3"], {"web-2"}),
        (["--limit", "!web-1"], {"web-2", "web-3"}),
        (["--limit", "tag:blue", "--exclude", "web-2"], {"web-3"}),
    ],
)
def test_only_selected_targets_are_touched(
    make_farm: Callable[[int], Farm], words: list[str], reached: set[str]
) -> None:
    farm = make_farm(3)
    farm.write_inventory({"web-2": {"tags": ["web", "blue"]}, "web-3": {"tags": ["web", "blue"]}})
    farm.write_plan('- {name: Touch, run: "touch ~/touched"}', packages="")
    told = farm.apply(*words)
    assert (told.code, set(told.ends)) == (0, reached)
    assert {name for name in farm.hosts if any(farm.home(name).iterdir())} == reached


def test_variables_of_the_command_line_beat_the_plan_and_keep_their_type(farm: Farm) -> None:
    farm.write_plan(RUNBOOK, packages="", variables={"greeting": "hello", "count": "1", "flag": False})
    told = farm.apply("--limit", "web-1", "--var", "greeting=a=b c", "--var", "count:=[1, two]", "--var", "flag:=true")
    assert told.code == 0, told.stderr
    assert (farm.home() / "said").read_text() == 'a=b c-[1, "two"]-true\n'


def test_a_later_assignment_of_the_command_line_counts(farm: Farm) -> None:
    farm.write_plan(RUNBOOK, packages="", variables={"greeting": "x", "count": 1, "flag": False})
    assert farm.apply("--limit", "web-1", "--var", "greeting=first", "--var", "greeting=last").code == 0
    assert (farm.home() / "said").read_text() == "last-1-false\n"


def test_skipped_steps_are_said_to_be_and_not_done(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(PLAN)
    told = farm.apply("--limit", "web-1", "--skip-step", "Prepare", "--skip-step", "smoke_test")
    assert told.code == 0, told.stderr
    assert told.outcomes == {
        ("prepare", "web-1"): "skipped",
        ("deploy", "web-1"): "changed",
        ("smoke_test", "web-1"): "skipped",
    }
    assert not (farm.home() / "prepared").exists()
    assert farm.apply("--limit", "web-1").outcome("prepare") == {"web-1": "changed"}


def test_skipping_the_package_runs_its_steps_in_the_work_folder(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan("[{name: Where, run: pwd}, {name: Deploy, package: shop}]")
    told = farm.apply("--limit", "web-1", "--skip-step", "deploy")
    assert told.code == 0, told.stderr
    run = told.all("run_started")[0]["run"]
    assert told.output("where") == f"{farm.root()}/work/{run}\n"
    assert farm.current() is None


def test_redeploy_does_every_step_again_and_sends_nothing(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(PLAN)
    assert farm.apply("--limit", "web-1").code == 0
    told = farm.apply("--limit", "web-1", "--redeploy")
    assert told.code == 0, told.stderr
    assert told.outcomes == {
        ("prepare", "web-1"): "changed",
        ("deploy", "web-1"): "changed",
        ("smoke_test", "web-1"): "unchanged",
    }
    assert not told.sent
    assert (farm.home() / "prepared").read_text() == "web-1\nweb-1\n"
    assert (farm.home() / "activated").read_text() == "active\nactive\n"
    assert farm.releases() == {"1.0"}


def test_failed_selects_those_that_the_last_run_left(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan('- {name: Go, run: "echo x >>~/tries; test ! -e ~/broken"}', packages="", max_failures=3)
    (farm.home("web-2") / "broken").touch()
    told = farm.apply()
    assert told.code == 1
    assert told.ends == {"web-1": "changed", "web-2": "failed", "web-3": "changed"}
    assert told.all("run_ended")[0]["next_command"] == "octo-ssh apply plan.yaml --limit @failed"
    (farm.home("web-2") / "broken").unlink()
    told = farm.apply("--limit", "@failed")
    assert (told.code, told.ends) == (0, {"web-2": "changed"})
    assert (farm.home("web-1") / "tries").read_text() == "x\n"
    told = farm.apply("--limit", "@failed")
    assert told.code == 2
    assert "no target" in told.stderr


def test_failed_means_those_never_started_too(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan('- {name: Go, run: "test ! -e ~/broken", max_parallel: 1}', packages="")
    (farm.home("web-1") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "skipped", "web-3": "skipped"})
    (farm.home("web-1") / "broken").unlink()
    assert farm.apply("--limit", "@failed").ends == dict.fromkeys(farm.hosts, "changed")


def test_failed_is_refused_where_no_run_is_known(farm: Farm) -> None:
    farm.write_plan("- {name: Go, run: ls}", packages="")
    told = farm.apply("--limit", "@failed")
    assert told.code == 2
    assert "@failed" in told.stderr
