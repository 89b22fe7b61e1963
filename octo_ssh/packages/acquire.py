"""Getting the plan's packages: an archive, a folder or a URL becomes a ``Package`` in the controller's cache."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, assert_never

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Kind
from octo_ssh.model.plan import FileOrigin, FolderOrigin, PackageSource, UrlOrigin
from octo_ssh.packages.cache import Contents, PackageCache, Stored
from octo_ssh.packages.downloads import download
from octo_ssh.packages.folders import copy_files, read_folder
from octo_ssh.packages.limits import DEFAULT_LIMITS, Limits
from octo_ssh.packages.names import local_path
from octo_ssh.packages.package import Package
from octo_ssh.packages.streams import CHUNK, Format, recognise
from octo_ssh.packages.tars import read_tar
from octo_ssh.packages.zips import read_zip

__all__ = ["Package", "acquire"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


def acquire(source: PackageSource, location: str, *, cache: Path, limits: Limits = DEFAULT_LIMITS) -> Package:
    """The package, checked and unpacked below ``cache``.

    ``location`` is the rendered path or URL of ``source.origin``. A package that was unpacked before is not unpacked
    again; a URL whose digest is in the cache needs no network. Blocks: call it in a thread.
    Raises PackageError, which says where in the plan the package is named.
    """
    try:
        packages = PackageCache(cache)
        match source.origin:
            case FileOrigin(folder=folder):
                return _from_file(source, local_path(location, folder), packages, limits)
            case FolderOrigin(folder=folder, ignore=ignore):
                return _from_folder(source, local_path(location, folder), ignore, packages, limits)
            case UrlOrigin():
                return _from_url(source, location, packages, limits)
            case _:
                assert_never(source.origin)
    except PackageError as error:
        message = f"{source.position}: package {source.name}: {error.message}"
        raise PackageError(message, hint=error.hint) from error
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise PackageError(f"{source.position}: package {source.name}: {error.strerror}{where}") from error


def _from_file(source: PackageSource, path: str, packages: PackageCache, limits: Limits) -> Package:
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise PackageError(f"{path} is a folder", hint="name folders with 'dir:', archives with 'file:'")
        if not stat.S_ISREG(kind):
            raise PackageError(f"{path} is not a file")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror}", hint="has it been built?") from error
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        sha256 = _digest(file)
        _expect(source, path, sha256)
        stored = packages.find(sha256) or _unpack(file, seen, path, sha256, packages, limits)
    return Package(source.name, sha256, stored)


def _from_url(source: PackageSource, url: str, packages: PackageCache, limits: Limits) -> Package:
    if source.sha256 is None:
        raise PackageError("a url needs its sha256", hint="add 'sha256:' to the package")
    wanted = source.sha256.lower()
    if not _SHA256.fullmatch(wanted):
        raise PackageError(f"'{source.sha256}' is not a sha256: that is 64 hexadecimal digits")
    if stored := packages.find(wanted):
        return Package(source.name, wanted, stored)
    with packages.scratch() as scratch, open(scratch / "download", "w+b") as file:
        sha256 = download(url, file, limits)
        file.flush()
        what = "what the url gave"
        _expect(source, what, sha256)
        stored = _unpack(file, os.fstat(file.fileno()), what, sha256, packages, limits)
    return Package(source.name, sha256, stored)


def _from_folder(
    source: PackageSource, path: str, ignore: tuple[str, ...], packages: PackageCache, limits: Limits
) -> Package:
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.lexists(path) else "is not there"
        raise PackageError(f"{path} {what}", hint="has it been built?")
    try:
        tree = read_folder(path, ignore, limits)
        manifest = tree.manifest()
        _expect(source, path, manifest.sha256)
        stored = packages.find(manifest.sha256)
        if stored is None:
            with packages.scratch() as scratch:
                copy_files(path, manifest.entries.values(), Contents(scratch))
                stored = packages.keep(scratch, manifest.sha256, manifest, tree.mtimes)
    except PackageError as error:
        raise PackageError(f"{path}: {error.message}", hint=error.hint) from error
    return Package(source.name, manifest.sha256, stored)


def _unpack(
    file: BinaryIO, seen: os.stat_result, path: str, sha256: str, packages: PackageCache, limits: Limits
) -> Stored:
    """Read the archive into the cache. ``seen``: the file before its digest was taken, to notice that it changed."""
    try:
        packed = file.seek(0, os.SEEK_END)
        file.seek(0)
        found = recognise(file.read(512))
        file.seek(0)
        with packages.scratch() as scratch:
            contents = Contents(scratch)
            if found is Format.ZIP:
                tree = read_zip(file, contents, limits, packed)
            else:
                tree = read_tar(file, found, contents, limits, packed)
            manifest = tree.manifest()
            contents.drop_all_but({entry.sha256 for entry in manifest.entries.values() if entry.kind is Kind.FILE})
            now = os.fstat(file.fileno())
            if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns):
                raise PackageError("changed while it was read", hint="run again when the build is done")
            return packages.keep(scratch, sha256, manifest, tree.mtimes)
    except PackageError as error:
        raise PackageError(f"{path} {error.message}", hint=error.hint) from error


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _expect(source: PackageSource, what: str, sha256: str) -> None:
    if source.sha256 is not None and source.sha256.lower() != sha256:
        raise PackageError(
            f"{what} has the sha256 {sha256}, the plan says {source.sha256}",
            hint="if the new content is right, change 'sha256' in the plan",
        )
