"""Archives for the tests, good and hostile, made byte by byte where the standard library would not make them."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from backports import zstd

from octo_ssh.errors import Position
from octo_ssh.model.plan import FileOrigin, FolderOrigin, PackageSource, UrlOrigin
from octo_ssh.packages.acquire import Package, acquire
from octo_ssh.packages.limits import DEFAULT_LIMITS, Limits

HERE = Position("plan.yaml", 7, 3)
TarForm = Literal[0, 1, 2]
Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", *, mode: int = 0o644, mtime: int = 1_700_000_000) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), mode, mtime
    return info, content


def folder(name: str, mode: int = 0o755) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def link(name: str, target: str) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    return info, b""


def hard_link(name: str, target: str) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


def special(name: str, kind: bytes) -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


def header(member: Member, form: TarForm = tarfile.PAX_FORMAT) -> bytes:
    return member[0].tobuf(form, "utf-8", "surrogateescape")


def tar(*members: Member, form: TarForm = tarfile.PAX_FORMAT, end: bytes = b"\0" * 1024) -> bytes:
    parts = []
    for member in members:
        content = member[1]
        parts += [header(member, form), content, b"\0" * (-len(content) % 512)]
    return b"".join(parts) + end


def field(block: bytes, start: int, value: bytes) -> bytes:
    """A header with a field overwritten and its checksum put right."""
    block = block[:start] + value + block[start + len(value) :]
    total = sum(block[:148]) + sum(block[156:512]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.zst": lambda data: zstd.compress(data),
    "tar.xz": lambda data: lzma.compress(data),
}


def make_zip(*files: tuple[str, bytes], mode: int = 0o100644, system: int = 3) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, (2024, 2, 3, 4, 5, 6))
            info.create_system, info.external_attr = system, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def raw_zip(name: bytes, content: bytes, *, claimed: int | None = None, flags: int = 0, method: int = 8) -> bytes:
    """A zip of one member, with lies in it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush() if method == 8 else content
    size = len(content) if claimed is None else claimed
    common = struct.pack(
        "<HHHHHIIIHH", 20, flags, method, 0, 0x5821, zlib.crc32(content), len(packed), size, len(name), 0
    )
    local = b"PK\x03\x04" + common + name
    central = (
        b"PK\x01\x02" + struct.pack("<H", 0x0314) + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, 0) + name
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def small_limits(**changes: int) -> Limits:
    return Limits(**{"total": 1 << 20, "ratio_floor": 1 << 16, **changes})


class Shop:
    """A folder with a plan, and a cache: acquires packages as ``apply`` does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cache = home / "cache"

    def put(self, data: bytes, name: str = "shop.tar.gz") -> Path:
        path = self.home / name
        path.write_bytes(data)
        return path

    def file(
        self, data: bytes, *, name: str = "shop.tar.gz", sha256: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Package:
        self.put(data, name)
        return self.path(name, sha256=sha256, limits=limits)

    def path(self, path: str, *, sha256: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Package:
        source = PackageSource("shop", FileOrigin(path, str(self.home)), HERE, sha256)
        return acquire(source, path, cache=self.cache, limits=limits)

    def dir(
        self, path: str, *, ignore: Iterable[str] = (), sha256: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> Package:
        source = PackageSource("shop", FolderOrigin(path, str(self.home), tuple(ignore)), HERE, sha256)
        return acquire(source, path, cache=self.cache, limits=limits)

    def url(self, url: str, sha256: str | None, limits: Limits = DEFAULT_LIMITS) -> Package:
        return acquire(PackageSource("shop", UrlOrigin(url), HERE, sha256), url, cache=self.cache, limits=limits)
