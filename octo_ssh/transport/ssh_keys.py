"""The keys that a login may offer: agent, files, certificates; passphrases only when a key is really wanted.

Order: the named identities (out of the agent where it holds them), the agent's other keys, the usual files. A file
without its passphrase is offered by its public half; only when the server takes it is anybody asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import asyncssh

from octo_ssh.errors import OctoError
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.transport.dial import in_thread
from octo_ssh.transport.known_hosts import fingerprint
from octo_ssh.transport.options import Prompter
from octo_ssh.transport.route import Endpoint

_AGENT_TIMEOUT_S = 10.0
_PASSPHRASE_TRIES = 3
_MAX_KEY_BYTES = 1024 * 1024

ReadSecret = Callable[[SecretRef], Secret]


class Clock(Protocol):
    """The deadline of a login, which stands still while a person thinks."""

    def asking(self) -> contextlib.AbstractContextManager[None]: ...


@dataclass(slots=True)
class Tried:
    """What a login has offered, and what it could not: the words of a refusal."""

    wanted: list[str] = field(default_factory=list)
    """Methods that the server named last."""
    offered: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


ANSWER_TRIES = 3
"""How often a person is asked for the same thing."""


class Questions:
    """Asks a person one thing at a time."""

    def __init__(self, prompter: Prompter | None) -> None:
        self._prompter = prompter
        self._turn = asyncio.Lock()
        self._passwords: dict[str, str | None] = {}
        """By login name; None: the person has none to give."""
        self._asked: dict[str, int] = {}

    @property
    def possible(self) -> bool:
        return self._prompter is not None

    async def ask(self, question: str, *, echo: bool = False) -> str | None:
        if self._prompter is None:
            return None
        async with self._turn:
            answer = await self._prompter.ask(question, echo=echo)
        return None if answer is None else answer.reveal()

    async def password(self, user: str, title: str, *, refused: str | None) -> str | None:
        """A login's password: asked once for all targets, and again where the last answer was ``refused``, three times
        at most. Enter alone means that there is none, and ends the asking for that user.
        """
        if self._prompter is None:
            return None
        async with self._turn:
            if user not in self._passwords or (refused is not None and self._passwords[user] == refused):
                self._asked[user] = self._asked.get(user, 0) + 1
                if self._asked[user] > ANSWER_TRIES:
                    return None
                why = f"{title} refused it" if refused is not None else f"{title} wants one"
                question = f"Password of {user}, for all targets that ask ({why}; Enter for none): "
                answer = await self._prompter.ask(question, echo=False)
                self._passwords[user] = None if answer is None else answer.reveal() or None
            return self._passwords[user]


@dataclass(frozen=True, slots=True)
class _FileKey:
    """An identity: its public half, and its private one when that needs no passphrase."""

    path: str
    public: asyncssh.SSHKey
    private: asyncssh.SSHKey | None = None
    unusable: str = ""
    """Why the file has no private half for us; the agent may."""


class KeyStore:
    """Keys read so far, for all logins of a connector: a passphrase is asked once, not once a target."""

    def __init__(self, questions: Questions, secrets: ReadSecret) -> None:
        self._questions = questions
        self._secrets = secrets
        self._files: dict[str, _FileKey | str] = {}
        self._opened: dict[str, asyncssh.SSHKey | str] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def offers(self, endpoint: Endpoint, tried: Tried, clock: Clock) -> AsyncIterator[asyncssh.SSHKeyPair]:
        """The key pairs to try, one after the other. What cannot be used is noted in ``tried``."""
        files = [file for path in endpoint.identities if (file := await self._file(path, endpoint, tried))]
        certificates = _certificates(endpoint, tried)
        async with _agent_keys(endpoint, tried) as agent:
            named = files if endpoint.identities_named else []
            for file in named:
                for pair in self._pairs(file, agent, certificates, endpoint, tried, clock):
                    yield pair
            for blob, key in agent.items():
                if not endpoint.only_identities and not any(file.public.public_data == blob for file in named):
                    tried.offered.append(f"agent key {fingerprint(blob)}")
                    yield key
            for file in files:
                if file not in named and file.public.public_data not in agent:
                    for pair in self._pairs(file, agent, certificates, endpoint, tried, clock):
                        yield pair

    def _pairs(
        self,
        file: _FileKey,
        agent: dict[bytes, asyncssh.SSHKeyPair],
        certificates: dict[bytes, asyncssh.SSHCertificate],
        endpoint: Endpoint,
        tried: Tried,
        clock: Clock,
    ) -> Iterable[asyncssh.SSHKeyPair]:
        """One identity, first with its certificate, then plain."""
        blob = file.public.public_data
        certificate = certificates.get(blob)
        held = agent.get(blob)
        if held is None and file.unusable:
            tried.notes.append(file.unusable)
            return
        for cert in (certificate, None) if certificate else (None,):
            words = "certificate of " if cert else ""
            tried.offered.append(f"{words}{file.path}{' (agent)' if held else ''}")
            if held is not None and cert is None:
                yield held
            else:
                opener = _Opener(self, file, endpoint, tried, clock, held)
                yield _LazyKeyPair(file.public, cert, opener)

    async def open(self, file: _FileKey, endpoint: Endpoint, tried: Tried, clock: Clock) -> asyncssh.SSHKey:
        """The private key, with a passphrase where it has one. Raises ValueError when there is none."""
        if file.private is not None:
            return file.private
        with clock.asking():
            async with self._turns.setdefault(file.path, asyncio.Lock()):
                if file.path not in self._opened:
                    self._opened[file.path] = await self._unlock(file.path, endpoint.passphrase)
                opened = self._opened[file.path]
        if isinstance(opened, str):
            tried.notes.append(opened)
            raise ValueError(opened)
        return opened

    async def _unlock(self, path: str, source: SecretRef | None) -> asyncssh.SSHKey | str:
        """The key, or why not."""
        if source is not None:
            try:
                passphrase = (await in_thread(lambda: self._secrets(source))).reveal()
                return await in_thread(lambda: asyncssh.read_private_key(path, passphrase))
            except OctoError as error:
                return f"{path} has a passphrase, and {error.message}"
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError):
                return f"{path} has another passphrase than its identity_passphrase ({source})"
        if not self._questions.possible:
            return f"{path} has a passphrase and nobody can be asked: set identity_passphrase, or use an agent"
        for _ in range(_PASSPHRASE_TRIES):
            answer = await self._questions.ask(f"Passphrase for {path}: ")
            if answer is None:
                break
            with contextlib.suppress(asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError):
                return await in_thread(partial(asyncssh.read_private_key, path, answer))
        return f"{path} has a passphrase that was not given"

    async def _file(self, path: str, endpoint: Endpoint, tried: Tried) -> _FileKey | None:
        if path not in self._files:
            found = await in_thread(lambda: _read(path))
            self._files[path] = found if found is not None else ""
        found = self._files[path]
        if isinstance(found, _FileKey):
            return found
        if found or endpoint.identities_named:
            tried.notes.append(found or f"{path} is not there")
        return None


@dataclass(frozen=True, slots=True)
class _Opener:
    """Signs with a file's key, opening it first, or with the agent's."""

    store: KeyStore
    file: _FileKey
    endpoint: Endpoint
    tried: Tried
    clock: Clock
    held: asyncssh.SSHKeyPair | None

    async def sign(self, data: bytes, algorithm: bytes) -> bytes:
        if self.held is not None:
            self.held.set_sig_algorithm(algorithm)
            return await self.held.sign_async(data)  # type: ignore[attr-defined,no-any-return]
        key = await self.store.open(self.file, self.endpoint, self.tried, self.clock)
        return key.sign(data, algorithm)


class _LazyKeyPair(asyncssh.SSHKeyPair):
    """A key pair whose private half is looked for when the server has taken the public one."""

    def __init__(self, public: asyncssh.SSHKey, cert: asyncssh.SSHCertificate | None, opener: _Opener) -> None:
        super().__init__(
            public.algorithm, public.algorithm, public.sig_algorithms, public.sig_algorithms, public.public_data,
            None, cert,
        )  # fmt: skip
        self._opener = opener

    async def sign_async(self, data: bytes) -> bytes:
        return await self._opener.sign(data, self.sig_algorithm)


def _read(path: str) -> _FileKey | str | None:
    """The key of a file; a sentence when it is there and cannot be used; None when there is nothing.

    As in OpenSSH a public half alone is enough for a key that the agent holds.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_KEY_BYTES:
            return f"{path} is not a key file"
        data = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return _public_half(path, f"{path} is not there")
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if found.st_uid == os.getuid() and found.st_mode & 0o077 and b"PRIVATE KEY" in data:
        problem = f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}"
        return _public_half(path, problem) or problem
    try:
        private = asyncssh.import_private_key(data)
        return _FileKey(path, private.convert_to_public(), private)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if "Passphrase" in str(error):
            return _public_half(path, "") or f"{path} has a passphrase and no {path}.pub beside it"
    problem = f"{path} is not a private key in a format that can be read"
    if b"PRIVATE KEY" not in data:
        problem = f"{path} is no private key"
    return _public_half(path, problem) or problem


