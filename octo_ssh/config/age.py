"""Secrets that age encrypted (https://age-encryption.org/v1): who may read them, reading them, writing them.

The identity that opens them is looked for in ``OCTO_SSH_AGE_KEY``, in the file that ``OCTO_SSH_AGE_KEY_FILE`` names,
then in the user's own ``octo-ssh/age.key``. pyrage is imported with the first secret.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo_ssh.config.problems import Problems
from octo_ssh.errors import Position
from octo_ssh.model.values import AgeSource

KEY = "OCTO_SSH_AGE_KEY"
KEY_FILE = "OCTO_SSH_AGE_KEY_FILE"
RECIPIENTS_FILE = "age-recipients.txt"
"""Beside the inventory: for whom secrets are encrypted."""
BEGIN = "-----BEGIN AGE ENCRYPTED FILE-----"
END = "-----END AGE ENCRYPTED FILE-----"
MAX_BYTES = 1 << 20
"""Of an age file: what is kept in git as a secret is small."""
_HEADER = b"age-encryption.org/"
_COLUMNS = 64
_MAX_KEY_BYTES = 64 * 1024


class AgeError(Exception):
    """Why something of age cannot be had. The message is a clause for after a colon, and never holds a secret."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Whoever runs this: the private keys that open secrets."""

    place: str
    """Where they were found, for messages."""
    keys: tuple[Any, ...] = field(repr=False)


def decrypt(source: AgeSource, environ: Mapping[str, str]) -> bytes:
    """What age encrypted. Raises AgeError: no identity, no such file, not for this identity, damaged."""
    return opened(_encrypted(source), identities(environ))


def check(source: AgeSource, environ: Mapping[str, str]) -> str | None:
    """What keeps a secret from being had, without decrypting it; None: nothing that can be told before."""
    try:
        _encrypted(source)
        identities(environ)
    except AgeError as error:
        return str(error)
    return None


def opened(data: bytes, who: Identities) -> bytes:
    """What stands in an age file, armored or not. Raises AgeError."""
    pyrage = _pyrage()
    data = data.strip() + b"\n" if _is_armored(data) else data
    try:
        content: bytes = pyrage.decrypt(data, list(who.keys))
    except pyrage.DecryptError as error:
        if str(error).startswith("No matching keys"):
            if _first_stanza(data).startswith(b"-> scrypt "):
                raise AgeError("it is encrypted with a passphrase: encrypt it for recipients instead") from None
            raise AgeError(
                f"it is not encrypted for the identity in {who.place}: have somebody who can read it add your"
                f" recipient to {RECIPIENTS_FILE} and run 'octo-ssh secrets rotate'"
            ) from None
        raise AgeError("it is damaged: take it from git again, or encrypt the secret again") from None
    return content


def encrypt(data: bytes, recipients: Sequence[str]) -> str:
    """``data`` for all of ``recipients``, armored. Raises AgeError where there are none, or one is none."""
    if not recipients:
        raise AgeError("nobody could read it: name a recipient")
    body = base64.b64encode(_pyrage().encrypt(data, [_recipient(text) for text in recipients])).decode("ascii")
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return "\n".join([BEGIN, *lines, END, ""])


def new_identity() -> tuple[str, str]:
    """A new private key, and the recipient that belongs to it."""
    key = _pyrage().x25519.Identity.generate()
    return str(key), str(key.to_public())


def is_age(data: bytes) -> bool:
    """Whether this is an age file, by how it begins."""
    return _is_armored(data) or data.startswith(_HEADER)


def identity_path() -> Path:
    """Where the user's own identity lies."""
    from platformdirs import user_config_path

    return user_config_path("octo-ssh") / "age.key"


def identities(environ: Mapping[str, str]) -> Identities:
    """The private keys that may open secrets. Raises AgeError."""
    if text := environ.get(KEY):
        place = f"the environment variable {KEY}"
        return Identities(place, _parsed(text.encode("utf-8", "surrogateescape"), place))
    named = environ.get(KEY_FILE)
    path = Path(named).expanduser() if named else identity_path()
    place = f"'{path}'"
    try:
        content = _read(path, _MAX_KEY_BYTES, private=True)
    except FileNotFoundError:
        hint = f"{KEY_FILE} names it" if named else f"'octo-ssh secrets keygen' makes it, or set {KEY_FILE}"
        raise AgeError(f"the age identity {place} does not exist: {hint}") from None
    except OSError as error:
        raise AgeError(f"the age identity {place} cannot be read: {error.strerror or error}") from None
    return Identities(place, _parsed(content, place))


