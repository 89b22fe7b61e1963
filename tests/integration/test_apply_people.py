"""People and a run, on a real terminal and without one: approvals, pauses that ask, guided failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.desk import CTRL_C, CTRL_D, Desk, at_a_desk, sitting
from tests.integration.farm import Farm, Told, listing, wait_until

# Approve steps.

APPROVED = """
- {name: Before, run: touch ~/before}
- {name: Sign-off, approve: "Is ${{ what }} green?"}
- {name: After, run: touch ~/after}
"""


def write_approved(farm: Farm, steps: str = APPROVED, **top: Any) -> None:
    farm.write_plan(steps, packages="", variables={"what": "the dashboard"}, **top)


def touched(farm: Farm, name: str) -> set[str]:
    return {target for target in farm.hosts if (farm.home(target) / name).exists()}


def given(told: Told) -> list[tuple[str, bool, str]]:
    return [(event["step"], event["given"], event["note"]) for event in told.all("approval_given")]


def test_an_approval_is_asked_between_the_steps_and_the_run_goes_on(farm: Farm) -> None:
    write_approved(farm)
    with at_a_desk(farm) as desk:
        desk.sees("Sign-off: Is the dashboard green? Go on? [y/N]: ")
        assert touched(farm, "before") == {"web-1", "web-2"}
        assert touched(farm, "after") == set()
        desk.types("y\n")
        told = desk.leaves()
    assert (told.code, given(told)) == (0, [("sign_off", True, "")])
    assert told.outcome("sign_off") == {"controller": "unchanged"}
    assert touched(farm, "after") == {"web-1", "web-2"}


@pytest.mark.parametrize("answer", ["n\n", "\n", "what?\n", CTRL_D], ids=["no", "enter", "a question", "ctrl-d"])
def test_whatever_is_no_yes_ends_the_run_there(farm: Farm, answer: str) -> None:
    write_approved(farm)
    with at_a_desk(farm) as desk:
        desk.sees("Go on? [y/N]: ")
        desk.types(answer)
        told = desk.leaves()
    assert (told.code, given(told)) == (1, [("sign_off", False, "")])
    assert touched(farm, "after") == set()
    assert told.ends == {"web-1": "skipped", "web-2": "skipped", "controller": "failed"}
    assert "'Sign-off' was not approved" in told.all("run_halted")[0]["reason"]
    assert not farm.is_locked()


@pytest.mark.parametrize("word", ["Sign-off", "sign_off"])
def test_an_approval_is_given_beforehand_with_a_note_that_is_kept(farm: Farm, word: str) -> None:
    write_approved(farm)
    told = farm.apply("--approve", f"{word}=ticket 4711")
    assert (told.code, given(told)) == (0, [("sign_off", True, "ticket 4711")])
    records = "".join(path.read_text() for path in farm.state.rglob("*.jsonl"))
    assert "ticket 4711" in records


def test_a_note_counts_before_whoever_sits_there(farm: Farm) -> None:
    write_approved(farm)
    with at_a_desk(farm, "--approve", "Sign-off=ticket 4711") as desk:
        told = desk.leaves()
    assert (told.code, given(told)) == (0, [("sign_off", True, "ticket 4711")])
    assert "Go on" not in told.stderr


@pytest.mark.parametrize("how", ["cron", "--no-input"])
def test_a_missing_approval_refuses_the_run_before_anything_changed(farm: Farm, how: str) -> None:
    write_approved(farm)
    before = listing(farm.home())
    if how == "cron":
        told = farm.apply()
    else:
        with at_a_desk(farm, "--no-input") as desk:
            told = desk.leaves()
    assert told.code == 5
    assert '--approve "Sign-off=NOTE"' in told.stderr
    assert "nothing was changed" in told.stderr
    assert "lock" not in told.phases
    assert listing(farm.home()) == before


def test_an_approval_that_the_plan_has_not_is_bad_usage(farm: Farm) -> None:
    write_approved(farm)
    told = farm.apply("--approve", "Sign-of=x")
    assert told.code == 2
    assert "Sign-off" in told.stderr
    assert touched(farm, "before") == set()


def test_nobody_is_asked_where_nothing_changes(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    steps = "- {name: Sign-off, approve: Go}\n- {name: Deploy, package: shop}\n"
    farm.write_plan(steps)
    assert farm.apply().code == 5
    assert farm.apply("--approve", "Sign-off=yes").code == 0
    told = farm.apply()
    assert (told.code, given(told)) == (0, [])
    assert "lock" not in told.phases
    assert farm.apply("--limit", "web-1").code == 0


def test_an_approval_of_other_environments_or_left_out_is_not_missed(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {}})
    steps = "- {name: Sign-off, environments: [production], approve: Go}\n- {name: Touch, run: touch ~/touched}\n"
    farm.write_plan(steps, packages="")
    assert farm.apply("-e", "staging").code == 0
    assert farm.apply("-e", "production").code == 5
    assert farm.apply("-e", "production", "--skip-step", "Sign-off").code == 0
    farm.write_plan(steps.replace("approve: Go", "required: true, approve: Go"), packages="")
    assert farm.apply("-e", "production", "--skip-step", "Sign-off").code == 2


def test_after_a_failure_that_ends_the_run_nobody_is_asked(farm: Farm) -> None:
    write_approved(farm, APPROVED.replace("touch ~/before", "exit 3"))
    with at_a_desk(farm) as desk:
        told = desk.leaves()
    assert (told.code, given(told)) == (1, [])
    assert "Go on" not in told.stderr


# Pauses that ask.

CANARY = """
- name: Roll out
  rolling: {window: 100%, canary: 1, pause: approve}
  steps:
  - {name: Work, run: touch ~/worked}
