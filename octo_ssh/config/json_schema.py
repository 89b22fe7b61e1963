"""JSON Schemas (draft 2020-12) of inventories and plans, made from the shapes that validate them.

What a shape cannot say, because a reader reads it on (which of two keys must stand, what a variable may hold), is in
``FRAGMENTS`` and in ``Shape.one_of``. Keys whose effect is not built yet are left out: they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from octo_ssh.config.inventory_shapes import (
    BecomeShape,
    DynamicShape,
    EnvironmentShape,
    InventoryShape,
    TagShape,
    TargetShape,
)
from octo_ssh.config.plan_kinds import SHAPES
from octo_ssh.config.plan_part_shapes import (
    BecomeStepShape,
    ConfigureShape,
    ProbeShape,
    RestartShape,
    RetryShape,
    RollingShape,
)
from octo_ssh.config.plan_shapes import DriftShape, ExpectedShape, PackageShape, PlanShape
from octo_ssh.config.schema import DURATION_SCHEMA, SIZE_SCHEMA, WORDS, NotBuilt, Shape, see
from octo_ssh.config.sizes import size_text
from octo_ssh.model.plan import Budget

Schema = dict[str, Any]

NOT_BUILT = "x-not-built"
"""In what ``describe`` gives: the key is refused so far."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string", "minLength": 1, WORDS: "text"}
_SCOPE = dict.fromkeys(("environment", "target", "tag", "step"), _TEXT)
FRAGMENTS: dict[str, Schema] = {
    "variable_name": {"pattern": "^[A-Za-z_][A-Za-z0-9_.:-]*$"},
    "environment_name": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "value": {
        "description": "Data, which may hold templates; or a value with a source: secret, prompt, scoped or value.",
        "allOf": [
            {"if": {"type": "object", "required": [key]}, "then": see(key)} for key in ("secret", "prompt", "scoped")
        ],
    },
    "secret": {
        "description": "A secret: where it comes from. It is read when a step needs it.",
        "type": "object",
        "properties": {"secret": see("secret_source")},
        "required": ["secret"],
        "additionalProperties": False,
    },
    "secret_source": {
        "description": "One of env, file, command and age.",
        "type": "object",
        "properties": {
            "env": {
                **_TEXT,
                **see("environment_name"),
                "description": "An environment variable of the controller.",
                "examples": ["SHOP_TOKEN"],
            },
            "file": {
                **_TEXT,
                "description": "A file, less one line end.",
                "examples": ["secrets/token"],
            },
            "command": {
                "description": "A program that prints it, then one element for each argument.",
                "type": "array",
                "minItems": 1,
                "items": _TEXT,
                "examples": [["pass", "show", "shop/token"]],
            },
            "age": {
                **_TEXT,
                "description": "What age encrypted: the armored text, or a file. `octo-ssh secrets` makes it.",
                "examples": ["secrets/token.age"],
            },
        },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    },
    "prompt": {
        "description": "A value that a person is asked for.",
        "type": "object",
        "properties": {
            "prompt": {
                "type": "object",
                "properties": {
                    "text": {**_TEXT, "description": "The question."},
                    "default": {"description": "What holds where nobody answers."},
                    "secret": {"type": "boolean", "description": "The answer is a secret."},
                },
                "required": ["text"],
                "additionalProperties": False,
            }
        },
        "required": ["prompt"],
        "additionalProperties": False,
    },
    "scoped": {
        "description": "Rows with a scope: the most specific that matches wins.",
        "type": "object",
        "properties": {
            "scoped": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {"value": {}, **_SCOPE},
                    "required": ["value"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["scoped"],
        "additionalProperties": False,
    },
    "sourced_text": {
        "anyOf": [
            see("secret"),
            {
                "description": "Text that is no template.",
                "type": "object",
                "properties": {"value": {"type": "string"}},
                "required": ["value"],
                "additionalProperties": False,
            },
        ]
    },
    "step": {
        "description": "One thing to do.",
        "oneOf": [see(shape.__name__) for shape in dict.fromkeys(SHAPES.values())],
    },
}


def plan_schema() -> Schema:
    """The JSON Schema of a plan."""
    return _whole("PlanShape", "octo-ssh plan", _PLAN_SHAPES)


def inventory_schema() -> Schema:
    """The JSON Schema of an inventory."""
    return _whole("InventoryShape", "octo-ssh inventory", _INVENTORY_SHAPES)


def describe(shape: type[Shape]) -> dict[str, Schema]:
    """The JSON schemas of a shape's keys, in order, for ``reference``: with ``see`` and WORDS in them.

    Those of keys that are not built yet have ``NOT_BUILT``.
    """
    raw = shape.model_json_schema()
    inner = raw.get("$defs", {}).get(shape.__name__, raw)  # under its own name where it refers to itself
    found: dict[str, Schema] = {}
    for name, field in shape.model_fields.items():
        key = field.alias or name
        schema = _without_pydantics_words(inner["properties"][key])
        schema = {"description": field.description, **schema, "examples": field.examples}
        schema.pop("default", None)
        if (default := _as_written(field.get_default(), schema)) is not None:
            schema["default"] = default
        if any(isinstance(mark, NotBuilt) for mark in field.metadata):
            schema[NOT_BUILT] = True
        found[key] = schema
    return found


def required_keys(shape: type[Shape]) -> list[str]:
    """The keys that must be there, whatever else is."""
    return [field.alias or name for name, field in shape.model_fields.items() if field.is_required()]


def spoken(text: str) -> str:
    """A description with single marks around words of files."""
    return " ".join(text.split()).replace("``", "`")


def _of_shape(shape: type[Shape]) -> Schema:
    required = required_keys(shape)
    keys = {key: schema for key, schema in describe(shape).items() if NOT_BUILT not in schema}
    for key, schema in keys.items():
        keys[key] = {"description": spoken(schema.pop("description")), **schema}
        if schema.get("type") == "object" and "minProperties" not in schema:
            keys[key]["type"] = ["object", "null"]  # nothing there is as good as nothing in it
    whole: Schema = {
        "description": spoken(shape.__doc__ or ""),
        "type": "object" if required or shape.one_of else ["object", "null"],
        "properties": keys,
        "additionalProperties": False,
    }
    if required:
        whole["required"] = required
    if shape.one_of:
        whole["oneOf"] = [{"required": [key]} for key in shape.one_of]
    return whole


def _whole(root: str, title: str, shapes: Mapping[str, type[Shape]]) -> Schema:
    """A document: the root, and at ``$defs`` what it leads to."""
    parts: dict[str, Schema] = {}
    pending = [root]
    while pending:
        name = pending.pop()
        if name not in parts:
            parts[name] = {}
            written = _of_shape(shapes[name]) if name in shapes else FRAGMENTS[name]
            parts[name] = _linked(written, pending)
    whole = parts.pop(root)
    definitions = {definition_name(name): part for name, part in sorted(parts.items())}
    return {"$schema": DIALECT, "title": title, **whole, "$defs": definitions}


def _linked(schema: Any, seen: list[str]) -> Any:
    """A part with references in place of ``see``, whose names are added to ``seen``."""
    match schema:
        case {"x-see": str(name), **others}:
            seen.append(name)
            return {"$ref": f"#/$defs/{definition_name(name)}", **_linked(others, seen)}
        case dict():
            return {key: _linked(item, seen) for key, item in schema.items() if key != WORDS}
        case list():
            return [_linked(item, seen) for item in schema]
        case _:
            return schema


def definition_name(name: str) -> str:
    """What a part is called: ``package_step`` for the shape PackageStepShape, and fragments by their names."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Shape")).lower()


def _without_pydantics_words(schema: Any) -> Any:
    """A field's schema without its titles and null, with ``see`` in place of pydantic's references."""
    match schema:
        case {"$ref": str(reference), **others}:
            return {**see(reference.rsplit("/", 1)[1]), **_without_pydantics_words(others)}
        case {"anyOf": [*choices, {"type": "null"}], **others}:
            kept = choices[0] if len(choices) == 1 else {"anyOf": choices}
            return _without_pydantics_words({**kept, **others})
        case dict():
            untouched = ("examples", "default", "const", "enum")
            return {
                key: item if key in untouched else _without_pydantics_words(item)
                for key, item in schema.items()
                if key != "title"
            }
        case list():
            return [_without_pydantics_words(item) for item in schema]
        case _:
            return schema


_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def _as_written(value: Any, schema: Schema) -> Any:
    """A default as a file would say it; None where nothing needs to be said."""
    match value:
        case _ if "const" in schema:  # only one value may be written, and that is not what holds without it
            return None
        case Budget(count=int(count)):
            return count
        case float() if schema.get(WORDS) == DURATION_SCHEMA[WORDS]:
            unit, size = next((unit, size) for unit, size in _UNITS if value % size == 0)
            return f"{value / size:g}{unit}"
        case int() if schema.get(WORDS) == SIZE_SCHEMA[WORDS]:
            return size_text(value)
        case float():
            return int(value) if value.is_integer() else value
        case str() | bool() | int():
            return value
        case _:
            return None


_PLAN_SHAPES = {
    shape.__name__: shape
    for shape in (
        PlanShape,
        PackageShape,
        DriftShape,
        ExpectedShape,
        BecomeStepShape,
        RetryShape,
        RollingShape,
        ProbeShape,
        ConfigureShape,
        RestartShape,
        *SHAPES.values(),
    )
}
_INVENTORY_SHAPES = {
    shape.__name__: shape
    for shape in (InventoryShape, TargetShape, BecomeShape, EnvironmentShape, TagShape, DynamicShape)
}
