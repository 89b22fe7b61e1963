"""Scripts by their ``unless`` and by what is remembered, and checks that were asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.model.drift import FindingKind, State
from octo_ssh.model.observed import Baseline, Done
from octo_ssh.model.plan import InlineScript, PackageScript, Rerun, RunStep, When
from octo_ssh.planning.drift import Health, report
from octo_ssh.planning.scripts import digest
from tests.unit.planning.builders import check as check_step
from tests.unit.planning.builders import package, run, step
from tests.unit.planning.drifting import STEPS, Check

UNLESS = step("swap", RunStep(InlineScript("mkswap"), unless="test -e /swap"))
DONE = {"digest": Done("swap", "1.4.2", "run")}


def check(*steps: Any, done: dict[str, Done] | None = None, held: frozenset[str] = frozenset(), **seen: Any) -> Check:
    made = Check(steps=(*STEPS, *steps), seen=seen)
    made.left = replace(made.left, done=done or {}, held=held)
    return made


def names(made: Check) -> list[str]:
    return [one.step for one in made.target().steps][3:]


@pytest.mark.parametrize("known", [{"done": DONE}, {"held": frozenset({"swap"})}])
def test_what_a_step_made_true_and_is_true_no_more_is_drift(known: dict[str, Any]) -> None:
    made = check(UNLESS, unless={"swap": 1}, **known)
    (finding,) = made.step("swap").findings
    assert (finding.kind, finding.subject, finding.now) == (FindingKind.UNLESS, "swap", "'unless' ended with status 1")


def test_what_is_so_is_in_sync_and_named() -> None:
    assert check(UNLESS, unless={"swap": 0}).step("swap").state is State.IN_SYNC


def test_what_was_never_done_is_pending() -> None:
    assert check(UNLESS, unless={"swap": 1}).step("swap").state is State.PENDING


def test_what_failed_and_was_ignored_was_never_done() -> None:
    ignored = {"digest": replace(DONE["digest"], ignored=True)}
    assert check(UNLESS, unless={"swap": 1}, done=ignored).step("swap").state is State.PENDING


def test_what_was_not_asked_is_unknown() -> None:
    step_ = check(UNLESS, done=DONE).step("swap")
    assert (step_.state, step_.reason) == (State.UNKNOWN, "its 'unless' was not asked")


def test_against_the_plan_what_is_not_so_differs() -> None:
    made = check(UNLESS, unless={"swap": 1})
    made.keys["against_plan"] = True
    assert made.found("swap") == {("unless", "swap")}


def test_a_script_that_ran_is_not_named() -> None:
    script = run("migrate")
    made = check(script)
    ran = digest(made.given().scene, script, "web-1")
    made.left = replace(made.left, done={ran: Done("migrate", "1.4.2", "run")})
    assert names(made) == []


def test_a_script_that_did_not_run_for_the_release_is_pending() -> None:
    made = check(run("migrate"), done={"digest": Done("migrate", "1.4.1", "run")})
    assert made.step("migrate").reason == "not yet run for 1.4.2"


def test_another_script_than_the_one_that_ran_is_pending() -> None:
    made = check(run("migrate"), done={"digest": Done("migrate", "1.4.2", "run")})
    assert made.step("migrate").reason == "the script, or what it uses, is another than the one that ran"


@pytest.mark.parametrize(
    "script",
    [
        run("x", when=When.FAILURE),
        run("x", when=When.ALWAYS),
        step("x", RunStep(InlineScript("true"), rerun=Rerun.ALWAYS)),
        run("x", on_controller=True),
    ],
)
def test_a_script_that_nothing_is_remembered_of_is_not_pending(script: Any) -> None:
    assert names(check(script)) == []


def test_a_packages_script_that_is_not_at_hand_is_left_in_peace() -> None:
    script = step("x", RunStep(PackageScript("shop", "bin/x")))
    made = check(script, done={"digest": Done("x", "1.4.2", "run")})
    assert names(made) == []


def test_a_runbooks_steps_are_not_pending() -> None:
    made = Check(steps=(run("x"),), left=Baseline(), package=None, plan={"packages": (), "release": None})
    assert made.target().steps == ()


def test_once_is_done_where_anybody_did_it() -> None:
    once = run("migrate", once=True)
    made = Check(steps=(package(to="/srv/shop"), once), plan={"targets": ("web-1", "web-2")})
    first = made.given()
    ran = {digest(first.scene, once, "web-1"): Done("migrate", "1.4.2", "run")}
    one, two = made.observed("web-1"), made.observed("web-2")
    two = replace(two, baseline=replace(two.baseline, done=ran))
    for observed, pending in (({"web-1": one, "web-2": one}, ["web-1"]), ({"web-1": one, "web-2": two}, [])):
        made.keys["observed"] = observed
        told = report(made.given(), at="")
        steps = [(target.target, step) for target in told.targets for step in target.steps if step.step == "migrate"]
        assert [name for name, step in steps if step.state is State.PENDING] == pending
    made.keys["observed"] = {"web-1": one}
    assert names(made) == []


def test_a_once_steps_unless_is_drift_where_it_was_done() -> None:
    once = replace(UNLESS, once=True)
    made = Check(steps=(once,), seen={"unless": {"swap": 1}}, plan={"targets": ("web-1", "web-2")})
    one, two = made.observed("web-1"), made.observed("web-2")
    two = replace(two, baseline=replace(two.baseline, done=DONE))
    made.keys["observed"] = {"web-1": one, "web-2": two}
    told = report(made.given(), at="")
    assert [(target.target, step.state) for target in told.targets for step in target.steps if step.step == "swap"] == [
        ("web-2", State.DRIFTED)
    ]


# Checks


@pytest.mark.parametrize(
    ("health", "state", "reason"),
    [
        (Health(passed=True), State.IN_SYNC, ""),
        (Health(passed=None, reason="the connection was lost"), State.UNKNOWN, "the connection was lost"),
        (Health(passed=False, reason="status 7"), State.DRIFTED, ""),
    ],
)
def test_a_check_that_was_asked_is_told(health: Health, state: State, reason: str) -> None:
    made = check(check_step())
    made.keys["health"] = {("smoke", "web-1"): health}
    found = made.step("smoke")
    assert (found.state, found.reason) == (state, reason)
    assert [one.now for one in found.findings] == (["status 7"] if state is State.DRIFTED else [])


def test_a_check_that_was_not_asked_is_not_named() -> None:
    assert names(check(check_step())) == []


@pytest.mark.parametrize("known", [{"done": DONE}, {}])
def test_an_unless_that_took_too_long_tells_nothing(known: dict[str, Any]) -> None:
    step_ = check(UNLESS, unless={"swap": 124}, **known).step("swap")
    assert (step_.state, step_.reason) == (State.UNKNOWN, "its 'unless' ended with status 124: it took too long")
