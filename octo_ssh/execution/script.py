"""Runs a script on a target: its environment is put together here, its secrets are read now and not before."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace

from octo_ssh.errors import ConnectionLost, DeadlinePassed, RemoteError
from octo_ssh.execution.artifacts import keep_artifacts
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.execution.job import run_job
from octo_ssh.execution.seat import Seat
from octo_ssh.execution.voice import StepVoice
from octo_ssh.model.jobs import JobEnd, JobKey, JobPlace, JobState
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import PackageScript
from octo_ssh.model.program import Acting, Sudo
from octo_ssh.model.values import Secret, shell_name
from octo_ssh.model.work import LateText, ScriptValue, ScriptWork
from octo_ssh.remote.job import launch
from octo_ssh.remote.script import packaged_script, text_with_functions

_OF_OTHERS = re.compile(r"\]\.Output\[|OCTO_OUTPUTS", re.IGNORECASE)
"""A script may want what other targets said: ``Octopus.Action[STEP].Output[TARGET].NAME``."""


async def run_script(seat: Seat, work: ScriptWork, voice: StepVoice, *, part: str = "run", beat: str = "") -> StepEnd:
    """Run it once. CHANGED when it returned 0, else FAILED with its status and last lines.

    ``part`` tells several scripts of a step apart. ``beat``: a file on the target that is told of its beginning and
    end. Raises ConnectionLost where nobody knows what came of it, TargetTimeout, RemoteError, SecretError, FileErrors.
    """
    context = voice.context
    env = await asyncio.to_thread(environment, work, context, voice.target)
    word = None if work.cwd is None else await asyncio.to_thread(context.word, work.cwd, voice.target)
    cwd, run, text = seat.folder(word), context.identity.run, script_text(work)
    sudo = await seat.sudo(work.sudo_user)
    key = JobKey(voice.step, part, _digest(work, env, text, cwd, context))

    def start(place: JobPlace) -> Acting[JobEnd]:
        return launch(
            place,
            key=key,
            env=env,
            script=text,
            cwd=cwd,
            timeout_s=work.timeout_s,
            limit_bytes=work.output_limit_bytes,
            hangup=seat.hangup,
            beat=beat,
            entered=sudo is not None,
        )

    voice.listen()
    try:
        end = await run_job(
            seat,
            voice,
            key,
            start,
            run=run,
            sudo=sudo,
            timeout_s=work.timeout_s,
            limit_bytes=work.output_limit_bytes,
        )
    except DeadlinePassed as error:
        left = voice.masked(error.hint) or "its processes were ended"
        return StepEnd(Outcome.FAILED, f"not done within {work.timeout_s:g} s: {left}", tail=voice.finish())
    return await _ended(seat, voice, end, sudo, cwd or f"{seat.root}/work/{end.run}")


async def _ended(seat: Seat, voice: StepVoice, end: JobEnd, sudo: Sudo | None, cwd: str) -> StepEnd:
    """What a script's end means for its step."""
    tail = voice.finish()
    if end.dropped_bytes:
        why = "its disk was full" if end.disk_full else "the step's output_limit was reached"
        voice.note(f"{end.dropped_bytes} bytes that it printed were dropped: {why}")
    if end.state is JobState.LOST:
        left = f"; still running: {', '.join(end.survivors)}" if end.survivors else ""
        raise ConnectionLost(
            f"{seat.name}: the script was lost: the machine restarted, or somebody killed what looked after it{left}"
        )
    artifacts, voice.artifacts = tuple(voice.artifacts), []
    try:
        await keep_artifacts(voice.context, seat, sudo, step=voice.step, cwd=cwd, wanted=artifacts)
    except RemoteError as error:
        if end.status == 0:
            return StepEnd(Outcome.FAILED, f"an artifact cannot be kept: {voice.masked(error.message)}", 0, tail)
        voice.note(f"an artifact cannot be kept: {voice.masked(error.message)}")
    if voice.problem is not None:
        return StepEnd(Outcome.FAILED, voice.problem.message, end.status, tail)
    if end.is_late:
        return StepEnd(Outcome.FAILED, "not done in time: its target ended it", end.status, tail)
    if end.status == 0:
        is_left = end.run != voice.context.identity.run
        return StepEnd(Outcome.CHANGED, f"ran since run {end.run}, which was cut off" if is_left else "ran", 0, tail)
    reason = voice.failure_message or voice.masked(end.reason) or f"exit status {end.status}"
    return StepEnd(Outcome.FAILED, reason, end.status, tail)


def foreseen_digest(work: ScriptWork, context: RunContext) -> str | None:
    """By what ``run_script`` will know the script again on a target; None: that is told when it runs and not before."""
    if isinstance(work.cwd, LateText) or any(isinstance(value, LateText) for value in work.env.values()):
        return None
    return _digest(work, work.env, script_text(work), work.cwd, context)


def _digest(
    work: ScriptWork, env: Mapping[str, ScriptValue | Secret], text: str, cwd: str | None, context: RunContext
) -> str:
    """A sha256 by which a later run finds this very script; secrets count by name, and what the run itself says
    (``OCTO_*``) not at all.
    """
    identity = context.identity
    given = {
        name: value if isinstance(value, str) else None
        for name, value in env.items()
        if not name.startswith(("OCTO_", "Octopus"))
    }
    whole = [identity.project, identity.environment, identity.release, work.sudo_user, cwd, text, sorted(given.items())]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


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
