"""What a person asked for, as values: the words of the command line, checked for form only."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from octo_ssh.model.values import Value


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

    confirm: Callable[[str], Awaitable[bool]] | None = None
    """Asks a person on a terminal; None: nobody is there."""
    yes: bool = False
    """``--yes``: an environment's ``confirm`` is answered."""
    lock_wait_s: float = 0.0
    command: str = "octo-ssh apply"
    """What the person typed, less selection: for the command that goes on."""
