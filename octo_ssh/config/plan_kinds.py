"""Telling what kind a step is, and whether its keys belong to that kind (SPEC section 4)."""

from __future__ import annotations

from octo_ssh.config.document import Mapping
from octo_ssh.config.plan_shapes import ActingShape, CheckShape, GroupShape, PackageStepShape, RunShape, StepShape
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.values import not_built

SHAPES: dict[str, type[GroupShape] | type[RunShape] | type[CheckShape] | type[PackageStepShape]] = {
    "package": PackageStepShape,
    "run": RunShape,
    "script": RunShape,
    "check": CheckShape,
    "steps": GroupShape,
}
_NOUNS = {
    "package": "a package step",
    "run": "a run step",
    "script": "a run step",
    "check": "a check",
    "steps": "a group",
}
_NOT_BUILT = ("file", "service", "approve")


def _keys(shape: type[StepShape]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in shape.model_fields.items())


_KEYS = {kind: _keys(shape) for kind, shape in SHAPES.items()}
_EVERY_KEY = frozenset().union(*_KEYS.values())


def kind_of(node: Mapping, problems: Problems) -> str | None:
    """The one key that says what a step does; None after saying what is wrong."""
    kinds = [key for key in (*SHAPES, *_NOT_BUILT) if key in node.items]
    for kind in kinds:
        if kind in _NOT_BUILT:
            problems.add(node.items[kind].key, not_built(f"the step kind '{kind}'"))
            return None
    if len(kinds) > 1:
        where = max(node.items[kind].key for kind in kinds)
        problems.add(where, f"a step does one thing, and this one has {quoted_list(kinds)}: make it two steps")
        return None
    if kinds:
        return kinds[0]
    unknown = [key for key in node.items if key not in _EVERY_KEY]
    for key in unknown:
        hint = nearest(key, _EVERY_KEY) or f": a step has one of {quoted_list(SHAPES)}"
        problems.add(node.items[key].key, f"unknown key '{key}'{hint}")
    if not unknown:
        problems.add(node.position, f"this step does nothing: add one of {quoted_list(SHAPES)}")
    return None


def only_own_keys(node: Mapping, kind: str, problems: Problems) -> Mapping:
    """The step without the keys that belong to other kinds; each of those is a problem."""
    foreign = [key for key in node.items if key in _EVERY_KEY - _KEYS[kind]]
    for key in foreign:
        if kind == "steps" and key in _keys(ActingShape):
            message = f"'{key}' belongs to the steps inside, not to the group: move it"
        else:
            owner = next(name for name, keys in _KEYS.items() if key in keys)
            message = f"'{key}' belongs to {_NOUNS[owner]}, and this is {_NOUNS[kind]}: remove it"
        problems.add(node.items[key].key, message)
    return Mapping({key: entry for key, entry in node.items.items() if key not in foreign}, node.position)
