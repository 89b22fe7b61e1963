"""Outputs before a run: who reads whose, what is remembered, which steps wait for which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.errors import Refused
from octo_ssh.model.observed import Baseline, Done, StepOutputs
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, InlineScript, PackageScript, RunStep, Step
from octo_ssh.model.values import Template
from octo_ssh.model.work import LateText, ScriptWork
from octo_ssh.planning.outputs import Outlook, only_own, steps_read
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import HERE, Case, check, group, loaded, observed, run, said, step

PLAN = loaded(step("make"), step("make_db"), group("g", step("last"))).plan


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo hello", ()),
        ('echo "$OCTO_OUTPUT_MAKE_KEY"', ("make",)),
        ("echo $OCTO_OUTPUT_MAKE_DB_KEY", ("make", "make_db")),
        ('get_octopusvariable "Octopus.Action[make_db].Output.Key"', ("make_db",)),
        ('get_octopusvariable "octopus.action[ LAST ].output[web-1].Key"', ("last",)),
        ('get_octopusvariable "Octopus.Action[other].Output.Key"', ()),
        (None, ()),
    ],
)
def test_a_script_reads_the_steps_that_it_names(text: str | None, expected: tuple[str, ...]) -> None:
    assert steps_read(PLAN, text) == expected


def test_a_step_is_named_with_its_spaces() -> None:
    named = Step("Build it", "build_it", RunStep(InlineScript("true")), HERE)
    assert steps_read(loaded(named).plan, "Octopus.Action[Build it].Output.X") == ("build_it",)


def test_what_is_remembered_is_the_places_own_else_that_of_this_release() -> None:
    seen = {
        "a": observed("a", baseline=Baseline(outputs={"make": said("1.4.1", X="old")})),
        "b": observed("b", baseline=Baseline(outputs={"make": said("1.4.2", X="new")})),
        "c": observed("c", baseline=Baseline(outputs={"make": said("1.4.0", X="older")})),
    }
    outlook = Outlook(seen, "1.4.2", {"make": ("a", "b", "c", "alone")})

    def own(place: str) -> Any:
        known = outlook.known(("make",), place)
        assert known is not None
        assert known["make"]["outputs"] == {"a": {"X": "old"}, "b": {"X": "new"}, "c": {"X": "older"}}
        return known["make"]["output"]

    assert (own("a"), own("c"), own("other"), own("alone")) == ({"X": "old"}, {"X": "older"}, {"X": "new"}, {})
    outlook.due.add("make")
    assert outlook.known(("make",), "a") is None
    assert outlook.known(("other",), "a") is not None


def test_of_a_step_that_runs_once_the_latest_counts_everywhere() -> None:
    def gave(value: str, release: str, run_id: str) -> Baseline:
        return Baseline(outputs={"make": StepOutputs({"X": value}, release=release, run=run_id)})

    seen = {
        "a": observed("a", baseline=gave("new", "1.4.2", "r3")),
        "b": observed("b", baseline=gave("old", "1.4.2", "r2")),
        "c": observed("c", baseline=gave("back", "1.4.1", "r4")),
    }
    for each, places in (({}, "abc"), ({"make": (CONTROLLER,)}, ["a", CONTROLLER])):
        outlook = Outlook(seen, "1.4.2", each)
        assert [(outlook.known((), place) or {})["make"]["output"] for place in places] == [{"X": "new"}] * len(places)
    assert (outlook.known((), "a") or {})["make"]["outputs"] == {CONTROLLER: {"X": "new"}}


def test_of_a_step_that_is_for_others_a_target_has_nothing_to_say() -> None:
    outputs = {step: said("1.4.2", X="lie") for step in ("own", "others", "dropped", "here")}
    reach = {"own": ("a", "b"), "others": ("b",), "here": (CONTROLLER,)}
    assert set(only_own("a", Baseline(outputs=outputs), reach).outputs) == {"own", "dropped", "here"}


# In a plan.

READS = {"env": {"KEY": Template("${{ steps.make.output.KEY }}", HERE)}}


def case(*steps: Step, **keys: Any) -> Case:
    return Case(loaded(*steps, targets=("web-1",), **keys), {"web-1": observed()})


def remembering(made: Case, *step_ids: str, **keys: Any) -> Case:
    """These steps have run for the release."""
    done: dict[str, Done] = {}
    for step_id in step_ids:
        work = made.of(step_id).work
        assert isinstance(work, ScriptWork)
        done[work.digest] = Done(step_id, "1.4.2", "run")
    made.seen["web-1"] = observed(baseline=Baseline("1.4.2", done=done, **keys))
    return made


def test_a_step_waits_for_the_due_steps_before_it_that_it_reads() -> None:
    made = case(run("make", "m"), run("use", "echo $OCTO_OUTPUT_MAKE_A", **READS))
    found = made.of("use")
    assert isinstance(found.work, ScriptWork)
    assert (found.after, found.work.reads) == (("make",), ("make",))
    late = found.work.env["KEY"]
    assert isinstance(late, LateText)
    assert remembering(made, "make").of("use").after == ()


def test_a_step_does_not_wait_for_what_comes_after_it() -> None:
    assert case(run("use", "echo $OCTO_OUTPUT_LATER_A"), run("later")).of("use").after == ()


def test_who_may_ask_octopus_gets_the_ids_of_all_steps() -> None:
    ids = "make\tmake\nuse\tuse\n"
    made = case(run("make"), run("use", 'get_octopusvariable "Octopus.Action[make].Output.X"'))
    assert getattr(made.of("use").work, "env")["OCTO_STEP_IDS"] == ids  # noqa: B009
    assert "OCTO_STEP_IDS" not in getattr(made.of("make").work, "env")  # noqa: B009


def test_what_a_packages_script_reads_is_told_by_its_text() -> None:
    inside = step("use", RunStep(PackageScript("shop", "bin/app")))
    made = case(run("make"), inside)
    unread = made.of("use").work
    assert isinstance(unread, ScriptWork)
    assert (unread.reads, "OCTO_STEP_IDS" in unread.env) == ((), True)
    made.texts = {("shop", "bin/app"): "echo $OCTO_OUTPUT_MAKE_KEY"}
    read = made.of("use").work
    assert isinstance(read, ScriptWork)
    assert (read.reads, "OCTO_STEP_IDS" in read.env) == (("make",), False)


def test_who_gave_a_secret_output_is_due_where_a_due_step_reads_it() -> None:
    made = case(run("make", "m"), run("use", "u", **READS), run("quiet", "q"))
    secret = {"make": said(secret=["KEY"])}
    assert not remembering(made, "make", "use", outputs=secret).of("make").due
    made.seen["web-1"] = observed()
    busy = remembering(made, "make", "quiet", outputs=secret)
    assert busy.of("make").reason == "'use' reads its secret output, which is written down nowhere"
    assert busy.of("use").after == ("make",)
    open_ = remembering(case(run("make", "m"), run("use", "u", **READS)), "make", outputs={"make": said(KEY="x")})
    assert not open_.of("make").due


@pytest.mark.parametrize(
    ("text", "env", "is_due"),
    [
        ("u", "${{ steps.make.output.PLAIN }}", False),
        ("u", "${{ steps.make.output.KEY }}", True),
        ("echo $OCTO_OUTPUT_MAKE_PLAIN", "", True),  # which of its outputs, only the run tells
    ],
)
def test_who_reads_only_plain_outputs_lets_their_giver_be(text: str, env: str, is_due: bool) -> None:
    value = Template(env, HERE) if env else "nothing"
    made = case(run("make", "m"), run("use", text, env={"KEY": value}))
    assert remembering(made, "make", outputs={"make": said(secret=["KEY"], PLAIN="x")}).of("make").due is is_due


def test_a_script_gets_no_secret_outputs_for_its_templates_but_those_they_name() -> None:
    work = case(run("make", "m"), run("use", "u", **READS)).of("use").work
    assert isinstance(work, ScriptWork)
    assert work.reads == ()


def test_what_was_said_on_the_controller_is_said_again_for_a_check_alone() -> None:
    """Nothing changes, and the check failed the last time: without what it reads it could only fail again."""
    made = case(run("make", "m", on_controller=True), check(env=READS["env"]))
    made.seen["web-1"] = observed(baseline=Baseline("1.4.2", failed_checks=frozenset({"smoke"})))
    assert made.of("make", CONTROLLER).reason == "'smoke' reads its output, which is written down nowhere"
    made.seen["web-1"] = observed(
        baseline=Baseline("1.4.2", failed_checks=frozenset({"smoke"}), outputs={"make": said(KEY="x")})
    )
    assert not made.of("make", CONTROLLER).due
    made.seen["web-1"] = observed(baseline=Baseline("1.4.2", passed_checks=frozenset({"smoke"})))
    assert not made.of("make", CONTROLLER).due


def test_what_a_remembered_output_of_the_controller_leaves_out_changes_nothing() -> None:
    """Else the step would change something, so that the controller's is due, so that its condition is not known."""
    made = case(run("make", "m", on_controller=True), run("use", "u", when=WHEN))
    made.seen["web-1"] = observed(baseline=Baseline("1.4.2", outputs={"make": said(GO="no")}))
    assert (made.plan().changing, made.of("make", CONTROLLER).due) == ((), False)
    made.seen["web-1"] = observed(baseline=Baseline("1.4.2", outputs={"make": said(GO="yes")}))
    assert (made.plan().changing, made.of("make", CONTROLLER).due) == (("web-1",), True)


