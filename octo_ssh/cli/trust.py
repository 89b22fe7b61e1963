"""``trust``: the one way into known_hosts. Nothing is written before a person has seen the fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode, Refused, combine
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.words import amount

if TYPE_CHECKING:
    from octo_ssh.model.reports import KeyChange


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "trust")(trust)


def trust(
    terminal: Terminal,
    selector: options.Selector = None,
    inventory: options.FleetFile = options.INVENTORY,
    environment: options.FleetEnvironment = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; return 3 where a key is new or changed.")
    ] = False,
    yes: options.Yes = False,
) -> ExitCode:
    """Review and accept host keys.

    Fetches them, shows fingerprints and changes, writes known_hosts after a yes.
    """
    import asyncio

    from octo_ssh.operations import trust as operation
    from octo_ssh.operations.requests import FleetRequest
    from octo_ssh.output.reports import trust_lines

    request = FleetRequest(inventory, tuple(selector or ()), environment)
    changes = asyncio.run(operation.fetch(request))
    wanted = tuple(change for change in changes if change.lines)
    missing = combine(Outcome.UNREACHABLE.exit_code for change in changes if not change.offered)
    terminal.answer("trust", changes, trust_lines(changes), all_well=not wanted and missing is ExitCode.DONE)
    if not wanted:
        return missing
    if check:
        return combine((missing, ExitCode.DIFFERS))
    if not yes and not _agreed(terminal, wanted):
        terminal.side.say("nothing was written")
        return combine((missing, ExitCode.FAILED))
    operation.write(request, wanted)
    if not terminal.quiet:
        terminal.side.say(f"wrote the keys of {amount(len(wanted), 'target')}")
    return missing


def _agreed(terminal: Terminal, wanted: tuple[KeyChange, ...]) -> bool:
    """A person's yes. Raises Refused where nobody can be asked."""
    if not terminal.can_ask:
        raise Refused(
            f"the keys of {amount(len(wanted), 'target')} were not written: nobody is here to compare them",
            hint="compare the fingerprints with what the machines say, then: octo-ssh trust --yes",
        )
    import asyncio

    from octo_ssh.cli.prompts import Person

    changed = sum(change.is_changed for change in wanted)
    loudly = f", {changed:,} of them CHANGED" if changed else ""
    question = f"Do these fingerprints match? Trust {amount(len(wanted), 'target')}{loudly}"
    return asyncio.run(Person(terminal).confirm(question))
