"""The end of a run in words: each target's end state, folded, and the command that goes on."""

from __future__ import annotations

from collections.abc import Iterable

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import RunEnded, TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.printer import Line, Tone, tone_of
from octo_ssh.output.text import clean_line
from octo_ssh.output.words import amount, duration, fold, natural

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


def summary(ended: RunEnded, title: str) -> tuple[Line, ...]:
    """What stays on the screen when a run is over. ``title`` says what went where."""
    outcomes = [result.outcome for result in ended.results]
    lines = [Line(f"{title}: {_verdict(ended, outcomes)}", _tone(ended))]
    order = {outcome: place for place, outcome in enumerate(WORST_FIRST)}
    groups: dict[tuple[Outcome, str, str], list[str]] = {}
    for result in sorted(ended.results, key=lambda result: order[result.outcome]):
        groups.setdefault(_alike(result), []).append(result.target)
    for (outcome, reason, release), names in groups.items():
        at = f" · at {release}" if release else ""
        why = f"  {reason}" if reason else ""
        lines.append(Line(f"  {outcome.value:<11}  {named(names)}{why}{at}", tone_of(outcome)))
    if ended.next_command:
        lines.append(Line(f"Go on with: {clean_line(ended.next_command)}", Tone.TITLE))
    return tuple(lines)


def named(names: Iterable[str]) -> str:
    """Names in order and folded, with their number where it is not seen at once."""
    names = sorted(names, key=natural)
    return f"{fold(names)} ({len(names):,})" if len(names) > 2 else fold(names)


def _alike(result: TargetResult) -> tuple[Outcome, str, str]:
    return result.outcome, clean_line(result.reason), clean_line(result.release or "")


def _verdict(ended: RunEnded, outcomes: list[Outcome]) -> str:
    took = duration(ended.seconds)
    match ended.exit_code:
        case ExitCode.DONE if outcomes and all(outcome is Outcome.UNCHANGED for outcome in outcomes):
            return f"nothing to do, {amount(len(outcomes), 'target')} unchanged ({took})"
        case ExitCode.REFUSED:
            return f"refused, {counts(outcomes)} ({took})" if outcomes else "refused, nothing was changed"
        case ExitCode.INTERRUPTED:
            return f"interrupted after {took}, {counts(outcomes)}"
        case _:
            return f"{counts(outcomes)} ({took})"


def _tone(ended: RunEnded) -> Tone:
    return Tone.GOOD if ended.exit_code == ExitCode.DONE else Tone.BAD
