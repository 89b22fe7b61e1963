"""The target's memory as text: the baseline's file and the journal's lines. Pure; what is read may be damaged.

A baseline is one JSON object with ``"format": 1``; a journal line is one with ``"v": 1`` and ``"prev"``, the sha256 of
the line before it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from octo_ssh.errors import RemoteError
from octo_ssh.model.messages import can_be_output
from octo_ssh.model.observed import (
    Baseline,
    Done,
    FileBaseline,
    Owed,
    PackageBaseline,
    ServiceBaseline,
    StepOutputs,
)
from octo_ssh.model.untrusted import folder_name, parsed_json, sha256, sound

BASELINE_FORMAT = 1
JOURNAL_VERSION = 1

T = TypeVar("T")


def baseline_text(baseline: Baseline) -> bytes:
    """The text of a baseline's file, without a newline at its end."""
    return _dumped(
        {
            "format": BASELINE_FORMAT,
            "release": baseline.release,
            "packages": {
                name: {
                    "to": package.to,
                    "folder": package.folder,
                    "manifest": package.manifest_sha256,
                    "fingerprint": package.fingerprint,
                    "history": list(package.history),
                    "user": package.user,
                    "owner": package.owner,
                    "owners": dict(package.owners),
                    "shared": list(package.shared),
                }
                for name, package in baseline.packages.items()
            },
            "done": {
                digest: {"step": done.step, "release": done.release, "run": done.run}
                | ({"ignored": True} if done.ignored else {})
                for digest, done in baseline.done.items()
            },
            "failed_checks": sorted(baseline.failed_checks),
            "passed_checks": sorted(baseline.passed_checks),
            "owed": [
                {
                    "step": owed.step,
                    "package": owed.package,
                    "release": owed.release,
                    "what": owed.what,
                    "previous": owed.previous,
                }
                for owed in baseline.owed
            ],
            "due": {release: list(steps) for release, steps in baseline.due.items()},
            "files": {step: _fields(file) for step, file in baseline.files.items()},
            "services": {step: _fields(service) for step, service in baseline.services.items()},
            "outputs": {
                step: {
                    "values": dict(said.values),
                    "secret": sorted(said.secret),
                    "release": said.release,
                    "run": said.run,
                }
                for step, said in baseline.outputs.items()
            },
            "held": sorted(baseline.held),
        }
    )


