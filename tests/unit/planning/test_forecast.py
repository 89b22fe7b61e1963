"""What comes of each step on each target: due-ness, groups, checks, once, standby (SPEC section 4)."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.errors import FileErrors, Refused
from octo_ssh.model.inventory import Become
from octo_ssh.model.observed import Baseline, Done, Observed, PackageBaseline, ReleaseFolder
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import BecomeAs, CheckStep, CommandProbe, Probe, Rolling, Step, When
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.model.work import LateText, ScriptWork
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    HERE,
    MANIFEST,
    Case,
    facts,
    group,
    inventory,
    loaded,
    observed,
    package,
    place,
    run,
    step,
)

TOKEN = SecretRef(EnvSource("TOKEN"), HERE)
SETTLED = place(current="1.4.2", releases=(ReleaseFolder("1.4.2", MANIFEST.sha256),), fingerprint="print")
"""The release of these tests, current and untouched."""


def check(name: str = "smoke", **keys: Any) -> Step:
    return step(name, CheckStep(Probe(CommandProbe("true"))), **keys)


def at_release(name: str = "web-1", **keys: Any) -> Observed:
    """A target where the package has nothing to do."""
    left = PackageBaseline("/srv/shop", "1.4.2", MANIFEST.sha256, "print")
    return observed(name, places={"deploy": SETTLED}, baseline=Baseline("1.4.2", {"deploy": left}, **keys))


def digest_of(case: Case, step_id: str, target: str = "web-1") -> str:
    work = case.of(step_id, target).work
    assert isinstance(work, ScriptWork)
    return work.digest


def done(case: Case, step_id: str, target: str = "web-1") -> dict[str, Done]:
    """The memory of a success of the step as it stands."""
    return {digest_of(case, step_id, target): Done(step_id, "1.4.2", "run")}


def one(*steps: Step, **keys: Any) -> Case:
    return Case(loaded(*steps, targets=("web-1",), **keys), {"web-1": at_release()})


DEPLOY = package("deploy", to="/srv/shop")


# When a run step is due.


def test_a_run_step_is_due_until_its_success_is_remembered() -> None:
    case = one(DEPLOY, run("migrate"))
    planned = case.of("migrate")
    assert (planned.outcome, planned.reason) == (Outcome.CHANGED, "not yet run for 1.4.2")
    case.seen["web-1"] = at_release(done=done(case, "migrate"))
    planned = case.of("migrate")
    assert (planned.outcome, planned.reason, planned.work) == (Outcome.UNCHANGED, "ran already for 1.4.2", None)
    assert case.plan().changing == ()


def test_a_run_step_whose_failure_was_ignored_is_over_with_for_the_release() -> None:
    case = one(DEPLOY, run("warm"))
    ignored = Done("warm", "1.4.2", "run", ignored=True)
    case.seen["web-1"] = at_release(done={digest_of(case, "warm"): ignored})
    planned = case.of("warm")
    assert (planned.outcome, planned.reason) == (Outcome.UNCHANGED, "failed for 1.4.2, and that was ignored")
    assert case.plan().changing == ()


def test_redeploy_makes_a_run_step_due() -> None:
    case = one(DEPLOY, run("migrate"))
    case.seen["web-1"] = at_release(done=done(case, "migrate"))
    case.options = RunOptions(redeploy=True)
    assert case.of("migrate").reason == "--redeploy"


def test_the_steps_of_a_runbook_are_always_due_and_remembered_by_nothing() -> None:
    case = one(run("restart"), check(), packages=(), release=None)
    case.seen["web-1"] = at_release(passed_checks=frozenset({"smoke"}))
    assert case.of("restart").outcome is Outcome.CHANGED
    assert digest_of(case, "restart") == ""
    assert case.of("smoke").due


def test_what_is_left_of_this_release_is_due_again() -> None:
    case = one(DEPLOY, run("migrate"))
    case.seen["web-1"] = at_release(done=done(case, "migrate"), due={"1.4.2": ("migrate",)})
    assert case.of("migrate").reason == "left over from a run that did not finish"


def test_of_what_is_left_of_another_release_only_always_steps_are_due() -> None:
    case = one(DEPLOY, run("migrate"), run("undrain", "rm x", when=When.ALWAYS))
    remembered = {**done(case, "migrate"), **done(case, "undrain")}
    case.seen["web-1"] = at_release(done=remembered, due={"1.4.1": ("migrate", "undrain")})
    assert not case.of("migrate").due
    assert case.of("undrain").reason == "left over from a run of 1.4.1 that did not finish"


@pytest.mark.parametrize("rolling", [None, Rolling()])
def test_a_group_that_changes_a_target_runs_its_scripts_there(rolling: Rolling | None) -> None:
    drain, undrain = run("drain"), run("undrain", "rm x", when=When.ALWAYS)
    case = one(group("roll", drain, DEPLOY, undrain, rolling=rolling), run("after", "after"))
    remembered = {**done(case, "drain"), **done(case, "undrain"), **done(case, "after")}
    case.seen["web-1"] = at_release(done=remembered)
    assert case.plan().changing == ()
    case.seen["web-1"] = observed(baseline=Baseline(done=remembered))
    assert case.of("drain").reason == "another step of its group changes this target"
    assert case.of("undrain").due
    assert not case.of("after").due


def test_a_once_step_is_not_due_because_its_group_changes_something() -> None:
    case = one(group("roll", run("migrate", once=True), DEPLOY))
    case.seen["web-1"] = observed(baseline=Baseline(done=done(case, "migrate")))
    assert case.of("deploy").due
    assert not case.of("migrate").due


def test_a_due_once_step_makes_its_groups_scripts_due() -> None:
    case = one(DEPLOY, group("g", run("migrate", "m", once=True), run("tell", "t")))
    case.seen["web-1"] = at_release(done=done(case, "tell"))
    assert case.of("migrate").due
    assert case.of("tell").reason == "another step of its group changes this target"


# What a digest covers.

BASE: dict[str, Any] = {"text": "echo $greeting", "variables": {"greeting": "hi", "other": "x"}}


def digest(
    *,
    text: str = "echo $greeting",
    variables: dict[str, Any] | None = None,
    release: str = "1.4.2",
    login: str = "deploy",
    become: str = "root",
    **keys: Any,
) -> str:
    inv = inventory("web-1", become=Become(become))
    made = loaded(DEPLOY, run("s", text, **keys), variables=variables or BASE["variables"], release=release, inv=inv)
    seen = observed(facts=facts(user=login), places={"deploy": place()})
    return digest_of(Case(made, {"web-1": seen}), "s")


@pytest.mark.parametrize(
    "change",
    [
        {"text": "echo  $greeting"},
        {"variables": {"greeting": "ho", "other": "x"}},
        {"release": "1.4.3"},
        {"login": "somebody"},
        {"become_as": BecomeAs()},
        {"env": {"A": "b"}},
        {"cwd": "/tmp"},
        {"secrets": ("token",)},
    ],
)
def test_a_digest_changes_with_what_it_covers(change: dict[str, Any]) -> None:
    if "become_as" in change:
        change = {"become": "root", "login": "deploy"}
        with_become = Case(
            loaded(
                DEPLOY, run("s", "echo $greeting", become=BecomeAs()), variables=BASE["variables"], targets=("web-1",)
            ),
            {"web-1": at_release()},
        )
        assert digest_of(with_become, "s") != digest()
        return
    assert digest(**change) != digest()


@pytest.mark.parametrize(
    "change",
    [
        {"variables": {"greeting": "hi", "other": "changed"}},
        {"timeout_s": 5.0},
        {"variables": {"greeting": "hi", "other": "x", "greet": "y"}},
    ],
)
def test_a_digest_stays_with_what_it_does_not_cover(change: dict[str, Any]) -> None:
    assert digest(**change) == digest()


def test_env_counts_as_written_and_not_as_it_comes_out() -> None:
    env = {"A": Template("${{ other }}", HERE)}
    changed = {"greeting": "hi", "other": "changed"}
    assert digest(env=env) == digest(env=env, variables=changed)


def test_a_variable_with_a_dot_counts_under_its_exported_name() -> None:
    one_, two = ({"App.Port": value} for value in ("1", "2"))
    assert digest(text="echo $App_Port", variables=one_) != digest(text="echo $App_Port", variables=two)


def test_secrets_count_by_name() -> None:
    other = SecretRef(EnvSource("OTHER"), HERE)
    one_, two = ({"greeting": ref} for ref in (TOKEN, other))
    assert digest(variables=one_) == digest(variables=two)


def test_the_user_counts_and_not_the_way_to_it() -> None:
    as_root = digest(login="root")
    through_sudo = digest_of(
        Case(
            loaded(DEPLOY, run("s", BASE["text"], become=BecomeAs()), variables=BASE["variables"], targets=("web-1",)),
            {"web-1": at_release()},
        ),
        "s",
    )
    assert as_root == through_sudo


# Checks.


def test_a_check_is_asked_where_the_run_changes_the_target() -> None:
    case = one(DEPLOY, check())
    case.seen["web-1"] = observed(baseline=Baseline(passed_checks=frozenset({"smoke"})))
    planned = case.of("smoke")
    assert (planned.outcome, planned.reason, planned.due) == (Outcome.UNCHANGED, "this run changes the target", True)


def test_a_check_that_passed_is_not_asked_where_nothing_changes() -> None:
    case = one(DEPLOY, check())
    case.seen["web-1"] = at_release(passed_checks=frozenset({"smoke"}))
    assert (case.of("smoke").reason, case.of("smoke").work) == ("nothing changes here", None)


@pytest.mark.parametrize("failed", [frozenset({"smoke"}), frozenset()])
def test_a_check_whose_last_result_was_no_success_is_asked_again(failed: frozenset[str]) -> None:
    case = one(DEPLOY, check())
    case.seen["web-1"] = at_release(failed_checks=failed)
    assert case.of("smoke").due


# Once.


def fleet(*steps: Step, seen: dict[str, Observed], limit: tuple[str, ...] = ()) -> Case:
    return Case(loaded(*steps), seen, RunOptions(limit=limit))


MIGRATE = run("migrate", once=True)


def everywhere() -> dict[str, Observed]:
    return {f"web-{number}": at_release(f"web-{number}") for number in (1, 2, 3)}


def once(case: Case) -> tuple[tuple[str, ...], bool, str]:
    found = next(found for found in case.plan().walk() if found.step.id == "migrate")
    (target,) = found.targets
    return found.targets, found.planned[target].due, found.planned[target].reason


def test_a_once_step_is_for_the_first_reachable_target() -> None:
    assert once(fleet(DEPLOY, MIGRATE, seen=everywhere())) == (("web-1",), True, "not yet run for 1.4.2, on one of 3")


def test_a_once_step_is_done_when_any_target_remembers_it() -> None:
    case = fleet(DEPLOY, MIGRATE, seen=everywhere())
    case.seen["web-3"] = at_release("web-3", done=done(fleet(DEPLOY, MIGRATE, seen=everywhere()), "migrate"))
    assert once(case) == (("web-3",), False, "ran already for 1.4.2")


def test_a_target_outside_the_limit_may_remember_it_too() -> None:
    case = fleet(DEPLOY, MIGRATE, limit=("web-1",), seen=everywhere())
    assert case.selection.once_extra == ("web-2", "web-3")
    case.seen["web-3"] = at_release("web-3", done=done(fleet(DEPLOY, MIGRATE, seen=everywhere()), "migrate"))
    assert once(case) == (("web-1",), False, "ran already for 1.4.2 on web-3")


def test_if_a_target_cannot_be_asked_and_no_other_says_so_the_run_is_refused() -> None:
    seen = everywhere()
    del seen["web-2"]
    with pytest.raises(Refused, match=r"'migrate' runs once .* web-2 cannot be asked"):
        fleet(DEPLOY, MIGRATE, seen=seen).plan()


def test_if_another_target_says_so_an_unreachable_one_does_not_matter() -> None:
    seen = everywhere()
    memory = done(fleet(DEPLOY, MIGRATE, seen=everywhere()), "migrate")
    seen["web-3"] = at_release("web-3", done=memory)
    del seen["web-2"]
    assert once(fleet(DEPLOY, MIGRATE, seen=seen))[1] is False


def test_a_runbook_with_once_asks_nobody() -> None:
    seen = everywhere()
    del seen["web-1"]
    case = Case(
        loaded(MIGRATE, packages=(), release=None), {key.replace("_", "-"): value for key, value in seen.items()}
    )
    assert once(case)[:2] == (("web-2",), True)


def test_redeploy_runs_a_once_step_again() -> None:
    case = fleet(DEPLOY, MIGRATE, seen=everywhere())
    case.seen["web-3"] = at_release("web-3", done=done(case, "migrate"))
    case.options = RunOptions(redeploy=True)
    assert once(case) == (("web-1",), True, "--redeploy")


def test_a_once_step_goes_where_its_when_allows_it() -> None:
    when = Template("${{ target == 'web-2' }}", HERE)
    case = fleet(DEPLOY, run("migrate", once=True, when=when), seen=everywhere())
    assert once(case)[0] == ("web-2",)


# When.


def test_a_step_for_failures_stands_by_and_locks_nothing() -> None:
    case = one(DEPLOY, run("rescue", when=When.FAILURE))
    planned = case.of("rescue")
    assert (planned.outcome, planned.standby, planned.due) == (Outcome.SKIPPED, True, False)
    assert planned.work is not None
    assert case.plan().changing == ()


def test_an_always_step_that_ran_already_stands_by_for_a_failure() -> None:
    case = one(DEPLOY, run("undrain", when=When.ALWAYS))
    case.seen["web-1"] = at_release(done=done(case, "undrain"))
    planned = case.of("undrain")
    assert (planned.outcome, planned.standby) == (Outcome.UNCHANGED, True)
    assert planned.work is not None


def test_a_template_in_when_leaves_targets_out() -> None:
    when = Template("${{ target == 'web-1' }}", HERE)
    case = fleet(DEPLOY, run("tell", when=when), seen=everywhere())
    assert case.of("tell", "web-1").due
    assert case.of("tell", "web-2").outcome is Outcome.SKIPPED
    assert case.of("tell", "web-2").work is None


def test_a_groups_when_counts_for_its_steps() -> None:
    case = one(DEPLOY, group("g", run("tell"), when=Template("${{ false }}", HERE)))
    assert case.of("tell").reason == "'when' of 'g' is false here"


def test_a_when_that_gives_no_boolean_is_a_mistake_in_the_file() -> None:
    with pytest.raises(FileErrors, match="must give true or false"):
        one(DEPLOY, run("tell", when=Template("${{ 'yes' }}", HERE))).plan()


def test_a_skipped_step_does_nothing() -> None:
    case = one(DEPLOY, run("tell"))
    case.options = RunOptions(skip_steps=frozenset({"tell"}))
    assert (case.of("tell").outcome, case.of("tell").reason) == (Outcome.SKIPPED, "left out with --skip-step")
    assert case.plan().changing == ()


def test_unreachable_targets_have_that_outcome_and_the_reason() -> None:
    case = fleet(DEPLOY, run("tell"), seen={"web-1": at_release()})
    planned = case.of("tell", "web-2")
    assert (planned.outcome, planned.reason, planned.work) == (Outcome.UNREACHABLE, "connection refused", None)
    assert case.plan().unreachable == {"web-2": "connection refused", "web-3": "connection refused"}


# The environment of a script.


def script(case: Case, step_id: str = "s") -> ScriptWork:
    work = case.of(step_id).work
    assert isinstance(work, ScriptWork)
    return work


def test_every_variable_is_exported_under_its_own_name() -> None:
    variables = {"App.Port": 8080, "debug": True, "hosts": ("a", "b"), "token": TOKEN}
    env = script(one(DEPLOY, run("s"), variables=variables)).env
    assert (env["App_Port"], env["debug"], env["hosts"]) == ("8080", "true", '["a", "b"]')
    assert "token" not in env


def test_a_script_gets_the_secrets_that_it_names_and_no_other() -> None:
    variables = {"token": TOKEN, "other": SecretRef(EnvSource("OTHER"), HERE)}
    made = script(one(DEPLOY, run("s", secrets=("token",)), variables=variables))
    assert made.env["token"] == TOKEN
    assert "other" not in made.env


def test_its_own_env_is_rendered_and_late_where_a_secret_is_in_it() -> None:
    env = {"URL": Template("http://${{ host }}/", HERE), "AUTH": Template("Bearer ${{ token }}", HERE)}
    made = script(one(DEPLOY, run("s", env=env), variables={"host": "h", "token": TOKEN}))
    assert made.env["URL"] == "http://h/"
    assert isinstance(made.env["AUTH"], LateText)


def test_octo_variables_tell_what_is_going_on() -> None:
    inv = inventory("web-1", tags={"web-1": ("web", "eu")})
    env = script(Case(loaded(DEPLOY, run("s"), inv=inv), {"web-1": at_release()})).env
    expected = {
        "OCTO_PROJECT": "shop",
        "OCTO_RELEASE": "1.4.2",
        "OCTO_ENVIRONMENT": "",
        "OCTO_TARGET": "web-1",
        "OCTO_TAGS": "web,eu",
        "OCTO_STEP": "s",
        "OCTO_PREVIOUS_RELEASE": "1.4.2",
        "OCTO_RELEASE_DIR": "/srv/shop/releases/1.4.2",
        "OCTO_RELEASE_DIR_SHOP": "/srv/shop/releases/1.4.2",
    }
    assert {name: value for name, value in env.items() if name.startswith("OCTO_")} == expected


def test_scripts_run_in_the_release_where_there_is_one_package() -> None:
    assert script(one(DEPLOY, run("s"))).cwd == "/srv/shop/releases/1.4.2"


def test_scripts_run_in_the_work_folder_where_there_are_two() -> None:
    case = one(DEPLOY, package("more", to="/srv/more"), run("s"))
    case.seen["web-1"] = observed(places={"deploy": place(), "more": place(to="/srv/more")})
    assert script(case).cwd is None


def test_cwd_may_be_said_with_a_template() -> None:
    assert script(one(DEPLOY, run("s", cwd=Template("/srv/${{ target }}", HERE)))).cwd == "/srv/web-1"


def test_a_step_does_as_its_group_does_about_becoming() -> None:
    case = one(DEPLOY, group("g", run("s"), run("t", become=BecomeAs("www")), become=BecomeAs()))
    assert (script(case, "s").sudo_user, script(case, "t").sudo_user) == ("root", "www")
