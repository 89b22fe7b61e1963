"""The release plan as it stands in git: packages, variables, steps (SPEC section 4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.errors import Position
from octo_ssh.model.values import Expr, Template, Variables

Text = str | Template


@dataclass(frozen=True, slots=True)
class Budget:
    """A number of targets, or a share of a step's targets: ``3`` or ``10%``."""

    count: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A package in an archive beside the plan."""

    path: Text
    folder: str
    """What a relative path is relative to."""


@dataclass(frozen=True, slots=True)
class FolderOrigin:
    """A package that is a folder beside the plan."""

    path: Text
    folder: str
    ignore: tuple[str, ...] = ()
    """Patterns of what to leave out, as in .gitignore."""


@dataclass(frozen=True, slots=True)
class UrlOrigin:
    """A package fetched over https; its sha256 is required."""

    url: Text


Origin = FileOrigin | FolderOrigin | UrlOrigin


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Where a package of the plan comes from."""

    name: str
    origin: Origin
    position: Position
    sha256: str | None = None
    """Of the archive; for a folder, of its manifest."""


class When(enum.Enum):
    """On what a step depends: the target's own outcome so far (on the controller, the run's)."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed step is tried again, and how long to wait before it."""

    times: int = 0
    delay_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Rolling:
    """A window that slides over a group's targets."""

    window: Budget = Budget(count=1)
    canary: Budget | None = None
    max_failures: Budget = Budget(count=0)
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BecomeAs:
    """A step's ``become``: ``user`` None means the target's own ``become.user``."""

    user: str | None = None


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A URL that is asked on the target, by curl or wget. Success is a 2xx holding ``contains``."""

    url: Text
    contains: Text | None = None


@dataclass(frozen=True, slots=True)
class CommandProbe:
    """A command that must exit 0: shell text, or one argument per element."""

    command: str | tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """Something that must come true within a time."""

    what: HttpProbe | CommandProbe
    within_s: float = 30.0
    every_s: float = 2.0


@dataclass(frozen=True, slots=True)
class PackageStep:
    """Switch a target to a release of a package."""

    package: str
    to: Text | None = None
    keep: int = 3
    shared: tuple[str, ...] = ()
    configure: tuple[str, ...] = ()
    activate: str | None = None
    verify: Probe | None = None


@dataclass(frozen=True, slots=True)
class InlineScript:
    """``run:``; shell text, never a template."""

    text: str


@dataclass(frozen=True, slots=True)
class FileScript:
    """``script:``; a file beside the plan, read at load."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class PackageScript:
    """``script: package:path``; a file of a package, run where the release lies."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class RunStep:
    """Run a script on the target."""

    script: InlineScript | FileScript | PackageScript


@dataclass(frozen=True, slots=True)
class CheckStep:
    """Wait until something is true on the target."""

    probe: Probe


@dataclass(frozen=True, slots=True)
class GroupStep:
    """Child steps; with ``rolling``, all of them on one target before the window moves on."""

    steps: tuple[Step, ...]
    rolling: Rolling | None = None


StepKind = PackageStep | RunStep | CheckStep | GroupStep


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the targets it selects."""

    name: str
    id: str
    """Unique in the plan; the key under which targets remember it."""
    kind: StepKind
    position: Position
    on: tuple[str, ...] = ()
    """Selector items as written; empty: the parent's targets, or every target of the environment."""
    allow_empty: bool = False
    once: bool = False
    when: When | Template = When.SUCCESS
    become: BecomeAs | None = None
    """None: as the login. Inherited from the group where the step itself is silent."""
    variables: Variables = field(default_factory=dict)
    env: Mapping[str, Expr] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    cwd: Text | None = None
    timeout_s: float = 1800.0
    retry: Retry = Retry()
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """A plan file, validated."""

    path: str
    project: str
    release: str | None
    """None for a runbook (a plan without packages)."""
    inventory_path: str
    environment: str | None
    """The plan's default for ``-e``."""
    steps: tuple[Step, ...]
    packages: Mapping[str, PackageSource] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    max_parallel: int = 50
    max_failures: Budget = Budget(count=0)
    skip_unreachable: bool = False

    def walk(self) -> tuple[Step, ...]:
        """Every step, groups before their children, in the order of the file."""
        return tuple(_walk(self.steps))


def _walk(steps: tuple[Step, ...]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        found.append(step)
        if isinstance(step.kind, GroupStep):
            found.extend(_walk(step.kind.steps))
    return found
