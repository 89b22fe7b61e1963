"""``vars``: the variables of a plan on one target."""

from __future__ import annotations

from typing import Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.terminal import Terminal
from octo_ssh.cli.words import assignments
from octo_ssh.errors import ExitCode

PLAN = "plan.yaml"
"""Where the plan is looked for when none is named."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "vars")(variables)


def variables(
    terminal: Terminal,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A target's name, or controller.")],
    plan: options.PlanFile = PLAN,
    inventory: options.InventoryFile = None,
    environment: options.Environment = None,
    release: options.Release = None,
    var: options.Var = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="STEP", help="As this step has them, by id or name.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell where each value was said, and what it beat.")
    ] = False,
) -> ExitCode:
    """Show the variables of a target.

    Secrets are shown as where they come from; none is read, and nobody is asked.
    """
    from octo_ssh.config.load import LoadRequest
    from octo_ssh.model.reports import Standing
    from octo_ssh.operations import vars as operation
    from octo_ssh.output.vars_view import vars_lines

    files = LoadRequest(plan, inventory, environment, release, assignments(var or ()))
    report = operation.variables(operation.VarsRequest(target, files, step))
    is_well = all(row.standing is not Standing.WRONG for row in report.variables)
    terminal.answer("vars", report, vars_lines(report, explain=explain), all_well=is_well)
    return ExitCode.DONE if is_well else ExitCode.FAILED
