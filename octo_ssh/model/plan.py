"""The release plan as it stands in git: packages, variables, steps (SPEC section 4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.errors import Position
from octo_ssh.model.drift import Expected
from octo_ssh.model.values import Expr, SecretRef, Template, Variables

Text = str | Template

CONTROLLER = "controller"
"""In ``on``: the step runs on the controller. No target may have the name."""
OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024
"""Where the plan does not say ``output_limit``."""


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

    @property
    def location(self) -> Text:
        """The path or URL, as it is written."""
        return self.origin.url if isinstance(self.origin, UrlOrigin) else self.origin.path


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
    backoff: float = 1.0
    """By what the delay grows with each further try."""
    max_delay_s: float = 3600.0

    def wait_s(self, tries: int) -> float:
        """How long to wait after so many failed tries (1 or more)."""
        try:
            return float(min(self.delay_s * self.backoff ** (tries - 1), self.max_delay_s))
        except OverflowError:
            return self.max_delay_s


class OnFailure(enum.Enum):
    """What a step's failure does to the target."""

    FAIL = "fail"
    IGNORE = "ignore"
    """It is told, and counts nowhere."""


class Rerun(enum.Enum):
    """Whether a script that has run already runs again."""

    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Rolling:
    """A window that slides over a group's targets."""

    window: Budget = Budget(count=1)
    canary: Budget | None = None
    max_failures: Budget = Budget(count=0)
    pause_s: float = 0.0
    asks: bool = False
    """``pause: approve``: somebody is asked after the canary. Only with a canary."""


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
    settings: tuple[FileSettings, ...] = ()
    """``configure.set``, in the order of the file."""
    confirm_s: float | None = None
    """The target goes back by itself where nobody confirms the release so soon after its activation; None: never."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Values to set in one structured file of a package (JSON, YAML, .properties)."""

    path: str
    """A pattern as in ``configure``."""
    values: Mapping[str, Expr]
    """By key: names joined by ``:``, list items by number; in .properties the key itself."""
    position: Position
    places: Mapping[str, Position] = field(default_factory=dict)
    """Where each key stands in the plan."""


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
    unless: str | None = None
    """Shell that returns 0 where it is done already."""
    rerun: Rerun = Rerun.NEVER
    reboots: bool = False
    """The machine restarts in this step: it ends when the target is back, under a new boot id."""


@dataclass(frozen=True, slots=True)
class CheckStep:
    """Wait until something is true on the target."""

    probe: Probe


@dataclass(frozen=True, slots=True)
class GroupStep:
    """Child steps; with ``rolling``, all of them on one target before the window moves on."""

    steps: tuple[Step, ...]
    rolling: Rolling | None = None


@dataclass(frozen=True, slots=True)
class TextContent:
    """``content:``; may yield secrets."""

    text: Text


@dataclass(frozen=True, slots=True)
class TemplateContent:
    """``template:``; a file beside the plan in which ``${{ … }}`` is filled in. Read at load."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SourceContent:
    """``source:``; a file beside the plan, byte by byte. Hashed when the run begins, streamed when it is sent."""

    path: str


@dataclass(frozen=True, slots=True)
class SecretContent:
    """``content:`` with a value that has a source: the file is the secret."""

    ref: SecretRef


FileContent = TextContent | TemplateContent | SourceContent | SecretContent


@dataclass(frozen=True, slots=True)
class FileStep:
    """A file on the target as it should be. ``content`` None: it should not be there (``absent: true``)."""

    path: Text
    content: FileContent | None
    mode: int | None = None
    """None: left as it is; 0644 for a new one, 0600 where it holds a secret."""
    owner: Text | None = None
    group: Text | None = None
    parents: bool = False
    """Folders above that are missing are made (0755)."""
    on_change: str | None = None
    show_diff: bool = True
    """``diff: false``: content is never shown."""


class ServiceState(enum.Enum):
    RUNNING = "running"
    STOPPED = "stopped"


class Restart(enum.Enum):
    """``restart`` of a service step."""

    NEVER = "never"
    ALWAYS = "always"
    ON_CHANGE = "on_change"


@dataclass(frozen=True, slots=True)
class ServiceStep:
    """A systemd unit as it should be."""

    service: Text
    state: ServiceState | None = None
    enabled: bool | None = None
    restart: Restart = Restart.NEVER
    on_change: tuple[str, ...] = ()
    """Ids of the steps whose change restarts it."""


@dataclass(frozen=True, slots=True)
class ApproveStep:
    """Somebody says yes, or the run ends here. Asked on the controller."""

    text: Text


StepKind = PackageStep | RunStep | CheckStep | FileStep | ServiceStep | ApproveStep | GroupStep


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
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES
    """Of each of its scripts."""
    retry: Retry = Retry()
    max_parallel: int | None = None
    on_controller: bool = False
    """``on: controller``, and every approve step. Inside a rolling group: on the controller, once for each target."""
    environments: tuple[str, ...] = ()
    """Only in these; empty: in all."""
    required: bool = False
    """``--skip-step`` cannot leave it out."""
    starts_with_previous: bool = False
    """No barrier between the step before and this one."""
    on_failure: OnFailure = OnFailure.FAIL


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
    drift_ignore: tuple[Expected, ...] = ()
    """``drift.ignore``: what may differ on targets, and until when. ``plan`` and ``apply`` leave it alone, too."""

    def walk(self) -> tuple[Step, ...]:
        """Every step, groups before their children, in the order of the file."""
        return tuple(walk_steps(self.steps))


def walk_steps(steps: tuple[Step, ...]) -> list[Step]:
    """These steps and all inside them, groups before their children."""
    found: list[Step] = []
    for step in steps:
        found.append(step)
        if isinstance(step.kind, GroupStep):
            found.extend(walk_steps(step.kind.steps))
    return found
