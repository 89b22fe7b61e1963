"""What is sent: one compressed tar of a release's folders, its links, and the files that a target lacks.

GNU format, which GNU tar and busybox both read, long and odd names included. Folders come first, links last, so that
nothing is ever written through a link. Owners are 0 without names: whoever unpacks owns the files.

Files keep the package's modification times: they are the same on every target of a fleet, whichever of them got the
file in which run, and web servers and build tools compare them. (A constant would give two contents of equal length
one ETag.) Folders and links, whose times nobody asks for, get the latest time among the files.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import io
import os
import secrets
import sys
import tarfile
import time
import zlib
from collections.abc import Collection, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages.cache import own_folder, sweep
from octo_ssh.packages.delta import Difference
from octo_ssh.packages.names import shown
from octo_ssh.packages.package import Package
from octo_ssh.packages.streams import CHUNK

_FORMAT = 1
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 6
_END = b"\0" * (2 * tarfile.BLOCKSIZE)
SEEDS = ".octo-ssh-seeds"
"""The folder of a bundle that holds what fills shared places; no part of the release."""


class Compression(enum.Enum):
    """How a bundle is packed: zstd where the target has it."""

    ZSTD = "zst"
    GZIP = "gz"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file ready to be sent."""

    path: Path
    sha256: str
    size: int
    compression: Compression


class Bundles:
    """The bundles of one controller, each made once: targets that lack the same share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Hashable, asyncio.Task[Bundle]] = {}

    async def get(
        self,
        package: Package,
        wanted: Manifest,
        lacking: Difference,
        *,
        compression: Compression,
        leave_out: Collection[str] = (),
        seeds: Collection[str] = (),
    ) -> Bundle:
        """As ``make_bundle``, without blocking others. Raises PackageError."""
        contents = _contents(package, wanted, lacking.missing, leave_out, seeds)
        key = (package.sha256, contents, compression)
        if key not in self._made:
            making = asyncio.to_thread(_bundle, package, contents, compression, self._folder)
            self._made[key] = asyncio.create_task(making)
        return await asyncio.shield(self._made[key])  # one target's end must not take it from the others


def make_bundle(
    package: Package,
    wanted: Manifest,
    missing: Iterable[str],
    *,
    compression: Compression,
    folder: Path,
    leave_out: Collection[str] = (),
    seeds: Collection[str] = (),
) -> Bundle:
    """The bundle of ``wanted``'s folders and links and the ``missing`` files of ``package``, kept in ``folder``.

    ``leave_out``: files that come from elsewhere, as configured ones do. ``seeds``: paths of the package that fill a
    shared place; they, and all below them, stand in the bundle below ``SEEDS``. The same contents give the same
    bytes. Blocks: call it in a thread. Raises PackageError.
    """
    return _bundle(package, _contents(package, wanted, missing, leave_out, seeds), compression, folder)


def configured_tar(files: Iterable[tuple[str, int, bytes]], *, mtime_s: int | None = None) -> bytes:
    """An uncompressed tar of (path, mode, content), for files that are rendered for one target.

    ``mtime_s`` is when they were rendered; now, if not said.
    """
    when_s = int(time.time()) if mtime_s is None else mtime_s
    out = io.BytesIO()
    for path, mode, content in sorted(files):
        out.write(_header(Entry(path, Kind.FILE, mode, len(content)), when_s))
        out.write(content)
        out.write(b"\0" * (-len(content) % tarfile.BLOCKSIZE))
    out.write(_END)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Contents:
    """What goes into a bundle, in this order."""

    folders: tuple[Entry, ...]
    files: tuple[tuple[Entry, str], ...]
    """With the path in the package that has the content."""
    links: tuple[Entry, ...]


def _contents(
    package: Package, wanted: Manifest, missing: Iterable[str], leave_out: Collection[str], seeds: Collection[str]
) -> _Contents:
    packaged = package.manifest.entries
    files: list[tuple[Entry, str]] = []
    for path in sorted(set(missing) - set(leave_out)):
        entry, found = wanted.entries[path], packaged.get(path)
        if found is None or (found.kind, found.sha256) != (Kind.FILE, entry.sha256):
            raise PackageError(f"package {package.name} does not hold the wanted content of {shown(path)}")
        files.append((entry, path))
    rest = [entry for entry in wanted.entries.values() if entry.kind is not Kind.FILE]
    if seeds:
        rest.append(Entry(SEEDS, Kind.DIR, 0o700))
    for entry in _seeded(package, wanted, seeds):
        if entry.kind is Kind.FILE:
            files.append((replace(entry, path=f"{SEEDS}/{entry.path}"), entry.path))
        else:
            rest.append(replace(entry, path=f"{SEEDS}/{entry.path}"))
    rest.sort(key=lambda entry: entry.path)
    return _Contents(
        tuple(entry for entry in rest if entry.kind is Kind.DIR),
        tuple(files),
        tuple(entry for entry in rest if entry.kind is Kind.LINK),
    )


def _seeded(package: Package, wanted: Manifest, seeds: Collection[str]) -> list[Entry]:
    """The package's entries that fill shared places, with the folders that lead there."""
    if not seeds:
        return []
    if any(path.split("/")[0] == SEEDS for path in wanted.entries):
        raise PackageError(f"package {package.name} holds {SEEDS}, a name that filling shared places needs")
    inside = tuple(f"{seed}/" for seed in seeds)
    leading = {seed[:cut] for seed in seeds for cut in range(len(seed)) if seed[cut] == "/"}
    return [
        entry
        for path, entry in sorted(package.manifest.entries.items())
        if path in seeds or path.startswith(inside) or (path in leading and entry.kind is Kind.DIR)
    ]


