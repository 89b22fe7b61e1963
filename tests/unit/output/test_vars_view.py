"""How ``vars`` reads: one line a variable, reasons below, nothing that a terminal would take for its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from octo_ssh.errors import Position
from octo_ssh.model.reports import Said, Standing, VariableRow, VariablesReport
from octo_ssh.model.values import EnvSource, Prompt, SecretRef, Template
from octo_ssh.output.document import to_text
from octo_ssh.output.reports import report_document
from octo_ssh.output.vars_view import vars_lines

AT = Position("plan.yaml", 3, 5)
TOKEN = SecretRef(EnvSource("TOKEN"), AT)


def row(name: str, value: Any, standing: Standing = Standing.VALUE, **keys: Any) -> VariableRow:
    said = keys.pop("said", Said(value, AT, "plan"))
    return VariableRow(
        name, name.replace(".", "_"), standing, value, keys.pop("note", ""), said, keys.pop("beaten", ())
    )


def lines(*rows: VariableRow, explain: bool = False, step: str | None = None) -> list[str]:
    report = VariablesReport("web-01", "staging", step, rows)
    return [line.text.rstrip() for line in vars_lines(report, explain=explain)]


def test_a_variable_has_a_line() -> None:
    assert lines(row("a", 1), row("Project.Color", "red"), step="Deploy") == [
        "web-01 in staging, step Deploy: 2 variables",
        "  a              1",
        "  Project.Color  red",
    ]


def test_without_variables_there_is_the_title() -> None:
    assert lines() == ["web-01 in staging: 0 variables"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain text", "plain text"),
        ("", '""'),
        ("8080", '"8080"'),
        ("true", '"true"'),
        ("null", '"null"'),
        (" x", '" x"'),
        ("a\nb", '"a\\nb"'),
        ('"x"', '"\\"x\\""'),
        ("[x", '"[x"'),
        ("\x1b[31mred\u202e", '"red"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (("a", {"b": (1, None)}), '["a", {"b": [1, null]}]'),
        (Template("x${{ y }}", AT), "x${{ y }}"),
        (TOKEN, "secret from environment variable TOKEN"),
        (Prompt("Which?", None, False, False, AT), "asked for: Which?"),
        (Prompt("Which?", 3, True, False, AT), "asked for: Which?, else 3"),
        (Prompt("Pass", None, False, True, AT), "secret, asked for: Pass"),
    ],
)
def test_a_value_reads_as_what_it_is(value: Any, shown: str) -> None:
    assert lines(row("a", value))[1] == f"  a  {shown}"


@pytest.mark.parametrize(
    ("standing", "shown"),
    [
        (Standing.WAITS, "(needs the answer for 'x')"),
        (Standing.ABSENT, "(no value: needs the answer for 'x')"),
        (Standing.WRONG, "wrong: needs the answer for 'x'"),
    ],
)
def test_what_has_no_value_says_why(standing: Standing, shown: str) -> None:
    assert lines(row("a", None, standing, note="needs the answer for 'x'"))[1] == f"  a  {shown}"


def test_explained_is_where_it_was_said_what_was_written_and_what_it_beat() -> None:
    found = row(
        "Project.Url",
        "http://db/",
        said=Said(Template("http://${{ db }}/", AT), AT, "step Deploy"),
        beaten=(Said(TOKEN, Position("inventory.yaml", 9, 1), "tag web"), Said("8080", Position("--var"), "plan")),
    )
    assert lines(found, explain=True)[1:] == [
        "  Project.Url  http://db/",
        "                 from step Deploy, plan.yaml:3:5",
        "                 written http://${{ db }}/",
        "                 in scripts $Project_Url",
        "                 beats secret from environment variable TOKEN from tag web, inventory.yaml:9:1",
        '                 beats "8080" from plan, --var',
    ]


def test_the_document_holds_all_of_it_and_no_secret() -> None:
    found = row("token", TOKEN, Standing.SECRET, beaten=(Said(Prompt("Which?", 3, True, False, AT), AT, "inventory"),))
    document = json.loads(to_text(report_document("vars", VariablesReport("web-01", None, None, (found,)))))
    assert document["vars"]["variables"] == [
        {
            "name": "token",
            "exported": "token",
            "standing": "secret",
            "value": {"secret": "environment variable TOKEN"},
            "note": "",
            "said": {
                "written": {"secret": "environment variable TOKEN"},
                "origin": "plan.yaml:3:5",
                "source": "plan",
            },
            "beaten": [
                {
                    "written": {
                        "text": "Which?",
                        "default": 3,
                        "has_default": True,
                        "secret": False,
                        "position": "plan.yaml:3:5",
                    },
                    "origin": "plan.yaml:3:5",
                    "source": "inventory",
                }
            ],
        }
    ]
