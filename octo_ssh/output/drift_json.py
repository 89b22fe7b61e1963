"""A check for drift as one JSON document, and the JSON Schema of it: what ``drift --json`` prints."""

from __future__ import annotations

from typing import Any

from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output.document import Document, plain_data
from octo_ssh.output.drift_counts import counts
from octo_ssh.output.drift_sentences import name_words
from octo_ssh.output.text import clean
from octo_ssh.planning.exit import drift_exit_code

FORMAT = 1
"""It grows by new keys; another number means that one has gone or says something else."""
Schema = dict[str, Any]


def drift_document(report: DriftReport) -> Document:
    """The whole report; ``drift_schema`` describes it."""
    document: Document = plain_data(
        {
            "format": FORMAT,
            "project": report.project,
            "environment": report.environment,
            "at": report.at,
            "seconds": report.seconds,
            "exit_code": drift_exit_code(report),
            "counts": counts(report),
            "targets": [_target(report, target) for target in report.targets],
            "gone": [{"target": target, **_finding(finding)} for target, finding in report.gone],
            "accepted": [{"target": target, **_finding(finding)} for target, finding in report.accepted],
            "expired": [_entry(entry) for entry in report.expired],
            "unused": [_entry(entry) for entry in report.unused],
        }
    )
    return document


def _target(report: DriftReport, target: TargetDrift) -> Document:
    return {
        "target": target.target,
        "state": target.state,
        "unreachable": target.unreachable,
        "hint": target.hint,
        "busy": target.busy,
        "broken": target.broken,
        "checked_before": report.before.get(target.target),
        "findings": [_seen(report, target.target, finding) for finding in target.findings],
        "steps": [_step(report, target.target, step) for step in target.steps],
    }


def _step(report: DriftReport, target: str, step: StepDrift) -> Document:
    return {
        "step": step.step,
        "name": step.name,
        "state": step.state,
        "reason": step.reason,
        "partly_unknown": step.partly_unknown,
        "unverified": step.unverified,
        "unverified_files": step.unverified_files,
        "findings": [_seen(report, target, finding) for finding in step.findings],
        "expected": [{**_finding(finding), "entry": _entry(entry)} for finding, entry in step.expected],
    }


def _seen(report: DriftReport, target: str, finding: Finding) -> Document:
    return {**_finding(finding), "diff": finding.diff, "first_seen": report.ages.get((target, finding.key))}


def _finding(finding: Finding) -> Document:
    return {
        "step": finding.step,
        "kind": finding.kind,
        "subject": _told(finding.subject),
        "was": _told(finding.was),
        "now": _told(finding.now),
    }


def _told(text: str) -> str:
    """A name as it is; one that would not be the same when it is shown, quoted and escaped as people see it."""
    return text if clean(text) == text else name_words(text)


def _entry(entry: Expected) -> Document:
    return {"path": entry.path, "reason": entry.reason, "until": entry.until.isoformat(), "step": entry.step or None}


def drift_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of the document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "octo-ssh drift --json",
        **_map("What a check for drift found.", **_REPORT),
        "$defs": {
            "entry": _map("An entry of drift.ignore.", **_ENTRY),
            "finding": _map("A difference.", **_FINDING, **_SEEN),
            "covered": _map("A difference that is expected.", **_FINDING, entry=_ref("entry", "What covers it.")),
            "gone": _map("A difference of the check before.", target=_text("Where."), **_FINDING),
            "step": _map("A step on a target.", **_STEP),
            "target": _map("A target.", **_TARGET),
        },
    }


def _map(about: str, /, **keys: Schema) -> Schema:
    """A map with these keys, all of them; a later version may add some."""
    return {"description": about, "type": "object", "properties": keys, "required": list(keys)}


def _text(about: str) -> Schema:
    return {"description": about, "type": "string"}


def _text_or_null(about: str) -> Schema:
    return {"description": about, "type": ["string", "null"]}


def _count(about: str) -> Schema:
    return {"description": about, "type": "integer", "minimum": 0}


def _flag(about: str) -> Schema:
    return {"description": about, "type": "boolean"}