def _bundle(package: Package, contents: _Contents, compression: Compression, folder: Path) -> Bundle:
    key = _key(package, contents, compression)
    own_folder(folder.parent, folder.name)
    return _find(folder, key, compression) or _write(folder, key, compression, _blocks(package, contents))


def _key(package: Package, contents: _Contents, compression: Compression) -> str:
    """What determines the bytes, hashed."""
    digest = hashlib.sha256(f"{_FORMAT} {compression.value}\n".encode())
    for entry in (*contents.folders, *contents.links):
        digest.update(entry.line() + b"\n")
    for entry, path in contents.files:
        digest.update(entry.line() + f" {package.mtime_s(path)}\n".encode())
    return digest.hexdigest()


def _blocks(package: Package, contents: _Contents) -> Iterator[bytes]:
    """The tar, piece by piece."""
    latest_s = max((package.mtime_s(path) for _, path in contents.files), default=0)
    for entry in contents.folders:
        yield _header(entry, latest_s)
    for entry, path in contents.files:
        yield _header(entry, package.mtime_s(path))
        yield from package.chunks(entry)
        yield b"\0" * (-entry.size % tarfile.BLOCKSIZE)
    for entry in contents.links:
        yield _header(entry, latest_s)
    yield _END


def _header(entry: Entry, mtime_s: int) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.mtime, info.mode, info.size = mtime_s, entry.mode, entry.size
    match entry.kind:
        case Kind.DIR:
            info.type = tarfile.DIRTYPE
        case Kind.LINK:
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
        case _:
            info.type = tarfile.REGTYPE
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _compressor(compression: Compression) -> _Compressor:
    match compression:
        case Compression.GZIP:
            return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)  # 31: gzip, whose header zlib writes without a time
        case Compression.ZSTD:
            if sys.version_info >= (3, 14):
                from compression import zstd
            else:
                from backports import zstd
            parameter = zstd.CompressionParameter
            options = {int(parameter.compression_level): _ZSTD_LEVEL, int(parameter.checksum_flag): 1}
            return zstd.ZstdCompressor(options=options)


def _write(folder: Path, key: str, compression: Compression, blocks: Iterable[bytes]) -> Bundle:
    part = folder / f".tmp-{secrets.token_hex(8)}"
    packer, digest, size = _compressor(compression), hashlib.sha256(), 0
    try:
        with open(part, "xb", opener=lambda path, flags: os.open(path, flags | os.O_CLOEXEC, 0o600)) as file:
            for block in blocks:
                packed = packer.compress(block)
                digest.update(packed)
                size += file.write(packed)
            packed = packer.flush()
            digest.update(packed)
            size += file.write(packed)
        path = folder / f"{key}.{digest.hexdigest()}.tar.{compression.value}"
        os.rename(part, path)
    except OSError as error:
        raise PackageError(f"the bundle cannot be written to {folder}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink()
    sweep(folder)
    return Bundle(path, digest.hexdigest(), size, compression)


def _find(folder: Path, key: str, compression: Compression) -> Bundle | None:
    """The bundle that was made before, if its bytes are still those of its name."""
    for path in folder.glob(f"{key}.*.tar.{compression.value}"):
        sha256 = path.name.split(".")[1]
        with suppress(OSError), open(path, "rb") as file:
            digest, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
            if digest.hexdigest() == sha256:
                os.utime(path)
                return Bundle(path, sha256, size, compression)
            path.unlink()
    return None
