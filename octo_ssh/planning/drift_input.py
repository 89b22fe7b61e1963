"""What a check for drift is made from (SPEC sections 1, 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from octo_ssh.model.drift import Expected
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed
from octo_ssh.planning.derive import Derived, Underivable
from octo_ssh.planning.drift_verdict import Verdict
from octo_ssh.planning.expected import in_force, marker
from octo_ssh.planning.inputs import PlanInput, Scene
from octo_ssh.planning.request import RunOptions, Selection
from octo_ssh.planning.wanted import Wanted

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


@dataclass(frozen=True, slots=True)
class Health:
    """What came of asking a check step."""

    passed: bool | None
    """None: it could not be asked."""
    reason: str = ""
    """Why it did not pass, or could not be asked."""


@dataclass(slots=True)
class DriftInput:
    """Everything that is known. What is keyed by two names is by step id and target.

    Of each target the baseline says what is watched, and ``observed`` holds by step id what was seen there: at the
    baseline's paths and units, where it has them. ``PackagePlace.shared`` answers for every shared path of the
    baseline; ``manifests`` holds the current release's as it lies there, be it from the target or from what is held
    here.
    """

    loaded: Loaded
    """Read by ``config.load.look``."""
    selection: Selection
    observed: Mapping[str, Observed]
    today: date
    """In UTC."""
    expected: tuple[Expected, ...] = ()
    """``drift.ignore``, all of it."""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Targets that could not be looked at, with the reason."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Targets that answer and could not be looked at, with the reason."""
    host_keys: Mapping[str, str] = field(default_factory=dict)
    """Targets whose host key is another than known_hosts says, in words."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about targets in any of those three."""
    derived: Mapping[tuple[str, str], Derived | Underivable] = field(default_factory=dict)
    """What package steps should have left, derived for the release in the baseline."""
    wanted: Mapping[tuple[str, str], Derived | Underivable] = field(default_factory=dict)
    """What they should leave, derived for the plan's release."""
    trusted: frozenset[str] = frozenset()
    """Digests of manifests that this controller itself derived when it applied them: where the plan gives something
    else now, git has moved on."""
    files: Mapping[tuple[str, str], Wanted | Underivable] = field(default_factory=dict)
    """What file steps want: ``Deriver.files``."""
    packages: Mapping[str, Manifest] = field(default_factory=dict)
    """Packages of the plan's release that are at hand, by name, as packed: for scripts in them."""
    health: Mapping[tuple[str, str], Health] = field(default_factory=dict)
    """Of the check steps that were asked."""
    quick: bool = False
    """Where a release's fingerprint is what it was, its files need not have been read."""
    against_plan: bool = False
    """Compare with what the plan wants, not with what was applied."""
    scene: Scene = field(init=False)
    """The plan's steps, for questions about them."""

    def __post_init__(self) -> None:
        self.scene = Scene(
            PlanInput(
                loaded=self.loaded,
                options=RunOptions(),
                selection=self.selection,
                observed=self.observed,
                unreachable=self.unreachable,
                manifests=self.packages,
                configured={},
            )
        )

    def verdict(self, step_id: str, name: str) -> Verdict:
        """An empty one. Entries of ``drift.ignore`` that are in force go before those that have expired."""
        current = in_force(self.expected, self.today)
        entries = (*current, *(entry for entry in self.expected if entry not in current))
        return Verdict(step_id, name, marker(entries, step_id), self.today)
