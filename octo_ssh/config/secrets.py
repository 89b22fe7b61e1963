"""Reading secrets from their sources, when they are needed and not before (SPEC section 4)."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import stat
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping
from typing import assert_never

from octo_ssh.config.secret_forms import MIN_PART_BYTES
from octo_ssh.errors import SecretError
from octo_ssh.model.values import (
    AgeSource,
    CommandSource,
    EnvSource,
    FileSource,
    OutputSource,
    PromptSource,
    Secret,
    SecretRef,
)

MIN_CHARACTERS = 4
"""Masking shorter ones would garble all output."""
MAX_BYTES = 64 * 1024
COMMAND_TIMEOUT_S = 30.0
_TOO_LARGE = f"is larger than {MAX_BYTES // 1024} KiB: that is no secret"
_NOT_GIVEN = "was not given in this run"
_stores: weakref.WeakSet[SecretStore] = weakref.WeakSet()


class _Unusable(Exception):
    """Why a source gave nothing usable; the message holds nothing of what it gave."""


class SecretStore:
    """The secrets of one process: each source is read at most once. Safe to use from several threads."""

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, command_timeout_s: float = COMMAND_TIMEOUT_S
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._command_timeout_s = command_timeout_s
        self._read: dict[SecretRef, Secret] = {}
        self._former: list[Secret] = []
        """What a ref stood for before: still masked."""
        self._learnt: list[Secret] = []
        """What templates made of secrets."""
        self._lock = threading.Lock()
        _stores.add(self)

    def check(self, ref: SecretRef) -> str | None:
        """What keeps a secret from being had, without reading its value or running anything; None: nothing."""
        match ref.source:
            case EnvSource(name):
                return None if name in self._environ else f"the environment variable {name} is not set: export it"
            case FileSource(path):
                return _check_file(os.path.expanduser(path))
            case CommandSource(argv, folder):
                found = _program(argv[0], folder)
                return (
                    None if found else f"there is no program '{argv[0]}' that could be run: install it, or check PATH"
                )
            case AgeSource():
                from octo_ssh.config import age

                return age.check(ref.source, self._environ)
            case PromptSource() | OutputSource():
                with self._lock:
                    return None if ref in self._read else _NOT_GIVEN
            case _:
                assert_never(ref.source)

    def remember(self, ref: SecretRef, text: str) -> Secret:
        """Keep a secret that came from no source to look in: an answer, or an output of a step.

        Raises SecretError for a text that cannot be one (shorter than MIN_CHARACTERS, say); the message holds none of
        it. One that takes the place of another leaves that masked.
        """
        try:
            secret = Secret(_usable(text))
        except _Unusable as error:
            raise SecretError(f"{ref.position}: the secret from {ref} {error}") from None
        with self._lock:
            if ref in self._read:
                self._former.append(self._read[ref])
            self._read[ref] = secret
        return secret

    def reveal(self, ref: SecretRef) -> Secret:
        """The secret, less one final newline. Raises SecretError, which never holds the value or any output."""
        with self._lock:
            if ref not in self._read:
                try:
                    self._read[ref] = Secret(_usable(_text(self._bytes(ref))))
                except _Unusable as error:
                    raise SecretError(f"{ref.position}: the secret from {ref} {error}") from None
            return self._read[ref]

    __call__ = reveal
    """As ``templates.Reveal``, to which it is told what templates make of secrets: see ``learn``."""

    def learn(self, text: str) -> None:
        """Hide what a template made of a secret, as a secret of its own; one that is in it whole is hidden anyway.

        What is shorter than MIN_PART_BYTES could be anything, and is not hidden.
        """
        if not MIN_PART_BYTES <= len(text.encode("utf-8", "surrogateescape")) <= MAX_BYTES:
            return
        with self._lock:
            if not any(secret.reveal() in text for secret in (*self._read.values(), *self._learnt)):
                self._learnt.append(Secret(text))

    def known(self) -> tuple[Secret, ...]:
        """Every secret that was read, remembered or learnt so far: what a Masker hides."""
        with self._lock:
            return (*self._read.values(), *self._former, *self._learnt)

    @property
    def count(self) -> int:
        """How many are known: it grows with each."""
        return len(self._read) + len(self._former) + len(self._learnt)

    def _bytes(self, ref: SecretRef) -> bytes:
        match ref.source:
            case EnvSource(name):
                if name not in self._environ:
                    raise _Unusable("is not set: export it")
                return os.fsencode(self._environ[name])
            case FileSource(path):
                return _file_bytes(os.path.expanduser(path))
            case CommandSource(argv, folder):
                return _command_bytes(argv, folder, self._command_timeout_s)
            case AgeSource():
                from octo_ssh.config import age

                try:
                    return age.decrypt(ref.source, self._environ)
                except age.AgeError as error:
                    raise _Unusable(f"cannot be had: {error}") from None
            case PromptSource() | OutputSource():
                raise _Unusable(_NOT_GIVEN)
            case _:
                assert_never(ref.source)


def known_here() -> tuple[Secret, ...]:
    """The secrets that this process knows, in whatever store: for the last words of a command that failed."""
    return tuple(secret for store in tuple(_stores) for secret in store.known())


def why_unusable(text: str) -> str | None:
    """Why a text cannot be a secret, as a clause that holds none of it; None: it can."""
    try:
        _usable(text)
    except _Unusable as error:
        return str(error)
    return None


def _text(content: bytes) -> str:
    """What a source gave, less one final newline."""
    if len(content) > MAX_BYTES:  # it was not read to its end
        raise _Unusable(_TOO_LARGE)
    return content.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


def _usable(text: str) -> str:
    try:
        is_large = len(text.encode("utf-8")) > MAX_BYTES
    except UnicodeEncodeError:
        raise _Unusable("is not UTF-8 text: encode it, with base64 for example") from None
    if is_large:
        raise _Unusable(_TOO_LARGE)
    if "\0" in text:
        raise _Unusable("holds a NUL byte, which no script can take: encode it, with base64 for example")
    if not text:
        raise _Unusable("is empty")
    if len(text) < MIN_CHARACTERS:
        raise _Unusable(f"is shorter than {MIN_CHARACTERS} characters, which cannot be masked: take a longer one")
    return text


def _check_file(path: str) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"the file '{path}' cannot be read: {error.strerror or error}"
    if not stat.S_ISREG(mode):
        return f"'{path}' is not a regular file"
    return None if os.access(path, os.R_OK) else f"the file '{path}' may not be read by this user"


def _file_bytes(path: str) -> bytes:
    if (reason := _check_file(path)) is not None:
        raise _Unusable(f"is not there: {reason}")
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Unusable(f"cannot be read: {error.strerror or error}") from None


def _program(name: str, folder: str) -> str | None:
    """The program's path, found as the kernel will find it from ``folder``."""
    name = os.path.expanduser(name)
    if "/" not in name:
        return shutil.which(name)
    path = os.path.join(folder, name)
    return path if os.path.isfile(path) and os.access(path, os.X_OK) else None


def _command_bytes(argv: tuple[str, ...], folder: str, timeout_s: float) -> bytes:
    """What a program prints on standard output. It gets no input, no terminal of ours, and its own session."""
    program = _program(argv[0], folder)
    if program is None:
        raise _Unusable("is not there: there is no such program")
    try:
        process = subprocess.Popen(
            [os.path.abspath(program), *argv[1:]],
            cwd=folder or ".",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _Unusable(f"cannot be had: the program does not start: {getattr(error, 'strerror', error)}") from None
    with process:
        try:
            return _output(process, time.monotonic() + timeout_s, timeout_s)
        finally:
            _end(process)


def _output(process: subprocess.Popen[bytes], deadline: float, timeout_s: float) -> bytes:
    assert process.stdout is not None
    content = b""
    too_late = _Unusable(f"was not given within {timeout_s:g} s: run the program by hand to see why")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(content) <= MAX_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise too_late
            chunk = os.read(process.stdout.fileno(), MAX_BYTES)
            if not chunk:
                break
            content += chunk
        else:
            return content
    try:
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise too_late from None
    if status != 0:
        raise _Unusable(f"cannot be had: the program ended with status {status}: run it by hand to see why")
    return content


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing that the program started may outlive it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
