"""The file behind the history of checks for drift: private, locked while it is written, brought up to date.

Everything that can be wrong with it is a StateError: the check itself goes on without its history.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from octo_ssh.errors import StateError

DATABASE = "drift.db"
"""In the state folder."""
WAIT_S = 30.0
"""How long one check waits for another to write down what it found."""

_FIRST = (
    """CREATE TABLE checks (
        id INTEGER PRIMARY KEY, project TEXT NOT NULL, environment TEXT NOT NULL, at TEXT NOT NULL,
        seconds REAL NOT NULL, targets INTEGER NOT NULL, drifted INTEGER NOT NULL, unknown INTEGER NOT NULL,
        pending INTEGER NOT NULL, expected INTEGER NOT NULL, in_sync INTEGER NOT NULL, findings INTEGER NOT NULL)""",
    "CREATE INDEX checks_by_time ON checks (project, environment, at)",
    """CREATE TABLE findings (
        id INTEGER PRIMARY KEY, project TEXT NOT NULL, environment TEXT NOT NULL, target TEXT NOT NULL,
        step TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, was TEXT NOT NULL, now TEXT NOT NULL,
        first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, gone_at TEXT)""",
    """CREATE UNIQUE INDEX open_findings ON findings (project, environment, target, step, kind, subject)
        WHERE gone_at IS NULL""",
    """CREATE TABLE looks (
        project TEXT NOT NULL, environment TEXT NOT NULL, target TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (project, environment, target)) WITHOUT ROWID""",
)
_NOTIFIED = (
    # what a later check knows a unit's files again by
    "ALTER TABLE findings ADD COLUMN seen TEXT NOT NULL DEFAULT ''",
    # whether a notification was delivered that it is there, and one that it is gone
    "ALTER TABLE findings ADD COLUMN told INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE findings ADD COLUMN gone_told INTEGER NOT NULL DEFAULT 0",
    # how it ended: gone, accepted, expected
    "ALTER TABLE findings ADD COLUMN ended TEXT NOT NULL DEFAULT ''",
)
_VERSIONS = (_FIRST, _NOTIFIED)
"""What to do to come to version 1, 2, … from the one before."""


def stored(text: str) -> str:
    """``text`` as it can be stored: half a surrogate pair, as file names from targets may hold, is written out."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """The database for writing, made where it is missing, in one transaction that begins with its lock.

    Leaving the block commits; an exception leaves all as it was. Raises StateError.
    """
    with _as_state_error(path):
        _make(path)
        with contextlib.closing(sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            _bring_up_to_date(database, path)
            yield database
            database.execute("COMMIT")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database to be read; an empty one where there is none yet. Raises StateError."""
    with _as_state_error(path):
        if path.exists():
            # for writing all the same: a check that was killed may have left a journal to be rolled back
            made = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_S, isolation_level=None
            )
        else:
            made = sqlite3.connect(":memory:", isolation_level=None)
        with contextlib.closing(made) as database:
            if _version(database) != len(_VERSIONS):  # under the lock, for another one may be at it just now
                database.execute("BEGIN IMMEDIATE")
                _bring_up_to_date(database, path)
                database.execute("COMMIT")
            yield database


def _make(path: Path) -> None:
    """The file, the user's alone, in a folder that is the user's alone."""
    folder = path.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = os.stat(folder)
    if found.st_uid != os.geteuid():
        raise StateError(
            f"{folder} belongs to another user (uid {found.st_uid}): the history of drift is not kept there",
            hint="give it to yourself, or set OCTO_SSH_STATE to a folder of your own",
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.chmod(folder, 0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _bring_up_to_date(database: sqlite3.Connection, path: Path) -> None:
    version = _version(database)
    if version > len(_VERSIONS):
        raise StateError(
            f"the history of drift cannot be read: {path} is of a newer octo-ssh",
            hint="use that one, or move the file away: a new history begins then",
        )
    for number, statements in enumerate(_VERSIONS[version:], version + 1):
        for statement in statements:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {number}")


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextlib.contextmanager
def _as_state_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StateError(
            f"the history of drift cannot be kept: {path}: {error}",
            hint="see to that file, or set OCTO_SSH_STATE to another folder",
        ) from error
    except sqlite3.Error as error:
        raise StateError(
            f"the history of drift is damaged: {path}: {error}", hint="move the file away: a new history begins then"
        ) from error
    except OSError as error:
        raise StateError(
            f"the history of drift cannot be kept: {path}: {error.strerror or error}",
            hint="see to that folder, or set OCTO_SSH_STATE to one that can be written",
        ) from error
