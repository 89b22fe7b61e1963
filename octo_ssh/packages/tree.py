"""A package's tree while it is read: entries are only ever added to a map, so nothing can be written through a link.

Rules for archives (GNU tar's, where they are safe):

- A path that comes twice: the last one counts. A folder that already holds something is not replaced by a file.
- Something below a link or a file is refused: tar would follow the link.
- Hard links become copies of what the archive held under that name before.
- Parent folders that have no member of their own get mode 0755.
- Set-uid, set-gid, sticky and the write bits of group and others are dropped, as by ``tar x`` under umask 022. Owners
  can always read files, and read, write and enter folders: otherwise a release could be neither compared nor removed.
"""

from __future__ import annotations

from dataclasses import replace

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages.limits import Limits
from octo_ssh.packages.links import check_links
from octo_ssh.packages.names import encoded, inner_path, shown

_LATEST_S = 8**11 - 1  # what a tar header holds in octal: the year 2242


class Tree:
    """Collects entries; ``manifest`` judges them as a whole."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[str, Entry] = {}
        self._filled: set[str] = set()
        self.mtimes: dict[str, int] = {}
        """Of files, in seconds since the epoch, by path."""

    def add_folder(self, raw: str, mode: int) -> None:
        path = inner_path(raw, self._limits)
        if path:
            self._put(Entry(path, Kind.DIR, (mode & 0o755) | 0o700))

    def add_file(self, raw: str, mode: int, size: int, sha256: str, mtime_s: float) -> None:
        path = self._real(raw)
        self._put(Entry(path, Kind.FILE, (mode & 0o755) | 0o400, size, sha256))
        self.mtimes[path] = min(max(int(mtime_s), 0), _LATEST_S)

    def add_link(self, raw: str, target: str) -> None:
        path = self._real(raw)
        if not target or "\0" in target or len(encoded(target)) > self._limits.link:
            raise PackageError(f"holds a link without a usable target: {shown(path)}")
        self._put(Entry(path, Kind.LINK, target=target))

    def add_hard_link(self, raw: str, raw_target: str) -> int:
        """A copy of an entry that is already there; how many bytes that adds."""
        path, target = self._real(raw), inner_path(raw_target, self._limits)
        found = self._entries.get(target)
        if found is None or found.kind is Kind.DIR:
            raise PackageError(
                f"holds a hard link to something that is no file before it in the archive: "
                f"{shown(path)} -> {shown(raw_target)}"
            )
        if path == target:
            return 0
        self._put(replace(found, path=path))
        if target in self.mtimes:
            self.mtimes[path] = self.mtimes[target]
        return found.size

    def manifest(self) -> Manifest:
        """Everything, once all is added. Raises PackageError for links out of the tree and for an empty tree."""
        if not self._entries:
            raise PackageError("holds nothing")
        check_links(self._entries)
        return Manifest(dict(sorted(self._entries.items())))

    def _real(self, raw: str) -> str:
        path = inner_path(raw, self._limits)
        if not path:
            raise PackageError("holds a file without a name")
        return path

    def _put(self, entry: Entry) -> None:
        self._make_parents(entry.path)
        before = self._entries.get(entry.path)
        if before is None:
            self._count()
        elif before.kind is Kind.DIR and entry.kind is not Kind.DIR and entry.path in self._filled:
            raise PackageError(f"holds {shown(entry.path)} as a folder and as a file")
        self._entries[entry.path] = entry
        if entry.kind is not Kind.FILE:
            self.mtimes.pop(entry.path, None)

    def _make_parents(self, path: str) -> None:
        """Make sure that every parent is a folder, walking up only as far as needed."""
        missing: list[str] = []
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            found = self._entries.get(path)
            if found is None:
                missing.append(path)
                continue
            if found.kind is not Kind.DIR:
                kind = "link" if found.kind is Kind.LINK else "file"
                raise PackageError(f"holds something below {shown(path)}, which is a {kind} in it")
            self._filled.add(path)
            break
        for parent in missing:
            self._count()
            self._entries[parent] = Entry(parent, Kind.DIR, 0o755)
            self._filled.add(parent)

    def _count(self) -> None:
        if len(self._entries) >= self._limits.entries:
            raise PackageError(f"holds more than {self._limits.entries:,} files, folders and links")
