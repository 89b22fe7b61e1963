"""``schema``: what may stand in an inventory or a plan, for editors; what ``drift --json`` prints."""

from __future__ import annotations

from typing import Annotated

import typer

from octo_ssh.cli.command import command
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode
from octo_ssh.operations.schema import File


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "schema")(schema)


def schema(
    terminal: Terminal,
    file: Annotated[File, typer.Argument(help="Of which file; drift: of what drift --json prints.")],
) -> ExitCode:
    """Print the JSON Schema of a file.

    Editors complete and check keys with it; programs learn what drift --json prints.
    """
    from octo_ssh.operations import schema as operation

    terminal.result.write(operation.schema(file) + "\n")
    return ExitCode.DONE
