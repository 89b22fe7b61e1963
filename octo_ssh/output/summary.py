"""The end of a run in words: each target's end state, folded, and the command that goes on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import ApprovalGiven, ArtifactKept, RunEnded, StepEnded, TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.output.printer import Line, Tone, tone_of
from octo_ssh.output.story import Story
from octo_ssh.output.text import clean_line, first_line
from octo_ssh.output.words import amount, duration, fold, natural, size

WORST_FIRST = (
    Outcome.FAILED,
    Outcome.UNKNOWN,
    Outcome.UNREACHABLE,
    Outcome.SKIPPED,
    Outcome.CHANGED,
    Outcome.UNCHANGED,
)


def counts(outcomes: Iterable[Outcome]) -> str:
    """``18 changed, 1 failed, 1 unreachable``: what is there, best last in the list of evils."""
    seen = list(outcomes)
    parts = [f"{seen.count(outcome):,} {outcome.value}" for outcome in reversed(WORST_FIRST) if outcome in seen]
    return ", ".join(parts) if parts else "no targets"


def summary(ended: RunEnded, story: Story) -> tuple[Line, ...]:
    """What stays on the screen when a run is over. Targets are counted; the controller is none of them."""
    results = [result for result in ended.results if result.target != CONTROLLER]
    outcomes = [result.outcome for result in results]
    lines = [Line(f"{story.title}: {_verdict(ended, outcomes, story)}", _tone(ended))]
    order = {outcome: place for place, outcome in enumerate(WORST_FIRST)}
    groups: dict[tuple[Outcome, str, str], list[str]] = {}
    for result in sorted(results, key=lambda result: order[result.outcome]):
        groups.setdefault(_alike(result, story), []).append(result.target)
    lines += _on_the_controller(ended, story)
    for (outcome, reason, release), names in groups.items():
        at = f" · at {release}" if release else ""
        why = f"  {reason}" if reason else ""
        lines.append(Line(f"  {outcome.value:<11}  {named(names)}{why}{at}", tone_of(outcome)))
    lines += _ignored(story)
    lines += [approval_line(approval, story.outline.name(approval.step)) for approval in story.approvals]
    lines += _artifacts(story.artifacts)
    if ended.next_command:
        lines.append(Line(f"Go on with: {clean_line(ended.next_command)}", Tone.TITLE))
    return tuple(lines)


def named(names: Iterable[str]) -> str:
    """Names in order and folded, with their number where it is not seen at once."""
    names = sorted(names, key=natural)
    return f"{fold(names)} ({len(names):,})" if len(names) > 2 else fold(names)


def why(end: StepEnded) -> str:
    """What went wrong, in one line, with the exit status where the reason does not name it."""
    reason = first_line(end.reason)
    if end.status is None or "exit status" in reason:
        return reason
    return f"{reason} (exit status {end.status})" if reason else f"exit status {end.status}"


def approval_line(approval: ApprovalGiven, name: str) -> Line:
    """``approved  Sign-off, by alice: the dashboard is green``."""
    word = "approved" if approval.given else "refused"
    by = f", by {clean_line(approval.by)}" if approval.by else ""
    note = f": {clean_line(approval.note)}" if approval.note else ""
    return Line(f"  {word:<11}  {name}{by}{note}", Tone.GOOD if approval.given else Tone.BAD)


def _alike(result: TargetResult, story: Story) -> tuple[Outcome, str, str]:
    """What must be the same for two targets to share a line. Ignored failures have lines of their own."""
    release = clean_line(result.release or "")
    if result.outcome in (Outcome.CHANGED, Outcome.UNCHANGED) and result.target in story.ignoring:
        return result.outcome, "", release
    reason = first_line(result.reason)
    end = story.ends.get(result.target)
    if end is not None and (end.outcome, end.reason) == (result.outcome, result.reason):
        name = story.outline.name(end.step)
        reason = f"{name}: {reason}" if reason else name
    return result.outcome, reason, release


def _verdict(ended: RunEnded, outcomes: list[Outcome], story: Story) -> str:
    took = duration(ended.seconds)
    aside = f", {amount(len(story.ignored), 'failure')} ignored" if story.ignored else ""
    match ended.exit_code:
        case ExitCode.DONE if outcomes and not aside and all(outcome is Outcome.UNCHANGED for outcome in outcomes):
            return f"nothing to do, {amount(len(outcomes), 'target')} unchanged ({took})"
        case ExitCode.REFUSED:
            return f"refused, {counts(outcomes)} ({took})" if outcomes else "refused, nothing was changed"
        case ExitCode.INTERRUPTED:
            return f"interrupted after {took}, {counts(outcomes)}{aside}"
        case _:
            return f"{counts(outcomes)}{aside} ({took})"


def _on_the_controller(ended: RunEnded, story: Story) -> Iterator[Line]:
    """The steps that did not end well there; where none did and the controller failed all the same, why."""
    for result in ended.results:
        if result.target == CONTROLLER and not story.here and not result.outcome.is_good:
            text = f"  {result.outcome.value:<11}  on the {CONTROLLER}  {clean_line(result.reason)}"
            yield Line(text.rstrip(), tone_of(result.outcome))
    for step, end in story.here.items():
        reason = f": {told}" if (told := why(end)) else ""
        text = f"  {end.outcome.value:<11}  {story.outline.name(step)}, on the {CONTROLLER}{reason}"
        yield Line(text, tone_of(end.outcome))


def _ignored(story: Story) -> Iterator[Line]:
    """By step and reason: they stand apart, for they count nowhere."""
    groups: dict[tuple[str, str], list[str]] = {}
    for end in story.ignored:
        groups.setdefault((end.step, why(end)), []).append(end.target)
    for (step, reason), names in groups.items():
        told = f": {reason}" if reason else ""
        yield Line(f"  {'ignored':<11}  {named(names)}  {story.outline.name(step)}{told}", Tone.WARNING)


def _artifacts(kept: list[ArtifactKept]) -> Iterator[Line]:
    """Where they lie: one path, or the folder that holds them all."""
    if not kept:
        return
    total = size(sum(artifact.bytes for artifact in kept))
    if len(kept) == 1:
        yield Line(f"  {'kept':<11}  {clean_line(kept[0].path)} ({total})")
        return
    folder = os.path.commonpath([os.path.dirname(artifact.path) for artifact in kept])
    yield Line(f"  {'kept':<11}  {amount(len(kept), 'artifact')}, {total}, in {clean_line(folder)}")


def _tone(ended: RunEnded) -> Tone:
    return Tone.GOOD if ended.exit_code == ExitCode.DONE else Tone.BAD
