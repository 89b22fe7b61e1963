"""Releases made up for tests: their manifest, and the bundle that brings them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages.bundle import Bundle, Compression
from octo_ssh.packages.delta import Difference, difference


class Held(TypedDict):
    """A lease, as programs are told of it."""

    epoch: int
    token: str


LEASE = Held(epoch=1, token="0123abcd")


def take_lease(root: Path) -> None:
    """``LEASE`` is held in ``root``, which is made where it is missing."""
    root.mkdir(mode=0o700, exist_ok=True)
    (root / "lock").mkdir(exist_ok=True)
    link = root / "lock" / str(LEASE["epoch"])
    if not link.is_symlink():
        link.symlink_to(f"{LEASE['token']}:90:boot:1.0:")
    whose = root.parent.stat()
    for path in (root, root / "lock", link):
        os.chown(path, whose.st_uid, whose.st_gid, follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Folder:
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    target: str


Item = File | Folder | Link


def manifest_of(items: Mapping[str, Item]) -> Manifest:
    """With every parent folder that is not said."""
    entries: dict[str, Entry] = {}
    for path, item in items.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            entries.setdefault(parent, Entry(parent, Kind.DIR, 0o755))
        match item:
            case File(content, mode):
                entries[path] = Entry(path, Kind.FILE, mode, len(content), hashlib.sha256(content).hexdigest())
            case Folder(mode):
                entries[path] = Entry(path, Kind.DIR, mode)
            case Link(target):
                entries[path] = Entry(path, Kind.LINK, target=target)
    return Manifest(entries)


def tar_of(manifest: Manifest, items: Mapping[str, Item], files: Iterable[str]) -> bytes:
    """All folders, the named files, all links."""
    out = io.BytesIO()
    wanted = set(files)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for entry in sorted(
            manifest.entries.values(), key=lambda e: (e.kind is Kind.LINK, e.kind is Kind.FILE, e.path)
        ):
            info = tarfile.TarInfo(entry.path)
            info.mode = entry.mode
            match entry.kind:
                case Kind.DIR:
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
                case Kind.LINK:
                    info.type, info.linkname = tarfile.SYMTYPE, entry.target
                    tar.addfile(info)
                case _:
                    item = items[entry.path]
                    if entry.path in wanted and isinstance(item, File):
                        info.size = len(item.content)
                        tar.addfile(info, io.BytesIO(item.content))
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Release:
    """What is sent for a release."""

    manifest: Manifest
    difference: Difference
    bundle: Bundle


def release_of(
    items: Mapping[str, Item],
    folder: Path,
    *,
    base: Manifest | None = None,
    damaged: Iterable[str] = (),
    extra: bytes = b"",
) -> Release:
    manifest = manifest_of(items)
    delta = difference(manifest, base, frozenset(damaged))
    packed = gzip.compress((extra or tar_of(manifest, items, delta.missing)), mtime=0)
    digest = hashlib.sha256(packed).hexdigest()
    path = folder / f"{digest}.tar.gz"
    path.write_bytes(packed)
    return Release(manifest, delta, Bundle(path, digest, len(packed), Compression.GZIP))
