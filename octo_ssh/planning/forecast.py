"""What comes of each step on each target, and why (SPEC section 4, "When a run step is due")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.config.templates import TemplateProblem
from octo_ssh.model.observed import Observed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CheckStep, GroupStep, PackageStep, RunStep, Step
from octo_ssh.model.work import Planned, ProbeWork, ScriptWork
from octo_ssh.planning.deploy import Deployment, deploy
from octo_ssh.planning.dueness import left_over
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.once import once_target
from octo_ssh.planning.scripts import Folders, digest, probe, run_script

Forecast = Mapping[tuple[str, str], Planned]
"""By step id and target."""


def forecast(scene: Scene) -> Forecast:
    """Every step that does something, on every target it has. ``once`` steps have one at most.

    Mistakes and refusals are noted in the scene.
    """
    here = {name: _Target(scene, name) for name in scene.given.selection.targets if name in scene.given.observed}
    for each in here.values():
        each.decide()
    steps = [step for step in scene.given.loaded.plan.walk() if not isinstance(step.kind, GroupStep)]
    names_of = {step.id: scene.reach[step.id] for step in steps}
    for step in sorted((step for step in steps if step.once), key=lambda step: isinstance(step.kind, CheckStep)):
        names_of[step.id] = _decide_once(scene, step, here)
    found: dict[tuple[str, str], Planned] = {}
    for step in steps:
        for name in names_of[step.id]:
            if name in here:
                found[step.id, name] = here[name].planned(step)
            else:
                found[step.id, name] = _not_seen(scene.given, name)
    return found


def _not_seen(given: PlanInput, name: str) -> Planned:
    if name in given.broken:
        return Planned(Outcome.FAILED, given.broken[name])
    return Planned(Outcome.UNREACHABLE, given.unreachable[name])


def _decide_once(scene: Scene, step: Step, here: Mapping[str, _Target]) -> tuple[str, ...]:
    """The one target of the step, told of it; none where it has none."""
    every = scene.reach[step.id]
    names = [name for name in every if name not in here or not here[name].leaves_out(step)] or every
    chosen = once_target(scene, step, names, {name for name, each in here.items() if each.changes})
    if chosen is None:
        return ()
    if chosen.target in here:
        here[chosen.target].decide_once(step, due=chosen.is_due, reason=chosen.reason)
    return (chosen.target,)


@dataclass(slots=True)
class _Target:
    """One target's steps."""

    scene: Scene
    name: str
    changes: bool = False
    """Something is due here that may change it."""
    _deployments: dict[str, Deployment] = field(default_factory=dict)
    _out: dict[str, str] = field(default_factory=dict)
    """Steps that do nothing here, whatever happens: why."""
    _due: dict[str, str] = field(default_factory=dict)
    """Steps that are due: why."""
    _not_due: dict[str, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def observed(self) -> Observed:
        return self.scene.given.observed[self.name]

    def decide(self) -> None:
        """What is due here, ``once`` steps left out: they are decided for all targets together."""
        steps = [
            step
            for step in self.scene.given.loaded.plan.walk()
            if self.name in self.scene.reach[step.id] and not isinstance(step.kind, GroupStep)
        ]
        for step in steps:
            if self.scene.is_skipped(step):
                self._out[step.id] = "left out with --skip-step"
            elif no := self.scene.says_no(step, self.name):
                self._out[step.id] = no
        alive = [step for step in steps if step.id not in self._out]
        for step in alive:
            if isinstance(step.kind, PackageStep):
                self._decide_package(step)
            elif isinstance(step.kind, RunStep) and not step.once:
                self._decide_run(step)
        self._decide_groups([step for step in alive if isinstance(step.kind, RunStep) and not step.once])
        self.changes = any(not self.scene.waits_for_failure(step) for step in alive if step.id in self._due)
        for step in alive:
            if isinstance(step.kind, CheckStep) and not step.once:
                self._decide_check(step)

    def leaves_out(self, step: Step) -> bool:
        return step.id in self._out

    def decide_once(self, step: Step, *, due: bool, reason: str) -> None:
        if step.id in self._out:
            return
        if due:
            self._due[step.id] = reason
            if isinstance(step.kind, RunStep):
                self._came_late(step)
        else:
            self._not_due[step.id] = reason

    def planned(self, step: Step) -> Planned:
        if step.id in self._out:
            return Planned(Outcome.SKIPPED, self._out[step.id])
        if step.id in self._deployments:
            return self._deployments[step.id].planned
        try:
            if self.scene.waits_for_failure(step):
                return Planned(Outcome.SKIPPED, "only after a failure", self._work(step), standby=True)
            if step.id in self._due:
                outcome = Outcome.CHANGED if isinstance(step.kind, RunStep) else Outcome.UNCHANGED
                return Planned(outcome, self._due[step.id], self._work(step))
            standby = self._work(step) if self.scene.cleans_up(step) else None
            return Planned(Outcome.UNCHANGED, self._not_due.get(step.id, ""), standby, standby=standby is not None)
        except TemplateProblem as error:
            self.scene.note(error)
            return Planned(Outcome.SKIPPED, error.message)

    def _decide_package(self, step: Step) -> None:
        try:
            self._deployments[step.id] = deploy(self.scene, step, self.name)
        except TemplateProblem as error:
            self.scene.note(error)
            return
        if self._deployments[step.id].planned.due:
            self._due[step.id] = self._deployments[step.id].planned.reason

    def _decide_run(self, step: Step) -> None:
        if self.scene.waits_for_failure(step):
            return
        if self.scene.is_runbook:
            self._due[step.id] = "a plan without packages: always runs"
        elif self.scene.given.options.redeploy:
            self._due[step.id] = "--redeploy"
        elif left := left_over(step, self.observed.baseline, self.scene.release):
            self._due[step.id] = left
        elif self.digest(step) in self.observed.baseline.done:
            self._not_due[step.id] = f"ran already for {self.scene.release}"
        else:
            self._due[step.id] = f"not yet run for {self.scene.release}"

    def _decide_groups(self, steps: list[Step]) -> None:
        """A group that changes the target runs its scripts too: whatever stands under one outermost group."""
        busy = {path[0].id for step_id in self._due if (path := self.scene.path[step_id])}
        for step in steps:
            path = self.scene.path[step.id]
            if path and path[0].id in busy and step.id not in self._due and not self.scene.waits_for_failure(step):
                self._due[step.id] = "another step of its group changes this target"
                self._not_due.pop(step.id, None)

    def _came_late(self, once: Step) -> None:
        """A ``once`` step was found due here: it changes this target like any other."""
        steps = [
            step
            for step in self.scene.given.loaded.plan.walk()
            if isinstance(step.kind, RunStep)
            and not step.once
            and self.name in self.scene.reach[step.id]
            and step.id not in self._out
        ]
        self._decide_groups(steps)
        if not self.scene.waits_for_failure(once):
            self.changes = True
        for step in self.scene.given.loaded.plan.walk():
            if isinstance(step.kind, CheckStep) and not step.once and step.id in self._not_due:
                self._decide_check(step)

    def _decide_check(self, step: Step) -> None:
        self._not_due.pop(step.id, None)
        if self.scene.is_runbook:
            self._due[step.id] = "a plan without packages: always asked"
        elif self.changes:
            self._due[step.id] = "this run changes the target"
        elif step.id in self.observed.baseline.failed_checks:
            self._due[step.id] = "its last result was no success"
        elif step.id not in self.observed.baseline.passed_checks:
            self._due[step.id] = "never passed here"
        elif left := left_over(step, self.observed.baseline, self.scene.release):
            self._due[step.id] = left
        else:
            self._not_due[step.id] = "nothing changes here"

    def digest(self, step: Step) -> str:
        if step.id not in self._digests:
            self._digests[step.id] = digest(self.scene, step, self.name)
        return self._digests[step.id]

    def _work(self, step: Step) -> ScriptWork | ProbeWork:
        folders = self._folders(step)
        if isinstance(step.kind, CheckStep):
            return probe(self.scene, step, self.name, step.kind.probe, folders)
        remembered = "" if self.scene.is_runbook else self.digest(step)
        return run_script(self.scene, step, self.name, folders, remembered)

    def _folders(self, step: Step) -> Folders:
        """The release folders that the step finds complete: those that wait for their own step come after it."""
        order = [one.id for one in self.scene.given.loaded.plan.walk()]
        known: dict[str, str] = {}
        packages = self.scene.packages_of(self.name)
        for one in packages:
            deployment = self._deployments.get(one.id)
            if deployment is None or (deployment.waits and order.index(step.id) < order.index(one.id)):
                continue
            assert isinstance(one.kind, PackageStep)
            known[one.kind.package] = deployment.folder
        return Folders(known, is_only_package=len(packages) == 1)
