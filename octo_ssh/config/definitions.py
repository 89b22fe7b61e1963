"""Definitions of variables: where each stands, what must match for it to hold, and which of two is stronger.

A definition's *scope* is what its row says together with where it stands: the variables of a step, a target, a tag or
an environment. The more specific scope wins, compared in this order: command line, step (the inner before the outer
group), target, tag, environment. Between equal scopes, what the plan says beats the inventory. What is still equal is
a tie (SPEC section 4, Variables).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from octo_ssh.config.problems import nearest
from octo_ssh.config.templates import find_secret
from octo_ssh.errors import Position, Problem
from octo_ssh.model.inventory import Inventory
from octo_ssh.model.plan import GroupStep, ReleasePlan, Step
from octo_ssh.model.values import Binding, Expr, Scope, Scoped, ScopedValue, SecretRef, Template, Value, Variables

COMMAND_LINE = Position("--var")
_KINDS = ("environment", "target", "tag", "step")


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition of a variable, with what must match for it to hold."""

    name: str
    value: Expr
    origin: Position
    source: str
    """``command line``, ``step Migrate``, ``target web-01``, ``tag web``, ``environment staging``, ``plan`` or
    ``inventory``; a row's own scope follows in brackets."""
    scope: Scope
    from_plan: bool = False
    from_command_line: bool = False
    step_id: str | None = None
    """The step in whose ``variables`` it stands."""
    conflict: str = ""
    """Where it stands, when its row asks for something else of that kind: it can never hold."""


Rank = tuple[bool, int, bool, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class Place:
    """What a definition's scope is matched with, but for the target's name."""

    environment: str | None
    tags: frozenset[str]
    path: tuple[Step, ...]
    """The groups a step stands in, outermost first, and the step."""

    def rank(self, definition: Definition) -> Rank | None:
        """How strong a definition is here; None where it does not hold. Whether its target matches is not asked."""
        scope = definition.scope
        if definition.conflict or (scope.environment is not None and scope.environment != self.environment):
            return None
        if scope.tag is not None and scope.tag not in self.tags:
            return None
        named = self._depth(scope.step) if scope.step is not None else 0
        own = self._depth(definition.step_id) if definition.step_id is not None else 0
        if named is None or own is None:
            return None
        return (
            definition.from_command_line,
            max(named, own),
            scope.target is not None,
            scope.tag is not None,
            scope.environment is not None,
            definition.from_plan,
        )

    def _depth(self, word: str) -> int | None:
        return next((depth for depth, step in enumerate(self.path, 1) if word in (step.id, step.name)), None)


def collect(
    inventory: Inventory, plan: ReleasePlan, environment: str | None, command_line: Mapping[str, Value | SecretRef]
) -> Iterator[Definition]:
    """Every definition of all files and of the command line."""
    yield from _rows(inventory.variables, "inventory", Scope())
    for name, where in inventory.environments.items():
        yield from _rows(where.variables, f"environment {name}", Scope(environment=name))
    for name, tag in inventory.tags.items():
        yield from _rows(tag.variables, f"tag {name}", Scope(tag=name))
    for name, target in inventory.targets.items():
        yield from _rows(target.variables, f"target {name}", Scope(target=name))
    yield from _rows(plan.variables, "plan", Scope(), from_plan=True)
    for step in plan.walk():
        yield from _rows(step.variables, f"step {step.name}", Scope(), from_plan=True, step_id=step.id)
    for name, value in command_line.items():
        yield Definition(name, value, COMMAND_LINE, "command line", Scope(), from_command_line=True)


def _rows(
    variables: Variables, source: str, place: Scope, *, from_plan: bool = False, step_id: str | None = None
) -> Iterator[Definition]:
    for name, binding in variables.items():
        for row in _written_rows(binding):
            words = {kind: getattr(row.scope, kind) for kind in _KINDS}
            said = ", ".join(f"{kind} {word}" for kind, word in words.items() if word is not None)
            given = {kind: getattr(place, kind) for kind in _KINDS}
            clash = any(words[kind] and given[kind] and words[kind] != given[kind] for kind in _KINDS)
            yield Definition(
                name,
                row.value,
                row.position,
                f"{source} ({said})" if said else source,
                Scope(**{kind: given[kind] if words[kind] is None else words[kind] for kind in _KINDS}),
                from_plan=from_plan,
                step_id=step_id,
                conflict=source if clash else "",
            )


def _written_rows(binding: Binding) -> tuple[ScopedValue, ...]:
    if isinstance(binding.value, Scoped):
        return binding.value.rows
    return (ScopedValue(binding.value, Scope(), binding.position),)


def step_paths(steps: tuple[Step, ...], above: tuple[Step, ...] = ()) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """By id: the groups a step stands in, outermost first, and the step itself."""
    for step in steps:
        yield step.id, (*above, step)
        if isinstance(step.kind, GroupStep):
            yield from step_paths(step.kind.steps, (*above, step))


def scope_problems(definitions: Iterable[Definition], inventory: Inventory, plan: ReleasePlan) -> Iterator[Problem]:
    """Rows that name what does not exist, rows that can never hold, secrets inside lists and maps."""
    known: dict[str, Iterable[str]] = {
        "environment": inventory.environments,
        "target": inventory.targets,
        "tag": inventory.tags,
        "step": [word for step in plan.walk() for word in (step.name, step.id)],
    }
    for definition in definitions:
        for kind, words in known.items():
            word = getattr(definition.scope, kind)
            if word is not None and word not in words:
                yield Problem(definition.origin, f"there is no {kind} '{word}'{nearest(word, words)}")
        if definition.conflict:
            message = f"this row never holds: it stands in the variables of {definition.conflict}"
            yield Problem(definition.origin, message)
        if not isinstance(definition.value, SecretRef) and (ref := find_secret(definition.value)):
            yield Problem(ref.position, "a secret must be the whole value of a variable: give it a name of its own")


def as_written(expr: Expr) -> Any:
    """A value as it was written, without where: to tell whether two definitions say the same."""
    match expr:
        case Template(text=text):
            return ("template", text)
        case Mapping():
            return {key: as_written(item) for key, item in expr.items()}
        case tuple():
            return [as_written(item) for item in expr]
        case _:
            return (type(expr), expr)
