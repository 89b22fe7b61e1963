"""What is sent: one compressed tar of a release's folders, its links, and the files that a target lacks.

GNU format, which GNU tar and busybox both read, long and odd names included. Folders come first, links last, so that
nothing is ever written through a link. Owners are 0 without names: whoever unpacks owns the files.

Files keep the package's modification times: they are the same on every target of a fleet, whichever of them got the
file in which run, and web servers and build tools compare them. (A constant would give two contents of equal length
one ETag.) Folders and links, whose times nobody asks for, get the latest time among the files.
"""

from __future__ import annotations

import enum
import hashlib
import io
import os
import secrets
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages.cache import sweep
from octo_ssh.packages.package import Package
from octo_ssh.packages.streams import CHUNK

_FORMAT = 1
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 6
_END = b"\0" * (2 * tarfile.BLOCKSIZE)
_MAKING = threading.Lock()  # targets with the same base ask at the same time: the first makes it, the others find it


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


def make_bundle(
    package: Package,
    wanted: Manifest,
    missing: Iterable[str],
    *,
    compression: Compression,
    folder: Path,
    leave_out: Collection[str] = (),
) -> Bundle:
    """The bundle of ``wanted``'s folders and links and the ``missing`` files of ``package``, kept in ``folder``.

    ``leave_out``: files that come from elsewhere, as configured ones do. The same contents give the same bytes, and
    are made once for all targets and runs. Blocks: call it in a thread. Raises PackageError.
    """
    files = _files(package, wanted, missing, leave_out)
    latest_s = max((package.mtime_s(entry.path) for entry in files), default=0)
    rest = sorted((entry for entry in wanted.entries.values() if entry.kind is not Kind.FILE), key=_folders_first)
    folders = [entry for entry in rest if entry.kind is Kind.DIR]
    links = [entry for entry in rest if entry.kind is Kind.LINK]
    key = _key(compression, folders, links, [(entry, package.mtime_s(entry.path)) for entry in files])

    def blocks() -> Iterator[bytes]:
        for entry in folders:
            yield _header(entry, latest_s)
        for entry in files:
            yield _header(entry, package.mtime_s(entry.path))
            yield from package.chunks(entry)
            yield b"\0" * (-entry.size % tarfile.BLOCKSIZE)
        for entry in links:
            yield _header(entry, latest_s)
        yield _END

    with _MAKING:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _find(folder, key, compression) or _write(folder, key, compression, blocks())


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


def _files(package: Package, wanted: Manifest, missing: Iterable[str], leave_out: Collection[str]) -> list[Entry]:
    files: list[Entry] = []
    for path in sorted(set(missing) - set(leave_out)):
        entry, packaged = wanted.entries[path], package.manifest.entries.get(path)
        if packaged is None or (packaged.kind, packaged.sha256) != (Kind.FILE, entry.sha256):
            raise PackageError(f"package {package.name} does not hold the wanted content of {path}")
        files.append(entry)
    return files


def _folders_first(entry: Entry) -> tuple[bool, str]:
    return entry.kind is not Kind.DIR, entry.path


def _key(compression: Compression, folders: list[Entry], links: list[Entry], files: list[tuple[Entry, int]]) -> str:
    """What determines the bytes, hashed."""
    digest = hashlib.sha256(f"{_FORMAT} {compression.value}\n".encode())
    for entry in [*folders, *links]:
        digest.update(entry.line() + b"\n")
    for entry, mtime_s in files:
        digest.update(entry.line() + f" {mtime_s}\n".encode())
    return digest.hexdigest()


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
        part.unlink(missing_ok=True)
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
