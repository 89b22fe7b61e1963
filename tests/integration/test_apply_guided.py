"""Guided failures on a real terminal: what is shown, what is asked, what every answer does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.desk import CTRL_C, CTRL_D, Desk, at_a_desk, sitting
from tests.integration.farm import Farm, wait_until


def touched(farm: Farm, name: str) -> set[str]:
    return {target for target in farm.hosts if (farm.home(target) / name).exists()}


GUIDED = """
- {name: Try, run: 'echo trying >>~/tries; echo "last words of $OCTO_TARGET"; test ! -e ~/broken'}
- {name: After, run: touch ~/after}
- {name: Mourn, when: failure, run: touch ~/mourned}
"""
QUESTION = "Try failed on web-1: exit status 1. What now? [r]etry, [i]gnore, [l]eave out, [s]top: "


def broken(farm: Farm, steps: str = GUIDED, **top: Any) -> None:
    farm.write_plan(steps, packages="", **top)
    (farm.home() / "broken").touch()


def test_a_failure_that_was_mended_meanwhile_is_tried_again(farm: Farm) -> None:
    broken(farm)
    with at_a_desk(farm, "--guided") as desk:
        desk.answers(QUESTION, "r")
        desk.sees(QUESTION)
        (farm.home() / "broken").unlink()
        desk.types("retry\n")
        told = desk.leaves()
    assert (told.code, told.ends) == (0, {"web-1": "changed", "web-2": "changed"})
    assert (farm.home() / "tries").read_text() == "trying\n" * 3
    assert [event["choice"] for event in told.all("step_decided")] == ["retry", "retry"]
    assert len(told.all("step_failed")) == 2
    assert touched(farm, "mourned") == set()


@pytest.mark.parametrize(
    ("answer", "code", "ends", "after", "mourned"),
    [
        ("ignore", 0, {"web-1": "changed", "web-2": "changed"}, {"web-1", "web-2"}, set()),
        ("leave out", 1, {"web-1": "failed", "web-2": "changed"}, {"web-2"}, {"web-1"}),
        ("stop", 1, {"web-1": "failed", "web-2": "skipped"}, set(), {"web-1"}),
    ],
)
def test_what_a_person_chooses_is_done(
    farm: Farm, answer: str, code: int, ends: dict[str, str], after: set[str], mourned: set[str]
) -> None:
    broken(farm)
    with at_a_desk(farm, "--guided") as desk:
        desk.answers(QUESTION, answer)
        told = desk.leaves()
    assert (told.code, told.ends, touched(farm, "after"), touched(farm, "mourned")) == (code, ends, after, mourned)
    [decided] = told.all("step_decided")
    assert (decided["choice"], decided["target"]) == (answer, "web-1")
    [end] = [event for event in told.all("step_ended") if (event["step"], event["target"]) == ("try", "web-1")]
    assert (end["outcome"], end["ignored"]) == ("failed", answer == "ignore")
    assert not farm.is_locked()


def test_what_a_person_ignored_is_over_with_for_the_release(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan("- {name: Deploy, package: shop}\n" + GUIDED)
    (farm.home() / "broken").touch()
    with at_a_desk(farm, "--guided") as desk:
        desk.answers(QUESTION, "i")
        assert desk.leaves().code == 0
    assert farm.plan().planned("try")["reason"] == "failed for 1.0, and that was ignored"
    assert farm.is_settled()


def test_whoever_is_left_out_is_on_no_budget_and_another_canary_takes_the_place(
    make_farm: Callable[[int], Farm],
) -> None:
    farm = make_farm(3)
    broken(
        farm,
        """
        - name: Roll out
          rolling: {window: 1, canary: 1}
          steps:
          - {name: Try, run: 'test ! -e ~/broken'}
          - {name: Clean, when: always, run: touch ~/cleaned}
        """,
    )
    with at_a_desk(farm, "--guided") as desk:
        desk.answers(QUESTION, "l")
        told = desk.leaves()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "changed", "web-3": "changed"})
    assert not told.all("run_halted")
    assert touched(farm, "cleaned") == set(farm.hosts)


def test_the_failure_is_shown_before_the_question_and_other_targets_go_on_meanwhile(
    make_farm: Callable[[int], Farm],
) -> None:
    farm = make_farm(4)
    broken(
        farm,
        """
        - name: Roll out
          rolling: {window: 2}
          steps:
          - {name: Try, run: 'echo "last words of $OCTO_TARGET"; test ! -e ~/broken'}
          - {name: More, run: touch ~/more}
        """,
    )
    with sitting(farm, "apply", "plan.yaml", "--guided") as desk:
        shown = desk.sees(QUESTION)
        assert "web-1  Try: exit status 1" in shown
        assert "│ last words of web-1" in shown
        _until_touched(desk, farm, "more", {"web-2", "web-3", "web-4"})
        desk.types("s\n")
        told = desk.leaves()
    assert told.code == 1
    assert touched(farm, "more") == {"web-2", "web-3", "web-4"}
    assert told.stderr.count("│ last words of web-1") == 1


def _until_touched(desk: Desk, farm: Farm, name: str, targets: set[str]) -> None:
    """While the question is open."""
    wait_until(lambda: touched(farm, name) >= targets, "the others go on")
    assert desk.process.poll() is None


def test_two_failures_are_asked_about_one_after_the_other(farm: Farm) -> None:
    broken(farm)
    (farm.home("web-2") / "broken").touch()
    with at_a_desk(farm, "--guided") as desk:
        first = desk.sees("[s]top: ")
        desk.types("i\n")
        second = desk.answers("[s]top: ", "leave out")
        told = desk.leaves()
    order = ["web-1" if "on web-1" in seen else "web-2" for seen in (first, second)]
    assert set(order) == {"web-1", "web-2"}
    assert told.ends == {order[0]: "changed", order[1]: "failed"}
    assert {event["target"]: event["choice"] for event in told.all("step_decided")} == {
        order[0]: "ignore",
        order[1]: "leave out",
    }


def test_an_environment_may_be_guided_and_without_a_terminal_the_plan_decides(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {"guided": True}})
    broken(farm, max_failures=1)
    told = farm.apply("-e", "production")
    assert (told.code, told.all("step_decided"), touched(farm, "after")) == (1, [], {"web-2"})
    with at_a_desk(farm, "-e", "staging") as desk:
        told = desk.leaves()
    assert (told.code, told.all("step_decided")) == (1, [])
    with at_a_desk(farm, "-e", "production") as desk:
        desk.answers(QUESTION, "i")
        told = desk.leaves()
    assert (told.code, touched(farm, "after")) == (0, {"web-1", "web-2"})


def test_guided_without_a_terminal_says_that_nobody_can_be_asked(farm: Farm) -> None:
    broken(farm)
    told = farm.apply("--guided")
    assert (told.code, told.all("step_failed")) == (1, [])
    assert "nobody can be asked here" in told.stderr


@pytest.mark.parametrize("step", ["file: ~/there, content: x", "package: shop, to: ~/there"], ids=["file", "package"])
def test_what_stood_in_the_way_is_looked_at_again(farm: Farm, step: str) -> None:
    farm.write_release({"a": "1"})
    if step.startswith("file"):
        farm.write_plan(f"- {{name: Put, {step}}}", packages="")
        (farm.home() / "there").mkdir()
    else:
        farm.write_plan(f"- {{name: Put, {step}, activate: test ! -e ~/broken}}")
        (farm.home() / "broken").touch()
    with at_a_desk(farm, "--guided", "--limit", "web-1") as desk:
        desk.sees("Put failed on web-1: ")
        if step.startswith("file"):
            (farm.home() / "there").rmdir()
        else:
            (farm.home() / "broken").unlink()
        desk.answers("[s]top: ", "r")
        told = desk.leaves()
    assert (told.code, told.outcome("put")) == (0, {"web-1": "changed"}), told.stdout
    assert (farm.home() / "there").exists()


def test_ctrl_c_at_a_guided_question_drops_it_and_cleans_up(farm: Farm) -> None:
    broken(
        farm,
        """
        - name: Group
          steps:
          - {name: Try, run: 'test ! -e ~/broken'}
          - {name: Clean, when: always, run: touch ~/cleaned}
        - {name: After, run: touch ~/after}
        """,
    )
    with at_a_desk(farm, "--guided", "--limit", "web-1") as desk:
        desk.sees(QUESTION)
        desk.types(CTRL_C)
        told = desk.leaves()
        assert desk.echoes
    assert told.code == 130
    assert (touched(farm, "cleaned"), touched(farm, "after")) == ({"web-1"}, set())
    assert told.all("step_decided") == []
    assert not farm.is_locked()


# Other steps, other views.

GATE = """
- {name: Touch, run: touch ~/touched}
- {name: Gate, "on": controller, run: test -e open}
- {name: After, run: touch ~/after}
"""


@pytest.mark.parametrize(
    ("answer", "code", "after"), [("r", 0, True), ("i", 0, True), ("l", 1, False), ("s", 1, False), (CTRL_D, 1, False)]
)
def test_a_step_on_the_controller_is_asked_about_and_without_it_the_run_halts(
    farm: Farm, answer: str, code: int, after: bool
) -> None:
    farm.write_plan(GATE, packages="")
    with at_a_desk(farm, "--guided") as desk:
        desk.sees("Gate failed on controller: exit status 1. What now?")
        (farm.folder / "open").touch()
        desk.types(answer if answer == CTRL_D else f"{answer}\n")
        told = desk.leaves()
    assert (told.code, touched(farm, "after")) == (code, {"web-1", "web-2"} if after else set())
    assert bool(told.all("run_halted")) is not after


def test_a_once_step_that_is_ignored_halts_nothing(farm: Farm) -> None:
    farm.write_plan("[{name: Once, once: true, run: 'false'}, {name: After, run: touch ~/after}]", packages="")
    with at_a_desk(farm, "--guided") as desk:
        desk.answers("[s]top: ", "i")
        told = desk.leaves()
    assert (told.code, touched(farm, "after"), told.all("run_halted")) == (0, {"web-1", "web-2"}, [])


def test_the_quiet_view_shows_what_it_asks_about_and_nothing_else(farm: Farm) -> None:
    broken(farm)
    with sitting(farm, "apply", "plan.yaml", "--quiet", "--guided") as desk:
        shown = desk.answers(QUESTION, "i")
        told = desk.leaves()
    assert "Try: exit status 1" in shown
    assert "│ last words of web-1" in shown
    assert (told.code, told.stdout) == (0, "")
    assert desk.screen.endswith("[s]top: i\n")
