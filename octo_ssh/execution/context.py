"""What the steps of one run share: who runs what, the secrets, the way to tell of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from octo_ssh.config.masking import Masker
from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import OctoError, TargetError
from octo_ssh.model.events import Emit, StepNote, StepOutput
from octo_ssh.model.outcomes import Outcome
from octo_ssh.packages.acquire import Package
from octo_ssh.packages.bundle import Bundles
from octo_ssh.planning.configure import Configured

TAIL_BYTES = 8192
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Who does what: written to every journal line and lease."""

    run: str
    project: str
    release: str | None
    environment: str | None
    user: str
    host: str
    since: str
    """ISO 8601, UTC."""

    def holder(self) -> str:
        """What a lease says of its holder."""
        purpose = f"apply {self.project}" + (f" {self.release}" if self.release else "")
        return json.dumps(
            {"user": self.user, "host": self.host, "run": self.run, "purpose": purpose, "since": self.since},
            separators=(",", ":"),
        )


@dataclass(slots=True)
class RunContext:
    """One run of a plan, as its steps see it."""

    identity: RunIdentity
    emit: Emit
    now: Callable[[], str]
    """The controller's time, ISO 8601, UTC."""
    secrets: SecretStore
    packages: Mapping[str, Package]
    bundles: Bundles
    configured: Mapping[tuple[str, str], Configured]
    """By step id and target."""
    run_outcome: Callable[[], str]
    """``success`` or ``failure``, as it stands: exported as OCTO_RUN_OUTCOME."""
    interruption: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first signal."""

    @property
    def interrupted(self) -> bool:
        return self.interruption.is_set()


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended on a target."""

    outcome: Outcome
    reason: str
    status: int | None = None
    tail: bytes = b""


@dataclass(slots=True)
class StepVoice:
    """One step on one target, speaking: output is masked, passed on, and its end is kept for a failure's message."""

    context: RunContext
    step: str
    target: str
    _masker: Masker = field(init=False)
    _tail: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self._masker = Masker(self.context.secrets.known())

    def note(self, text: str) -> None:
        self.context.emit(StepNote(self.step, self.target, text))

    def listen(self) -> None:
        """Begin with a new script: secrets read since then are masked, the tail is its own."""
        self._masker = Masker(self.context.secrets.known())
        self._tail = b""

    def output(self, data: bytes) -> None:
        """Bytes that a script printed."""
        self._pass_on(self._masker.feed(data))

    def tail(self) -> bytes:
        """The last lines of what the script printed, masked."""
        self._pass_on(self._masker.flush())
        return b"\n".join(self._tail.rstrip(b"\n").split(b"\n")[-TAIL_LINES:])

    def masked(self, text: str) -> str:
        """A sentence that may quote what the target said, without secrets."""
        masker = Masker(self.context.secrets.known())
        hidden = masker.feed(text.encode("utf-8", "surrogateescape")) + masker.flush()
        return hidden.decode("utf-8", "surrogateescape")

    def failure(self, error: OctoError) -> StepEnd:
        """The step ended with an error that is no loss of the connection."""
        told = error.beside(self.target) if isinstance(error, TargetError) else error.message
        told = f"{told} ({error.hint})" if error.hint else told
        return StepEnd(Outcome.FAILED, self.masked(told), tail=self.tail())

    def _pass_on(self, masked: bytes) -> None:
        if masked:
            self._tail = (self._tail + masked[-TAIL_BYTES:])[-TAIL_BYTES:]
            self.context.emit(StepOutput(self.step, self.target, masked))
