"""How a command is made: its own words, the flags that every command has, and one way to end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import typer

from octo_ssh.cli import options
from octo_ssh.cli.guard import guarded
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode

Command = Callable[..., ExitCode]


def command(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """Make a command of a function ``(terminal, own words …) -> ExitCode``; its docstring is the help.

    The flags of ``_shared`` are added to its words and go into the terminal. Whatever the function raises ends in a
    message and an exit code.
    """

    def register(function: Command) -> Command:
        def entry(**words: Any) -> None:
            flags = {flag: words.pop(flag) for flag in shared}
            terminal = Terminal(
                as_json=flags["json"],
                quiet=flags["quiet"],
                verbosity=flags["verbose"],
                no_color=flags["no_color"],
                no_input=flags["no_input"],
            )
            raise typer.Exit(guarded(lambda: function(terminal, **words), terminal))

        shared = inspect.signature(_shared, eval_str=True).parameters
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        hints = get_type_hints(function, include_extras=True) | get_type_hints(_shared, include_extras=True)
        named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared.values())]
        entry.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        entry.__annotations__ = {parameter.name: hints[parameter.name] for parameter in named}
        entry.__doc__ = function.__doc__
        app.command(name)(entry)
        return function

    return register


def _shared(
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    no_input: options.NoInput = False,
) -> None:
    """The flags that every command has (SPEC section 5)."""
