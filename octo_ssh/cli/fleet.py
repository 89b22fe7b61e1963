"""``doctor``, ``exec`` and ``lock``: the commands that take targets and no plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.connect import connector_maker, person_at
from octo_ssh.cli.terminal import Terminal
from octo_ssh.cli.words import seconds
from octo_ssh.errors import ExitCode, combine

if TYPE_CHECKING:
    from octo_ssh.model.reports import Diagnosis


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "doctor")(doctor)
    command(app, "exec")(exec_)
    command(app, "lock")(lock)


def doctor(
    terminal: Terminal,
    selector: options.Selector = None,
    inventory: options.FleetFile = options.INVENTORY,
    environment: options.FleetEnvironment = None,
) -> ExitCode:
    """Look whether targets are ready.

    Can every target be reached, does it have what is needed, how much disk is free? Changes nothing.
    """
    import asyncio

    from octo_ssh.operations import doctor as operation
    from octo_ssh.operations.requests import FleetRequest
    from octo_ssh.output.reports import doctor_lines
    from octo_ssh.output.view import arrivals

    request = FleetRequest(inventory, tuple(selector or ()), environment)
    with terminal.progress() as view:
        made = operation.doctor(request, emit=arrivals(view), make_connector=connector_maker(person_at(terminal, view)))
        diagnoses = asyncio.run(made)
    code = combine(map(doctor_exit_code, diagnoses))
    terminal.answer("doctor", diagnoses, doctor_lines(diagnoses), all_well=code is ExitCode.DONE)
    return code


def doctor_exit_code(diagnosis: Diagnosis) -> ExitCode:
    """A bad finding or a refused host key is something that differs (3); an unreachable target is incomplete (4)."""
    from octo_ssh.model.reports import Level

    bad = diagnosis.host_key_refused or any(finding.level is Level.BAD for finding in diagnosis.findings)
    if diagnosis.outcome.is_good or diagnosis.host_key_refused:
        return ExitCode.DIFFERS if bad else ExitCode.DONE
    return diagnosis.outcome.exit_code


def exec_(
    terminal: Terminal,
    selector: Annotated[str, typer.Argument(metavar="SELECTOR", help="Targets: names, globs, tag:web, 'tag:web,!c'.")],
    words: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="After --. One word is shell; several are a program and its arguments."),
    ],
    inventory: options.FleetFile = options.INVENTORY,
    environment: options.FleetEnvironment = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="For each target: 30s, 10m.")] = "5m",
) -> ExitCode:
    """Run one command on many targets.

    Like outputs are folded together.
    """
    import asyncio

    from octo_ssh.operations import exec_ as operation
    from octo_ssh.operations.requests import FleetRequest
    from octo_ssh.output.reports import exec_lines, exec_verdict
    from octo_ssh.output.view import arrivals

    request = FleetRequest(inventory, (selector,), environment)
    timeout_s = seconds(timeout, "--timeout")
    with terminal.progress() as view:
        made = operation.run_command(
            request,
            words[0] if len(words) == 1 else tuple(words),
            timeout_s=timeout_s,
            emit=arrivals(view),
            make_connector=connector_maker(person_at(terminal, view)),
        )
        results = asyncio.run(made)
    code = combine(result.outcome.exit_code for result in results)
    well = code is ExitCode.DONE
    terminal.answer("exec", results, exec_lines(results), all_well=well)
    if not terminal.as_json and not (terminal.quiet and well):
        terminal.side.lines((exec_verdict(results),))
    return code


def lock(
    terminal: Terminal,
    selector: options.Selector = None,
    inventory: options.FleetFile = options.INVENTORY,
    environment: options.FleetEnvironment = None,
    release: Annotated[
        bool,
        typer.Option(
            "--release", help="End what still runs, and free the locks; where the run that holds them is gone."
        ),
    ] = False,
) -> ExitCode:
    """Show who holds the locks of targets.

    Since when, whether that run still lives, and which step still runs there. --release ends it and frees them.
    """
    import asyncio

    from octo_ssh.operations import lock as operation
    from octo_ssh.operations.requests import FleetRequest, Surroundings
    from octo_ssh.output.reports import lock_lines
    from octo_ssh.output.view import arrivals

    request = FleetRequest(inventory, tuple(selector or ()), environment)
    with terminal.progress() as view:
        made = operation.locks(
            request,
            release=release,
            state=Surroundings.of_user().state,
            emit=arrivals(view),
            make_connector=connector_maker(person_at(terminal, view)),
        )
        rows = asyncio.run(made)
    code = combine(row.outcome.exit_code for row in rows)
    terminal.answer("lock", rows, lock_lines(rows), all_well=code is ExitCode.DONE)
    return code