def test_a_check_that_reads_a_secret_output_makes_its_giver_due() -> None:
    made = case(run("make", "m"), check(env=READS["env"]))
    assert remembering(made, "make", outputs={"make": said(secret=["KEY"])}).of("make").due


def test_a_once_step_gives_its_secret_output_again_to_whoever_reads_it_anywhere() -> None:
    steps = [run("make", "m", once=True), run("use", "u", on=("target:web-1",), **READS)]
    made = Case(loaded(*steps, targets=("web-1", "web-2")), {name: observed(name) for name in ("web-1", "web-2")})
    work = made.of("make").work
    assert isinstance(work, ScriptWork)
    given = Baseline("1.4.2", done={work.digest: Done("make", "1.4.2", "run")}, outputs={"make": said(secret=["KEY"])})
    made.seen["web-2"] = observed("web-2", baseline=given)
    assert made.of("make", "web-2").due
    assert made.of("use").after == ("make",)


def test_unless_alone_decides_even_then() -> None:
    asking = step("make", RunStep(InlineScript("m"), unless="test -e x"))
    made = case(asking, run("use", "u", **READS))
    made.seen["web-1"] = observed(unless={"make": 0}, baseline=Baseline(outputs={"make": said(secret=["KEY"])}))
    assert not made.of("make").due


