"""From words to the plan of a run: load, acquire, connect, observe, compare. Shared by ``plan`` and ``apply``; changes
nothing on any target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from octo_ssh.config.load import Loaded
from octo_ssh.config.masking import masked_text
from octo_ssh.config.templates import render_text
from octo_ssh.config.variables import targets_of
from octo_ssh.errors import FileErrors, RemoteError, TargetError
from octo_ssh.model.events import Emit, PackageReady, PhaseStarted, PlanMade, TargetLost
from octo_ssh.model.inventory import Target
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.observed import Observed, PackagePlace
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import PackageStep, Step
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import Secret
from octo_ssh.model.work import RunPlan
from octo_ssh.operations.answers import load_asking
from octo_ssh.operations.fleet import Fleet
from octo_ssh.operations.looking import look_at, sudo_as
from octo_ssh.operations.manifests import ManifestCache
from octo_ssh.operations.requests import Asker, PlanRequest, Surroundings
from octo_ssh.operations.resources import look_beyond
from octo_ssh.operations.together import together
from octo_ssh.output.record import last_failed
from octo_ssh.packages.acquire import Package, acquire
from octo_ssh.planning.configure import Configured, configure, paths_to_read
from octo_ssh.planning.contents import content_problems, package_of
from octo_ssh.planning.doubts import Doubt, doubts
from octo_ssh.planning.expected import in_force
from octo_ssh.planning.inputs import PlanInput
from octo_ssh.planning.looks import Looking
from octo_ssh.planning.outputs import only_own
from octo_ssh.planning.places import Place, places
from octo_ssh.planning.plan import make_plan
from octo_ssh.planning.reach import reached
from octo_ssh.planning.request import RunOptions, Selection, select
from octo_ssh.planning.scripts import package_scripts
from octo_ssh.planning.wanted import Wanted
from octo_ssh.remote.inspect import inspect
from octo_ssh.transport.session import Observer

INSPECT_TIMEOUT_S = 1800.0
"""Hashing a large release on a slow disk."""


@dataclass(slots=True)
class Prepared:
    """Everything that is known before anything is changed."""

    loaded: Loaded
    options: RunOptions
    selection: Selection
    packages: Mapping[str, Package]
    fleet: Fleet
    manifests: ManifestCache
    emit: Emit
    observed: dict[str, Observed] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    """Targets that were lost while they were looked at, with the reason."""
    broken: dict[str, str] = field(default_factory=dict)
    """Targets that could not be looked at though they answer, with the reason."""
    configured: dict[tuple[str, str], Configured] = field(default_factory=dict)
    """By step id and target."""
    files: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    """By step id and target."""
    _alike: dict[tuple[str, ...], Manifest] = field(default_factory=dict)
    _cramped: set[str] = field(default_factory=set)
    """Targets of which it was told that they have no room."""

    async def look(self, names: tuple[str, ...]) -> None:
        """Observe targets (again) and settle every doubt about them."""
        wanted, looking = places(self.loaded, self.selection), Looking(self.loaded, self.selection)
        reach = reached(self.loaded, targets_of(self.loaded.inventory, self.loaded.environment))

        async def one(name: str, session: Observer) -> Observed:
            return await self._observe(self.loaded.inventory.targets[name], session, wanted.get(name, ()), looking)

        for name, seen in (await self.fleet.each(names, one)).items():
            if not isinstance(seen, TargetError):
                self.observed[name] = replace(seen, baseline=only_own(name, seen.baseline, reach))
                continue
            reason = masked_text(seen.beside(name), self.loaded.secrets.known())
            broken = isinstance(seen, RemoteError)
            (self.broken if broken else self.unreachable)[name] = reason
            outcome = Outcome.FAILED if broken else Outcome.UNREACHABLE
            self.emit(TargetLost(name, outcome, reason, seen.hint))

    def decide(self) -> RunPlan:
        """The plan of the run, from what was seen."""
        gone = {name: error.beside(name) for name, error in self.fleet.unreachable.items()}
        manifests = {name: package.manifest for name, package in self.packages.items()}
        plan = make_plan(
            PlanInput(
                loaded=self.loaded,
                options=self.options,
                selection=self.selection,
                observed=self.observed,
                unreachable={**gone, **self.unreachable},
                broken=self.broken,
                manifests=manifests,
                configured=self.configured,
                files=self.files,
                expected=in_force(self.loaded.plan.drift_ignore, datetime.now(UTC).date()),
                texts={
                    (name, path): self.packages[name].read(path).decode("utf-8", "replace")
                    for name, path in package_scripts(self.loaded, manifests)
                },
            )
        )
        for name, reason in plan.broken.items():
            if name not in self.broken and name not in self._cramped:
                self._cramped.add(name)
                self.emit(
                    TargetLost(name, Outcome.FAILED, reason, "nothing was changed there; make room, and apply again")
                )
        self.emit(PlanMade(plan))
        return plan

    @property
    def file_bytes(self) -> Mapping[tuple[str, str], Secret | FileInput]:
        """What file steps write, where that is known before they run."""
        return {key: wanted.content for key, wanted in self.files.items() if wanted.content is not None}

    async def _observe(
        self, target: Target, session: Observer, wanted: tuple[Place, ...], looking: Looking
    ) -> Observed:
        seen = await look_at(self.loaded, target, wanted, session)
        # In a thread: a secret's command may take its time.
        files = await asyncio.to_thread(looking.files_wanted, target.name, self.loaded.secrets)
        self.files |= {(step_id, target.name): file for step_id, file in files.items()}
        seen = await look_beyond(self.loaded, looking, target, session, seen, files)
        for place in wanted:
            configured = await asyncio.to_thread(self._configure, place, target.name)
            self.configured[place.step_id, target.name] = configured
        return await self._settle(target, session, seen, wanted)

    async def _settle(self, target: Target, session: Observer, seen: Observed, wanted: tuple[Place, ...]) -> Observed:
        """Look closer where a glance did not decide: hash trees, fetch manifests that are not held here."""
        found = dict(seen.packages)
        users = {place.step_id: place.sudo_user for place in wanted}
        manifests = {place.step_id: self.configured[place.step_id, target.name].manifest for place in wanted}
        for doubt in doubts(seen, manifests):
            place = found[doubt.step_id]
            manifest, tree = self._held(place, doubt), None
            known = len(manifests[doubt.step_id].entries)
            if manifest is None or doubt.hashed:
                looked = await session.observe(
                    inspect(place.to, (doubt.folder,), hashed=doubt.hashed, known=known),
                    sudo=await sudo_as(users[doubt.step_id], self.loaded, target, seen),
                    timeout_s=INSPECT_TIMEOUT_S,
                )
                manifest, tree = looked[doubt.folder].manifest, looked[doubt.folder].tree
            found[doubt.step_id] = replace(
                place,
                manifests=place.manifests if manifest is None else {**place.manifests, doubt.folder: manifest},
                trees=place.trees if tree is None else {**place.trees, doubt.folder: tree},
            )
            if manifest is not None:
                self.manifests.keep(manifest)
        return replace(seen, packages=found)

    def _held(self, place: PackagePlace, doubt: Doubt) -> Manifest | None:
        digest = next((release.manifest_sha256 for release in place.releases if release.name == doubt.folder), None)
        return None if digest is None else self.manifests.find(digest)

    def _configure(self, place: Place, target: str) -> Configured:
        step = self._step(place.step_id)
        package = self.packages[place.package]
        assert isinstance(step.kind, PackageStep)
        paths = paths_to_read(package.manifest, step.kind)
        made = configure(
            package.manifest,
            {path: package.read(path) for path in paths},
            step,
            self.loaded.scopes.names(target=target, step=step),
            self.loaded.secrets,
        )
        # Targets that are configured alike share one manifest, which is then hashed once.
        key = (step.id, *(made.manifest.entries[path].sha256 for path in paths))
        return replace(made, manifest=self._alike.setdefault(key, made.manifest))

    def _step(self, step_id: str) -> Step:
        return next(step for step in self.loaded.plan.walk() if step.id == step_id)


async def read(
    request: PlanRequest, surroundings: Surroundings, person: Asker | None
) -> tuple[Loaded, RunOptions, Selection]:
    """Load both files, ask what they ask for, and find out whom the run is for. Raises FileErrors, UsageError."""
    loaded = await load_asking(request.files, person)
    options = RunOptions(
        limit=request.limit,
        exclude=request.exclude,
        skip_steps=request.skip_steps,
        redeploy=request.redeploy,
        failed=last_failed(surroundings.state, loaded.plan.project, loaded.environment),
    )
    return loaded, options, select(loaded, options)


async def acquire_packages(
    loaded: Loaded, selection: Selection, surroundings: Surroundings, emit: Emit
) -> Mapping[str, Package]:
    """Every package that a step of this run uses, checked and unpacked into the cache. Raises PackageError."""
    emit(PhaseStarted("acquire"))
    names = loaded.scopes.names(target=None)

    async def one(name: str) -> Package:
        source = loaded.plan.packages[name]
        location = render_text(source.location, names)
        package = await asyncio.to_thread(acquire, source, location, cache=surroundings.cache)
        files = sum(entry.kind is Kind.FILE for entry in package.manifest.entries.values())
        emit(PackageReady(name, files, package.manifest.bytes, package.sha256))
        return package

    steps = [step for step in loaded.plan.walk() if step.id not in selection.skipped]
    wanted = sorted({name for step in steps if (name := package_of(step)) is not None})
    return dict(zip(wanted, await together(map(one, wanted)), strict=True))


async def survey(
    loaded: Loaded, options: RunOptions, selection: Selection, fleet: Fleet, surroundings: Surroundings, emit: Emit
) -> Prepared:
    """Acquire, connect, observe. Raises FileErrors, PackageError, Refused; a target's trouble stays its own."""
    places(loaded, selection)  # its mistakes are told before any target is asked
    packages = await acquire_packages(loaded, selection, surroundings, emit)
    if problems := content_problems(loaded.plan, {name: package.manifest for name, package in packages.items()}):
        raise FileErrors(problems)
    emit(PhaseStarted("connect"))
    names = (*selection.targets, *selection.once_extra)
    await fleet.connect(loaded.inventory.targets[name] for name in names)
    fleet.refuse_bad_host_keys()
    fleet.keep(loaded.inventory.targets[name] for name in names)
    emit(PhaseStarted("observe"))
    manifests = ManifestCache(surroundings.cache / "manifests")
    manifests.sweep()
    prepared = Prepared(loaded, options, selection, packages, fleet, manifests, emit)
    await prepared.look(names)
    return prepared
