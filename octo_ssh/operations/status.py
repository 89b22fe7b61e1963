"""``octo-ssh status``: which release stands where, read from the targets' own memory and folders. Only looks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace

from octo_ssh.config.load import Loaded, load
from octo_ssh.config.plan import read_plan
from octo_ssh.config.problems import Problems
from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import TargetError
from octo_ssh.model.events import Emit
from octo_ssh.model.inventory import Target
from octo_ssh.model.observed import Baseline, Observed, PackagePlace
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import PackageStatus, StatusReport, TargetStatus
from octo_ssh.model.values import SecretRef
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.looking import look_at
from octo_ssh.operations.requests import PlanRequest
from octo_ssh.operations.roster import Roster, outcome_of, visit
from octo_ssh.planning.places import Place, places
from octo_ssh.planning.request import RunOptions, select
from octo_ssh.transport.session import Observer

_ANY_RELEASE = "unknown"
_ANY_ANSWER = "unknown"


async def status(request: PlanRequest, *, emit: Emit, make_connector: MakeConnector) -> StatusReport:
    """The project's release on every selected target. Raises FileErrors, UsageError, and SecretError where looking
    at a package's place needs a sudo password that cannot be had.
    """
    loaded = await asyncio.to_thread(_load, request)
    selection = select(loaded, RunOptions(limit=request.limit, exclude=request.exclude))
    wanted = places(loaded, selection)

    async def look(target: Target, session: Observer) -> TargetStatus:
        mine = wanted.get(target.name, ())
        return _status(target.name, await look_at(loaded, target, mine, session), mine)

    roster = Roster(loaded.inventory, selection.targets, loaded.secrets)
    seen = await visit(roster, look, emit=emit, make_connector=make_connector)
    rows = tuple(_gone(name, row) if isinstance(row, TargetError) else row for name, row in seen.items())
    return StatusReport(loaded.plan.project, loaded.environment, rows)


class _LateSecrets(SecretStore):
    """Nothing is run here, so secrets that only steps need may be missing."""

    def check(self, ref: SecretRef) -> str | None:
        return None


def _load(request: PlanRequest) -> Loaded:
    """The files, whatever release the plan is for: a plan may leave that to ``--release``."""
    release = request.release
    if release is None and os.path.exists(request.plan_path):
        plan = read_plan(request.plan_path, Problems()).plan
        release = _ANY_RELEASE if plan is not None and plan.release is None and plan.packages else None
    return load(
        replace(request.files, release=release),
        secrets=_LateSecrets(),
        answer=lambda prompt: None if prompt.has_default else _ANY_ANSWER,  # nothing is done with it
    )


def _status(name: str, seen: Observed, wanted: tuple[Place, ...]) -> TargetStatus:
    return TargetStatus(
        target=name,
        outcome=Outcome.UNCHANGED,
        reason="",
        release=seen.baseline.release,
        packages=tuple(
            _package(place.package, found) for place in wanted if (found := seen.packages.get(place.step_id))
        ),
        owed=tuple(_owed(seen.baseline)),
        lease=seen.lease,
    )


def _package(name: str, place: PackagePlace) -> PackageStatus:
    complete = any(release.name == place.current for release in place.releases)
    return PackageStatus(name, place.current, place.current is None or complete)


def _owed(baseline: Baseline) -> Iterator[str]:
    """What runs left undone, in words."""
    for debt in baseline.owed:
        yield f"{debt.what} {debt.package} {debt.release} (step {debt.step})"
    for release, steps in baseline.due.items():
        for step in steps:
            yield f"step {step}" + (f" of {release}" if release else "")


def _gone(name: str, error: TargetError) -> TargetStatus:
    return TargetStatus(name, outcome_of(error), error.beside(name), None, (), (), None)
