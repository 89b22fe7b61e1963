"""Steps that leave no state to look at: scripts, by their ``unless`` and by what is remembered, and checks."""

from __future__ import annotations

from octo_ssh.config.templates import TemplateProblem
from octo_ssh.model.drift import FindingKind
from octo_ssh.model.plan import PackageScript, Rerun, RunStep, Step, When
from octo_ssh.planning.drift_input import DriftInput
from octo_ssh.planning.drift_verdict import Verdict
from octo_ssh.planning.scripts import digest

_TIMED_OUT = 124
"""Of an ``unless`` that was ended, and of ``timeout``."""


def check_script(given: DriftInput, verdict: Verdict, target: str, step: Step) -> None:
    """Add a step that made something true which is not true any more, and what was not run yet."""
    assert isinstance(step.kind, RunStep)
    if step.kind.unless is not None:
        _check_unless(given, verdict, target, step)
    elif step.once:
        _check_once(given, verdict, target, step)
    elif _counts(given, step):
        reason = _not_done(given, target, step)
        if reason is not None:
            verdict.pending.append(reason)


def check_health(given: DriftInput, verdict: Verdict, target: str, step: Step) -> None:
    """Add what came of asking a check step."""
    health = given.health.get((step.id, target))
    if health is None:
        return
    if health.passed is None:
        verdict.unknown.append(health.reason or "it could not be asked")
    elif not health.passed:
        verdict.drifted(FindingKind.CHECK, step.id, "passes", health.reason or "does not pass")


def is_asked(given: DriftInput, target: str, step: Step) -> bool:
    """A script or check that says something of the target's state, even when all is well."""
    if isinstance(step.kind, RunStep):
        is_there = not step.once or _was_done(given, target, step)
        return step.kind.unless is not None and is_there
    return (step.id, target) in given.health


def _check_unless(given: DriftInput, verdict: Verdict, target: str, step: Step) -> None:
    status = given.observed[target].unless.get(step.id)
    was_done = _was_done(given, target, step)
    if step.once and not was_done and any(_was_done(given, name, step) for name in given.observed):
        return
    if status is None:
        if was_done or not step.once:
            why = given.observed[target].closed.get(step.id)
            verdict.unknown.append(why or "its 'unless' was not asked")
    elif status == _TIMED_OUT:
        verdict.unknown.append(f"its 'unless' ended with status {status}: it took too long")
    elif status != 0 and (was_done or given.against_plan):
        verdict.drifted(FindingKind.UNLESS, step.id, "already so", f"'unless' ended with status {status}")
    elif status != 0:
        verdict.pending.append("never done here")


def _check_once(given: DriftInput, verdict: Verdict, target: str, step: Step) -> None:
    """Done on any target is done; where not all were looked at, nobody can say that it was not."""
    reach = given.scene.reach_all[step.id]
    is_told_here = _counts(given, step) and target == next(iter(reach), None)
    if not is_told_here or any(name not in given.observed for name in reach):
        return
    reasons = [_not_done(given, name, step) for name in reach]
    if all(reason is not None for reason in reasons):
        verdict.pending.append(reasons[0] or "")


def _counts(given: DriftInput, step: Step) -> bool:
    """A success of the script is remembered: in a runbook, and where it always runs, it says nothing."""
    assert isinstance(step.kind, RunStep)
    if given.scene.is_runbook or given.scene.release is None or step.kind.rerun is Rerun.ALWAYS:
        return False
    return all(when is When.SUCCESS for when in given.scene.whens(step))


def _not_done(given: DriftInput, target: str, step: Step) -> str | None:
    """Why a script would run; None: it is over with, or that cannot be told without asking somebody."""
    assert isinstance(step.kind, RunStep)
    baseline, release = given.observed[target].baseline, given.scene.release
    done = [one for one in baseline.done.values() if one.step == step.id and one.release == release]
    if not done:
        return f"not yet run for {release}"
    if isinstance(step.kind.script, PackageScript) and step.kind.script.package not in given.packages:
        return None
    try:
        is_same = digest(given.scene, step, target) in baseline.done
    except TemplateProblem:
        return None
    return None if is_same else "the script, or what it uses, is another than the one that ran"


def _was_done(given: DriftInput, target: str, step: Step) -> bool:
    baseline = given.observed[target].baseline
    return step.id in baseline.held or any(one.step == step.id and not one.ignored for one in baseline.done.values())
