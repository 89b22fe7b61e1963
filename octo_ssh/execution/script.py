"""Runs a script on a target: its environment is put together here, its secrets are read now and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from octo_ssh.config.templates import TemplateProblem, render_late
from octo_ssh.errors import DeadlinePassed, FileErrors, Problem
from octo_ssh.execution.context import RunContext, StepEnd, StepVoice
from octo_ssh.execution.hold import Hold
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import PackageScript
from octo_ssh.model.values import Secret, SecretRef, shell_name
from octo_ssh.model.work import LateText, ScriptValue, ScriptWork
from octo_ssh.remote.script import script as script_program


async def run_script(hold: Hold, work: ScriptWork, voice: StepVoice) -> StepEnd:
    """Run it once. CHANGED when it returned 0, else FAILED with its status and last lines.

    Raises ConnectionLost, TargetTimeout, RemoteError, SecretError, FileErrors.
    """
    env = await asyncio.to_thread(environment, work, voice.context)
    sudo = await hold.sudo(work.sudo_user)
    voice.listen()
    try:
        result = await hold.session.act(
            script_program(
                hold.root,
                run=voice.context.identity.run,
                env=env,
                script=script_text(work),
                cwd=work.cwd,
            ),
            sudo=sudo,
            timeout_s=work.timeout_s,
            on_output=voice.output,
        )
    except DeadlinePassed as error:
        left = error.hint or "its processes were ended"
        return StepEnd(Outcome.FAILED, f"not done within {work.timeout_s:g} s: {left}", tail=voice.tail())
    tail = voice.tail()
    if result.status == 0:
        return StepEnd(Outcome.CHANGED, "ran", 0, tail)
    return StepEnd(Outcome.FAILED, result.reason or f"exit status {result.status}", result.status, tail)


def script_text(work: ScriptWork) -> str:
    """What is fed to the interpreter."""
    match work.script:
        case PackageScript(package, path):
            return f'exec "$OCTO_RELEASE_DIR_{shell_name(package).upper()}"/{_quoted(path)}\n'
        case str(text):
            return text


def environment(work: ScriptWork, context: RunContext) -> Mapping[str, str | Secret]:
    """Every variable of a script (SPEC section 4, "Environment of a script").

    Secrets are read, which may run programs: call it in a thread. Raises SecretError, FileErrors.
    """
    env = {name: _value(value, context) for name, value in work.env.items()}
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


def _value(value: ScriptValue, context: RunContext) -> str | Secret:
    match value:
        case SecretRef():
            return context.secrets.reveal(value)
        case LateText():
            try:
                return render_late(value, context.secrets.reveal)
            except TemplateProblem as error:  # it fails on the secret's very value, which nobody had read before
                raise FileErrors([Problem(error.position, error.message)]) from None
        case str():
            return value


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
