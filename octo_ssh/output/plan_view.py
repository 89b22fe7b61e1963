"""A run's plan for people: a paragraph a step, targets that are alike folded together, totals at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, assert_never

from octo_ssh.model.manifest import Kind
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.work import HttpWork, PackageWork, Planned, PlannedStep, ProbeWork, RunPlan, ScriptWork, Window
from octo_ssh.output.printer import Line, Tone, tone_of
from octo_ssh.output.summary import WORST_FIRST, named
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, listed, size, span

S = TypeVar("S")
NAMED_ENTRIES = 5


def plan_view(plan: RunPlan) -> tuple[Line, ...]:
    """What ``plan`` prints."""
    steps = (line for step in plan.steps for line in _step(step, "", plan.unreachable))
    return (*_head(plan), *steps, Line(""), *_foot(plan))


def totals(plan: RunPlan) -> str:
    """One line: how many targets change, how many do not, how many were not reached, what is sent at most."""
    changing = len(plan.changing)
    still = len(plan.targets) - changing - sum(name in plan.targets for name in plan.unreachable)
    if not changing and not plan.unreachable:
        return f"plan: nothing to do on {amount(still, 'target')}"
    parts = [f"{amount(changing, 'target')} to change" if changing else "nothing to do"]
    if still:
        parts.append(f"{still:,} unchanged")
    if plan.unreachable:
        parts.append(f"{len(plan.unreachable):,} unreachable")
    lacking = [work.lacking_bytes for work in _packages(plan) if work.lacking_bytes]
    if lacking:
        parts.append(f"at most {size(sum(lacking))} to send")
    return f"plan: {', '.join(parts)}"


def _head(plan: RunPlan) -> Iterator[Line]:
    what = f"{plan.project} {plan.release}" if plan.release else plan.project
    where = f" → {plan.environment}" if plan.environment else ""
    yield Line(f"{what}{where}, {amount(len(plan.targets), 'target')}", Tone.TITLE)
    for reason, names in _grouped({name: clean_line(reason) for name, reason in plan.unreachable.items()}):
        left_out = ", left out" if plan.skip_unreachable else ""
        yield Line(f"  unreachable  {named(names)}  {reason}{left_out}", Tone.BAD)


def _foot(plan: RunPlan) -> Iterator[Line]:
    yield Line(totals(plan), Tone.TITLE if plan.changing else Tone.GOOD)


def _step(step: PlannedStep, indent: str, told: Mapping[str, str]) -> Iterator[Line]:
    """``told``: why targets were not reached, which stands above all steps and is not said again."""
    yield Line("")
    yield Line(f"{indent}{step.step.name}{_manner(step)}", Tone.TITLE)
    order = {outcome: place for place, outcome in enumerate(reversed(WORST_FIRST))}
    groups = _grouped({name: _shape(planned, told.get(name)) for name, planned in step.planned.items()})
    for (outcome, reason, details), names in sorted(groups, key=lambda row: order[row[0][0]], reverse=True):
        why = f"  {reason}" if reason else ""
        yield Line(f"{indent}  {outcome.value:<11}  {named(names)}{why}", tone_of(outcome))
        for detail in details:
            yield Line(f"{indent}               {detail}", Tone.FAINT)
    if not step.targets:
        yield Line(f"{indent}  no target", Tone.FAINT)
    for child in step.children:
        yield from _step(child, indent + "  ", told)


def _manner(step: PlannedStep) -> str:
    """How a step goes over its targets, where that is not simply all at once."""
    if step.window is not None:
        return f"  ({_window(step.window)})"
    return "  (once)" if step.step.once else ""


def _window(window: Window) -> str:
    parts = [f"{window.size:,} at a time"]
    if window.canary:
        parts.append(f"{amount(window.canary, 'canary', 'canaries')} first")
    if window.max_failures:
        parts.append(f"up to {amount(window.max_failures, 'failure')}")
    if window.pause_s:
        parts.append(f"{span(window.pause_s)} between")
    return ", ".join(parts)


def _shape(planned: Planned, told: str | None) -> tuple[Outcome, str, tuple[str, ...]]:
    """What must be the same for two targets to share a line."""
    reason = "" if planned.reason == told else clean_line(planned.reason)
    return planned.outcome, reason, tuple(map(clean_line, _details(planned)))


def _details(planned: Planned) -> Iterator[str]:
    match planned.work:
        case None:
            return
        case PackageWork() as work:
            yield from _package(work)
        case ScriptWork() as work:
            if work.sudo_user:
                yield f"as {work.sudo_user}"
        case ProbeWork() as work:
            yield _probe(work)
        case _:
            assert_never(planned.work)


def _package(work: PackageWork) -> Iterator[str]:
    """What the reason does not say: it names what is repaired, extra or owed."""
    files = sum(entry.kind is Kind.FILE for entry in work.manifest.entries.values())
    if work.build:
        whole = f"{amount(files, 'file')}, {size(work.manifest.bytes)}"
        lacks_some = 0 < work.lacking_files < files
        sent = f"; lacks {amount(work.lacking_files, 'file')}, {size(work.lacking_bytes)}" if lacks_some else ""
        yield f"{work.to}/releases/{work.folder}: {whole}{sent}"
    if work.switch:
        yield f"current: {work.previous or 'nothing'} → {work.folder}"
    consequences = [what for what, wanted in (("activate", work.activate), ("verify", work.verify)) if wanted]
    if consequences:
        yield f"then {' and '.join(consequences)}"
    if work.seeds:
        yield f"shared, filled from the package: {listed(work.seeds, NAMED_ENTRIES)}"


def _probe(work: ProbeWork) -> str:
    match work.what:
        case HttpWork(url, contains):
            holding = f" holding {contains!r}" if contains else ""
            return f"{url}{holding}, within {span(work.within_s)}"
        case ScriptWork():
            return f"a command, within {span(work.within_s)}"


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
