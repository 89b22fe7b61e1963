"""What the controller knows of packages by itself, in a check that asks nobody and fetches nothing (SPEC section 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from octo_ssh.config.load import Loaded, LoadRequest, look
from octo_ssh.config.templates import TemplateProblem, render_text
from octo_ssh.errors import OctoError, PackageError
from octo_ssh.model.observed import Observed
from octo_ssh.model.plan import PackageStep, Step, UrlOrigin
from octo_ssh.packages.acquire import Package, acquire
from octo_ssh.planning.derive import Derived, Deriver, Underivable

NOT_AT_HAND = Underivable("its package is not at hand")


@dataclass(slots=True)
class Known:
    """A release of the plan, as far as its packages are at hand."""

    loaded: Loaded
    packages: Mapping[str, Package]
    deriver: Deriver = field(init=False)
    _texts: dict[str, Mapping[str, bytes]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.deriver = Deriver(self.loaded)

    def package(self, step: Step, target: str) -> Derived | Underivable:
        """What a package step leaves on a target."""
        assert isinstance(step.kind, PackageStep)
        package = self.packages.get(step.kind.package)
        if package is None:
            return NOT_AT_HAND
        if step.id not in self._texts:
            paths = self.deriver.paths(step, package.manifest)
            try:
                self._texts[step.id] = {path: package.read(path) for path in paths}
            except (PackageError, OSError):  # the cache was damaged, or emptied by somebody else
                return NOT_AT_HAND
        return self.deriver.package(step, target, package.manifest, self._texts[step.id])


@dataclass(slots=True)
class Shelf:
    """Every release that a check comes across, looked for once. Blocks: use it in one thread at a time."""

    request: LoadRequest
    now: Loaded
    """The plan as it is, which ``request`` led to."""
    cache: Path
    _found: dict[str, Known | None] = field(default_factory=dict, init=False)
    _planned: Known | None = field(default=None, init=False)

    @property
    def planned(self) -> Known:
        """The plan's own release."""
        if self._planned is None:
            self._planned = Known(self.now, self._packages(self.now))
        return self._planned

    def release(self, release: str | None) -> Known | None:
        """What a target says that it has, None: it does not say. None where there is no such release of this plan."""
        if release in (None, self.now.plan.release):
            return self.planned
        if release not in self._found:
            try:
                loaded = look(replace(self.request, release=release))
                self._found[release] = Known(loaded, self._packages(loaded))
            except OctoError:  # the files name something that this release has not: nothing can be told then
                self._found[release] = None
        return self._found[release]

    def _packages(self, loaded: Loaded) -> Mapping[str, Package]:
        """Those that lie here under a place of this release's own. Of another release the same folder or archive would
        tell a lie: what lies there now is what the plan's release is made of.
        """
        found: dict[str, Package] = {}
        for name, source in loaded.plan.packages.items():
            try:
                place = _location(loaded, name)
                if isinstance(source.origin, UrlOrigin) or (
                    loaded.plan.release != self.now.plan.release and place == _location(self.now, name)
                ):
                    continue
                found[name] = acquire(source, place, cache=self.cache)
            except (PackageError, TemplateProblem):
                continue
        return found


def _location(loaded: Loaded, name: str) -> str:
    return render_text(loaded.plan.packages[name].location, loaded.scopes.names(target=None))


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was derived for the targets that were seen, by step id and target."""

    derived: Mapping[tuple[str, str], Derived | Underivable]
    """For the release of the baseline."""
    wanted: Mapping[tuple[str, str], Derived | Underivable]
    """For the plan's release."""


async def derive(shelf: Shelf, observed: Mapping[str, Observed]) -> Knowledge:
    """For every package that a target remembers and the plan still has."""
    return await asyncio.to_thread(_derive, shelf, observed)


def _derive(shelf: Shelf, observed: Mapping[str, Observed]) -> Knowledge:
    derived: dict[tuple[str, str], Derived | Underivable] = {}
    wanted: dict[tuple[str, str], Derived | Underivable] = {}
    for target, seen in observed.items():
        for known, found in ((shelf.release(seen.baseline.release), derived), (shelf.planned, wanted)):
            for step in known.loaded.plan.walk() if known is not None else ():
                if isinstance(step.kind, PackageStep) and known is not None:
                    found[step.id, target] = known.package(step, target)
    return Knowledge(derived, wanted)
