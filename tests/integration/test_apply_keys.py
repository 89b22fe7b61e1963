"""Keys of any step on real targets: environments, required, unless, rerun, retry, on_failure, start, when, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.farm import Farm, Told, wait_until


def apply(farm: Farm, *words: str) -> Told:
    told = farm.plan_then_apply(*words)
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    return told


def release(farm: Farm, steps: str, version: str = "1.0", **top: Any) -> None:
    farm.write_release({"version": version})
    farm.write_plan(steps, release=version, **top)


def lines(farm: Farm, name: str, target: str = "web-1") -> list[str]:
    path = farm.home(target) / name
    return path.read_text().splitlines() if path.exists() else []


# Where a step is for.

PROMOTED = """
- {name: Everywhere, run: 'echo "$OCTO_ENVIRONMENT" >>~/everywhere'}
- name: Group
  environments: [production]
  steps:
  - {name: Inside, run: echo x >>~/inside}
- {name: Only staging, environments: [staging], required: true, run: echo x >>~/staging}
- {name: Both, environments: [staging, production], run: echo x >>~/both}
"""


def test_a_step_is_done_in_its_environments_alone(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {}})
    farm.write_plan(PROMOTED, packages="")
    told = apply(farm, "-e", "staging")
    assert set(told.outcome("inside").values()) == {"skipped"}
    assert told.reason("inside") == "only in production"
    assert (lines(farm, "staging"), lines(farm, "both"), lines(farm, "inside")) == (["x"], ["x"], [])
    told = apply(farm, "-e", "production")
    assert told.reason("only_staging") == "only in staging"
    assert (lines(farm, "staging"), lines(farm, "both"), lines(farm, "inside")) == (["x"], ["x"] * 2, ["x"])
    assert lines(farm, "everywhere") == ["staging", "production"]
    assert "only in production" in farm.octo("plan", "plan.yaml", "-e", "staging").stdout


@pytest.mark.parametrize(
    ("step", "said"), [("Only staging", "'Only staging' is required"), ("around", "'Around' holds 'Must'")]
)
def test_what_is_required_cannot_be_left_out(farm: Farm, step: str, said: str) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {}})
    around = "- {name: Around, steps: [{name: Must, required: true, run: echo}]}\n"
    farm.write_plan(PROMOTED + around, packages="")
    told = farm.apply("-e", "staging", "--skip-step", step)
    assert told.code == 2
    assert said in told.stderr
    assert not any(farm.home().iterdir())
    assert farm.apply("-e", "staging", "--skip-step", "Everywhere").code == 0
    assert lines(farm, "everywhere") == []


# When a script is due.


def test_unless_alone_decides_and_is_asked_as_the_step_sees_things(farm: Farm) -> None:
    steps = """
    - {name: Deploy, package: shop}
    - name: Swap
      env: {MARK: "mark-${{ target }}"}
      unless: test "$(pwd)" = "$HOME" && test -e "$MARK" && test "$level" = 3
      run: echo x >>~/swap; touch ~/"$MARK"
    """
    release(farm, steps, variables={"level": 3})
    forecast = farm.plan()
    assert forecast.planned("swap")["reason"] == "its 'unless' says so"
    assert apply(farm).outcome("swap") == {"web-1": "changed", "web-2": "changed"}
    assert farm.plan().planned("swap")["reason"] == "already so"
    assert farm.is_settled()
    assert farm.is_settled("--skip-step", "deploy")
    for words in (("--redeploy",), ()):
        assert apply(farm, *words).outcome("swap") in ({}, {"web-1": "unchanged", "web-2": "unchanged"})
    release(farm, steps, "1.1", variables={"level": 3})
    assert apply(farm).outcome("swap") == {"web-1": "unchanged", "web-2": "unchanged"}
    (farm.home() / "mark-web-1").unlink()
    told = apply(farm)
    assert told.outcome("swap") == {"web-1": "changed", "web-2": "unchanged"}
    assert lines(farm, "swap") == ["x", "x"]
    assert lines(farm, "swap", "web-2") == ["x"]


def test_unless_decides_in_a_runbook_and_for_a_once_step_on_any_target(farm: Farm) -> None:
    farm.write_plan("- {name: Init, once: true, unless: test -e done, run: echo x >>~/init; touch ~/done}", packages="")
    (farm.home("web-2") / "done").touch()
    told = farm.plan()
    assert told.planned("init")["reason"] == "already so on web-2"
    assert farm.is_settled()
    assert farm.is_settled("--limit", "web-1")
    (farm.home("web-2") / "done").unlink()
    assert apply(farm).outcome("init") == {"web-1": "changed"}
    assert farm.is_settled("--limit", "web-2")


@pytest.mark.parametrize(
    ("unless", "said"),
    [("echo thinking; exit 1", ""), ("kill -9 $$", ""), ("no-such-command-here", ""), ("exit 255", "")],
)
def test_whatever_unless_says_but_for_yes_makes_it_due(farm: Farm, unless: str, said: str) -> None:
    farm.write_plan(f"- {{name: Init, unless: '{unless}', run: 'echo x >>~/init'}}", packages="")
    assert apply(farm, "--limit", "web-1").outcome("init") == {"web-1": "changed"}
    assert lines(farm, "init") == ["x"]


def test_rerun_always_runs_with_every_apply_and_leaves_the_rest_alone(farm: Farm) -> None:
    release(
        farm,
        """
        - {name: Deploy, package: shop}
        - {name: Once for all, run: echo x >>~/first}
        - {name: Each time, rerun: always, run: echo x >>~/each}
        """,
    )
    for _ in range(3):
        told = apply(farm, "--limit", "web-1")
    assert told.outcomes == {
        ("deploy", "web-1"): "unchanged",
        ("once_for_all", "web-1"): "unchanged",
        ("each_time", "web-1"): "changed",
    }
    assert farm.plan("--limit", "web-1").planned("each_time")["reason"] == "rerun: always"
    assert (lines(farm, "first"), lines(farm, "each")) == (["x"], ["x"] * 3)


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("${{ target == 'web-1' and release == '1.0' }}", "changed"),
        ("${{ 'web' in tags }}", "changed"),
        ("${{ level >= 3 and not off }}", "changed"),
        ("${{ level < 3 }}", "skipped"),
        ("${{ vars['Odd.Name'] == 'x' }}", "changed"),
        ("${{ project != 'shop' }}", "skipped"),
    ],
)
def test_when_is_a_template_over_what_is_known(farm: Farm, when: str, outcome: str) -> None:
    values = {"level": 3, "off": False, "Odd.Name": "x"}
    steps = f'[{{name: Step, when: "{when}", run: echo x >>~/step}}, {{name: Deploy, package: shop}}]'
    release(farm, steps, variables=values)
    told = apply(farm, "--limit", "web-1")
    assert told.outcome("step") == {"web-1": outcome}
    assert farm.plan("--limit", "web-1").planned("step")["outcome"] in ("skipped", "unchanged")
    assert lines(farm, "step") == (["x"] if outcome == "changed" else [])


@pytest.mark.parametrize(("when", "said"), [("${{ level }}", "true or false"), ("${{ lvl > 1 }}", "lvl")])
def test_a_when_that_is_no_question_is_refused_before_anybody_is_asked(farm: Farm, when: str, said: str) -> None:
    farm.write_plan(f'- {{name: Step, when: "{when}", run: echo}}', packages="", variables={"level": 3})
    told = farm.apply()
    assert told.code == 1
    assert "plan.yaml:" in told.stderr
    assert said in told.stderr


# When a step fails.


def test_retries_wait_longer_and_longer_and_say_how_long(farm: Farm) -> None:
    farm.write_plan(
        """
        - name: Flaky
          retry: {times: 5, delay: 100ms, backoff: 2, max_delay: 300ms}
          run: echo x >>~/tries; test $(wc -l <~/tries) -ge 5
        """,
        packages="",
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("flaky")) == (0, {"web-1": "changed"})
    assert told.notes("flaky") == [
        f"exit status 1; trying again in {wait} s ({number} of 5)"
        for number, wait in enumerate(("0.1", "0.2", "0.3", "0.3"), 1)
    ]
    assert lines(farm, "tries") == ["x"] * 5
    assert len(told.all("step_ended")) == 1


@pytest.mark.parametrize(
    "step",
    [
        "package: shop, activate: 'echo x >>~/tries; test $(wc -l <~/tries) -ge 2'",
        "check: {command: 'echo x >>~/tries; test $(wc -l <~/tries) -ge 2', within: 100ms, every: 1s}",
        "file: ~/file, content: x, on_change: 'echo x >>~/tries; test $(wc -l <~/tries) -ge 2'",
        "'on': controller, run: 'echo x >>tries; test $(wc -l <tries) -ge 2'",
    ],
    ids=["package", "check", "file", "controller"],
)
def test_steps_of_every_kind_are_tried_again(farm: Farm, step: str) -> None:
    steps = f"[{{name: Step, retry: {{times: 3, delay: 100ms}}, {step}}}, {{name: After, run: touch ~/after}}]"
    if "package" in step:
        release(farm, steps)
    else:
        farm.write_plan(steps, packages="")
    told = farm.apply("--limit", "web-1")
    assert (told.code, [*told.outcome("step").values()]) == (0, ["unchanged" if "check" in step else "changed"])
    assert (farm.home() / "after").exists()
    path = (farm.folder if "controller" in step else farm.home()) / "tries"
    assert path.read_text() == "x\nx\n"


IGNORED = """
- {name: Deploy, package: shop}
- {name: Warm, on_failure: ignore, run: 'echo x >>~/tries; test -e ~/works'}
- {name: Ask, on_failure: ignore, check: {command: 'echo x >>~/asked; test -e ~/works', within: 100ms, every: 1s}}
- {name: After, run: 'echo "$OCTO_RUN_OUTCOME" >>~/after'}
- {name: Sorry, when: failure, run: touch ~/sorry}
"""


def test_an_ignored_failure_is_told_and_counts_nowhere(farm: Farm) -> None:
    release(farm, IGNORED)
    told = farm.apply()
    assert (told.code, told.ends) == (0, {"web-1": "changed", "web-2": "changed"})
    assert told.outcome("warm") == told.outcome("ask") == {"web-1": "failed", "web-2": "failed"}
    assert {event["step"] for event in told.all("step_ended") if event["ignored"]} == {"warm", "ask"}
    assert lines(farm, "after") == ["success"]
    assert not (farm.home() / "sorry").exists()
    assert "'Warm', 'Ask' failed, and that is ignored" in told.all("run_ended")[0]["results"][0]["reason"]
    assert told.all("run_ended")[0]["next_command"] == ""
    assert farm.baseline()["due"] == {}


def test_what_failed_and_was_ignored_is_over_with_for_the_release(farm: Farm) -> None:
    release(farm, IGNORED)
    assert farm.apply("--limit", "web-1").code == 0
    forecast = farm.plan("--limit", "web-1")
    assert forecast.planned("warm")["reason"] == "failed for 1.0, and that was ignored"
    asked = lines(farm, "asked")
    assert farm.is_settled("--limit", "web-1")
    assert (lines(farm, "tries"), lines(farm, "asked")) == (["x"], asked)
    assert "step" not in farm.octo("status", "plan.yaml", "--limit", "web-1").stdout
    (farm.home() / "works").touch()
    told = farm.apply("--limit", "web-1", "--redeploy")
    assert (told.outcome("warm"), lines(farm, "tries")) == ({"web-1": "changed"}, ["x"] * 2)
    release(farm, IGNORED, "1.1")
    (farm.home() / "works").unlink()
    told = farm.apply("--limit", "web-1")
    assert told.outcome("warm") == told.outcome("ask") == {"web-1": "failed"}
    release(farm, IGNORED.replace("test -e ~/works'", "true'"), "1.1")
    assert farm.apply("--limit", "web-1").outcome("warm") == {"web-1": "changed"}


def test_an_ignored_failure_in_a_group_does_not_stir_the_group_for_ever(farm: Farm) -> None:
    release(
        farm,
        """
        - name: Roll
          rolling: {window: 1, canary: 1}
          steps:
          - {name: Drain, "on": controller, run: 'echo "$OCTO_TARGET" >>drained'}
          - {name: Deploy, package: shop}
          - {name: Warm, on_failure: ignore, run: 'false'}
        """,
    )
    assert farm.apply().code == 0
    assert farm.is_settled()
    assert (farm.folder / "drained").read_text() == "web-1\nweb-2\n"


def test_an_ignored_failure_of_a_once_step_halts_nothing_and_is_not_tried_elsewhere(farm: Farm) -> None:
    release(
        farm,
        """
        - {name: Migrate, once: true, on_failure: ignore, run: 'echo x >>~/tries; false'}
        - {name: Deploy, package: shop}
        """,
    )
    told = farm.apply()
    assert (told.code, told.outcome("migrate")) == (0, {"web-1": "failed"})
    assert farm.is_settled()
    assert farm.is_settled("--limit", "web-2")
    assert lines(farm, "tries") == ["x"]


def test_an_ignored_file_is_still_compared_and_its_debt_still_owed(farm: Farm) -> None:
    farm.write_plan(
        "- {name: File, file: ~/file, content: x, on_failure: ignore, on_change: 'echo x >>~/tries; test -e ~/works'}",
        packages="",
    )
    for _ in range(2):
        told = farm.apply("--limit", "web-1")
        assert (told.code, told.outcome("file")) == (0, {"web-1": "failed"})
    (farm.home() / "works").touch()
    assert farm.apply("--limit", "web-1").outcome("file") == {"web-1": "changed"}
    assert farm.is_settled("--limit", "web-1")
    assert lines(farm, "tries") == ["x"] * 3


# With the step before.

MEET = "touch ~/{0}; until test -e ~/{1}; do sleep 0.05; done"


@pytest.mark.parametrize("rolling", [False, True], ids=["together", "rolling"])
def test_a_step_that_starts_with_the_previous_runs_beside_it(farm: Farm, rolling: bool) -> None:
    steps = f"""
