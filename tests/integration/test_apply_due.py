"""When a step runs again, and how failures, windows and budgets hold a run (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.farm import Farm

STEPS = """
- {name: Migrate, run: 'echo "$OCTO_RELEASE $level" >>~/migrated'}
- {name: Deploy, package: shop}
"""


def _release(farm: Farm, release: str, *, steps: str = STEPS, level: str = "a", **words: str) -> dict[str, str]:
    """Apply a release on web-1; outcomes by step."""
    farm.write_release({"version": release})
    farm.write_plan(steps, release=release, variables={"level": level, "unused": words.get("unused", "")})
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    return {step: outcome for (step, _), outcome in told.outcomes.items()}


def test_a_script_runs_once_for_a_release_until_another_was_current(farm: Farm) -> None:
    assert _release(farm, "1.0") == {"migrate": "changed", "deploy": "changed"}
    assert _release(farm, "1.0") == {}
    assert _release(farm, "1.1") == {"migrate": "changed", "deploy": "changed"}
    assert _release(farm, "1.0") == {"migrate": "changed", "deploy": "changed"}
    assert (farm.home() / "migrated").read_text() == "1.0 a\n1.1 a\n1.0 a\n"


def test_a_changed_script_or_variable_of_it_makes_it_due(farm: Farm) -> None:
    assert _release(farm, "1.0")["migrate"] == "changed"
    assert _release(farm, "1.0", unused="other") == {}
    assert _release(farm, "1.0", level="b") == {"migrate": "changed", "deploy": "unchanged"}
    assert _release(farm, "1.0", level="b", steps=STEPS.replace("echo", "/bin/echo")) == {
        "migrate": "changed",
        "deploy": "unchanged",
    }
    assert (farm.home() / "migrated").read_text() == "1.0 a\n1.0 b\n1.0 b\n"


def test_what_stands_in_a_group_runs_when_the_group_changes_the_target(farm: Farm) -> None:
    steps = """
- name: Roll out
  steps:
  - {name: Drain, run: 'echo drain >>~/log'}
  - {name: Deploy, package: shop, activate: 'echo active >>~/log'}
  - {name: Undrain, when: always, run: 'echo undrain >>~/log'}
- {name: Apart, run: 'echo apart >>~/log'}
"""
    assert set(_release(farm, "1.0", steps=steps).values()) == {"changed"}
    (farm.to() / "releases/1.0/version").write_text("tampered")
    told = _release(farm, "1.0", steps=steps)
    assert told == {"drain": "changed", "deploy": "changed", "undrain": "changed", "apart": "unchanged"}
    assert (farm.home() / "log").read_text() == "drain\nactive\nundrain\napart\ndrain\nactive\nundrain\n"


def test_a_check_is_asked_where_something_changes_or_it_did_not_pass(farm: Farm) -> None:
    steps = STEPS + "- {name: Smoke, check: {command: 'echo x >>~/asked; test ! -e ~/down', within: 1s}}\n"
    _release(farm, "1.0", steps=steps)
    assert _release(farm, "1.0", steps=steps) == {}
    _release(farm, "1.1", steps=steps)
    assert (farm.home() / "asked").read_text() == "x\nx\n"
    (farm.home() / "down").touch()
    farm.write_plan(steps, release="1.1", variables={"level": "c", "unused": ""})
    assert farm.apply("--limit", "web-1").code == 1
    (farm.home() / "down").unlink()
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcomes[("smoke", "web-1")]) == (0, "unchanged")
    assert told.outcomes[("migrate", "web-1")] == "unchanged"


ROLL = """
- name: Roll out
  rolling: {ROLLING}
  steps:
  - {name: Work, run: 'test ! -e ~/broken'}
  - {name: Clean, when: always, run: 'touch ~/cleaned'}
