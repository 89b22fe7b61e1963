"""Located validation: pydantic models that are fed document nodes, not plain data.

A *shape* is a pydantic model of one map of a file. Its fields have the types of this module: each receives the node
itself, so that a mistake is reported where it stands, in the words of this product, and a value that needs its
position later (a template, a secret, a variable) keeps its node as ``Raw``. The shapes are the one definition of
keys, types, defaults and descriptions.

::

    class Become(Shape):
        user: Str = Field("root", description="Who to become.", examples=["app"])
        password: Raw | None = Field(None, description="The sudo password: a value with a source.")

    become = validate(node, Become, problems)       # None after adding what is wrong
    become.at("user")                               # Position of the value; of the map where the key is not there
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from octo_ssh.config import values
from octo_ssh.config.document import Mapping, Node, Scalar, Sequence, plain
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.sizes import SIZE_PATTERN, size_bytes
from octo_ssh.errors import Position
from octo_ssh.model.plan import Budget
from octo_ssh.model.values import Template

T = TypeVar("T")


def wrong(message: str, position: Position | None = None) -> PydanticCustomError:
    """The error a shape's own validator raises. ``position`` where the node's own will not do."""
    return PydanticCustomError("octo", "{message}", {"message": message, "position": position})


def leaf(read: Callable[[Node], Any]) -> Callable[[Any], Any]:
    """A validator from a reader that raises BadValue."""

    def validator(node: Any) -> Any:
        try:
            return read(node)
        except values.BadValue as bad:
            raise wrong(bad.message, bad.position) from None

    return validator


def _items(node: Any) -> tuple[Node, ...]:
    if not isinstance(node, Sequence):
        raise wrong("must be a list: write it as [one, two], or each after a '- '")
    return node.items


def _one_or_many(node: Any) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else (node,)


def _table(node: Any) -> dict[str, Node]:
    if isinstance(node, Scalar) and node.value is None:
        return {}
    if not isinstance(node, Mapping):
        raise wrong("must be a map: name: value")
    return {key: entry.value for key, entry in node.items.items()}


class _OneOrManySchema:
    """JSON schema of a list that may be written as its one item."""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        listed = handler(schema)
        return {"anyOf": [listed.get("items", {}), listed]}


SEE = "x-see"
WORDS = "x-words"
"""In a JSON schema: what ``json_schema`` puts something in the place of, and what ``reference`` says of a type."""


def see(name: str) -> dict[str, Any]:
    """Stands in a JSON schema for another part of it: a shape, by the name of its class, or a fragment."""
    return {SEE: name}


_PLAIN = {"type": "string", "minLength": 1, "not": {"pattern": r"\$\{\{"}}
DURATION_SCHEMA = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$", WORDS: "duration"}
SIZE_SCHEMA = {"type": "string", "pattern": f"^{SIZE_PATTERN}$", WORDS: "size"}
_BUDGET_SCHEMA = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]+)?%$"}],
    WORDS: "number or share",
}
_VARIABLES_SCHEMA = {
    "type": "object",
    "propertyNames": see("variable_name"),
    "additionalProperties": see("value"),
    WORDS: "map of [values](#values)",
}

Str = Annotated[str, BeforeValidator(leaf(values.plain_text)), WithJsonSchema({**_PLAIN, WORDS: "text"})]
"""Plain text: a number or a template is refused."""
Shell = Annotated[str, BeforeValidator(leaf(values.shell_text)), WithJsonSchema({**_PLAIN, WORDS: "shell"})]
"""Shell, which is never a template."""
Flag = Annotated[bool, BeforeValidator(leaf(values.flag))]
WholeNumber = Annotated[int, BeforeValidator(leaf(values.whole_number))]
"""Add Field(ge=…, le=…) for bounds."""
Text = Annotated[
    str | Template,
    PlainValidator(leaf(values.template_text)),
    WithJsonSchema({"type": "string", WORDS: "text or template"}),
]
"""Text that may be a template."""
Seconds = Annotated[float, PlainValidator(leaf(values.duration_s)), WithJsonSchema(DURATION_SCHEMA)]
"""A duration with its unit, as seconds."""
Bytes = Annotated[int, PlainValidator(leaf(size_bytes)), WithJsonSchema(SIZE_SCHEMA)]
"""A size with its unit, as bytes."""
TargetBudget = Annotated[Budget, PlainValidator(leaf(values.budget)), WithJsonSchema(_BUDGET_SCHEMA)]
"""A number of targets or a share of them."""
Raw = Annotated[Scalar | Sequence | Mapping, PlainValidator(lambda node: node), WithJsonSchema({})]
"""The node itself, for whoever reads it further. Where that is known, say what it may hold: another WithJsonSchema."""
VariablesNode = Annotated[Raw, WithJsonSchema(_VARIABLES_SCHEMA)]
"""Variables by name."""
SourcedNode = Annotated[Raw, WithJsonSchema(see("secret"))]
"""A secret, which never stands in a file."""
FormatVersion = Annotated[
    int, PlainValidator(leaf(values.format_version)), WithJsonSchema({"const": values.FORMAT_VERSION})
]
"""``version: 1``: the form of the file."""
Items = Annotated[tuple[T, ...], BeforeValidator(_items)]
OneOrMany = Annotated[tuple[T, ...], BeforeValidator(_one_or_many), _OneOrManySchema()]
Table = Annotated[dict[str, T], BeforeValidator(_table)]


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """Marks a field whose effect is not built yet: refused at its key, unless the value asks for nothing."""

    harmless: tuple[object, ...] = ()


_BOUNDS = {"ge": "minimum", "le": "maximum", "min_length": "minItems"}


def _with_standard_bounds(schema: Any) -> None:
    """Bounds outside a validator of ours appear under pydantic's names for them: give them JSON schema's."""
    match schema:
        case dict():
            for name, standard in _BOUNDS.items():
                if isinstance(schema.get(name), int):
                    schema[standard] = schema.pop(name)
            for inner in schema.values():
                _with_standard_bounds(inner)
        case list():
            for inner in schema:
                _with_standard_bounds(inner)
        case _:
            pass


class Shape(BaseModel):
    """A map of a file with known keys. An empty value counts as an empty map."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        json_schema_extra=_with_standard_bounds,
    )
    one_of: ClassVar[tuple[str, ...]] = ()
    """Keys of which exactly one must stand there. Whoever reads the shape on sees to it."""
    _node: Mapping = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _from_node(cls, node: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if isinstance(node, Scalar) and node.value is None:
            node = Mapping({}, node.position)
        if not isinstance(node, Mapping):
            raise wrong("must be a map: key: value")
        problems: Any = info.context
        shape = handler(_known_entries(cls, node, problems))
        shape._node = node
        return shape

    @property
    def position(self) -> Position:
        return self._node.position

    def at(self, key: str) -> Position:
        """Where the value at a key stands; where the map stands if it has no such key."""
        found = self._node.get(key)
        return found.position if found else self._node.position

    def key_at(self, key: str) -> Position:
        """Where the key itself stands; where the map stands if it has no such key."""
        entry = self._node.items.get(key)
        return entry.key if entry else self._node.position

    def item_at(self, key: str, index: int) -> Position:
        """Where an item of the list at a key stands; the value itself where it is no list."""
        found = self._node.get(key)
        return found.items[index].position if isinstance(found, Sequence) else self.at(key)

    def keys_in(self, key: str) -> dict[str, Position]:
        """Where each key of the map at a key stands; empty where there is no map."""
        found = self._node.get(key)
        return {name: entry.key for name, entry in found.items.items()} if isinstance(found, Mapping) else {}

    def has(self, key: str) -> bool:
        """Whether the key is written in the file."""
        return key in self._node.items


def _known_entries(shape: type[Shape], node: Mapping, problems: Problems) -> dict[str, Node]:
    """The entries whose keys the shape knows and whose effect is built; the others are added to ``problems``."""
    fields = {field.alias or name: field for name, field in shape.model_fields.items()}
    known: dict[str, Node] = {}
    for key, entry in node.items.items():
        field = fields.get(key)
        if field is None:
            hint = nearest(key, fields) or f": known here are {quoted_list(sorted(fields), most=30)}"
            problems.add(entry.key, f"unknown key '{key}'{hint}")
            continue
        mark = next((mark for mark in field.metadata if isinstance(mark, NotBuilt)), None)
        if mark and not _is_harmless(entry.value, mark):
            problems.add(entry.key, values.not_built(f"'{key}'"))
            continue
        known[key] = entry.value
    return known


def _is_harmless(node: Node, mark: NotBuilt) -> bool:
    return isinstance(node, Scalar) and (type(node.value), node.value) in [(type(it), it) for it in mark.harmless]


S = TypeVar("S", bound=Shape)


def validate(node: Node, shape: type[S], problems: Problems) -> S | None:
    """The shape of a node, or None after adding every mistake in it at its own position."""
    before = len(problems)
    try:
        valid = shape.model_validate(node, context=problems)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            position, message = _located(node, item)
            problems.add(position, message)
        return None
    return None if len(problems) > before else valid


def _located(root: Node, error: Any) -> tuple[Position, str]:
    """The place and the words of one of pydantic's errors."""
    node, subject = root, "this"
    for part in error["loc"]:
        match node, part:
            case Mapping(items=items), str() if part in items:
                node, subject = items[part].value, f"'{part}'"
            case Sequence(items=items), int():
                node, subject = items[part], f"each of {subject}" if not subject.startswith("each") else subject
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return node.position, f"the key '{error['loc'][-1]}' is missing here: add it"
        case "octo":
            message = context.get("message") or error["msg"]
        case "literal_error":
            words = re.findall(r"'([^']*)'", context["expected"])
            message = f"must be {context['expected']}{nearest(str(plain(node)), words)}"
        case "greater_than_equal":
            message = f"must be at least {context['ge']}"
        case "too_short":
            message = "must not be empty"
        case "less_than_equal":
            message = f"must be at most {context['le']}"
        case _:
            message = f"cannot be read: {error['msg']}"
    position = context.get("position") or node.position
    return position, f"{subject} {message}" if message.startswith(("must", "cannot be read")) else message
