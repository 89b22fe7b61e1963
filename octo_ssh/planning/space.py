"""Whether a target has room for the releases that a run brings, before anything is sent there: bytes and inodes. Pure.

What killed runs left counts as free: it goes before anything else comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import Disk, Facts, PackagePlace
from octo_ssh.model.work import PackageWork, Planned
from octo_ssh.planning.inputs import Scene

_BLOCK_BYTES = 4096
_LISTINGS = 4
"""Beside the manifest, lists are made of it while a release is laid out; together they take less than this many."""
_OWN_INODES = 20
"""Folders and lists of a place and of the store."""
MARGIN_BYTES, MARGIN_INODES, MARGIN_PARTS = 1 << 20, 50, 20
"""Left free: so much, and one part in so many of what is needed."""


@dataclass(frozen=True, slots=True)
class Load:
    """A release folder that a target is to get."""

    place: PackagePlace
    work: PackageWork
    package: Manifest
    """As it was packed: what fills shared places is in it."""
    bundle_bytes: int = 0
    """What waits in the store until it is laid out; 0 as long as nobody knows."""


@dataclass(slots=True)
class _Demand:
    """What one file system has, and what it is asked for."""

    where: str
    free_bytes: int
    free_inodes: int | None
    bytes: int = 0
    inodes: int = 0
    what: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, where: str, disk: Disk) -> _Demand:
        return cls(where, disk.free_bytes, disk.free_inodes)

    def clear(self, disk: Disk) -> None:
        """What earlier runs left at one of its places goes."""
        self.free_bytes += disk.left_bytes
        if self.free_inodes is not None:
            self.free_inodes += disk.left_inodes

    def ask(self, load: Load, size: int, inodes: int) -> None:
        self.bytes += size
        self.inodes += inodes
        self.what[f"{load.work.package} {load.work.folder}"] = None

    def shortage(self) -> str | None:
        size = self.bytes + max(MARGIN_BYTES, self.bytes // MARGIN_PARTS)
        inodes = self.inodes + max(MARGIN_INODES, self.inodes // MARGIN_PARTS)
        if size <= self.free_bytes and (self.free_inodes is None or inodes <= self.free_inodes):
            return None
        files = "" if self.free_inodes is None else f" and {self.free_inodes:,} files"
        return (
            f"no room on the disk of {self.where} for {', '.join(self.what)}: {_mb(size)} and {inodes:,} files are "
            f"needed, with a margin, and {_mb(self.free_bytes)}{files} are free"
        )


def shortages(scene: Scene, found: Mapping[tuple[str, str], Planned]) -> dict[str, str]:
    """Targets that have no room for what would be laid out there: why, as far as can be told before it is packed."""
    loads: dict[str, list[Load]] = {}
    for (step_id, target), planned in found.items():
        work = planned.work
        if isinstance(work, PackageWork) and work.build and planned.due:
            place = scene.given.observed[target].packages[step_id]
            loads.setdefault(target, []).append(Load(place, work, scene.given.manifests[work.package]))
    told = {target: shortage(scene.given.observed[target].facts, every) for target, every in loads.items()}
    return {target: reason for target, reason in told.items() if reason is not None}


def shortage(facts: Facts, loads: Iterable[Load]) -> str | None:
    """Why there is no room for all of this on the file systems of ``root`` and of the places; None: there is."""
    return next((told for demand in _demands(facts, loads) if (told := demand.shortage()) is not None), None)


def takes_input(work: PackageWork, facts: Facts) -> bool:
    """Whoever lays the release out may not read the store: the bundle is handed over."""
    return work.sudo_user not in (None, facts.user, "root")


def _demands(facts: Facts, loads: Iterable[Load]) -> Iterable[_Demand]:
    found: dict[str, _Demand] = {}
    for load in loads:
        disk = load.place.disk
        if disk is not None:
            entries = [*load.work.manifest.entries.values(), *_seeded(load)]
            handed_over = 2 * load.bundle_bytes if takes_input(load.work, facts) else 0
            size = sum(map(_on_disk, entries)) + _LISTINGS * len(load.work.manifest.text) + handed_over
            demand = found.setdefault(disk.id or f"to {load.place.to}", _Demand.of(load.place.to, disk))
            demand.clear(disk)
            demand.ask(load, size, len(entries) + _OWN_INODES)
        own = found.setdefault(facts.disk.id or "root", _Demand.of(facts.root, facts.disk))
        own.ask(load, load.bundle_bytes, _OWN_INODES)
    if found:
        found[facts.disk.id or "root"].clear(facts.disk)
    return found.values()


def _seeded(load: Load) -> Iterator[Entry]:
    """The package's entries that fill shared places."""
    inside = tuple(f"{seed}/" for seed in load.work.seeds)
    for path, entry in load.package.entries.items():
        if path in load.work.seeds or path.startswith(inside):
            yield entry


def _on_disk(entry: Entry) -> int:
    match entry.kind:
        case Kind.FILE:
            return -(-entry.size // _BLOCK_BYTES) * _BLOCK_BYTES
        case Kind.DIR:
            return _BLOCK_BYTES
        case _:
            return 0


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
