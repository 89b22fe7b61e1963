"""YAML 1.2 core documents: what values are, where they stand, and what reading them may cost."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.document import (
    MAX_BYTES,
    MAX_NODES,
    Mapping,
    Node,
    Scalar,
    Sequence,
    parse_document,
    plain,
    read_document,
)
from octo_ssh.config.problems import Problems
from octo_ssh.config.syntax import MAX_DEPTH
from octo_ssh.errors import Position


def parse(text: str | bytes) -> Node:
    problems = Problems()
    node = parse_document(text, "f", problems)
    assert problems.listing() == ()
    assert node is not None
    return node


def wrong(text: str | bytes) -> list[str]:
    problems = Problems()
    parse_document(text, "f", problems)
    return [str(problem) for problem in problems.listing()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("null", None),
        ("~", None),
        ("none", "none"),
        ("8080", 8080),
        ("-1", -1),
        ("+1", 1),
        ("0", 0),
        ("0644", "0644"),
        ("-007", "-007"),
        ("00.5", "00.5"),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("1.2.3", "1.2.3"),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        (".", "."),
        ("'8080'", "8080"),
        ('"true"', "true"),
        ("!!str 8080", "8080"),
        ("! 8080", "8080"),
        ("|\n  8080\n", "8080\n"),
        ("a${{ b }}c", "a${{ b }}c"),
        ("=", "="),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_core_says(text: str, value: object) -> None:
    assert plain(parse(f"k: {text}")) == {"k": value}
    assert type(plain(parse(f"k: {text}"))["k"]) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(plain(parse("k: .nan"))["k"])


def test_every_node_and_key_knows_its_place() -> None:
    node = parse("a: 1\nb:\n  - x\n  - {c: 'y'}\n")
    assert isinstance(node, Mapping)
    listed = node.items["b"].value
    assert isinstance(listed, Sequence)
    assert node.items["b"].key == Position("f", 2, 1)
    assert listed.position == Position("f", 3, 3)
    assert listed.items[0] == Scalar("x", Position("f", 3, 5), "x")
    inner = listed.items[1]
    assert isinstance(inner, Mapping)
    assert inner.items["c"].key == Position("f", 4, 6)
    assert inner.items["c"].value == Scalar("y", Position("f", 4, 9), "y", quoted=True)


def test_columns_count_characters_not_bytes() -> None:
    node = parse("ключ: [ä, b]")
    assert isinstance(node, Mapping)
    listed = node.items["ключ"].value
    assert isinstance(listed, Sequence)
    assert [item.position.column for item in listed.items] == [8, 11]


def test_an_alias_is_what_its_anchor_stands_for() -> None:
    assert plain(parse("a: &x {k: [1]}\nb: *x\n")) == {"a": {"k": [1]}, "b": {"k": [1]}}


def test_json_is_yaml() -> None:
    assert plain(parse('{"a": [1, 2.5, null, true, "x"]}')) == {"a": [1, 2.5, None, True, "x"]}


def test_a_byte_order_mark_and_windows_line_ends_are_read_over() -> None:
    assert plain(parse(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")) == {"a": 1, "b": 2}


def test_a_yaml_directive_and_document_marks_are_read_over() -> None:
    assert plain(parse("%YAML 1.2\n---\na: 1\n...\n")) == {"a": 1}


texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")))
data = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(data)
def test_whatever_json_holds_is_read_back(value: Any) -> None:
    assert plain(parse("k: " + json.dumps(value, ensure_ascii=False))) == {"k": value}


@given(st.text())
def test_no_text_raises(text: str) -> None:
    problems = Problems()
    node = parse_document(text, "f", problems)
    assert node is not None or problems


@given(st.text(alphabet="ab:-[]{}'\"#&*!|>%@` \n\t,?~$", max_size=40))
def test_no_mix_of_indicators_raises(text: str) -> None:
    problems = Problems()
    node = parse_document(text, "f", problems)
    assert node is not None or problems
    for problem in problems.listing():
        assert problem.position.line <= text.count("\n") + 1


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    [problem] = wrong("\n".join(lines))
    assert problem == "f:6:15: the document holds more than 250,000 values (aliases counted): split it"


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x", "? " * 5000 + "x"])
def test_deep_nesting_is_refused(text: str) -> None:
    [problem] = wrong(text)
    assert problem.endswith("values are nested more than 100 deep here: flatten them")


def test_depth_is_counted_through_aliases() -> None:
    deep = "[" * (MAX_DEPTH // 2) + "]" * (MAX_DEPTH // 2)
    [problem] = wrong(f"a: &a {deep}\nb: {'[' * 60}*a{']' * 60}\n")
    assert problem == "f:2:64: values are nested more than 100 deep here: flatten them"


def test_nesting_up_to_the_limit_is_read() -> None:
    inner = MAX_DEPTH - 1
    assert plain(parse("a: " + "[" * inner + "]" * inner))["a"] is not None


def test_too_many_values_are_refused() -> None:
    [problem] = wrong("[" + "1," * MAX_NODES + "]")
    assert problem.endswith("the document holds more than 250,000 values (aliases counted): split it")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: \xe4\n", "f:2:4: byte 0xe4 is not UTF-8: save the file as UTF-8"),
        ("a: ä".encode("utf-16"), "f: this file is UTF-16: save it as UTF-8"),
        (b"x" * (MAX_BYTES + 1), "f: this document is larger than 4 MiB: split it"),
    ],
)
def test_bytes_that_are_no_document_are_explained(data: bytes, expected: str) -> None:
    assert wrong(data) == [expected]


def read(path: Path, named_at: Position | None = None) -> list[str]:
    problems = Problems()
    assert read_document(path, problems, named_at=named_at) is None
    return [str(problem) for problem in problems.listing()]


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100 * 1024**3)  # sparse: reading it would take the memory of the machine
    assert read(path) == [f"{path}: this file is larger than 4 MiB: split it"]


def test_a_stream_without_end_is_read_up_to_the_limit() -> None:
    assert read(Path("/dev/zero")) == ["/dev/zero: this file is larger than 4 MiB: split it"]


def test_a_missing_file_is_reported_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no.yaml"
    assert read(path) == [f"{path}: this file does not exist: check the path"]
    assert read(path, Position("plan.yaml", 4, 12)) == [
        f"plan.yaml:4:12: the file '{path}' does not exist: check the path"
    ]


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    assert read(tmp_path) == [f"{tmp_path}: this file is a folder: name a file in it"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    assert read(path) == [f"{path}: this file may not be read by this user: check its permissions"]


def test_a_path_with_a_nul_is_explained() -> None:
    assert read(Path("a\0b")) == ["a\0b: this file cannot be read: embedded null byte"]