def _ref(name: str, about: str) -> Schema:
    return {"description": about, "$ref": f"#/$defs/{name}"}


def _list(name: str, about: str) -> Schema:
    return {"description": about, "type": "array", "items": {"$ref": f"#/$defs/{name}"}}


def _texts(about: str) -> Schema:
    return {"description": about, "type": "array", "items": {"type": "string"}}


def _state(about: str) -> Schema:
    return {"description": about, "enum": [state.value for state in State]}


_TIME = "ISO 8601, UTC"
_COUNTS = {
    "targets": _count("Targets that were to be looked at."),
    "drifted": _count("Targets on which anything has drifted."),
    "findings": _count("Findings on all targets, less those that are expected."),
    "unknown": _count("Targets that were reached, and could not be looked at as a whole: permission denied, busy."),
    "unreachable": _count("Targets that could not be reached."),
    "pending": _count("Targets on which something was never applied, or git wants more."),
    "expected": _count("Targets on which drift.ignore covers something."),
    "in_sync": _count("Targets of which there is nothing to say."),
    "gone": _count("Findings of the check before that are there no more."),
    "accepted": _count("Findings of the check before that are there still, and that an apply has accepted."),
}
_REPORT = {
    "format": {"description": "The form of this document.", "const": FORMAT},
    "project": _text("The plan's project."),
    "environment": _text_or_null("Null where the inventory has none."),
    "at": _text(f"When the check began: {_TIME}."),
    "seconds": {"description": "How long it took.", "type": "number", "minimum": 0},
    "exit_code": {"description": "3: drift; 4: not all could be looked at; 0: neither.", "enum": [0, 3, 4]},
    "counts": _map("A target counts in each of them that is true of it.", **_COUNTS),
    "targets": _list("target", "In inventory order."),
    "gone": _list("gone", "What the check before found, and this one did not, though it looked."),
    "accepted": _list("gone", "What the check before found, and is there still: an apply has accepted it."),
    "expired": _list("entry", "Entries of drift.ignore whose end has come, and which would have covered something."),
    "unused": _list("entry", "Entries of drift.ignore that matched nothing."),
}
_TARGET = {
    "target": _text("Its name."),
    "state": _state("The worst of its steps."),
    "unreachable": _text("Why it was not looked at; empty: it was."),
    "hint": _text("What to do about that, or about its host key; it may be empty."),
    "busy": _flag("It was reached, but somebody works there."),
    "broken": _flag("It was reached, but what it said is of no use."),
    "checked_before": _text_or_null(f"When the check before looked at it: {_TIME}; null: never, or nobody knows."),
    "findings": _list("finding", "Of the target itself: its host key."),
    "steps": _list("step", "In the plan's order; then those that the plan has no more."),
}
_STEP = {
    "step": _text("Its id."),
    "name": _text("Its name; its id where the plan has it no more."),
    "state": _state("How it stands."),
    "reason": _text("Why it is unknown or pending, as a whole or in part."),
    "partly_unknown": _flag("It has drifted, and not all of it could be looked at."),
    "unverified": _flag("The manifest could be compared with nothing but the target's own record."),
    "unverified_files": _texts("Files whose content could be compared with nothing but the target's own record."),
    "findings": _list("finding", "What differs."),
    "expected": _list("covered", "What differs, and is expected."),
}
_FINDING = {
    "step": _text("The id of the step; empty for what belongs to the target itself."),
    "kind": {"description": "What is the matter.", "enum": [kind.value for kind in FindingKind]},
    "subject": _text("A path, a unit, a consequence. One with control characters, or that is no UTF-8, is quoted."),
    "was": _text("As it should be, in a word or two; it may be empty."),
    "now": _text("As it is."),
}
_SEEN = {
    "diff": _texts("Lines of a unified diff, masked."),
    "first_seen": _text_or_null(f"When a check first saw it: {_TIME}; null: nobody knows."),
}
_ENTRY = {
    "path": _text("A pattern inside a package, or the absolute path of a file."),
    "reason": _text("Why it may differ."),
    "until": _text("The last day on which it is expected, UTC: 2027-03-01."),
    "step": _text_or_null("The id of the one step that is meant; null: every one."),
}
