"""Variables: what each is for a target and a step, where that was said, and what it beat (SPEC section 4).

Which definition wins is told by ``definitions.py``. Values that are templates may refer to other variables; they are
rendered when they are asked for, each once for a target and step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octo_ssh.config.definitions import Definition, Place, Rank, as_written, collect, scope_problems, step_paths
from octo_ssh.config.prompts import Unanswered, key_of
from octo_ssh.config.templates import TemplateProblem, evaluate, find_secret
from octo_ssh.config.texts import to_text
from octo_ssh.errors import Position, Problem
from octo_ssh.model.inventory import Inventory
from octo_ssh.model.plan import ReleasePlan, Step
from octo_ssh.model.values import Expr, Prompt, SecretRef, Value, shell_name

RESERVED = frozenset({"release", "project", "environment", "target", "tags", "vars", "steps"})
"""Names that templates may use beside the variables; no variable may have one."""
_WHY_MISSING = {
    "release": "there is no 'release' here: the plan says none, and no --release was given",
    "environment": "there is no 'environment' here: the inventory has none",
    "target": "there is no 'target' here: this value is the same for all targets",
    "tags": "there are no 'tags' here: this value is the same for all targets",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a variable is for a target and a step."""

    value: Value | SecretRef
    origin: Position
    source: str
    """As ``Definition.source``."""
    beaten: tuple[Definition, ...]
    """The other definitions that hold there, strongest first."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The definition of a variable that wins for a target and a step."""

    definition: Definition
    beaten: tuple[Definition, ...]
    """As ``Resolved.beaten``."""
    tie: Definition | None
    """One that is as strong and says something else: a problem."""


def tie_problem(chosen: Chosen) -> Problem | None:
    """What is wrong where two definitions are equally strong and say different things."""
    if chosen.tie is None:
        return None
    first, second = sorted((chosen.definition, chosen.tie), key=lambda definition: definition.origin)
    message = (
        f"'{first.name}' is set here by {second.source} and at {first.origin} by {first.source}, and neither is more"
        " specific: remove one, or set it where it is more specific"
    )
    return Problem(second.origin, message)


