"""The controller's own records: the events of every run, in the user's state folder, readable by the user alone.

``<state>/runs/<run id>/events.jsonl`` holds a first line of whom and what it is about, then one line an event. The
file is locked (flock) while its run lives: a record that nobody has locked belongs to a run that is over or was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from octo_ssh.errors import StateError
from octo_ssh.model.events import Event
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.document import plain_data, timestamp, to_line
from octo_ssh.output.jsonlines import EventLines
from octo_ssh.output.view import Now

FORMAT = 1
EVENTS = "events.jsonl"
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LEFT_BEHIND = {Outcome.FAILED.value, Outcome.UNREACHABLE.value, Outcome.UNKNOWN.value, Outcome.SKIPPED.value}


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_run_id(now: datetime) -> str:
    """An id that sorts by time and is a safe file name: ``20261124T070312Z-4f9c``.

    The four digits are the part of the second: they sort too, and are as good as random between controllers.
    """
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{now.microsecond * 0x10000 // 1_000_000:04x}"


@dataclass(slots=True)
class RunRecord:
    """The record of one run, open and locked. A context manager: leaving it is ``finish``."""

    path: Path
    _handle: int
    _now: Now
    _lines: EventLines = field(default_factory=EventLines)

    @classmethod
    def create(
        cls,
        state: Path,
        run_id: str,
        *,
        project: str,
        environment: str | None,
        plan_path: str = "",
        now: Now = utc_now,
    ) -> Self:
        """A new record, on disk and locked. Raises StateError: then the run must not start."""
        if not _RUN_ID.fullmatch(run_id):
            raise StateError(f"not a run id: {run_id!r}")
        path = state / "runs" / run_id / EVENTS
        with _as_state_error(path):
            handle = _create(state, run_id)
        record = cls(path, handle, now)
        head = {
            "record": FORMAT,
            "at": timestamp(now()),
            "run": run_id,
            "project": project,
            "environment": environment,
            "plan": plan_path,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        try:
            with _as_state_error(path):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            record._write(to_line(plain_data(head)))
            record.sync()
        except StateError:
            os.close(handle)
            raise
        return record

    def append(self, event: Event) -> None:
        """Write an event: it outlives the process, and with ``sync`` the machine. Raises StateError."""
        self._write(self._lines.line(event, self._now()))

    def sync(self) -> None:
        """Have everything so far on disk. Raises StateError."""
        with _as_state_error(self.path):
            os.fsync(self._handle)

    def finish(self) -> None:
        """Sync, unlock, close. Raises StateError. Doing it twice does no harm."""
        if self._handle < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def _write(self, line: str) -> None:
        left = memoryview(line.encode() + b"\n")
        with _as_state_error(self.path):
            while left:
                left = left[os.write(self._handle, left) :]


def is_running(state: Path, run_id: str, *, host: str) -> bool | None:
    """Whether the run still lives, a suspended one, too; None where this controller keeps no record of it.

    ``host``: where it says to be run. By chance two controllers may give two runs the same id. Raises StateError.
    """
    if not _RUN_ID.fullmatch(run_id):
        return None
    path = state / "runs" / run_id / EVENTS
    with _as_state_error(path):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            if _parsed(file.readline()).get("host") != host:
                return None
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def last_failed(state: Path, project: str, environment: str | None) -> frozenset[str] | None:
    """Whom ``@failed`` means: failed, unreachable, unknown and never started in the last run. None: there was no run.

    A run without an end was killed: all its targets are meant, for nobody saw them through. Raises StateError.
    """
    with _as_state_error(state):
        for run_id in sorted(_run_ids(state), reverse=True):
            found = _left_behind(state / "runs" / run_id / EVENTS, project, environment)
            if found is not None:
                return found
    return None


def _left_behind(path: Path, project: str, environment: str | None) -> frozenset[str] | None:
    """None when the record is of something else, or the run never got as far as having targets."""
    targets: frozenset[str] | None = None
    results: dict[str, str] | None = None
    with _opened(path) as file:
        head = _parsed(file.readline())
        if (head.get("project"), head.get("environment")) != (project, environment):
            return None
        for line in file:
            if line.startswith(b'{"event":"run_started"'):
                targets = frozenset(map(str, _parsed(line).get("targets", ())))
            elif line.startswith(b'{"event":"run_ended"'):
                rows = _parsed(line).get("results", ())
                results = {str(row["target"]): str(row["outcome"]) for row in rows}
    if targets is None or results is None:
        return targets
    return frozenset(name for name in targets if results.get(name, Outcome.SKIPPED.value) in _LEFT_BEHIND)


def _parsed(line: bytes) -> Mapping[str, Any]:
    """A line of a record; a torn one (the disk was full, the power went) is as good as none."""
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        handle = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        yield file


def _run_ids(state: Path) -> list[str]:
    try:
        names = os.listdir(state / "runs")
    except FileNotFoundError:
        return []
    return [name for name in names if _RUN_ID.fullmatch(name)]


def _create(state: Path, run_id: str) -> int:
    """The new events file, opened for appending; every folder above it is ours alone."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        state.mkdir(mode=0o700)
    with contextlib.ExitStack() as stack:
        folder = _own_folder(os.open(state, _FOLDER), state)
        stack.callback(os.close, folder)
        for name in ("runs", run_id):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode=0o700, dir_fd=folder)
            folder = _own_folder(os.open(name, _FOLDER, dir_fd=folder), state / name)
            stack.callback(os.close, folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(EVENTS, flags, mode=0o600, dir_fd=folder)


def _own_folder(handle: int, path: Path) -> int:
    """The handle of a folder that is ours; made private where it was not. Closes it otherwise."""
    try:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid():
            raise StateError(
                f"{path} belongs to another user (uid {found.st_uid}): run records are not kept there",
                hint="give it to yourself, or set OCTO_SSH_STATE to a folder of your own",
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(handle, 0o700)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextlib.contextmanager
def _as_state_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) and os.path.isabs(error.filename) else path
        raise StateError(
            f"the run's record cannot be kept: {where}: {error.strerror or error}",
            hint="see to that folder, or set OCTO_SSH_STATE to one that can be written",
        ) from error