def read_recipients(path: str | os.PathLike[str], problems: Problems) -> tuple[str, ...]:
    """The recipients of a file, one a line; every line that is none is added to ``problems``."""
    file = os.fspath(path)
    try:
        content = _read(Path(file), MAX_BYTES)
    except FileNotFoundError:
        message = "this file does not exist: write a recipient a line; 'octo-ssh secrets keygen' prints yours"
        problems.add(Position(file), message)
        return ()
    except (OSError, AgeError) as error:
        problems.add(Position(file), f"this file cannot be read: {getattr(error, 'strerror', None) or error}")
        return ()
    found: dict[str, None] = {}
    before = len(problems)
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            _recipient(text)
        except AgeError as error:
            problems.add(Position(file, number, len(line) - len(line.lstrip()) + 1), str(error))
        else:
            found[text] = None
    if not found and len(problems) == before:
        problems.add(Position(file), "this file names no recipient: 'octo-ssh secrets keygen' prints yours")
    return tuple(found)


def _encrypted(source: AgeSource) -> bytes:
    if source.text is not None:
        data = source.text.encode("utf-8", "surrogateescape")
        if not _is_armored(data):
            raise AgeError(f"the text is no age file: it must begin with '{BEGIN}'")
        return data
    path = Path(source.path or "").expanduser()
    try:
        data = _read(path, MAX_BYTES)
    except FileNotFoundError:
        raise AgeError(f"the age file '{path}' does not exist: 'octo-ssh secrets edit {path}' makes it") from None
    except OSError as error:
        raise AgeError(f"the age file '{path}' cannot be read: {error.strerror or error}") from None
    if not is_age(data):
        raise AgeError(f"'{path}' is no age file: 'octo-ssh secrets encrypt' makes one")
    return data


def _read(path: Path, most_bytes: int, *, private: bool = False) -> bytes:
    """A regular file's bytes. Raises OSError, and AgeError for what is too large, or too open where it is private."""
    # A named pipe would keep us waiting for somebody to write into it.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise AgeError(f"'{path}' is not a regular file")
        if private and seen.st_mode & 0o077:
            mode = stat.S_IMODE(seen.st_mode)
            raise AgeError(f"the age identity '{path}' can be read by others (mode {mode:04o}): chmod 600 it")
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise AgeError(f"'{path}' is larger than {most_bytes // 1024} KiB")
    return data


def _parsed(content: bytes, place: str) -> tuple[Any, ...]:
    """The keys in an identity file: ``AGE-SECRET-KEY-1…`` one a line, or one private key of SSH."""
    pyrage = _pyrage()
    if _is_armored(content) or content.startswith(_HEADER):
        raise AgeError(f"the age identity in {place} is itself encrypted: keep it without a passphrase, mode 0600")
    if b"PRIVATE KEY-----" in content:
        try:
            return (pyrage.ssh.Identity.from_buffer(content.strip() + b"\n"),)
        except pyrage.IdentityError as error:
            raise AgeError(f"the SSH key in {place} {_why_not(str(error))}") from None
    keys: list[Any] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            keys.append(pyrage.x25519.Identity.from_str(text))
        except pyrage.IdentityError:
            message = (
                f"line {number} of the age identity in {place} is no AGE-SECRET-KEY-1…, and no SSH key begins there"
            )
            raise AgeError(message) from None
    if not keys:
        raise AgeError(f"there is no key in {place}: 'octo-ssh secrets keygen' makes one")
    return tuple(keys)


def _why_not(said: str) -> str:
    if "must be decrypted" in said:
        return "has a passphrase, which nobody is asked for: take one without, or 'octo-ssh secrets keygen'"
    if said.startswith("unsupported"):
        return "is of a kind that age has not: take an ed25519 or RSA key, or 'octo-ssh secrets keygen'"
    return "cannot be read: it is damaged, or no private key"


def _recipient(text: str) -> Any:
    """Raises AgeError for anything but a native recipient, ssh-ed25519 and ssh-rsa."""
    pyrage = _pyrage()
    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        if text.startswith(("ssh-ed25519 ", "ssh-rsa ")):
            return pyrage.ssh.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise AgeError(f"'{text[:24]}…' is no recipient: it is damaged, or needs a plugin") from None
    if text.startswith("AGE-SECRET-KEY-"):
        raise AgeError(
            "a private key stands here: take it out of this file, and out of git; write its recipient (age1…)"
        )
    raise AgeError("this is no recipient: write age1…, ssh-ed25519 … or ssh-rsa …, one a line")


def _is_armored(data: bytes) -> bool:
    return data.lstrip().startswith(BEGIN.encode())


def _first_stanza(data: bytes) -> bytes:
    """The first line after the version, which says how the file is encrypted."""
    if _is_armored(data):
        try:
            data = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
        except binascii.Error:
            return b""
    return data.split(b"\n", 2)[1] if data.count(b"\n") > 1 else b""


def _pyrage() -> Any:
    import pyrage  # type: ignore[import-untyped]

    return pyrage
