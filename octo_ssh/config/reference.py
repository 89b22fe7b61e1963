"""docs/reference.md: every key of both files, made from the shapes that validate them. ``make reference`` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from octo_ssh.config.inventory_shapes import (
    BecomeShape,
    DynamicShape,
    EnvironmentShape,
    FreezeShape,
    InventoryShape,
    TagShape,
    TargetShape,
)
from octo_ssh.config.json_schema import FRAGMENTS, NOT_BUILT, definition_name, describe, required_keys, spoken
from octo_ssh.config.plan_part_shapes import (
    BecomeStepShape,
    ConfigureShape,
    ProbeShape,
    RestartShape,
    RetryShape,
    RollingShape,
)
from octo_ssh.config.plan_shapes import DriftShape, ExpectedShape, PackageShape, PlanShape
from octo_ssh.config.plan_step_shapes import (
    ActingShape,
    ApproveShape,
    CheckShape,
    FileShape,
    GroupShape,
    PackageStepShape,
    RunShape,
    ScriptedShape,
    ServiceShape,
    StepShape,
    WorkShape,
)
from octo_ssh.config.schema import Shape

SHAPES: dict[type[Shape], str] = {
    InventoryShape: "The inventory",
    TargetShape: "Targets",
    BecomeShape: "become of a target",
    EnvironmentShape: "Environments",
    FreezeShape: "freezes",
    TagShape: "Tags",
    DynamicShape: "dynamic",
    PlanShape: "The plan",
    PackageShape: "Packages",
    DriftShape: "drift",
    ExpectedShape: "Expected drift",
    StepShape: "Keys of every step",
    WorkShape: "Keys of every step but approve",
    ActingShape: "Keys of every step but approve and groups",
    ScriptedShape: "Keys of run, package, file and check steps",
    PackageStepShape: "Package steps",
    RunShape: "Run steps",
    FileShape: "File steps",
    ServiceShape: "Service steps",
    CheckShape: "Checks",
    ApproveShape: "Approvals",
    GroupShape: "Groups",
    RollingShape: "rolling",
    ProbeShape: "check and verify",
    ConfigureShape: "configure",
    RestartShape: "restart",
    RetryShape: "retry",
    BecomeStepShape: "become of a step",
}
"""The titles of every shape, in the order of the page."""
_BEFORE = {
    InventoryShape: "## Inventory\n",
    PlanShape: "## Plan\n",
    StepShape: "### Steps\n\nA step has the keys of every step and those of its kind.\n",
}
_INTRODUCTION = """\
# Reference: every key of inventory and plan

This page is made from the definitions that validate the files: `make reference` writes it, and a test compares the two.
For editors, `octo-ssh schema inventory` and `octo-ssh schema plan` print the same as JSON Schema: write one to a file,
and put `# yaml-language-server: $schema=plan.schema.json` at the top of the plan.

**Types.** *text* is a string that is not empty and is never a template. *text or template* may hold `${{ … }}`. *shell*
is never a template: its variables are in the environment. A *duration* has a unit: `500ms`, `30s`, `10m`, `2h`, `1d`,
and a *size* has one: `512KiB`, `64MiB`, `1GiB`. A *number or share* of targets is `3` or `25%`. A key without a default
is left out where nothing needs to be said; a **bold** key must be there. Paths are relative to the file in which they
stand.
"""
_VALUES = """\
## Values

A variable, an item of `env` and a value of `configure.set` hold data: text, numbers, booleans, lists, maps. Text may be
a template. A map with one of these keys alone is something else:

