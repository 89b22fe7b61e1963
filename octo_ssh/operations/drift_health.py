"""``drift --health``: the check steps of the plan, asked on a target by programs that only look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from octo_ssh.config.load import Loaded
from octo_ssh.config.templates import TemplateProblem
from octo_ssh.errors import FileErrors, SecretError, TargetError
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import CheckStep, PackageStep, Step
from octo_ssh.model.program import Reading
from octo_ssh.model.work import HttpWork, LateText, LateWord, ProbeWork
from octo_ssh.operations.looking import sudo_as
from octo_ssh.operations.resources import environment
from octo_ssh.planning.drift import Health
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.request import RunOptions, Selection
from octo_ssh.planning.scripts import Folders, probe
from octo_ssh.remote.probe import ProbeResult, ask_command, ask_http
from octo_ssh.transport.session import Observer

SPARE_S = 15.0


class Ward:
    """Asks on whichever target. Made once a check."""

    def __init__(self, loaded: Loaded, selection: Selection) -> None:
        self._observed: dict[str, Observed] = {}
        self._scene = Scene(
            PlanInput(
                loaded=loaded,
                options=RunOptions(),
                selection=selection,
                observed=self._observed,
                unreachable={},
                manifests={},
                configured={},
            )
        )

    async def ask(self, target: Target, session: Observer, seen: Observed) -> Mapping[str, Health]:
        """By step id: what came of every check step that is meant for the target."""
        self._observed[target.name] = seen
        found: dict[str, Health] = {}
        for step in self._scene.given.loaded.plan.walk():
            is_here = not step.on_controller and target.name in self._scene.reach[step.id]
            if isinstance(step.kind, CheckStep) and is_here and self._scene.says_no(step, target.name) is None:
                found[step.id] = await _ask(self._scene, step, step.kind, target, session, seen)
        return found


async def _ask(scene: Scene, step: Step, kind: CheckStep, target: Target, session: Observer, seen: Observed) -> Health:
    loaded = scene.given.loaded
    try:
        work = probe(scene, step, target.name, kind.probe, _current_folders(seen, scene))
        program = await asyncio.to_thread(_program, work, loaded, seen)
        sudo = await sudo_as(work.sudo_user, loaded, target, seen)
        result = await session.observe(program, sudo=sudo, timeout_s=work.within_s + SPARE_S)
    except TemplateProblem as error:
        return Health(None, error.message)
    except FileErrors as errors:
        return Health(None, errors.problems[0].message)
    except (SecretError, TargetError) as error:
        return Health(None, error.message)
    return Health(result.passed, "" if result.passed else f"not so within {work.within_s:g} s")


def _program(work: ProbeWork, loaded: Loaded, seen: Observed) -> Reading[ProbeResult]:
    match work.what:
        case HttpWork(url, contains):
            wanted = None if contains is None else _plain(contains)
            return ask_http(_plain(url), contains=wanted, within_s=work.within_s, every_s=work.every_s)
        case script:
            assert isinstance(script.script, str), "a check's script is its own"
            return ask_command(
                seen.facts.root,
                env=environment(script.env, loaded.secrets),
                script=script.script,
                cwd=None if script.cwd is None else _plain(script.cwd),
                within_s=work.within_s,
                every_s=work.every_s,
            )


def _plain(word: LateWord) -> str:
    if isinstance(word, LateText):
        raise TemplateProblem(word.template.position, "it depends on outputs of steps, and there is no run")
    return word


def _current_folders(seen: Observed, scene: Scene) -> Folders:
    """The releases that are current: where a check of a run would find itself."""
    found: dict[str, str] = {}
    for step in scene.given.loaded.plan.walk():
        place = seen.packages.get(step.id)
        if isinstance(step.kind, PackageStep) and place is not None and place.current is not None:
            found[step.kind.package] = f"{place.to}/releases/{place.current}"
    return Folders(found, is_only_package=len(found) == 1)
