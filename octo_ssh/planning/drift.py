"""Targets against what the last success left there: what drifted, what is pending, what cannot be told (SPEC 1, 5, 6).

Pure: what was seen is compared with the baseline, the baseline with what the controller derives. Nothing here changes,
asks or repairs anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from octo_ssh.model.drift import (
    DriftReport,
    Expected,
    Finding,
    FindingKind,
    State,
    StepDrift,
    TargetDrift,
)
from octo_ssh.model.observed import Baseline, Lease
from octo_ssh.model.plan import CheckStep, FileStep, GroupStep, PackageStep, RunStep, ServiceStep, Step
from octo_ssh.planning.drift_files import check_file
from octo_ssh.planning.drift_input import DriftInput, Health
from octo_ssh.planning.drift_packages import check_package
from octo_ssh.planning.drift_scripts import check_health, check_script, is_asked
from octo_ssh.planning.drift_services import check_service
from octo_ssh.planning.drift_verdict import Verdict
from octo_ssh.planning.expected import covers

__all__ = ["DriftInput", "Health", "drift_of", "report"]

HOST_KEY = "host key"
_UNCOVERED = frozenset(
    (FindingKind.CURRENT, FindingKind.MANIFEST, FindingKind.OWED, FindingKind.CHECK, FindingKind.UNLESS)
)


def drift_of(given: DriftInput, target: str) -> TargetDrift:
    """How a target stands: one that was observed, or whose absence has a reason in ``unreachable``, ``broken`` or
    ``host_keys``.

    Steps in the order of the plan, then those that the plan has no more. A target on which somebody else is at work is
    unknown as a whole.
    """
    hint = given.hints.get(target, "")
    if target in given.host_keys:
        finding = Finding("", FindingKind.HOST_KEY, HOST_KEY, "as in known_hosts", given.host_keys[target])
        return TargetDrift(target, unreachable=given.unreachable.get(target, ""), findings=(finding,), hint=hint)
    if target in given.broken:
        return TargetDrift(target, unreachable=given.broken[target], broken=True, hint=hint)
    if target not in given.observed:
        return TargetDrift(target, unreachable=given.unreachable.get(target, "it was not looked at"), hint=hint)
    if (lease := given.observed[target].lease) is not None and lease.is_live:
        return TargetDrift(target, unreachable=f"busy: {_holder(lease)}", busy=True)
    return TargetDrift(target, tuple(_steps(given, target)))


def report(given: DriftInput, *, at: str) -> DriftReport:
    """The whole check; ``at``: when it began (ISO 8601, UTC). Ages, what is gone and the seconds are for others to say.

    An entry of ``drift.ignore`` is called unused only where nothing was left out that it could have meant.
    """
    everyone = {*given.selection.targets, *given.observed, *given.unreachable, *given.broken, *given.host_keys}
    names = tuple(name for name in given.loaded.inventory.targets if name in everyone)
    targets = tuple(drift_of(given, name) for name in names)
    expired = tuple(entry for entry in given.expected if entry.until < given.today and _is_met(entry, targets))
    used = {entry for target in targets for step in target.steps for _, entry in step.expected}
    is_whole = set(given.loaded.targets) <= set(names) and all(
        not target.unreachable and not target.findings and all(step.state is not State.UNKNOWN for step in target.steps)
        for target in targets
    )
    idle = (entry for entry in given.expected if entry not in used and entry not in expired)
    return DriftReport(
        project=given.loaded.plan.project,
        environment=given.loaded.environment,
        at=at,
        targets=targets,
        expired=expired,
        unused=tuple(idle) if is_whole else (),
    )


def _is_met(entry: Expected, targets: tuple[TargetDrift, ...]) -> bool:
    """The entry would have covered something."""
    findings = (finding for target in targets for step in target.steps for finding in step.findings)
    return any(finding.kind not in _UNCOVERED and covers(entry, finding.step, finding.subject) for finding in findings)


def _steps(given: DriftInput, target: str) -> Iterator[StepDrift]:
    baseline = given.observed[target].baseline
    watched = dict.fromkeys((*baseline.packages, *baseline.files, *baseline.services, *_owing(baseline)))
    for step in given.loaded.plan.walk():
        verdict = given.verdict(step.id, step.name)
        is_here = step.id in watched or _is_meant(given, step, target)
        if isinstance(step.kind, GroupStep) or not is_here:
            continue
        watched.pop(step.id, None)
        is_told = _check_planned(given, verdict, target, step) if _is_meant(given, step, target) else False
        is_told = _check_remembered(given, verdict, target, step.id, step) or is_told
        if is_told or not verdict.is_empty:
            yield verdict.told()
    for step_id in watched:
        verdict = given.verdict(step_id, step_id)
        _check_remembered(given, verdict, target, step_id, None)
        yield verdict.told()


def _is_meant(given: DriftInput, step: Step, target: str) -> bool:
    """The next apply would bring the step to the target, as far as that can be told before a run."""
    scene = given.scene
    if step.on_controller or target not in scene.reach[step.id] or isinstance(step.kind, GroupStep):
        return False
    is_open = scene.says_no(step, target) is None and not scene.waits_for_failure(step)
    return is_open and not scene.conditions(step, target)


def _check_planned(given: DriftInput, verdict: Verdict, target: str, step: Step) -> bool:
    """Scripts, checks, and steps that were never applied. False: nothing is to be said where nothing was found."""
    baseline = given.observed[target].baseline
    if step.id in baseline.due.get(given.scene.release or "", ()):
        verdict.pending.append("left over from a run that did not finish")
    match step.kind:
        case RunStep():
            check_script(given, verdict, target, step)
            return is_asked(given, target, step)
        case CheckStep():
            check_health(given, verdict, target, step)
            return is_asked(given, target, step)
        case PackageStep() if step.id not in baseline.packages:
            check_package(given, verdict, target, step.id, step)
        case FileStep() if step.id not in baseline.files:
            check_file(given, verdict, target, step.id, step)
        case ServiceStep() if step.id not in baseline.services:
            check_service(given, verdict, target, step.id, step)
    return False


def _check_remembered(given: DriftInput, verdict: Verdict, target: str, step_id: str, step: Step | None) -> bool:
    """What the baseline holds of a step, whatever the plan has under its id now. False: nothing."""
    baseline = given.observed[target].baseline
    meant = step if step is not None and _is_meant(given, step, target) else None
    kind = None if meant is None else meant.kind
    if step_id in baseline.packages:
        check_package(given, verdict, target, step_id, meant if isinstance(kind, PackageStep) else None)
    if step_id in baseline.files:
        check_file(given, verdict, target, step_id, meant if isinstance(kind, FileStep) else None)
    if step_id in baseline.services:
        check_service(given, verdict, target, step_id, meant if isinstance(kind, ServiceStep) else None)
    for debt in baseline.owed:
        if debt.step == step_id:
            verdict.drifted(FindingKind.OWED, debt.what, "", f"owed since {debt.release or 'an earlier run'}")
    return any(step_id in held for held in (baseline.packages, baseline.files, baseline.services))


def _owing(baseline: Baseline) -> Iterator[str]:
    return (debt.step for debt in baseline.owed)


def _holder(lease: Lease) -> str:
    """Who is at work, and what on; text from the target, shortened."""
    try:
        who = json.loads(lease.who)
        told = f"{who['user']}@{who['host']} is at work for {who['purpose']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        told = "somebody is at work here"
    return told[:200]
