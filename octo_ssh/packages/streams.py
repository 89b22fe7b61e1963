"""Archives as streams: what a file is by its first bytes, and unpacked bytes that can only be read forwards.

Every reader here checks the end of the compressed data (length, checksum): a download that was cut is an error, not a
shorter release.
"""

from __future__ import annotations

import enum
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from octo_ssh.errors import PackageError
from octo_ssh.packages.limits import MIB, Meter

CHUNK = 256 * 1024
_XZ_MEMORY = 512 * MIB  # xz -9e needs 65 MiB; a header may claim 4 GiB


class Format(enum.Enum):
    """What an archive is, whatever its name says."""

    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    TAR = "tar"
    ZIP = "zip"


_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x1f\x8b", Format.GZIP),
    (b"\x28\xb5\x2f\xfd", Format.ZSTD),
    (b"\xfd7zXZ\x00", Format.XZ),
    (b"PK\x03\x04", Format.ZIP),
    (b"PK\x05\x06", Format.ZIP),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"BZh", "a bzip2 file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"!<arch>\n", "a Debian package or ar archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"<", "an HTML or XML page"),
)


def recognise(head: bytes) -> Format:
    """The format of a file that begins with ``head`` (its first 512 bytes). Raises PackageError for others."""
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:  # a skippable frame, as pzstd writes them first
        return Format.ZSTD
    if is_tar_header(head):
        return Format.TAR
    what = "empty" if not head else "no archive that octo-ssh reads"
    what = next((name for magic, name in _FOREIGN if head.startswith(magic)), what)
    raise PackageError(f"is {what}", hint="packages are tar.gz, tar.zst, tar.xz, tar or zip")


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes have a tar header's checksum, or are the end mark of an empty tar."""
    if len(block) < 512:
        return False
    block = block[:512]
    if not block.strip(b"\0"):
        return True
    digits = block[148:156].strip(b"\0 ")
    try:
        return int(digits, 8) == sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    except ValueError:
        return False


class Decompressor(Protocol):
    """What lzma, zstd and the adapter of zlib below have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """zlib's gzip reader in the shape of the others; it checks CRC and length."""

    def __init__(self) -> None:
        self._z = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._z.decompress(self._z.unconsumed_tail + data, max_length)
        # zlib may hold back output without holding back input, so a full answer means: ask again first.
        self.needs_input = len(out) < max_length
        return out


class Inflated:
    """The unpacked bytes of a compressed file, as ``read(n)``; concatenated streams are read as one."""

    def __init__(self, raw: BinaryIO, found: Format, meter: Meter) -> None:
        self._raw = raw
        self._format = found
        self._meter = meter
        self._make, self._error = _decompressor(found)
        self._current: Decompressor = self._make()
        self._ended = False
        self._ready = b""

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end. Raises PackageError for data that is cut or damaged."""
        parts: list[bytes] = []
        while size > 0:
            if not self._ready and not self._fill():
                break
            piece, self._ready = self._ready[:size], self._ready[size:]
            parts.append(piece)
            size -= len(piece)
        return b"".join(parts)

    def _fill(self) -> bool:
        while not self._ready and not self._ended:
            try:
                self._step()
            except (self._error, EOFError, MemoryError) as error:
                raise PackageError(
                    f"is damaged: its {self._format.value} data cannot be unpacked ({error})",
                    hint="build or download it again",
                ) from None
        self._meter.spend(len(self._ready))
        return bool(self._ready)

    def _step(self) -> None:
        if self._current.eof:
            self._next_stream()
            return
        data = self._raw.read(CHUNK) if self._current.needs_input else b""
        if self._current.needs_input and not data:
            raise PackageError("is cut: its compressed data ends too early", hint="build or download it again")
        self._ready = self._current.decompress(data, CHUNK)

    def _next_stream(self) -> None:
        """After the end of a stream: padding and the end of the file, or one more stream."""
        rest = self._current.unused_data.lstrip(b"\0")
        while not rest and (data := self._raw.read(CHUNK)):
            rest = data.lstrip(b"\0")
        if not rest:
            self._ended = True
            return
        self._current = self._make()
        self._ready = self._current.decompress(rest, CHUNK)


def _decompressor(found: Format) -> tuple[Callable[[], Decompressor], type[Exception]]:
    match found:
        case Format.GZIP:
            return _Gunzip, zlib.error
        case Format.XZ:
            return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), lzma.LZMAError
        case Format.ZSTD:
            if sys.version_info >= (3, 14):
                from compression import zstd
            else:
                from backports import zstd
            return zstd.ZstdDecompressor, zstd.ZstdError
        case Format.TAR | Format.ZIP:
            raise ValueError(f"{found.value} is not a compression")


class Forward:
    """A stream that tells its place and skips forwards, for tarfile: going back is damage, huge headers are refused.

    tarfile reads whole headers into memory, goes on reading at the end, and stops quietly at damage; ``last`` (the
    last piece that was read) shows how a reading ended.
    """

    def __init__(self, source: BinaryIO | Inflated) -> None:
        self._source = source
        self._place = 0
        self._allowed: int | None = None
        self.last = b""

    def allow(self, size: int | None) -> None:
        """How much may be read from here on; None for no bound (contents, which are counted elsewhere)."""
        self._allowed = size

    def read(self, size: int = -1) -> bytes:
        if self._allowed is not None:
            self._allowed -= max(size, 1)
            if size < 0 or self._allowed < 0:
                raise PackageError("is damaged, or made to do harm: the headers of one member are too large")
        return self._take(size)

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = 0) -> int:
        if whence != 0 or place < self._place:
            raise PackageError("is damaged: a member of it claims an impossible size")
        while self._place < place and self._take(min(CHUNK, place - self._place)):
            pass
        return self._place

    def _take(self, size: int) -> bytes:
        self.last = self._source.read(size)
        self._place += len(self.last)
        return self.last
