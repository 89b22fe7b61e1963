"""A package step's place against what its last success left, or what the plan wants (SPEC sections 1, 5 and 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from octo_ssh.config.templates import TemplateProblem
from octo_ssh.model import timers
from octo_ssh.model.drift import FindingKind
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Baseline, PackageBaseline, PackagePlace, Place
from octo_ssh.model.plan import PackageStep, Step
from octo_ssh.planning.derive import Derived, Underivable
from octo_ssh.planning.doubts import digest_of
from octo_ssh.planning.drift_input import DriftInput
from octo_ssh.planning.drift_trees import Owners, TreeCheck
from octo_ssh.planning.drift_verdict import GONE, Verdict, listed
from octo_ssh.planning.places import absolute, step_place
from octo_ssh.planning.unconfirmed import unconfirmed, went_back

CURRENT = "current"
_DIGITS = 12
"""Of a digest, as people see it."""


def check_package(given: DriftInput, verdict: Verdict, target: str, step_id: str, step: Step | None) -> None:
    """Add what differs, what is pending, and whether the target's manifest could be held against something else.

    ``step``: the plan's package step of that id, if it has one.
    """
    observed = given.observed[target]
    left, place = observed.baseline.packages.get(step_id), observed.packages.get(step_id)
    former = "" if left is not None or step is None else _former_id(given, target, step)
    if former and given.against_plan:
        left, place = observed.baseline.packages[former], place or observed.packages.get(former)
    if place is not None:
        _check_timers(verdict, place)
    if left is not None:
        _Check(given, verdict, target, step_id, step, left, observed.baseline).run(place)
    elif former:
        verdict.pending.append(f"applied as step '{former}', which the plan has no more")
    elif observed.baseline == Baseline() and place is not None and place.place is Place.OURS and place.current:
        # Who switches to a release writes it down before: somebody has removed that.
        verdict.drifted(FindingKind.MANIFEST, "baseline", place.current, GONE)
    elif given.against_plan and step is not None:
        verdict.drifted(FindingKind.MISSING, CURRENT, given.scene.release or "", "never applied here")
    else:
        verdict.pending.append("never applied here")


def _former_id(given: DriftInput, target: str, step: Step) -> str:
    """The id of a step that the plan has no more and that left a package at this one's place; empty: there is none."""
    observed = given.observed[target]
    try:
        to = absolute(step_place(given.loaded, step, target), observed.facts.home).rstrip("/")
    except TemplateProblem:
        return ""
    known = {one.id for one in given.loaded.plan.walk()}
    return next((one for one, left in observed.baseline.packages.items() if one not in known and left.to == to), "")


def _check_timers(verdict: Verdict, place: PackagePlace) -> None:
    """Releases that wait for a confirmation, or went without one."""
    for timer in place.timers:
        if timer.is_open and timer.new == place.current:
            if timer.verdict is None and timer.runs:
                verdict.unknown.append(f"release {timer.new} {unconfirmed(timer)}")
            else:
                verdict.drifted(FindingKind.OWED, "confirm", "", f"{timer.new} {unconfirmed(timer)}")
        elif timer.verdict is timers.Verdict.REVERTED and not timer.is_missed:
            verdict.drifted(FindingKind.OWED, "confirm", "", went_back(timer))


