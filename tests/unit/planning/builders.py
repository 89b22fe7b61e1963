"""Short words for making plans, inventories and observations in tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.variables import Scopes
from octo_ssh.errors import Position
from octo_ssh.model.inventory import Inventory, Tag, Target
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import (
    Baseline,
    Disk,
    Facts,
    FileBaseline,
    FileKind,
    FileSeen,
    Journal,
    Observed,
    PackagePlace,
    Place,
    ServiceBaseline,
    ServiceSeen,
    StepOutputs,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import (
    CONTROLLER,
    ApproveStep,
    CheckStep,
    CommandProbe,
    FileOrigin,
    FileStep,
    GroupStep,
    InlineScript,
    PackageSource,
    PackageStep,
    Probe,
    ReleasePlan,
    Rolling,
    RunStep,
    ServiceState,
    ServiceStep,
    Step,
    TextContent,
)
from octo_ssh.model.values import Binding, Template
from octo_ssh.model.work import FileWork, Planned, PlannedStep, RunPlan, ScriptWork, Window
from octo_ssh.planning.plan import PlanInput, make_plan
from octo_ssh.planning.request import RunOptions, Selection, select
from octo_ssh.planning.wanted import wanted_file

HERE = Position("plan.yaml", 1, 1)
WORK = ScriptWork("true", {}, None, {}, None, 60.0, "")


def step(name: str, kind: Any = None, **keys: Any) -> Step:
    """A step; without a kind, a run step whose script is ``true``."""
    return Step(name, name, kind or RunStep(InlineScript("true")), HERE, **keys)


def run(name: str, text: str = "true", **keys: Any) -> Step:
    return step(name, RunStep(InlineScript(text)), **keys)


def package(name: str = "deploy", **keys: Any) -> Step:
    names = ("to", "keep", "shared", "configure", "activate", "verify", "confirm_s")
    own = {key: keys.pop(key) for key in names if key in keys}
    return step(name, PackageStep(keys.pop("package", "shop"), **own), **keys)


def check(name: str = "smoke", **keys: Any) -> Step:
    return step(name, CheckStep(Probe(CommandProbe("true"))), **keys)


def file(name: str = "unit", content: Any = "text\n", path: Any = "/etc/shop.conf", **keys: Any) -> Step:
    """A file step; ``content`` None: absent."""
    own = {key: keys.pop(key) for key in ("mode", "owner", "group", "parents", "on_change", "show_diff") if key in keys}
    what = TextContent(content) if isinstance(content, str | Template) else content
    return step(name, FileStep(path, what, **own), **keys)


def service(name: str = "service", unit: Any = "shop", **keys: Any) -> Step:
    own = {key: keys.pop(key) for key in ("state", "enabled", "restart", "on_change") if key in keys}
    return step(name, ServiceStep(unit, **(own or {"state": ServiceState.RUNNING})), **keys)


def group(name: str, *steps: Step, rolling: Rolling | None = None, **keys: Any) -> Step:
    return step(name, GroupStep(steps, rolling), **keys)


def approve(name: str, **keys: Any) -> Step:
    return step(name, ApproveStep("look"), on_controller=True, **keys)


# Plans of a run, made by hand: for the schedule.


def due(
    step: Step, targets: Iterable[str], *, idle: Iterable[str] = (), standby: bool = False, **keys: Any
) -> PlannedStep:
    """A leaf with work on every target but the idle ones."""
    names = tuple(targets)
    planned = {
        name: Planned(Outcome.UNCHANGED, "nothing to do")
        if name in set(idle)
        else Planned(Outcome.SKIPPED if standby else Outcome.CHANGED, "", WORK, standby=standby)
        for name in names
    }
    return PlannedStep(step, names, planned, **keys)


def remembering(step: Step, targets: Iterable[str]) -> PlannedStep:
    """A leaf with a file that is right on every target, and of which that is only to be written down."""
    work = FileWork("/x", None, None, None, False, file_seen(None, path="/x"), (), None, (), (), None, changes=False)
    planned = {name: Planned(Outcome.UNCHANGED, "is right", work) for name in targets}
    return PlannedStep(step, tuple(planned), planned)


def row(step: Step, *children: PlannedStep, window: Window | None = None, **keys: Any) -> PlannedStep:
    """A group; its targets are those of its children."""
    names = dict.fromkeys(name for child in children for name in child.targets)
    return PlannedStep(step, tuple(names), {}, tuple(children), window, **keys)


def here(step: Step, *, standby: bool = False) -> PlannedStep:
    """A leaf with work on the controller."""
    return due(replace(step, on_controller=True), [CONTROLLER], standby=standby)


def run_plan(*steps: PlannedStep, max_failures: int = 0, **keys: Any) -> RunPlan:
    names = dict.fromkeys(name for step in steps for name in step.targets if name != CONTROLLER)
    return RunPlan("shop", "1.0", "staging", keys.pop("targets", tuple(names)), steps, max_failures, **keys)


# Inventories, plans as in files, observations: for the rules.


def inventory(*names: str, tags: Mapping[str, tuple[str, ...]] | None = None, **keys: Any) -> Inventory:
    tags = tags or {}
    targets = {name: Target(name, HERE, tags=tags.get(name, ()), **keys) for name in names}
    return Inventory(
        "inventory.yaml", "known_hosts", targets, tags={tag: Tag(tag) for all_ in tags.values() for tag in all_}
    )


@dataclass(frozen=True)
class FakeLoaded:
    """What ``config.load`` gives, as far as planning asks."""

    plan: ReleasePlan
    inventory: Inventory
    environment: str | None
    scopes: Scopes
    targets: tuple[str, ...] = ()
    secrets: SecretStore = field(default_factory=lambda: SecretStore({"TOKEN": "s3cret-token"}))


def loaded(
    *steps: Step,
    targets: tuple[str, ...] = ("web-1", "web-2", "web-3"),
    release: str | None = "1.4.2",
    packages: tuple[str, ...] = ("shop",),
    variables: Mapping[str, Any] | None = None,
    inv: Inventory | None = None,
    command_line: Mapping[str, Any] | None = None,
    environment: str | None = None,
    **keys: Any,
) -> Any:
    plan = ReleasePlan(
        "plan.yaml",
        "shop",
        release,
        "inventory.yaml",
        None,
        steps,
        packages={name: PackageSource(name, FileOrigin("x.tar", "."), HERE) for name in packages},
        variables={name: Binding(value, HERE) for name, value in (variables or {}).items()},
        **keys,
    )
    inv = inv or inventory(*targets, environments=(environment,) if environment else ())
    return FakeLoaded(plan, inv, environment, Scopes(inv, plan, environment, command_line or {}))


def facts(name: str = "web-1", **keys: Any) -> Facts:
    base = Facts(
        user="deploy",
        uid=1000,
        home="/home/deploy",
        hostname=name,
        machine_id=f"id-{name}",
        kernel="Linux",
        boot_id="boot",
        root="/home/deploy/.octo-ssh",
        disk=Disk(10**12, None),
        tools=frozenset({"tar", "curl"}),
    )
    return replace(base, **keys)


def place(**keys: Any) -> PackagePlace:
    return PackagePlace(**{"to": "/srv/shop", "place": Place.OURS, **keys})


def observed(name: str = "web-1", *, places: Mapping[str, PackagePlace] | None = None, **keys: Any) -> Observed:
    """A target; without places, one where the step ``deploy`` has never been."""
    known = {"facts": facts(name), "lease": None, "epoch": 0, "journal": Journal(), "baseline": Baseline(), **keys}
    return Observed(**known, packages=places or {"deploy": place(place=Place.ABSENT)})


def file_seen(text: str | None = "text\n", path: str = "/etc/shop.conf", **keys: Any) -> FileSeen:
    """A file with this content, mode 0644, of root; None: there is none."""
    if text is None:
        return FileSeen(path, FileKind.ABSENT, **keys)
    raw = text.encode()
    known = {"mode": 0o644, "owner": "root", "group": "root", "content": raw, **keys}
    return FileSeen(path, FileKind.FILE, size=len(raw), sha256=hashlib.sha256(raw).hexdigest(), **known)


def service_seen(active: str = "active", enabled: str = "enabled", load: str = "loaded") -> ServiceSeen:
    return ServiceSeen(systemd=True, load=load, active=active, enabled=enabled)


def left_so(
    files: Mapping[str, FileSeen] | None = None, services: Iterable[tuple[Step, ServiceSeen]] = (), **keys: Any
) -> Baseline:
    """A baseline that remembers files by step id, and units of service steps, as they are seen."""
    return Baseline(
        files={
            name: FileBaseline(seen.path, seen.kind is FileKind.FILE, seen.sha256, seen.mode, seen.owner, seen.group)
            for name, seen in (files or {}).items()
        },
        services={step.id: _unit_so(step.kind, seen) for step, seen in services},
        **keys,
    )


def _unit_so(kind: Any, seen: ServiceSeen) -> ServiceBaseline:
    active = "" if kind.state is None else seen.active
    enabled = "" if kind.enabled is None else seen.enabled
    return ServiceBaseline(kind.service, active, enabled, seen.unit_sha256)


def said(release: str = "1.4.2", secret: Iterable[str] = (), **values: str) -> StepOutputs:
    return StepOutputs(values, frozenset(secret), release)


def files(**contents: str) -> Manifest:
    """A manifest of files; ``__`` stands for ``/`` and ``_DOT_`` for a dot."""
    return tree_of({name.replace("__", "/").replace("_DOT_", "."): text for name, text in contents.items()})


def tree_of(contents: Mapping[str, str]) -> Manifest:
    entries: dict[str, Entry] = {}
    for path, text in contents.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            entries[parent] = Entry(parent, Kind.DIR, 0o755)
        raw = text.encode()
        entries[path] = Entry(path, Kind.FILE, 0o644, len(raw), hashlib.sha256(raw).hexdigest())
    return Manifest(entries)


MANIFEST = files(bin__app="app", etc__app_DOT_conf="conf")


@dataclass
class Case:
    """A plan against what was seen, ready to be decided."""

    loaded: Any
    seen: dict[str, Observed] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    manifest: Manifest = MANIFEST
    configured: dict[tuple[str, str], Any] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def selection(self) -> Selection:
        return select(self.loaded, self.options)

    def plan(self) -> RunPlan:
        return make_plan(self.given())

    def given(self) -> PlanInput:
        missing = {
            name: "connection refused"
            for name in (*self.selection.targets, *self.selection.once_extra)
            if name not in self.seen
        }
        return PlanInput(
            loaded=self.loaded,
            options=self.options,
            selection=self.selection,
            observed=self.seen,
            unreachable=missing,
            manifests={"shop": self.manifest},
            configured=self.configured,
            files={
                (step.id, name): wanted_file(self.loaded, step, name, self.loaded.secrets.reveal)
                for step in self.loaded.plan.walk()
                if isinstance(step.kind, FileStep)
                for name in self.selection.targets
            },
            texts=self.texts,
        )

    def of(self, step_id: str, target: str = "web-1") -> Planned:
        return next(found for found in self.plan().walk() if found.step.id == step_id).planned[target]
