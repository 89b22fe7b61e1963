"""The right to switch ``current``: taken right after the lease, and with it from whoever held the target before.

A run that was overtaken, a laptop that wakes up, say, cannot switch any more, whatever it was about to do: the folder
that its switch goes through is gone (``remote/flip.sh``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from octo_ssh.errors import LeaseLost, RemoteError, TargetError
from octo_ssh.execution.hold import Hold
from octo_ssh.model.work import PackageWork, RunPlan
from octo_ssh.remote.grant import FlipLost, grant
from octo_ssh.remote.switch import switch


async def fence_all(holds: Mapping[str, Hold], plan: RunPlan) -> Mapping[str, TargetError]:
    """Take the right for every place that the run will lay out or switch, if only to go back; by target, where that
    failed.
    """
    works: dict[str, list[tuple[str, PackageWork]]] = {}
    for step in plan.walk():
        for target, planned in step.planned.items():
            work = planned.work
            if isinstance(work, PackageWork) and target in holds:
                works.setdefault(target, []).append((step.step.id, work))

    async def one(target: str) -> TargetError | None:
        try:
            for step_id, work in works[target]:
                await fence(holds[target], step_id, work)
        except TargetError as error:
            return error
        return None

    targets = [target for target in works if not holds[target].lost]
    ends = await asyncio.gather(*map(one, targets))
    return {target: end for target, end in zip(targets, ends, strict=True) if end is not None}


async def fence(hold: Hold, step_id: str, work: PackageWork) -> None:
    """Take the right for a place.

    Raises LeaseLost when somebody overtook us, RemoteError when ``current`` is not where it was seen.
    """
    current = await take_right(hold, work)
    seen = hold.observed.packages[step_id].current
    if current != seen:
        raise RemoteError(
            f"somebody switched {work.to}/current from {seen or 'nothing'} to {current or 'nothing'} meanwhile",
            hint="nothing was changed; apply again",
        )


async def take_right(hold: Hold, work: PackageWork) -> str | None:
    """Take the right; where ``current`` points then. Raises LeaseLost."""
    sudo = await hold.sudo(work.sudo_user)
    try:
        return await hold.session.act(grant(work.to, epoch=hold.epoch, token=hold.token), sudo=sudo)
    except FlipLost as error:
        await hold.assure()
        # The lease is ours and yet a later epoch has the right: the lock was made anew since, and counts from 1 again.
        void = grant(work.to, epoch=hold.epoch, token=hold.token, void=error.later)
        return await hold.session.act(void, sudo=sudo)


async def flip(hold: Hold, work: PackageWork, folder: str | None) -> None:
    """Point ``current`` at a release folder, or remove it. Raises LeaseLost, and changes nothing, without the right."""
    sudo = await hold.sudo(work.sudo_user)
    try:
        await hold.session.act(switch(work.to, folder, epoch=hold.epoch, token=hold.token), sudo=sudo)
    except FlipLost as error:
        await hold.assure()  # tells who has the lease
        raise LeaseLost(error.message, hint=error.hint) from None
