"""What steps before a file or service step may do to its target in this run: then what was seen may not hold."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from octo_ssh.config.templates import render_word
from octo_ssh.model.plan import FileStep, PackageStep, RunStep, ServiceState, ServiceStep, Step
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.places import absolute


@dataclass(frozen=True, slots=True)
class Before:
    """The due steps before a step, on one target."""

    prepares: bool = False
    """One may bring what is missing: a folder, a unit."""
    stirred_by: str | None = None
    """The name of one that runs anything at all: what is right now is looked at again."""
    redone_by: str | None = None
    """The name of one that changes the very file or unit."""


def before(scene: Scene, step: Step, target: str, due: Sequence[Step]) -> Before:
    """``due``: the due steps before this one that may change the target. Raises TemplateProblem."""
    stirring = [one.name for one in due if isinstance(one.kind, RunStep | PackageStep)]
    redoing = [one.name for one in due if _is_same(scene, one, step, target)]
    return Before(
        prepares=bool(stirring) or any(isinstance(one.kind, FileStep) for one in due),
        stirred_by=stirring[-1] if stirring else None,
        redone_by=redoing[-1] if redoing else None,
    )


def _is_same(scene: Scene, one: Step, other: Step, target: str) -> bool:
    """Both are for one file; or for one unit, in different states."""
    match one.kind, other.kind:
        case FileStep(), FileStep():
            place = file_place(scene, one, target)
            return place is not None and place == file_place(scene, other, target)
        case ServiceStep(state=ServiceState() as first), ServiceStep(state=ServiceState() as second):
            return first is not second and _unit(scene, one, target) == _unit(scene, other, target)
        case _:
            return False


def file_place(scene: Scene, step: Step, target: str) -> str | None:
    """The path of a file step on a target that was observed; None: it depends on outputs. Raises TemplateProblem."""
    assert isinstance(step.kind, FileStep)
    word = render_word(step.kind.path, scene.names(step, target))
    home = scene.given.observed[target].facts.home
    return posixpath.normpath(absolute(word, home)) if isinstance(word, str) else None


def _unit(scene: Scene, step: Step, target: str) -> object:
    assert isinstance(step.kind, ServiceStep)
    word = render_word(step.kind.service, scene.names(step, target))
    return word.removesuffix(".service") if isinstance(word, str) else word
