"""Reading the steps of a plan: one kind each, names and ids that tell them apart, groups (SPEC section 4)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from octo_ssh.config.document import Mapping, Node, Scalar, Sequence
from octo_ssh.config.plan_acts import ActReader
from octo_ssh.config.plan_common import Inherited, common_step
from octo_ssh.config.plan_kinds import SHAPES, kind_of, only_own_keys
from octo_ssh.config.plan_links import link
from octo_ssh.config.plan_probes import read_rolling
from octo_ssh.config.plan_step_shapes import ApproveShape, GroupShape, ServiceShape, StepShape, WorkShape
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import validate
from octo_ssh.errors import Position
from octo_ssh.model.plan import GroupStep, Step

MAX_NAME = 100
_ID = re.compile(r"[a-z_][a-z0-9_]*")


class StepReader:
    """Reads all steps of one plan. Mistakes are added to ``problems``; a step that has any is left out."""

    def __init__(self, packages: tuple[str, ...], problems: Problems) -> None:
        self.problems = problems
        self.places: dict[tuple[str, str], Position] = {}
        """Where a word of a step stands: by step id and ``on:WORD``, ``secrets:WORD``, ``environments:WORD``,
        ``restart:WORD``, ``start:``."""
        self._acts = ActReader(packages, problems)
        self._names: dict[str, Position] = {}
        self._ids: dict[str, str] = {}

    @property
    def used_packages(self) -> set[str]:
        """The packages that some step deploys."""
        return self._acts.used_packages

    def plan_steps(self, node: Node | None) -> tuple[Step, ...]:
        """All steps of the plan, from its ``steps``."""
        before = len(self.problems)
        steps = self._steps(node, Inherited())
        return link(steps, self.places, self.problems) if len(self.problems) == before else steps

    def _steps(self, node: Node | None, inherited: Inherited) -> tuple[Step, ...]:
        """The list at a ``steps`` key."""
        if not isinstance(node, Sequence):
            if node is not None:
                self.problems.add(node.position, "'steps' must be a list: write each step after a '- '")
            return ()
        if not node.items:
            self.problems.add(node.position, "'steps' is empty: add a step")
        found = [self._step(item, inherited) for item in node.items]
        return tuple(step for step in found if step is not None)

    def _step(self, node: Node, inherited: Inherited) -> Step | None:
        if not isinstance(node, Mapping):
            self.problems.add(node.position, "a step must be a map: name: …, and what it does")
            return None
        before = len(self.problems)
        kind = kind_of(node, self.problems)
        if kind is None:
            return None
        shape = validate(only_own_keys(node, kind, self.problems), SHAPES[kind], self.problems)
        if shape is None:
            if kind == "steps":
                self._steps(node.get("steps"), inherited)
            return None
        step = common_step(shape, self._identify(shape), kind, inherited, self.problems)
        self._note_places(shape, step.id)
        match shape:
            case GroupShape():
                step = replace(step, kind=self._group(shape, step, inherited))
            case _:
                self._refuse_in_rolling(shape, inherited)
                step = replace(step, kind=self._acts.act(shape, on_controller=step.on_controller))
        return step if len(self.problems) == before else None

    def _note_places(self, shape: StepShape, step_id: str) -> None:
        secrets = shape.secrets if isinstance(shape, WorkShape) else ()
        for key, words in (("on", shape.on), ("secrets", secrets), ("environments", shape.environments)):
            for index, word in enumerate(words):
                self.places[step_id, f"{key}:{word}"] = shape.item_at(key, index)
        if shape.has("start"):
            self.places[step_id, "start:"] = shape.key_at("start")
        if isinstance(shape, ServiceShape):
            for word, at in _restart_words(shape):
                self.places[step_id, f"restart:{word}"] = at

    def _identify(self, shape: StepShape) -> str:
        """The step's id, after looking whether name and id are its own."""
        name, at = shape.name, shape.at("name")
        if len(name) > MAX_NAME or not name.isprintable():
            self.problems.add(at, f"a step's name must be one line of at most {MAX_NAME} printable characters")
        if (first := self._names.setdefault(name, at)) != at:
            self.problems.add(at, f"two steps are called '{name}': the first is at {first}, rename one")
            return slug(name)
        if shape.id is not None and not _ID.fullmatch(shape.id):
            self.problems.add(shape.at("id"), "'id' must be lower-case letters, digits and '_', no digit first")
        step_id = shape.id or slug(name)
        if not step_id:
            self.problems.add(at, f"no id can be made of the name '{name}': add one, id: …")
        elif (other := self._ids.setdefault(step_id, name)) != name:
            self.problems.add(
                shape.at("id") if shape.id else at,
                f"the steps '{other}' and '{name}' both have the id '{step_id}': give one another, id: …",
            )
        return step_id

    def _group(self, shape: GroupShape, step: Step, inherited: Inherited) -> GroupStep:
        rolling = read_rolling(shape.rolling, self.problems) if shape.rolling else None
        if rolling and inherited.rolls:
            self.problems.add(shape.key_at("rolling"), "a group around this one rolls already: remove one 'rolling'")
        handed_on = Inherited(
            env=step.env,
            secrets=step.secrets,
            cwd=step.cwd,
            environments=step.environments,
            on_failure=step.on_failure,
            becomes=inherited.becomes or step.become is not None,
            rolls=inherited.rolls or rolling is not None,
        )
        for word in step.secrets:
            self.places.setdefault((step.id, f"secrets:{word}"), step.position)
        return GroupStep(self._steps(shape.steps, handed_on), rolling)

    def _refuse_in_rolling(self, shape: StepShape, inherited: Inherited) -> None:
        if inherited.rolls and isinstance(shape, ApproveShape):
            message = (
                "nobody can be asked for each target: move this out of the group, or use rolling's 'pause: approve'"
            )
            self.problems.add(shape.key_at("approve"), message)


def _restart_words(shape: ServiceShape) -> Iterator[tuple[str, Position]]:
    """The steps that a service's ``restart`` names, with where each stands."""
    named = shape.restart.get("on_change") if isinstance(shape.restart, Mapping) else None
    for node in named.items if isinstance(named, Sequence) else (named,):
        if isinstance(node, Scalar) and isinstance(node.value, str):
            yield node.value, node.position


def slug(name: str) -> str:
    """A step's id, made from its name: ``Migrate database`` gives ``migrate_database``; empty if nothing is left."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    found = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return f"step_{found}" if found[:1].isdigit() else found
