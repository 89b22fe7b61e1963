"""``trust``: the one way into known_hosts. Nothing is written before a person has seen the fingerprints."""

from __future__ import annotations

import os
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
    from octo_ssh.operations.requests import FleetRequest


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "trust")(trust)


def trust(
    terminal: Terminal,
    selector: options.Selector = None,
    inventory: options.FleetFile = options.INVENTORY,
    environment: options.FleetEnvironment = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Take the keys from known_hosts or ssh-keyscan lines; no network."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; return 3 where a key is new or changed.")
    ] = False,
    yes: options.Yes = False,
) -> ExitCode:
    """Review and accept host keys.

    Fetches them, shows fingerprints and changes, writes known_hosts after a yes.
    """
    from octo_ssh.operations.requests import FleetRequest

    request = FleetRequest(inventory, tuple(selector or ()), environment)
    codes = [ExitCode.DONE]
    while True:  # once for each jump host in a row that was not trusted before
        code, behind = _review(terminal, request, from_file, check=check, yes=yes)
        codes.append(code)
        if not behind:
            return combine(codes)
        request = FleetRequest(inventory, behind, environment)


def _review(
    terminal: Terminal, request: FleetRequest, from_file: str | None, *, check: bool, yes: bool
) -> tuple[ExitCode, tuple[str, ...]]:
    """Look once, show, ask, write. How that ended, and who can be looked at only now."""
    import asyncio

    from octo_ssh.operations import trust as operation
    from octo_ssh.output.reports import trust_lines

    looking = operation.collected(request, from_file) if from_file else operation.fetch(request)
    changes = asyncio.run(looking)
    wanted = tuple(change for change in changes if change.lines)
    behind = tuple(change.target for change in changes if change.behind)
    lost = [change for change in changes if not change.offered and not change.behind]
    missing = Outcome.UNREACHABLE.exit_code if lost else ExitCode.DONE
    left = Outcome.UNREACHABLE.exit_code if lost or behind else ExitCode.DONE
    terminal.answer("trust", changes, trust_lines(changes), all_well=not wanted and left is ExitCode.DONE)
    if not wanted:
        return left, ()
    if check:
        return combine((left, ExitCode.DIFFERS)), ()
    if not yes and not _agreed(terminal, wanted):
        terminal.side.say(f"the keys of {amount(len(wanted), 'machine')} were not written")
        return ExitCode.REFUSED, ()
    path = str(operation.write(request, wanted))
    if not terminal.quiet:
        shown = min(path, os.path.relpath(path), key=len)
        terminal.side.say(f"wrote the keys of {amount(len(wanted), 'machine')} to {shown}")
    if terminal.as_json:  # one document: the next call looks further
        return left, ()
    return missing, behind


def _agreed(terminal: Terminal, wanted: tuple[KeyChange, ...]) -> bool:
    """A person's yes. Raises Refused where nobody can be asked."""
    if not terminal.can_ask:
        raise Refused(
            f"the keys of {amount(len(wanted), 'machine')} were not written: nobody is here to compare them",
            hint="compare the fingerprints with what the machines say, then: octo-ssh trust --yes",
        )
    import asyncio

    from octo_ssh.cli.prompts import Person

    changed = sum(change.is_changed for change in wanted)
    loudly = f", {changed:,} of them CHANGED" if changed else ""
    question = f"Do these fingerprints match? Trust {amount(len(wanted), 'machine')}{loudly}"
    return asyncio.run(Person(terminal).confirm(question))
