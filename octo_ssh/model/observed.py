"""What was seen on a target, in one round, before anything is decided."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.model.jobs import JobSeen
from octo_ssh.model.manifest import Entry, Manifest
from octo_ssh.model.timers import TimerSeen


@dataclass(frozen=True, slots=True)
class Disk:
    """What is free at a place."""

    free_bytes: int
    free_inodes: int | None
    """None where the file system does not count them."""
    id: str = ""
    """Of the file system; empty where it has none."""
    left_bytes: int = 0
    """Taken there by what killed runs left: it goes before anything else comes."""
    left_inodes: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine and the login."""

    user: str
    uid: int
    home: str
    hostname: str
    machine_id: str
    """Empty where there is none."""
    kernel: str
    """``uname -srm``."""
    boot_id: str
    root: str
    """The target's ``root``, absolute, ``~`` and links resolved as far as it exists."""
    disk: Disk
    """At ``root``."""
    tools: frozenset[str] = frozenset()
    """Of the programs we may need (``tar``, ``zstd``, ``curl``, …): those that are there."""
    selinux: bool = False

    def remembered_user(self, user: str | None) -> str:
        """As whom a baseline says that something is looked at: empty for the login."""
        return "" if user in (None, self.user) else user

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for two names of one machine with one root (SPEC section 3); empty where that cannot be told.

        A machine-id alone may be a clone's, and containers share their host's boot: all together tell.
        """
        return (self.machine_id, self.boot_id, self.hostname, self.root) if self.machine_id else ()


MIN_TTL_S: float = 10
"""What a lease says of its time is a text on a target: nobody is held to less, or to more."""
MAX_TTL_S: float = 900


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lock. ``who`` is what the holder wrote; it is text from a target."""

    epoch: int
    token: str
    ttl_s: int
    boot_id: str
    stamp_s: float
    """The target's ``/proc/uptime`` when the lease was last renewed."""
    who: str
    """JSON: ``user``, ``host``, ``run``, ``purpose``, ``since``."""
    age_s: float | None = None
    """Since the last renewal, on the target's clock; None after a reboot, and where there is no such clock."""
    link: str = ""
    """All that the lease says, as it stands: another text means that somebody renewed it."""

    @property
    def holds_s(self) -> float:
        """For how long it holds when nobody renews it."""
        return min(max(self.ttl_s, MIN_TTL_S), MAX_TTL_S)

    @property
    def is_live(self) -> bool:
        """Somebody is at work. A run that was killed leaves a lease behind that nobody renews."""
        return self.age_s is not None and self.age_s < self.holds_s


@dataclass(frozen=True, slots=True)
class Journal:
    """The end of ``journal.jsonl``."""

    head: str = ""
    """sha256 of the last line without its newline; empty for an empty journal."""
    size: int = 0


class Place(enum.Enum):
    """What ``<to>`` is."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """It belongs to another root, project or environment, or is not a folder of ours at all."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class ReleaseFolder:
    """A complete release on the target."""

    name: str
    manifest_sha256: str
    """Of the bytes of ``<name>.json``."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder's whole content, hashed."""

    entries: Mapping[str, Entry]
    unreadable: frozenset[str] = frozenset()
    """Paths that could be listed but not read: unknown, never absent."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """``uid:gid`` by path, the folder itself under ``.``; empty where not asked for."""
    mode: int | None = None
    """The folder's own; None where not asked for."""


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A package's place that is to be looked at."""

    step_id: str
    to: str
    """Absolute, or relative to the home of whoever looks."""
    shared: tuple[str, ...] = ()
    """Shared paths whose existence is asked."""


@dataclass(frozen=True, slots=True)
class PackagePlace:
    """A package's ``<to>``."""

    to: str
    """Absolute."""
    place: Place
    owner: str = ""
    """For FOREIGN: whose it is, as text."""
    writable: bool = True
    """The user who looked could create a release folder here."""
    current: str | None = None
    """The release folder that ``current`` points at; None when there is none."""
    releases: tuple[ReleaseFolder, ...] = ()
    fingerprint: str = ""
    """sha256 over a stat listing of the current release; equal means nobody touched it."""
    shared: frozenset[str] = frozenset()
    """Of the plan's shared paths, those that exist."""
    closed: frozenset[str] = frozenset()
    """Those of which whoever looked may not know whether they do."""
    disk: Disk | None = None
    trees: Mapping[str, Tree] = field(default_factory=dict)
    """Release folders that were hashed, by name: those whose state was in doubt."""
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    """Manifests of release folders by folder name, where they are known."""
    timers: tuple[TimerSeen, ...] = ()
    """Of releases that wait for a confirmation, or did."""


