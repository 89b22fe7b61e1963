"""What comes of each step on each target, and why (SPEC section 4): all targets and the controller together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from octo_ssh.config.templates import TemplateProblem, evaluate_late, output_uses
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, CheckStep, GroupStep, RunStep, Step
from octo_ssh.model.values import Template
from octo_ssh.model.work import Planned
from octo_ssh.planning.controller import ControllerForecast
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.once import once_target
from octo_ssh.planning.outputs import Outlook, Reading, readings
from octo_ssh.planning.target import TargetForecast

Forecast = Mapping[tuple[str, str], Planned]
"""By step id and target, or CONTROLLER."""


def forecast(scene: Scene) -> Forecast:
    """Every step that does something, at every place it has. ``once`` steps have one at most.

    Mistakes and refusals are noted in the scene. A step whose ``when`` is false for outputs that are remembered is left
    out, until who gave them turns out to be due: never because of the very step that is left out.
    """
    attempt = _Attempt(scene)
    out = attempt.ruled_out(attempt.conditional())
    while True:
        scene.ruled_out = {(step.id, place): "'when' is false here" for step, place in out}
        scene.problems.clear()  # what still holds is found again
        scene.refusals.clear()
        attempt = _Attempt(scene)
        attempt.decide()
        still = attempt.ruled_out(out)
        if len(still) == len(out):
            return attempt.planned()
        out = still


@dataclass(slots=True)
class _Attempt:
    """All places with what is due there, as far as is known of the conditions that use outputs."""

    scene: Scene
    outlook: Outlook = field(init=False)
    here: dict[str, TargetForecast] = field(init=False)
    controller: ControllerForecast = field(init=False)
    names_of: dict[str, tuple[str, ...]] = field(init=False)
    """Places by step id."""
    _needed: dict[str, tuple[Reading, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        given = self.scene.given
        each = {step.id: self.scene.reach[step.id] for step in self._steps() if not step.once}
        self.outlook = Outlook(given.observed, self.scene.release, each)
        targets = [name for name in given.selection.targets if name in given.observed and name not in given.broken]
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

    def conditional(self) -> list[tuple[Step, str]]:
        """Every step and place with a ``when`` that uses outputs."""
        return [
            (step, place)
            for step in self._steps()
            if any(
                isinstance(one.when, Template) and output_uses(one.when) for one in (*self.scene.path[step.id], step)
            )
            for place in self.scene.reach[step.id]
            if place == CONTROLLER or place in self.here
        ]

    def ruled_out(self, among: list[tuple[Step, str]]) -> list[tuple[Step, str]]:
        """Those whose conditions do not hold for what is remembered, where nobody who is due gives it anew."""
        return [(step, place) for step, place in among if self._is_ruled_out(step, place)]

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
        names = [name for name in every if name not in self.here or not self.here[name].leaves_out(step)]
        if every and not names:  # it is left out everywhere, and nobody need know whether it was done
            self.here[every[0]].choose(step, due=False, reason="")
            return (every[0],)
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
            is_more = any((*grown, self.controller.settle(), self._give_again()))

    def _give_again(self) -> bool:
        """Secret outputs are remembered nowhere, and those of the controller only where a run held a target: who gave
        them is due where a due step needs them.
        """
        steps = {step.id: step for step in self._steps() if isinstance(step.kind, RunStep)}
        if not (self.outlook.secret or any(step.on_controller for step in steps.values())):
            return False
        order = self.scene.order
        grown = False
        for reader, place in self._due():
            for reading in self._readings(reader, place):
                giver = steps.get(reading.step)
                if giver is None or order[giver.id] >= order[reader.id]:
                    continue
                places = self._giving(giver, place) if reading.target is None else {reading.target}
                for where in sorted(places & {CONTROLLER, *self.here}):
                    if (what := self._lost(giver, where, reading.name)) is not None:
                        reason = f"'{reader.name}' reads its {what}, which is written down nowhere"
                        grown = self._make_due(giver, where, reason) or grown
        return grown

    def _lost(self, giver: Step, place: str, name: str | None) -> str | None:
        """What of a step's output at a place nobody remembers; ``name`` None: of any of its outputs."""
        if place == CONTROLLER and not self.outlook.remembers(giver.id, place):
            return "output"
        secret = self.outlook.secret.get(giver.id, {})
        names = frozenset().union(*secret.values()) if giver.once else secret.get(place, frozenset())
        return "secret output" if (bool(names) if name is None else name in names) else None

    def _make_due(self, step: Step, place: str, reason: str) -> bool:
        if step.on_controller:
            return self.controller.make_due(step, place, reason)
        return self.here[place].make_due(step, reason)

    def _giving(self, giver: Step, place: str) -> set[str]:
        """Whose output of a step counts at a place: its own, else that of whoever has it."""
        own = place in self.here and place in self.scene.reach[giver.id] and not giver.once
        return {place} if own else set(self.names_of[giver.id])

    def _readings(self, reader: Step, place: str) -> tuple[Reading, ...]:
        """The outputs that a due step needs: its texts and its scripts tell, which are the same everywhere."""
        if reader.id not in self._needed:
            work = self.controller.work(reader, place) if reader.on_controller else self.here[place].work(reader)
            if work is None:
                return ()
            self._needed[reader.id] = readings(work, self.scene.conditions(reader, place))
        return self._needed[reader.id]

    def _due(self) -> list[tuple[Step, str]]:
        return [*((step, name) for name, each in self.here.items() for step in each.due()), *self.controller.due()]

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
