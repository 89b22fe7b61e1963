"""All targets that change are locked, or none (SPEC section 6). Who may be overtaken is ``planning/leases.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

from octo_ssh.errors import Refused, TargetError
from octo_ssh.execution import baseline
from octo_ssh.execution.hold import Hold
from octo_ssh.model.events import TargetWarned
from octo_ssh.model.holder import holder_of
from octo_ssh.model.jobs import JobSeen, JobState
from octo_ssh.model.observed import Baseline, Lease, Observed
from octo_ssh.output.record import is_running
from octo_ssh.output.reports import holder as holder_words
from octo_ssh.output.summary import named
from octo_ssh.planning.leases import LeaseSight, LeaseState, may_take
from octo_ssh.remote.lock import Moved

POLL_S = 2.0
NAMED = 5

Joins = Callable[[str, tuple[JobSeen, ...]], bool]
"""Whether the run goes on with what still runs on that target; it is told of all scripts that lie there."""


@dataclass(slots=True)
class LockQueue:
    """How one run waits for locks, and what it has seen of them meanwhile, by its own clock."""

    state: Path
    """The user's state folder: records of runs of this controller."""
    run: str
    wait_s: float
    deadline: float
    """On the loop's clock."""
    _since: dict[str, tuple[str, float]] = field(default_factory=dict, init=False)
    """By target: what its lease says, and since when."""
    _told: set[str] = field(default_factory=set, init=False)
    """Targets that people know to be waited for."""

    def sight(self, target: str, lease: Lease | None, jobs: tuple[JobSeen, ...]) -> LeaseSight:
        """What is to be thought of a lease that was just seen."""
        if lease is None:
            return LeaseSight(None, jobs)
        now = asyncio.get_running_loop().time()
        link, since = self._since.get(target, ("", now))
        if link != lease.link:
            since = now
        self._since[target] = (lease.link, since)
        ours = (holder := holder_of(lease)) is not None and holder.run == self.run  # of an earlier try to lock them all
        return LeaseSight(lease, jobs, ours or was_killed(self.state, lease), now - since)

    def untold(self, blocked: Iterable[str]) -> tuple[str, ...]:
        """Of targets that are waited for those of which that is to be told: a few, each once."""
        names = tuple(name for name in blocked if name not in self._told)[: max(0, NAMED - len(self._told))]
        self._told.update(names)
        return names


def was_killed(state: Path, lease: Lease) -> bool:
    """The lease's run was one of this controller, and is no more. Raises StateError."""
    holder = holder_of(lease)
    return holder is not None and is_running(state, holder.run, host=holder.host) is False


def is_left_behind(state: Path, seen: Observed) -> bool:
    """A run of this controller that was killed holds the target, and nothing is at work there. Raises StateError."""
    if seen.lease is None or any(job.state is JobState.RUNNING for job in seen.jobs):
        return False
    return was_killed(state, seen.lease)


def nobody_joins(target: str, jobs: tuple[JobSeen, ...]) -> bool:
    """What still runs is waited for."""
    return False


