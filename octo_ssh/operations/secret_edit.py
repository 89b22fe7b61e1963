"""``octo-ssh secrets edit``: a secret in the user's editor, in a private folder that goes away with it."""

from __future__ import annotations

import enum
import os
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from octo_ssh.config.age import MAX_BYTES, AgeError, encrypt, identities, is_age, opened
from octo_ssh.config.document import read_bytes
from octo_ssh.config.problems import Problems
from octo_ssh.errors import FileErrors, Position, Problem, SecretError, UsageError
from octo_ssh.operations.files import replace_file
from octo_ssh.operations.secrets import SUFFIX, checked

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST_WORDS_S = 2.0


class Edited(enum.Enum):
    """What came of it."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    NEW = "new"


def edit(path: str, whom: Sequence[str], environ: Mapping[str, str]) -> Edited:
    """Open an age file in the editor, and encrypt what comes of it for ``whom``; a new file where there is none.

    Raises UsageError (the name, the editor), SecretError (no identity, an editor that failed), FileErrors. Whatever
    happens, the plain text is gone afterwards.
    """
    if not path.endswith(SUFFIX):
        raise UsageError(f"'{path}' does not end in {SUFFIX}", hint="a secret's file is named like server.key.age")
    command = _editor(environ)
    file = Path(os.path.realpath(path))
    is_new = not file.exists()
    before = b"" if is_new else _opened(path, environ)
    with _private_folder(environ) as folder:
        draft = folder / file.name.removesuffix(SUFFIX)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(before)
        _run([*command, str(draft)])
        after = _read(draft)
    if after == before:
        return Edited.UNCHANGED
    try:
        replace_file(file, encrypt(checked(after), whom).encode())
    except AgeError as error:
        raise SecretError(f"this cannot be encrypted: {error}") from None
    except OSError as error:
        raise FileErrors([Problem(Position(path), f"cannot be written: {error.strerror or error}")]) from None
    return Edited.NEW if is_new else Edited.CHANGED


def _opened(path: str, environ: Mapping[str, str]) -> bytes:
    problems = Problems()
    data = read_bytes(path, problems)
    problems.raise_if_any()
    assert data is not None
    if not is_age(data) or len(data) > MAX_BYTES:
        raise FileErrors([Problem(Position(path), "this is no age file: 'octo-ssh secrets encrypt' makes one")])
    try:
        return opened(data, identities(environ))
    except AgeError as error:
        raise SecretError(f"'{path}' cannot be opened: {error}") from None


def _editor(environ: Mapping[str, str]) -> list[str]:
    """The user's editor as a program and its arguments."""
    said = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(said)
    except ValueError:
        words = []
    if not words or shutil.which(os.path.expanduser(words[0]), path=environ.get("PATH")) is None:
        raise UsageError(
            f"there is no editor {said!r} to be run", hint="install it, or name one that is there in VISUAL or EDITOR"
        )
    return [os.path.expanduser(words[0]), *words[1:]]


def _run(command: Sequence[str]) -> None:
    with _interrupts_are_the_editors():
        try:
            editor = subprocess.Popen(command)
        except OSError as error:
            raise UsageError(f"the editor does not start: {error.strerror}", hint="set VISUAL or EDITOR") from None
        try:
            status = editor.wait()
        except BaseException:
            _end(editor)
            raise
    if status != 0:
        raise SecretError(f"the editor ended with status {status}: nothing was changed")


def _end(editor: subprocess.Popen[bytes]) -> None:
    """We are told to end. An editor that gets the chance leaves the terminal as it was."""
    editor.terminate()
    try:
        editor.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        editor.kill()
        editor.wait()


@contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    """Ctrl-C means something in an editor, and reaches us too. A handler of ours does not outlive exec, so the editor
    gets its own."""
    before = {number: signal.signal(number, _leave_it) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _leave_it(number: int, frame: FrameType | None) -> None:
    """The signal is the editor's."""


@contextmanager
def _private_folder(environ: Mapping[str, str]) -> Iterator[Path]:
    """A folder for us alone, in memory where there is such a place; removed with all that an editor left in it."""
    folder = tempfile.mkdtemp(prefix="octo-ssh-", dir=_in_memory(environ))
    try:
        yield Path(folder)
    finally:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise SecretError(
                f"'{folder}' holds the plain text and cannot be removed: {error.strerror or error}",
                hint=f"remove it: rm -rf {shlex.quote(folder)}",
            ) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _in_memory(environ: Mapping[str, str]) -> str | None:
    """A folder that no disk holds; None where none is known."""
    for folder in (environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):
        if folder and os.path.isabs(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _read(draft: Path) -> bytes:
    """What the editor left."""
    try:
        with open(os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return stream.read(MAX_BYTES + 1)
    except OSError:
        pass
    raise SecretError("the editor left no file: nothing was changed")
