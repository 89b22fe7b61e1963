"""What the controller can tell by itself of a target's files: from the plan, its files and its packages, without
asking anybody, and without a secret. A check for drift holds the target's own record against it (SPEC sections 1, 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from octo_ssh.config.structured import is_structured
from octo_ssh.config.templates import TemplateProblem
from octo_ssh.errors import FileErrors, PackageError, SecretError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.plan import FileStep, PackageStep, Step
from octo_ssh.model.values import SecretRef
from octo_ssh.planning.configure import configured_content, configured_paths, matches, with_shared
from octo_ssh.planning.wanted import Wanted, wanted_file

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded

NEEDS_SECRET = "it holds a secret"


@dataclass(frozen=True, slots=True)
class Derived:
    """A release folder as the plan and a package make it."""

    manifest: Manifest
    """Of the entries in ``unverified`` only kind and mode are right."""
    unverified: Mapping[str, str] = field(default_factory=dict)
    """Files whose content cannot be told here, and why."""


@dataclass(frozen=True, slots=True)
class Underivable:
    """It cannot be told here."""

    reason: str


class Deriver:
    """Asked for every target. Of a plan that ``config.load.look`` read; ``loaded.plan.release`` is the release meant.

    Targets that are configured alike share one manifest. Renders templates, which takes its time: use it in one thread
    that is not the event loop's.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._shared: dict[tuple[str, str], Mapping[str, Entry] | Underivable] = {}
        self._alike: dict[tuple[str, ...], Derived] = {}

    def paths(self, step: Step, package: Manifest) -> tuple[str, ...]:
        """The files of the package whose bytes ``package`` needs: those that are configured."""
        assert isinstance(step.kind, PackageStep)
        patterns = (*step.kind.configure, *(settings.path for settings in step.kind.settings))
        found: set[str] = set()
        for pattern in patterns:
            try:
                found.update(configured_paths(package, [pattern]))
            except PackageError:  # `plan` says so
                continue
        return tuple(sorted(found))

    def package(self, step: Step, target: str, package: Manifest, texts: Mapping[str, bytes]) -> Derived | Underivable:
        """The release folder of a package step on a target. ``texts``: the bytes of what ``paths`` names."""
        assert isinstance(step.kind, PackageStep)
        base = self._with_shared(step, step.kind, package)
        if isinstance(base, Underivable):
            return base
        known, why = self._contents(step, step.kind, target, base, texts)
        told = (f"{path}\0{known[path].sha256 if path in known else why[path]}" for path in sorted({*known, *why}))
        key = (step.id, package.sha256, *told)
        if key not in self._alike:
            self._alike[key] = Derived(Manifest({**base, **known}), why)
        return self._alike[key]

    def files(self, target: str, steps: tuple[Step, ...]) -> Mapping[str, Wanted | Underivable]:
        """What each file step among ``steps`` wants on a target, by step id. Reads sources beside the plan."""
        return {step.id: self._file(step, target) for step in steps if isinstance(step.kind, FileStep)}

    def _with_shared(self, step: Step, kind: PackageStep, package: Manifest) -> Mapping[str, Entry] | Underivable:
        key = (step.id, package.sha256)
        if key not in self._shared:
            try:
                self._shared[key] = with_shared(package, step, kind.shared)[0]
            except FileErrors as errors:
                self._shared[key] = Underivable(_said(errors))
        return self._shared[key]

    def _contents(
        self, step: Step, kind: PackageStep, target: str, base: Mapping[str, Entry], texts: Mapping[str, bytes]
    ) -> tuple[dict[str, Entry], dict[str, str]]:
        """The configured files as entries, and why others cannot be told."""
        known: dict[str, Entry] = {}
        why: dict[str, str] = {}
        names = self._loaded.scopes.names(target=target, step=step)
        for path, content in sorted(texts.items()):
            if path not in base or base[path].kind is not Kind.FILE:
                continue
            if not is_structured(path) and any(matches(row.path, path) for row in kind.settings):
                why[path] = "values cannot be set in it"  # `plan` says where
                continue
            try:
                raw = configured_content(content, path, kind, names, _no_secret)
            except (TemplateProblem, FileErrors, SecretError) as error:
                why[path] = _said(error)
            else:
                known[path] = replace(base[path], size=len(raw), sha256=hashlib.sha256(raw).hexdigest())
        return known, why

    def _file(self, step: Step, target: str) -> Wanted | Underivable:
        try:
            wanted = wanted_file(self._loaded, step, target, _no_secret)
        except (TemplateProblem, FileErrors, SecretError) as error:
            return Underivable(_said(error))
        if wanted.file is not None and wanted.file.late is not None:
            return Underivable("its content depends on outputs of steps")
        return wanted


def _no_secret(ref: SecretRef) -> NoReturn:
    raise SecretError(NEEDS_SECRET)


def _said(error: TemplateProblem | FileErrors | SecretError) -> str:
    match error:
        case FileErrors(problems=(first, *_)):
            return first.message
        case _:
            return error.message