async def lock_all(
    holds: Mapping[str, Hold],
    due: Mapping[str, tuple[str, ...]],
    queue: LockQueue,
    known: Collection[str] | None = None,
    joins: Joins = nobody_joins,
    renaming: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> tuple[Mapping[str, TargetError], tuple[str, ...]]:
    """Lock them all and journal what was decided: (what failed by target, targets that must be observed again).

    ``known``: the steps that there are; what others owe is forgotten. None: a runbook, which cannot tell for the plans
    whose steps those are. ``renaming``: as the plan of the run has it.
    When any target must be observed again, or is held by somebody, none stays locked. A lease that was seen already
    is waited for before any other is taken. Raises Refused when some may not be taken at the queue's deadline.
    """
    sights = {name: queue.sight(name, hold.observed.lease, hold.observed.jobs) for name, hold in holds.items()}
    while True:
        sights |= await _wait(holds, sights, queue, joins)
        failed, held, moved = await _try_all(holds, due, sights, known, renaming)
        if not held and not moved:
            return failed, ()
        await asyncio.gather(*(hold.give_back() for hold in holds.values()))
        if moved:
            # taking and giving back has moved the others, too
            return failed, tuple(name for name in holds if name not in failed)
        sights |= {name: queue.sight(name, lease, sights[name].jobs) for name, lease in held.items()}


async def _wait(
    holds: Mapping[str, Hold], sights: Mapping[str, LeaseSight], queue: LockQueue, joins: Joins
) -> Mapping[str, LeaseSight]:
    """Wait until all may be taken; what was seen last of those that could not. Only looks. Raises Refused."""
    loop = asyncio.get_running_loop()
    waited = {name: sight for name, sight in sights.items() if not may_take(sight, partial(joins, name))}
    while blocked := {name: sight for name, sight in waited.items() if not may_take(sight, partial(joins, name))}:
        if (left := queue.deadline - loop.time()) <= 0:
            raise Refused(_told(blocked), hint=_hint(blocked, queue.wait_s))
        for name in queue.untold(blocked):
            holds[name].context.emit(TargetWarned(name, f"waiting, for {left:.0f} s at most: {_who(blocked[name])}"))
        await asyncio.sleep(min(POLL_S, left))

        async def look(name: str) -> LeaseSight:
            try:
                seen = await holds[name].look()
            except TargetError:
                return LeaseSight(None)  # who takes the lease will hear what is wrong
            holds[name].left = list(seen.jobs)
            return queue.sight(name, seen.lease, seen.jobs)

        waited |= dict(zip(waited, await asyncio.gather(*map(look, waited)), strict=True))
    return waited


async def release_all(
    holds: Iterable[Hold], outcome: Callable[[str], str], kept: Callable[[Hold], Baseline | None] = lambda hold: None
) -> None:
    """Give every lease back that is ours; ``outcome`` says by target's name how the run ended there, ``kept`` what of
    its memory stays, where that is not all of it.
    """
    await asyncio.gather(*(hold.release(outcome(hold.target.name), baseline=kept(hold)) for hold in holds))


async def _try_all(
    holds: Mapping[str, Hold],
    due: Mapping[str, tuple[str, ...]],
    sights: Mapping[str, LeaseSight],
    known: Collection[str] | None,
    renaming: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, TargetError], dict[str, Lease], tuple[str, ...]]:
    since = datetime.now(UTC).isoformat(timespec="seconds")

    async def one(name: str, hold: Hold) -> Lease | Moved | TargetError | None:
        steps = due.get(name, ())
        so_already = [step for step, status in hold.observed.unless.items() if status == 0]
        left = baseline.renamed(hold.baseline, renaming.get(name, {}))
        left = left if known is None else baseline.of_steps(left, known)
        after = baseline.decided(baseline.holding(left, so_already), hold.context.identity.release, steps)
        over = sights[name].lease
        try:
            line = {"what": "decided", "due": list(steps)}
            answer = await hold.acquire(line=line, baseline=after, over=over, since=since)
        except TargetError as error:
            return error
        if over is not None and answer is None:
            hold.context.emit(
                TargetWarned(name, f"the lock was taken over from {holder_words(over, sights[name].state)}")
            )
        return answer

    # Two runs that want the same targets ask for the same one first: whoever has that has them all, and never do both
    # have to give back.
    answers: dict[str, Lease | Moved | TargetError | None] = {}
    left = sorted(holds)
    while left:
        first = left.pop(0)
        answers[first] = await one(first, holds[first])
        if not isinstance(answers[first], TargetError):
            break
    if all(answer is None or isinstance(answer, TargetError) for answer in answers.values()):
        answers |= zip(left, await asyncio.gather(*(one(name, holds[name]) for name in left)), strict=True)
    failed = {name: answer for name, answer in answers.items() if isinstance(answer, TargetError)}
    held = {name: answer for name, answer in answers.items() if isinstance(answer, Lease)}
    return failed, held, tuple(name for name, answer in answers.items() if isinstance(answer, Moved))


def _told(blocked: Mapping[str, LeaseSight]) -> str:
    """Who holds what, and what still runs there."""
    alike: dict[str, list[str]] = {}
    for name, sight in blocked.items():
        alike.setdefault(_who(sight), []).append(name)
    lines = [f"{named(names)} {'is' if len(names) == 1 else 'are'} {told}" for told, names in alike.items()]
    more = [f"and {len(lines) - NAMED} more runs hold others"] if len(lines) > NAMED else []
    return "\n".join([*lines[:NAMED], *more])


def _who(sight: LeaseSight) -> str:
    who = "" if sight.lease is None else f"locked by {holder_words(sight.lease, sight.state)}"
    at_work = sorted({f"step {job.key.step} of run {job.run}" for job in sight.running})
    still = f"still running {', '.join(at_work)}" if at_work else ""
    return ", ".join(filter(None, (who, still)))


def _hint(blocked: Mapping[str, LeaseSight], wait_s: float) -> str:
    names = " ".join(list(blocked)[:NAMED])
    waited = f"waited {wait_s:g} s" if wait_s else "--lock-wait 10m would wait"
    if any(sight.running for sight in blocked.values()):
        if all(sight.state is LeaseState.KILLED for sight in blocked.values()):
            waited += "; applying just what was applied then, with nothing changed, goes on with it"
        elif any(sight.state is LeaseState.HELD for sight in blocked.values()):
            waited += "; if that run is gone"
        return f"{waited}; octo-ssh lock --release {names} ends what still runs there, and frees them"
    if all(sight.state is LeaseState.DOUBTFUL for sight in blocked.values()):
        return f"{waited}, and take them over if nobody renews them; else free them: octo-ssh lock --release {names}"
    return f"{waited}; if that run is gone, free them: octo-ssh lock --release {names}"
