"""``history``: what was done and found before, by the records on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from octo_ssh.cli.command import command
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode, UsageError


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    command(group, "drift")(drift)
    app.add_typer(group, name="history", help="Tell what was found before, by the records on this machine.")


def drift(
    terminal: Terminal,
    plan: Annotated[
        str | None, typer.Argument(metavar="PLAN", help="Only of this plan's project. Default: of every one.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", metavar="NAME", help="Only of this environment.")
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="NUMBER", min=1, help="How many checks of each.")] = 20,
) -> ExitCode:
    """Show past checks for drift.

    How many targets had drifted, and what is open since when. Asks no target.
    """
    from octo_ssh.operations import history as operation
    from octo_ssh.operations.requests import Surroundings
    from octo_ssh.output.drift_history_view import history_lines

    if plan is not None and not os.path.exists(plan):
        raise UsageError(f"there is no plan '{plan}'", hint="check the path, or leave it away: every project is shown")
    found = operation.drift_history(operation.HistoryRequest(plan, environment, last), Surroundings.of_user())
    terminal.answer("history", found, history_lines(found), all_well=not any(history.open for history in found))
    return ExitCode.DONE
