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

from octo_ssh.model.untrusted import sound


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
MAX_ENTRIES = 1_000_000
"""Of any folder tree, here or on a target."""
_MAX_LINE_BYTES = 64 * 1024
"""Of one entry: paths and links have 4,096 bytes, each written with six letters at most."""


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
    if not text.startswith(HEADER + b"\n") or not text.endswith(b"\n" + TRAILER + b"\n"):
        raise ValueError("not a manifest of format 1")
    if text.count(b"\n") > MAX_ENTRIES + 3:
        raise ValueError(f"a manifest of more than {MAX_ENTRIES} entries")
    try:
        # Line by line: what a line says is let go of before the next is read.
        lines = text[len(HEADER) + 1 : -len(TRAILER) - 2].split(b"\n") if text != Manifest().text else ()
        manifest = Manifest.of(_entry(_row(line)) for line in lines)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a manifest: {error}") from error
    if manifest.text != text:
        raise ValueError("not a canonical manifest")
    return manifest


def _row(line: bytes) -> Mapping[str, Any]:
    if len(line) > _MAX_LINE_BYTES:
        raise ValueError("an entry of the manifest is too long")
    row: Mapping[str, Any] = json.loads(line.removeprefix(b",").decode("ascii"))
    return row


def _entry(row: Mapping[str, Any]) -> Entry:
    kind = Kind(row["kind"])
    path = sound(str(row["path"]))
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"not a path inside a release: {path!r}")
    match kind:
        case Kind.FILE:
            return Entry(path, kind, int(row["mode"], 8), int(row["size"]), str(row["sha256"]))
        case Kind.DIR:
            return Entry(path, kind, int(row["mode"], 8))
        case Kind.LINK:
            return Entry(path, kind, target=sound(str(row["target"])))
        case Kind.OTHER:
            raise ValueError("a manifest holds files, folders and links")
