"""What steps say of each other: restarts after earlier steps, starting with the step before (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.errors import Position
from octo_ssh.model.plan import ApproveStep, CheckStep, GroupStep, RunStep, ServiceStep, Step, walk_steps

Places = Mapping[tuple[str, str], Position]


def link(steps: tuple[Step, ...], places: Places, problems: Problems) -> tuple[Step, ...]:
    """The steps with what they say of each other resolved to ids, after adding every mistake in it.

    All steps must be there: with one left out, others would seem to be unknown.
    """
    return _Linker(steps, places, problems).steps(steps)


class _Linker:
    def __init__(self, steps: tuple[Step, ...], places: Places, problems: Problems) -> None:
        self.places = places
        self.problems = problems
        every = walk_steps(steps)
        self.order = {step.id: number for number, step in enumerate(every)}
        self.known = {step.id: step for step in every} | {step.name: step for step in every}

    def steps(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """The steps of one list."""
        for before, step in zip((None, *steps), steps, strict=False):
            if step.starts_with_previous:
                self._check_start(before, step)
        return tuple(self._linked(step) for step in steps)

    def _linked(self, step: Step) -> Step:
        match step.kind:
            case GroupStep(steps=steps) as group:
                return replace(step, kind=replace(group, steps=self.steps(steps)))
            case ServiceStep(on_change=causes) as service if causes:
                ids = [self._cause(step, word) for word in causes]
                return replace(step, kind=replace(service, on_change=tuple(dict.fromkeys(filter(None, ids)))))
            case _:
                return step

    def _check_start(self, before: Step | None, step: Step) -> None:
        at = self.places.get((step.id, "start:"), step.position)
        if before is None:
            self.problems.add(at, "no step stands before this one to start with: remove 'start'")
        elif isinstance(before.kind, GroupStep):
            self.problems.add(at, f"the step before, '{before.name}', is a group, which is waited for: remove 'start'")
        elif isinstance(before.kind, ApproveStep):
            self.problems.add(at, f"the step before, '{before.name}', asks, and is waited for: remove 'start'")
        elif _reboots(step) or _reboots(before):
            self.problems.add(at, "nothing else runs on a machine while a step restarts it: remove 'start'")

    def _cause(self, step: Step, word: str) -> str | None:
        """The id of a step that makes a service restart; None after saying what is wrong."""
        at = self.places.get((step.id, f"restart:{word}"), step.position)
        cause = self.known.get(word)
        earlier = [name for name, other in self.known.items() if self.order[other.id] < self.order[step.id]]
        if cause is None:
            names = [self.known[name].name for name in earlier]
            hint = nearest(word, earlier) or (f": before it come {quoted_list(dict.fromkeys(names))}" if names else "")
            self.problems.add(at, f"there is no step '{word}'{hint}")
        elif cause.id == step.id or self.order[cause.id] > self.order[step.id]:
            self.problems.add(at, f"the step '{word}' does not come before this one: move one of them")
        elif cause.on_controller:
            self.problems.add(at, f"the step '{word}' runs on the controller and changes no target: name another")
        elif isinstance(cause.kind, GroupStep):
            inside = quoted_list(child.name for child in cause.kind.steps)
            self.problems.add(at, f"'{word}' is a group: name steps of it, {inside}")
        elif isinstance(cause.kind, CheckStep):
            self.problems.add(at, f"the step '{word}' only looks, and changes nothing: name another")
        else:
            return cause.id
        return None


def _reboots(step: Step) -> bool:
    return isinstance(step.kind, RunStep) and step.kind.reboots
