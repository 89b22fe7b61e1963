"""Telling what kind a step is, and whether its keys belong to that kind (SPEC section 4)."""

from __future__ import annotations

from octo_ssh.config.document import Mapping
from octo_ssh.config.plan_step_shapes import (
    AnyStepShape,
    ApproveShape,
    CheckShape,
    FileShape,
    GroupShape,
    PackageStepShape,
    RunShape,
    ScriptedShape,
    ServiceShape,
    StepShape,
)
from octo_ssh.config.problems import Problems, nearest, quoted_list

SHAPES: dict[str, type[AnyStepShape]] = {
    "package": PackageStepShape,
    "run": RunShape,
    "script": RunShape,
    "file": FileShape,
    "service": ServiceShape,
    "check": CheckShape,
    "approve": ApproveShape,
    "steps": GroupShape,
}
"""By the key that says what a step does."""
NOUNS = {
    "package": "a package step",
    "run": "a run step",
    "script": "a run step",
    "file": "a file step",
    "service": "a service step",
    "check": "a check",
    "approve": "an approval",
    "steps": "a group",
}


def _keys(shape: type[StepShape]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in shape.model_fields.items())


_KEYS = {kind: _keys(shape) for kind, shape in SHAPES.items()}
_EVERY_KEY = frozenset().union(*_KEYS.values())


def kind_of(node: Mapping, problems: Problems) -> str | None:
    """The one key that says what a step does; None after saying what is wrong."""
    kinds = [key for key in SHAPES if key in node.items]
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
        problems.add(node.items[key].key, _of_another_kind(key, kind))
    return Mapping({key: entry for key, entry in node.items.items() if key not in foreign}, node.position)


def _of_another_kind(key: str, kind: str) -> str:
    owners = list(dict.fromkeys(NOUNS[name] for name, keys in _KEYS.items() if key in keys))
    if kind == "steps" and key in _keys(ScriptedShape):
        return f"'{key}' belongs to the steps inside, not to the group: move it"
    if len(owners) > 1:
        return f"{NOUNS[kind]} has no '{key}': remove it"
    return f"'{key}' belongs to {owners[0]}, and this is {NOUNS[kind]}: remove it"
