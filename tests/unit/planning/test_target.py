"""One target's steps: what ``unless`` and ``rerun`` say, files and services among scripts, ``once``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import Refused
from octo_ssh.model.observed import Baseline, Done, Observed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import InlineScript, Rerun, Restart, RunStep, Step, When
from octo_ssh.model.work import ScriptWork
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    Case,
    check,
    file,
    file_seen,
    group,
    left_so,
    loaded,
    observed,
    run,
    service,
    service_seen,
    step,
)


def asking(name: str = "init", **keys: Any) -> Step:
    return step(name, RunStep(InlineScript("init"), unless="test -e x"), **keys)


def always(name: str = "patch") -> Step:
    return step(name, RunStep(InlineScript("patch"), rerun=Rerun.ALWAYS))


def case(*steps: Step, seen: Observed | None = None, packages: tuple[str, ...] = ("shop",)) -> Case:
    made = loaded(*steps, targets=("web-1",), packages=packages, release="1.4.2" if packages else None)
    return Case(made, {"web-1": seen or observed()})


def remembered(made: Case, *step_ids: str, **keys: Any) -> Observed:
    """These steps have run for the release."""
    done: dict[str, Done] = {}
    for step_id in step_ids:
        work = made.of(step_id).work
        assert isinstance(work, ScriptWork)
        done[work.digest] = Done(step_id, "1.4.2", "run")
    return observed(baseline=Baseline("1.4.2", done=done), **keys)


# ``unless`` and ``rerun``.


@pytest.mark.parametrize("packages", [("shop",), ()])
@pytest.mark.parametrize("options", [RunOptions(), RunOptions(redeploy=True)])
def test_unless_alone_decides(packages: tuple[str, ...], options: RunOptions) -> None:
    made = case(asking(), packages=packages)
    made.options = options
    made.seen["web-1"] = observed(unless={"init": 0})
    found = made.of("init")
    assert (found.outcome, found.reason, found.work) == (Outcome.UNCHANGED, "already so", None)
    made.seen["web-1"] = observed(unless={"init": 1})
    assert (made.of("init").outcome, made.of("init").reason) == (Outcome.CHANGED, "its 'unless' says so")


def test_unless_decides_over_memory_and_over_its_group() -> None:
    made = case(group("g", asking(), run("a")))
    done = remembered(made, "init")
    made.seen["web-1"] = observed(baseline=done.baseline, unless={"init": 1})
    assert made.of("init").due
    made.seen["web-1"] = observed(unless={"init": 0})
    assert (made.of("a").due, made.of("init").due) == (True, False)


def test_a_step_that_reruns_is_due_whatever_is_remembered() -> None:
    made = case(always())
    made.seen["web-1"] = remembered(made, "patch")
    assert made.of("patch").reason == "rerun: always"


# Once.


def once_case(**statuses: int | None) -> Case:
    """A ``once`` step with ``unless``; a target without a status cannot be reached."""
    names = {name.replace("_", "-"): status for name, status in statuses.items()}
    seen = {name: observed(name, unless={"init": status}) for name, status in names.items() if status is not None}
    return Case(loaded(asking(once=True), run("b"), targets=tuple(names)), seen)


def test_a_once_step_is_already_so_where_any_target_says_so() -> None:
    plan = once_case(web_1=1, web_2=0).plan()
    assert (plan.steps[0].targets, plan.steps[0].planned["web-1"].reason) == (("web-1",), "already so on web-2")
    assert once_case(web_1=None, web_2=0).plan().steps[0].planned["web-2"].reason == "already so"
    assert once_case(web_1=1, web_2=1).plan().steps[0].planned["web-1"].due


def test_a_once_step_of_which_somebody_cannot_be_asked_refuses_the_run() -> None:
    with pytest.raises(Refused, match="whether it did cannot be told: web-2 cannot be asked"):
        once_case(web_1=1, web_2=None).plan()


def test_a_once_step_that_reruns_runs_on_the_first_target() -> None:
    kind = RunStep(InlineScript("x"), rerun=Rerun.ALWAYS)
    made = Case(loaded(step("a", kind, once=True)), {name: observed(name) for name in ("web-2", "web-3")})
    assert made.plan().steps[0].planned["web-2"].reason == "rerun: always"


def test_a_once_file_is_owed_nothing_elsewhere() -> None:
    restarting = service(restart=Restart.ON_CHANGE, on_change=("unit",), once=True)
    seen = {name: observed(name, files={"unit": file_seen("x")}, services={"service": service_seen()}) for name in "ab"}
    made = Case(loaded(file(), restarting, targets=("a", "b")), seen)
    assert [getattr(made.of("unit", name).work, "owes") != () for name in "ab"] == [True, False]  # noqa: B009


# Files and services among scripts.


def test_a_script_that_is_due_makes_a_service_restart_which_makes_its_groups_scripts_due() -> None:
    restarting = service(restart=Restart.ON_CHANGE, on_change=("first",))
    made = case(run("first", "f"), group("g", restarting, run("tell", "t")), check())
    made.seen["web-1"] = remembered(made, "tell", services={"service": service_seen()})
    assert made.of("tell").reason == "another step of its group changes this target"
    assert made.of("smoke").reason == "this run changes the target"


def test_a_file_or_service_that_fails_in_the_plan_changes_nothing_for_others() -> None:
    made = case(group("g", service(), run("tell")), check())
    quiet = remembered(made, "tell", services={"service": service_seen("inactive", load="masked")})
    made.seen["web-1"] = quiet
    assert made.of("service").outcome is Outcome.FAILED
    assert not made.of("tell").due
    assert made.of("smoke").reason == "never passed here"


def test_to_remember_is_no_change_for_others() -> None:
    restarting = service("other", restart=Restart.ON_CHANGE, on_change=("unit", "service"))
    once = run("once", "o", once=True)
    made = case(group("g", file(), service(), restarting, run("tell", "t")), once, check())
    services = {name: service_seen() for name in ("service", "other")}
    left = remembered(made, "tell", "once").baseline
    left = replace(left, passed_checks=frozenset({"smoke"}))
    made.seen["web-1"] = observed(baseline=left, files={"unit": file_seen()}, services=services)
    plan = made.plan()
    due = {step.step.id for step in plan.walk() for planned in step.planned.values() if planned.due}
    assert due == {"unit", "service", "other"}
    assert (plan.changing, plan.remembering) == (("web-1",), ("web-1",))
    made.seen["web-1"] = observed(baseline=left, files={"unit": file_seen("x")}, services=services)
    plan = made.plan()
    assert (plan.changing, plan.remembering) == (("web-1",), ())


def test_a_check_that_is_due_is_no_change_for_its_group() -> None:
    made = case(group("g", run("tell"), check()))
    made.seen["web-1"] = remembered(made, "tell")
    assert (made.of("smoke").due, made.of("tell").due) == (True, False)


@given(
    order=st.permutations(["file", "service", "run", "check"]),
    differs=st.booleans(),
    runs=st.booleans(),
    grouped=st.booleans(),
    when=st.sampled_from([When.SUCCESS, When.ALWAYS]),
)
def test_nothing_is_due_on_a_target_as_a_run_has_left_it(
    order: list[str], differs: bool, runs: bool, grouped: bool, when: When
) -> None:
    kinds = {
        "file": file(),
        "service": service(restart=Restart.ON_CHANGE, on_change=("unit", "script"), when=when),
        "run": run("script"),
        "check": check(),
    }
    steps = [kinds[name] for name in order]
    made = case(*([group("g", *steps)] if grouped else steps))
    left = remembered(made, *(() if runs else ("script",)), services={"service": service_seen()})
    units = [(kinds["service"], service_seen())]
    known = {"release": "1.4.2", "passed_checks": frozenset({"smoke"})}
    passed = left_so({"unit": file_seen()}, units, done=left.baseline.done, **known)
    seen = file_seen("old\n" if differs else "text\n")
    made.seen["web-1"] = observed(baseline=passed, files={"unit": seen}, services=left.services)
    assert (made.plan().changing == ("web-1",)) is (differs or runs)
    everything = remembered(case(*steps), "script").baseline.done
    after = left_so({"unit": file_seen()}, units, done=everything, **known)
    made.seen["web-1"] = observed(baseline=after, files={"unit": file_seen()}, services=left.services)
    assert made.plan().changing == ()
