"""A package that was acquired: what it is, and its contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages.cache import Stored
from octo_ssh.packages.limits import human
from octo_ssh.packages.names import shown
from octo_ssh.packages.streams import CHUNK


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the plan, unpacked in the controller's cache.

    ``sha256`` is the archive's, or for a folder its manifest's. Safe to use from several threads.
    """

    name: str
    sha256: str
    stored: Stored = field(repr=False)

    @property
    def manifest(self) -> Manifest:
        """As packaged: before ``configure`` and ``shared``."""
        return self.stored.manifest

    def mtime_s(self, path: str) -> int:
        """When a file of the package was last changed, in seconds since the epoch."""
        return self.stored.mtimes[path]

    def read(self, path: str) -> bytes:
        """The content of a file. Raises PackageError where ``path`` is no file of the package."""
        entry = self.manifest.entries.get(path)
        if entry is None or entry.kind is not Kind.FILE:
            what = "no such file" if entry is None else f"it is a {entry.kind.value}"
            raise PackageError(f"package {self.name}: {shown(path)} cannot be read: {what}")
        return b"".join(self.chunks(entry))

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file in pieces. Raises PackageError, at the end, where it is not what it was."""
        digest, left = hashlib.sha256(), entry.size
        with self.stored.open(entry.sha256) as file:
            while left and (chunk := file.read(min(CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
                yield chunk
        if left or digest.hexdigest() != entry.sha256:
            raise PackageError(
                f"the cache at {self.stored.folder} is damaged: {shown(entry.path)} ({human(entry.size)}) changed",
                hint=self.stored.remedy,
            )
