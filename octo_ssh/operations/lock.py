"""``octo-ssh lock``: who holds the locks of targets; frees those whose holder is gone."""

from __future__ import annotations

from octo_ssh.errors import TargetError, UsageError
from octo_ssh.model.events import Emit
from octo_ssh.model.inventory import Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import LockRow
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call, outcome_of, visit
from octo_ssh.remote.holding import holding
from octo_ssh.remote.lock import free
from octo_ssh.transport.session import Session

_TIMEOUT_S = 60.0


async def locks(
    request: FleetRequest, *, release: bool, emit: Emit, make_connector: MakeConnector
) -> tuple[LockRow, ...]:
    """The lock of every selected target; with ``release``, it is ended, whoever holds it.

    A run that goes on loses its lease and stops. Raises FileErrors, UsageError: releasing wants targets named.
    """
    if release and not request.selector:
        raise UsageError(
            "--release wants targets: it ends the locks of runs that may still go on",
            hint="name them, e.g. octo-ssh lock --release web-01; 'all' is everybody",
        )
    roster = call(request)

    async def one(target: Target, session: Session) -> LockRow:
        seen = await session.observe(holding(target.root), timeout_s=_TIMEOUT_S)
        if not release or seen.lease is None:
            return LockRow(target.name, Outcome.UNCHANGED, seen.lease)
        freed = await session.act(free(target.root, seen.lease), timeout_s=_TIMEOUT_S)
        if freed is None:
            return LockRow(target.name, Outcome.UNCHANGED, None)
        return LockRow(target.name, Outcome.CHANGED, freed.lease, released=True)

    seen = await visit(roster, one, emit=emit, make_connector=make_connector)
    return tuple(_gone(name, row, acted=release) if isinstance(row, TargetError) else row for name, row in seen.items())


def _gone(name: str, error: TargetError, *, acted: bool) -> LockRow:
    return LockRow(name, outcome_of(error, acted=acted), None, reason=error.beside(name))
