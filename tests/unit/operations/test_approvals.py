"""Approvals: typed before, asked for, or missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from octo_ssh.errors import Refused, UsageError
from octo_ssh.execution.context import StepEnd
from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, ReleasePlan, Rolling
from octo_ssh.model.work import ApproveWork, Planned, PlannedStep, RunPlan, Window
from octo_ssh.operations.approvals import Approvals
from octo_ssh.operations.requests import ApplyOptions
from octo_ssh.planning.schedule import Start
from tests.unit.planning.builders import approve, due, file, group, remembering, row, run

ROLL = group("roll", run("go"), rolling=Rolling(asks=True))
SIGN = approve("sign")
PLAN = ReleasePlan("plan.yaml", "shop", None, "inventory.yaml", None, (ROLL, SIGN, run("plain")))


class Yes:
    """Somebody who says what they are told to say."""

    def __init__(self, answer: bool = True, choice: str = "retry") -> None:
        self.answer, self.choice, self.asked = answer, choice, list[str]()

    async def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer

    async def ask(self, question: str, *, echo: bool) -> Any:
        raise AssertionError(question)

    async def choose(self, question: str, choices: Sequence[str]) -> str:
        self.asked.append(question)
        assert self.choice in choices
        return self.choice


def planned(*, canary: int = 1, targets: tuple[str, ...] = ("web-1", "web-2"), asks: bool = True) -> RunPlan:
    sign = PlannedStep(SIGN, (CONTROLLER,), {CONTROLLER: Planned(Outcome.UNCHANGED, "", ApproveWork("look"))})
    roll = row(ROLL, due(run("go"), targets), window=Window(1, canary, 0, 0.0, asks=True))
    steps = (roll, sign) if asks else (due(run("plain"), targets),)
    return RunPlan("shop", None, None, targets, steps, max_failures=0)


def test_what_will_be_asked_is_missed_before_anything_changes() -> None:
    with pytest.raises(Refused) as refused:
        Approvals.of(PLAN, ApplyOptions()).refuse_missing(planned())
    assert "'roll', 'sign' will ask" in refused.value.message
    assert '--approve "roll=NOTE" --approve "sign=NOTE"' in refused.value.hint


def test_what_will_be_asked_is_missed_where_the_work_stands_in_a_group_of_the_group() -> None:
    inner = row(group("inner"), due(run("go"), ("web-1", "web-2")))
    plan = RunPlan(
        "shop", None, None, ("web-1", "web-2"), (row(ROLL, inner, window=Window(1, 1, 0, 0.0, asks=True)),), 0
    )
    with pytest.raises(Refused, match="'roll' will ask"):
        Approvals.of(PLAN, ApplyOptions()).refuse_missing(plan)


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        (ApplyOptions(approvals={"roll": "ok", "sign": "ok"}), planned()),
        (ApplyOptions(approvals={"sign": "ok"}), planned(canary=2)),  # the canary is all there is
        (ApplyOptions(person=Yes()), planned()),
        (ApplyOptions(), planned(asks=False)),
    ],
)
def test_nothing_is_missed_where_it_was_given_or_somebody_can_be_asked(options: ApplyOptions, plan: RunPlan) -> None:
    Approvals.of(PLAN, options).refuse_missing(plan)


def test_a_pause_of_targets_that_only_remember_is_not_missed() -> None:
    roll = row(ROLL, remembering(file("go"), ("web-1", "web-2")), window=Window(1, 1, 0, 0.0, asks=True))
    plan = RunPlan("shop", None, None, ("web-1", "web-2"), (roll,), max_failures=0)
    Approvals.of(PLAN, ApplyOptions()).refuse_missing(plan)


def test_an_approval_of_nothing_is_bad_usage() -> None:
    with pytest.raises(UsageError, match=r"no approval .sgin. .did you mean .sign."):
        Approvals.of(PLAN, ApplyOptions(approvals={"sgin": "ok"}))


async def test_a_note_counts_before_the_person() -> None:
    person = Yes(answer=False)
    approvals = Approvals.of(PLAN, ApplyOptions(person=person, approvals={"sign": "ticket 7"}))
    given = await approvals.approve("sign", "look")
    assert (given.given, given.note, person.asked) == (True, "ticket 7", [])
    refused = await approvals.approve("roll", "the canary is done")
    assert (refused.given, refused.note) == (False, "")
    assert person.asked == ["roll: the canary is done. Go on?"]


@pytest.mark.parametrize(
    ("about", "question"),
    [
        ("", "roll: go on?"),
        ("Look at the dashboard", "roll: Look at the dashboard. Go on?"),
        ("Is the dashboard green? ", "roll: Is the dashboard green? Go on?"),
    ],
)
async def test_what_is_approved_is_put_in_whole_sentences(about: str, question: str) -> None:
    person = Yes(answer=True)
    assert (await Approvals.of(PLAN, ApplyOptions(person=person)).approve("roll", about)).given
    assert person.asked == [question]


async def test_of_a_long_reason_the_question_holds_the_first_line() -> None:
    person = Yes(choice="stop")
    end = StepEnd(Outcome.FAILED, "shop did not start\nport is taken\nbye")
    await Approvals.of(PLAN, ApplyOptions(person=person)).decide(Start("go", "web-1"), end, name="Go")
    assert person.asked == ["Go failed on web-1: shop did not start. What now?"]


async def test_a_failure_is_put_to_the_person_with_its_reason() -> None:
    person = Yes(choice="leave out")
    approvals = Approvals.of(PLAN, ApplyOptions(person=person))
    choice = await approvals.decide(Start("go", "web-1"), StepEnd(Outcome.FAILED, "exit status 1"), name="Go")
    assert choice is Choice.LEAVE_OUT
    assert person.asked == ["Go failed on web-1: exit status 1. What now?"]
