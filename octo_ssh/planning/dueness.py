"""When a run step is due: what a success is remembered by, and what an earlier run left to be done (SPEC section 4)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from octo_ssh.config.variables import Resolved
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Baseline
from octo_ssh.model.plan import FileScript, InlineScript, PackageScript, RunStep, Step, When
from octo_ssh.model.values import Expr, Scoped, SecretRef, Template, shell_name

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def script_digest(
    step: Step,
    *,
    user: str,
    environment: str | None,
    release: str | None,
    values: Mapping[str, Resolved],
    manifests: Mapping[str, Manifest],
) -> str:
    """What a success of a run step on a target is remembered by.

    Covers the script, ``env`` and ``cwd`` as written, the user, environment and release, and the values of variables
    whose names occur in the script as words; secrets by name. Of a package's script the words are not known, so every
    variable counts, and the script counts by its content. ``OCTO_*`` never counts.
    """
    assert isinstance(step.kind, RunStep)
    match step.kind.script:
        case InlineScript(text) | FileScript(text=text):
            script: Any = text
            words = set(_WORD.findall(text))
            used = {name for name in values if shell_name(name) in words}
        case PackageScript(package, path):
            entry = manifests[package].entries.get(path) if package in manifests else None
            script = [package, path, entry.sha256 if entry else ""]
            used = set(values)
    covered = {
        "script": script,
        "env": {name: as_written(value) for name, value in step.env.items()},
        "cwd": as_written(step.cwd),
        "secrets": sorted(step.secrets),
        "user": user,
        "environment": environment,
        "release": release,
        "values": {shell_name(name): _by_name(name, values[name].value) for name in used},
    }
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(b"run step 1\n" + text.encode("ascii")).hexdigest()


def as_written(expr: Expr) -> Any:
    """A value of a file as plain data: templates by their text, secrets by where they come from."""
    match expr:
        case Template(text):
            return {"template": text}
        case SecretRef():
            return {"secret": str(expr)}
        case Scoped(rows):
            return {"scoped": [[as_written(row.value), _scope(row.scope)] for row in rows]}
        case Mapping():
            return {"map": {str(key): as_written(value) for key, value in expr.items()}}
        case tuple() | list():
            return [as_written(item) for item in expr]
        case _:
            return expr


def left_over(step: Step, baseline: Baseline, release: str | None) -> str | None:
    """Why an earlier run's decision makes the step due: all that is left of this release, of another its ``always``
    steps.
    """
    if step.id in baseline.due.get(release or "", ()):
        return "left over from a run that did not finish"
    if step.when is When.ALWAYS:
        for other, steps in baseline.due.items():
            if step.id in steps:
                return f"left over from a run of {other} that did not finish" if other else "left over"
    return None


def _scope(scope: Any) -> list[str | None]:
    return [scope.environment, scope.target, scope.tag, scope.step]


def _by_name(name: str, value: Any) -> Any:
    return {"secret": name} if isinstance(value, SecretRef) else as_written(value)
