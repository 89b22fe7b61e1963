"""A run step in which the machine restarts: run the script, lose the connection, wait until the target is back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from octo_ssh.errors import ConnectionLost, HostKeyRefused, TargetError, TargetTimeout
from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.hold import Hold
from octo_ssh.execution.script import run_script
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.work import ScriptWork
from octo_ssh.remote.observe import facts

TRY_EVERY_S = 2.0
STILL_UP_S = 180.0
"""A machine that answers as before for so long after its script was killed, or lost sight of, is not going down."""
_KILLED = frozenset((128 + 1, 128 + 9, 128 + 15))
"""Exit statuses of a script that the end of everything on the machine reached before the connection was lost."""


async def run_and_wait(hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
    """CHANGED when the target answers under another boot id within the step's timeout. Raises as ``run_script``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + work.timeout_s
    usual_s, hold.session.patience_s = hold.session.patience_s, max(hold.session.patience_s, work.timeout_s)
    try:
        end = await _run(hold, work, voice)
        if end.outcome is Outcome.FAILED and end.status not in _KILLED:
            return end
        voice.note("waiting until it is back")
        return await _back(hold, work, voice, end, deadline)
    finally:
        hold.session.patience_s = usual_s


async def _run(hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
    """The script's end; that it was lost with everything else on the machine is none to worry about yet."""
    try:
        return await run_script(hold, work, voice)
    except HostKeyRefused:
        raise
    except (ConnectionLost, TargetTimeout) as error:
        return StepEnd(Outcome.UNKNOWN, voice.masked(error.beside(hold.name)), tail=voice.finish())


async def _back(hold: Hold, work: ScriptWork, voice: StepVoice, end: StepEnd, deadline: float) -> StepEnd:
    loop = asyncio.get_running_loop()
    last = "it did not go down"
    patience = loop.time() + STILL_UP_S
    while loop.time() < deadline:
        await asyncio.sleep(TRY_EVERY_S)
        try:
            boot_id = (await hold.session.observe(facts(hold.target.root))).facts.boot_id
        except HostKeyRefused:
            raise
        except TargetError as error:
            last = error.beside(hold.name)
            continue
        if boot_id != hold.boot_id:
            hold.boot_id = boot_id
            return replace(end, outcome=Outcome.CHANGED, reason="restarted")
        if end.outcome is not Outcome.CHANGED and loop.time() > patience:
            return end
    return StepEnd(
        Outcome.UNKNOWN, f"not back within {work.timeout_s:g} s after its restart: {voice.masked(last)}", tail=end.tail
    )