def _public_half(path: str, unusable: str) -> _FileKey | None:
    for candidate in (path, path + ".pub"):
        with contextlib.suppress(OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            return _FileKey(path, asyncssh.read_public_key(candidate), unusable=unusable)
    return None


def _certificates(endpoint: Endpoint, tried: Tried) -> dict[bytes, asyncssh.SSHCertificate]:
    """The certificates at hand, by the public key they are for."""
    found: dict[bytes, asyncssh.SSHCertificate] = {}
    beside = [f"{path}-cert.pub" for path in endpoint.identities]
    for path in (*endpoint.certificates, *beside):
        try:
            certificate = asyncssh.read_certificate(path)
        except OSError as error:
            if path in endpoint.certificates:
                tried.notes.append(f"{path} cannot be read: {error.strerror}")
        except (asyncssh.KeyImportError, ValueError):
            tried.notes.append(f"{path} is not a certificate")
        else:
            found.setdefault(certificate.key.public_data, certificate)
    return found


@contextlib.asynccontextmanager
async def _agent_keys(endpoint: Endpoint, tried: Tried) -> AsyncIterator[dict[bytes, asyncssh.SSHKeyPair]]:
    """The agent's keys by their public halves; none when there is no agent."""
    if endpoint.agent is None:
        yield {}
        return
    agent = None
    try:
        async with asyncio.timeout(_AGENT_TIMEOUT_S):
            agent = await asyncssh.connect_agent(endpoint.agent)
            keys = await agent.get_keys()
    except (OSError, ValueError, TimeoutError) as error:
        tried.notes.append(f"the agent at {endpoint.agent} does not answer ({error or 'timeout'})")
        keys = ()
    try:
        yield {key.public_data: key for key in keys}
    finally:
        if agent is not None:
            agent.close()
