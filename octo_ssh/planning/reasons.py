"""Why a script, a check or a restart is due on a target by itself (SPEC section 4, "When a run step is due")."""

from __future__ import annotations

from collections.abc import Sequence

from octo_ssh.model.observed import Done
from octo_ssh.model.plan import Rerun, Restart, RunStep, ServiceStep, Step
from octo_ssh.planning.dueness import left_over
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.services import RESTART, service_digest

GROUP = "another step of its group changes this target"
REDEPLOY = "--redeploy"
RERUN = "rerun: always"
RUNBOOK = "a plan without packages: always runs"
UNLESS = "its 'unless' says so"
SO_ALREADY = "already so"


def run_reason(scene: Scene, step: Step, target: str, digest: str) -> tuple[bool, str]:
    """Whether a run step is due on a target by itself, and why or why not."""
    assert isinstance(step.kind, RunStep)
    observed, release = scene.given.observed[target], scene.release
    if step.kind.unless is not None:
        is_so = observed.unless.get(step.id) == 0
        return not is_so, SO_ALREADY if is_so else UNLESS
    if scene.is_runbook:
        return True, RUNBOOK
    if scene.given.options.redeploy:
        return True, REDEPLOY
    if step.kind.rerun is Rerun.ALWAYS:
        return True, RERUN
    if left := left_over(step, observed.baseline, release):
        return True, left
    if (done := observed.baseline.done.get(digest)) is not None:
        return False, done_reason(done, release)
    return True, f"not yet run for {release}"


def done_reason(done: Done, release: str | None) -> str:
    """Why a script that is over with for this release is not due."""
    return f"failed for {release}, and that was ignored" if done.ignored else f"ran already for {release}"


def check_reason(scene: Scene, step: Step, target: str, *, changes: bool) -> tuple[bool, str]:
    """The same of a check; ``changes``: this run changes the target."""
    baseline = scene.given.observed[target].baseline
    if scene.is_runbook:
        return True, "a plan without packages: always asked"
    if changes:
        return True, "this run changes the target"
    if step.id in baseline.failed_checks:
        return True, "its last result was no success"
    if step.id not in baseline.passed_checks:
        return True, "never passed here"
    if left := left_over(step, baseline, scene.release):
        return True, left
    return False, "nothing changes here"


def restart_reason(scene: Scene, step: Step, target: str, causing: Sequence[Step], *, is_busy: bool) -> str | None:
    """Why a service restarts on a target, whatever its state; None: it does not.

    ``causing``: the due steps before it that may change the target. ``is_busy``: one of its group does.
    """
    assert isinstance(step.kind, ServiceStep)
    baseline, release = scene.given.observed[target].baseline, scene.release
    match step.kind.restart:
        case Restart.NEVER:
            return None
        case Restart.ON_CHANGE:
            if any((debt.step, debt.what) == (step.id, RESTART) for debt in baseline.owed):
                return "owed since an earlier run"
            return next((f"after '{one.name}'" for one in causing if one.id in step.kind.on_change), None)
        case Restart.ALWAYS:
            if scene.is_runbook:
                return "a plan without packages: always"
            if scene.given.options.redeploy:
                return REDEPLOY
            if left := left_over(step, baseline, release):
                return left
            if service_digest(scene, step, target) not in baseline.done:
                return f"not yet for {release}"
            return GROUP if is_busy else None
