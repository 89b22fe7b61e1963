"""Whether a run goes on with the scripts of one that was killed: only where it would come to just these next (SPEC
section 6). Two scripts of a step at once, or a step beside what comes before it, are never right.
"""

from __future__ import annotations

from collections.abc import Mapping

from octo_ssh.execution.context import RunContext
from octo_ssh.execution.script import foreseen_digest
from octo_ssh.model.jobs import JobSeen, JobState
from octo_ssh.model.work import FileWork, PackageWork, Planned, ProbeWork, RunPlan, ScriptWork, Work
from octo_ssh.planning.files import ON_CHANGE


def goes_on(plan: RunPlan, context: RunContext, target: str, jobs: tuple[JobSeen, ...]) -> bool:
    """Whether the run may take the target though some of ``jobs`` still run: each is the very script that it would
    start there itself, and before that it changes nothing. Of ``jobs`` that are done and well nothing is done again.
    """
    running = {job for job in jobs if job.state is JobState.RUNNING}
    ended = {job for job in jobs if job.ended_well}
    for step in plan.walk():
        planned = step.planned.get(target)
        if planned is None or not planned.acts:
            continue
        scripts = _scripts(planned)
        own = {job for job in running if job.key.step == step.step.id}
        if not all(_is_same(scripts, job, context) for job in own):
            return False
        running -= own
        if not running:
            return True
        is_done = any(job.key.step == step.step.id and _is_same(scripts, job, context) for job in ended)
        if not (own or is_done or isinstance(planned.work, ProbeWork)):
            return False
    return False


def _scripts(planned: Planned) -> Mapping[str, ScriptWork]:
    """Scripts that the step may begin with, by the part of the step that they are."""
    work: Work | None = planned.work
    match work:
        case ScriptWork():
            return {"run": work}
        case FileWork(on_change=ScriptWork() as script, changes=False):
            return {ON_CHANGE: script}
        case PackageWork(build=False, switch=True):
            return {what: script for what, script in work.conventions.items() if what == "PreDeploy"}
        case PackageWork(build=False):
            every = {**work.conventions, **({} if work.activate is None else {"activate": work.activate})}
            return {what: script for what, script in every.items() if what in work.owed}
        case _:
            return {}


def _is_same(scripts: Mapping[str, ScriptWork], job: JobSeen, context: RunContext) -> bool:
    script = scripts.get(job.key.part)
    return script is not None and foreseen_digest(script, context) in (None, job.key.digest)
