"""``octo-ssh drift``: compare targets with what the last success left there (SPEC section 6).

It cannot write: it is given sessions that can only look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from octo_ssh.config.load import Loaded, look
from octo_ssh.errors import DeadlinePassed, FileErrors, HostKeyRefused, RemoteError, TargetError
from octo_ssh.model.drift import DriftReport, State, TargetDrift
from octo_ssh.model.events import Emit, PhaseStarted
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import PackageStep
from octo_ssh.operations.derived import known_digests
from octo_ssh.operations.drift_derive import Shelf, derive
from octo_ssh.operations.drift_health import Ward
from octo_ssh.operations.drift_look import Lookout
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.manifests import ManifestCache
from octo_ssh.operations.requests import DriftOptions, PlanRequest, Surroundings
from octo_ssh.operations.roster import Roster, kept_open, visit
from octo_ssh.output.document import timestamp
from octo_ssh.output.record import last_failed
from octo_ssh.planning.derive import Derived, Underivable
from octo_ssh.planning.drift import DriftInput, Health, report
from octo_ssh.planning.looks import Looking
from octo_ssh.planning.places import Place, places
from octo_ssh.planning.request import RunOptions, Selection, select
from octo_ssh.planning.wanted import Wanted
from octo_ssh.transport.session import Connector, Observer

R = TypeVar("R")


async def drift(
    request: PlanRequest,
    options: DriftOptions,
    *,
    emit: Emit,
    make_connector: MakeConnector,
    surroundings: Surroundings,
) -> DriftReport:
    """Check every selected target. Raises FileErrors, UsageError; a target's trouble is in the report."""
    began, loop_began = datetime.now(UTC), asyncio.get_running_loop().time()
    loaded = await asyncio.to_thread(look, request.files)
    failed = last_failed(surroundings.state, loaded.plan.project, loaded.environment)
    selection = select(loaded, RunOptions(limit=request.limit, exclude=request.exclude, failed=failed))
    emit(PhaseStarted("acquire"))
    check = _Check(loaded, selection, options, Shelf(request.files, loaded, surroundings.cache), surroundings)
    # Packages are read and hashed while the targets are being connected to.
    check.foreseen = asyncio.create_task(asyncio.to_thread(check.foresee, _places(loaded, selection)))
    emit(PhaseStarted("observe"))
    connector = make_connector(loaded.inventory, loaded.secrets.reveal)
    try:
        answers = dict(await check.visit(selection.targets, check.look_at, connector, emit))
        made = await check.told(answers, began)
        # What was read first and what was read last may differ because somebody was at work in between.
        suspects = tuple(one.target for one in made.targets if one.target in answers and _is_suspect(one))
        again = await check.visit(suspects, partial(check.look_again, answers), connector, lambda _: None)
        moved = {name: answer for name, answer in again.items() if isinstance(answer, _Seen)}
        made = await check.told(answers | moved, began) if moved else made
    finally:
        await connector.close()
    return replace(made, seconds=asyncio.get_running_loop().time() - loop_began)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A target that was looked at."""

    observed: Observed
    health: Mapping[str, Health]


Answers = Mapping[str, _Seen | TargetError]


@dataclass(slots=True)
class _Check:
    """What one check knows."""

    loaded: Loaded
    selection: Selection
    options: DriftOptions
    shelf: Shelf
    surroundings: Surroundings
    foreseen: asyncio.Task[Lookout] = field(init=False)
    files: Mapping[tuple[str, str], Wanted | Underivable] = field(default_factory=dict, init=False)
    """What file steps want, by step id and target."""
    ward: Ward = field(init=False)

    def __post_init__(self) -> None:
        self.ward = Ward(self.loaded, self.selection)

    def foresee(self, where: Mapping[str, tuple[Place, ...]]) -> Lookout:
        """What can be told before anybody is asked: manifests that are expected, which are then held here, and what
        file steps want. Blocks.
        """
        known, manifests = self.shelf.planned, ManifestCache(self.surroundings.cache / "manifests")
        steps = self.loaded.plan.walk()
        expected: dict[tuple[str, str], str] = {}
        files: dict[tuple[str, str], Wanted | Underivable] = {}
        for target in self.selection.targets:
            files |= {(step, target): wanted for step, wanted in known.deriver.files(target, steps).items()}
            for step in steps:
                if isinstance(step.kind, PackageStep) and isinstance(made := known.package(step, target), Derived):
                    manifests.keep(made.manifest)
                    expected[step.id, target] = made.manifest.sha256
        self.files = files
        digests = {key: file.file.sha256 for key, file in files.items() if isinstance(file, Wanted) and file.file}
        looking = Looking(self.loaded, self.selection)
        return Lookout(self.loaded, looking, where, manifests, expected, digests, quick=self.options.quick)

    async def visit(
        self,
        names: tuple[str, ...],
        do: Callable[[Target, Observer], Awaitable[R]],
        connector: Connector,
        emit: Emit,
    ) -> Mapping[str, R | TargetError]:
        """Do one thing on targets; the connector stays open."""
        roster = Roster(self.loaded.inventory, names, self.loaded.secrets)
        return await visit(roster, do, emit=emit, make_connector=kept_open(connector))

    async def look_at(self, target: Target, session: Observer) -> _Seen:
        lookout = await asyncio.shield(self.foreseen)
        seen = await lookout.look(target, session)
        asked = self.options.health and not (seen.lease is not None and seen.lease.is_live)
        return _Seen(seen, await self.ward.ask(target, session, seen) if asked else {})

    async def look_again(self, answers: Answers, target: Target, session: Observer) -> _Seen | None:
        """Where somebody has been at work there since it was looked at; else None."""
        lookout, before = await asyncio.shield(self.foreseen), answers[target.name]
        is_same = isinstance(before, _Seen) and await lookout.is_as_it_was(target, session, before.observed)
        return None if is_same else await self.look_at(target, session)

    async def told(self, answers: Answers, began: datetime) -> DriftReport:
        """The report, but for the seconds."""
        await self.foreseen
        seen = {name: answer for name, answer in answers.items() if isinstance(answer, _Seen)}
        lost = {name: answer for name, answer in answers.items() if isinstance(answer, TargetError)}
        changed = {name for name, error in lost.items() if isinstance(error, HostKeyRefused) and error.changed}
        # These answer, and could not be looked at all the same.
        broken = {name for name, error in lost.items() if isinstance(error, RemoteError | DeadlinePassed)}
        why = {name: error.beside(name) for name, error in lost.items()}
        observed = {name: one.observed for name, one in seen.items()}
        knowledge = await derive(self.shelf, observed)
        return report(
            DriftInput(
                loaded=self.loaded,
                selection=self.selection,
                observed=observed,
                today=began.date(),
                expected=self.loaded.plan.drift_ignore,
                unreachable={name: said for name, said in why.items() if name not in changed | broken},
                broken={name: why[name] for name in broken},
                host_keys={name: why[name] for name in changed},
                hints={name: error.hint for name, error in lost.items()},
                derived=knowledge.derived,
                wanted=knowledge.wanted,
                trusted=known_digests(self.surroundings.state),
                files=self.files,
                packages={name: package.manifest for name, package in self.shelf.planned.packages.items()},
                health={(step, name): health for name, one in seen.items() for step, health in one.health.items()},
                quick=self.options.quick,
                against_plan=self.options.against_plan,
            ),
            at=timestamp(began),
        )


def _places(loaded: Loaded, selection: Selection) -> Mapping[str, tuple[Place, ...]]:
    """Where the plan has its packages; none where it cannot tell without asking somebody, for the targets know."""
    try:
        return places(loaded, selection)
    except FileErrors:
        return {}


def _is_suspect(target: TargetDrift) -> bool:
    """It was looked at, and not all is well."""
    return not target.unreachable and target.state in (State.DRIFTED, State.UNKNOWN)
