"""The controller's unpacked packages: contents by their sha256, so that no name of a package ever is a name here.

::

    <cache>/packages/<sha256 of the package>/     0700, complete or not there
        package.json    format, sha256 of the manifest, modification times
        manifest.json   the manifest's text
        files/<sha256>  contents

A folder is made under another name and renamed when complete. What it holds is checked when it is found again (sizes)
and when it is used (contents).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Kind, Manifest, parse_manifest

_FORMAT = 1
"""Raised when the rules of reading change, so that older copies are not used any more."""
_RUBBLE = ".tmp-"
_RUBBLE_AGE_S = 24 * 3600
_UNUSED_AGE_S = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Stored:
    """A package in the cache."""

    folder: Path
    manifest: Manifest = field(repr=False)
    mtimes: dict[str, int] = field(repr=False)
    """Of files, in seconds, by path."""

    def open(self, sha256: str) -> BinaryIO:
        """The content with that digest; the reader checks it. Raises PackageError when it is gone."""
        try:
            descriptor = os.open(self.folder / "files" / sha256, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise PackageError(f"the cache at {self.folder} is damaged: {error.strerror}", hint=self.remedy) from error
        return os.fdopen(descriptor, "rb")

    @property
    def remedy(self) -> str:
        return f"delete {self.folder} and run again"


class Contents:
    """Takes contents in while a package is read."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._files.mkdir(mode=0o700)

    def add(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Keep a content; its sha256 and size."""
        digest, size = hashlib.sha256(), 0
        part = self._files / "part"
        with open(part, "wb", opener=_private) as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        os.rename(part, self._files / digest.hexdigest())
        return digest.hexdigest(), size

    def drop_all_but(self, used: set[str]) -> None:
        """Forget contents that nothing names any more: an archive may hold a path twice."""
        for item in os.scandir(self._files):
            if item.name not in used:
                os.unlink(item.path)


class PackageCache:
    """``<cache>/packages``."""

    def __init__(self, cache: Path) -> None:
        self._home = own_folder(cache, "packages")
        sweep(self._home)

    def find(self, sha256: str) -> Stored | None:
        """The package as it was unpacked before; None when it is not there or not whole."""
        folder = self._home / sha256
        try:
            about = json.loads((folder / "package.json").read_bytes())
            text = (folder / "manifest.json").read_bytes()
            if about["format"] != _FORMAT or about["manifest"] != hashlib.sha256(text).hexdigest():
                return None
            manifest = parse_manifest(text)
            paths = [entry.path for entry in manifest.entries.values() if entry.kind is Kind.FILE]
            mtimes = dict(zip(paths, map(int, about["mtimes"]), strict=True))
            sizes = {item.name: item.stat(follow_symlinks=False).st_size for item in os.scandir(folder / "files")}
            os.utime(folder)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        files = (entry for entry in manifest.entries.values() if entry.kind is Kind.FILE)
        if any(sizes.get(entry.sha256) != entry.size for entry in files):
            return None
        return Stored(folder, manifest, mtimes)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder that is gone afterwards, unless ``keep`` made it a package."""
        folder = self._home / f"{_RUBBLE}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, scratch: Path, sha256: str, manifest: Manifest, mtimes: dict[str, int]) -> Stored:
        """Make a filled scratch folder the package ``sha256``. Two runs may do so at once; either copy is good."""
        in_text_order = parse_manifest(manifest.text)
        times = [mtimes[entry.path] for entry in in_text_order.entries.values() if entry.kind is Kind.FILE]
        about = {"format": _FORMAT, "manifest": manifest.sha256, "mtimes": times}
        (scratch / "manifest.json").write_bytes(manifest.text)
        (scratch / "package.json").write_text(json.dumps(about))
        folder = self._home / sha256
        for _ in range(10):
            try:
                os.rename(scratch, folder)
            except OSError:
                if found := self.find(sha256):
                    return found
                with suppress(OSError):  # what is there is not whole; somebody else may replace it at the same time
                    os.rename(folder, self._home / f"{_RUBBLE}{secrets.token_hex(8)}")
                continue
            return Stored(folder, manifest, mtimes)
        raise PackageError(f"the package cannot be kept at {folder}", hint=f"look at {self._home}")


def sweep(folder: Path) -> None:
    """Remove what killed runs left half done, and what nobody used for a month."""
    now = time.time()
    for item in os.scandir(folder):
        with suppress(OSError):
            age_s = now - item.stat(follow_symlinks=False).st_mtime
            if age_s < (_RUBBLE_AGE_S if item.name.startswith(_RUBBLE) else _UNUSED_AGE_S):
                continue
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path)
            else:
                os.unlink(item.path)


def own_folder(cache: Path, name: str) -> Path:
    """``<cache>/<name>``, made where it is missing. Raises PackageError where that cannot be, and where another user
    could put things there: what it holds is sent to servers.
    """
    cache = Path(os.path.realpath(cache))  # a user may have moved it to another disk
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        for folder in (cache, cache / name):
            folder.mkdir(mode=0o700, exist_ok=True)
            _check_private(folder)
    except OSError as error:
        raise PackageError(
            f"the cache folder {cache / name} cannot be made: {error.strerror}",
            hint="set OCTO_SSH_CACHE to a folder of your own",
        ) from error
    return cache / name


def _check_private(folder: Path) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PackageError(
            f"the cache folder {folder} can be written by other users, or is not yours", hint=f"chmod 700 {folder}"
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