def parse_baseline(text: bytes, path: str) -> Baseline:
    """The baseline in a file's text, as ``baseline_text`` wrote it; ``path``: where the file is, for messages.

    Raises RemoteError for a damaged one, and for one that a newer octo-ssh wrote: memory is never taken as empty.
    """
    try:
        data = parsed_json(text)
        version = data["format"]
        if isinstance(version, int) and version > BASELINE_FORMAT:
            raise RemoteError(
                f"{path} has format {version}: it was written by a newer octo-ssh",
                hint="use that version, or a newer one",
            )
        if version != BASELINE_FORMAT:
            raise ValueError(f"unknown format {version!r}")
        return Baseline(
            release=_maybe_text(data["release"]),
            packages=_each(data["packages"], _package),
            done=_each(data["done"], _done),
            failed_checks=frozenset(_texts(data["failed_checks"])),
            passed_checks=frozenset(_texts(data["passed_checks"])),
            owed=tuple(map(_owed, data["owed"])),
            due=_each(data["due"], _texts),
            # Baselines of octo-ssh 0.1 have none of these.
            files=_each(data.get("files", {}), _file),
            services=_each(data.get("services", {}), _service),
            outputs=_each(data.get("outputs", {}), _outputs),
            held=frozenset(_texts(data.get("held", []))),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RemoteError(
            f"{path} on the target is damaged: {_why(error)}",
            hint="bring it back from a backup, or move it away: then nothing counts as done here, and the next apply "
            "does every step again that cannot be seen to be so",
        ) from error


def journal_line(head: str, fields: Mapping[str, Any]) -> bytes:
    """A journal line without its newline. ``head``: the sha256 of the line before, empty for the first."""
    return _dumped({"v": JOURNAL_VERSION, "prev": head, **fields})


def line_sha256(line: bytes) -> str:
    """What the next line's ``prev`` says of this one; a newline at its end does not count."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def _why(error: Exception) -> str:
    """In words, for somebody who looks into the file."""
    match error:
        case json.JSONDecodeError():
            return f"it is no JSON (line {error.lineno}, column {error.colno})"
        case KeyError():
            return f"{error} is missing"
        case ValueError():
            return str(error)[:200]
        case _:
            return "it holds other things than it should"


def _fields(value: FileBaseline | ServiceBaseline) -> dict[str, Any]:
    return {
        field.name: dict(part) if isinstance(part := getattr(value, field.name), Mapping) else part
        for field in dataclasses.fields(value)
    }


def _dumped(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def _package(data: Mapping[str, Any]) -> PackageBaseline:
    return PackageBaseline(
        to=_text(data["to"]),
        folder=folder_name(_text(data["folder"])),
        manifest_sha256=_digest(data["manifest"]),
        fingerprint=_digest(data["fingerprint"]),
        history=tuple(map(folder_name, _texts(data["history"]))),
        user=_text(data.get("user", "")),
        owner=_text(data.get("owner", "")),
        owners=_each(data.get("owners", {}), _text),
        shared=_texts(data.get("shared", [])),
    )


def _file(data: Mapping[str, Any]) -> FileBaseline:
    present, mode = data["present"], data["mode"]
    if not isinstance(present, bool) or not isinstance(mode, int) or not 0 <= mode <= 0o7777:
        raise ValueError("a file of the baseline is damaged")
    return FileBaseline(
        path=_text(data["path"]),
        present=present,
        sha256=_digest(data["sha256"]),
        mode=mode,
        owner=_text(data["owner"]),
        group=_text(data["group"]),
        user=_text(data.get("user", "")),
        holds_secrets=data.get("holds_secrets", False) is not False,
    )


def _service(data: Mapping[str, Any]) -> ServiceBaseline:
    service, active, enabled = (_text(data[name]) for name in ("service", "active", "enabled"))
    unit_sha256, user = (_text(data.get(name, "")) for name in ("unit_sha256", "user"))
    return ServiceBaseline(service, active, enabled, unit_sha256, user, _each(data.get("files", {}), _text))


def _outputs(data: Mapping[str, Any]) -> StepOutputs:
    values, secret = _each(data["values"], _text), frozenset(_texts(data["secret"]))
    if not all(can_be_output(name, value) for name, value in (*values.items(), *((name, "") for name in secret))):
        raise ValueError("an output is none that a step can have set")
    return StepOutputs(
        values=values,
        secret=secret,
        release=_text(data["release"]),
        run=_text(data.get("run", "")),
    )


def _done(data: Mapping[str, Any]) -> Done:
    return Done(
        step=_text(data["step"]),
        release=_text(data["release"]),
        run=_text(data["run"]),
        ignored=data.get("ignored", False) is True,
    )


def _owed(data: Mapping[str, Any]) -> Owed:
    return Owed(
        step=_text(data["step"]),
        package=_text(data["package"]),
        release=_text(data["release"]),
        what=_text(data["what"]),
        previous=_maybe_text(data["previous"]),
    )


def _each(data: Mapping[str, Any], read: Callable[[Any], T]) -> dict[str, T]:
    return {_text(name): read(item) for name, item in data.items()}


def _texts(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list):
        raise ValueError("a list is missing")
    return tuple(map(_text, data))


def _text(data: Any) -> str:
    if not isinstance(data, str):
        raise ValueError(f"a text is missing where {str(data)[:40]!r} stands")
    return sound(data)


def _digest(data: Any) -> str:
    """A sha256; empty where there is none."""
    return data if data == "" else sha256(_text(data))


def _maybe_text(data: Any) -> str | None:
    return None if data is None else _text(data)
