"""The plan of a run: what each step will do on each target, resolved. ``plan`` prints it, ``apply`` executes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import FileSeen, Owed, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import OUTPUT_LIMIT_BYTES, PackageScript, ServiceState, Step
from octo_ssh.model.values import SecretRef, Template


@dataclass(frozen=True, slots=True)
class LateText:
    """A template that is rendered when the step runs: it yields a secret, or uses outputs of steps."""

    template: Template
    names: Mapping[str, Any]
    """Every name it may use but for ``steps``; ``SecretRef`` where the value is a secret."""
    after: tuple[str, ...] = ()
    """Ids of the steps whose outputs it uses."""


ScriptValue = str | SecretRef | LateText
LateWord = str | LateText
"""Text that may use outputs, and never a secret."""


@dataclass(frozen=True, slots=True)
class ScriptWork:
    """A script to run once."""

    script: str | PackageScript
    """Its text, or the file of a package that holds it."""
    env: Mapping[str, ScriptValue]
    """Everything that is exported, but for OCTO_RUN_OUTCOME, which only the run knows."""
    cwd: LateWord | None
    """None: the run's work folder. Relative: to the login's home; on the controller, to the plan's folder."""
    release_dirs: Mapping[str, str]
    """By package name: the release folder of this run."""
    sudo_user: str | None
    timeout_s: float
    digest: str
    """What a success is remembered by; empty where nothing is remembered."""
    reads: tuple[str, ...] = ()
    """Ids of the steps whose outputs the script names: it gets their secret ones too."""
    reboots: bool = False
    is_convention: bool = False
    """One of Octopus's scripts in a package: a shell runs it, whatever its mode."""
    owes: tuple[Owed, ...] = ()
    """What a run step causes elsewhere (services that restart): written down before it runs."""
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    """What is kept of all that it prints; the rest is dropped on the target."""


@dataclass(frozen=True, slots=True)
class HttpWork:
    """Ask a URL on the target."""

    url: LateWord
    contains: LateWord | None


@dataclass(frozen=True, slots=True)
class ProbeWork:
    """Wait until a URL answers or a command succeeds."""

    what: HttpWork | ScriptWork
    within_s: float
    every_s: float
    sudo_user: str | None


@dataclass(frozen=True, slots=True)
class PackageWork:
    """Bring a package to a release folder and make it current."""

    package: str
    to: str
    """Absolute, or relative to the login's home."""
    folder: str
    """``<version>``, ``<version>_1``, …"""
    manifest: Manifest
    """What the folder must hold: configured files and shared links included."""
    build: bool
    """The folder is not there yet: contents are pushed and it is laid out."""
    switch: bool
    """``current`` does not point there yet."""
    base: str | None
    """A release folder on the target whose unchanged files are copied."""
    damaged: tuple[str, ...] = field(default=(), kw_only=True)
    """Entries of ``base`` that are not, or may not be, as its manifest says: nothing is taken from them."""
    previous: str | None
    """The folder that ``verify`` returns to; None: there is none."""
    stray: str = field(default="", kw_only=True)
    """Where ``current`` leads now, if that is no complete release."""
    seeds: tuple[str, ...]
    """Shared paths that do not exist yet and are filled from the package."""
    shared: tuple[str, ...]
    activate: ScriptWork | None
    verify: ProbeWork | None
    keep: tuple[str, ...]
    """Release folders that stay after a success, besides ``folder``."""
    sudo_user: str | None
    owed: tuple[str, ...] = ()
    """Consequences that an earlier run left undone: ``activate``, ``verify``."""
    extra: tuple[str, ...] = ()
    """Entries in the current release that nobody packaged: named and left."""
    repaired: tuple[str, ...] = ()
    """Entries of the current release that differ from its manifest."""
    lacking_files: int = 0
    """How many files' contents the target lacks against ``base``."""
    lacking_bytes: int = 0
    """Their size, before compression: what a push sends at most."""
    conventions: Mapping[str, ScriptWork] = field(default_factory=dict)
    """Octopus's scripts at the package's root, by name: ``PreDeploy``, ``Deploy``, ``PostDeploy``, ``DeployFailed``."""
    returning: Mapping[str, ScriptWork] = field(default_factory=dict)
    """The ``Deploy`` and ``PostDeploy`` of ``previous``: they run again where the target goes back to it."""
    confirm_s: float | None = None
    """The target goes back by itself where nobody confirms the release so soon after its scripts ran; None: it does
    not, or there is nothing to go back from."""
    owes: tuple[Owed, ...] = ()
    """What a change causes elsewhere (services that restart): written down before the act."""


@dataclass(frozen=True, slots=True)
class FileWork:
    """Make a file as it should be, or remove it."""

    path: LateWord
    """Absolute, or relative to the login's home (``~/…`` too)."""
    wanted: WantedFile | None
    """None: it should not be there."""
    owner: LateWord | None
    group: LateWord | None
    parents: bool
    seen: FileSeen | None
    """None: its path uses outputs, so nobody could look yet."""
    diff: tuple[str, ...]
    """Lines of a unified diff, masked; empty where none is to be shown."""
    on_change: ScriptWork | None
    owes: tuple[Owed, ...]
    """``on_change`` and what a change causes elsewhere: written down before the act."""
    owed: tuple[str, ...]
    """Consequences that an earlier run left undone: ``on_change``."""
    sudo_user: str | None
    changes: bool = True
    """It differs now, or that cannot be told yet; False: only consequences are due."""


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file's content as a target should have it. The bytes are ``late``, or the run holds them."""

    mode: int | None
    size: int = 0
    sha256: str = ""
    holds_secrets: bool = False
    late: LateText | None = None
    """Its content uses outputs: known only when the step runs."""


