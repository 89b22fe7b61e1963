"""Scripts and probes as a target will get them: environment, folder, user (SPEC section 4)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from octo_ssh.config.templates import TemplateProblem, render_script_value, render_word
from octo_ssh.config.variables import Resolved, exported
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.plan import (
    CONTROLLER,
    CommandProbe,
    FileScript,
    HttpProbe,
    InlineScript,
    PackageScript,
    PackageStep,
    Probe,
    RunStep,
    Step,
    Text,
)
from octo_ssh.model.values import SecretRef, Template, shell_name
from octo_ssh.model.work import HttpWork, ProbeWork, ScriptValue, ScriptWork
from octo_ssh.planning.dueness import script_digest
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.outputs import step_ids, steps_read

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded

PLANS_FOLDER = "."
"""The ``cwd`` of scripts on the controller."""
CONVENTIONS = ("PreDeploy", "Deploy", "PostDeploy", "DeployFailed")
MAX_SCRIPT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Folders:
    """Release folders on a target in this run, by package: those that a script will find complete."""

    by_package: Mapping[str, str] = field(default_factory=dict)
    is_only_package: bool = False
    """The plan has one package for the target: scripts run in its folder."""

    @property
    def cwd(self) -> str | None:
        return next(iter(self.by_package.values()), None) if self.is_only_package else None


def run_script(scene: Scene, step: Step, place: str, folders: Folders, remembered_by: str) -> ScriptWork:
    """The work of a run step. Raises TemplateProblem."""
    assert isinstance(step.kind, RunStep)
    match step.kind.script:
        case InlineScript(text) | FileScript(text=text):
            work = script(scene, step, place, text, folders, remembered_by=remembered_by)
        case PackageScript() as inside:
            work = script(scene, step, place, inside, folders, remembered_by=remembered_by)
    return replace(work, reboots=step.kind.reboots)


def activation(scene: Scene, step: Step, target: str, folders: Folders) -> ScriptWork | None:
    """The ``activate`` of a package step; ``folders`` names its own release folder alone."""
    assert isinstance(step.kind, PackageStep)
    if step.kind.activate is None:
        return None
    return script(scene, step, target, step.kind.activate, folders)


def conventions(manifest: Manifest) -> dict[str, str]:
    """Octopus's scripts at the root of a package: their paths by the names in ``CONVENTIONS``."""
    found = ((name, manifest.entries.get(f"{name}.sh")) for name in CONVENTIONS)
    return {name: entry.path for name, entry in found if entry is not None and entry.kind is Kind.FILE}


def convention(scene: Scene, step: Step, target: str, inside: PackageScript, folders: Folders) -> ScriptWork:
    """One of them; ``folders`` names the step's own release folder alone."""
    return replace(script(scene, step, target, inside, folders), is_convention=True)


def package_scripts(loaded: Loaded, manifests: Mapping[str, Manifest]) -> tuple[tuple[str, str], ...]:
    """The scripts inside packages that the plan runs, by package and path: what is read of them tells whose outputs
    they use (``PlanInput.texts``); large ones, programs most likely, are left out.
    """
    found: dict[tuple[str, str], None] = {}
    for step in loaded.plan.walk():
        match step.kind:
            case PackageStep(package=package) if package in manifests:
                paths = list(conventions(manifests[package]).values())
            case RunStep(script=PackageScript(package, path)) if package in manifests:
                paths = [path]
            case _:
                continue
        for path in paths:
            entry = manifests[package].entries.get(path)
            if entry is not None and entry.kind is Kind.FILE and entry.size <= MAX_SCRIPT_BYTES:
                found[package, path] = None
    return tuple(found)


def probe(scene: Scene, step: Step, place: str, what: Probe, folders: Folders) -> ProbeWork:
    """The work of a check, or a package step's ``verify``. Raises TemplateProblem.

    A URL on a target that has neither curl nor wget refuses the run.
    """
    names = scene.names(step, place)
    user = scene.sudo_user(step, place)
    match what.what:
        case HttpProbe(url, contains):
            if not step.on_controller and scene.given.observed[place].facts.tools.isdisjoint({"curl", "wget"}):
                scene.refusals.append(f"{place} has neither curl nor wget, and '{step.name}' asks a URL there")
            wanted = None if contains is None else render_word(contains, names)
            return ProbeWork(HttpWork(render_word(url, names), wanted), what.within_s, what.every_s, user)
        case CommandProbe(str(text)):
            work = script(scene, step, place, text, folders)
        case CommandProbe(tuple(command)):
            work = script(scene, step, place, _command_line(command), folders, arguments=_arguments(command))
    return ProbeWork(work, what.within_s, what.every_s, user)


