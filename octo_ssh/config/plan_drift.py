"""Reading ``drift`` of a plan: what may differ on targets, why, and until when (SPEC sections 2, 4 and 6)."""

from __future__ import annotations

from typing import TypeGuard

from octo_ssh.config.document import Mapping, Node, Scalar
from octo_ssh.config.plan_shapes import DriftShape, ExpectedShape
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.schema import validate
from octo_ssh.errors import Position
from octo_ssh.model.drift import Expected
from octo_ssh.model.plan import FileStep, GroupStep, PackageStep, Step, walk_steps


def read_expected(node: Node | None, steps: tuple[Step, ...] | None, problems: Problems) -> tuple[Expected, ...]:
    """The entries of ``drift.ignore``, in the order of the file, after adding every mistake in them.

    ``steps`` are the plan's; None where some could not be read: then nobody can say whether one is there. That an
    entry has come to its end is no mistake: the check tells of it.
    """
    shape = validate(node, DriftShape, problems) if _is_map(node, "'drift'", "{ignore: […]}", problems) else None
    found: list[Expected] = []
    first: dict[tuple[str, str], Position] = {}
    for item in shape.ignore if shape else ():
        if not _is_map(item, "each of 'ignore'", "{path: …, reason: …, until: …}", problems):
            continue
        entry = validate(item, ExpectedShape, problems)
        if entry is None:
            continue
        step = "" if entry.step is None or steps is None else _step(entry, entry.step, walk_steps(steps), problems)
        before = first.setdefault((entry.path, step), entry.position)
        if before != entry.position:
            problems.add(entry.at("path"), f"'{entry.path}' is expected already at {before}: remove one of them")
        found.append(Expected(path=entry.path, reason=entry.reason, until=entry.until, step=step))
    return tuple(found)


def _is_map(node: Node | None, what: str, form: str, problems: Problems) -> TypeGuard[Node]:
    """Whether there is something that may be a map; note where it is none."""
    match node:
        case None:
            return False
        case Mapping() | Scalar(value=None):
            return True
        case _:
            problems.add(node.position, f"{what} must be a map: {form}")
            return False


def _step(entry: ExpectedShape, word: str, steps: list[Step], problems: Problems) -> str:
    """The id of the step that an entry names; the word itself after saying that there is none."""
    at = entry.at("step")
    step = next((step for step in steps if word in (step.id, step.name)), None)
    if step is None:
        files = [step.name for step in steps if isinstance(step.kind, PackageStep | FileStep)]
        known = nearest(word, [name for step in steps for name in (step.name, step.id)])
        problems.add(at, f"there is no step '{word}'{known or _those_with(files)}")
        return word
    match step.kind:
        case PackageStep() if entry.path.startswith("/"):
            message = f"'{word}' deploys a package: write 'path' relative to its release, var/cache/**"
            problems.add(entry.at("path"), message)
        case FileStep() if not entry.path.startswith("/"):
            problems.add(entry.at("path"), f"'{word}' is a file step: write its path as it is on targets, absolute")
        case PackageStep() | FileStep():
            pass
        case GroupStep(steps=inside):
            problems.add(at, f"'{word}' is a group: name a step of it, {quoted_list(child.name for child in inside)}")
        case _:
            problems.add(at, f"the step '{word}' keeps no files: name one that deploys a package or writes a file")
    return step.id


def _those_with(files: list[str]) -> str:
    return f": those with files are {quoted_list(files)}" if files else ": remove 'step'"
