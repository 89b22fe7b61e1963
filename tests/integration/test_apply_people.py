"""Approvals, on a real terminal and without one: approve steps, and pauses of windows that ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.desk import CTRL_C, CTRL_D, at_a_desk
from tests.integration.farm import Farm, Told, listing

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


def test_a_pause_is_missed_also_where_the_work_stands_in_a_group_of_the_group(farm: Farm) -> None:
    inner = "  - {name: Inner, steps: [{name: Work, run: touch ~/worked}]}\n"
    farm.write_plan(CANARY.replace("  - {name: Work, run: touch ~/worked}\n", inner), packages="")
    told = farm.apply()
    assert (told.code, touched(farm, "worked")) == (5, set())
    assert '--approve "Roll out=NOTE"' in told.stderr


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
