"""A run's plan for people: a paragraph a step, targets that are alike folded together, totals at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, ApproveStep, OnFailure, Step
from octo_ssh.model.work import ApproveWork, PackageWork, Planned, PlannedStep, RunPlan, Window
from octo_ssh.output.outline import Outline
from octo_ssh.output.plan_details import details
from octo_ssh.output.printer import Line, Tone, tone_of
from octo_ssh.output.summary import WORST_FIRST, named
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, size, span

S = TypeVar("S")
DETAIL_LINES = 60
"""More lines than this below a step's targets are cut: the rest of a long diff."""


def plan_view(plan: RunPlan, *, verbose: bool = False) -> tuple[Line, ...]:
    """What ``plan`` prints; ``verbose`` shows every diff to its end."""
    page = _Page(Outline.of(plan), {**plan.unreachable, **plan.broken}, None if verbose else DETAIL_LINES)
    steps = (line for step in plan.steps for line in _step(step, "", page))
    return (*_head(plan), *steps, Line(""), *_foot(plan))


@dataclass(frozen=True, slots=True)
class _Page:
    """What every step's paragraph needs to know."""

    outline: Outline
    told: Mapping[str, str]
    """Why targets were not reached or could not be looked at, which stands above all steps and is not said again."""
    most: int | None
    """Lines of detail; None: all."""


def changes(plan: RunPlan) -> bool:
    """Whether anything is to change on a target, or to be done on the controller. To remember is no change."""
    return bool(to_change(plan) or here(plan))


def to_change(plan: RunPlan) -> int:
    """How many targets change: more is done there than to remember what is right already."""
    return len(plan.changing) - len(plan.remembering)


def here(plan: RunPlan) -> int:
    """How many steps are due on the controller, which is none of the targets."""
    return sum(planned.due for step in plan.walk() for name, planned in step.planned.items() if name == CONTROLLER)


def totals(plan: RunPlan) -> str:
    """One line: how many targets change, how many do not, how many were not reached, what is sent at most."""
    changing, remembering = to_change(plan), len(plan.remembering)
    left = {*plan.unreachable, *plan.broken}
    still = len(plan.targets) - changing - remembering - sum(name in plan.targets for name in left)
    on_controller = here(plan)
    if not (changing or remembering or left or on_controller):
        return f"plan: nothing to do on {amount(still, 'target')}"
    parts = [f"{amount(changing, 'target')} to change"] if changing else []
    if on_controller:
        parts.append(f"{amount(on_controller, 'step')} on the {CONTROLLER}")
    if not parts:
        parts.append("nothing to change" if remembering else "nothing to do")
    if remembering:
        parts.append(f"{amount(remembering, 'target')} to remember")
    if still:
        parts.append(f"{still:,} unchanged")
    if plan.broken:
        parts.append(f"{len(plan.broken):,} failed")
    if plan.unreachable:
        parts.append(f"{len(plan.unreachable):,} unreachable")
    lacking = [work.lacking_bytes for work in _packages(plan) if work.lacking_bytes]
    if lacking:
        parts.append(f"at most {size(sum(lacking))} of files to send")
    return f"plan: {', '.join(parts)}"


def _head(plan: RunPlan) -> Iterator[Line]:
    what = f"{plan.project} {plan.release}" if plan.release else plan.project
    where = f" → {plan.environment}" if plan.environment else ""
    yield Line(f"{what}{where}, {amount(len(plan.targets), 'target')}", Tone.TITLE)
    for reason, names in _grouped({name: clean_line(reason) for name, reason in plan.unreachable.items()}):
        left_out = ", left out" if plan.skip_unreachable else ""
        yield Line(f"  unreachable  {named(names)}  {reason}{left_out}", Tone.BAD)
    for reason, names in _grouped({name: clean_line(reason) for name, reason in plan.broken.items()}):
        yield Line(f"  failed       {named(names)}  {reason}", Tone.BAD)


def _foot(plan: RunPlan) -> Iterator[Line]:
    yield Line(totals(plan), Tone.TITLE if changes(plan) else Tone.GOOD)


def _step(step: PlannedStep, indent: str, page: _Page) -> Iterator[Line]:
    yield Line("")
    manner = ", ".join(_manner(step))
    yield Line(f"{indent}{step.step.name}{f'  ({manner})' if manner else ''}", Tone.TITLE)
    order = {outcome: place for place, outcome in enumerate(reversed(WORST_FIRST))}
    groups = _grouped({name: _shape(planned, step.step, name, page) for name, planned in step.planned.items()})
    for (outcome, label, reason, below), names in sorted(groups, key=lambda row: order[row[0][0]], reverse=True):
        why = f"  {reason}" if reason else ""
        yield Line(f"{indent}  {label:<11}  {named(names)}{why}", tone_of(outcome))
        for line in _cut(below, page.most):
            yield Line(f"{indent}               {line.text}", line.tone)
    if not step.targets:
        yield Line(f"{indent}  no target", Tone.FAINT)
    for child in step.children:
        yield from _step(child, indent + "  ", page)


def _cut(lines: tuple[Line, ...], most: int | None) -> Iterator[Line]:
    if most is None or len(lines) <= most:
        yield from lines
        return
    yield from lines[:most]
    yield Line(f"… {len(lines) - most:,} more lines: -v shows them", Tone.FAINT)


def _manner(step: PlannedStep) -> Iterator[str]:
    """How a step goes over its targets, where that is not simply all at once; what its failure does."""
    if step.window is not None:
        yield _window(step.window)
    if step.step.once:
        yield "once"
    if step.step.on_controller and not isinstance(step.step.kind, ApproveStep):
        each = "" if step.targets in ((CONTROLLER,), ()) else ", once for each target"
        yield f"on the {CONTROLLER}{each}"
    if step.step.starts_with_previous:
        yield "with the step before"
    if step.step.on_failure is OnFailure.IGNORE:
        yield "a failure is ignored"


def _window(window: Window) -> str:
    parts = [f"{window.size:,} at a time"]
    if window.canary:
        parts.append(f"{amount(window.canary, 'canary', 'canaries')} first")
    if window.max_failures:
        parts.append(f"up to {amount(window.max_failures, 'failure')}")
    if window.pause_s:
        parts.append(f"{span(window.pause_s)} between")
    if window.asks:
        parts.append("asks after the canary")
    return ", ".join(parts)


def _shape(planned: Planned, step: Step, target: str, page: _Page) -> tuple[Outcome, str, str, tuple[Line, ...]]:
    """What must be the same for two targets to share a line: what comes of it and what that is called, why, details."""
    label = "asks" if planned.due and isinstance(planned.work, ApproveWork) else planned.outcome.value
    reason = "" if planned.reason == page.told.get(target) else clean_line(planned.reason)
    return planned.outcome, label, reason, tuple(details(planned, step, page.outline))


def _packages(plan: RunPlan) -> Iterator[PackageWork]:
    for step in plan.walk():
        for planned in step.planned.values():
            if isinstance(planned.work, PackageWork):
                yield planned.work


def _grouped(shapes: Mapping[str, S]) -> list[tuple[S, list[str]]]:
    """Names by what they share, in the order of their first name."""
    groups: dict[S, list[str]] = {}
    for name, shape in shapes.items():
        groups.setdefault(shape, []).append(name)
    return list(groups.items())
