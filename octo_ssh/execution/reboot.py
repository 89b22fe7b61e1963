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
"""A machine that answers as before for so long after its script was killed is not going down."""
_KILLED = frozenset((128 + 1, 128 + 9, 128 + 15))
"""Exit statuses of a script that the end of everything on the machine reached before the connection was lost."""


async def run_and_wait(hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
    """CHANGED when the target answers under another boot id within the step's timeout; the hold then has a session
    there again, and its lease. Raises HostKeyRefused, and what ``run_script`` raises but for the loss that is wanted.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + work.timeout_s
    try:
        end = await run_script(hold, work, voice)
    except (ConnectionLost, TargetTimeout):
        end = StepEnd(Outcome.CHANGED, "ran", tail=voice.finish())
    if end.outcome is not Outcome.CHANGED and end.status not in _KILLED:
        return end
    voice.note("waiting until it is back")
    last = "it did not go down"
    patience = loop.time() + STILL_UP_S
    while loop.time() < deadline:
        await asyncio.sleep(TRY_EVERY_S)
        try:
            if await _is_back(hold):
                return replace(end, outcome=Outcome.CHANGED, reason="restarted")
            if end.outcome is Outcome.FAILED and loop.time() > patience:
                return end
        except HostKeyRefused:
            raise
        except TargetError as error:
            last = error.beside(hold.name)
    return StepEnd(
        Outcome.UNKNOWN, f"not back within {work.timeout_s:g} s after its restart: {voice.masked(last)}", tail=end.tail
    )


async def _is_back(hold: Hold) -> bool:
    """Connect; keep the session if the machine was started anew. Raises TargetError."""
    session = await hold.context.connect(hold.target)
    try:
        seen = (await session.observe(facts(hold.target.root))).facts
    except BaseException:
        await session.close()
        raise
    if seen.boot_id == hold.boot_id:
        await session.close()
        return False
    await hold.moved_to(session, seen.boot_id)
    return True
