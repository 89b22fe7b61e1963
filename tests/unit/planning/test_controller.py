"""Steps on the controller: when they run, for whom, with what."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.model.observed import Baseline, Done
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import (
    BecomeAs,
    CheckStep,
    CommandProbe,
    HttpProbe,
    PackageStep,
    Probe,
    Rolling,
    Step,
    When,
)
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.model.work import ApproveWork, HttpWork, Planned, PlannedStep, ProbeWork, ScriptWork
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    HERE,
    Case,
    approve,
    file,
    file_seen,
    group,
    left_so,
    loaded,
    observed,
    run,
    step,
)

CONTROLLER = "controller"


def case(*steps: Step, targets: tuple[str, ...] = ("web-1", "web-2"), **keys: Any) -> Case:
    """A plan with files that are right everywhere: nothing changes."""
    right = {"unit": file_seen()}
    seen = {name: observed(name, files=right, baseline=left_so(right)) for name in targets}
    return Case(loaded(*steps, targets=targets, **keys), seen)


def change(made: Case, target: str) -> Case:
    made.seen[target] = observed(target, files={"unit": file_seen("other\n")})
    return made


def here(name: str = "tell", text: str = "notify", **keys: Any) -> Step:
    return run(name, text, on_controller=True, **keys)


def planned_step(made: Case, step_id: str) -> PlannedStep:
    return next(found for found in made.plan().walk() if found.step.id == step_id)


def script_of(found: Planned) -> ScriptWork:
    assert isinstance(found.work, ScriptWork)
    return found.work


@pytest.mark.parametrize(
    "step", [here(), approve("tell"), step("tell", CheckStep(Probe(CommandProbe("x"))), on_controller=True)]
)
def test_a_step_on_the_controller_is_due_where_the_run_changes_something(step: Step) -> None:
    made = case(file(), step)
    assert planned_step(made, "tell").targets == (CONTROLLER,)
    quiet = made.of("tell", CONTROLLER)
    assert (quiet.outcome, quiet.reason, quiet.work) == (Outcome.UNCHANGED, "nothing changes", None)
    busy = change(made, "web-2").of("tell", CONTROLLER)
    assert (busy.reason, busy.due) == ("this run changes web-2", True)
    assert made.plan().targets == made.plan().steps[0].targets == ("web-1", "web-2")
    assert made.plan().changing == ("web-2",)


@pytest.mark.parametrize(
    "step", [here(), approve("tell"), step("tell", CheckStep(Probe(CommandProbe("x"))), on_controller=True)]
)
def test_to_remember_is_no_change_for_the_controller(step: Step) -> None:
    for steps in ((file(), step), (group("roll", file(), here("drain"), rolling=Rolling()), step)):
        made = case(*steps)
        made.seen["web-2"] = observed("web-2", files={"unit": file_seen()})
        assert made.plan().changing == made.plan().remembering == ("web-2",)
        assert not made.of("tell", CONTROLLER).due
        if len(made.plan().walk()) > 2:
            assert not made.of("drain", "web-2").due


def test_many_changes_are_counted() -> None:
    names = tuple(f"web-{number}" for number in range(1, 6))
    made = case(file(), here(), targets=names)
    for name in names:
        change(made, name)
    assert made.of("tell", CONTROLLER).reason == "this run changes web-1, web-2, web-3 and 2 more"


def test_it_changes_nothing_itself() -> None:
    made = case(group("g", here("before"), file()), here("after"))
    assert not made.of("before", CONTROLLER).due
    assert not made.of("after", CONTROLLER).due


def test_in_a_runbook_it_is_always_due() -> None:
    made = case(file(), here(), approve("ask"), packages=(), release=None)
    assert (
        made.of("tell", CONTROLLER).reason
        == made.of("ask", CONTROLLER).reason
        == "a plan without packages: always runs"
    )


def test_a_plan_of_nothing_else_has_no_targets() -> None:
    plan = case(here(), packages=(), release=None).plan()
    assert (plan.targets, plan.steps[0].targets, plan.steps[0].planned[CONTROLLER].due) == ((), (CONTROLLER,), True)


def test_what_is_for_failures_or_always_is_ready_where_nothing_changes() -> None:
    made = case(file(), here("alarm", when=When.FAILURE), here("tell", when=When.ALWAYS))
    alarm, tell = made.of("alarm", CONTROLLER), made.of("tell", CONTROLLER)
    assert (alarm.outcome, alarm.standby, tell.outcome, tell.standby) == (
        Outcome.SKIPPED,
        True,
        Outcome.UNCHANGED,
        True,
    )
    assert change(made, "web-1").of("tell", CONTROLLER).due


def test_it_can_be_left_out() -> None:
    made = change(case(file(), here(), here("never", when=Template("${{ false }}", HERE))), "web-1")
    assert made.of("never", CONTROLLER).reason == "'when' is false here"
    made.options = RunOptions(skip_steps=frozenset({"tell"}))
    assert made.of("tell", CONTROLLER).reason == "left out with --skip-step"


# In a rolling group.


def test_in_a_rolling_group_it_runs_for_each_target_whose_group_changes_it() -> None:
    made = case(group("roll", here("drain"), file(), rolling=Rolling()), run("other", "x"))
    done = Baseline(done={script_of(made.of("other")).digest: Done("other", "1.4.2", "run")})
    made.seen = {
        "web-1": observed("web-1", files={"unit": file_seen()}),
        "web-2": observed("web-2", files={"unit": file_seen("x")}, baseline=done),
    }
    assert planned_step(made, "drain").targets == ("web-1", "web-2")
    assert not made.of("drain", "web-1").due  # the target is changed, but not by the group
    found = made.of("drain", "web-2")
    assert (found.due, found.reason) == (True, "its group changes this target")
    assert script_of(found).env["OCTO_TARGET"] == "web-2"


def test_in_a_rolling_group_it_runs_where_an_earlier_run_left_it_over() -> None:
    undrain = here("undrain", when=When.ALWAYS)
    made = case(group("roll", here("drain"), file(), undrain, rolling=Rolling()))
    left = Baseline(due={"1.4.2": ("undrain",)})
    made.seen["web-2"] = observed("web-2", files={"unit": file_seen()}, baseline=left)
    assert not made.of("undrain", "web-1").due
    assert not made.of("drain", "web-2").due
    found = made.of("undrain", "web-2")
    assert (found.due, found.reason) == (True, "left over from a run that did not finish")


def test_for_a_target_that_cannot_be_reached_it_does_nothing() -> None:
    made = case(group("roll", here("drain"), file(), rolling=Rolling()))
    del made.seen["web-2"]
    assert made.of("drain", "web-2").outcome is Outcome.UNREACHABLE


# What it gets.


def test_a_script_here_gets_what_depends_on_no_target_and_runs_as_we_are_in_the_plans_folder() -> None:
    variables = {
        "color": "red",
        "mine": Template("of ${{ target }}", HERE),
        "token": SecretRef(EnvSource("TOKEN"), HERE),
        "hidden": SecretRef(EnvSource("HIDDEN"), HERE),
    }
    made = change(case(group("g", file(), here(secrets=("token",)), become=BecomeAs()), variables=variables), "web-1")
    work = script_of(made.of("tell", CONTROLLER))
    assert (work.cwd, work.sudo_user, work.digest, work.release_dirs) == (".", None, "", {})
    assert work.env["color"] == "red"
    assert work.env["token"] == variables["token"]
    assert {"mine", "hidden"}.isdisjoint(work.env)
    assert (work.env["OCTO_TARGET"], work.env["OCTO_TAGS"], work.env["OCTO_RELEASE"]) == (CONTROLLER, "", "1.4.2")


def test_a_folder_of_the_plan_is_kept() -> None:
    made = change(case(file(), here(cwd="tools")), "web-1")
    assert script_of(made.of("tell", CONTROLLER)).cwd == "tools"


def test_a_release_folder_of_a_target_is_none_of_the_controllers() -> None:
    deploy = step("deploy", PackageStep("shop"))
    made = Case(loaded(group("roll", deploy, here(), rolling=Rolling()), targets=("web-1",)), {"web-1": observed()})
    work = script_of(made.of("tell"))
    assert (work.cwd, "OCTO_RELEASE_DIR" in work.env) == (".", False)


def test_a_url_may_be_asked_whatever_targets_have() -> None:
    probe = step("tell", CheckStep(Probe(HttpProbe("http://x/"))), on_controller=True)
    work = change(case(file(), probe), "web-1").of("tell", CONTROLLER).work
    assert isinstance(work, ProbeWork)
    assert work.what == HttpWork("http://x/", None)


def test_an_approval_tells_its_text_with_what_is_known_then() -> None:
    made = change(case(file(), approve("ask")), "web-1")
    assert made.of("ask", CONTROLLER).work == ApproveWork("look")
