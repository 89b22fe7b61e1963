"""Values set in JSON, YAML and .properties: types kept, everything else untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from javaproperties import loads as load_properties

from octo_ssh.config.structured import SettingsError, apply_settings, is_structured
from octo_ssh.config.texts import to_text
from octo_ssh.model.values import Value

JSON = """{
  // for people
  "Logging": {"LogLevel": {"Default": "Info",},}, /* kept */
  "Ratio": 1.0e5, "Port": 80, "Debug": true, "Proxy": null,
  "Hosts": [
    {"Name": "a", "Port": 1},
    {"Name": "b"}
  ],
  "a:b": 1
}
"""
YAML = """\
# for people
port: 80 # kept
hosts:
- name: a
- &second
  name: 'b'   # kept too
text: |
  one
  two

empty:
flow: {a: , b: [1, 2 ], c}
quoted: "x"
answer: yes
folded: aa
  bb
again: *second
...
"""
PROPERTIES = """\
# for people
log.level = info
   path=C\\:\\\\app\\
      \\\\data
alone
colon:1
odd\\ key   x
"""


def put(text: str, name: str, values: dict[str, Value]) -> str:
    return apply_settings(text.encode(), values, file=name).decode()


def wrong(text: str | bytes, name: str, values: dict[str, Value]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        apply_settings(text if isinstance(text, bytes) else text.encode(), values, file=name)
    problems = raised.value.problems
    return [f"{problem.position}: {problem.message}" if problem.position else problem.message for problem in problems]


def swapped(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("Logging:LogLevel:Default", "Warn", '"Info"', '"Warn"'),
        ("Logging:LogLevel:Default", 5, '"Info"', '"5"'),
        ("Logging:LogLevel:Default", True, '"Info"', '"true"'),
        ("Logging:LogLevel:Default", 'é "x"\n', '"Info"', '"é \\"x\\"\\n"'),
        ("Logging:LogLevel:Default", None, '"Info"', "null"),
        ("Ratio", "2.5", "1.0e5", "2.5"),
        ("Port", "8080", "80,", "8080,"),
        ("Port", 8080, "80,", "8080,"),
        ("Port", "http", "80,", '"http",'),
        ("Port", "9" * 400, "80,", '"' + "9" * 400 + '",'),
        ("Port", "1e999", "80,", '"1e999",'),
        ("Debug", "False", "true", "false"),
        ("Debug", "maybe", "true", '"maybe"'),
        ("Debug", False, "true", "false"),
        ("Proxy", "http://p", "null", '"http://p"'),
        ("Proxy", 3, "null", "3"),
        ("Hosts:1:Name", "c", '"b"', '"c"'),
        ("Hosts:0:Port", 2, '"Port": 1}', '"Port": 2}'),
        ("a:b", 2, '"a:b": 1', '"a:b": 2'),
        ("Logging", '{"x": [1]}', '{"LogLevel": {"Default": "Info",},}', '{\n    "x": [\n      1\n    ]\n  }'),
        ("Hosts:0", {}, '{"Name": "a", "Port": 1}', "{}"),
        ("Debug", ("a",), "true", '[\n    "a"\n  ]'),
    ],
)
def test_in_json_one_value_changes_and_nothing_else(key: str, value: Value, old: str, new: str) -> None:
    assert put(JSON, "app.json", {key: value}) == swapped(JSON, (old, new))


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("port", 8080, "80 #", "8080 #"),
        ("port", "8080", "80 #", "8080 #"),
        ("port", "http", "80 #", "http #"),
        ("port", True, "80 #", "true #"),
        ("hosts:0:name", "c d", "name: a", "name: c d"),
        ("hosts:0:name", 8, "name: a", 'name: "8"'),
        ("hosts:0:name", "no", "name: a", 'name: "no"'),
        ("hosts:0:name", "a: b # c", "name: a", 'name: "a: b # c"'),
        ("hosts:0:name", "", "name: a", 'name: ""'),
        ("hosts:0:name", "\x7f\u2028é\x00", "name: a", 'name: "\\u007f\\u2028é\\u0000"'),
        ("hosts:1:name", "it's", "'b'", "'it''s'"),
        ("hosts:1:name", "two\nlines", "'b'", '"two\\nlines"'),
        ("hosts:1", ("x",), "&second\n  name: 'b'", '&second ["x"]'),
        ("hosts", (1, {"k": "v"}), ":\n- name: a\n- &second\n  name: 'b'", ': [1, {"k": "v"}]'),
        ("text", "three", "|\n  one\n  two", '"three"'),
        ("empty", "now", "empty:", "empty: now"),
        ("empty", {"k": 1}, "empty:", 'empty: {"k": 1}'),
        ("flow:a", 5, "a: ,", "a: 5 ,"),
        ("flow:b:1", "3", "2 ]", "3 ]"),
        ("flow:b", (), "[1, 2 ]", "[]"),
        ("flow:c", "x", "c}", "c: x}"),
        ("flow", None, "{a: , b: [1, 2 ], c}", "null"),
        ("quoted", 1, '"x"', '"1"'),
        ("quoted", "y", '"x"', '"y"'),
        ("answer", "false", "yes", "false"),
        ("answer", False, "yes", "false"),
        ("folded", "cc", "aa\n  bb", "cc"),
        ("again", "now", "*second", '"now"'),
        ("port", float("inf"), "80 #", ".inf #"),
        ("port", 1e30, "80 #", "1.0e+30 #"),
        ("flow:b", (1e30, float("nan"), True, None, "a"), "[1, 2 ]", '[1.0e+30, .nan, true, null, "a"]'),
    ],
)
def test_in_yaml_one_value_changes_and_nothing_else(key: str, value: Value, old: str, new: str) -> None:
    text = put(YAML, "app.yaml", {key: value})
    if key == "again":
        new = "now"
    assert text == swapped(YAML, (old, new))


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("log.level", "debug", "info", "debug"),
        ("log.level", 5, "info", "5"),
        ("log.level", True, "info", "true"),
        ("log.level", None, "info", ""),
        ("log.level", ("a", 1), "info", '["a", 1]'),
        ("log.level", " a=b:c # é\n", "info", "\\ a\\=b\\:c \\# \\u00e9\\n"),
        ("path", "/app", "C\\:\\\\app\\\n      \\\\data", "/app"),
        ("alone", "x", "alone", "alone=x"),
        ("colon", 2, "colon:1", "colon:2"),
        ("odd key", "y", "x\n", "y\n"),
    ],
)
def test_in_properties_one_value_changes_and_nothing_else(key: str, value: Value, old: str, new: str) -> None:
    assert put(PROPERTIES, "app.properties", {key: value}) == swapped(PROPERTIES, (old, new))
    text = to_text(value)
    assert load_properties(put(PROPERTIES, "app.properties", {key: value}))[key] == text


def test_several_values_are_set_at_once_in_any_order() -> None:
    values: dict[str, Value] = {"Hosts:1:Name": "c", "Debug": False, "Hosts:0:Name": "z"}
    expected = swapped(JSON, ('"b"', '"c"'), ("true", "false"), ('"Name": "a"', '"Name": "z"'))
    assert put(JSON, "app.json", values) == expected


def test_a_key_that_stands_there_twice_is_set_twice() -> None:
    assert put('{"a": 1, "a": 2}', "x.json", {"a": 3}) == '{"a": 3, "a": 3}'
    assert put("a=1\na=2", "x.properties", {"a": 3}) == "a=3\na=3"


def test_every_document_of_a_stream_is_set() -> None:
    assert put("a: 1\n---\nb: 1\n---\na: 2\n", "x.yml", {"a": 3}) == "a: 3\n---\nb: 1\n---\na: 3\n"


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.properties"])
@pytest.mark.parametrize("text", ["", "\ufeff"])
def test_ends_of_lines_and_a_mark_at_the_beginning_stay(name: str, text: str) -> None:
    body = {"x.json": '{\r\n  "a": {},\r\n  "b": 1}', "x.yaml": "a:\r\n  b: 1\r\nb: 1", "x.properties": "a=1\r\nb=1"}
    if name == "x.properties" and text:
        return  # Java takes the mark for a part of the first key
    done = put(text + body[name], name, {"a": {"c": 1}, "b": 2})
    assert done.startswith(text)
    assert "\n" not in done.replace("\r\n", "")
    assert done.endswith(("2}", "2"))


def test_bytes_that_are_not_utf_8_stay_in_properties() -> None:
    assert apply_settings(b"\xe9=\xff\na=1", {"a": 2}, file="x.properties") == b"\xe9=\xff\na=2"


def test_a_list_is_written_as_the_file_is_indented() -> None:
    assert put('{\n\t"a": [1]\n}', "x.json", {"a": (1, 2)}) == '{\n\t"a": [\n\t\t1,\n\t\t2\n\t]\n}'
    assert put('{"a": [1]}', "x.json", {"a": (1, {"b": "é"})}) == '{"a": [1, {"b": "é"}]}'


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Logging:LogLevel:Defalt": 1}, "(did you mean 'Logging:LogLevel:Default'?)"),
        ({"logging": {}}, "(did you mean 'Logging'?)"),
        ({"Hosts:7": 1}, "the file has no key 'Hosts:7'"),
        ({"zzz": 1}, "the file has no key 'zzz': only what stands there can be set"),
        ({"Hosts": 1}, "'Hosts' is a list in the file: name a key in it, or give a list"),
        ({"Logging": "hunter2"}, "'Logging' is a map in the file: name a key in it, or give a map"),
        ({"Logging": "[" * 9999}, "'Logging' is a map in the file"),
        ({"Hosts": (), "Hosts:0:Name": "x"}, "'Hosts:0:Name' lies in 'Hosts', which is set as a whole"),
        ({"Port": float("nan")}, "'Port' is no number that JSON has"),
        ({"Hosts": ({"a": float("inf")},)}, "'Hosts' is no number that JSON has"),
    ],
)
def test_what_cannot_be_set_is_told_and_not_shown(values: dict[str, Value], said: str) -> None:
    (told,) = wrong(JSON, "app.json", values)
    assert said in told
    assert "hunter2" not in told


def test_every_mistake_is_told_at_once() -> None:
    assert len(wrong(JSON, "app.json", {"x": 1, "y": 2, "Hosts": "no", "Port": 1})) == 3


def test_nothing_is_set_through_an_alias() -> None:
    (told,) = wrong(YAML, "app.yaml", {"again:name": "x"})
    assert told == "'again' is an alias in the file: set it where its anchor stands"


def test_a_key_of_properties_is_taken_literally() -> None:
    assert "has no key 'log:level'" in wrong("log=1\nlog.level=2", "x.properties", {"log:level": 1})[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", "", "x.json:1:1: this is not JSON: a value is missing here"),
        ("x.json", '{\n  "a": 1\n  "b": 2}', "x.json:3:3: this is not JSON: ',' or '}' is missing before this"),
        ("x.json", "{'a': 1}", "x.json:1:2: this is not JSON: a key in double quotes"),
        ("x.json", '{"a" 1}', "x.json:1:6: this is not JSON: ':' is missing"),
        ("x.json", '["a\n"]', "x.json:1:2: this is not JSON: a string begins here and is not closed"),
        ("x.json", '["\\q"]', "x.json:1:2: this is not JSON: this string has an escape"),
        ("x.json", "[01]", "x.json:1:3: this is not JSON: ',' or ']'"),
        ("x.json", "[1,,2]", "x.json:1:4: this is not JSON: a value is missing"),
        ("x.json", "1 /* never closed", "x.json:1:3: something follows the end"),
        ("x.json", "[" * 101 + "]" * 101, "x.json:1:101: values are nested more than 100 deep"),
        ("x.json", b'{"a": "\xff"}', "x.json:1:1: this is not UTF-8"),
        ("x.json", b" " * (2 << 20) + b"1", "x.json: the file is larger than 2 MiB"),
        ("x.yaml", "a: [1\n", "x.yaml:1:4: a bracket is opened here and never closed"),
        ("x.yaml", "a: b: c\n", "x.yaml:1:4: this is not YAML: quote this value"),
        ("x.yaml", "a: \x00\n", "x.yaml:1:1: this is not YAML: it holds a character"),
        ("x.yaml", "- " * 101 + "a", "x.yaml:1:201: values are nested more than 100 deep"),
        ("x.properties", "a=1\nb=\\u12", "x.properties:2:1: an escape begins here"),
    ],
)
def test_a_malformed_file_is_told_at_its_line(name: str, text: str | bytes, said: str) -> None:
    (told,) = wrong(text, name, {"a": 1})
    assert told.startswith(said)


def test_aliases_are_never_unfolded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 60))
    assert put(bomb + "port: 1\n", "x.yaml", {"port": 2}) == bomb + "port: 2\n"


def test_long_keys_above_many_values_cost_what_they_are_long() -> None:
    text = json.dumps({"k" * 100_000: {str(number): number for number in range(50_000)}, "b": 1})
    assert put(text, "x.json", {"b": 2}).endswith('"b": 2}')
    assert "has no key 'c'" in wrong(text, "x.json", {"c": 2})[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.json", True), ("B.YML", True), ("x.properties", True), ("x.xml", False), ("json", False), (".json", False)],
)
def test_the_form_is_told_by_the_name(name: str, expected: bool) -> None:
    assert is_structured(name) is expected


# YAML 1.1 takes three characters more for the end of a line than YAML 1.2.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.dictionaries(
    st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=5),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)),
    min_size=1,
    max_size=5,
)


def frozen(value: Any) -> Value:
    match value:
        case list():
            return tuple(map(frozen, value))
        case dict():
            return {key: frozen(item) for key, item in value.items()}
        case _:
            plain: Value = value
            return plain


def expected_in(document: dict[str, Any], key: str, value: Any) -> Any:
    """What must be read back: the value, as a text where a text stood."""
    old = document[key]
    if isinstance(old, str) and isinstance(value, bool | int | float):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return value


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], str, Any]:
    document = draw(documents)
    key = draw(st.sampled_from(sorted(document)))
    value: Any = draw(st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=3))
    if not isinstance(document[key], list | dict):
        words = ("true", "false")
        value = draw(st.just(value) | scalars.filter(lambda it: not isinstance(it, str) or it.casefold() not in words))
        if isinstance(value, str) and isinstance(document[key], int | float) and value[-1:].isdigit():
            value += "x"  # a number in a text becomes one, which the table above shows
    return document, key, value


@given(cases(), st.sampled_from([None, 2, "\t"]), st.booleans())
def test_any_json_is_read_back_with_the_value_set(case: Any, indent: int | str | None, ascii_only: bool) -> None:
    document, key, value = case
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    done = apply_settings(text.encode(), {key: frozen(value)}, file="x.json")
    assert json.loads(done) == {**document, key: expected_in(document, key, value)}
    assert list(json.loads(done)) == list(document)


@settings(deadline=None)
@given(cases(), st.sampled_from([None, False, True]), st.sampled_from([None, "'", '"', "|"]), st.booleans())
def test_any_yaml_is_read_back_with_the_value_set(
    case: Any, flow: bool | None, style: str | None, allow_unicode: bool
) -> None:
    document, key, value = case
    text = yaml.safe_dump(document, default_flow_style=flow, default_style=style, allow_unicode=allow_unicode)
    if style is not None:  # numbers and booleans are quoted and tagged: texts, to whoever reads no tags
        document = {name: item if isinstance(item, list | dict) else "" for name, item in document.items()}
    done = apply_settings(text.encode(), {key: frozen(value)}, file="x.yaml")
    before, after = yaml.safe_load(text), yaml.safe_load(done)
    assert after == {**before, key: expected_in(document, key, value)}


@given(st.dictionaries(texts.filter(bool), texts, min_size=1, max_size=5), texts, st.data())
def test_any_properties_are_read_back_with_the_value_set(
    entries: dict[str, str], value: str, data: st.DataObject
) -> None:
    from javaproperties import dumps

    key = data.draw(st.sampled_from(sorted(entries)))
    separator = data.draw(st.sampled_from(["=", " = ", ": ", " "]))
    text = "# first\n" + dumps(entries, separator=separator, timestamp=False)
    done = apply_settings(text.encode("latin-1"), {key: value}, file="x.properties").decode("latin-1")
    assert load_properties(done) == {**entries, key: value}


@given(st.text(alphabet="{}[]\",:/*\\ \n01tan-&?|>#'k", max_size=40), st.sampled_from(["json", "yaml", "properties"]))
def test_whatever_a_file_holds_ends_well(text: str, name: str) -> None:
    try:
        done = put(text, f"x.{name}", {"k": "v"})
    except SettingsError:
        return
    assert "v" in done
