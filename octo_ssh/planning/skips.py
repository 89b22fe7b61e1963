"""Steps that a run leaves out from the start: ``--skip-step``, ``environments``, ``required`` (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from octo_ssh.errors import UsageError
from octo_ssh.model.plan import GroupStep, ReleasePlan, Step
from octo_ssh.model.words import nearest


def skipped_steps(plan: ReleasePlan, words: frozenset[str], environment: str | None) -> Mapping[str, str]:
    """Why each step that is left out is, by its id; what stands in such a group is left out with it.

    ``words`` are names or ids, as typed. Raises UsageError for one that the plan has not, and for what is required.
    """
    found: dict[str, str] = {}
    for step in plan.walk():
        if step.environments and environment not in step.environments:
            reason = f"only in {' and '.join(step.environments)}"
            found.update(dict.fromkeys((one.id for one in _within(step)), reason))
    for step in _named(plan, words):
        for one in _within(step):
            found.setdefault(one.id, "left out with --skip-step")
    return found


def _named(plan: ReleasePlan, words: frozenset[str]) -> Iterator[Step]:
    """The steps of the command line. A name goes before an id."""
    known = {**{step.id: step for step in plan.walk()}, **{step.name: step for step in plan.walk()}}
    required = _required(plan.steps, is_inside=False)
    for word in sorted(words):
        if word not in known:
            raise UsageError(f"--skip-step: the plan has no step '{word}'{nearest(word, known)}")
        kept = [step.name for step in _within(known[word]) if step.id in required]
        if kept and kept[0] == known[word].name:
            raise UsageError(f"--skip-step: '{kept[0]}' is required: it cannot be left out")
        if kept:
            raise UsageError(f"--skip-step: '{known[word].name}' holds '{kept[0]}', which is required")
        yield known[word]


def _required(steps: Sequence[Step], *, is_inside: bool) -> set[str]:
    """Ids of the steps that are required themselves, or stand in a group that is."""
    found: set[str] = set()
    for step in steps:
        here = is_inside or step.required
        found |= {step.id} if here else set()
        if isinstance(step.kind, GroupStep):
            found |= _required(step.kind.steps, is_inside=here)
    return found


def _within(step: Step) -> tuple[Step, ...]:
    """The step, and what stands in it if it is a group."""
    below = step.kind.steps if isinstance(step.kind, GroupStep) else ()
    return (step, *(one for child in below for one in _within(child)))