class Scopes:
    """The variables of a plan in an environment, for every target and step."""

    def __init__(
        self,
        inventory: Inventory,
        plan: ReleasePlan,
        environment: str | None,
        command_line: Mapping[str, Value | SecretRef],
        answers: Mapping[object, Value | SecretRef] | None = None,
    ) -> None:
        """``answers``: by ``prompts.key_of``, the values of variables that a person is asked for."""
        self._answers = answers or {}
        self._inventory = inventory
        self._environment = environment
        self._plan = plan
        self._paths = dict(step_paths(plan.steps))
        self._definitions = tuple(collect(inventory, plan, environment, command_line))
        self._everywhere = frozenset(definition.name for definition in self._definitions)
        self._of_target: dict[str, list[Definition]] = {}
        for definition in self._definitions:
            if definition.scope.target is not None:
                self._of_target.setdefault(definition.scope.target, []).append(definition)
        words = {word for d in self._definitions for word in (d.scope.step, d.step_id) if word is not None}
        self._special = tuple(step for step in plan.walk() if words & {step.id, step.name})
        self._special_ids = frozenset(step.id for step in self._special)
        self._shared: dict[tuple[frozenset[str], tuple[str, ...]], _Candidates] = {}
        self._views: dict[tuple[str | None, tuple[str, ...]], _View] = {}

    def chosen(self, *, target: str | None, step: Step | None = None) -> Mapping[str, Chosen]:
        """Which definition of every variable wins there; nothing is rendered."""
        return self._view(target, step).chosen

    def prompts(self) -> tuple[tuple[str, Prompt], ...]:
        """The variables that a person is asked for: those that win for a target of the environment, or on the
        controller. By name, in the order of the files; of several that ask the same, all.
        """
        found: dict[Position, tuple[str, Prompt]] = {}
        if not any(isinstance(definition.value, Prompt) for definition in self._definitions):
            return ()
        for target in (*targets_of(self._inventory, self._environment), None):
            for step in (None, *self._special):
                for name, chosen in self.chosen(target=target, step=step).items():
                    if isinstance(chosen.definition.value, Prompt):
                        found.setdefault(chosen.definition.value.position, (name, chosen.definition.value))
        files = {definition.origin.file: None for definition in self._definitions}
        order = {file: number for number, file in enumerate(files)}
        return tuple(found[at] for at in sorted(found, key=lambda at: (order.get(at.file, len(order)), at)))

    def values(self, *, target: str | None, step: Step | None = None) -> Mapping[str, Resolved]:
        """Every variable that has a value there, resolved when it is asked for.

        Asking raises TemplateProblem for a value whose template cannot be rendered; after ``load`` none is left for
        the environment's targets. With ``target`` None: what does not depend on a target.
        """
        return self._view(target, step).resolved

    def names(self, *, target: str | None, step: Step | None = None) -> Mapping[str, Any]:
        """What templates may use there: variables by name, ``vars``, ``release``, ``project``, …; see ``values``."""
        return self._view(target, step).names

    def problems(self) -> list[Problem]:
        """What is wrong with the variables for any target of the environment and any step; each place said once."""
        found = {*self._naming_problems(), *scope_problems(self._definitions, self._inventory, self._plan)}
        rendering: dict[Position, Problem] = {}
        for target in targets_of(self._inventory, self._environment):
            for step in (None, *self._special):
                view = self._view(target, step)
                found.update(view.ties())
                for problem in view.rendering_problems():
                    rendering.setdefault(problem.position, problem)
        return sorted({*found, *rendering.values()})

    def _view(self, target: str | None, step: Step | None) -> _View:
        path = self._paths.get(step.id, ()) if step is not None else ()
        path = tuple(item for item in path if item.id in self._special_ids)
        key = (target, tuple(item.id for item in path))
        if key not in self._views:
            tags = frozenset(self._inventory.targets[target].tags) if target is not None else frozenset()
            if (tags, key[1]) not in self._shared:
                general = (definition for definition in self._definitions if definition.scope.target is None)
                self._shared[tags, key[1]] = _Candidates(Place(self._environment, tags, path), general)
            chosen = self._shared[tags, key[1]].chosen_with(
                self._of_target.get(target, ()) if target is not None else ()
            )
            self._views[key] = _View(chosen, self._builtins(target), self._everywhere, self._answers)
        return self._views[key]

    def _builtins(self, target: str | None) -> dict[str, Any]:
        known: dict[str, Any] = {
            "release": self._plan.release,
            "project": self._plan.project,
            "environment": self._environment,
            "target": target,
            "tags": self._inventory.targets[target].tags if target is not None else None,
        }
        return {name: value for name, value in known.items() if value is not None}

    def _naming_problems(self) -> Iterator[Problem]:
        exported: dict[str, str] = {}
        for definition in self._definitions:
            name = definition.name
            if name in RESERVED:
                yield Problem(definition.origin, f"'{name}' means something else in templates: choose another name")
            if (other := exported.setdefault(shell_name(name), name)) != name:
                message = f"'{name}' and '{other}' are both ${shell_name(name)} in a script: rename one"
                yield Problem(definition.origin, message)


def targets_of(inventory: Inventory, environment: str | None) -> tuple[str, ...]:
    """The names of the targets of an environment, in the order of the inventory; all of them where it has none."""
    return tuple(
        name for name, target in inventory.targets.items() if environment is None or environment in target.environments
    )


class _Candidates:
    """Definitions that hold at a place whatever the target's name is, and the winners among them."""

    def __init__(self, place: Place, definitions: Iterator[Definition]) -> None:
        self._place = place
        self._ranked: dict[str, list[tuple[Rank, Definition]]] = {}
        self._add(self._ranked, definitions)
        self._chosen = {name: _choose(ranked) for name, ranked in self._ranked.items()}

    def chosen_with(self, own: Sequence[Definition]) -> dict[str, Chosen]:
        """The winners when a target's own definitions are looked at too."""
        ranked: dict[str, list[tuple[Rank, Definition]]] = {}
        self._add(ranked, iter(own))
        return self._chosen | {
            name: _choose([*self._ranked.get(name, ()), *candidates]) for name, candidates in ranked.items()
        }

    def _add(self, ranked: dict[str, list[tuple[Rank, Definition]]], definitions: Iterator[Definition]) -> None:
        for definition in definitions:
            if (rank := self._place.rank(definition)) is not None:
                ranked.setdefault(definition.name, []).append((rank, definition))


