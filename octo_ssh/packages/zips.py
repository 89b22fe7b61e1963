"""Reading zip archives into a tree, as Info-ZIP's unzip reads those of other systems."""

from __future__ import annotations

import calendar
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from octo_ssh.errors import PackageError
from octo_ssh.packages.cache import Contents
from octo_ssh.packages.limits import MIB, Limits, Meter
from octo_ssh.packages.names import decoded, encoded, shown
from octo_ssh.packages.streams import CHUNK
from octo_ssh.packages.tree import Tree

_DIRECTORY = 96 * MIB  # about a million entries
_DOS, _UNIX, _MACOS = 0, 3, 19  # who made an entry
_UTF8, _ENCRYPTED = 0x800, 0x1 | 0x40 | 0x2000  # flag bits
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # zipfile unpacks others without a bound on memory
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError, struct.error, OverflowError)
_EPOCH_S = 315532800  # 1980-01-01, where zip's calendar begins


def read_zip(raw: BinaryIO, contents: Contents, limits: Limits, packed: int) -> Tree:
    """The tree in an archive of ``packed`` bytes. Raises PackageError for whatever is damaged or not safe."""
    tree, meter = Tree(limits), Meter(limits, packed)
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Bounded(raw))) as archive:
            infos = archive.infolist()
            if len(infos) > limits.entries:
                raise PackageError(f"holds more than {limits.entries:,} files, folders and links")
            for info in infos:
                _add(archive, info, tree, contents, meter, limits)
    except _DAMAGE as error:
        raise PackageError(
            f"is no zip archive, or a damaged one ({shown(str(error))})", hint="build or download it again"
        ) from None
    return tree


class _Bounded(io.BufferedIOBase):
    """The archive's file; zipfile reads its directory in one piece, which must not be all of a hostile file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _DIRECTORY + 1 if size is None or size < 0 else size
        if wanted > _DIRECTORY and (size is None or size >= 0):
            raise PackageError("has a directory of more entries than a package may hold")
        return self._raw.read(wanted)

    def seek(self, place: int, whence: int = 0, /) -> int:
        return self._raw.seek(place, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _add(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, tree: Tree, contents: Contents, meter: Meter, limits: Limits
) -> None:
    name = _name(info)
    if info.flag_bits & _ENCRYPTED:
        raise PackageError(f"is encrypted: {shown(name)}", hint="pack it without a password")
    if info.compress_type not in _METHODS:
        raise PackageError(
            f"holds {shown(name)} in a way of packing that is not read here", hint="pack it with plain deflate"
        )
    mode = info.external_attr >> 16 if info.create_system in (_UNIX, _MACOS) else 0
    kind = stat.S_IFMT(mode)
    if name.endswith("/") or kind == stat.S_IFDIR:
        tree.add_folder(name, mode or 0o755)
    elif kind == stat.S_IFLNK:
        meter.spend(info.file_size)
        tree.add_link(name, _link_target(archive, info, limits))
    elif kind in (0, stat.S_IFREG):
        meter.spend(info.file_size)
        sha256, size = contents.add(_chunks(archive, info))
        tree.add_file(name, stat.S_IMODE(mode) or 0o644, size, sha256, _mtime(info))
    else:
        raise PackageError(f"holds {shown(name)}, which is a device, fifo or socket")


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name: bytes where a Unix wrote it without saying UTF-8; ``\\`` is ``/`` where DOS wrote it."""
    name = info.orig_filename
    if info.flag_bits & _UTF8:
        encoded(name)
    elif info.create_system in (_UNIX, _MACOS):
        name = decoded(name.encode("cp437"))
    if info.create_system == _DOS and "/" not in name:
        if _DRIVE.match(name):
            raise PackageError(f"holds the absolute path {shown(name)}")
        name = name.replace("\\", "/")
    return name


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content; its checksum is looked at by zipfile, its length here."""
    left = info.file_size
    with archive.open(info) as file:
        while chunk := file.read(CHUNK):
            left -= len(chunk)
            yield chunk
    if left:
        raise zipfile.BadZipFile(f"{info.orig_filename} is not as long as the archive says")


def _link_target(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> str:
    if info.file_size > limits.link:
        raise PackageError(f"holds a link without a usable target: {shown(info.orig_filename)}")
    return decoded(b"".join(_chunks(archive, info)))


def _mtime(info: zipfile.ZipInfo) -> int:
    """Info-ZIP's exact time where it is there; else the entry's clock time, taken as UTC on every controller."""
    extra = info.extra
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<HH", extra)
        if tag == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return int(struct.unpack_from("<i", extra, 5)[0])
        extra = extra[4 + size :]
    year, month, day, hour, minute, second = info.date_time
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return _EPOCH_S
    return calendar.timegm((year, month, day, hour, minute, second))
