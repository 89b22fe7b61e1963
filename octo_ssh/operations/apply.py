"""``octo-ssh apply``: do what the plan says, on every target, and say how it ended (SPEC section 6)."""

from __future__ import annotations

import getpass
import socket
from datetime import UTC, datetime

from octo_ssh.errors import ExitCode
from octo_ssh.execution.context import RunIdentity
from octo_ssh.model.events import Emit, Event, RunStarted
from octo_ssh.operations.fleet import Fleet, MakeConnector
from octo_ssh.operations.prepare import read, survey
from octo_ssh.operations.requests import ApplyOptions, PlanRequest, Surroundings
from octo_ssh.operations.run import Run
from octo_ssh.output.record import RunRecord, new_run_id
from octo_ssh.packages.bundle import Bundles


async def apply(
    request: PlanRequest,
    options: ApplyOptions,
    *,
    emit: Emit,
    make_connector: MakeConnector,
    surroundings: Surroundings,
) -> ExitCode:
    """Apply a plan. Raises OctoError for what ends the command before anything was changed."""
    loaded, run_options, selection = read(request, surroundings)
    began = datetime.now(UTC)
    identity = RunIdentity(
        run=new_run_id(began),
        project=loaded.plan.project,
        release=loaded.plan.release,
        environment=loaded.environment,
        user=getpass.getuser(),
        host=socket.gethostname(),
        since=began.isoformat(timespec="seconds"),
    )
    with RunRecord.create(
        surroundings.state, identity.run, project=identity.project, environment=identity.environment
    ) as record:

        def tell(event: Event) -> None:
            record.append(event)
            emit(event)

        tell(RunStarted(identity.run, identity.project, identity.release, identity.environment, selection.targets))
        async with Fleet(make_connector(loaded.inventory, loaded.secrets.reveal), tell) as fleet:
            run = Run(
                identity=identity,
                options=options,
                emit=tell,
                sync=record.sync,
                survey=lambda: survey(loaded, run_options, selection, fleet, surroundings, tell),
                bundles=Bundles(surroundings.cache / "bundles"),
            )
            return await run.to_the_end()