"""


def test_after_the_canary_somebody_is_asked_once_for_the_rest(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(4)
    farm.write_plan(CANARY, packages="")
    with at_a_desk(farm) as desk:
        desk.sees("Roll out: the canary is done. Go on? [y/N]: ")
        assert touched(farm, "worked") == {"web-1"}
        desk.types("yes\n")
        told = desk.leaves()
    assert (told.code, given(told)) == (0, [("roll_out", True, "")])
    assert touched(farm, "worked") == set(farm.hosts)


def test_a_no_after_the_canary_halts_and_starts_nobody_else(farm: Farm) -> None:
    farm.write_plan(CANARY, packages="")
    with at_a_desk(farm) as desk:
        desk.answers("Go on? [y/N]: ", "n")
        told = desk.leaves()
    assert (told.code, touched(farm, "worked")) == (1, {"web-1"})
    assert told.ends["web-2"] == "skipped"
    assert not farm.is_locked("web-2")


def test_a_pause_is_approved_beforehand_or_missed_before_anything_changes(farm: Farm) -> None:
    farm.write_plan(CANARY, packages="")
    told = farm.apply()
    assert (told.code, touched(farm, "worked")) == (5, set())
    assert '--approve "Roll out=NOTE"' in told.stderr
    told = farm.apply("--approve", "Roll out=watched")
    assert (told.code, given(told), touched(farm, "worked")) == (
        0,
        [("roll_out", True, "watched")],
        {"web-1", "web-2"},
    )
    assert farm.apply("--limit", "web-2").code == 0, "a canary alone has nobody after it"


# Guided failures.

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


# Ctrl-C while a question is open.


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


@pytest.mark.parametrize("plan", [APPROVED, CANARY], ids=["approve", "pause"])
def test_ctrl_c_at_an_approval_is_an_interrupt_and_no_refusal(farm: Farm, plan: str) -> None:
    write_approved(farm, plan)
    with at_a_desk(farm) as desk:
        desk.sees("Go on? [y/N]: ")
        desk.types(CTRL_C)
        told = desk.leaves()
        assert desk.echoes
    assert (told.code, given(told)) == (130, [])
    assert touched(farm, "after") == set()
    assert not farm.is_locked()
    assert not farm.is_locked("web-2")
