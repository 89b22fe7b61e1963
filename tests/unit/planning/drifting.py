"""A target as the last success left it, to be tampered with: for the tests of drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from octo_ssh.model.drift import DriftReport, Expected, StepDrift, TargetDrift
from octo_ssh.model.manifest import Entry, Manifest
from octo_ssh.model.observed import (
    Baseline,
    FileBaseline,
    FileSeen,
    Observed,
    PackageBaseline,
    PackagePlace,
    ReleaseFolder,
    ServiceBaseline,
    ServiceSeen,
    Tree,
)
from octo_ssh.planning.drift import DriftInput, drift_of, report
from octo_ssh.planning.request import RunOptions, select
from tests.unit.planning.builders import facts, file, file_seen, loaded, package, place, service, tree_of

TODAY = date(2027, 1, 10)
MANIFEST = tree_of({"bin/app": "app", "etc/app.conf": "conf", "etc/more.conf": "more", "var/cache/x": "x"})
STEPS = (package(to="/srv/shop"), file(), service())


def expected(path: str, until: str = "2027-01-10", step: str = "") -> Expected:
    return Expected(path, "the app writes here", date.fromisoformat(until), step)


def whose(manifest: Manifest, owner: str = "0:0") -> dict[str, str]:
    return dict.fromkeys((".", *manifest.entries), owner)


def tree(manifest: Manifest = MANIFEST, changes: Mapping[str, Entry | None] | None = None, **keys: Any) -> Tree:
    """The folder as it should be, but for the changes; None: the entry is gone."""
    entries = {**manifest.entries, **(changes or {})}
    left = {path: entry for path, entry in entries.items() if entry is not None}
    return Tree(left, **{"owners": {".": "0:0", **dict.fromkeys(left, "0:0")}, **keys})


def package_left(manifest: Manifest = MANIFEST, **keys: Any) -> PackageBaseline:
    known = {"to": "/srv/shop", "folder": "1.4.2", "fingerprint": "print", "owner": "0:0", **keys}
    return PackageBaseline(manifest_sha256=manifest.sha256, **known)


def there(manifest: Manifest = MANIFEST, **keys: Any) -> PackagePlace:
    known = {
        "current": "1.4.2",
        "fingerprint": "print",
        "releases": (ReleaseFolder("1.4.2", manifest.sha256),),
        "trees": {"1.4.2": tree(manifest)},
        "manifests": {"1.4.2": manifest},
        **keys,
    }
    return place(**known)


def file_left(text: str = "text\n", **keys: Any) -> FileBaseline:
    seen = file_seen(text)
    known = {"sha256": seen.sha256, "mode": seen.mode, "owner": seen.owner, "group": seen.group, **keys}
    return FileBaseline("/etc/shop.conf", present=True, **known)


def unit_left(**keys: Any) -> ServiceBaseline:
    return ServiceBaseline("shop", **{"active": "active", "enabled": "enabled", "unit_sha256": "unit", **keys})


def unit_seen(**keys: Any) -> ServiceSeen:
    known = {"load": "loaded", "active": "active", "enabled": "enabled", "unit_sha256": "unit", **keys}
    return ServiceSeen(**{"systemd": True, **known})


@dataclass
class Check:
    """A plan of three steps, and targets; without more words all is in sync."""

    steps: tuple[Any, ...] = STEPS
    left: Baseline = field(
        default_factory=lambda: Baseline(
            release="1.4.2",
            packages={"deploy": package_left()},
            files={"unit": file_left()},
            services={"service": unit_left()},
        )
    )
    package: PackagePlace | None = field(default_factory=there)
    file: FileSeen | None = field(default_factory=file_seen)
    service: ServiceSeen | None = field(default_factory=unit_seen)
    keys: dict[str, Any] = field(default_factory=dict)
    """Of ``DriftInput``."""
    seen: dict[str, Any] = field(default_factory=dict)
    """Of ``Observed``."""
    plan: dict[str, Any] = field(default_factory=dict)

    def observed(self, name: str = "web-1") -> Observed:
        base = Observed(facts(name), None, 0, None, self.left)  # type: ignore[arg-type]
        known = {
            "packages": {} if self.package is None else {"deploy": self.package},
            "files": {} if self.file is None else {"unit": self.file},
            "services": {} if self.service is None else {"service": self.service},
        }
        return replace(base, **{**known, **self.seen})

    def given(self) -> DriftInput:
        found = loaded(*self.steps, **{"targets": ("web-1",), **self.plan})
        object.__setattr__(found, "targets", tuple(found.inventory.targets))
        known = {"observed": {"web-1": self.observed()}, "today": TODAY, **self.keys}
        return DriftInput(loaded=found, selection=select(found, RunOptions()), **known)

    def target(self) -> TargetDrift:
        return drift_of(self.given(), "web-1")

    def report(self) -> DriftReport:
        return report(self.given(), at="2027-01-10T03:00:00Z")

    def step(self, step_id: str) -> StepDrift:
        return next(step for step in self.target().steps if step.step == step_id)

    def found(self, step_id: str = "deploy") -> set[tuple[str, str]]:
        """Kind and subject of what is found of a step."""
        return {(finding.kind.value, finding.subject) for finding in self.step(step_id).findings}
