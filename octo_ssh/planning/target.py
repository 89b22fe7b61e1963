"""One target's steps: what is due there, and why (SPEC section 4, "When a run step is due").

What is due only grows while it is being decided: a step that is found due may make others due, until nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from octo_ssh.config.templates import TemplateProblem
from octo_ssh.model.observed import Observed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CheckStep, FileStep, GroupStep, PackageStep, RunStep, ServiceStep, Step
from octo_ssh.model.work import FileWork, Planned, ServiceWork, Work
from octo_ssh.planning.before import Before, before
from octo_ssh.planning.consequences import causes, restart_debts
from octo_ssh.planning.deploy import Deployment, deploy
from octo_ssh.planning.files import plan_file, with_diff
from octo_ssh.planning.finish import finished
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.outputs import Outlook
from octo_ssh.planning.reasons import GROUP, check_reason, restart_reason, run_reason
from octo_ssh.planning.scripts import Folders, digest, probe, run_script
from octo_ssh.planning.services import plan_service


@dataclass(slots=True)
class TargetForecast:
    """One target that was observed."""

    scene: Scene
    name: str
    outlook: Outlook
    changes: bool = False
    """Something is due here that may change it."""
    _steps: list[Step] = field(default_factory=list)
    _chosen: set[str] = field(default_factory=set)
    """Of the ``once`` steps: those that stand here."""
    _deployments: dict[str, Deployment] = field(default_factory=dict)
    _compared: dict[str, Planned] = field(default_factory=dict)
    """Of file and service steps."""
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
        """What is due by itself, ``once`` steps left out: they are decided for all targets together."""
        for step in self.scene.given.loaded.plan.walk():
            if self.name not in self.scene.reach[step.id] or isinstance(step.kind, GroupStep) or step.on_controller:
                continue
            if (no := self.scene.says_no(step, self.name)) is not None:
                self._out[step.id] = no
            self._steps.append(step)
        for step in self._alive():
            if isinstance(step.kind, PackageStep):
                self._decide_package(step)
            elif isinstance(step.kind, RunStep):
                self._decide_run(step)

    def settle(self) -> bool:
        """Let what is due make more due. False when nothing did."""
        so_far = len(self._due)
        for step in self._alive():
            if isinstance(step.kind, FileStep | ServiceStep) and step.id not in self._due:
                self._compare(step)
        for step in self._alive():
            if isinstance(step.kind, RunStep) and not step.once and self.is_busy_around(step):
                self.make_due(step, GROUP)
        self.changes = any(self._is_change(step) for step in self._alive())
        for step in self._alive():
            if isinstance(step.kind, CheckStep) and not step.once and step.id not in self._due:
                self._decide_check(step)
        self.outlook.due.update(self._due)
        return len(self._due) > so_far

    def leaves_out(self, step: Step) -> bool:
        return step.id in self._out

    def choose(self, step: Step, *, due: bool, reason: str) -> None:
        """A ``once`` step stands here."""
        self._chosen.add(step.id)
        if due and step.id not in self._out:
            self._due[step.id] = reason
        else:
            self._not_due[step.id] = reason

    def make_due(self, step: Step, reason: str) -> bool:
        """Of a script: another step wants it to run. False where it does already, or must not."""
        if step.id in self._due or step.id in self._out or self.scene.waits_for_failure(step):
            return False
        if not isinstance(step.kind, RunStep) or step.kind.unless is not None or (step.once and not self._has(step)):
            return False
        self._due[step.id] = reason
        self._not_due.pop(step.id, None)
        self.outlook.due.add(step.id)
        return True

    def due(self) -> list[Step]:
        """Every step that is due here."""
        return [step for step in self._alive() if step.id in self._due]

    def work(self, step: Step) -> Work | None:
        """What is to be done of a step that is due here."""
        return self._planned(step).work

    def is_busy_within(self, group: Step) -> bool:
        """A step of the group changes this target."""
        inside = (step for step in self._alive() if any(one.id == group.id for one in self.scene.path[step.id]))
        return any(self._is_change(step) for step in inside)

    def is_busy_around(self, step: Step) -> bool:
        """A step that stands under the same outermost group changes this target."""
        path = self.scene.path[step.id]
        return bool(path) and self.is_busy_within(path[0])

    def planned(self, step: Step) -> Planned:
        """What comes of a step here."""
        planned = self._planned(step)
        if step.id in self._out or planned.work is None:
            return planned
        debts = restart_debts(self.scene, step, self.name, self._chosen)
        return finished(self.scene, self.outlook, step, self.name, self._looked_at_again(step, planned), debts)

    def _planned(self, step: Step) -> Planned:
        if step.id in self._out:
            return Planned(Outcome.SKIPPED, self._out[step.id])
        if step.id in self._deployments:
            return self._deployments[step.id].planned
        try:
            if self.scene.waits_for_failure(step):
                work = self._work(step)
                return Planned(Outcome.SKIPPED, "only after a failure", work, standby=work is not None)
            if step.id in self._compared:
                return self._compared[step.id]
            if step.id in self._due:
                outcome = Outcome.CHANGED if isinstance(step.kind, RunStep) else Outcome.UNCHANGED
                return Planned(outcome, self._due[step.id], self._work(step))
            standby = self._work(step) if self.scene.cleans_up(step) else None
            return Planned(Outcome.UNCHANGED, self._not_due.get(step.id, ""), standby, standby=standby is not None)
        except TemplateProblem as error:
            self.scene.note(error)
            return Planned(Outcome.SKIPPED, error.message)

    def _alive(self) -> list[Step]:
        return [step for step in self._steps if step.id not in self._out and self._has(step)]

    def _has(self, step: Step) -> bool:
        return not step.once or step.id in self._chosen

    def _is_change(self, step: Step) -> bool:
        """The step is due, and may change the target."""
        return step.id in self._due and not isinstance(step.kind, CheckStep)

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
        is_due, reason = run_reason(self.scene, step, self.name, self.digest(step))
        (self._due if is_due else self._not_due)[step.id] = reason

    def _decide_check(self, step: Step) -> None:
        if self.scene.waits_for_failure(step):
            return
        is_due, reason = check_reason(self.scene, step, self.name, changes=self.changes)
        (self._due if is_due else self._not_due)[step.id] = reason

    def _compare(self, step: Step) -> None:
        try:
            planned = self._looked(step)
        except TemplateProblem as error:
            self.scene.note(error)
            self._out[step.id] = error.message
            return
        self._compared[step.id] = planned
        if planned.due and planned.outcome is Outcome.CHANGED and not self.scene.waits_for_failure(step):
            self._due[step.id] = planned.reason

    def _looked(self, step: Step) -> Planned:
        """A file or service as it was seen against what is wanted. Raises TemplateProblem."""
        if isinstance(step.kind, FileStep):
            return plan_file(self.scene, step, self.name, self._folders(step), self.outlook, self._before(step))
        causing = [one for one in self._due_before(step) if self._causes(one, step)]
        reason = restart_reason(self.scene, step, self.name, causing, is_busy=self.is_busy_around(step))
        return plan_service(self.scene, step, self.name, self._before(step), restart=reason)

    def _causes(self, one: Step, service: Step) -> bool:
        """A due step, when it is done, makes the service restart."""
        assert isinstance(service.kind, ServiceStep)
        is_named = one.id in service.kind.on_change
        return is_named and (isinstance(one.kind, RunStep) or causes(self._planned(one).work))

    def _looked_at_again(self, step: Step, planned: Planned) -> Planned:
        """A file's difference is added; what steps before may change is looked at afresh when it is its turn."""
        work = planned.work
        if planned.outcome is Outcome.FAILED:
            return planned
        if isinstance(work, FileWork):
            work = with_diff(self.scene, step, self.name, work, self.outlook)
        if isinstance(work, FileWork | ServiceWork):
            around = self._before(step)
            if around.prepares or around.redone_by is not None:
                work = replace(work, seen=None)
                if isinstance(work, FileWork) and not work.owed:  # whether it differs then cannot be told yet
                    work = replace(work, changes=True)
        return replace(planned, work=work)

    def _before(self, step: Step) -> Before:
        return before(self.scene, step, self.name, self._due_before(step))

    def _due_before(self, step: Step) -> list[Step]:
        order = self.scene.order
        return [one for one in self._alive() if order[one.id] < order[step.id] and self._is_change(one)]

    def digest(self, step: Step) -> str:
        """What a success of a run step here is remembered by."""
        if step.id not in self._digests:
            self._digests[step.id] = digest(self.scene, step, self.name)
        return self._digests[step.id]

    def _work(self, step: Step) -> Work | None:
        match step.kind:
            case FileStep() | ServiceStep():
                return self._looked(step).work
            case CheckStep(what):
                return probe(self.scene, step, self.name, what, self._folders(step))
            case _:
                remembered = "" if self.scene.is_runbook else self.digest(step)
                return run_script(self.scene, step, self.name, self._folders(step), remembered)

    def _folders(self, step: Step) -> Folders:
        """The release folders that the step finds complete: those that wait for their own step come after it."""
        order = self.scene.order
        known: dict[str, str] = {}
        packages = self.scene.packages_of(self.name)
        for one in packages:
            deployment = self._deployments.get(one.id)
            if deployment is None or (deployment.waits and order[step.id] < order[one.id]):
                continue
            assert isinstance(one.kind, PackageStep)
            known[one.kind.package] = deployment.folder
        return Folders(known, is_only_package=len(packages) == 1)
