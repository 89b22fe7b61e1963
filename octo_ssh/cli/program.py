"""The program as a whole: its commands, its version, and what is left of a pipe at the end."""

from __future__ import annotations

import os
import sys
from typing import Annotated, TextIO

import typer

from octo_ssh import __version__
from octo_ssh.cli import deploy, drift, fleet, history, schema, secrets, start, trust, vars
from octo_ssh.errors import ExitCode

NAME = "octo-ssh"
COMPLETION_VARIABLE = "_OCTO_SSH_COMPLETE"


def build() -> typer.Typer:
    """The commands in the order of ``--help``: the way a new user goes."""
    app = typer.Typer(
        name=NAME,
        help="Octopus-style deployments over the sshd that every server already runs.",
        epilog="A first look that needs no server: octo-ssh demo",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
        rich_markup_mode=None,  # rich costs more than the whole answer
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_top)
    for group in (start, trust, fleet, deploy, drift, history, vars, secrets, schema):
        group.register(app)
    app.command("completion")(start.completion)
    return app


def run() -> int:
    """Do what the command line says; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_a_character(stream)
    if COMPLETION_VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        build()(prog_name=NAME, complete_var=COMPLETION_VARIABLE)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else ExitCode.FAILED
    else:
        code = ExitCode.DONE
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    return code


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{NAME} {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What stands before the command. Its only option has done its work when it was read."""


def _never_fail_on_a_character(stream: TextIO) -> None:
    """Under ``LANG=C`` a name may not be printable: it is shown with question marks, the run goes on."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _let_go(stream: TextIO) -> None:
    """Flush; where the reader has gone (``| head``), keep the interpreter from complaining at its end."""
    try:
        stream.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
