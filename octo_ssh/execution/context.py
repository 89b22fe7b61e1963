"""What the steps of one run share: who runs what, the secrets, the way to tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.templates import TemplateProblem, evaluate_late, render_late_word, render_value
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.execution.outputs import Outputs
from octo_ssh.model.events import Emit
from octo_ssh.model.holder import holder_text
from octo_ssh.model.inventory import Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import Secret
from octo_ssh.model.work import LateText, LateWord, ScriptValue
from octo_ssh.packages.acquire import Package
from octo_ssh.packages.bundle import Bundles
from octo_ssh.planning.configure import Configured
from octo_ssh.transport.session import Session


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Who does what: written to every journal line and lease."""

    run: str
    project: str
    release: str | None
    environment: str | None
    user: str
    host: str

    def holder(self, *, since: str) -> str:
        """What a lease says of its holder, who took it then."""
        purpose = f"apply {self.project}" + (f" {self.release}" if self.release else "")
        return holder_text(user=self.user, host=self.host, run=self.run, purpose=purpose, since=since)


FileBytes = Secret | FileInput

Approve = Callable[[str, str], Awaitable[bool]]
"""Asks for an approval: the step's id, what it is about. True: it was given."""


@dataclass(slots=True)
class RunContext:
    """One run of a plan, as its steps see it."""

    identity: RunIdentity
    emit: Emit
    on_disk: Callable[[], Awaitable[None]]
    """Returns when the events so far are on the controller's disk: acts await it. Raises StateError."""
    now: Callable[[], str]
    """The controller's time, ISO 8601, UTC."""
    secrets: SecretStore
    packages: Mapping[str, Package]
    bundles: Bundles
    configured: Mapping[tuple[str, str], Configured]
    """By step id and target."""
    files: Mapping[tuple[str, str], FileBytes]
    """What file steps write, by step id and target; those whose content uses outputs are not among them."""
    outputs: Outputs
    artifacts: Path
    """The folder on the controller for the artifacts of this run; made when the first one comes."""
    connect: Callable[[Target], Awaitable[Session]]
    """Connects again, to a target that restarted. Raises Unreachable."""
    approve: Approve
    run_outcome: Callable[[], str]
    """``success`` or ``failure``, as it stands: exported as OCTO_RUN_OUTCOME."""
    went_back: set[tuple[str, str]] = field(default_factory=set)
    """Package steps that went back, and on which target: such a run is no success, unless another try of the step
    brought the release after all."""
    interruption: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first signal."""

    @property
    def interrupted(self) -> bool:
        return self.interruption.is_set()

    def value(self, value: ScriptValue, place: str) -> str | Secret:
        """A secret read, or a template rendered, now. Raises FileErrors, SecretError. Call it in a thread."""
        if isinstance(value, str):  # most are, and need no outputs
            return value
        rendered: str | Secret = self._located(lambda: render_value(value, self.secrets, self.outputs.steps(place)))
        return rendered

    def word(self, value: LateWord, place: str) -> str:
        """Text that may use outputs. Raises FileErrors."""
        word: str = self._located(lambda: render_late_word(value, self.outputs.steps(place)))
        return word

    def holds(self, condition: LateText, place: str) -> bool:
        """Whether a ``when`` that uses outputs is true now. Raises FileErrors."""
        found = self._located(lambda: evaluate_late(condition, self.secrets, self.outputs.steps(place)))
        if not isinstance(found, bool):
            message = f"'when' must give true or false, and gives {found!r}"
            raise FileErrors([Problem(condition.template.position, message)])
        return found

    def _located(self, render: Callable[[], Any]) -> Any:
        try:
            return render()
        except TemplateProblem as error:  # it fails on a value that nobody had seen before
            raise FileErrors([error.problem]) from None


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended on a target."""

    outcome: Outcome
    reason: str
    status: int | None = None
    tail: bytes = b""