- {{name: One, timeout: 20s, run: '{MEET.format("one", "two")}'}}
- {{name: Two, timeout: 20s, start: with_previous, run: '{MEET.format("two", "one")}'}}
- {{name: Three, timeout: 20s, start: with_previous, run: 'until test -e ~/one && test -e ~/two; do sleep 0.05; done'}}
- {{name: After, run: 'rm ~/one ~/two'}}
"""
    group = "- name: Roll\n  rolling: {window: 1}\n  steps:\n" + "".join(f"  {line}\n" for line in steps.splitlines())
    farm.write_plan(group if rolling else steps, packages="")
    told = farm.apply()
    assert told.code == 0, told.stdout[-2000:]
    assert set(told.outcomes.values()) == {"changed"}
    assert not (farm.home() / "one").exists()


def test_the_step_after_both_waits_for_both(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: One, run: touch ~/one}
        - {name: Two, start: with_previous, run: 'touch ~/waits; until test -e ~/go; do sleep 0.05; done'}
        - {name: After, run: touch ~/after}
        """,
        packages="",
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: (farm.home() / "one").exists() and (farm.home() / "waits").exists(), "both run")
    farm.until_said(process, '"step":"one","target":"web-1","outcome":"changed"')
    assert not (farm.home() / "after").exists()
    (farm.home() / "go").touch()
    assert farm.finish(process).code == 0
    assert (farm.home() / "after").exists()


