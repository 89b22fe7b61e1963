"""``octo-ssh lock``: who holds the locks of targets; frees those whose holder is gone."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from octo_ssh.errors import TargetError, UsageError
from octo_ssh.model.events import Emit
from octo_ssh.model.holder import described
from octo_ssh.model.inventory import Target
from octo_ssh.model.jobs import JobPlace
from octo_ssh.model.memory import journal_line
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import LockRow
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.locks import was_killed
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call, outcome_of, visit
from octo_ssh.planning.leases import LeaseSight
from octo_ssh.remote.holding import Holding, holding
from octo_ssh.remote.job import stop
from octo_ssh.remote.lock import free
from octo_ssh.transport.session import Session

_TIMEOUT_S = 60.0


async def locks(
    request: FleetRequest, *, release: bool, state: Path, emit: Emit, make_connector: MakeConnector
) -> tuple[LockRow, ...]:
    """The lock of every selected target; with ``release``, it is ended, whoever holds it.

    A run that goes on loses its lease and stops. ``state``: the user's state folder, where runs of this controller have
    their records. Raises FileErrors, StateError, and UsageError: releasing wants targets named.
    """
    if release and not request.selector:
        raise UsageError(
            "--release wants targets: it ends the locks of runs that may still go on",
            hint="name them, e.g. octo-ssh lock --release web-01; 'all' is everybody",
        )
    roster = call(request)

    async def one(target: Target, session: Session) -> LockRow:
        seen = await session.observe(holding(target.root), timeout_s=_TIMEOUT_S)
        row = _row(target.name, seen, state)
        return await _released(row, seen, session) if release else row

    seen = await visit(roster, one, emit=emit, make_connector=make_connector)
    return tuple(_gone(name, row, acted=release) if isinstance(row, TargetError) else row for name, row in seen.items())


def _row(target: str, seen: Holding, state: Path) -> LockRow:
    dead = seen.lease is not None and was_killed(state, seen.lease)
    sight = LeaseSight(seen.lease, seen.jobs, dead)
    return LockRow(
        target,
        Outcome.UNCHANGED,
        seen.lease,
        state=sight.state.value,
        running=tuple(sorted({f"step {job.key.step} of run {job.run}" for job in sight.running})),
    )


async def _released(row: LockRow, seen: Holding, session: Session) -> LockRow:
    """End what still runs, then the lease. Raises RemoteError where something cannot be ended: then it is not freed."""
    jobs = LeaseSight(seen.lease, seen.jobs).running
    for job in jobs:
        await session.act(stop(JobPlace(seen.root, job.run, job.job, job.mark)), timeout_s=_TIMEOUT_S)
    if seen.lease is None:
        return replace(row, outcome=Outcome.CHANGED, released=True) if jobs else row
    line = journal_line(
        seen.head,
        {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "by": {"user": getpass.getuser(), "host": socket.gethostname()},
            "what": "lock released",
            "from": described(seen.lease),
            **({"ended": list(row.running)} if row.running else {}),
        },
    )
    freed = await session.act(free(seen.root, seen.lease, head=seen.head, lines=(line,)), timeout_s=_TIMEOUT_S)
    if freed is None:
        return replace(row, lease=None, state="free")
    reason = f"not in its journal: {freed.unwritten}" if freed.unwritten else ""
    return replace(row, outcome=Outcome.CHANGED, lease=freed.lease, released=True, reason=reason)


def _gone(name: str, error: TargetError, *, acted: bool) -> LockRow:
    return LockRow(name, outcome_of(error, acted=acted), None, reason=error.beside(name))
