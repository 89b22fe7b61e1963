"""What an expression uses, told from its text alone: names, keys of ``vars``, outputs of steps (SPEC section 4).

This module imports jinja2: import it inside functions only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from jinja2 import nodes

_N = TypeVar("_N", bound=nodes.Node)
_DEFAULTS = frozenset({"default", "d"})
_ASKING = frozenset({"defined", "undefined"})


@dataclass(frozen=True, slots=True)
class Output:
    """``steps.STEP.output.NAME``, or ``steps.STEP.outputs["TARGET"].NAME``."""

    step: str
    target: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Uses:
    """All that an expression uses."""

    names: frozenset[str]
    vars_keys: frozenset[str] | None
    """The keys of ``vars`` it names; None when it may use any."""
    optional_names: frozenset[str]
    """Names that may be undefined: it gives a default, or asks."""
    optional_keys: frozenset[str]
    """The same of ``vars``."""
    outputs: tuple[Output, ...]
    """In the order of the text, each once."""
    misuses_steps: bool
    """``steps`` is used in another way than for an output that the text names."""


def uses(tree: nodes.Node) -> Uses:
    """What the expression in a syntax tree uses."""
    names = Counter(node.name for node in _all(tree, nodes.Name))
    keys = [key for node in _items(tree) if (key := _vars_key(node)) is not None]
    outputs = [output for node in _items(tree) if (output := _output(node)) is not None]
    asked = [*(node.node for node in _all(tree, nodes.Filter) if node.name in _DEFAULTS)]
    asked += [node.node for node in _all(tree, nodes.Test) if node.name in _ASKING]
    return Uses(
        frozenset(names),
        frozenset(keys) if len(keys) >= names["vars"] else None,
        frozenset(node.name for node in asked if isinstance(node, nodes.Name)),
        frozenset(key for node in asked if (key := _vars_key(node)) is not None),
        tuple(dict.fromkeys(outputs)),
        len(outputs) < names["steps"],
    )


def _all(tree: nodes.Node, kind: type[_N]) -> list[_N]:
    own = [tree] if isinstance(tree, kind) else []
    return [*own, *tree.find_all(kind)]


def _items(tree: nodes.Node) -> list[nodes.Node]:
    """Every ``a.b`` and ``a["b"]``, in the order of the text."""
    own = [tree] if isinstance(tree, nodes.Getattr | nodes.Getitem) else []
    return [*own, *tree.find_all((nodes.Getattr, nodes.Getitem))]


def _item(node: nodes.Node | None) -> tuple[nodes.Node | None, str | None]:
    """``a.b`` and ``a["b"]`` as ``a`` and ``b``."""
    match node:
        case nodes.Getitem(node=owner, arg=nodes.Const(value=str(key))) | nodes.Getattr(node=owner, attr=str(key)):
            return owner, key
        case _:
            return None, None


def _vars_key(node: nodes.Node | None) -> str | None:
    owner, key = _item(node)
    return key if isinstance(owner, nodes.Name) and owner.name == "vars" else None


def _output(node: nodes.Node) -> Output | None:
    owner, name = _item(node)
    above, word = _item(owner)
    if name is None or word is None:
        return None
    if word == "output" and (step := _step(above)) is not None:
        return Output(step, None, name)
    top, kind = _item(above)
    if kind == "outputs" and (step := _step(top)) is not None:
        return Output(step, word, name)
    return None


def _step(node: nodes.Node | None) -> str | None:
    owner, step = _item(node)
    return step if isinstance(owner, nodes.Name) and owner.name == "steps" else None
