"""One target, looked at for drift: only by programs that read, over a session that can only look (SPEC section 6)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from octo_ssh.config.load import Loaded
from octo_ssh.config.templates import TemplateProblem, render_word
from octo_ssh.errors import DeadlinePassed, FileErrors, RemoteError, SecretError, TargetError
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import FileRequest, FileSeen, Observed, PackagePlace, ServiceSeen
from octo_ssh.model.plan import FileStep, ServiceStep
from octo_ssh.model.work import LateText
from octo_ssh.operations.looking import sudo_as
from octo_ssh.operations.manifests import ManifestCache
from octo_ssh.operations.resources import HASH_TIMEOUT_S, ask_unless, ready
from octo_ssh.planning.looks import Looking
from octo_ssh.planning.places import Place, absolute
from octo_ssh.remote.drift import DriftAsk, DriftSeen, PlaceAsk, drift, drift_as
from octo_ssh.remote.unless import Unless
from octo_ssh.transport.session import Observer

Users = Mapping[str | None, DriftAsk]
"""What each user looks at; None: the login."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """What a check knows before it looks."""

    loaded: Loaded
    looking: Looking
    places: Mapping[str, tuple[Place, ...]]
    manifests: ManifestCache
    expected: Mapping[tuple[str, str], str]
    """By step id and target: the sha256 of the manifest that the controller expects and holds."""
    wanted: Mapping[tuple[str, str], str]
    """By step id and target: the sha256 of a file's content, where it can be told."""
    quick: bool

    async def look(self, target: Target, session: Observer) -> Observed:
        """Everything that its baseline and the plan watch there; what another user cannot be asked for is closed, with
        the reason. Raises TargetErrors.
        """
        first = self._first(target)
        own = drift(target.root, self.loaded.plan.project, self.loaded.environment, first.get(None, DriftAsk()))
        seen = await session.observe(own, timeout_s=HASH_TIMEOUT_S)
        assert seen.observed is not None
        observed = seen.observed
        if observed.lease is not None and observed.lease.is_live:
            return observed  # somebody is at work: nothing here holds still
        observed = _together(observed, await self._as_others(target, session, observed, first))
        second = _left(observed, first, quick=self.quick)
        observed = _together(observed, await self._as_others(target, session, observed, second, login_too=True))
        return await self._with_unless(target, session, self._with_manifests(observed))

    async def is_as_it_was(self, target: Target, session: Observer, seen: Observed) -> bool:
        """Nobody is at work, and nobody has been since. Raises TargetErrors."""
        program = drift(target.root, self.loaded.plan.project, self.loaded.environment, DriftAsk())
        now = (await session.observe(program, timeout_s=HASH_TIMEOUT_S)).observed
        assert now is not None
        is_busy = now.lease is not None and now.lease.is_live
        return not is_busy and (now.journal, now.baseline) == (seen.journal, seen.baseline)

    def _first(self, target: Target) -> Users:
        """What the plan says is there: most often that is what the target remembers, and one look is enough."""
        places: dict[str | None, list[PlaceAsk]] = defaultdict(list)
        files: dict[str | None, list[FileRequest]] = defaultdict(list)
        services: dict[str | None, dict[str, str]] = defaultdict(dict)
        for place in self.places.get(target.name, ()) if not self.quick else ():
            known = self.expected.get((place.step_id, target.name), "")
            held = self.manifests.find(known)
            entries = 0 if held is None else len(held.entries)
            ask = PlaceAsk(place.step_id, place.to, place.shared, known_manifest=known, entries=entries)
            places[place.sudo_user].append(ask)
        for step in self.looking.steps(target.name):
            user = self.looking.user(step, target.name)
            try:
                names = self.loaded.scopes.names(target=target.name, step=step)
                match step.kind:
                    case FileStep(path=path):
                        if not isinstance(word := render_word(path, names), LateText):
                            digest = self.wanted.get((step.id, target.name), "")
                            files[user].append(FileRequest(step.id, word, digest))
                    case ServiceStep(service=service):
                        if not isinstance(word := render_word(service, names), LateText):
                            services[user][step.id] = word
                    case _:
                        pass
            except (TemplateProblem, FileErrors):
                continue  # the baseline knows where it is
        users = dict.fromkeys((None, *places, *files, *services))
        return {user: DriftAsk(tuple(places[user]), tuple(files[user]), services[user]) for user in users}

    async def _as_others(
        self, target: Target, session: Observer, seen: Observed, users: Users, *, login_too: bool = False
    ) -> list[DriftSeen | _Closed]:
        """Each user in parallel."""

        async def one(user: str | None, ask: DriftAsk) -> DriftSeen | _Closed:
            there = replace(
                ask,
                places=tuple(replace(place, to=absolute(place.to, seen.facts.home)) for place in ask.places),
                files=tuple(replace(file, path=absolute(file.path, seen.facts.home)) for file in ask.files),
            )
            try:
                program = drift_as(seen.facts.root, self.loaded.plan.project, self.loaded.environment, there)
                sudo = await sudo_as(user, self.loaded, target, seen)
                return await session.observe(program, sudo=sudo, timeout_s=HASH_TIMEOUT_S)
            except (SecretError, RemoteError, DeadlinePassed) as error:
                return _Closed(dict.fromkeys(_steps(ask), _why(error, target)))

        wanted = [(user, ask) for user, ask in users.items() if user is not None or login_too]
        return list(await asyncio.gather(*(one(user, ask) for user, ask in wanted)))

    def _with_manifests(self, seen: Observed) -> Observed:
        """Manifests that the target did not send because they are held here."""

        def held(place: PackagePlace) -> PackagePlace:
            current = place.current
            if current is None or current in place.manifests:
                return place
            digest = next((one.manifest_sha256 for one in place.releases if one.name == current), "")
            manifest = self.manifests.find(digest)
            return place if manifest is None else replace(place, manifests={**place.manifests, current: manifest})

        for place in seen.packages.values():
            for manifest in place.manifests.values():
                self.manifests.keep(manifest)
        return replace(seen, packages={step: held(place) for step, place in seen.packages.items()})

    async def _with_unless(self, target: Target, session: Observer, seen: Observed) -> Observed:
        """What ``unless`` says; a command that cannot be asked is closed, with the reason, and so is unknown."""
        asked, why = self.looking.unless_where_possible(target.name, seen)
        closed, statuses = {**seen.closed, **why}, dict(seen.unless)
        checks: dict[str | None, list[Unless]] = defaultdict(list)
        for look in asked:
            try:
                checks[look.sudo_user].append(await ready(look, self.loaded.secrets))
            except FileErrors as errors:
                closed[look.step_id] = errors.problems[0].message
            except SecretError as error:
                closed[look.step_id] = error.message
        for user, commands in checks.items():
            try:
                statuses |= await ask_unless(commands, user, self.loaded, target, session, seen)
            except (SecretError, RemoteError, DeadlinePassed) as error:
                closed |= dict.fromkeys((one.step_id for one in commands), _why(error, target))
        return replace(seen, unless=statuses, closed=closed)


