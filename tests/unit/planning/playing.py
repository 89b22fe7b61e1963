"""Plays a schedule without a clock: for tests of its order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.schedule import Schedule, Start

GOOD, BAD = Outcome.CHANGED, Outcome.FAILED


def names(starts: Iterable[Start]) -> list[tuple[str, str]]:
    return [(start.step_id, start.target) for start in starts]


def play(
    schedule: Schedule,
    outcome: Callable[[str, str], Outcome] = lambda step, target: GOOD,
    choices: Mapping[tuple[str, str], Choice] | None = None,
) -> list[tuple[str, str]]:
    """Carry everything out one by one, pauses at once; what was started, in order. ``choices``: what a person says."""
    begun: list[tuple[str, str]] = []
    pending: list[Start] = []
    for _ in range(10_000):
        new = schedule.ready()
        begun += names(new)
        pending += new
        if schedule.done:
            return begun
        if pending:
            start = pending.pop(0)
            key = (start.step_id, start.target)
            end = outcome(*key)
            handling = schedule.handling(*key, end, (choices or {}).get(key))
            schedule.finished(*key, end, handling=handling, by="ann")
        else:
            for wait in schedule.waiting():
                schedule.waited(wait.step_id, wait.slot)
    raise AssertionError("the schedule does not end")


def fails(*pairs: tuple[str, str]) -> Callable[[str, str], Outcome]:
    return lambda step, target: BAD if (step, target) in pairs else GOOD