@dataclass(frozen=True, slots=True)
class ServiceWork:
    """Bring a systemd unit to its state."""

    service: LateWord
    state: ServiceState | None
    enabled: bool | None
    restart: bool
    """Restart it, whatever its state. A debt ``restart`` of this step in the baseline restarts it too."""
    seen: ServiceSeen | None
    """None: its name uses outputs, so nobody could look yet."""
    owes: tuple[Owed, ...]
    sudo_user: str | None
    digest: str = ""
    """What a success of ``restart: always`` is remembered by; empty where nothing is remembered."""
    accepts: tuple[str, ...] = ()
    """Unit files that no file step writes and that are not as they were left, each with what is the matter: a success
    remembers them as they are."""
    written: frozenset[str] = frozenset()
    """Paths that file steps write, for files that only the step itself may read."""


@dataclass(frozen=True, slots=True)
class ApproveWork:
    """Ask somebody on the controller."""

    text: LateWord


Work = ScriptWork | ProbeWork | PackageWork | FileWork | ServiceWork | ApproveWork


@dataclass(frozen=True, slots=True)
class Planned:
    """One step on one target: what will come of it, why, and what is to be done (None: nothing)."""

    outcome: Outcome
    reason: str
    work: Work | None = None
    standby: bool = False
    """The work is carried out only if the target fails before: a ``when: failure`` step, or a ``when: always`` step
    that is not due by itself. ``outcome`` is what comes of it when the target stays well."""
    conditions: tuple[LateText, ...] = ()
    """``when`` templates that use outputs, of the step and the groups around it: where one is false when its turn
    comes, the step is skipped."""
    after: tuple[str, ...] = ()
    """Ids of due steps whose outputs it uses: what comes of it is known only after them."""

    @property
    def due(self) -> bool:
        """Something is to be done, if all goes well."""
        return self.work is not None and not self.standby

    @property
    def only_remembers(self) -> bool:
        """It is due, and changes nothing: what was seen to be right is written down in the target's baseline."""
        is_known = isinstance(self.work, FileWork | ServiceWork) and self.work.seen is not None
        return self.due and is_known and self.outcome is Outcome.UNCHANGED

    @property
    def acts(self) -> bool:
        """It is due, and does more than to remember."""
        return self.due and not self.only_remembers


@dataclass(frozen=True, slots=True)
class Window:
    """A rolling group's numbers, resolved for the targets it has."""

    size: int
    canary: int
    """0: none."""
    max_failures: int
    pause_s: float
    asks: bool = False
    """Somebody is asked after the canary; there is one then."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the plan with its targets."""

    step: Step
    targets: tuple[str, ...]
    """In inventory order. A ``once`` step has one at most; one on the controller outside rolling groups has
    ``CONTROLLER``."""
    planned: Mapping[str, Planned]
    """By target; empty for a group."""
    children: tuple[PlannedStep, ...] = ()
    window: Window | None = None
    max_parallel: int = 50


Memory = tuple[Literal["package", "file", "service"], str]
"""A part of a target's baseline, and the id of the step that left it."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run will do. Pure data: printed by ``plan``, executed by ``apply``."""

    project: str
    release: str | None
    environment: str | None
    targets: tuple[str, ...]
    """Every target of the run, in inventory order."""
    steps: tuple[PlannedStep, ...]
    max_failures: int
    max_parallel: int = 50
    """Targets at once, where no step says less."""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    """Targets that could not be reached, with the reason."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Targets that were reached and could not be looked at (sudo refused, a damaged baseline), or have no room for what
    they are to get: failed, with the reason."""
    skip_unreachable: bool = False
    forgetting: Mapping[str, frozenset[Memory]] = field(default_factory=dict)
    """By target: what it remembers, until a success, of steps that the plan does not bring there any more."""
    renaming: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By target: ids under which it remembers a package's place, and those of the steps that have it now."""

    @property
    def changing(self) -> tuple[str, ...]:
        """The targets that will be locked: some step is due there, or something is to be forgotten, or goes by another
        name. Work on standby alone locks nothing.
        """
        busy = {target for step in self.walk() for target, planned in step.planned.items() if planned.due}
        # CONTROLLER is none of ``targets``: nothing is locked there.
        return tuple(name for name in self.targets if name in busy | self.forgetting.keys() | self.renaming.keys())

    @property
    def remembering(self) -> tuple[str, ...]:
        """Those of ``changing`` on which nothing changes: all that is due there only remembers."""
        busy = {target for step in self.walk() for target, planned in step.planned.items() if planned.acts}
        return tuple(name for name in self.changing if name not in busy)

    def walk(self) -> tuple[PlannedStep, ...]:
        """Every step, groups before their children."""
        found: list[PlannedStep] = []
        pending = list(self.steps)
        while pending:
            step = pending.pop(0)
            found.append(step)
            pending[:0] = step.children
        return tuple(found)