class FileKind(enum.Enum):
    """What stands at the path of a file step."""

    ABSENT = "absent"
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    """A symbolic link: octo-ssh does not follow it."""
    OTHER = "other"
    UNREADABLE = "unreadable"
    """It, or a folder above it, may not be looked at."""


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A file that is to be looked at."""

    step_id: str
    path: str
    """Absolute, or relative to the home of whoever looks."""
    sha256: str = ""
    """What it should hold: content comes back where it differs. Empty: no content is asked for."""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """What a file step found at its path."""

    path: str
    """Absolute."""
    kind: FileKind
    mode: int = 0
    owner: str = ""
    """The user's name; its number where it has none."""
    group: str = ""
    size: int = 0
    sha256: str = ""
    content: bytes | None = None
    """Its bytes, where asked for, different and small (64 KiB)."""
    missing_parents: bool = False
    """The folder it should lie in is not there."""
    uid: int | None = None
    """The owner's number: a plan may name it by that. None where it could not be looked at."""
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What systemd says of a unit."""

    systemd: bool
    """False: the target has no running systemd, and nothing else is known."""
    load: str = ""
    """``LoadState``: ``loaded``, ``not-found``, ``masked``, …"""
    active: str = ""
    """``ActiveState``: ``active``, ``inactive``, ``failed``, ``activating``, …"""
    enabled: str = ""
    """``UnitFileState``: ``enabled``, ``disabled``, ``static``, …; empty where there is none."""
    unit_sha256: str = ""
    """Of the paths and contents of the unit's file and drop-ins; empty where they may not be read, or where there is no
    such unit."""
    dropins: tuple[str, ...] = ()
    """Paths of drop-in files."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The unit's file and its drop-ins, by path: the sha256 of each, or in a word why it has none (``special``, …)."""
    main_pid: int = 0
    """0: no process."""
    start: str = ""
    """``InvocationID``: which of its starts this is, or was."""
    runs_in: tuple[str, ...] = ()
    """Where its main process was started from: its working folder and its program; empty where that may not be seen."""


@dataclass(frozen=True, slots=True)
class PackageBaseline:
    """What the last success of a package left."""

    to: str
    folder: str
    manifest_sha256: str
    fingerprint: str
    history: tuple[str, ...] = ()
    """Release folders that were current and good before ``folder``, latest first."""
    user: str = ""
    """As whom it is looked at: the user of ``become``; empty: the login."""
    owner: str = ""
    """``uid:gid`` of the release folder; empty: not recorded, and then owners are not compared."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Entries that belong to somebody else: ``uid:gid`` by path, MAX_OWNERS at most."""
    shared: tuple[str, ...] = ()
    """Shared paths."""


@dataclass(frozen=True, slots=True)
class Done:
    """A run step that is over with for a release: a success that still counts, or a failure that was ignored."""

    step: str
    release: str
    run: str
    ignored: bool = False
    """It failed, and that counts nowhere."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A consequence whose cause was journaled and which was not seen to happen."""

    step: str
    """The id of the step that owes it."""
    package: str
    """Empty where the step is no package step."""
    release: str
    what: str
    """``activate``, ``verify``, ``on_change``, ``restart``, or an Octopus script: ``Deploy``, ``PostDeploy``."""
    previous: str | None = None
    """The release folder to go back to when ``verify`` fails; None: there was none."""


@dataclass(frozen=True, slots=True)
class FileBaseline:
    """What the last success of a file step left."""

    path: str
    """Absolute."""
    present: bool
    sha256: str = ""
    mode: int = 0
    owner: str = ""
    group: str = ""
    user: str = ""
    """As whom it is looked at: the user of ``become``; empty: the login."""
    holds_secrets: bool = False
    """A secret went into it: what it holds is not shown, even when it is to hold none any more."""


MAX_OWNERS = 1000


@dataclass(frozen=True, slots=True)
class ServiceBaseline:
    """What the last success of a service step left. Empty: the step did not say."""

    service: str
    active: str = ""
    enabled: str = ""
    unit_sha256: str = ""
    """Of the unit's own file and its drop-ins, as systemd names them; empty: not recorded."""
    user: str = ""
    """As whom it is looked at: the user of ``become``; empty: the login."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What ``unit_sha256`` is of: ``ServiceSeen.files``; empty: not recorded."""


@dataclass(frozen=True, slots=True)
class StepOutputs:
    """What a step's last success said with ``octo_set``. Secret values are never written down."""

    values: Mapping[str, str] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()
    """Names of secret outputs."""
    release: str = ""
    run: str = ""
    """Ids of runs sort by time."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The target's memory of a project in an environment: ``state/<project>/<environment>.json``."""

    release: str | None = None
    """The release that became current last."""
    packages: Mapping[str, PackageBaseline] = field(default_factory=dict)
    """By package step id."""
    done: Mapping[str, Done] = field(default_factory=dict)
    """By digest of a step. Those of other releases are dropped when a release becomes current."""
    failed_checks: frozenset[str] = frozenset()
    """Ids of check steps whose last result was no success."""
    passed_checks: frozenset[str] = frozenset()
    """Those that need not be asked again before something changes: they passed, or their failure was ignored."""
    owed: tuple[Owed, ...] = ()
    due: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By release: ids of steps that a run decided to do and has not done."""
    files: Mapping[str, FileBaseline] = field(default_factory=dict)
    """By file step id."""
    services: Mapping[str, ServiceBaseline] = field(default_factory=dict)
    """By service step id."""
    outputs: Mapping[str, StepOutputs] = field(default_factory=dict)
    """By step id."""
    held: frozenset[str] = frozenset()
    """Ids of run steps whose ``unless`` said that they are done already when a run decided, or that ran since: it
    should say so still."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One target, as seen before the run."""

    facts: Facts
    lease: Lease | None
    """The live lease of another run, if any."""
    epoch: int
    journal: Journal
    baseline: Baseline
    packages: Mapping[str, PackagePlace] = field(default_factory=dict)
    """By package step id."""
    files: Mapping[str, FileSeen] = field(default_factory=dict)
    """By file step id; those whose path could be told before the run."""
    services: Mapping[str, ServiceSeen] = field(default_factory=dict)
    """By service step id; those whose name could be told before the run."""
    unless: Mapping[str, int] = field(default_factory=dict)
    """By step id: the exit status of its ``unless``."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """By step id: why nobody could look at what the step is about: sudo was refused, say."""
    jobs: tuple[JobSeen, ...] = ()
    """Scripts that runs before this one left in the work folder."""
