"""The plan of a run as a whole: numbers, refusals, mistakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.errors import FileErrors, Refused
from octo_ssh.model.observed import Baseline, FileBaseline
from octo_ssh.model.plan import Budget, Rolling, Step
from octo_ssh.model.values import Template
from octo_ssh.model.work import Window
from octo_ssh.planning.plan import failures, share
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    HERE,
    Case,
    facts,
    file,
    group,
    inventory,
    loaded,
    observed,
    package,
    run,
    service,
)

TEN = tuple(f"web-{number:02}" for number in range(10))


def case(*steps: object, targets: tuple[str, ...] = TEN, **keys: object) -> Case:
    return Case(loaded(*steps, targets=targets, **keys), {name: observed(name) for name in targets})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "targets", "down", "up"),
    [
        (Budget(count=3), 10, 3, 3),
        (Budget(percent=25), 10, 2, 3),
        (Budget(percent=10), 10, 1, 1),
        (Budget(percent=10), 9, 0, 1),
        (Budget(percent=0), 10, 0, 1),
        (Budget(percent=100), 7, 7, 7),
        (Budget(percent=29), 100, 29, 29),
        (Budget(percent=7), 100, 7, 7),
    ],
)
def test_budgets_round_down_and_windows_up(budget: Budget, targets: int, down: int, up: int) -> None:
    assert (failures(budget, targets), share(budget, targets)) == (down, up)


def test_shares_are_of_the_steps_targets() -> None:
    rolling = Rolling(Budget(percent=25), Budget(percent=10), Budget(percent=25), 30.0)
    plan = case(group("g", package(), rolling=rolling), max_failures=Budget(percent=35)).plan()
    assert plan.steps[0].window == Window(size=3, canary=1, max_failures=2, pause_s=30.0)
    assert plan.max_failures == 3


def test_a_step_may_say_less_than_the_plan_about_how_many_at_once() -> None:
    steps = group("g", package(max_parallel=9), run("a", max_parallel=2), max_parallel=5)
    plan = case(steps, run("b"), max_parallel=7).plan()
    assert {step.step.id: step.max_parallel for step in plan.walk()} == {"g": 5, "deploy": 5, "a": 2, "b": 7}


def test_two_names_for_one_machine_are_refused() -> None:
    made = case(package(), targets=("web-1", "web-2"))
    one = facts("web-1")
    made.seen["web-2"] = observed("web-2", facts=one)
    with pytest.raises(Refused, match="web-1 and web-2 are one machine with one root"):
        made.plan()


@pytest.mark.parametrize("change", [{"root": "/elsewhere"}, {"machine_id": ""}, {"boot_id": "a clone's"}])
def test_roots_of_their_own_and_clones_are_not_one_machine(change: dict[str, str]) -> None:
    made = case(package(), targets=("web-1", "web-2"))
    shared = facts("web-1")
    first = replace(shared, machine_id="") if "machine_id" in change else shared
    made.seen = {"web-1": observed(facts=first), "web-2": observed(facts=replace(first, **change))}  # type: ignore[arg-type]
    assert made.plan().changing == ("web-1", "web-2")


def test_every_mistake_is_told_at_once() -> None:
    bad = Template("${{ nope }}", HERE)
    with pytest.raises(FileErrors) as raised:
        case(package(), run("a", cwd=bad), run("b", env={"X": Template("${{ nix }}", HERE)})).plan()
    assert {"undefined name 'nope'", "undefined name 'nix'"} <= {problem.message for problem in raised.value.problems}


def test_a_pause_that_asks_is_in_the_window() -> None:
    asking = Rolling(canary=Budget(count=1), asks=True)
    window = case(group("roll", run("a"), rolling=asking)).plan().steps[0].window
    assert window == Window(size=1, canary=1, max_failures=0, pause_s=0.0, asks=True)


def test_targets_that_watch_for_steps_of_before_are_to_forget_them_but_not_for_a_runbook() -> None:
    watched = Baseline("1.4.2", files={"gone": FileBaseline("/f", True)})
    seen = {"web-1": observed("web-1", baseline=watched), "web-2": observed("web-2")}
    made = Case(loaded(package("deploy", to="/srv/shop"), targets=tuple(seen)), seen).plan()
    assert made.forgetting == {"web-1": {("file", "gone")}}
    assert Case(loaded(run("say"), release=None, packages=(), targets=tuple(seen)), seen).plan().forgetting == {}


ELSEWHERE = inventory("web-1", "db-1", tags={"web-1": ("web",), "db-1": ("db",)}, environments=("staging",))


@pytest.mark.parametrize(
    ("step", "gone"),
    [
        (file("conf"), ()),
        (file("conf", on=("web",)), ()),
        (file("conf", once=True), ()),
        (file("conf", when=Template("${{ false }}", HERE)), ()),
        (file("conf", environments=("staging",)), ()),
        (group("all", file("conf"), on=("web",)), ()),
        (file("conf", on=("db",)), ("file",)),
        (file("conf", environments=("production",)), ("file",)),
        (group("all", file("conf"), on=("db",)), ("file",)),
        (group("all", file("conf"), environments=("production",)), ("file",)),
        (service("conf"), ("file",)),
        (run("conf"), ("file",)),
    ],
)
@pytest.mark.parametrize("skipped", [False, True])
def test_a_step_that_is_for_others_now_or_another_kind_is_to_be_forgotten_here(
    step: Step, gone: tuple[str, ...], skipped: bool
) -> None:
    """What is only left out today is not: its file stays where it is, and watched."""
    seen = {"web-1": observed("web-1", baseline=Baseline("1.4.2", files={"conf": FileBaseline("/f", True)}))}
    made = Case(loaded(package("deploy", to="/srv/shop"), step, inv=ELSEWHERE, environment="staging"), seen)
    made.options = RunOptions(limit=("web-1",), skip_steps=frozenset({"conf"} if skipped else ()))
    expected = {"web-1": {(kind, "conf") for kind in gone}} if gone else {}
    assert made.plan().forgetting == expected