# Conditions.

WHEN = Template("${{ steps.make.output.GO == 'yes' }}", HERE)


def test_a_condition_that_uses_outputs_of_a_due_step_is_left_to_the_run() -> None:
    found = case(run("make", "m"), run("use", "u", when=WHEN)).of("use")
    assert (found.outcome, found.after) == (Outcome.CHANGED, ("make",))
    assert [condition.template for condition in found.conditions] == [WHEN]


@pytest.mark.parametrize("where", ["step", "group"])
def test_a_condition_on_remembered_outputs_is_decided_now(where: str) -> None:
    use = run("use", "u", when=WHEN) if where == "step" else group("g", run("use", "u"), when=WHEN)
    made = case(run("make", "m"), use)
    no = remembering(made, "make", outputs={"make": said(GO="no")})
    assert (no.of("use").outcome, no.of("use").reason) == (Outcome.SKIPPED, "'when' is false here")
    assert no.plan().changing == ()
    made.seen["web-1"] = observed()
    yes = remembering(made, "make", outputs={"make": said(GO="yes")})
    assert (yes.of("use").outcome, yes.of("use").after) == (Outcome.CHANGED, ())


def test_a_condition_that_needs_a_secret_output_makes_its_giver_due() -> None:
    made = case(run("make", "m"), run("use", "u", when=WHEN))
    assert remembering(made, "make", outputs={"make": said(secret=["GO"])}).of("make").due


def test_a_step_that_a_remembered_output_leaves_out_does_not_make_its_giver_due() -> None:
    """Its giver would be due, so that its condition is not known, so that it is due: for ever."""
    made = case(run("make", "m"), run("use", "u", when=WHEN, **READS))
    assert remembering(made, "make", outputs={"make": said(secret=["KEY"], GO="no")}).plan().changing == ()


def test_a_step_that_a_remembered_output_leaves_out_is_back_when_that_is_given_anew() -> None:
    made = case(run("make", "m"), run("use", "u", when=WHEN), run("other", "o", env=READS["env"]))
    found = remembering(made, "make", outputs={"make": said(secret=["KEY"], GO="no")})
    assert [found.of(name).due for name in ("make", "use", "other")] == [True, True, True]


def test_nobody_need_tell_whether_a_once_step_was_done_that_is_left_out() -> None:
    steps = (run("make", "m", on=("target:web-1",)), run("use", "u", once=True, when=WHEN))
    seen = {name: observed(name) for name in ("web-1", "web-2")}
    made = Case(loaded(*steps, targets=("web-1", "web-2")), seen, RunOptions(limit=("web-1",)))
    no = remembering(made, "make", outputs={"make": said(GO="no")})
    del seen["web-2"]
    assert no.of("use").outcome is Outcome.SKIPPED
    before = made.seen["web-1"].baseline
    made.seen["web-1"] = observed(baseline=replace(before, outputs={"make": said(GO="yes")}))
    with pytest.raises(Refused, match="web-2 cannot be asked"):
        made.plan()


def test_what_a_false_condition_would_have_made_due_is_not() -> None:
    made = case(run("make", "m"), group("g", run("use", "u", when=WHEN), run("tell", "t")), check())
    quiet = remembering(made, "make", "tell", outputs={"make": said(GO="no")}, passed_checks=frozenset({"smoke"}))
    assert [quiet.of(name).due for name in ("use", "tell", "smoke")] == [False, False, False]


def test_a_condition_on_an_output_that_nobody_gave_is_left_to_the_run() -> None:
    found = remembering(case(run("make", "m"), run("use", "u", when=WHEN)), "make").of("use")
    assert (found.due, len(found.conditions)) == (True, 1)
