"""Runs a script on a target: its environment is put together here, its secrets are read now and not before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace

from octo_ssh.errors import DeadlinePassed, RemoteError
from octo_ssh.execution.artifacts import keep_artifacts
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.execution.seat import Seat
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import PackageScript
from octo_ssh.model.values import Secret, shell_name
from octo_ssh.model.work import ScriptWork
from octo_ssh.remote.script import packaged_script, text_with_functions
from octo_ssh.remote.script import script as script_program

_OF_OTHERS = re.compile(r"\]\.Output\[|OCTO_OUTPUTS", re.IGNORECASE)
"""A script may want what other targets said: ``Octopus.Action[STEP].Output[TARGET].NAME``."""


async def run_script(seat: Seat, work: ScriptWork, voice: StepVoice) -> StepEnd:
    """Run it once. CHANGED when it returned 0, else FAILED with its status and last lines.

    Raises ConnectionLost, TargetTimeout, RemoteError, SecretError, FileErrors.
    """
    context = voice.context
    env = await asyncio.to_thread(environment, work, context, voice.target)
    cwd = None if work.cwd is None else await asyncio.to_thread(context.word, work.cwd, voice.target)
    sudo = await seat.sudo(work.sudo_user)
    voice.listen()
    try:
        result = await seat.session.act(
            script_program(
                seat.root, run=context.identity.run, env=env, script=script_text(work), cwd=seat.folder(cwd)
            ),
            sudo=sudo,
            timeout_s=work.timeout_s,
            on_output=voice.output,
        )
    except DeadlinePassed as error:
        left = voice.masked(error.hint) or "its processes were ended"
        return StepEnd(Outcome.FAILED, f"not done within {work.timeout_s:g} s: {left}", tail=voice.finish())
    tail = voice.finish()
    artifacts, voice.artifacts = tuple(voice.artifacts), []
    try:
        await keep_artifacts(
            context,
            seat,
            sudo,
            step=voice.step,
            cwd=seat.folder(cwd) or f"{seat.root}/work/{context.identity.run}",
            wanted=artifacts,
        )
    except RemoteError as error:
        if result.status == 0:
            return StepEnd(Outcome.FAILED, f"an artifact cannot be kept: {voice.masked(error.message)}", 0, tail)
        voice.note(f"an artifact cannot be kept: {voice.masked(error.message)}")
    if voice.problem is not None:
        return StepEnd(Outcome.FAILED, voice.problem.message, result.status, tail)
    if result.status == 0:
        return StepEnd(Outcome.CHANGED, "ran", 0, tail)
    reason = voice.failure_message or voice.masked(result.reason) or f"exit status {result.status}"
    return StepEnd(Outcome.FAILED, reason, result.status, tail)


def script_text(work: ScriptWork) -> str:
    """What is fed to the interpreter."""
    match work.script:
        case PackageScript(package, path):
            folder = f"OCTO_RELEASE_DIR_{shell_name(package).upper()}"
            text = packaged_script(folder, path, convention=work.is_convention)
            # The release that is returned to need not have one.
            return f'[ -f "${folder}/{path}" ] || exit 0\n{text}' if work.is_convention else text
        case str(text):
            return text_with_functions(text)


def environment(work: ScriptWork, context: RunContext, place: str) -> Mapping[str, str | Secret]:
    """Every variable of a script (SPEC section 4, "Environment of a script").

    Secrets are read, which may run programs: call it in a thread. Raises SecretError, FileErrors.
    """
    said = context.outputs.exported(place, work.reads)
    if not isinstance(work.script, str) or _OF_OTHERS.search(work.script):
        said |= context.outputs.listed(work.reads)
    env = {name: context.value(value, place) for name, value in {**said, **work.env}.items()}
    return {**env, "OCTO_RUN": context.identity.run, "OCTO_RUN_OUTCOME": context.run_outcome()}


def moved(work: ScriptWork, *, package: str, folder: str, release: str) -> ScriptWork:
    """The same script for another release folder of the package: to activate the one that is returned to."""
    was = work.release_dirs.get(package)
    env = {
        name: folder if name.startswith("OCTO_RELEASE_DIR") and value == was else value
        for name, value in work.env.items()
    }
    return replace(
        work,
        env={**env, "OCTO_RELEASE": release},
        cwd=folder if work.cwd == was else work.cwd,
        release_dirs={**work.release_dirs, package: folder},
    )
