"""A run's plan as one JSON document: what ``plan --json`` prints and what ``plan_made`` carries.

Values of variables are left out, only their names are told: a plan may be pasted into a ticket.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from octo_ssh.model.plan import CheckStep, GroupStep, PackageStep, RunStep, Step
from octo_ssh.model.values import SecretRef
from octo_ssh.model.work import (
    HttpWork,
    LateText,
    PackageWork,
    Planned,
    PlannedStep,
    ProbeWork,
    RunPlan,
    ScriptValue,
    ScriptWork,
    Work,
)
from octo_ssh.output.document import Document, plain_data

FORMAT = 1


def plan_document(plan: RunPlan) -> Document:
    """The whole plan, steps in order and nested as in the file."""
    outcomes = Counter(planned.outcome.value for step in plan.walk() for planned in step.planned.values())
    document: Document = plain_data(
        {
            "format": FORMAT,
            "project": plan.project,
            "release": plan.release,
            "environment": plan.environment,
            "targets": plan.targets,
            "changing": plan.changing,
            "unreachable": plan.unreachable,
            "max_failures": plan.max_failures,
            "skip_unreachable": plan.skip_unreachable,
            "outcomes": outcomes,
        }
    )
    return {**document, "steps": [_step(step) for step in plan.steps]}


def step_kind(step: Step) -> str:
    """The key that makes a step what it is in the file."""
    match step.kind:
        case PackageStep():
            return "package"
        case RunStep():
            return "run"
        case CheckStep():
            return "check"
        case GroupStep():
            return "steps"
        case _:
            assert_never(step.kind)


def _step(step: PlannedStep) -> Document:
    document: Document = plain_data(
        {
            "id": step.step.id,
            "name": step.step.name,
            "kind": step_kind(step.step),
            "once": step.step.once,
            "max_parallel": step.max_parallel,
            "rolling": step.window,
            "targets": step.targets,
        }
    )
    document["planned"] = {name: _planned(planned) for name, planned in step.planned.items()}
    document["steps"] = [_step(child) for child in step.children]
    return document


def _planned(planned: Planned) -> Document:
    document: Document = plain_data({"outcome": planned.outcome, "reason": planned.reason})
    document["work"] = None if planned.work is None else _work(planned.work)
    return document


def _work(work: Work) -> Document:
    match work:
        case PackageWork():
            return _package(work)
        case ScriptWork():
            return {"kind": "script", **_script(work)}
        case ProbeWork():
            return {"kind": "probe", **_probe(work)}
        case _:
            assert_never(work)


def _script(work: ScriptWork) -> Document:
    document: Document = plain_data(
        {
            "as": work.sudo_user,
            "cwd": work.cwd,
            "timeout_s": work.timeout_s,
            "digest": work.digest,
            "variables": sorted(name for name, value in work.env.items() if not _is_secret(value)),
            "secrets": sorted(name for name, value in work.env.items() if _is_secret(value)),
        }
    )
    return document


def _is_secret(value: ScriptValue) -> bool:
    return isinstance(value, (SecretRef, LateText))


def _probe(work: ProbeWork) -> Document:
    times: Document = plain_data({"as": work.sudo_user, "within_s": work.within_s, "every_s": work.every_s})
    match work.what:
        case HttpWork():
            return {**times, "http": plain_data(work.what)}
        case script:
            return {**times, "command": _script(script)}


def _package(work: PackageWork) -> Document:
    document: Document = plain_data(
        {
            "kind": "package",
            "package": work.package,
            "to": work.to,
            "folder": work.folder,
            "previous": work.previous,
            "base": work.base,
            "build": work.build,
            "switch": work.switch,
            "files": len(work.manifest.entries),
            "bytes": work.manifest.bytes,
            "lacking_files": work.lacking_files,
            "lacking_bytes": work.lacking_bytes,
            "manifest": work.manifest.sha256,
            "shared": work.shared,
            "seeds": work.seeds,
            "keep": work.keep,
            "as": work.sudo_user,
            "owed": work.owed,
            "repaired": work.repaired,
            "extra": work.extra,
        }
    )
    return {
        **document,
        "activate": None if work.activate is None else _script(work.activate),
        "verify": None if work.verify is None else _probe(work.verify),
    }
