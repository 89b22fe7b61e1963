"""A plan that was saved: ``plan --out FILE``, and ``apply FILE``, which does that or nothing (SPEC section 5).

The file holds the words that were typed and, for every target, a digest of what was seen there and of what was decided.
Applying it makes the plan again, from the same files and from the targets as they are now, and compares.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octo_ssh.config.load import Loaded
from octo_ssh.config.masking import masked_text
from octo_ssh.errors import Position, Refused, UsageError
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed, ServiceSeen
from octo_ssh.model.plan import CONTROLLER
from octo_ssh.model.values import AgeSource, CommandSource, FileSource
from octo_ssh.model.work import RunPlan
from octo_ssh.operations.files import replace_file
from octo_ssh.operations.requests import PlanRequest
from octo_ssh.output.summary import named

_FORMAT = 1
_MARK = "octo-ssh plan"
_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a file of ``plan --out`` says."""

    path: str
    request: PlanRequest
    made_at: str
    """ISO 8601, UTC."""
    sources: Mapping[str, str]
    """sha256 of the plan and the inventory, by absolute path."""
    targets: Mapping[str, str]
    """By name: the digest of what was seen and decided."""

    def refuse_changes(self, plan: RunPlan, observed: Mapping[str, Observed]) -> None:
        """Raises Refused, naming the targets on which something else would be done now, or that were changed."""
        now = _digests(plan, observed)
        other = [name for name in dict.fromkeys((*self.targets, *now)) if self.targets.get(name) != now.get(name)]
        if not other:
            return
        changed = [path for path, digest in self.sources.items() if _file_digest(path) != digest]
        why = f"; {' and '.join(changed)} changed" if changed else ""
        targets = [name for name in other if name != CONTROLLER]
        who = (
            f"{named(targets)} {'is' if len(targets) == 1 else 'are'}" if targets else "the steps on the controller are"
        )
        raise Refused(
            f"{who} not as when this plan was made, at {self.made_at}{why}",
            hint="nothing was changed; look again: octo-ssh plan … --out " + self.path,
        )


def is_saved(path: str) -> bool:
    """Whether a file is one of ``plan --out``, rather than a plan that somebody wrote."""
    try:
        with open(path, "rb") as file:
            return file.read(64).startswith(b'{"' + _MARK.encode())
    except OSError:
        return False


def save(
    path: str, request: PlanRequest, loaded: Loaded, plan: RunPlan, observed: Mapping[str, Observed], made_at: str
) -> None:
    """Write the file, 0600. Raises UsageError, also where a variable that was typed is a secret."""
    words: dict[str, Any] = {
        "plan": os.path.abspath(request.plan_path),
        "inventory": None if request.inventory_path is None else os.path.abspath(request.inventory_path),
        "environment": request.environment,
        "release": request.release,
        "variables": _canonical(request.variables),
        "limit": list(request.limit),
        "exclude": list(request.exclude),
        "skip_steps": sorted(request.skip_steps),
        "redeploy": request.redeploy,
    }
    typed = json.dumps(words["variables"], ensure_ascii=False)
    if masked_text(typed, loaded.secrets.known()) != typed:
        raise UsageError("--out: a saved plan holds no secrets, and a --var of this one is a secret")
    sources = {name: _file_digest(name) for name in map(os.path.abspath, (loaded.plan.path, loaded.inventory.path))}
    document = {
        _MARK: _FORMAT,
        "made_at": made_at,
        "request": words,
        "sources": sources,
        "targets": _digests(plan, observed),
    }
    try:
        replace_file(Path(path), json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n", mode=0o600)
    except OSError as error:
        raise UsageError(f"--out: '{path}' cannot be written: {error.strerror}") from None


def read(path: str) -> SavedPlan:
    """Raises UsageError for a file that is none, or a newer octo-ssh's."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(_MAX_BYTES))
        if data[_MARK] != _FORMAT:
            raise UsageError(f"'{path}' was written by another octo-ssh (format {data[_MARK]}): make it again")
        words = data["request"]
        return SavedPlan(
            path,
            PlanRequest(
                plan_path=words["plan"],
                inventory_path=words["inventory"],
                environment=words["environment"],
                release=words["release"],
                variables=words["variables"],
                limit=tuple(words["limit"]),
                exclude=tuple(words["exclude"]),
                skip_steps=frozenset(words["skip_steps"]),
                redeploy=words["redeploy"],
            ),
            str(data["made_at"]),
            dict(data["sources"]),
            dict(data["targets"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"'{path}' is no saved plan, or is damaged: {str(error)[:200]}",
            hint="make it again, with octo-ssh plan --out",
        ) from None


def _digests(plan: RunPlan, observed: Mapping[str, Observed]) -> dict[str, str]:
    """By target, those that could not be looked at included: of them it is said that they could not."""
    decided: dict[str, dict[str, Any]] = {name: {} for name in plan.targets}
    for step in plan.walk():
        for target, planned in step.planned.items():
            decided.setdefault(target, {})[step.step.id] = _canonical(planned)
    return {
        target: _digest({"decided": steps, "seen": _seen(observed[target]) if target in observed else None})
        for target, steps in decided.items()
    }


def _seen(observed: Observed) -> dict[str, Any]:
    """What of an observation somebody must have changed for it to be another."""
    return {
        "journal": observed.journal.head,
        "places": {
            step: [
                place.place.value,
                place.current,
                place.fingerprint,
                sorted(map(_canonical, place.releases), key=str),
            ]
            for step, place in observed.packages.items()
        },
        "files": {
            step: [seen.kind.value, seen.mode, seen.owner, seen.group, seen.sha256]
            for step, seen in observed.files.items()
        },
        "services": {step: _canonical(seen) for step, seen in observed.services.items()},
        "unless": dict(observed.unless),
    }


def _canonical(value: Any) -> Any:
    """A value of the model as JSON that is the same for the same value. Where it stood in a file does not count."""
    match value:
        case Position():
            return None
        case FileSource(path) | AgeSource(path=str(path)):
            return os.path.abspath(path)  # the plan's folder may have been typed in another way
        case CommandSource(argv, folder):
            return [*argv, os.path.abspath(folder)]
        case Manifest():
            return value.sha256
        case enum.Enum():
            return value.value
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): _canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case set() | frozenset():
            return sorted(map(str, value))
        case ServiceSeen():
            # A service that was restarted meanwhile is as it was: its process does not count.
            return [value.load, value.active, value.enabled, value.unit_sha256]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"no canonical form for {type(value).__name__}")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _file_digest(path: str) -> str:
    """Empty where it cannot be read: another one then."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
