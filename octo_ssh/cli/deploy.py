"""``plan``, ``apply`` and ``status``: the commands that take a release plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.connect import connector_maker, person_at
from octo_ssh.cli.terminal import Terminal
from octo_ssh.cli.words import approvals, command_line, command_line_of, plan_request, seconds
from octo_ssh.errors import ExitCode, UsageError, combine
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import OnFailure

if TYPE_CHECKING:
    from octo_ssh.model.events import Event
    from octo_ssh.model.work import RunPlan


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "plan")(plan)
    command(app, "apply")(apply)
    command(app, "status")(status)


def plan(
    terminal: Terminal,
    plan: options.PlanFile,
    inventory: options.InventoryFile = None,
    environment: options.Environment = None,
    release: options.Release = None,
    var: options.Var = None,
    limit: options.Limit = None,
    exclude: options.Exclude = None,
    skip_step: options.SkipStep = None,
    redeploy: options.Redeploy = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Return 3 where something would change.")] = False,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Save it, for: octo-ssh apply FILE. It does that or nothing."),
    ] = None,
) -> ExitCode:
    """Show what apply would do.

    Per step and target, and what would be sent. Changes nothing.
    """
    import asyncio

    from octo_ssh.model.events import PlanMade
    from octo_ssh.operations import plan as operation
    from octo_ssh.operations.requests import Surroundings
    from octo_ssh.output.document import to_text
    from octo_ssh.output.plan_json import plan_document
    from octo_ssh.output.plan_view import changes, plan_view

    request = plan_request(
        plan,
        inventory=inventory,
        environment=environment,
        release=release,
        var=var,
        limit=limit,
        exclude=exclude,
        skip_step=skip_step,
        redeploy=redeploy,
    )
    with terminal.progress() as view:

        def emit(event: Event) -> None:
            if not isinstance(event, PlanMade):  # it is the result, and printed as such
                view.emit(event)

        person = person_at(terminal, view)
        made = operation.plan(
            request,
            emit=emit,
            make_connector=connector_maker(person),
            surroundings=Surroundings.of_user(),
            person=person,
            out=out,
        )
        run_plan = asyncio.run(made)
    code = plan_exit_code(run_plan, differs=ExitCode.DIFFERS if exit_code else ExitCode.DONE)
    if terminal.as_json:
        terminal.result.write(to_text(plan_document(run_plan)) + "\n")
    elif not terminal.quiet or changes(run_plan) or code is not ExitCode.DONE:
        terminal.result.lines(plan_view(run_plan, verbose=terminal.verbosity > 0))
    return code


def plan_exit_code(run_plan: RunPlan, *, differs: ExitCode) -> ExitCode:
    """FAILED where a step is known to fail, INCOMPLETE where a target was not seen, ``differs`` where one changes."""
    from octo_ssh.output.plan_view import changes

    counted = [step for step in run_plan.walk() if step.step.on_failure is OnFailure.FAIL]
    outcomes = {planned.outcome for step in counted for planned in step.planned.values()}
    return combine(
        (
            *(outcome.exit_code for outcome in outcomes),
            Outcome.UNREACHABLE.exit_code if run_plan.unreachable else ExitCode.DONE,
            differs if changes(run_plan) else ExitCode.DONE,
        )
    )


def apply(
    terminal: Terminal,
    plan: options.PlanFile,
    inventory: options.InventoryFile = None,
    environment: options.Environment = None,
    release: options.Release = None,
    var: options.Var = None,
    limit: options.Limit = None,
    exclude: options.Exclude = None,
    skip_step: options.SkipStep = None,
    redeploy: options.Redeploy = False,
    guided: options.Guided = False,
    approve: options.Approve = None,
    yes: options.Yes = False,
    lock_wait: Annotated[
        str, typer.Option("--lock-wait", metavar="TIME", help="How long to wait for targets that are locked: 10m.")
    ] = "0s",
) -> ExitCode:
    """Bring a release to its targets.

    PLAN is a release plan, or a file that `octo-ssh plan --out` has saved.
    """
    import asyncio

    from octo_ssh.operations import apply as operation
    from octo_ssh.operations import saved
    from octo_ssh.operations.requests import ApplyOptions, PlanRequest, Surroundings

    request = plan_request(
        plan,
        inventory=inventory,
        environment=environment,
        release=release,
        var=var,
        limit=limit,
        exclude=exclude,
        skip_step=skip_step,
        redeploy=redeploy,
    )
    check = None
    if saved.is_saved(plan):
        if request != PlanRequest(plan):
            raise UsageError("a saved plan is applied as it is: leave the other words away, or make it again")
        made = saved.read(plan)
        request, check = made.request, made.refuse_changes
    wait_s = seconds(lock_wait, "--lock-wait")
    approved = approvals(approve or ())
    typed = command_line("apply", plan, inventory=inventory, environment=environment, release=release, var=var)
    if check is not None:
        typed = command_line_of("apply", request)  # a saved plan takes no --limit, and is stale once it has begun
    if guided and not terminal.can_ask and not terminal.quiet:
        terminal.side.say("--guided: nobody can be asked here, so failures are dealt with as the plan says")
    with terminal.view() as view:
        person = person_at(terminal, view)
        done = operation.apply(
            request,
            ApplyOptions(
                person=person,
                check=check,
                guided=guided,
                approvals=approved,
                yes=yes,
                lock_wait_s=wait_s,
                command=typed,
            ),
            emit=view.emit,
            make_connector=connector_maker(person),
            surroundings=Surroundings.of_user(),
        )
        return asyncio.run(done)


def status(
    terminal: Terminal,
    plan: options.PlanFile,
    inventory: options.InventoryFile = None,
    environment: options.Environment = None,
    limit: options.Limit = None,
) -> ExitCode:
    """Show which release stands where.

    Read from the targets themselves.
    """
    import asyncio

    from octo_ssh.operations import status as operation
    from octo_ssh.operations.requests import PlanRequest
    from octo_ssh.output.reports import status_lines
    from octo_ssh.output.view import arrivals

    request = PlanRequest(plan, inventory, environment, limit=tuple(limit or ()))
    with terminal.progress() as view:
        made = operation.status(request, emit=arrivals(view), make_connector=connector_maker(person_at(terminal, view)))
        report = asyncio.run(made)
    code = combine(row.outcome.exit_code for row in report.targets)
    terminal.answer("status", report, status_lines(report), all_well=code is ExitCode.DONE)
    return code
