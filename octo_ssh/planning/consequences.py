"""What a change causes elsewhere on its target: services that restart after it (SPEC section 4, "Consequences")."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from octo_ssh.model.observed import Owed
from octo_ssh.model.plan import Restart, ServiceStep, Step
from octo_ssh.model.work import FileWork, PackageWork, ScriptWork, ServiceWork, Work
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.services import RESTART


def restart_debts(scene: Scene, step: Step, target: str, once_here: Container[str]) -> tuple[Owed, ...]:
    """The restarts that a change of the step causes on a target: those of services that name it.

    One that ``--skip-step`` leaves out is owed too. ``once_here``: ids of the ``once`` steps that the target has.
    """
    return tuple(
        Owed(service.id, "", scene.release or "", RESTART)
        for service in scene.given.loaded.plan.walk()
        if isinstance(service.kind, ServiceStep)
        and service.kind.restart is Restart.ON_CHANGE
        and step.id in service.kind.on_change
        and target in scene.reach[service.id]
        and (not service.once or service.id in once_here)
        and not scene.waits_for_failure(service)
        and (scene.is_left_out(service) or scene.says_no(service, target) is None)
    )


def owing(work: Work, debts: tuple[Owed, ...]) -> Work:
    """The work of a step that owes these too."""
    match work:
        case FileWork() | PackageWork() | ServiceWork() | ScriptWork() if debts:
            return replace(work, owes=(*work.owes, *debts))
        case _:
            return work


def causes(work: Work | None) -> bool:
    """Whether a step's work, if it is due, may change something: what it owes elsewhere follows then."""
    match work:
        case PackageWork(switch=is_change) | FileWork(changes=is_change):
            return is_change
        case ScriptWork() | ServiceWork():
            return True
        case _:
            return False
