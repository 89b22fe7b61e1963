"""All targets that change are locked, or none (SPEC section 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from octo_ssh.errors import Refused, TargetError
from octo_ssh.execution import baseline
from octo_ssh.execution.hold import Hold
from octo_ssh.model.observed import Baseline, Lease
from octo_ssh.output.reports import holder
from octo_ssh.output.summary import named
from octo_ssh.remote.lock import Moved

POLL_S = 2.0
NAMED = 5


async def lock_all(
    holds: Mapping[str, Hold],
    due: Mapping[str, tuple[str, ...]],
    known: Collection[str] | None = None,
    renaming: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    *,
    deadline: float,
    wait_s: float,
) -> tuple[Mapping[str, TargetError], tuple[str, ...]]:
    """Lock them all and journal what was decided: (what failed by target, targets that must be observed again).

    ``known``: the steps that there are; what others owe is forgotten. None: a runbook, which cannot tell for the plans
    whose steps those are. ``renaming``: as the plan of the run has it.
    When any target must be observed again, or is held by somebody, none stays locked. A lease that was seen already
    is waited for before any other is taken. Raises Refused when some are still held when the loop's clock says
    ``deadline``, ``wait_s`` after the first try.
    """
    held = {name: hold.observed.lease for name, hold in holds.items() if hold.observed.lease is not None}
    if held:
        await _wait_for(holds, held, deadline, wait_s)
    while True:
        failed, held, moved = await _try_all(holds, due, known, renaming)
        if not held and not moved:
            return failed, ()
        await asyncio.gather(*(hold.give_back() for hold in holds.values()))
        if moved:
            # taking and giving back has moved the others, too
            return failed, tuple(name for name in holds if name not in failed)
        await _wait_for(holds, held, deadline, wait_s)


async def _wait_for(holds: Mapping[str, Hold], held: Mapping[str, Lease], deadline: float, wait_s: float) -> None:
    if not await _freed([holds[name] for name in held], deadline):
        raise Refused(_told(held), hint=_hint(held, wait_s))


async def _freed(holds: list[Hold], deadline: float) -> bool:
    """Whether nobody holds any of them any more before the loop's clock says ``deadline``. Only looks."""
    loop = asyncio.get_running_loop()
    while (left := deadline - loop.time()) > 0:
        await asyncio.sleep(min(POLL_S, left))
        if all(await asyncio.gather(*(hold.is_free() for hold in holds))):
            return True
    return False


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
    known: Collection[str] | None,
    renaming: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, TargetError], dict[str, Lease], tuple[str, ...]]:
    async def one(name: str, hold: Hold) -> Lease | Moved | TargetError | None:
        steps = due.get(name, ())
        so_already = [step for step, status in hold.observed.unless.items() if status == 0]
        left = baseline.renamed(hold.baseline, renaming.get(name, {}))
        left = left if known is None else baseline.of_steps(left, known)
        after = baseline.decided(baseline.holding(left, so_already), hold.context.identity.release, steps)
        try:
            return await hold.acquire(line={"what": "decided", "due": list(steps)}, baseline=after)
        except TargetError as error:
            return error

    answers = dict(zip(holds, await asyncio.gather(*(one(*item) for item in holds.items())), strict=True))
    failed = {name: answer for name, answer in answers.items() if isinstance(answer, TargetError)}
    held = {name: answer for name, answer in answers.items() if isinstance(answer, Lease)}
    return failed, held, tuple(name for name, answer in answers.items() if isinstance(answer, Moved))


def _told(held: Mapping[str, Lease]) -> str:
    by_holder: dict[str, list[str]] = {}
    for name, lease in held.items():
        by_holder.setdefault(holder(lease), []).append(name)
    lines = [f"{named(names)} {'is' if len(names) == 1 else 'are'} locked by {who}" for who, names in by_holder.items()]
    more = [f"and {len(lines) - NAMED} more runs hold others"] if len(lines) > NAMED else []
    return "\n".join([*lines[:NAMED], *more])


def _hint(held: Mapping[str, Lease], wait_s: float) -> str:
    waited = f"waited {wait_s:g} s; " if wait_s else "--lock-wait 10m would wait; "
    return f"{waited}if that run is gone, free them: octo-ssh lock --release {' '.join(list(held)[:NAMED])}"
