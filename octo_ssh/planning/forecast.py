"""What comes of each step on each target, and why (SPEC section 4): all targets and the controller together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from octo_ssh.config.templates import TemplateProblem, evaluate_late, output_uses
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, CheckStep, GroupStep, Step
from octo_ssh.model.values import Template
from octo_ssh.model.work import Planned, Work
from octo_ssh.planning.controller import ControllerForecast
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.once import once_target
from octo_ssh.planning.outputs import Outlook, named_places, uses
from octo_ssh.planning.target import TargetForecast

Forecast = Mapping[tuple[str, str], Planned]
"""By step id and target, or CONTROLLER."""


def forecast(scene: Scene) -> Forecast:
    """Every step that does something, at every place it has. ``once`` steps have one at most.

    Mistakes and refusals are noted in the scene.
    """
    while True:
        attempt = _Attempt(scene)
        attempt.decide()
        if not attempt.rule_out():
            return attempt.planned()


@dataclass(slots=True)
class _Attempt:
    """All places with what is due there, as far as is known of the conditions that use outputs."""

    scene: Scene
    outlook: Outlook = field(init=False)
    here: dict[str, TargetForecast] = field(init=False)
    controller: ControllerForecast = field(init=False)
    names_of: dict[str, tuple[str, ...]] = field(init=False)
    """Places by step id."""

    def __post_init__(self) -> None:
        given = self.scene.given
        each = {step.id: self.scene.reach[step.id] for step in self._steps() if not step.once}
        self.outlook = Outlook(given.observed, self.scene.release, each)
        targets = [name for name in given.selection.targets if name in given.observed]
        self.here = {name: TargetForecast(self.scene, name, self.outlook) for name in targets}
        self.controller = ControllerForecast(self.scene, self.here, self.outlook)
        self.names_of = {step.id: self.scene.reach[step.id] for step in self._steps()}

    def decide(self) -> None:
        """What is due everywhere."""
        for each in self.here.values():
            each.decide()
        once = [step for step in self._steps() if step.once]
        for step in once:
            if not isinstance(step.kind, CheckStep):
                self.names_of[step.id] = self._choose(step)
        self._settle()
        for step in once:
            if isinstance(step.kind, CheckStep):
                self.names_of[step.id] = self._choose(step)
        self._settle()

    def rule_out(self) -> bool:
        """Find the steps whose conditions use outputs that are known, and do not hold. False: there are no more."""
        if not any(
            isinstance(step.when, Template) and output_uses(step.when) for step in self.scene.given.loaded.plan.walk()
        ):
            return False
        ruled_out = {
            (step.id, place): "'when' is false here"
            for step, place, _ in self._due()
            if self._is_ruled_out(step, place)
        }
        self.scene.ruled_out.update(ruled_out)
        return bool(ruled_out)

    def planned(self) -> Forecast:
        found: dict[tuple[str, str], Planned] = {}
        for step in self._steps():
            for name in self.names_of[step.id]:
                if name != CONTROLLER and name not in self.here:
                    found[step.id, name] = _not_seen(self.scene.given, name)
                elif step.on_controller:
                    found[step.id, name] = self.controller.planned(step, name)
                else:
                    found[step.id, name] = self.here[name].planned(step)
        return found

    def _steps(self) -> Iterator[Step]:
        return (step for step in self.scene.given.loaded.plan.walk() if not isinstance(step.kind, GroupStep))

    def _choose(self, step: Step) -> tuple[str, ...]:
        """The one target of a ``once`` step, told of it; none where it has none."""
        every = self.scene.reach[step.id]
        names = [name for name in every if name not in self.here or not self.here[name].leaves_out(step)] or every
        chosen = once_target(self.scene, step, names, {name for name, each in self.here.items() if each.changes})
        if chosen is None:
            return ()
        if chosen.target in self.here:
            self.here[chosen.target].choose(step, due=chosen.is_due, reason=chosen.reason)
        return (chosen.target,)

    def _settle(self) -> None:
        """Let what is due make more due, here and elsewhere, until nothing does."""
        is_more = True
        while is_more:
            grown = [each.settle() for each in self.here.values()]
            is_more = any((*grown, self.controller.settle(), self._give_secrets()))

    def _give_secrets(self) -> bool:
        """A secret output is remembered nowhere: who gave it is due where a due step reads it."""
        if not self.outlook.secret:
            return False
        steps = {step.id: step for step in self._steps()}
        grown = False
        for reader, place, work in self._due():
            named = named_places(work)
            for giver in uses(work):
                if giver not in self.outlook.secret or giver not in steps:
                    continue
                own = self._giving(steps[giver], place) | {target for step, target in named if step == giver}
                for target in sorted(own & self.here.keys()):
                    reason = f"'{reader.name}' reads its secret output, which is written down nowhere"
                    grown = self._make_due(steps[giver], target, reason) or grown
        return grown

    def _make_due(self, step: Step, place: str, reason: str) -> bool:
        if step.on_controller:
            return self.controller.make_due(step, place, reason)
        return self.here[place].make_due(step, reason)

    def _giving(self, giver: Step, place: str) -> set[str]:
        """Whose output of a step counts at a place: its own, else that of whoever has it."""
        own = place in self.here and place in self.scene.reach[giver.id] and not giver.once
        return {place} if own else set(self.names_of[giver.id])

    def _due(self) -> Iterator[tuple[Step, str, Work]]:
        for name, each in self.here.items():
            yield from ((step, name, work) for step, work in each.due())
        yield from self.controller.due()

    def _is_ruled_out(self, step: Step, place: str) -> bool:
        for condition in self.scene.conditions(step, place):
            known = self.outlook.known(condition.after, place)
            if known is None:
                continue
            try:
                if evaluate_late(condition, self.scene.given.loaded.secrets.reveal, known) is False:
                    return True
            except TemplateProblem:  # an output that nobody remembers: the run will tell
                continue
        return False


def _not_seen(given: PlanInput, name: str) -> Planned:
    if name in given.broken:
        return Planned(Outcome.FAILED, given.broken[name])
    return Planned(Outcome.UNREACHABLE, given.unreachable[name])
