"""Scripts and probes as a target will get them: environment, folder, user (SPEC section 4)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.config.templates import render_script_value, render_text
from octo_ssh.config.variables import exported
from octo_ssh.model.plan import (
    CommandProbe,
    FileScript,
    HttpProbe,
    InlineScript,
    PackageScript,
    PackageStep,
    Probe,
    RunStep,
    Step,
)
from octo_ssh.model.values import SecretRef, shell_name
from octo_ssh.model.work import HttpWork, ProbeWork, ScriptValue, ScriptWork
from octo_ssh.planning.dueness import script_digest
from octo_ssh.planning.inputs import Scene


@dataclass(frozen=True, slots=True)
class Folders:
    """Release folders on a target in this run, by package: those that a script will find complete."""

    by_package: Mapping[str, str]
    is_only_package: bool = False
    """The plan has one package for the target: scripts run in its folder."""

    @property
    def cwd(self) -> str | None:
        return next(iter(self.by_package.values()), None) if self.is_only_package else None


def run_script(scene: Scene, step: Step, target: str, folders: Folders, remembered_by: str) -> ScriptWork:
    """The work of a run step. Raises TemplateProblem."""
    assert isinstance(step.kind, RunStep)
    match step.kind.script:
        case InlineScript(text) | FileScript(text=text):
            return script(scene, step, target, text, folders, remembered_by=remembered_by)
        case PackageScript() as inside:
            return script(scene, step, target, inside, folders, remembered_by=remembered_by)


def activation(scene: Scene, step: Step, target: str, folders: Folders) -> ScriptWork | None:
    """The ``activate`` of a package step; ``folders`` names its own release folder alone."""
    assert isinstance(step.kind, PackageStep)
    if step.kind.activate is None:
        return None
    return script(scene, step, target, step.kind.activate, folders)


def probe(scene: Scene, step: Step, target: str, what: Probe, folders: Folders) -> ProbeWork:
    """The work of a check, or a package step's ``verify``. Raises TemplateProblem.

    A URL on a target that has neither curl nor wget refuses the run.
    """
    names = scene.names(step, target)
    user = scene.sudo_user(step, target)
    match what.what:
        case HttpProbe(url, contains):
            tools = scene.given.observed[target].facts.tools
            if tools.isdisjoint({"curl", "wget"}):
                scene.refusals.append(f"{target} has neither curl nor wget, and '{step.name}' asks a URL there")
            wanted = None if contains is None else render_text(contains, names)
            return ProbeWork(HttpWork(render_text(url, names), wanted), what.within_s, what.every_s, user)
        case CommandProbe(str(text)):
            work = script(scene, step, target, text, folders)
        case CommandProbe(command):
            words = [render_text(word, names) for word in command]
            work = script(scene, step, target, shlex.join(words) + "\n", folders)
    return ProbeWork(work, what.within_s, what.every_s, user)


def digest(scene: Scene, step: Step, target: str) -> str:
    """What a success of the run step on a target that was observed is remembered by."""
    loaded = scene.given.loaded
    return script_digest(
        step,
        user=scene.sudo_user(step, target) or scene.given.observed[target].facts.user,
        environment=loaded.environment,
        release=scene.release,
        values=loaded.scopes.values(target=target, step=step),
        manifests=scene.given.manifests,
    )


def script(
    scene: Scene, step: Step, target: str, text: str | PackageScript, folders: Folders, *, remembered_by: str = ""
) -> ScriptWork:
    """A script of a step. Raises TemplateProblem."""
    names = scene.names(step, target)
    return ScriptWork(
        script=text,
        env=environment(scene, step, target, folders),
        cwd=folders.cwd if step.cwd is None else render_text(step.cwd, names),
        release_dirs=folders.by_package,
        sudo_user=scene.sudo_user(step, target),
        timeout_s=step.timeout_s,
        digest=remembered_by,
    )


def environment(scene: Scene, step: Step, target: str, folders: Folders) -> dict[str, ScriptValue]:
    """Every variable under its shell name, the secrets that the step names, its own ``env``, and ``OCTO_*`` but for
    OCTO_RUN and OCTO_RUN_OUTCOME, which only the run knows.
    """
    loaded = scene.given.loaded
    values = loaded.scopes.values(target=target, step=step)
    env: dict[str, ScriptValue] = dict(exported(values))
    for name in step.secrets:
        value = values[name].value if name in values else None
        if isinstance(value, SecretRef):
            env[shell_name(name)] = value
    names = scene.names(step, target)
    for key, expr in step.env.items():
        env[key] = render_script_value(expr, names)
    previous = scene.given.observed[target].baseline.release if target in scene.given.observed else None
    env |= {
        "OCTO_PROJECT": loaded.plan.project,
        "OCTO_RELEASE": loaded.plan.release or "",
        "OCTO_ENVIRONMENT": loaded.environment or "",
        "OCTO_TARGET": target,
        "OCTO_TAGS": ",".join(scene.target(target).tags),
        "OCTO_STEP": step.name,
        "OCTO_PREVIOUS_RELEASE": previous or "",
    }
    for package, folder in folders.by_package.items():
        env[f"OCTO_RELEASE_DIR_{shell_name(package).upper()}"] = folder
    if len(folders.by_package) == 1:
        env["OCTO_RELEASE_DIR"] = next(iter(folders.by_package.values()))
    return env
