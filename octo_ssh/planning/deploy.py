"""What a package step does on one target: which folder, what is sent, what must follow (SPEC sections 6 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Observed, PackagePlace, Place
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import PackageScript, PackageStep, Step
from octo_ssh.model.timers import Verdict
from octo_ssh.model.work import PackageWork, Planned, ScriptWork
from octo_ssh.packages.delta import lacking
from octo_ssh.planning.compare import Comparison, compare
from octo_ssh.planning.doubts import base_candidate, digest_of, is_untouched, manifest_of, recorded, recorded_as
from octo_ssh.planning.expected import marker
from octo_ssh.planning.inputs import Scene
from octo_ssh.planning.scripts import Folders, activation, convention, conventions, probe
from octo_ssh.planning.unconfirmed import unconfirmed, went_back

NAMED = 3
"""Entries that a reason names before it counts."""

RETURNING = ("Deploy", "PostDeploy")
"""Of Octopus's scripts, those that run again for a release that is returned to."""
CONFIRM = "confirm"
RECORD = "record"
"""What is owed by a release that is current without a recorded success and without consequences: to be recorded."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was decided for a package step on a target."""

    planned: Planned
    folder: str
    """The release folder of this run, as a path."""
    waits: bool
    """It is completed only just before its step: scripts before it do not find it."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which folder, and why."""

    folder: str
    build: bool
    switch: bool
    reason: str
    lacking_files: int = 0
    """How many contents must be sent."""
    lacking_bytes: int = 0
    """Their size, before compression."""


def deploy(scene: Scene, step: Step, target: str) -> Deployment:
    """Decide a package step on a target that was observed. Raises TemplateProblem.

    A place that is not ours, or cannot be looked at, refuses the run.
    """
    assert isinstance(step.kind, PackageStep)
    observed = scene.given.observed[target]
    place = observed.packages[step.id]
    _refuse_foreign(scene, step, target, place)
    configured = scene.wanted(step, target)
    state = _State(scene, step, step.kind, observed, place, configured.manifest)
    choice = state.choose()
    folder = _path(place, choice.folder)
    owed = state.owed(choice)
    if not (choice.build or choice.switch or owed):
        return Deployment(Planned(Outcome.UNCHANGED, state.quiet_reason(), None), folder, waits=False)
    own = Folders({step.kind.package: folder}, is_only_package=True)
    verify = step.kind.verify
    previous = state.previous(choice)
    work = PackageWork(
        package=step.kind.package,
        to=place.to,
        folder=choice.folder,
        manifest=configured.manifest,
        build=choice.build,
        switch=choice.switch,
        base=state.base if choice.build else None,
        damaged=state.damaged if choice.build else (),
        previous=previous,
        stray=place.current if place.current is not None and place.current != state.current else "",
        seeds=tuple(path for path in step.kind.shared if path not in place.shared),
        shared=step.kind.shared,
        activate=activation(scene, step, target, own),
        verify=None if verify is None else probe(scene, step, target, verify, own),
        keep=state.keep(choice),
        sudo_user=scene.sudo_user(step, target),
        owed=owed,
        extra=state.now.extra,
        repaired=state.now.damaged,
        lacking_files=choice.lacking_files,
        lacking_bytes=choice.lacking_bytes,
        conventions=_ready(scene, step, target, conventions(configured.manifest), own),
        returning=_ready(scene, step, target, state.scripts_of(previous), own),
        confirm_s=step.kind.confirm_s if state.can_go_back(choice, previous) else None,
    )
    is_new = choice.build or choice.switch
    reason = choice.reason + state.timer_note() if is_new else state.owed_reason(owed)
    planned = Planned(Outcome.CHANGED, reason + state.extra_note(), work)
    return Deployment(planned, folder, waits=choice.build and not place.writable)