@dataclass(frozen=True, slots=True)
class _Check:
    given: DriftInput
    verdict: Verdict
    target: str
    step_id: str
    step: Step | None
    left: PackageBaseline
    baseline: Baseline

    def run(self, place: PackagePlace | None) -> None:
        self._pending()
        if place is None:
            self.verdict.unknown.append(self._closed() or f"{self.left.to} was not looked at")
            return
        match place.place:
            case Place.UNREADABLE:
                self.verdict.unknown.append(f"{place.to} may not be looked at")
            case Place.ABSENT:
                self.verdict.drifted(FindingKind.MISSING, place.to, "folder", GONE)
            case Place.FOREIGN:
                self.verdict.drifted(FindingKind.CURRENT, CURRENT, self.left.folder, place.owner)
            case Place.OURS:
                self._ours(place)

    def _closed(self) -> str:
        return self.given.observed[self.target].closed.get(self.step_id, "")

    def _ours(self, place: PackagePlace) -> None:
        if not self._is_under_way(place):
            if place.current != self.left.folder:
                self.verdict.drifted(FindingKind.CURRENT, CURRENT, self.left.folder, place.current or GONE)
            else:
                self._release(place)
        for path in self._shared():
            if path in place.closed:
                self.verdict.unknown.append(f"shared/{path} may not be looked at")
            elif path not in place.shared and not self.verdict.has(FindingKind.SHARED, path):
                self.verdict.differs(FindingKind.SHARED, path, "shared", GONE)

    def _is_under_way(self, place: PackagePlace) -> bool:
        """A run was killed behind its switch: what it owes says so, and what it left is no drift of its own."""
        debts = [debt for debt in self.baseline.owed if debt.step == self.step_id]
        return place.current != self.left.folder and any(_is_of(place.current, debt.release) for debt in debts)

    def _shared(self) -> tuple[str, ...]:
        return tuple(path.strip("/") for path in self.left.shared)

    def _release(self, place: PackagePlace) -> None:
        """The current release: its record, and what it holds."""
        file = f"releases/{self.left.folder}.json"
        digest = digest_of(place, self.left.folder)
        tree = place.trees.get(self.left.folder)
        if digest is None and tree is None:
            self.verdict.drifted(FindingKind.MISSING, f"releases/{self.left.folder}", "folder", GONE)
            return
        if digest is None:
            self.verdict.drifted(FindingKind.MANIFEST, file, self.left.manifest_sha256[:_DIGITS], GONE)
        elif digest != self.left.manifest_sha256:
            self.verdict.drifted(FindingKind.MANIFEST, file, self.left.manifest_sha256[:_DIGITS], digest[:_DIGITS])
        own = self._record(place)
        self._cross_check(own, file)
        wanted, untold = self._right(own, place)
        if tree is not None and wanted is not None:
            shared = frozenset(self._shared())
            TreeCheck(self.verdict, wanted, tree, Owners.of(self.left), shared, untold).add()
        elif tree is None and not self._stands_as_it_did(place):
            self.verdict.unknown.append(f"release {self.left.folder} was not read")
        elif wanted is None and tree is not None:
            self.verdict.unknown.append(f"nobody knows what release {self.left.folder} should hold")

    def _stands_as_it_did(self, place: PackagePlace) -> bool:
        """``--quick``: nobody touched it, as far as sizes and times tell."""
        is_same = bool(self.left.fingerprint) and place.fingerprint == self.left.fingerprint
        return self.given.quick and is_same and digest_of(place, self.left.folder) == self.left.manifest_sha256

    def _derived(self) -> Derived | Underivable | None:
        """Of another release it would tell nothing: two packages of a plan may stand at two."""
        is_same = _is_of(self.left.folder, self.baseline.release or "")
        return self.given.derived.get((self.step_id, self.target)) if is_same else None

    def _record(self, place: PackagePlace) -> Manifest | None:
        """The manifest that the last success left, where it is known."""
        derived = self._derived()
        known = [place.manifests.get(self.left.folder), derived.manifest if isinstance(derived, Derived) else None]
        return next((one for one in known if one is not None and one.sha256 == self.left.manifest_sha256), None)

    def _right(self, own: Manifest | None, place: PackagePlace) -> tuple[Manifest | None, frozenset[str]]:
        """What the release should hold, and files whose content in it means nothing."""
        if self.given.against_plan and self.step is not None:
            wanted = self.given.wanted.get((self.step_id, self.target), Underivable("the package is not at hand"))
            release = self.given.scene.release
            if release is not None and not _is_of(self.left.folder, release):
                self.verdict.drifted(FindingKind.CURRENT, CURRENT, release, self.left.folder)
                return own, frozenset()
            if isinstance(wanted, Underivable):
                self.verdict.unknown.append(f"what the plan wants cannot be told: {wanted.reason}")
                return own, frozenset()
            for path, why in wanted.unverified.items():
                self.verdict.unknown.append(f"{path}: what the plan wants cannot be told: {why}")
            return wanted.manifest, frozenset(wanted.unverified)
        if own is not None:
            return own, frozenset()
        derived = self._derived()
        if isinstance(derived, Derived):  # the target's record is no use any more
            return derived.manifest, frozenset(derived.unverified)
        return place.manifests.get(self.left.folder), frozenset()

    def _cross_check(self, own: Manifest | None, file: str) -> None:
        """What the controller derives against the target's record: somebody may have edited that, too."""
        if self.left.manifest_sha256 in self.given.trusted:
            return
        derived = self._derived()
        if not isinstance(derived, Derived):
            self.verdict.unverified = True
            return
        if own is None:
            if not derived.unverified and derived.manifest.sha256 != self.left.manifest_sha256:
                self.verdict.drifted(FindingKind.MANIFEST, file, derived.manifest.sha256[:_DIGITS])
            self.verdict.unverified = bool(derived.unverified)
            return
        self.verdict.unverified_files = tuple(sorted(derived.unverified))
        for path in _differing(derived, own):
            here, there = ("there" if path in one.entries else "not there" for one in (derived.manifest, own))
            told = (here, there) if here != there else ("", "")
            self.verdict.drifted(FindingKind.MANIFEST, path, *told)

    def _pending(self) -> None:
        if self.step is None or self.given.against_plan:
            return
        release = self.given.scene.release
        if release is not None and not _is_of(self.left.folder, release):
            self.verdict.pending.append(f"{release} is wanted, {self.left.folder} was applied")
        elif self.left.manifest_sha256 in self.given.trusted:
            derived = self._derived()
            other = self._moved_on(derived) if isinstance(derived, Derived) else ()
            if other:
                self.verdict.pending.append(f"the plan gives other content: {listed(other)}")
        try:
            wanted = step_place(self.given.loaded, self.step, self.target)
        except TemplateProblem:
            return
        to = absolute(wanted, self.given.observed[self.target].facts.home)
        if isinstance(self.step.kind, PackageStep) and self.step.kind.to is not None and to.rstrip("/") != self.left.to:
            self.verdict.pending.append(f"the plan wants it at {to}")

    def _moved_on(self, derived: Derived) -> tuple[str, ...]:
        place = self.given.observed[self.target].packages.get(self.step_id)
        own = None if place is None else self._record(place)
        if own is not None:
            return _differing(derived, own)
        changed = not derived.unverified and derived.manifest.sha256 != self.left.manifest_sha256
        return ("which files, nobody knows here",) if changed else ()


def _differing(derived: Derived, own: Manifest) -> tuple[str, ...]:
    """Entries that are not the same in both; of files whose content cannot be told, kind and mode count."""
    if derived.manifest.sha256 == own.sha256:  # each is computed once, however many targets share it
        return ()
    found: list[str] = []
    for path in sorted({*derived.manifest.entries, *own.entries}):
        one, other = derived.manifest.entries.get(path), own.entries.get(path)
        if path in derived.unverified and one is not None and other is not None:
            one, other = (replace(entry, size=0, sha256="") for entry in (one, other))
        if one != other:
            found.append(path)
    return tuple(found)


def _is_of(folder: str | None, release: str) -> bool:
    """``1.4.2`` and ``1.4.2_1`` are folders of release 1.4.2."""
    return folder is not None and re.fullmatch(re.escape(release) + r"(_[0-9]+)?", folder) is not None
