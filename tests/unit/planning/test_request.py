"""Whom a run is for (SPEC section 4, "Selecting targets")."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.errors import FileErrors, UsageError
from octo_ssh.model.plan import InlineScript, RunStep, When
from octo_ssh.model.values import Template
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import RunOptions, select
from tests.unit.planning.builders import HERE, approve, group, inventory, loaded, package, run, service, step

INV = inventory("web-1", "db-1", "web-2", tags={"web-1": ("web",), "web-2": ("web",), "db-1": ("db",)})


def plan(*steps: Any) -> Any:
    return loaded(*steps, inv=INV)


def test_without_words_the_run_is_for_every_target_that_a_step_reaches_in_inventory_order() -> None:
    assert select(plan(run("a", on=("web",))), RunOptions()).targets == ("web-1", "web-2")
    assert select(plan(run("a")), RunOptions()).targets == ("web-1", "db-1", "web-2")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (RunOptions(limit=("web-*",)), ("web-1", "web-2")),
        (RunOptions(limit=("tag:web & !web-2",)), ("web-1",)),
        (RunOptions(exclude=("db-1",)), ("web-1", "web-2")),
        (RunOptions(limit=("tag:web",), exclude=("web-1",)), ("web-2",)),
        (RunOptions(limit=("@failed",), failed=frozenset({"db-1"})), ("db-1",)),
    ],
)
def test_limit_and_exclude(options: RunOptions, expected: tuple[str, ...]) -> None:
    assert select(plan(run("a")), options).targets == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RunOptions(limit=("web-9",)), "--limit: unknown target 'web-9'"),
        (RunOptions(exclude=("tag:wed",)), r"--exclude: unknown tag 'wed' \(did you mean 'web'"),
        (RunOptions(limit=("web-1",), exclude=("web-*",)), "--limit and --exclude selects no target"),
        (RunOptions(limit=("db-1",)), "no step of plan.yaml runs on db-1"),
        (RunOptions(limit=("@failed",)), "'@failed' needs a last run"),
        (RunOptions(skip_steps=frozenset({"depoly"})), r"no step 'depoly' \(did you mean 'deploy'"),
    ],
)
def test_what_was_typed_wrongly_is_bad_usage(options: RunOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(plan(run("deploy", on=("web",))), options)


def test_a_step_that_selects_nobody_is_an_error_at_its_place_unless_it_may() -> None:
    with pytest.raises(FileErrors, match=r"plan.yaml:1:1: 'b' selects no target"):
        select(plan(run("a"), run("b", on=("web & db",))), RunOptions())
    assert select(plan(run("a"), run("b", on=("web & db",), allow_empty=True)), RunOptions()).targets


def test_a_step_that_only_the_limit_empties_is_no_error() -> None:
    assert select(plan(run("a", on=("web",)), run("b", on=("db",))), RunOptions(limit=("db-1",))).targets == ("db-1",)


def test_a_step_in_a_group_reaches_the_groups_targets_at_most_and_a_group_those_of_its_steps() -> None:
    found = reached(
        plan(group("g", run("a", on=("web",)), run("b", on=("web & web",)), on=("web", "db"))), tuple(INV.targets)
    )
    assert found == {"g": ("web-1", "web-2"), "a": ("web-1", "web-2"), "b": ("web-1", "web-2")}


def test_a_skipped_group_takes_its_steps_along() -> None:
    steps = [group("g", run("a"), group("h", run("b"))), run("c")]
    assert set(select(plan(*steps), RunOptions(skip_steps=frozenset({"g"}))).skipped) == {"g", "a", "h", "b"}


def test_a_once_step_asks_those_outside_the_limit_too() -> None:
    steps = [package(), run("migrate", once=True, on=("web",))]
    assert select(plan(*steps), RunOptions(limit=("web-1",))).once_extra == ("web-2",)
    assert select(plan(*steps), RunOptions(limit=("db-1",))).once_extra == ()
    skipped = RunOptions(limit=("web-1",), skip_steps=frozenset({"migrate"}))
    assert select(plan(*steps), skipped).once_extra == ()


def test_a_runbook_asks_nobody_else() -> None:
    runbook = loaded(run("migrate", once=True), inv=INV, packages=(), release=None)
    assert select(runbook, RunOptions(limit=("web-1",))).once_extra == ()


@pytest.mark.parametrize("step", [package(when=When.FAILURE), group("g", package(), when=When.FAILURE)])
def test_a_package_cannot_wait_for_a_failure(step: Any) -> None:
    with pytest.raises(FileErrors, match="cannot wait for a failure"):
        select(plan(step), RunOptions())


def test_a_once_step_with_unless_asks_those_outside_the_limit_even_in_a_runbook() -> None:
    asking = step("init", RunStep(InlineScript("init"), unless="test -e x"), once=True)
    runbook = loaded(asking, service(once=True), inv=INV, packages=(), release=None)
    assert select(runbook, RunOptions(limit=("web-1",))).once_extra == ("db-1", "web-2")


def test_a_plan_of_steps_on_the_controller_needs_no_target() -> None:
    found = select(plan(run("a", on_controller=True), group("g", approve("b"))), RunOptions())
    assert (found.targets, found.once_extra) == ((), ())


def test_a_step_of_another_environment_may_select_nobody_here() -> None:
    inv = inventory("web-1", environments=("staging",))
    only = group("g", run("a", on=("target:web-1 & !target:web-1",)), environments=("production",))
    case = loaded(only, run("b"), inv=inv, environment="staging")
    assert dict(select(case, RunOptions()).skipped) == {"g": "only in production", "a": "only in production"}
    with pytest.raises(FileErrors, match="selects no target in staging"):
        select(loaded(run("a", on=("target:web-1 & !target:web-1",)), inv=inv, environment="staging"), RunOptions())


def test_whose_output_is_read_is_asked_for_its_memory_though_the_run_is_not_for_it() -> None:
    def reading(target: str) -> Template:
        return Template(f'${{{{ steps.make.outputs["{target}"].X }}}}', HERE)

    use = run("use", on=("target:web-1",), env={"X": reading("db-1")})
    tell = run("tell", env={"X": reading("web-2")}, on_controller=True)
    found = select(plan(run("make"), use, tell), RunOptions(limit=("web-1",)))
    assert (found.targets, found.once_extra) == (("web-1",), ("db-1", "web-2"))
    assert select(plan(run("make"), use), RunOptions(limit=("web-2",))).once_extra == ()
    without = RunOptions(limit=("web-1",), skip_steps=frozenset({"use"}))
    assert select(plan(run("make"), use), without).once_extra == ()