class _State:
    """A package's place on a target, asked about from all sides."""

    def __init__(
        self, scene: Scene, step: Step, kind: PackageStep, observed: Observed, place: PackagePlace, wanted: Manifest
    ) -> None:
        self.scene, self.step, self.kind = scene, step, kind
        self.mark = marker(scene.given.expected, step.id)
        self.observed, self.place, self.wanted = observed, place, wanted
        self.complete = tuple(release.name for release in place.releases)
        self.current = place.current if place.current in self.complete else None
        self.open = next((timer for timer in place.timers if timer.is_open and timer.new == place.current), None)
        self.left = recorded(observed, place)
        self.former = recorded_as(observed, place) or step.id
        """As which step it was brought there."""
        own = {self.former} if step.id in observed.baseline.packages else {self.former, step.id}
        self.debts = [debt for debt in observed.baseline.owed if debt.step in own]
        self.now = self._look(self.current) if self.current is not None else Comparison()
        self.base, self.damaged = self._find_base()

    def choose(self) -> _Choice:
        """Never a complete folder again: one that is whole is used, else the next free name is built."""
        version = self.scene.release or ""
        why = ""
        if self.current is not None and self._is_wanted(self.current, version):
            missing = [path for path in self.kind.shared if path not in self.place.shared and not self.mark(path)]
            if not self.now.damaged and not missing:
                return _Choice(self.current, build=False, switch=False, reason="")
            why = f"repair: {self._damage(missing)}"
            if missing:
                return self._build(version, why)
        for name in self.complete:
            if name != self.current and self._is_wanted(name, version) and self._is_whole(name):
                there = f"{name} is there already, to be made current"
                return _Choice(name, build=False, switch=True, reason=f"{why}; {there}" if why else f"release {there}")
        return self._build(version, why)

    def previous(self, choice: _Choice) -> str | None:
        """Where a failed ``verify`` returns to: the release before; not one whose own success is still owed."""
        armed: tuple[str | None, ...] = () if self.open is None else (self.open.old,)
        for before in (*(debt.previous for debt in self.debts), *armed, self.current):
            if before in self.complete and before != choice.folder:
                return before
        return self._last_good(choice)

    def can_go_back(self, choice: _Choice, previous: str | None) -> bool:
        """Whether the target leaves the release where it turns out bad: one that was good already stays where there is
        none before it.
        """
        return choice.switch or previous is not None or self.left is None or self.left.folder != choice.folder

    def scripts_of(self, name: str | None) -> dict[str, str]:
        """Octopus's scripts that make a release take effect again: of one whose manifest is not known, both may be
        there.
        """
        if name is None:
            return {}
        manifest = manifest_of(self.place, name, self.wanted)
        known = {stage: f"{stage}.sh" for stage in RETURNING} if manifest is None else conventions(manifest)
        return {stage: path for stage, path in known.items() if stage in RETURNING}

    def keep(self, choice: _Choice) -> tuple[str, ...]:
        """The last successful releases beside the one of this run; failed ones do not count, and go."""
        good = (self.left.folder, *self.left.history) if self.left is not None else ()
        names = dict.fromkeys(name for name in good if name in self.complete and name != choice.folder)
        return tuple(names)[: self.kind.keep]

    def owed(self, choice: _Choice) -> tuple[str, ...]:
        """Consequences that must be made good where nothing is switched: the first that is owed, and all after it."""
        if choice.build or choice.switch:
            return ()
        scripts = conventions(self.wanted)
        wanted = {
            "Deploy": "Deploy" in scripts,
            "activate": self.kind.activate is not None,
            "PostDeploy": "PostDeploy" in scripts,
            "verify": self.kind.verify is not None,
            CONFIRM: self.kind.confirm_s is not None,
        }
        every = tuple(what for what, is_there in wanted.items() if is_there)
        if not self._is_recorded() or self.open is not None:
            return every or (RECORD,)
        if self.scene.given.options.redeploy:
            return every
        debts = {debt.what for debt in self.debts}
        first = next((index for index, what in enumerate(every) if what in debts), len(every))
        return every[first:]

    def owed_reason(self, owed: tuple[str, ...]) -> str:
        what = " and ".join(owed)
        if self.open is not None:
            return f"release {self.current} {unconfirmed(self.open)}: {what}"
        if not self._is_recorded():
            return f"release {self.current} is current, but no success of it is recorded: {what}"
        if self.scene.given.options.redeploy:
            return f"--redeploy: {what} again"
        return f"owed since an earlier run: {what}"

    def quiet_reason(self) -> str:
        return self._quiet() + ("" if self.former == self.step.id else f"; remembered as step '{self.former}' so far")

    def _quiet(self) -> str:
        if self.now.extra:
            return f"extra: {_listed(self.now.extra)} left alone"
        if self.now.unreadable:
            return f"release {self.current} is current; unreadable: {_listed(self.now.unreadable)}"
        return f"release {self.current} is current"

    def timer_note(self) -> str:
        """What became of a release that was to be confirmed, and was not."""
        if self.open is not None:
            return f"; {self.open.new} {unconfirmed(self.open)}"
        back = next((timer for timer in self.place.timers if timer.verdict is Verdict.REVERTED), None)
        return "" if back is None or back.is_missed else f"; {went_back(back)}"

    def extra_note(self) -> str:
        return f"; extra: {_listed(self.now.extra)} left alone" if self.now.extra else ""

    def _is_recorded(self) -> bool:
        return (
            self.left is not None
            and self.left.folder == self.current
            and self.left.manifest_sha256 == self.wanted.sha256
        )

    def _is_wanted(self, name: str, version: str) -> bool:
        suffix = name.removeprefix(version)
        named = name.startswith(version) and (not suffix or (suffix[0] == "_" and suffix[1:].isdecimal()))
        return named and digest_of(self.place, name) == self.wanted.sha256

    def _is_whole(self, name: str) -> bool:
        tree = self.place.trees.get(name)
        return tree is not None and compare(self.wanted, tree).is_whole

    def _look(self, name: str) -> Comparison:
        """The current release against its own manifest; expected drift is none here."""
        tree = self.place.trees.get(name)
        if tree is None or is_untouched(self.observed, self.place):
            return Comparison()
        manifest = manifest_of(self.place, name, self.wanted)
        return Comparison() if manifest is None else compare(manifest, tree, self.mark)

    def _find_base(self) -> tuple[str | None, tuple[str, ...]]:
        """A folder whose files can be copied, for its manifest and its content are known; and what is wrong in it."""
        name = base_candidate(self.place)
        manifest = manifest_of(self.place, name, self.wanted) if name is not None else None
        if name is None or manifest is None:
            return None, ()
        if name == self.current and is_untouched(self.observed, self.place):
            return name, ()
        tree = self.place.trees.get(name)
        return (name, compare(manifest, tree).unproven) if tree is not None else (None, ())

    def _build(self, version: str, why: str) -> _Choice:
        folder = next(name for name in self._names(version) if self._is_free(name))
        base = manifest_of(self.place, self.base, self.wanted) if self.base is not None else None
        files = lacking(self.wanted, base, self.damaged)
        send = f"{len(files)} {'file' if len(files) == 1 else 'files'} to send" if files else "nothing to send"
        other = "" if folder == version or why else ", other content under one version"
        return _Choice(
            folder,
            build=True,
            switch=True,
            reason=f"{why}; {send}" if why else f"release {folder}{other}: {send}",
            lacking_files=len(files),
            lacking_bytes=sum(self.wanted.entries[path].size for path in files),
        )

    def _names(self, version: str) -> Iterator[str]:
        yield version
        number = 1
        while True:
            yield f"{version}_{number}"
            number += 1

    def _is_free(self, name: str) -> bool:
        remembered = (self.left.folder, *self.left.history) if self.left is not None else ()
        return name not in self.complete and name not in remembered and name != self.place.current

    def _last_good(self, choice: _Choice) -> str | None:
        good = (self.left.folder, *self.left.history) if self.left is not None else ()
        return next((name for name in good if name in self.complete and name != choice.folder), None)

    def _damage(self, missing_shared: list[str]) -> str:
        said = [f"{_listed(self.now.changed)} changed"] if self.now.changed else []
        said += [f"{_listed(self.now.missing)} missing"] if self.now.missing else []
        said += [f"shared {_listed(tuple(missing_shared))} missing"] if missing_shared else []
        return ", ".join(said)


def _ready(
    scene: Scene, step: Step, target: str, scripts: Mapping[str, str], folders: Folders
) -> dict[str, ScriptWork]:
    """Octopus's scripts in the step's package, by what they are called and where they are in it."""
    assert isinstance(step.kind, PackageStep)
    inside = {name: PackageScript(step.kind.package, path) for name, path in scripts.items()}
    return {name: convention(scene, step, target, script, folders) for name, script in inside.items()}


def _refuse_foreign(scene: Scene, step: Step, target: str, place: PackagePlace) -> None:
    match place.place:
        case Place.FOREIGN:
            owner = f" ({place.owner})" if place.owner else ""
            said = f"{target}: {place.to} is not this project's{owner}: choose another 'to' for '{step.name}'"
            scene.refusals.append(said)
        case Place.UNREADABLE:
            scene.refusals.append(
                f"{target}: {place.to} cannot be looked into by {scene.sudo_user(step, target) or 'the login'}; "
                f"give '{step.name}' a 'become', or have the folder opened"
            )
        case _:
            pass


def _path(place: PackagePlace, folder: str) -> str:
    return f"{place.to.rstrip('/')}/releases/{folder}"


def _listed(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more
