"""Inventory, plan and what was observed → what a run will do (SPEC sections 4 and 6)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from octo_ssh.errors import FileErrors, Refused
from octo_ssh.model.plan import Budget, FileStep, GroupStep, PackageStep, Rolling, ServiceStep, Step
from octo_ssh.model.work import Memory, PlannedStep, RunPlan, Window
from octo_ssh.planning.doubts import recorded_as
from octo_ssh.planning.forecast import Forecast, forecast
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.space import shortages

__all__ = ["PlanInput", "make_plan"]


def make_plan(given: PlanInput) -> RunPlan:
    """What a run will do: the very object that ``plan`` prints and ``apply`` executes. A target that has no room for
    what would be laid out there has failed before anything begins.

    Raises FileErrors for templates that cannot be rendered, and Refused, with every reason, for places that belong to
    others, two names for one machine, a ``once`` step of which nobody can tell whether it was done, and URLs to be
    asked on targets without curl and wget.
    """
    scene = Scene(given)
    found = forecast(scene)
    if scene.problems:
        raise FileErrors(scene.problems)
    reasons = [*_doubles(given), *dict.fromkeys(scene.refusals)]
    if reasons:
        raise Refused("\n".join(reasons), hint="nothing was changed")
    cramped = shortages(scene, found)
    if cramped:
        return make_plan(replace(given, broken={**given.broken, **cramped}))
    plan = given.loaded.plan
    targets = given.selection.targets
    return RunPlan(
        project=plan.project,
        release=plan.release,
        environment=given.loaded.environment,
        targets=targets,
        steps=tuple(_planned_step(scene, found, step, plan.max_parallel) for step in plan.steps),
        max_failures=failures(plan.max_failures, len(targets)),
        max_parallel=plan.max_parallel,
        unreachable={name: given.unreachable[name] for name in targets if name in given.unreachable},
        broken={name: given.broken[name] for name in targets if name in given.broken},
        skip_unreachable=plan.skip_unreachable,
        forgetting={} if scene.is_runbook else dict(_forgetting(scene)),
        renaming=dict(_renaming(given)),
    )


def failures(budget: Budget, targets: int) -> int:
    """A budget as a number of targets: shares round down."""
    if budget.percent is None:
        return budget.count or 0
    return math.floor(targets * budget.percent / 100 + 1e-9)


def share(budget: Budget, targets: int) -> int:
    """A window or canary as a number of targets: shares round up, and it is one at least."""
    count = budget.count or 0 if budget.percent is None else math.ceil(targets * budget.percent / 100 - 1e-9)
    return max(1, count)


def _planned_step(scene: Scene, found: Forecast, step: Step, max_parallel: int) -> PlannedStep:
    at_once = min(max_parallel, step.max_parallel or max_parallel)
    if isinstance(step.kind, GroupStep):
        targets = scene.reach[step.id]
        return PlannedStep(
            step=step,
            targets=targets,
            planned={},
            children=tuple(_planned_step(scene, found, child, at_once) for child in step.kind.steps),
            window=None if step.kind.rolling is None else _window(step.kind.rolling, len(targets)),
            max_parallel=at_once,
        )
    targets = tuple(name for name in scene.reach[step.id] if (step.id, name) in found)
    return PlannedStep(step, targets, {name: found[step.id, name] for name in targets}, max_parallel=at_once)


def _window(rolling: Rolling, targets: int) -> Window:
    return Window(
        size=share(rolling.window, targets),
        canary=0 if rolling.canary is None else share(rolling.canary, targets),
        max_failures=failures(rolling.max_failures, targets),
        pause_s=rolling.pause_s,
        asks=rolling.asks,
    )


def _forgetting(scene: Scene) -> Iterator[tuple[str, frozenset[Memory]]]:
    """Targets, and what they remember of steps that the plan has no more, or not for them.

    A runbook knows nothing of the steps of other plans. What a step does not do today (it is left out, its ``when`` is
    false, another target has its ``once``) is remembered.
    """
    given = scene.given
    environment = given.loaded.environment
    steps = [
        step
        for step in given.loaded.plan.walk()
        if all(not one.environments or environment in one.environments for one in (*scene.path[step.id], step))
    ]
    for name in given.selection.targets:
        if name in given.observed and name not in given.broken:
            baseline = given.observed[name].baseline
            places = {place.to for place in given.observed[name].packages.values()}
            # A package is known by its place, too: its step may have another name now.
            packages = [step for step, package in baseline.packages.items() if package.to not in places]
            here = [step for step in steps if name in scene.reach[step.id]]
            left: list[Memory] = [
                *(("package", step) for step in packages),
                *(("file", step) for step in baseline.files),
                *(("service", step) for step in baseline.services),
            ]
            if gone := frozenset(left) - frozenset(_memories(here)):
                yield name, gone


def _renaming(given: PlanInput) -> Iterator[tuple[str, dict[str, str]]]:
    """Targets, and the packages that they remember under the id of another step than the one that brings them now."""
    for name in given.selection.targets:
        if name in given.observed and name not in given.broken:
            seen = given.observed[name]
            known = {recorded_as(seen, place): step for step, place in seen.packages.items()}
            if names := {old: new for old, new in known.items() if old is not None and old != new}:
                yield name, names


def _memories(steps: Iterable[Step]) -> Iterator[Memory]:
    """What successes of the steps leave in a baseline, for drift to watch."""
    for step in steps:
        match step.kind:
            case PackageStep():
                yield "package", step.id
            case FileStep():
                yield "file", step.id
            case ServiceStep():
                yield "service", step.id
            case _:
                pass


def _doubles(given: PlanInput) -> list[str]:
    """Two names for one machine (SPEC section 3)."""
    seen: dict[tuple[str, ...], str] = {}
    reasons: list[str] = []
    for name in given.selection.targets:
        if name not in given.observed or not given.observed[name].facts.identity:
            continue
        facts = given.observed[name].facts
        other = seen.setdefault(facts.identity, name)
        if other != name:
            reasons.append(f"{other} and {name} are one machine with one root, {facts.root}: keep one name")
    return reasons
