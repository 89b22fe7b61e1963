"""``octo-ssh plan``: what ``apply`` would do, from the same survey, and nothing done."""

from __future__ import annotations

from datetime import UTC, datetime

from octo_ssh.model.events import Emit
from octo_ssh.model.work import RunPlan
from octo_ssh.operations.fleet import Fleet, MakeConnector
from octo_ssh.operations.prepare import read, survey
from octo_ssh.operations.requests import Asker, PlanRequest, Surroundings
from octo_ssh.operations.saved import save


async def plan(
    request: PlanRequest,
    *,
    emit: Emit,
    make_connector: MakeConnector,
    surroundings: Surroundings,
    person: Asker | None = None,
    out: str | None = None,
) -> RunPlan:
    """The very plan that ``apply`` would execute now; ``out`` names a file to save it in. Raises OctoError."""
    loaded, options, selection = await read(request, surroundings, person)
    async with Fleet(make_connector(loaded.inventory, loaded.secrets.reveal), emit, loaded.inventory.path) as fleet:
        prepared = await survey(loaded, options, selection, fleet, surroundings, emit)
        made = prepared.decide()
    if out is not None:
        save(out, request, loaded, made, prepared.observed, datetime.now(UTC).isoformat(timespec="seconds"))
    return made
