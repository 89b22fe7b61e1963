"""Reading tar archives into a tree: ustar, GNU and pax, as stored or compressed. Nothing is ever extracted by name."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from octo_ssh.errors import PackageError
from octo_ssh.packages.cache import Contents
from octo_ssh.packages.limits import MIB, Limits, Meter
from octo_ssh.packages.names import shown
from octo_ssh.packages.streams import CHUNK, Format, Forward, Inflated
from octo_ssh.packages.tree import Tree

_VOLUME_LABEL, _DUMP_FOLDER = b"V", b"D"  # GNU tar's own types
_SPECIAL = {tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device"}
_CUT = "is cut: the archive has no end"
_HEADERS = 4 * MIB  # of one member: long names, extended attributes, a map of holes
_AGAIN = "build or download it again"


def read_tar(raw: BinaryIO, found: Format, contents: Contents, limits: Limits, packed: int) -> Tree:
    """The tree in an archive of ``packed`` bytes. Raises PackageError for whatever is damaged or not safe."""
    tree = Tree(limits)
    # A plain tar holds every byte it unpacks to, but for holes and hard links.
    meter = Meter(limits, packed)
    source = raw if found is Format.TAR else Inflated(raw, found, Meter(limits, packed))
    stream = Forward(source)
    stream.allow(_HEADERS)
    try:
        for member in _members(stream, found):
            _add(member, tree, contents, meter)
    except (tarfile.TarError, RecursionError, OverflowError, ValueError) as error:
        raise PackageError(f"is no tar archive, or a damaged one ({shown(str(error))})", hint=_AGAIN) from None
    stream.allow(None)
    while stream.read(CHUNK):  # to the end of the compressed data, where its checksum stands
        pass
    return tree


class _Member:
    """A tar header with the way to its content."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self._archive = archive
        self.info = info

    def chunks(self) -> Iterator[bytes]:
        """The content, holes filled with zeros; PackageError when it is shorter than its header says."""
        file = self._archive.extractfile(self.info)
        left = self.info.size
        while left and file is not None:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                break
            left -= len(chunk)
            yield chunk
        if left:
            raise PackageError(f"is cut within {shown(self.info.name)}", hint=_AGAIN)


def _members(stream: Forward, found: Format) -> Iterator[_Member]:
    """Every member in order, with a look at how the archive ends: tarfile stops quietly at damage."""
    archive = tarfile.TarFile(fileobj=cast(BinaryIO, stream), mode="r", encoding="utf-8", errors="surrogateescape")
    while (info := archive.next()) is not None:
        stream.allow(None)
        yield _Member(archive, info)
        archive.members = []  # type: ignore[attr-defined]  # a million of them would take a gigabyte
        stream.allow(_HEADERS)
    if stream.last.strip(b"\0"):
        what = _CUT if len(stream.last) < tarfile.BLOCKSIZE else "is damaged"
        raise PackageError(f"{what}, at byte {stream.tell():,} of the tar", hint=_AGAIN)
    if not stream.last and found is Format.TAR:  # compressed data says itself whether it is whole
        raise PackageError(_CUT, hint=_AGAIN)


def _add(member: _Member, tree: Tree, contents: Contents, meter: Meter) -> None:
    info = member.info
    if info.size < 0:
        raise PackageError(f"is damaged: {shown(info.name)} claims {info.size} bytes")
    if info.type in _SPECIAL:
        raise PackageError(f"holds the {_SPECIAL[info.type]} {shown(info.name)}")
    if info.isdir() or info.type == _DUMP_FOLDER:
        tree.add_folder(info.name, info.mode)
    elif info.issym():
        tree.add_link(info.name, info.linkname)
    elif info.islnk():
        meter.spend(tree.add_hard_link(info.name, info.linkname))
    elif info.isreg():
        meter.spend(info.size)
        sha256, size = contents.add(member.chunks())
        tree.add_file(info.name, info.mode, size, sha256, info.mtime)
    elif info.type != _VOLUME_LABEL:
        raise PackageError(f"holds {shown(info.name)}, of a type that is not known: {info.type!r}")
