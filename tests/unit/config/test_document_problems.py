"""Documents that are not YAML 1.2 as octo-ssh reads it: each with the line that the user sees."""

from __future__ import annotations

import pytest
import yaml

from octo_ssh.config.document import parse_document
from octo_ssh.config.problems import Problems

BAD: list[tuple[str, str, list[str]]] = [
    (
        "empty file",
        "",
        ["f.yaml: this document is empty: it must hold a map of keys"],
    ),
    (
        "only a comment",
        "# nothing\n",
        ["f.yaml: this document is empty: it must hold a map of keys"],
    ),
    (
        "reserved at sign",
        "user: @admin\n",
        ["f.yaml:1:7: this is not YAML: quote this value"],
    ),
    (
        "reserved backtick",
        "a: 1\nb: `date`\n",
        ["f.yaml:2:4: this is not YAML: quote this value"],
    ),
    (
        "reserved percent",
        "a: %d\n",
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "glob as an alias",
        "include: *.yaml\n",
        ["f.yaml:1:10: this is not YAML: quote this value"],
    ),
    (
        "glob in a list",
        "include:\n  - *.yaml\n",
        ["f.yaml:2:5: this is not YAML: quote this value"],
    ),
    (
        "alias without anchor",
        "a: *base\n",
        ["f.yaml:1:4: no anchor '&base' stands before '*base': to write text, quote this value"],
    ),
    (
        "jinja braces",
        "host: {{ name }}\n",
        ["f.yaml:1:7: '{{' begins a map in a map: a template is written ${{ … }}; for text, quote this value"],
    ),
    (
        "jinja braces with text",
        "host: {{ name }}.example.net\n",
        ["f.yaml:1:7: '{{' begins a map in a map: a template is written ${{ … }}; for text, quote this value"],
    ),
    (
        "template in a flow map",
        "web: {host: ${{ name }}.example.net}\n",
        ["f.yaml:1:13: this is not YAML: quote this value"],
    ),
    (
        "list then text",
        "a: [x] y\n",
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "colon in a value",
        "message: note: this\n",
        ["f.yaml:1:10: this is not YAML: quote this value"],
    ),
    (
        "text after a quote",
        'a: "x" y\n',
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "unknown escape",
        'a: "C:\\dir"\n',
        ["f.yaml:1:7: in double quotes a backslash starts an escape: double it, or use single quotes"],
    ),
    (
        "quote never closed",
        "a: 'b\nc: d\n",
        ["f.yaml:1:4: a quote is opened here and never closed: close it"],
    ),
    (
        "bracket never closed",
        "a: [1,\nb: 2\n",
        ["f.yaml:1:4: a bracket is opened here and never closed: close it"],
    ),
    (
        "brace never closed",
        "a: {b: 1\n",
        ["f.yaml:1:4: a bracket is opened here and never closed: close it"],
    ),
    (
        "tab indents",
        "a:\n\tb: 1\n",
        ["f.yaml:2:1: a tab is used to indent here: use spaces"],
    ),
    (
        "a key of a list's entry that stands too far left",
        "steps:\n  - name: R\n  on: [web]\n    x: 1\n",
        ["f.yaml:3:3: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "a key that stands too far right",
        "steps:\n  - name: R\n      on: [web]\n",
        ["f.yaml:3:7: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "bad indentation",
        "a:\n  b: 1\n c: 2\n",
        ["f.yaml:3:2: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "map after list",
        "- a\nb: c\n",
        ["f.yaml:2:1: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "text then map",
        "a\nb: c\n",
        ["f.yaml:2:1: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "closing brace alone",
        "a: }\n",
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "dash as a value",
        "a: - b\n",
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "fold with text",
        "a: > b\n",
        ["f.yaml:1:4: this is not YAML: quote this value"],
    ),
    (
        "custom tag",
        "a: !vault x\n",
        ["f.yaml:1:4: the tag '!vault' is not read: remove it, or quote this value"],
    ),
    (
        "number tag",
        "a: !!int '3'\n",
        ["f.yaml:1:4: the tag '!!int' is not read: remove it, or quote this value"],
    ),
    (
        "duplicate key",
        "a: 1\nb: 2\na: 3\n",
        ["f.yaml:3:1: the key 'a' stands here twice: the first is at f.yaml:1:1, remove one"],
    ),
    (
        "duplicate deep",
        "t:\n  web: {}\n  web: {}\n",
        ["f.yaml:3:3: the key 'web' stands here twice: the first is at f.yaml:2:3, remove one"],
    ),
    (
        "number as key",
        "a:\n  8080: x\n",
        ['f.yaml:2:3: a key must be a string: quote it, "8080"'],
    ),
    (
        "boolean as key",
        "true: x\n",
        ['f.yaml:1:1: a key must be a string: quote it, "true"'],
    ),
    (
        "list as key",
        "[a]: b\n",
        ["f.yaml:1:1: a key must be a string, not a list or a map: quote this value"],
    ),
    (
        "empty key",
        ": b\n",
        ["f.yaml:1:1: this is not YAML: check the indentation and the ':' after each key"],
    ),
    (
        "merge key",
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        ["f.yaml:3:3: '<<' (merge) is not in YAML 1.2: write the keys out"],
    ),
    (
        "alias in itself",
        "a: &x [*x]\n",
        ["f.yaml:1:8: '*x' stands inside what it refers to: remove it"],
    ),
    (
        "second document",
        "a: 1\n---\nb: 2\n",
        ["f.yaml:2:1: a second document starts here: a file holds one, remove the '---'"],
    ),
    (
        "nul",
        "a: b\x00c\n",
        [
            (
                "f.yaml:1:5: the character U+0000 cannot stand in YAML: remove it, or write it as an "
                "escape in double quotes"
            )
        ],
    ),
    (
        "escape character",
        "a: 1\nb: \x1b[31m\n",
        [
            (
                "f.yaml:2:4: the character U+001B cannot stand in YAML: remove it, or write it as an "
                "escape in double quotes"
            )
        ],
    ),
    (
        "huge exponent",
        "commit: 12e5678\n",
        ["f.yaml:1:9: this number is too large: to write text, quote this value"],
    ),
    (
        "long number",
        "a: " + "9" * 400 + "\n",
        ["f.yaml:1:4: this number is too large: to write text, quote this value"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_a_bad_document_is_explained_at_its_place(text: str, expected: list[str]) -> None:
    problems = Problems()
    parse_document(text, "f.yaml", problems)
    assert [str(problem) for problem in problems.listing()] == expected


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_the_explanation_does_not_depend_on_libyaml(
    text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    test_a_bad_document_is_explained_at_its_place(text, expected)


def test_mistakes_that_leave_the_structure_plain_are_found_together() -> None:
    problems = Problems()
    parse_document("a: !x 1\n8080: b\na: 2\nc: 1e999\n", "f", problems)
    assert [(problem.position.line, problem.position.column) for problem in problems.listing()] == [
        (1, 4),
        (2, 1),
        (3, 1),
        (4, 4),
    ]