- {name: After, run: 'touch ~/after'}
"""


def _roll(farm: Farm, rolling: str, **top: Any) -> None:
    farm.write_plan(ROLL.replace("ROLLING", rolling), packages="", **top)


def _touched(farm: Farm, name: str) -> set[str]:
    return {target for target in farm.hosts if (farm.home(target) / name).exists()}


def test_a_failed_canary_halts_whatever_the_budget(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    _roll(farm, "window: 100%, canary: 1, max_failures: 3", max_failures=3)
    (farm.home("web-1") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "skipped", "web-3": "skipped"})
    assert "canary web-1" in told.all("run_halted")[0]["reason"]
    assert _touched(farm, "cleaned") == {"web-1"}
    assert _touched(farm, "after") == set()


def test_a_windows_budget_is_its_own(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    _roll(farm, "window: 1, max_failures: 1")
    (farm.home("web-1") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "changed", "web-3": "changed"})
    assert not told.all("run_halted")
    assert _touched(farm, "after") == {"web-2", "web-3"}
    (farm.home("web-2") / "broken").touch()
    told = farm.apply()
    assert told.ends == {"web-1": "failed", "web-2": "failed", "web-3": "skipped"}
    assert "max_failures is 1" in told.all("run_halted")[0]["reason"]


def test_a_window_takes_its_targets_one_after_another_and_pauses_between(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    _roll(farm, "window: 1, canary: 1, pause: 300ms")
    told = farm.apply()
    assert told.code == 0, told.stderr
    order = [(e["step"], e.get("target", "")) for e in told.events if e["event"] in ("step_began", "group_paused")]
    assert [row for row in order if row[0] != "after"] == [
        ("work", "web-1"),
        ("clean", "web-1"),
        ("roll_out", ""),
        ("work", "web-2"),
        ("clean", "web-2"),
        ("roll_out", ""),
        ("work", "web-3"),
        ("clean", "web-3"),
    ]


def test_max_failures_halts_the_run_and_always_steps_still_run(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan(
        """
        - {name: One, run: 'test ! -e ~/broken'}
        - name: Group
          steps:
          - {name: Inside, run: 'touch ~/inside'}
          - {name: Cleanup, when: always, run: 'touch ~/cleanup'}
        - {name: End, when: always, run: 'touch ~/end'}
        """,
        packages="",
        max_failures=0,
    )
    (farm.home("web-2") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "skipped", "web-2": "failed", "web-3": "skipped"})
    assert _touched(farm, "inside") == set()
    assert _touched(farm, "cleanup") == set(), "a group's steps reach only targets that entered it"
    assert _touched(farm, "end") == {"web-1", "web-2", "web-3"}


def test_always_steps_of_a_group_that_was_entered_run_after_a_failure_in_it(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(2)
    farm.write_plan(
        """
        - name: Group
          steps:
          - {name: Drain, run: 'touch ~/drained'}
          - {name: Work, run: 'test ! -e ~/broken'}
          - {name: More, run: 'touch ~/more'}
          - {name: Undrain, when: always, run: 'rm ~/drained'}
        """,
        packages="",
        max_failures=0,
    )
    (farm.home("web-2") / "broken").touch()
    told = farm.apply()
    assert told.code == 1
    assert _touched(farm, "drained") == set()
    assert "web-2" not in _touched(farm, "more")


def test_steps_that_a_halt_kept_from_running_are_due_for_the_next_apply(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(2)
    farm.write_release({"version": "1.0"})
    farm.write_plan("""
        - {name: Migrate, run: 'echo x >>~/migrated'}
        - {name: Deploy, package: shop}
        - {name: Warm up, run: 'test ! -e ~/broken'}
        - {name: Announce, run: 'touch ~/announced'}
        """)
    (farm.home("web-1") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends["web-1"]) == (1, "failed")
    (farm.home("web-1") / "broken").unlink()
    told = farm.apply()
    assert (told.code, told.outcome("migrate")["web-1"]) == (0, "unchanged")
    assert told.outcome("warm_up")["web-1"] == "changed"
    assert _touched(farm, "announced") == {"web-1", "web-2"}
    assert farm.baseline()["due"] == {}
    assert (farm.home() / "migrated").read_text() == "x\n"


def test_an_always_step_that_an_older_release_left_is_made_good_once(farm: Farm) -> None:
    steps = """
    - {name: Deploy, package: shop}
    - {name: Undrain, when: always, run: test -e ~/undrain-works}
    """
    farm.write_release({"app": "1"})
    farm.write_plan(steps)
    assert farm.apply("--limit", "web-1").code == 1
    (farm.home() / "undrain-works").touch()
    farm.write_plan(steps, release="1.1")
    assert farm.apply("--limit", "web-1").outcome("undrain") == {"web-1": "changed"}
    again = farm.apply("--limit", "web-1")
    assert again.ends == {"web-1": "unchanged"}, again.reason("undrain")
    assert farm.baseline()["due"] == {}
