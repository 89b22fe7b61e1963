"""``octo-ssh secrets``: an identity of one's own, encrypting for a team's recipients, changing the team.

Nothing here takes a secret on a command line, and none is written anywhere but encrypted, for its owner alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from octo_ssh.config.age import (
    MAX_BYTES,
    RECIPIENTS_FILE,
    AgeError,
    Identities,
    encrypt,
    identities,
    identity_path,
    is_age,
    new_identity,
    opened,
    read_recipients,
)
from octo_ssh.config.age_values import find_values, with_values
from octo_ssh.config.document import read_bytes
from octo_ssh.config.problems import Problems
from octo_ssh.config.secrets import MAX_BYTES as LARGEST_SECRET
from octo_ssh.config.secrets import MIN_CHARACTERS
from octo_ssh.errors import FileErrors, Position, Problem, SecretError, UsageError
from octo_ssh.operations.files import replace_file

SUFFIX = ".age"
YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """Where an identity was written, and what belongs into the recipients' file."""

    path: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """A file whose secrets are encrypted anew."""

    path: str
    values: int
    """How many in a YAML file; 0: the file is the secret."""


def keygen(output: str | None) -> NewIdentity:
    """Make an identity and write it, for its owner alone. Raises UsageError where a file is already, FileErrors."""
    path = Path(output) if output else identity_path()
    key, recipient = new_identity()
    text = f"# octo-ssh secrets keygen, {socket.gethostname()}\n# recipient: {recipient}\n{key}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(
            f"'{path}' is there already, and an identity is never overwritten",
            hint="--output FILE writes another; its recipient stands in the comment of the file",
        ) from None
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        with open(descriptor, "w", encoding="ascii", errors="replace") as file:
            file.write(text)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise _unwritten(path, error) from None
    return NewIdentity(str(path), recipient)


def recipients(inventory_path: str, named: str | None) -> tuple[str, ...]:
    """For whom to encrypt: those of the file, by default the one beside the inventory. Raises FileErrors."""
    problems = Problems()
    found = read_recipients(named or os.path.join(os.path.dirname(inventory_path), RECIPIENTS_FILE), problems)
    problems.raise_if_any()
    return found


def encrypt_value(value: bytes, whom: Sequence[str], name: str | None = None) -> str:
    """The YAML of a variable that is this secret, or of its value alone. Raises SecretError."""
    armored = _encrypt(checked(value), whom)
    indent = "" if name is None else "  "
    lines = [f"{indent}secret:", f"{indent}  age: |", *(f"{indent}    {line}" for line in armored.splitlines())]
    return "\n".join(lines if name is None else [f"{name}:", *lines]) + "\n"


def encrypt_file(path: str, whom: Sequence[str], *, overwrite: bool) -> Path:
    """Write ``<path>.age`` beside the file, which stays; its path. Raises UsageError, FileErrors, SecretError."""
    encrypted = Path(path + SUFFIX)
    content = _content(path)
    if is_age(content):
        raise UsageError(f"'{path}' is encrypted already", hint=f"to change it: octo-ssh secrets edit {path}")
    armored = _encrypt(checked(content), whom)
    if not overwrite and os.path.lexists(encrypted):
        raise UsageError(
            f"'{encrypted}' is there already", hint="--force replaces it; 'octo-ssh secrets edit' changes it"
        )
    _replace(encrypted, armored.encode())
    return encrypted


def rotate(paths: Sequence[str], whom: Sequence[str], environ: Mapping[str, str]) -> tuple[Rotated, ...]:
    """Encrypt every secret of the files for ``whom``, and so for nobody else; folders are looked through.

    Everything is read before anything is written. Raises UsageError for a path that is none, SecretError without an
    identity, FileErrors for every secret that cannot be opened or replaced: then nothing was changed.
    """
    files = _secret_files(paths)
    try:
        who = identities(environ)
    except AgeError as error:
        raise SecretError(f"nothing was encrypted anew: {error}") from None
    problems = Problems()
    made = [_rotated(path, whom, who, problems) for path in files]
    problems.raise_if_any()
    done: list[Rotated] = []
    for file in made:
        if file is not None:
            row, content = file
            _replace(Path(os.path.realpath(row.path)), content)
            done.append(row)
    return tuple(done)


def checked(value: bytes) -> bytes:
    """A value that a script can take and that can be masked (SPEC section 4). Raises SecretError."""
    if len(value) > LARGEST_SECRET:
        raise SecretError(f"a secret has {LARGEST_SECRET // 1024} KiB at most, and this is larger")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SecretError(
            "this is no text, which a script could not take", hint="encode it first, with base64 for example"
        )
    if len(text.removesuffix("\n")) < MIN_CHARACTERS:
        raise SecretError(f"a secret has {MIN_CHARACTERS} characters at least: a shorter one cannot be masked")
    return value


def _encrypt(value: bytes, whom: Sequence[str]) -> str:
    try:
        return encrypt(value, whom)
    except AgeError as error:
        raise SecretError(f"this cannot be encrypted: {error}") from None


def _content(path: str) -> bytes:
    problems = Problems()
    content = read_bytes(path, problems)
    if content is None:
        raise UsageError("\n".join(str(problem) for problem in problems.listing()))
    return content


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise _unwritten(path, error) from None


def _unwritten(path: Path, error: OSError) -> FileErrors:
    return FileErrors([Problem(Position(str(path)), f"cannot be written: {error.strerror or error}")])


def _secret_files(paths: Sequence[str]) -> list[str]:
    """The files that may hold secrets: those named, and those of folders, in which links and ``.*`` are left out."""
    found: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                inside = (os.path.join(folder, name) for name in sorted(names) if name.endswith((SUFFIX, *YAML)))
                found |= dict.fromkeys(file for file in inside if os.path.isfile(file) and not os.path.islink(file))
        elif not path.endswith((SUFFIX, *YAML)):
            raise UsageError(f"'{path}' is no folder, and no file that ends in {SUFFIX}, .yaml or .yml")
        elif not os.path.exists(path):
            raise UsageError(f"there is no '{path}'", hint="name files and folders that hold secrets")
        else:
            found[path] = None
    return list(found)


def _rotated(path: str, whom: Sequence[str], who: Identities, problems: Problems) -> tuple[Rotated, bytes] | None:
    """A file with its secrets encrypted anew; None where it holds none."""
    content = read_bytes(path, problems)
    if content is None:
        return None
    if path.endswith(SUFFIX):
        if not is_age(content) or len(content) > MAX_BYTES:
            problems.add(Position(path), "this is no age file: 'octo-ssh secrets encrypt' makes one")
            return None
        again = _again(content, Position(path), whom, who, problems)
        return None if again is None else (Rotated(path, 0), again.encode())
    if b"BEGIN AGE ENCRYPTED FILE" not in content:
        return None
    values = find_values(content, path, problems)
    armored = [_again(value.text.encode(), value.position, whom, who, problems) for value in values]
    pairs = [(value, text) for value, text in zip(values, armored, strict=True) if text is not None]
    return (Rotated(path, len(pairs)), with_values(content, pairs)) if pairs else None


def _again(data: bytes, at: Position, whom: Sequence[str], who: Identities, problems: Problems) -> str | None:
    try:
        return encrypt(opened(data, who), whom)
    except AgeError as error:
        problems.add(at, f"this secret cannot be encrypted anew: {error}")
        return None
