"""``secrets``: age identities, and secrets that are kept encrypted in git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode, Refused, UsageError
from octo_ssh.output.printer import Line, is_terminal
from octo_ssh.output.words import amount

if TYPE_CHECKING:
    from octo_ssh.model.values import Secret

RecipientsFile = Annotated[
    str | None,
    typer.Option("--recipients", metavar="FILE", help="For whom. Default: age-recipients.txt beside the inventory."),
]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    command(group, "keygen")(keygen)
    command(group, "encrypt")(encrypt)
    command(group, "edit")(edit)
    command(group, "rotate")(rotate)
    app.add_typer(group, name="secrets", help="Keep secrets in git, encrypted with age.")


def keygen(
    terminal: Terminal,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: your own config folder.")
    ] = None,
) -> ExitCode:
    """Make an identity of your own.

    Prints its recipient, for age-recipients.txt. Never overwrites.
    """
    from octo_ssh.operations import secrets as operation

    made = operation.keygen(output)
    terminal.answer("secrets keygen", made, (Line(made.recipient),), all_well=False)
    if not terminal.quiet:
        terminal.side.say(f"wrote {made.path}: keep it to yourself, and a copy of it in a safe place")
        terminal.side.say("Its recipient is a line for age-recipients.txt, which lies beside the inventory, in git.")
        terminal.side.say("Somebody who can read the secrets then encrypts them for you: octo-ssh secrets rotate .")
    return ExitCode.DONE


def encrypt(
    terminal: Terminal,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Encrypt a file to FILE.age. Default: a value, asked for.")
    ] = None,
    inventory: options.FleetFile = options.INVENTORY,
    recipients: RecipientsFile = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Print the YAML of a variable of this name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.age.")] = False,
) -> ExitCode:
    """Encrypt a value or a file.

    A value is asked for without an echo, or read from a pipe, and printed as YAML to paste.
    """
    from octo_ssh.operations import secrets as operation

    if file is not None and name is not None:
        raise UsageError("--name is for a value, not for a file", hint=f"write {{secret: {{age: {file}.age}}}}")
    whom = operation.recipients(inventory, recipients)
    if file is None:
        text = operation.encrypt_value(_value(terminal), whom, name)
        terminal.answer("secrets encrypt", {"yaml": text}, map(Line, text.splitlines()), all_well=False)
        return ExitCode.DONE
    written = str(operation.encrypt_file(file, whom, overwrite=force))
    terminal.answer("secrets encrypt", {"file": written}, (Line(f"wrote {written}"),), all_well=True)
    if not terminal.quiet:
        terminal.side.say(f"Remove the plain file when you no longer need it: {file}")
    return ExitCode.DONE


def edit(
    terminal: Terminal,
    file: Annotated[str, typer.Argument(metavar="FILE", help="An age file, FILE.age; made if it is not there.")],
    inventory: options.FleetFile = options.INVENTORY,
    recipients: RecipientsFile = None,
) -> ExitCode:
    """Change an encrypted file in your editor.

    The plain text is in a private folder meanwhile, in memory where that is possible, and removed at the end.
    """
    from octo_ssh.operations import secret_edit
    from octo_ssh.operations import secrets as operation

    done = secret_edit.edit(file, operation.recipients(inventory, recipients), os.environ)
    said = {
        secret_edit.Edited.UNCHANGED: f"{file} was not changed",
        secret_edit.Edited.CHANGED: f"changed {file}",
        secret_edit.Edited.NEW: f"wrote {file}",
    }[done]
    terminal.answer("secrets edit", {"file": file, "outcome": done}, (Line(said),), all_well=True)
    return ExitCode.DONE


def rotate(
    terminal: Terminal,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Age files, YAML files, folders with such.")],
    inventory: options.FleetFile = options.INVENTORY,
    recipients: RecipientsFile = None,
) -> ExitCode:
    """Encrypt secrets anew, for the recipients of now.

    Every age file, and every age value in YAML files. After somebody joined or left; who left still knows what they
    have read, so change those secrets too.
    """
    from octo_ssh.operations import secrets as operation

    done = operation.rotate(paths, operation.recipients(inventory, recipients), os.environ)
    lines = [Line(f"{row.path}: {amount(row.values, 'value')}" if row.values else row.path) for row in done]
    verdict = Line(f"{amount(len(done), 'file')} encrypted anew" if done else "there is no secret of age there")
    terminal.answer("secrets rotate", done, (*lines, verdict), all_well=True)
    return ExitCode.DONE


def _value(terminal: Terminal) -> bytes:
    """The value to encrypt: from a pipe as it comes, else what somebody types, twice the same."""
    if not is_terminal(terminal.stdin):
        return terminal.stdin.buffer.read()
    if not terminal.can_ask:
        raise Refused("nobody can be asked for the value", hint="pipe it: … | octo-ssh secrets encrypt")
    import asyncio

    first, second = asyncio.run(_twice(terminal))
    if first is None or second is None or first.reveal() != second.reveal():
        raise UsageError("that was not the same twice", hint="nothing was encrypted: try again")
    return first.reveal().encode("utf-8", "surrogateescape")


async def _twice(terminal: Terminal) -> tuple[Secret | None, Secret | None]:
    from octo_ssh.cli.prompts import Person

    person = Person(terminal)
    first = await person.ask("The secret", echo=False)
    return first, None if first is None else await person.ask("Once more", echo=False)
