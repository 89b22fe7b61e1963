"""``octo-ssh apply``: do what the plan says, on every target, and say how it ended (SPEC section 6)."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime

from octo_ssh.config.load import Loaded
from octo_ssh.config.plan_templates import templates_of
from octo_ssh.errors import ExitCode, StateError
from octo_ssh.execution.context import RunIdentity
from octo_ssh.execution.seat import ControllerSeat
from octo_ssh.model.events import Emit, Event, RunStarted
from octo_ssh.model.values import EnvSource, Expr, SecretRef, leaves
from octo_ssh.operations.approvals import Approvals
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
    loaded, run_options, selection = await read(request, surroundings, options.person)
    approvals = Approvals.of(loaded.plan, options)
    began = datetime.now(UTC)
    identity = RunIdentity(
        run=new_run_id(began),
        project=loaded.plan.project,
        release=loaded.plan.release,
        environment=loaded.environment,
        user=getpass.getuser(),
        host=socket.gethostname(),
    )
    with RunRecord.create(
        surroundings.state, identity.run, project=identity.project, environment=identity.environment
    ) as record:
        broken = False

        def tell(event: Event) -> None:
            """Raises StateError, once, where the event could not be recorded; what comes later is only shown."""
            nonlocal broken
            try:
                if not broken:
                    record.append(event)
            except StateError:
                broken = True
                raise
            finally:
                emit(event)

        tell(RunStarted(identity.run, identity.project, identity.release, identity.environment, selection.targets))
        async with Fleet(make_connector(loaded.inventory, loaded.secrets.reveal), tell, loaded.inventory.path) as fleet:
            run = Run(
                identity=identity,
                options=options,
                emit=tell,
                sync=record.sync,
                survey=lambda: survey(loaded, run_options, selection, fleet, surroundings, tell),
                bundles=Bundles(surroundings.cache / "bundles"),
                approvals=approvals,
                controller=ControllerSeat.at(
                    os.path.dirname(loaded.plan.path), root=str(record.path.parent), hidden=_secret_variables(loaded)
                ),
                state=surroundings.state,
                artifacts=record.path.parent / "artifacts",
            )
            return await run.to_the_end()


def _secret_variables(loaded: Loaded) -> frozenset[str]:
    """The environment variables of this process that hold secrets: steps on the controller do not inherit them."""
    inventory, plan = loaded.inventory, loaded.plan
    written = [inventory.variables, plan.variables]
    for holders in (inventory.environments, inventory.tags, inventory.targets):
        written += [holder.variables for holder in holders.values()]
    written += [step.variables for step in plan.walk()]
    exprs: list[Expr] = [binding.value for variables in written for binding in variables.values()]
    exprs += [value for step in plan.walk() for _, value in templates_of(step)]
    exprs += [target.become.password for target in inventory.targets.values()]
    exprs += [target.identity_passphrase for target in inventory.targets.values()]
    refs = (leaf for expr in exprs for leaf in leaves(expr) if isinstance(leaf, SecretRef))
    return frozenset((*(ref.source.name for ref in refs if isinstance(ref.source, EnvSource)), "OCTO_SSH_AGE_KEY"))
