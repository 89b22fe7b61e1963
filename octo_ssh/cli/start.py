"""``init``, ``demo`` and ``completion``: the commands of the first day."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.completion import SCRIPTS
from octo_ssh.cli.connect import connector_maker
from octo_ssh.cli.guard import guarded
from octo_ssh.cli.terminal import Terminal
from octo_ssh.cli.words import one_of
from octo_ssh.errors import ExitCode
from octo_ssh.output.printer import Tone


class Shell(enum.Enum):
    """Shells that the completion is written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the commands that come first in the help."""
    command(app, "init")(init)
    command(app, "demo")(demo)


def init(
    terminal: Terminal,
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to; made if it is not there.")] = ".",
) -> ExitCode:
    """Write a first inventory and plan.

    With comments, and an empty known_hosts. Never overwrites.
    """
    from octo_ssh.operations import init as operation

    written = tuple(str(path) for path in operation.init(folder))
    if terminal.as_json:
        terminal.answer("init", written, (), all_well=True)
    elif not terminal.quiet:
        for path in written:
            terminal.result.say(f"wrote {path}")
        terminal.side.say("Name your servers in the inventory, then: octo-ssh trust, octo-ssh doctor")
    return ExitCode.DONE


def demo(
    terminal: Terminal,
    sshd: Annotated[bool, typer.Option("--sshd", help="Use OpenSSH's sshd, where it is installed.")] = False,
) -> ExitCode:
    """Take the tour, on this machine alone.

    Targets on loopback, a release, a second one, a bad one that is taken back: in a minute, without root.
    """
    import asyncio

    from octo_ssh.operations import demo as operation

    def tell(text: str) -> None:
        if not terminal.as_json and not terminal.quiet:
            terminal.result.say(text, Tone.TITLE)

    return asyncio.run(operation.demo(tell, terminal.view, make_connector=connector_maker(None), use_sshd=sshd))


def completion(
    shell: Annotated[
        str,
        typer.Argument(
            **options.choices(Shell),
            help="For which shell.",
        ),
    ],
) -> None:
    """Print the completion script of a shell."""

    def tell() -> ExitCode:
        print(SCRIPTS[one_of(Shell, shell, "the shell").value], end="")
        return ExitCode.DONE

    raise typer.Exit(guarded(tell, Terminal()))
