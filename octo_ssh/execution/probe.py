"""Waits on the target until a URL answers or a command succeeds."""

from __future__ import annotations

import asyncio

from octo_ssh.errors import ConnectionLost, DeadlinePassed, TargetTimeout
from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.script import environment, script_text
from octo_ssh.execution.seat import Seat
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.program import Acting, Sudo
from octo_ssh.model.work import HttpWork, ProbeWork
from octo_ssh.remote.probe import ProbeResult, probe_command, probe_http

SPARE_S = 15.0
"""What the target may take beyond ``within`` to tell us, before we stop listening."""


async def probe(seat: Seat, work: ProbeWork, voice: StepVoice) -> StepEnd:
    """UNCHANGED when it came true in time, else FAILED with the last answer.

    Raises ConnectionLost, TargetTimeout, RemoteError, SecretError, FileErrors.
    """
    context, place = voice.context, voice.target
    sudo = await seat.sudo(work.sudo_user)
    match work.what:
        case HttpWork(late_url, late_text):
            url = await asyncio.to_thread(context.word, late_url, place)
            contains = None if late_text is None else await asyncio.to_thread(context.word, late_text, place)
            what = f"{url} did not answer as it should"
            program = probe_http(url, contains=contains, within_s=work.within_s, every_s=work.every_s)
        case script:
            what = "the command did not succeed"
            program = probe_command(
                seat.root,
                run=context.identity.run,
                env=await asyncio.to_thread(environment, script, context, place),
                script=script_text(script),
                cwd=seat.folder(
                    None if script.cwd is None else await asyncio.to_thread(context.word, script.cwd, place)
                ),
                within_s=work.within_s,
                every_s=work.every_s,
            )
    voice.listen()
    failure = f"{what} within {work.within_s:g} s"
    try:
        result = await _asked(seat, program, sudo, voice, within_s=work.within_s)
    except DeadlinePassed:
        return StepEnd(Outcome.FAILED, failure, tail=voice.finish())
    if result.passed:
        voice.finish()
        return StepEnd(Outcome.UNCHANGED, "passed", 0)
    voice.output(result.last)
    return StepEnd(Outcome.FAILED, failure, result.status, voice.finish())


async def _asked(
    seat: Seat, program: Acting[ProbeResult], sudo: Sudo | None, voice: StepVoice, *, within_s: float
) -> ProbeResult:
    """The answer; asked again, for its full time, where the connection was lost before that came."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + within_s + SPARE_S
    while True:
        try:
            return await seat.session.act(program, sudo=sudo, timeout_s=within_s + SPARE_S, on_output=voice.output)
        except DeadlinePassed:
            raise
        except (ConnectionLost, TargetTimeout) as error:
            if isinstance(error, TargetTimeout) and loop.time() > patience:
                raise
            await seat.mend(error)
            voice.listen()
