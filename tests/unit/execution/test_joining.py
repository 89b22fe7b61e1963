"""Whether a run goes on with scripts that a killed one left running: only where it comes to just these next."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo_ssh.execution.joining import goes_on
from octo_ssh.execution.script import foreseen_digest
from octo_ssh.model.jobs import JobKey, JobSeen, JobState
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.model.work import FileWork, LateText, Planned, PlannedStep, ProbeWork, ScriptWork, Work
from tests.unit.execution.targets import Stand, stand
from tests.unit.execution.test_confirm import work as package_work
from tests.unit.execution.test_engine import work
from tests.unit.planning.builders import HERE, run, run_plan

LATE = LateText(Template("${{ steps.go.output.x }}", HERE), {}, ("go",))
LONG, SHORT = work("sleep 100", TOKEN=SecretRef(EnvSource("TOKEN"), HERE)), work("true")
PROBE = ProbeWork(work("true"), 1, 1, None)


def due(name: str, what: Work, outcome: Outcome = Outcome.CHANGED) -> PlannedStep:
    return PlannedStep(run(name), ("web-1",), {"web-1": Planned(outcome, "", what)})


def job(made: Stand, step: str, what: ScriptWork, part: str = "run", *, status: int | None = None) -> JobSeen:
    """A script of a run that was killed; without a status it still runs."""
    digest = foreseen_digest(what, made.context) or "0" * 64
    state = JobState.RUNNING if status is None else JobState.ENDED
    return JobSeen("run-0", f"{step}.{part}.1", "a" * 32, JobKey(step, part, digest), state, status)


def file(made: Stand, *, changes: bool) -> FileWork:
    return FileWork(
        path="/etc/x",
        wanted=None,
        owner=None,
        group=None,
        parents=False,
        seen=None,
        diff=(),
        on_change=LONG,
        owes=(),
        owed=(),
        sudo_user=None,
        changes=changes,
    )


async def test_the_very_script_that_comes_next_is_gone_on_with(tmp_path: Path) -> None:
    made = await stand(tmp_path)
    plan = run_plan(due("go", LONG), due("other", SHORT))
    assert goes_on(plan, made.context, "web-1", (job(made, "go", LONG),))
    assert not goes_on(plan, made.context, "web-2", (job(made, "go", LONG),))
    assert not goes_on(plan, made.context, "web-1", (job(made, "go", work("sleep 99")),))
    assert not goes_on(plan, made.context, "web-1", (job(made, "gone", LONG),))
    assert not goes_on(plan, made.context, "web-1", (job(made, "go", LONG), job(made, "gone", SHORT)))


async def test_of_a_script_that_depends_on_outputs_its_place_is_enough(tmp_path: Path) -> None:
    made = await stand(tmp_path)
    late = work("echo $X", X=LATE)
    assert goes_on(run_plan(due("go", late)), made.context, "web-1", (job(made, "go", late),))
    assert not goes_on(run_plan(due("go", late)), made.context, "web-1", (job(made, "go", late, "activate"),))


@pytest.mark.parametrize(
    ("status", "joins"), [(0, True), (1, False), (None, True)], ids=["done", "failed", "runs, too (with_previous)"]
)
async def test_what_comes_before_it_must_have_been_done(tmp_path: Path, status: int | None, joins: bool) -> None:
    made = await stand(tmp_path)
    plan = run_plan(due("first", SHORT), due("go", LONG))
    jobs = (job(made, "first", SHORT, status=status), job(made, "go", LONG))
    assert goes_on(plan, made.context, "web-1", jobs) is joins
    assert not goes_on(plan, made.context, "web-1", jobs[1:])


async def test_checks_before_it_are_made_again(tmp_path: Path) -> None:
    made = await stand(tmp_path)
    plan = run_plan(due("check", PROBE), due("go", LONG))
    assert goes_on(plan, made.context, "web-1", (job(made, "go", LONG),))


@pytest.mark.parametrize("changes", [False, True])
async def test_on_change_of_a_file_that_is_written_anew_is_another_one(tmp_path: Path, changes: bool) -> None:
    made = await stand(tmp_path)
    plan = run_plan(due("conf", file(made, changes=changes)))
    assert goes_on(plan, made.context, "web-1", (job(made, "conf", LONG, "on_change"),)) is not changes


@pytest.mark.parametrize(
    ("part", "keys", "joins"),
    [
        ("PreDeploy", {"switch": True}, True),
        ("PreDeploy", {"switch": True, "build": True}, False),
        ("activate", {"switch": True}, False),
        ("activate", {"switch": False, "owed": ("activate",)}, True),
        ("activate", {"switch": False, "owed": ("verify",)}, False),
        ("Deploy", {"switch": False, "owed": ("Deploy", "activate")}, True),
        ("returning.activate", {"switch": True}, False),
        ("DeployFailed", {"switch": False, "owed": ("Deploy",)}, False),
    ],
)
async def test_of_a_package_step_what_it_would_begin_with(
    tmp_path: Path, part: str, keys: dict[str, object], joins: bool
) -> None:
    made = await stand(tmp_path)
    conventions = {"PreDeploy": LONG, "Deploy": LONG, "DeployFailed": LONG}
    deploy = package_work(made, activate=LONG, conventions=conventions, **keys)
    assert goes_on(run_plan(due("go", deploy)), made.context, "web-1", (job(made, "go", LONG, part),)) is joins