def _command_line(command: tuple[Text, ...]) -> str:
    """One argument an element. A template's stays in a variable: no shell ever reads it."""
    words = (
        f'"${_argument(number)}"' if isinstance(word, Template) else shlex.quote(word)
        for number, word in enumerate(command, 1)
    )
    return " ".join(words) + "\n"


def _arguments(command: tuple[Text, ...]) -> dict[str, Text]:
    return {_argument(number): word for number, word in enumerate(command, 1) if isinstance(word, Template)}


def _argument(number: int) -> str:
    return f"OCTO_ARG_{number}"


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
    scene: Scene,
    step: Step,
    place: str,
    text: str | PackageScript,
    folders: Folders,
    *,
    remembered_by: str = "",
    arguments: Mapping[str, Text] | None = None,
) -> ScriptWork:
    """A script of a step. ``arguments``: more variables. Raises TemplateProblem."""
    names, plan = scene.names(step, place), scene.given.loaded.plan
    around = PLANS_FOLDER if step.on_controller else folders.cwd
    seen = scene.given.observed.get(place)
    env: dict[str, ScriptValue] = {
        **environment(scene.given.loaded, step, place, folders, previous=seen.baseline.release if seen else None),
        **{name: render_word(word, names) for name, word in (arguments or {}).items()},
    }
    told = text if isinstance(text, str) else scene.given.texts.get((text.package, text.path))
    return ScriptWork(
        script=text,
        env={**env, **step_ids(plan, told)},
        cwd=around if step.cwd is None else render_word(step.cwd, names),
        release_dirs=folders.by_package,
        sudo_user=scene.sudo_user(step, place),
        timeout_s=step.timeout_s,
        output_limit_bytes=step.output_limit_bytes,
        digest=remembered_by,
        reads=steps_read(plan, told),
    )


def environment(
    loaded: Loaded, step: Step, place: str, folders: Folders, *, previous: str | None
) -> dict[str, ScriptValue]:
    """Every variable under its shell name, the secrets that the step names, its own ``env``, and ``OCTO_*`` but for
    what only the run knows. ``previous``: the release that was current before.

    On the controller, where no target is meant, variables that depend on one are left out. Raises TemplateProblem.
    """
    target = None if place == CONTROLLER else place
    values = loaded.scopes.values(target=target, step=step)
    if target is None:
        values = _independent(values)
    env: dict[str, ScriptValue] = dict(exported(values))
    for name in step.secrets:
        value = values[name].value if name in values else None
        if isinstance(value, SecretRef):
            env[shell_name(name)] = value
    names = loaded.scopes.names(target=target, step=step)
    for key, expr in step.env.items():
        env[key] = render_script_value(expr, names)
    env |= {
        "OCTO_PROJECT": loaded.plan.project,
        "OCTO_RELEASE": loaded.plan.release or "",
        "OCTO_ENVIRONMENT": loaded.environment or "",
        "OCTO_TARGET": place,
        "OCTO_TAGS": "" if target is None else ",".join(loaded.inventory.targets[target].tags),
        "OCTO_STEP": step.name,
        "OCTO_PREVIOUS_RELEASE": previous or "",
    }
    for package, folder in folders.by_package.items():
        env[f"OCTO_RELEASE_DIR_{shell_name(package).upper()}"] = folder
    if len(folders.by_package) == 1:
        env["OCTO_RELEASE_DIR"] = next(iter(folders.by_package.values()))
    return env


def _independent(values: Mapping[str, Resolved]) -> dict[str, Resolved]:
    """The variables that can be rendered where no target is meant."""
    found: dict[str, Resolved] = {}
    for name in values:
        try:
            found[name] = values[name]
        except TemplateProblem:
            continue
    return found
