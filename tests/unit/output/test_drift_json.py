"""The document of ``drift --json`` is what its published schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from octo_ssh.model.drift import DriftReport, Finding, FindingKind
from octo_ssh.output.document import to_text
from octo_ssh.output.drift_json import drift_document, drift_schema
from tests.unit.output.drifts import changed, everything, report, step, target, web

SCHEMA = Draft202012Validator(drift_schema())


def closed(schema: Any) -> Any:
    """The same schema, where no map may hold a key that is not described."""
    match schema:
        case {"properties": _}:
            return {**{key: closed(part) for key, part in schema.items()}, "additionalProperties": False}
        case dict():
            return {key: closed(part) for key, part in schema.items()}
        case list():
            return [closed(part) for part in schema]
        case _:
            return schema


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(drift_schema())


@pytest.mark.parametrize(
    "found", [everything(), report([]), report(web(2)), report([target("a", unreachable="refused")])]
)
def test_documents_fit_and_hold_nothing_that_is_not_described(found: DriftReport) -> None:
    document = json.loads(to_text(drift_document(found)))
    assert [error.message for error in Draft202012Validator(closed(drift_schema())).iter_errors(document)] == []


def test_findings_of_every_kind_fit() -> None:
    found = report([target("a", step(*(Finding("s", kind, "x") for kind in FindingKind)))])
    assert SCHEMA.is_valid(json.loads(to_text(drift_document(found))))


@pytest.mark.parametrize("key", ["format", "counts", "targets", "exit_code"])
def test_a_document_without_what_must_be_there_is_refused(key: str) -> None:
    document = drift_document(everything())
    del document[key]
    assert not SCHEMA.is_valid(document)


def test_programs_find_counts_ages_and_entries() -> None:
    document = drift_document(everything())
    assert document["exit_code"] == 3
    assert document["counts"] == {
        "targets": 10,
        "drifted": 4,
        "findings": 7,
        "unknown": 2,
        "unreachable": 1,
        "pending": 3,
        "expected": 1,
        "in_sync": 2,
        "gone": 1,
        "accepted": 0,
    }
    first = document["targets"][0]["steps"][0]["findings"][0]
    assert (first["first_seen"], first["diff"][1]) == ("2026-11-24T07:03:12Z", "-port = 80")
    [covered] = document["targets"][3]["steps"][0]["expected"]
    assert covered["entry"] == {
        "path": "var/cache/**",
        "reason": "the app writes here",
        "until": "2027-03-01",
        "step": None,
    }
    assert document["targets"][6]["busy"] is True


def test_what_to_do_and_what_was_accepted_are_told() -> None:
    refused = target("web-1", unreachable="host key is unknown", hint="review it: octo-ssh trust web-1")
    document = drift_document(report([refused], accepted=(("web-2", changed("x")),)))
    assert [error.message for error in Draft202012Validator(drift_schema()).iter_errors(document)] == []
    assert document["targets"][0]["hint"] == "review it: octo-ssh trust web-1"
    assert [row["subject"] for row in document["accepted"]] == ["x"]
    assert document["counts"]["accepted"] == 1
