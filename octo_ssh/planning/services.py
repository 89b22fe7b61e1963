"""Service steps: a systemd unit as it was seen against what is wanted, and when it restarts (SPEC section 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

from octo_ssh.config.templates import render_word
from octo_ssh.model.observed import ServiceBaseline, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Restart, ServiceState, ServiceStep, Step
from octo_ssh.model.values import Template
from octo_ssh.model.work import LateText, Planned, ServiceWork
from octo_ssh.planning.before import Before
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.unit_files import acceptance, accepted, written

RESTART = "restart"
RUNNING = frozenset({"active", "reloading", "refreshing"})
STOPPED = frozenset({"inactive", "failed", ""})
NOT_ENABLED = frozenset({"disabled", "enabled-runtime", "linked", "linked-runtime", ""})
"""Of UnitFileState. ``indirect``, ``generated``, ``alias`` stay what they are whatever systemctl is told."""
ENABLED = frozenset({"enabled", "enabled-runtime"})


def plan_service(scene: Scene, step: Step, target: str, before: Before, *, restart: str | None) -> Planned:
    """What comes of a service step on a target that was observed; ``restart``: why it restarts, if it does.

    An UNCHANGED one has work where ``before`` says that it is looked at again, and where the baseline does not know it
    so; a FAILED one is tried all the same.
    Raises TemplateProblem.
    """
    assert isinstance(step.kind, ServiceStep)
    kind = step.kind
    name = render_word(kind.service, scene.names(step, target))
    seen = None if isinstance(name, LateText) else scene.given.observed[target].services.get(step.id)
    work = ServiceWork(
        service=name,
        state=kind.state,
        enabled=kind.enabled,
        restart=kind.restart is Restart.ALWAYS and restart is not None,
        seen=seen,
        owes=(),
        sudo_user=scene.sudo_user(step, target),
        digest="" if kind.restart is not Restart.ALWAYS or scene.is_runbook else service_digest(scene, step, target),
    )
    if seen is None:
        return Planned(Outcome.CHANGED, "its name depends on outputs", work)
    assert isinstance(name, str)
    left, own = scene.given.observed[target].baseline.services.get(step.id), written(scene, target)
    work = replace(work, accepts=accepted(left, name, seen, own), written=own)
    accepts = acceptance(work.accepts)
    if not seen.systemd:
        return Planned(Outcome.FAILED, "no systemd runs here, and only its services are known", work)
    if (obstacle := _obstacle(kind, seen)) is not None and not before.prepares:
        return Planned(Outcome.FAILED, f"{name} {obstacle}", work)
    differences = [*_differences(kind, seen), *([f"restart: {restart}"] if restart else [])]
    if differences:
        return Planned(Outcome.CHANGED, f"{name}: {', '.join(differences)}{accepts}", work)
    if before.redone_by is not None:
        return Planned(Outcome.CHANGED, f"{name}: after '{before.redone_by}'{accepts}", work)
    if before.stirred_by is not None:
        again = f"{name} is as it should be, and is looked at again after '{before.stirred_by}'{accepts}"
        return Planned(Outcome.UNCHANGED, again, work)
    if not (scene.waits_for_failure(step) or _is_remembered(scene, step, target, work)):
        return Planned(Outcome.UNCHANGED, f"{name} is as it should be, and is remembered so{accepts}", work)
    return Planned(Outcome.UNCHANGED, f"{name} is as it should be")


def is_right(kind: ServiceStep, seen: ServiceSeen) -> bool:
    """Whether the unit is as the step says, and can be."""
    return seen.systemd and _obstacle(kind, seen) is None and not any(_differences(kind, seen))


def _is_remembered(scene: Scene, step: Step, target: str, work: ServiceWork) -> bool:
    """A check for drift compares with what is remembered: a unit that nobody had to touch is, too."""
    assert isinstance(step.kind, ServiceStep)
    observed = scene.given.observed[target]
    left = observed.baseline.services.get(step.id)
    user = observed.facts.remembered_user(work.sudo_user)
    if left is None or (left.service, left.user) != (work.service, user) or work.seen is None:
        return False
    return _is_as_left(step.kind, work.seen, left)


def _is_as_left(kind: ServiceStep, seen: ServiceSeen, left: ServiceBaseline) -> bool:
    """Whether what is remembered is right as ``seen`` is, and says all that the step does. What the step does not say
    any more is forgotten once it is not so any more: nobody would ever bring it back.
    """
    for wanted, now, then in ((kind.state, seen.active, left.active), (kind.enabled, seen.enabled, left.enabled)):
        if (wanted is None and then not in ("", now)) or (wanted is not None and not then and now):
            return False
    if any(_differences(kind, replace(seen, active=left.active, enabled=left.enabled))):
        return False
    # The login may not be able to read the unit's files.
    return seen.unit_sha256 == left.unit_sha256 or (not seen.unit_sha256 and seen.load != "not-found")


def service_digest(scene: Scene, step: Step, target: str) -> str:
    """What a success of ``restart: always`` on a target that was observed is remembered by."""
    assert isinstance(step.kind, ServiceStep)
    service = step.kind.service
    covered = {
        "service": service.text if isinstance(service, Template) else service,
        "user": scene.sudo_user(step, target) or scene.given.observed[target].facts.user,
        "environment": scene.given.loaded.environment,
        "release": scene.release,
    }
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(b"service step 1\n" + text.encode("ascii")).hexdigest()


def _obstacle(kind: ServiceStep, seen: ServiceSeen) -> str | None:
    """Why the step cannot be done as the target is now."""
    is_needed = kind.state is ServiceState.RUNNING or bool(kind.enabled) or kind.restart is not Restart.NEVER
    if is_needed and seen.load == "not-found":
        return "is not there: systemd knows no unit of that name"
    if is_needed and seen.load == "masked":
        return "is masked: somebody decided that it must not run; `systemctl unmask` ends that"
    if is_needed and seen.load not in ("", "loaded"):
        return f"cannot be used: systemd says {seen.load}"
    if kind.enabled and seen.enabled == "static":
        return "cannot be enabled: its unit file has no [Install] section"
    return None


def _differences(kind: ServiceStep, seen: ServiceSeen) -> Iterator[str]:
    """What is to be changed, in words."""
    active = seen.active or "inactive"
    if kind.state is ServiceState.RUNNING and seen.active not in RUNNING:
        yield f"{active} → running"
    if kind.state is ServiceState.STOPPED and seen.active not in STOPPED:
        yield f"{active} → stopped"
    if kind.enabled and (seen.enabled in NOT_ENABLED or seen.load != "loaded"):
        yield f"{seen.enabled or 'not there'} → enabled"
    if kind.enabled is False and seen.enabled in ENABLED:
        yield f"{seen.enabled} → disabled"