def test_what_runs_beside_a_failed_step_ends_well_and_the_target_is_out(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: One, run: 'until test -e ~/two; do sleep 0.05; done; exit 3'}
        - {name: Two, start: with_previous, run: 'touch ~/two; sleep 0.3; touch ~/done'}
        - {name: After, run: touch ~/after}
        """,
        packages="",
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("one"), told.outcome("two")) == (1, {"web-1": "failed"}, {"web-1": "changed"})
    assert (farm.home() / "done").exists()
    assert not (farm.home() / "after").exists()


def test_memories_of_steps_that_run_beside_each_other_are_all_kept(farm: Farm) -> None:
    steps = "- {name: Deploy, package: shop}\n" + "".join(
        f"- {{name: Step {number}, {'start: with_previous, ' if number else ''}run: 'octo_set N {number}'}}\n"
        for number in range(6)
    )
    release(farm, steps)
    assert apply(farm).code == 0
    assert farm.is_settled()
    baseline = farm.baseline()
    assert {step: said["values"]["N"] for step, said in baseline["outputs"].items()} == {
        f"step_{number}": str(number) for number in range(6)
    }


# Once.


def test_a_file_that_is_once_stands_on_one_target(farm: Farm) -> None:
    farm.write_plan("- {name: Leader, once: true, file: ~/leader, content: '${{ target }}'}", packages="")
    assert apply(farm).outcome("leader") == {"web-1": "changed"}
    assert farm.is_settled()
    assert not (farm.home("web-2") / "leader").exists()
    (farm.home() / "leader").write_text("other")
    assert apply(farm).outcome("leader") == {"web-1": "changed"}
    assert (farm.home() / "leader").read_text() == "web-1"


def test_a_once_file_that_fails_halts_the_run(farm: Farm) -> None:
    (farm.home() / "leader").mkdir()
    farm.write_plan(
        "[{name: Leader, once: true, file: ~/leader, content: x}, {name: After, run: touch ~/after}]",
        packages="",
        max_failures=1,
    )
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "skipped"})
    assert "runs once for all targets" in told.all("run_halted")[0]["reason"]
    assert not (farm.home("web-2") / "after").exists()
