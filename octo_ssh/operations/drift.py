"""``octo-ssh drift``: compare targets with what the last success left there (SPEC section 6).

It cannot write: it is given sessions that can only look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from octo_ssh.config.load import look
from octo_ssh.errors import HostKeyRefused, TargetError
from octo_ssh.model.drift import DriftReport
from octo_ssh.model.events import Emit, PhaseStarted
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import PackageStep
from octo_ssh.operations.derived import known_digests
from octo_ssh.operations.drift_derive import Shelf, derive
from octo_ssh.operations.drift_health import ask_health
from octo_ssh.operations.drift_look import Lookout
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.manifests import ManifestCache
from octo_ssh.operations.requests import DriftOptions, PlanRequest, Surroundings
from octo_ssh.operations.roster import Roster, visit
from octo_ssh.output.document import timestamp
from octo_ssh.output.record import last_failed
from octo_ssh.planning.derive import Derived, Underivable
from octo_ssh.planning.drift import DriftInput, Health, report
from octo_ssh.planning.places import places
from octo_ssh.planning.request import RunOptions, select
from octo_ssh.planning.wanted import Wanted
from octo_ssh.transport.session import Observer


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
    shelf = Shelf(request.files, surroundings.cache)
    manifests = ManifestCache(surroundings.cache / "manifests")
    where = places(loaded, selection)
    # Packages are read and hashed while the targets are being connected to.
    foreseen = asyncio.create_task(asyncio.to_thread(_foresee, shelf, selection.targets, manifests))
    emit(PhaseStarted("observe"))

    async def look_at(target: Target, session: Observer) -> tuple[Observed, Mapping[str, Health]]:
        expected, files = await asyncio.shield(foreseen)
        digests = {key: file.file.sha256 for key, file in files.items() if isinstance(file, Wanted) and file.file}
        lookout = Lookout(loaded, selection, where, manifests, expected, digests, quick=options.quick)
        seen = await lookout.look(target, session)
        asked = options.health and not (seen.lease is not None and seen.lease.is_live)
        return seen, await ask_health(loaded, selection, target, session, seen) if asked else {}

    roster = Roster(loaded.inventory, selection.targets, loaded.secrets)
    answers = await visit(roster, look_at, emit=emit, make_connector=make_connector)
    _, files = await foreseen
    found = {name: answer for name, answer in answers.items() if not isinstance(answer, TargetError)}
    lost = {name: error for name, error in answers.items() if isinstance(error, TargetError)}
    observed = {name: seen for name, (seen, _) in found.items()}
    changed = {name: error for name, error in lost.items() if isinstance(error, HostKeyRefused) and error.changed}
    knowledge = await derive(shelf, observed)
    release = shelf.release(None)
    made = report(
        DriftInput(
            loaded=loaded,
            selection=selection,
            observed=observed,
            today=began.date(),
            expected=loaded.plan.drift_ignore,
            unreachable={name: error.beside(name) for name, error in lost.items() if name not in changed},
            host_keys={name: error.beside(name) for name, error in changed.items()},
            derived=knowledge.derived,
            wanted=knowledge.wanted,
            trusted=known_digests(surroundings.state),
            files=files,
            packages={} if release is None else {name: one.manifest for name, one in release.packages.items()},
            health={(step, name): health for name, (_, asked) in found.items() for step, health in asked.items()},
            quick=options.quick,
            against_plan=options.against_plan,
        ),
        at=timestamp(began),
    )
    return replace(made, seconds=asyncio.get_running_loop().time() - loop_began)


def _foresee(
    shelf: Shelf, targets: tuple[str, ...], manifests: ManifestCache
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], Wanted | Underivable]]:
    """Digests of the manifests that are expected, which are then held here, and what file steps want."""
    expected: dict[tuple[str, str], str] = {}
    files: dict[tuple[str, str], Wanted | Underivable] = {}
    known = shelf.release(None)
    if known is None:
        return expected, files
    steps = known.loaded.plan.walk()
    for target in targets:
        files |= {(step, target): wanted for step, wanted in known.deriver.files(target, steps).items()}
        for step in steps:
            if isinstance(step.kind, PackageStep) and isinstance(made := known.package(step, target), Derived):
                manifests.keep(made.manifest)
                expected[step.id, target] = made.manifest.sha256
    return expected, files
