"""What a release folder holds, entry by entry, and the text form both sides hash.

The text is a JSON array with one entry a line, so that a target can change lines of it with ``grep`` and ``sort``
and arrive at the very bytes the controller has::

    [{"manifest":1}
    ,{"path":"bin/app","kind":"file","mode":"0755","size":12,"sha256":"…"}
    ,{"path":"lib","kind":"dir","mode":"0755"}
    ,{"path":"lib/x","kind":"link","target":"../bin/app"}
    ]

Entry lines are sorted by their bytes. Paths are relative, ``/``-separated, without ``.`` or ``..``; bytes that are not
UTF-8 travel as lone surrogates (``os.fsdecode``), escaped.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any


class Kind(enum.Enum):
    """What an entry of a file tree is. ``OTHER`` is only ever observed: devices, fifos, sockets."""

    FILE = "file"
    DIR = "dir"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or symbolic link of a release."""

    path: str
    kind: Kind
    mode: int = 0
    """Permission bits; 0 for links."""
    size: int = 0
    """Bytes; 0 for folders and links."""
    sha256: str = ""
    """Of a file's content, in hexadecimal."""
    target: str = ""
    """Where a link points."""

    def line(self) -> bytes:
        """The entry's line in the manifest, without the newline."""
        return _line(self)


@lru_cache(maxsize=1 << 15)
def _line(entry: Entry) -> bytes:
    """Made once: manifests of releases and targets hold much the same entries."""
    fields: dict[str, Any] = {"path": entry.path, "kind": entry.kind.value}
    if entry.kind is Kind.LINK:
        fields["target"] = entry.target
    else:
        fields["mode"] = f"{entry.mode:04o}"
    if entry.kind is Kind.FILE:
        fields["size"], fields["sha256"] = entry.size, entry.sha256
    return b"," + json.dumps(fields, separators=(",", ":")).encode("ascii")


HEADER = b'[{"manifest":1}'
TRAILER = b"]"


@dataclass(frozen=True)
class Manifest:
    """The entries of a release folder, by path. Every parent folder is an entry of its own."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Manifest:
        return cls({entry.path: entry for entry in entries})

    @cached_property
    def text(self) -> bytes:
        """The canonical text, ending in a newline."""
        lines = sorted(entry.line() for entry in self.entries.values())
        return b"\n".join([HEADER, *lines, TRAILER, b""])

    @cached_property
    def sha256(self) -> str:
        """Of the canonical text: the release's identity, whatever archive it came in."""
        return hashlib.sha256(self.text).hexdigest()

    @cached_property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(entry.size for entry in self.entries.values())


def parse_manifest(text: bytes) -> Manifest:
    """The manifest in ``text``, which may come from a target.

    Raises ValueError for anything that is not exactly a canonical manifest.
    """
    try:
        rows = json.loads(text)
        header, *rest = rows
        if header != {"manifest": 1}:
            raise ValueError("not a manifest of format 1")
        manifest = Manifest.of(_entry(row) for row in rest)
    except (TypeError, KeyError, AttributeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a manifest: {error}") from error
    if manifest.text != text:
        raise ValueError("not a canonical manifest")
    return manifest


def _entry(row: Mapping[str, Any]) -> Entry:
    kind = Kind(row["kind"])
    path = str(row["path"])
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"not a path inside a release: {path!r}")
    match kind:
        case Kind.FILE:
            return Entry(path, kind, int(row["mode"], 8), int(row["size"]), str(row["sha256"]))
        case Kind.DIR:
            return Entry(path, kind, int(row["mode"], 8))
        case Kind.LINK:
            return Entry(path, kind, target=str(row["target"]))
        case Kind.OTHER:
            raise ValueError("a manifest holds files, folders and links")