| Form | What it is |
| --- | --- |
| `{value: …}` | The data itself, never a template. |
| `{secret: …}` | A [secret](#secret). |
| `{prompt: {text: …, default: …, secret: true}}` | What a person answers, once in a run. A whole variable only. |
| `{scoped: [{value: …, environment: …}, …]}` | The row that matches and says most. A whole variable only. |

A row of `scoped` has a `value`, and any of `environment`, `target`, `tag` and `step`: all that it has must match.
"""


def reference() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections(), _VALUES, _secret()])


def write(path: str) -> None:
    """Write the page."""
    with open(path, "w", encoding="utf-8") as page:
        page.write(reference())


def _sections() -> Iterator[str]:
    for shape, title in SHAPES.items():
        if shape in _BEFORE:
            yield _BEFORE[shape]
        depth = "####" if issubclass(shape, StepShape) else "###"
        yield f"{depth} {title}\n"
        if not title.startswith("Keys"):
            yield f"{spoken(shape.__doc__ or '')}\n"
        yield _table(shape)


def _table(shape: type[Shape]) -> str:
    """The keys that a shape adds to those that it builds on."""
    inherited = {key for base in shape.__bases__ if issubclass(base, Shape) for key in describe(base)}
    required = {*required_keys(shape), *shape.one_of}
    lines = ["| Key | Type | Default | Example | Description |", "| --- | --- | --- | --- | --- |"]
    for key, schema in describe(shape).items():
        if key in inherited:
            continue
        name = f"**`{key}`**" if key in required_keys(shape) else f"`{key}`"
        examples = " or ".join(_code(example) for example in schema["examples"])
        default = _code(schema["default"]) if "default" in schema and key not in required else ""
        about = spoken(schema["description"])
        if NOT_BUILT in schema:
            about = f"*Not built yet, and refused so far.* {about}"
        cells = (name, _type(schema), default, examples, about)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _type(schema: dict[str, Any]) -> str:
    """What a key may hold, in words."""
    match schema:
        case {"x-words": str(words)}:
            return words
        case {"x-see": "secret"}:
            return "[secret](#secret)"
        case {"x-see": str(name)}:
            return f"[map](#{_anchor(name)})"
        case {"anyOf": [{"type": _} as one, {"type": "array", "items": items}]} if one == items:
            return f"{_type(one)}, or list"
        case {"anyOf": list(choices)}:
            return "; ".join(map(_type, choices))
        case {"const": value}:
            return _code(value)
        case {"enum": list(words)}:
            return " or ".join(map(_code, words))
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": {"x-see": str(name)}}:
            return f"map of [{definition_name(name)}s](#{_anchor(name)})"
        case {"type": "integer"}:
            return "whole number"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": str(name)}:
            return name
        case _:
            return "map"


def _anchor(name: str) -> str:
    """Where on the page a shape is, as Markdown's readers call it."""
    title = next(title for shape, title in SHAPES.items() if shape.__name__ == name)
    return title.lower().replace(" ", "-")


def _code(value: Any) -> str:
    """A value as a file could say it, in one line."""
    return f"`{_flow(value)}`"


def _flow(value: Any, *, inside: bool = False) -> str:
    match value:
        case dict():
            pairs = [f"{_flow(key, inside=True)}: {_flow(item, inside=True)}" for key, item in value.items()]
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(_flow(item, inside=True) for item in value) + "]"
        case str() if _needs_quotes(value, inside=inside):
            return json.dumps(value, ensure_ascii=False)
        case str():
            return value
        case _:
            return json.dumps(value)


_NUMBERS = re.compile(r"[0-9.]+")
_PLAIN_START = re.compile(r"[A-Za-z0-9_./~$-]")
_FLOW_MARKS = re.compile(r"[,\[\]{}]")


def _needs_quotes(text: str, *, inside: bool) -> bool:
    """Whether a text must or should be quoted in YAML, inside of a list or map or outside."""
    plain = _PLAIN_START.match(text) and text.isprintable() and ": " not in text and " #" not in text
    return not plain or _NUMBERS.fullmatch(text) is not None or (inside and _FLOW_MARKS.search(text) is not None)


def _secret() -> str:
    """The sources of a secret."""
    lines = ["### Secret\n", "A secret never stands in a file: `{secret: …}` says where it comes from. One of:\n"]
    lines += ["| Key | Type | Example | Description |", "| --- | --- | --- | --- |"]
    for key, schema in FRAGMENTS["secret_source"]["properties"].items():
        cells = (f"`{key}`", _type(schema), _code({"secret": {key: schema["examples"][0]}}), schema["description"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
