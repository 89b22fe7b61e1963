"""A service step's unit against what its last success left, or what the plan wants (SPEC sections 1 and 5)."""

from __future__ import annotations

from collections.abc import Iterator

from octo_ssh.config.templates import TemplateProblem, render_word
from octo_ssh.model.drift import FindingKind
from octo_ssh.model.observed import Observed, ServiceBaseline, ServiceSeen
from octo_ssh.model.plan import ServiceState, ServiceStep, Step
from octo_ssh.model.work import LateText
from octo_ssh.planning.drift_input import DriftInput
from octo_ssh.planning.drift_verdict import GONE, Verdict, listed
from octo_ssh.planning.services import ENABLED, NOT_ENABLED, RUNNING, STOPPED

_DELETED = " (deleted)"
"""What the kernel says behind a path that is no more."""


def check_service(given: DriftInput, verdict: Verdict, target: str, step_id: str, step: Step | None) -> None:
    """Add what differs and what is pending. ``step``: the plan's service step of that id, if it has one."""
    observed = given.observed[target]
    left = observed.baseline.services.get(step_id)
    planned = None if step is None else _planned(given, step, target)
    if given.against_plan and step is not None:
        if isinstance(planned, str):
            verdict.unknown.append(f"what the plan wants cannot be told: {planned}")
            return
        right = planned
    else:
        right = left
        if left is None:
            verdict.pending.append("never applied here")
        elif isinstance(planned, ServiceBaseline) and (told := ", ".join(_wanted_else(planned, left))):
            verdict.pending.append(f"the plan wants {told}")
    if right is None:
        return
    seen = observed.services.get(step_id)
    if seen is None:
        verdict.unknown.append(observed.closed.get(step_id) or f"{right.service} was not looked at")
    elif not seen.systemd:
        verdict.unknown.append(f"no systemd runs here that could tell of {right.service}")
    else:
        _compare(verdict, right, seen)
        for old, current in _old_releases(observed, seen):
            verdict.drifted(FindingKind.OLD_RELEASE, right.service, current, old)


def _compare(verdict: Verdict, right: ServiceBaseline, seen: ServiceSeen) -> None:
    unit = right.service
    is_needed = right.active in RUNNING or right.enabled in ENABLED
    if seen.load == "masked":
        if is_needed:
            verdict.drifted(FindingKind.MASKED, unit, right.enabled or right.active, "masked")
    elif seen.load == "not-found":
        if is_needed or right.unit_sha256:
            verdict.drifted(FindingKind.MISSING, unit, "unit", GONE)
            return
    else:
        if not _is_enabled_as(right.enabled, seen.enabled):
            verdict.drifted(FindingKind.ENABLED, unit, right.enabled, seen.enabled or "not enabled")
        if right.unit_sha256:
            verdict.unit_sha256 = seen.unit_sha256
        if right.unit_sha256 and seen.unit_sha256 and seen.unit_sha256 != right.unit_sha256:
            now = f"with {listed(seen.dropins)}" if seen.dropins else "changed"
            verdict.drifted(FindingKind.UNIT, unit, "", now, seen=seen.unit_sha256)
        elif right.unit_sha256 and not seen.unit_sha256:
            verdict.unknown.append(f"the files of {unit} may not be read")
    if right.active and _runs(right.active) != _runs(seen.active):
        verdict.drifted(FindingKind.STATE, unit, right.active, seen.active or "inactive")


def _runs(active: str) -> str:
    """Of ActiveState: what counts as one."""
    return "running" if active in RUNNING else "stopped" if active in STOPPED else active


def _is_enabled_as(right: str, seen: str) -> bool:
    match right:
        case "":
            return True
        case "enabled":
            return seen not in NOT_ENABLED and seen != "masked"
        case "disabled":
            return seen not in ENABLED
        case _:
            return seen == right


def _old_releases(observed: Observed, seen: ServiceSeen) -> Iterator[tuple[str, str]]:
    """Releases that the unit's process was started from, each with the one that is current now."""
    told: set[str] = set()
    for step_id, left in observed.baseline.packages.items():
        place = observed.packages.get(step_id)
        current = left.folder if place is None else place.current
        to = left.to if place is None else place.to
        known = {*left.history, *(one.name for one in (place.releases if place is not None else ()))}
        for path in seen.runs_in:
            folder = _release_in(path, to)
            if not folder and (aside := _release_aside(path, to)) in known:
                folder = aside
            if current is not None and folder not in ("", current, left.folder, *told):
                told.add(folder)
                yield folder, current


def _release_in(path: str, to: str) -> str:
    """The release folder of a place that a path lies in; empty: in none."""
    top = f"{to.rstrip('/')}/releases/"
    if not path.startswith(top):
        return ""
    return path.removeprefix(top).removesuffix(_DELETED).partition("/")[0]


def _release_aside(path: str, to: str) -> str:
    """The same where a link leads to the folder that the place lies in: the kernel tells where that really is."""
    before, found, after = path.partition(f"/{to.rstrip('/').rpartition('/')[2]}/releases/")
    return after.removesuffix(_DELETED).partition("/")[0] if found and before else ""


def _planned(given: DriftInput, step: Step, target: str) -> ServiceBaseline | str:
    """What the plan wants of the unit, in the words of a baseline; or why that cannot be told."""
    assert isinstance(step.kind, ServiceStep)
    try:
        name = render_word(step.kind.service, given.scene.names(step, target))
    except TemplateProblem as problem:
        return problem.message
    if isinstance(name, LateText):
        return "its name depends on outputs of steps"
    active = {ServiceState.RUNNING: "active", ServiceState.STOPPED: "inactive", None: ""}[step.kind.state]
    enabled = {True: "enabled", False: "disabled", None: ""}[step.kind.enabled]
    return ServiceBaseline(name, active, enabled)


def _wanted_else(planned: ServiceBaseline, left: ServiceBaseline) -> Iterator[str]:
    if _whole(planned.service) != _whole(left.service):
        yield planned.service
        return
    if planned.active and left.active and _runs(planned.active) != _runs(left.active):
        yield f"it {_runs(planned.active)}"
    if planned.enabled and left.enabled and not _is_enabled_as(planned.enabled, left.enabled):
        yield f"it {planned.enabled}"


def _whole(unit: str) -> str:
    return unit if "." in unit else f"{unit}.service"
