"""A run's plan as one JSON document: what ``plan --json`` prints and what ``plan_made`` carries.

Values of variables are left out, only their names are told: a plan may be pasted into a ticket.
"""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from octo_ssh.model.observed import FileSeen
from octo_ssh.model.plan import (
    ApproveStep,
    CheckStep,
    FileStep,
    GroupStep,
    PackageScript,
    PackageStep,
    RunStep,
    ServiceStep,
    Step,
    When,
)
from octo_ssh.model.values import SecretRef
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    HttpWork,
    LateText,
    LateWord,
    PackageWork,
    Planned,
    PlannedStep,
    ProbeWork,
    RunPlan,
    ScriptValue,
    ScriptWork,
    ServiceWork,
    WantedFile,
    Work,
)
from octo_ssh.output.document import Document, plain_data
from octo_ssh.output.text import clean

FORMAT = 1


def plan_document(plan: RunPlan) -> Document:
    """The whole plan, steps in order and nested as in the file."""
    remembering = frozenset(plan.remembering)
    outcomes = Counter(planned.outcome.value for step in plan.walk() for planned in step.planned.values())
    document: Document = plain_data(
        {
            "format": FORMAT,
            "project": plan.project,
            "release": plan.release,
            "environment": plan.environment,
            "targets": plan.targets,
            "changing": [name for name in plan.changing if name not in remembering],
            "remembering": plan.remembering,
            "unreachable": plan.unreachable,
            "broken": plan.broken,
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
        case FileStep():
            return "file"
        case ServiceStep():
            return "service"
        case ApproveStep():
            return "approve"
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
            "when": step.step.when.value if isinstance(step.step.when, When) else step.step.when.text,
            "on_controller": step.step.on_controller,
            "starts_with_previous": step.step.starts_with_previous,
            "required": step.step.required,
            "on_failure": step.step.on_failure,
            "max_parallel": step.max_parallel,
            "rolling": step.window,
            "targets": step.targets,
        }
    )
    document["planned"] = {name: _planned(planned) for name, planned in step.planned.items()}
    document["steps"] = [_step(child) for child in step.children]
    return document


def _planned(planned: Planned) -> Document:
    document: Document = plain_data(
        {
            "outcome": planned.outcome,
            "reason": planned.reason,
            "standby": planned.standby,
            "after": planned.after,
            "conditions": [_word(condition) for condition in planned.conditions],
        }
    )
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
        case FileWork():
            return _file(work)
        case ServiceWork():
            return _service(work)
        case ApproveWork(text):
            return {"kind": "approve", "text": _word(text)}
        case _:
            assert_never(work)


def _script(work: ScriptWork) -> Document:
    document: Document = plain_data(
        {
            "script": _script_name(work),
            "as": work.sudo_user,
            "cwd": _word(work.cwd),
            "timeout_s": work.timeout_s,
            "digest": work.digest,
            "variables": sorted(name for name, value in work.env.items() if not _is_secret(value)),
            "secrets": sorted(name for name, value in work.env.items() if _is_secret(value)),
            "reads": work.reads,
            "reboots": work.reboots,
        }
    )
    return document


def _script_name(work: ScriptWork) -> str | None:
    """``package:path``; None where its text stands in the plan or beside it."""
    return f"{work.script.package}:{work.script.path}" if isinstance(work.script, PackageScript) else None


def _is_secret(value: ScriptValue) -> bool:
    return isinstance(value, (SecretRef, LateText))


def _word(word: LateWord | None) -> str | Document | None:
    """A text; one that is known only when the step runs is its template and the steps whose outputs it uses."""
    if isinstance(word, LateText):
        late: Document = plain_data({"template": word.template, "after": word.after})
        return late
    return None if word is None else clean(word)


def _probe(work: ProbeWork) -> Document:
    times: Document = plain_data({"as": work.sudo_user, "within_s": work.within_s, "every_s": work.every_s})
    match work.what:
        case HttpWork(url, contains):
            return {**times, "http": {"url": _word(url), "contains": _word(contains)}}
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
            "stray": work.stray,
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
            "confirm_s": work.confirm_s,
            "owed": work.owed,
            "owes": work.owes,
            "repaired": work.repaired,
            "extra": work.extra,
        }
    )
    return {
        **document,
        "activate": None if work.activate is None else _script(work.activate),
        "verify": None if work.verify is None else _probe(work.verify),
        "conventions": {name: _script(script) for name, script in work.conventions.items()},
        "returning": {name: _script(script) for name, script in work.returning.items()},
    }


def _file(work: FileWork) -> Document:
    document: Document = plain_data(
        {
            "kind": "file",
            "path": _word(work.path),
            "changes": work.changes,
            "owner": _word(work.owner),
            "group": _word(work.group),
            "parents": work.parents,
            "diff": work.diff,
            "as": work.sudo_user,
            "owes": work.owes,
            "owed": work.owed,
        }
    )
    return {
        **document,
        "wanted": None if work.wanted is None else _wanted(work.wanted),
        "seen": None if work.seen is None else _seen(work.seen),
        "on_change": None if work.on_change is None else _script(work.on_change),
    }


def _wanted(wanted: WantedFile) -> Document:
    # Length and digest of a short secret are enough to guess it.
    hidden = wanted.late is not None or wanted.holds_secrets
    document: Document = plain_data(
        {
            "mode": _mode(wanted.mode),
            "size": None if hidden else wanted.size,
            "sha256": None if hidden else wanted.sha256,
            "holds_secrets": wanted.holds_secrets,
            "after": wanted.late.after if wanted.late else (),
        }
    )
    return document


def _seen(seen: FileSeen) -> Document:
    """Never its content: the diff tells of it, as far as it may be told."""
    document: Document = plain_data(
        {
            "path": seen.path,
            "kind": seen.kind,
            "mode": _mode(seen.mode),
            "owner": seen.owner,
            "group": seen.group,
            "size": seen.size,
        }
    )
    return document


def _mode(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"


def _service(work: ServiceWork) -> Document:
    document: Document = plain_data(
        {
            "kind": "service",
            "service": _word(work.service),
            "state": work.state,
            "enabled": work.enabled,
            "restart": work.restart,
            "seen": work.seen,
            "as": work.sudo_user,
            "owes": work.owes,
            "accepts": work.accepts,
        }
    )
    return document