@dataclass(frozen=True, slots=True)
class _Closed:
    """What a user could not be asked for: why, by step id."""

    steps: Mapping[str, str]


def _why(error: SecretError | TargetError, target: Target) -> str:
    return error.beside(target.name) if isinstance(error, TargetError) else error.message


def _steps(ask: DriftAsk) -> Iterable[str]:
    return (*(place.step_id for place in ask.places), *(file.step_id for file in ask.files), *ask.services)


def _together(observed: Observed, found: Iterable[DriftSeen | _Closed]) -> Observed:
    """One target out of what several users saw; later looks count."""
    closed: dict[str, str] = dict(observed.closed)
    packages: dict[str, PackagePlace] = dict(observed.packages)
    files: dict[str, FileSeen] = dict(observed.files)
    services: dict[str, ServiceSeen] = dict(observed.services)
    for seen in found:
        if isinstance(seen, _Closed):
            closed.update(seen.steps)
            continue
        packages.update(seen.packages)
        files.update(seen.resources.files)
        services.update(seen.resources.services)
    return replace(observed, packages=packages, files=files, services=services, closed=closed)


def _left(seen: Observed, asked: Users, *, quick: bool) -> Users:
    """What the target remembers and the plan did not lead to: steps that were dropped, places that moved."""
    shared = {place.step_id: set(place.shared) for ask in asked.values() for place in ask.places}
    units = {step: unit for ask in asked.values() for step, unit in ask.services.items()}
    places: dict[str | None, list[PlaceAsk]] = defaultdict(list)
    files: dict[str | None, list[FileRequest]] = defaultdict(list)
    services: dict[str | None, dict[str, str]] = defaultdict(dict)
    baseline = seen.baseline
    for step, package in baseline.packages.items():
        if step in seen.closed:
            continue
        if step not in shared or seen.packages[step].to != package.to or not shared[step].issuperset(package.shared):
            print_of = package.fingerprint if quick else ""
            places[package.user or None].append(PlaceAsk(step, package.to, package.shared, fingerprint=print_of))
    for step, file in baseline.files.items():
        if step not in seen.closed and (step not in seen.files or seen.files[step].path != file.path):
            files[file.user or None].append(FileRequest(step, file.path))
    for step, service in baseline.services.items():
        if step not in seen.closed and units.get(step) != service.service:
            services[service.user or None][step] = service.service
    return {
        user: DriftAsk(tuple(places[user]), tuple(files[user]), services[user], quick=quick)
        for user in dict.fromkeys((*places, *files, *services))
    }
