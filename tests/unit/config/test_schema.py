"""Located validation: shapes that are fed nodes."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator, Field

from octo_ssh.config import values
from octo_ssh.config.document import Scalar, parse_document
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import (
    Flag,
    Items,
    NotBuilt,
    OneOrMany,
    Raw,
    Seconds,
    Shape,
    Shell,
    Str,
    Table,
    TargetBudget,
    Text,
    WholeNumber,
    leaf,
    validate,
)
from octo_ssh.errors import Position
from octo_ssh.model.plan import Budget
from octo_ssh.model.values import Template


class Inner(Shape):
    """An inner map."""

    user: Str = Field("root", description="Who.")
    raw: Raw | None = None


class Outer(Shape):
    """An outer map."""

    release: Str | None = None
    host: Text | None = None
    run: Shell | None = None
    tags: OneOrMany[Str] = ()
    ports: Items[Annotated[WholeNumber, Field(ge=1, le=9)]] = ()
    table: Table[Inner] = Field({})
    within: Seconds = 30.0
    window: TargetBudget = Budget(count=1)
    begin: Str = Field("", alias="from")
    become: Inner | None = None
    mode: Annotated[Literal["fail", "skip"], BeforeValidator(leaf(values.plain_text))] = "fail"
    later: Annotated[Flag, NotBuilt((False,))] = False


class Needy(Shape):
    """A map with a key that must be there."""

    name: Str
    inner: Inner | None = None


def load(text: str) -> tuple[Outer | None, list[str]]:
    problems = Problems()
    node = parse_document(text, "f", problems)
    assert node is not None
    return validate(node, Outer, problems), [str(problem) for problem in problems.listing()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("release: 1.10", "f:1:10: 'release' must be a string: quote it, \"1.10\""),
        ("release: true", "f:1:10: 'release' must be a string: quote it, \"true\""),
        ("release:", "f:1:9: 'release' must be a string: it is empty"),
        ("release: ''", "f:1:10: 'release' must not be empty: write a value, or remove the key"),
        ("release: [a]", "f:1:10: 'release' must be a string, not a list"),
        ("release: {a: b}", "f:1:10: 'release' must be a string, not a map: quote it if it starts with '{'"),
        ("release: v${{ x }}", "f:1:10: 'release' must be plain text: templates are not read here"),
        (
            "run: echo ${{ x }}",
            "f:1:6: 'run' must be plain shell: use the environment variable, \"$NAME\", in place of ${{ name }}",
        ),
        ("tags: [a, 1]", "f:1:11: each of 'tags' must be a string: quote it, \"1\""),
        ("tags: 7", "f:1:7: 'tags' must be a string: quote it, \"7\""),
        ("ports: [1, 10]", "f:1:12: each of 'ports' must be at most 9"),
        ("ports: [0]", "f:1:9: each of 'ports' must be at least 1"),
        ("ports: 1", "f:1:8: 'ports' must be a list: write it as [one, two], or each after a '- '"),
        ("table: [a]", "f:1:8: 'table' must be a map: name: value"),
        ("table: {mapping: {usr: x}}", "f:1:19: unknown key 'usr' (did you mean 'user'?)"),
        ("table: {a: x}", "f:1:12: 'a' must be a map: key: value"),
        ("within: 30", "f:1:9: 'within' must be a duration with its unit: 30s, 30m or 30h"),
        ("within: 30 s", "f:1:9: 'within' must be a duration with its unit: 30s, 10m or 2h"),
        ("within: 400d", "f:1:9: 'within' must be a duration of at most a year"),
        ("window: 110%", "f:1:9: 'window' must be a number of targets or a share of them: 3 or 25%"),
        ("window: -1", "f:1:9: 'window' must be a number of targets or a share of them: 3 or 25%"),
        ("from: 1", "f:1:7: 'from' must be a string: quote it, \"1\""),
        ("begin: x", "f:1:1: unknown key 'begin': known here are 'become', 'from', 'host', 'later', 'mode', 'ports',"),
        ("become: {user: 1}", "f:1:16: 'user' must be a string: quote it, \"1\""),
        ("mode: skp", "f:1:7: 'mode' must be 'fail' or 'skip' (did you mean 'skip'?)"),
        ("later: true", "f:1:1: 'later' is not built yet in octo-ssh 0.1: remove it"),
        ("[a]", "f:1:1: this must be a map: key: value"),
    ],
)
def test_a_mistake_is_reported_where_it_stands(text: str, expected: str) -> None:
    shape, problems = load(text)
    assert shape is None
    [problem] = problems
    assert problem.startswith(expected)


def test_every_mistake_of_a_map_is_reported() -> None:
    _, problems = load("relese: x\nmode: x\ntable: {a: {user: 1}, b: {user: 2}}\nlater: true\n")
    assert [problem.split(": ")[0] for problem in problems] == ["f:1:1", "f:4:1", "f:3:19", "f:3:33", "f:2:7"]


def test_a_key_that_must_be_there_is_asked_for_where_it_is_missing() -> None:
    problems = Problems()
    node = parse_document("inner: {}\n", "f", problems)
    assert node is not None
    assert validate(node, Needy, problems) is None
    assert [str(problem) for problem in problems.listing()] == ["f:1:1: the key 'name' is missing here: add it"]


def test_values_keep_what_they_need_of_their_place() -> None:
    shape, problems = load(
        "host: a.${{ b }}\ntable: {x: {raw: [1]}}\nfrom: y\ntags: t\nwithin: 1.5m\nwindow: 25%\nlater: false\n"
        "become: {user: app}\nports: [1, 2]\n"
    )
    assert problems == []
    assert shape is not None
    assert shape.host == Template("a.${{ b }}", Position("f", 1, 7))
    assert shape.table["x"].raw is not None
    assert shape.table["x"].raw.position == Position("f", 2, 18)
    assert (shape.begin, shape.tags, shape.within, shape.window) == ("y", ("t",), 90.0, Budget(percent=25.0))
    assert isinstance(shape.become, Inner)
    assert shape.at("from") == Position("f", 3, 7)
    assert shape.key_at("from") == Position("f", 3, 1)
    assert shape.item_at("ports", 1) == Position("f", 9, 12)
    assert shape.item_at("tags", 0) == Position("f", 4, 7)
    assert shape.keys_in("table") == {"x": Position("f", 2, 9)}
    assert shape.at("mode") == shape.position == Position("f", 1, 1)
    assert shape.has("tags")
    assert not shape.has("mode")


def test_a_shape_describes_itself_as_json_schema() -> None:
    schema = Outer.model_json_schema()
    assert schema["additionalProperties"] is False
    one, many = schema["properties"]["tags"]["anyOf"]
    assert (one["type"], one["minLength"]) == ("string", 1)
    assert many == {"type": "array", "items": one}
    assert schema["properties"]["ports"]["items"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert "from" in schema["properties"]
    assert schema["$defs"]["Inner"]["properties"]["user"]["description"] == "Who."


def test_what_a_message_quotes_cannot_steer_a_terminal() -> None:
    problems = Problems()
    problems.add(Position("f", 1, 1), "unknown key '\x1b]0;x\x07\n': remove it")
    problems.add(Position("f", 2, 1), "'" + "x" * 10_000 + "' is wrong: shorten it")
    first, second = problems.listing()
    assert first.message == "unknown key '\\x1b]0;x\\x07\\x0a': remove it"
    assert len(second.message) < 1000
    assert second.message.endswith("is wrong: shorten it")


def test_a_number_that_reads_back_otherwise_is_refused_in_variables() -> None:
    problems = Problems()
    assert values.read_expr(Scalar(1.1, Position("f", 1, 1), "1.10"), problems) is None
    assert [str(problem) for problem in problems.listing()] == [
        'f:1:1: 1.10 is the number 1.1: quote it, "1.10", if it is a version'
    ]
    assert values.read_expr(Scalar(2.0, Position("f", 1, 1), "2.0"), Problems()) == 2.0
