"""Copies files that scripts named to the controller: ``<run>/artifacts/<target>/<step>/<name>`` (SPEC section 4).

Names come from targets: of them only a safe last part is used, whatever they say; nothing is ever overwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from octo_ssh.config.masking import masked_text
from octo_ssh.errors import ConnectionLost, RemoteError, StateError
from octo_ssh.execution.context import RunContext
from octo_ssh.execution.seat import Seat
from octo_ssh.model.events import ArtifactKept
from octo_ssh.model.messages import MAX_ARTIFACT_BYTES, Artifact
from octo_ssh.model.program import Sudo
from octo_ssh.remote.fetch import fetch

TIMEOUT_S = 1800.0
MAX_NAME = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=-]")


def safe_name(name: str) -> str:
    """A file name out of whatever a target said: one part, printable ASCII, not hidden, never empty."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return (_UNSAFE.sub("_", last).lstrip(".")[:MAX_NAME]) or "artifact"


async def keep_artifacts(
    context: RunContext, seat: Seat, sudo: Sudo | None, *, step: str, cwd: str, wanted: Iterable[Artifact]
) -> None:
    """Fetch them one after another. Raises RemoteError when all were tried and one could not be had; StateError and the
    other TargetErrors at once.
    """
    left = MAX_ARTIFACT_BYTES
    failure: RemoteError | None = None
    for artifact in wanted:
        name = safe_name(masked_text(artifact.name or artifact.path, context.secrets.known()))
        folder = context.artifacts / safe_name(seat.name) / step
        path = await asyncio.to_thread(_free_path, folder, name)
        try:
            size = await _fetch(seat, sudo, artifact, cwd, path, left)
        except RemoteError as error:
            failure = failure or error
            continue
        left -= size
        context.emit(ArtifactKept(step, seat.name, name, str(path), size))
    if failure is not None:
        raise failure


async def _fetch(seat: Seat, sudo: Sudo | None, artifact: Artifact, cwd: str, path: Path, most: int) -> int:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{path} cannot be made: {error.strerror}") from error
    came = 0

    def write(data: bytes) -> None:
        nonlocal came
        came += len(data)
        if came > most:
            raise RemoteError(f"{seat.name}: sent more than was asked for")
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    try:
        while True:
            try:
                fetched = await seat.session.act(
                    fetch(artifact.path, cwd=cwd, max_bytes=most), sudo=sudo, timeout_s=TIMEOUT_S, on_output=write
                )
                break
            except ConnectionLost as error:
                await seat.mend(error)
                came = 0
                os.ftruncate(handle, 0)
                os.lseek(handle, 0, os.SEEK_SET)
        if came != fetched.size:
            raise RemoteError(f"{seat.name}: sent {came} bytes of {artifact.path} instead of {fetched.size}")
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if isinstance(error, OSError):
            raise StateError(f"{path} cannot be written: {error.strerror}") from error
        raise
    finally:
        os.close(handle)
    return came


def _free_path(folder: Path, name: str) -> Path:
    """Where the artifact goes: beside one of the same name it gets a number."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem, dot, ending = name.partition(".")
        names = (name, *(f"{stem}_{number}{dot}{ending}" for number in range(1, 10_000)))
        return next(folder / free for free in names if not os.path.lexists(folder / free))
    except OSError as error:
        raise StateError(f"{folder} cannot be made: {error.strerror}") from error
