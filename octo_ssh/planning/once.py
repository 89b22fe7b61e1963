"""``once`` steps: on which one target, and whether it was done on any (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from octo_ssh.model.plan import CheckStep, FileStep, Rerun, RunStep, ServiceStep, Step
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.reasons import REDEPLOY, RERUN, RUNBOOK, SO_ALREADY, UNLESS, done_reason
from octo_ssh.planning.scripts import digest


@dataclass(frozen=True, slots=True)
class Chosen:
    """The one target of a ``once`` step."""

    target: str
    is_due: bool
    reason: str


def once_target(scene: Scene, step: Step, targets: Sequence[str], changing: Collection[str]) -> Chosen | None:
    """Where a ``once`` step stands in this run; None when it has no target in it.

    The first reachable target is the one, if none has it in its memory. A success on any target of ``on``, before
    ``--limit``, counts, and so does an ``unless`` that says so on any; where one could not be asked and none says so,
    the run is refused. ``changing`` are the targets that this run changes. Files and services have no such memory:
    they are compared on the first reachable target.
    """
    if not targets:
        return None
    observed = scene.given.observed
    reachable = [name for name in targets if name in observed and name not in scene.given.broken]
    if not reachable:
        return Chosen(targets[0], is_due=False, reason="")
    first = reachable[0]
    if scene.is_skipped(step) or scene.waits_for_failure(step) or isinstance(step.kind, FileStep | ServiceStep):
        return Chosen(first, is_due=False, reason="")
    if isinstance(step.kind, RunStep) and step.kind.unless is not None:
        return _unless(scene, step, first)
    if scene.is_runbook:
        return Chosen(first, is_due=True, reason=RUNBOOK)
    if scene.given.options.redeploy:
        return Chosen(first, is_due=True, reason=REDEPLOY)
    if isinstance(step.kind, RunStep) and step.kind.rerun is Rerun.ALWAYS:
        return Chosen(first, is_due=True, reason=RERUN)
    everyone = scene.reach_all[step.id]
    if isinstance(step.kind, CheckStep):
        return _check(scene, step, reachable, everyone, changing)
    return _script(scene, step, reachable, everyone)


def _script(scene: Scene, step: Step, reachable: Sequence[str], everyone: Sequence[str]) -> Chosen:
    observed, release = scene.given.observed, scene.release
    for name in reachable:
        if step.id in observed[name].baseline.due.get(release or "", ()):
            return Chosen(name, is_due=True, reason="left over from a run that did not finish")
    for name in everyone:
        done = observed[name].baseline.done.get(digest(scene, step, name)) if name in observed else None
        if done is not None:
            where = "" if name in reachable else f" on {name}"
            target = name if name in reachable else reachable[0]
            return Chosen(target, is_due=False, reason=f"{done_reason(done, release)}{where}")
    _refuse_silence(scene, step)
    return Chosen(reachable[0], is_due=True, reason=f"not yet run for {release}, on one of {len(everyone)}")


def _unless(scene: Scene, step: Step, first: str) -> Chosen:
    """What its ``unless`` says on any of its targets, alone."""
    observed = scene.given.observed
    done = [name for name in scene.reach_all[step.id] if name in observed and observed[name].unless.get(step.id) == 0]
    if done:
        return Chosen(first, is_due=False, reason=SO_ALREADY if first in done else f"{SO_ALREADY} on {done[0]}")
    _refuse_silence(scene, step)
    return Chosen(first, is_due=True, reason=UNLESS)


def _refuse_silence(scene: Scene, step: Step) -> None:
    """Refuse the run where a target that could tell cannot be asked."""
    missing = [name for name in scene.reach_all[step.id] if name not in scene.given.observed]
    if missing:
        scene.refusals.append(
            f"'{step.name}' runs once for all its targets; whether it did cannot be told: "
            f"{', '.join(missing)} cannot be asked, and no other target says so"
        )


def _check(
    scene: Scene, step: Step, reachable: Sequence[str], everyone: Sequence[str], changing: Collection[str]
) -> Chosen:
    observed = scene.given.observed
    changed = [name for name in reachable if name in changing]
    if changed:
        return Chosen(changed[0], is_due=True, reason="this run changes one of its targets")
    passed = [name for name in everyone if name in observed and step.id in observed[name].baseline.passed_checks]
    failed = [name for name in reachable if step.id in observed[name].baseline.failed_checks]
    if failed or not passed:
        reason = "its last result was no success" if failed else "never passed"
        return Chosen((failed or reachable)[0], is_due=True, reason=reason)
    return Chosen(passed[0] if passed[0] in reachable else reachable[0], is_due=False, reason="nothing changes here")
