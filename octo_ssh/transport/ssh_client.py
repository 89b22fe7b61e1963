"""What asyncssh asks during a login: is this host key trusted, which key is next, what does the person say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

import asyncssh

from octo_ssh.errors import HostKeyRefused
from octo_ssh.transport.host_policy import HostPolicy
from octo_ssh.transport.route import Endpoint
from octo_ssh.transport.ssh_keys import ANSWER_TRIES, KeyStore, Questions, Tried

_MAX_PROMPT_CHARS = 300


class PhaseClock:
    """The deadline of whatever phase a login is in; it stands still while a person thinks."""

    def __init__(self, authenticate_s: float) -> None:
        self.phase = ""
        self.limit_s = 0.0
        self.was_asking = False
        """A person was asked something in this login."""
        self._authenticate_s = authenticate_s
        self._scope: asyncio.Timeout | None = None
        self._stops = 0

    @contextlib.asynccontextmanager
    async def running(self, phase: str, limit_s: float) -> AsyncIterator[None]:
        """Raises TimeoutError inside when a phase takes too long."""
        async with asyncio.timeout(None) as self._scope:
            self._begin(phase, limit_s)
            yield

    def authenticating(self) -> None:
        """The host key is trusted: the next phase."""
        self._begin("authentication", self._authenticate_s)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Somebody thinks: no hurry."""
        self.was_asking = True
        with self.stopped():
            yield

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Other deadlines hold meanwhile."""
        self._stops += 1
        self._set(None)
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops:
                self._set(self.limit_s)

    def _begin(self, phase: str, limit_s: float) -> None:
        self.phase, self.limit_s = phase, limit_s
        if not self._stops:
            self._set(limit_s)

    def _set(self, seconds: float | None) -> None:
        if self._scope is not None and not self._scope.expired():
            with contextlib.suppress(RuntimeError):  # the phase is over already
                loop = asyncio.get_running_loop()
                self._scope.reschedule(None if seconds is None else loop.time() + seconds)


class LoginClient(asyncssh.SSHClient):
    """The answers, and a record of what was asked."""

    def __init__(
        self,
        endpoint: Endpoint,
        policy: HostPolicy,
        clock: PhaseClock,
        tried: Tried,
        keys: KeyStore,
        questions: Questions,
    ) -> None:
        self.endpoint = endpoint
        self.policy = policy
        self.clock = clock
        self.tried = tried
        self.refusal: HostKeyRefused | None = None
        self.key_trusted = False
        self.foreign_authority = False
        """The machine showed a certificate of an authority that known_hosts does not name for it."""
        self.last_banner = ""
        """What the server said last during the login: PAM's reason for a refusal comes that way."""
        self.lost: Exception | None = None
        """Why the connection ended, when it ended by itself."""
        self.ended = asyncio.Event()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._questions = questions
        self._offers = keys.offers(endpoint, tried, clock)
        self._passwords: list[str] = []
        self._challenges = 0

    @property
    def introduced(self) -> str:
        """The server's version line; empty before it came."""
        return str(self._connection.get_extra_info("server_version", "")) if self._connection else ""

    async def finish(self) -> None:
        """The login is over: let go of the agent."""
        await self._offers.aclose()  # type: ignore[attr-defined]

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.ended.set()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.refusal = self.policy.refusal(key.get_algorithm(), key.public_data)
        return self.refusal is None

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        trusted = self.policy.trusts_authority(key.public_data)
        self.foreign_authority = not trusted
        return trusted

    def begin_auth(self, username: str) -> None:
        self.key_trusted = True
        self.clock.authenticating()

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.last_banner = msg

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        self._note_methods()
        return await anext(self._offers, None)

    async def password_auth_requested(self) -> str | None:
        self._note_methods()
        if len(self._passwords) >= ANSWER_TRIES:
            return None
        refused = self._passwords[-1] if self._passwords else None
        with self.clock.asking():
            password = await self._questions.password(self.endpoint.user, self.endpoint.title, refused=refused)
        if password is None:
            return None
        self._passwords.append(password)
        self.tried.offered.append("a password")
        return password

    def kbdint_auth_requested(self) -> str | None:
        self._note_methods()
        if not self._questions.possible or self._challenges >= ANSWER_TRIES:
            return None
        self._challenges += 1
        self.tried.offered.append("answers to its questions")
        return ""

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        answers = []
        for prompt, echo in prompts:
            words = " ".join(part for part in (instructions, prompt) if part)
            with self.clock.asking():
                answer = await self._questions.ask(f"{self.endpoint.title}: {_shown(words)} ", echo=echo)
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def _note_methods(self) -> None:
        if self._connection is not None:
            self.tried.wanted[:] = self._connection.get_server_auth_methods()


def _shown(text: str) -> str:
    """Words of a server, fit for a prompt: bounded, one line, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_PROMPT_CHARS]