def _choose(ranked: list[tuple[Rank, Definition]]) -> Chosen:
    ordered = sorted(ranked, key=lambda pair: pair[0], reverse=True)
    best, winner = ordered[0]
    equal = [other for rank, other in ordered[1:] if rank == best]
    tie = next((other for other in equal if as_written(other.value) != as_written(winner.value)), None)
    return Chosen(winner, tuple(definition for _, definition in ordered[1:]), tie)


class _View:
    """The variables of one target and step, each rendered at most once."""

    def __init__(
        self,
        chosen: Mapping[str, Chosen],
        builtins: Mapping[str, Any],
        everywhere: frozenset[str],
        answers: Mapping[object, Value | SecretRef],
    ) -> None:
        self.chosen = chosen
        self._answers = answers
        self._values: dict[str, Value | SecretRef] = {}
        self._open: list[str] = []
        variables = _Lazy(chosen, self._value)
        self.resolved: Mapping[str, Resolved] = _Lazy(chosen, self._resolve)
        self.names: Mapping[str, Any] = _Names(variables, {**builtins, "vars": variables}, everywhere)

    def _value(self, name: str) -> Value | SecretRef:
        if name not in self._values:
            if name in self._open:
                raise self._circle(self._open[self._open.index(name) :])
            self._open.append(name)
            try:
                self._values[name] = self._evaluated(name, self.chosen[name].definition.value)
            finally:
                self._open.pop()
        return self._values[name]

    def _evaluated(self, name: str, written: Expr) -> Value | SecretRef:
        if not isinstance(written, Prompt):
            value: Value | SecretRef = evaluate(written, self.names)
            return value
        if key_of(written) not in self._answers:
            raise Unanswered(name, written)
        return self._answers[key_of(written)]

    def _circle(self, names: list[str]) -> TemplateProblem:
        start = names.index(min(names))
        circle = [*names[start:], *names[:start], names[start]]
        message = f"these variables refer to each other in a circle: {' → '.join(circle)}"
        return TemplateProblem(self.chosen[circle[0]].definition.origin, message)

    def _resolve(self, name: str) -> Resolved:
        chosen = self.chosen[name]
        return Resolved(self._value(name), chosen.definition.origin, chosen.definition.source, chosen.beaten)

    def ties(self) -> Iterator[Problem]:
        for chosen in self.chosen.values():
            if (problem := tie_problem(chosen)) is not None:
                yield problem

    def rendering_problems(self) -> Iterator[Problem]:
        """Circles and templates that cannot be rendered."""
        for name, chosen in self.chosen.items():
            try:
                value = self._value(name)
            except TemplateProblem as problem:
                yield problem.problem
                continue
            if not isinstance(value, SecretRef) and find_secret(value) and not find_secret(chosen.definition.value):
                yield Problem(chosen.definition.origin, "a secret must be the whole value of a variable")


class _Lazy(Mapping[str, Any]):
    """A map whose values are computed by key."""

    def __init__(self, keys: Mapping[str, Chosen], value: Callable[[str], Any]) -> None:
        self._keys = keys
        self._value = value

    def __getitem__(self, name: str) -> Any:
        if name not in self._keys:
            raise KeyError(name)
        return self._value(name)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Names(Mapping[str, Any]):
    """What templates may use: the built-in names, and the variables whose names are identifiers."""

    def __init__(self, variables: Mapping[str, Any], builtins: Mapping[str, Any], everywhere: frozenset[str]) -> None:
        self._variables = variables
        self._builtins = builtins
        self._everywhere = everywhere

    def __getitem__(self, name: str) -> Any:
        return self._builtins[name] if name in self._builtins else self._variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self._builtins or name in self._variables

    def __iter__(self) -> Iterator[str]:
        yield from self._builtins
        yield from (name for name in self._variables if name.isidentifier() and name not in self._builtins)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def why_missing(self, name: str) -> str | None:
        """What to say of a name that is known elsewhere, but not here."""
        if name in self._everywhere:
            where = f"on {self._builtins['target']}" if "target" in self._builtins else "here"
            return f"the variable '{name}' has no value {where}: none of its scopes matches"
        return _WHY_MISSING.get(name)


def exported(values: Mapping[str, Resolved]) -> dict[str, str]:
    """What scripts get under each variable's shell name, as text; secrets are left out (SPEC section 4)."""
    return {
        shell_name(name): to_text(resolved.value)
        for name, resolved in values.items()
        if not isinstance(resolved.value, SecretRef)
    }
