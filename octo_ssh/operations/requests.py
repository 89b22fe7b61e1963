"""What a person asked for, as values: the words of the command line, checked for form only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from octo_ssh.config.load import LoadRequest
from octo_ssh.model.observed import Observed
from octo_ssh.model.values import Secret, Value
from octo_ssh.model.work import RunPlan


class Asker(Protocol):
    """A person on a terminal. One question at a time: later ones wait."""

    async def confirm(self, question: str) -> bool: ...

    async def ask(self, question: str, *, echo: bool) -> Secret | None:
        """What was typed; None for Ctrl-D."""
        ...

    async def choose(self, question: str, choices: Sequence[str]) -> str:
        """One of ``choices``; Ctrl-D is the last of them."""
        ...


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A plan and what of it is wanted: for ``plan``, ``apply`` and ``status``."""

    plan_path: str
    inventory_path: str | None = None
    environment: str | None = None
    release: str | None = None
    variables: Mapping[str, Value] = field(default_factory=dict)
    limit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    skip_steps: frozenset[str] = frozenset()
    redeploy: bool = False

    @property
    def files(self) -> LoadRequest:
        """What of it is about files."""
        return LoadRequest(self.plan_path, self.inventory_path, self.environment, self.release, self.variables)


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """Targets of an inventory, without a plan: for ``doctor``, ``exec``, ``trust`` and ``lock``."""

    inventory_path: str
    selector: tuple[str, ...] = ()
    """Empty: every target."""
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command finds around it: the user's folders."""

    state: Path
    """The controller's own records (SPEC section 5): ``OCTO_SSH_STATE``, else the user's state folder."""
    cache: Path
    """Unpacked packages, bundles, manifests: nothing that cannot be made again."""

    @classmethod
    def of_user(cls) -> Surroundings:
        """The folders of whoever runs this."""
        from platformdirs import user_cache_path, user_state_path

        return cls(
            state=Path(os.environ.get("OCTO_SSH_STATE") or user_state_path("octo-ssh")),
            cache=Path(os.environ.get("OCTO_SSH_CACHE") or user_cache_path("octo-ssh")),
        )


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply, beside what to apply."""

    person: Asker | None = None
    """None: nobody is there."""
    check: Callable[[RunPlan, Mapping[str, Observed]], None] | None = None
    """Of a saved plan: raises Refused where what was seen and decided now is not what was saved."""
    guided: bool = False
    """``--guided``: a person is asked what to do about a failed step. An environment may want it too."""
    approvals: Mapping[str, str] = field(default_factory=dict)
    """``--approve``: by the name or id of what is approved, the note."""
    yes: bool = False
    """``--yes``: an environment's ``confirm`` is answered."""
    lock_wait_s: float = 0.0
    command: str = "octo-ssh apply"
    """What the person typed, less selection: for the command that goes on."""


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """How to check for drift, beside what to check."""

    health: bool = False
    """``--health``: check steps are asked."""
    quick: bool = False
    """``--quick``: a release whose stat listing is as it was left is not hashed."""
    against_plan: bool = False
    """``--against plan``: in place of what the last success left."""
