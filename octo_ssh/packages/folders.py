"""A folder as a package: what is left out, modes as git sees them, and no surprise while it is read.

Left out are ``.git``, ``._*``, ``.DS_Store``, what the folder's own ``.octoignore`` names, and what the plan's
``ignore`` names; all are patterns as in .gitignore, later ones win, ``!`` takes back.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.packages.cache import Contents
from octo_ssh.packages.limits import MIB, Limits, Meter
from octo_ssh.packages.names import shown
from octo_ssh.packages.streams import CHUNK
from octo_ssh.packages.tree import Tree

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".octoignore"
_ALL_INSIDE = re.compile(r"/\*\*\s*$")  # as git has it, without the folder itself: pathspec would take that too
_ALWAYS = (".git", "._*", ".DS_Store", f"/{IGNORE_FILE}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file's state, to notice that it changed while it was read."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> _Seen:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_folder(folder: str, ignore: tuple[str, ...], limits: Limits) -> Tree:
    """The tree of a folder on the controller. Raises PackageError for what cannot be packed, by its name."""
    tree, meter = Tree(limits), Meter(limits, packed=None)
    try:
        for path, item in _walk(folder, _patterns(folder, ignore)):
            _add(path, item, tree, meter)
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}: {shown(str(error.filename))}") from error
    return tree


def copy_files(folder: str, entries: Iterable[Entry], contents: Contents) -> None:
    """Take the files' contents into the cache. Raises PackageError where one is not what it was."""
    for entry in entries:
        if entry.kind is not Kind.FILE:
            continue
        try:
            sha256, _ = contents.add(_chunks(os.path.join(folder, entry.path), entry.path))
        except OSError as error:
            raise PackageError(f"cannot be read: {error.strerror}: {shown(entry.path)}") from error
        if sha256 != entry.sha256:
            raise _changed(entry.path)


def _add(path: str, item: os.DirEntry[str], tree: Tree, meter: Meter) -> None:
    found = item.stat(follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        tree.add_folder(path, 0o755)
    elif stat.S_ISLNK(found.st_mode):
        tree.add_link(path, os.readlink(item.path))
    elif stat.S_ISREG(found.st_mode):
        meter.spend(found.st_size)
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(item.path, path):
            digest.update(chunk)
            size += len(chunk)
        mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
        tree.add_file(path, mode, size, digest.hexdigest(), found.st_mtime)
    else:
        raise PackageError(
            f"holds {shown(path)}, which is a device, fifo or socket", hint="leave it out with an ignore pattern"
        )


def _walk(folder: str, leave_out: GitIgnoreSpec) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below ``folder`` that is not left out, folders before what they hold, sorted."""
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(folder, below)) as scan:
            items = sorted(scan, key=lambda item: item.name)
        for item in items:
            path = f"{below}/{item.name}" if below else item.name
            is_folder = item.is_dir(follow_symlinks=False)
            if leave_out.match_file(f"{path}/" if is_folder else path):
                continue
            yield path, item
            if is_folder:
                pending.append(path)


def _patterns(folder: str, ignore: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    own: list[str] = []
    ignore_file = os.path.join(folder, IGNORE_FILE)
    try:
        if os.path.getsize(ignore_file) > MIB:
            raise PackageError(f"its {IGNORE_FILE} is larger than 1 MiB")
        with open(ignore_file, encoding="utf-8", errors="surrogateescape") as file:
            own = file.read().splitlines()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise PackageError(f"its {IGNORE_FILE} cannot be read: {error.strerror}") from error
    try:
        return GitIgnoreSpec.from_lines(_ALL_INSIDE.sub("/*", line) for line in (*_ALWAYS, *own, *ignore))
    except ValueError as error:
        raise PackageError(f"has an ignore pattern that is none: {shown(str(error))}") from None


def _chunks(file_path: str, path: str) -> Iterator[bytes]:
    """A file's content; PackageError when the file changes meanwhile, or is no file any more."""
    try:
        descriptor = os.open(file_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _changed(path) from None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _changed(path)
        size = 0
        while chunk := file.read(CHUNK):
            size += len(chunk)
            if size > before.st_size:
                raise _changed(path)
            yield chunk
        if size != before.st_size or _Seen.of(os.fstat(descriptor)) != _Seen.of(before):
            raise _changed(path)


def _changed(path: str) -> PackageError:
    return PackageError(f"{shown(path)} changed while it was read", hint="run again when the build is done")
