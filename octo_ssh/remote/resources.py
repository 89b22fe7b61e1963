"""Looks at files and systemd units in one round: ``resources.sh`` (SPEC sections 4 and 6)."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from octo_ssh.errors import RemoteError
from octo_ssh.model.observed import FileKind, FileRequest, FileSeen, ServiceSeen
from octo_ssh.model.program import LARGE_REPLY_BYTES, Reading, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body

MAX_CONTENT_BYTES = 64 * 1024
"""Of a file whose content comes back."""

_STAT = re.compile(r"([0-9a-f]{1,8}):([0-9]+):([0-9]+):([0-9]+):([^:]*):([^:]*)")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,240}")
_UNIT_KINDS = frozenset(
    ("service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope")
)
_UNIT_FILE = re.compile(r"[0-9a-f]{64}|special|dangling|unreadable")
_DROPIN = re.compile(r".*\.d/[^/]*\.conf", re.DOTALL)
_UNIT_BYTES = 64 * 1024
"""Of what systemctl says of one."""
_DELETED = " (deleted)"
_NAMELESS = "UNKNOWN"
"""What stat says for a number that belongs to nobody."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What was seen, by step id."""

    files: Mapping[str, FileSeen]
    services: Mapping[str, ServiceSeen]


def look(files: Sequence[FileRequest], services: Mapping[str, str]) -> Reading[Resources]:
    """Files as lstat sees them, hashed, and what systemd says of units; ``services`` gives unit names by step id.

    Links are followed in a file's parents alone. What may not be looked at is told as UNREADABLE, never as absent.
    Raises RemoteError for what cannot be the name of a unit.
    """
    asked = tuple(files)
    names = unit_names(services)

    def parse(reply: Reply) -> Resources:
        return parse_resources(replies.checked(reply), asked, names)

    return Reading(
        name="looking at files and services",
        body=body("seen", "resources"),
        words=tuple(resource_words(asked, names)),
        parse=parse,
        max_reply_bytes=LARGE_REPLY_BYTES,
    )


def unit_names(services: Mapping[str, str]) -> dict[str, str]:
    """The whole names of units, by step id. Raises RemoteError for what is none."""
    return {step_id: unit_name(name) for step_id, name in services.items()}


def resource_words(files: Sequence[FileRequest], names: Mapping[str, str]) -> Iterator[str]:
    """The parameters of ``tell_resources``; ``names``: those of ``unit_names``."""
    yield str(len(files))
    for file in files:
        yield from (file.path, file.sha256 and words.digest(file.sha256))
    yield from dict.fromkeys(names.values())


def parse_resources(reply: Reply, files: Sequence[FileRequest], names: Mapping[str, str]) -> Resources:
    """The sections of ``tell_resources``. Raises ValueError."""
    found = list(replies.groups(reply, "file"))
    if len(found) != len(files):
        raise ValueError(f"the reply tells of {len(found)} files instead of {len(files)}")
    units = tuple(dict.fromkeys(names.values()))
    seen = parse_units(reply, units) if units else {}
    return Resources(
        {request.step_id: parse_file(group) for request, group in zip(files, found, strict=True)},
        {step_id: seen[unit] for step_id, unit in names.items()},
    )


def unit_name(name: str) -> str:
    """The whole name of a unit: without a suffix, a service is meant. Raises RemoteError for what is none.

    Patterns, which systemctl would expand, and templates without an instance are none.
    """
    whole = name if name.rpartition(".")[2] in _UNIT_KINDS else f"{name}.service"
    stem = whole.rpartition(".")[0]
    if not _UNIT.fullmatch(whole) or not stem or stem.startswith("@"):
        raise RemoteError(f"{name!r} cannot be the name of a systemd unit")
    if stem.endswith("@"):
        raise RemoteError(f"{name!r} is a template of units: name one of its instances, such as {stem}one")
    return whole


def parse_file(group: Mapping[str, bytes]) -> FileSeen:
    """The sections of ``tell_file``. Raises ValueError."""
    path, word, lone, facts, digest = replies.fields(group.get("file", b""), 5)
    kind = FileKind(word)
    if not facts:
        return FileSeen(path, kind, missing_parents=lone == "1" and kind is FileKind.ABSENT)
    match = _STAT.fullmatch(facts)
    if match is None:
        raise ValueError("the reply does not tell what a file is like")
    mode, uid, gid, size, owner, owners = match.groups()
    return FileSeen(
        path,
        kind,
        mode=stat.S_IMODE(int(mode, 16)),
        owner=uid if owner in ("", _NAMELESS) else owner,
        group=gid if owners in ("", _NAMELESS) else owners,
        size=int(size),
        sha256=words.digest(digest) if kind is FileKind.FILE else "",
        content=_content(group, digest),
        uid=int(uid),
        gid=int(gid),
    )


def parse_units(reply: Reply, units: Sequence[str]) -> dict[str, ServiceSeen]:
    """The sections of ``tell_units``, by unit. Raises ValueError."""
    section = reply.section("units")
    if len(section) > len(units) * _UNIT_BYTES:
        raise ValueError("systemctl told more of units than there is to tell")
    content = replies.text(section).strip("\n")
    if not content:
        return {unit: ServiceSeen(systemd=False) for unit in units}
    blocks = [dict(_properties(block)) for block in re.split(r"\n{2,}", content)]
    if len(blocks) != len(units) or not all("LoadState" in block for block in blocks):
        raise ValueError(f"systemctl told of {len(blocks)} units instead of {len(units)}")
    told = iter(replies.fields(replies.optional(reply, "unit-files") or b""))
    return {unit: _unit(block, told) for unit, block in zip(units, blocks, strict=True)}


def _unit(block: Mapping[str, str], told: Iterator[str]) -> ServiceSeen:
    """A unit's properties, and its part of the section ``unit-files``: that ends in an empty field."""
    digest, *places = (next(told, "") for _ in range(3))
    files = {path: _unit_file(next(told, "")) for path in iter(lambda: next(told, ""), "")}
    load, pid = block["LoadState"], block.get("MainPID", "")
    return ServiceSeen(
        systemd=True,
        load=load,
        active=block.get("ActiveState", ""),
        enabled=block.get("UnitFileState", ""),
        unit_sha256=words.digest(digest) if digest and load != "not-found" else "",
        dropins=tuple(filter(_DROPIN.fullmatch, files)),
        files=files,
        main_pid=int(pid) if re.fullmatch(r"[0-9]{1,10}", pid) else 0,
        start=block.get("InvocationID", "")[:40],
        runs_in=tuple(dict.fromkeys(place.removesuffix(_DELETED) for place in places if place)),
    )


def _unit_file(digest: str) -> str:
    if not _UNIT_FILE.fullmatch(digest):
        raise ValueError("the reply does not tell what a unit's file is like")
    return digest


def _content(group: Mapping[str, bytes], digest: str) -> bytes | None:
    """The file's bytes, if they are those that were hashed: it may have been written to in between."""
    packed = group.get("content")
    if packed is None:
        return None
    content = replies.unpacked(packed, MAX_CONTENT_BYTES)
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _properties(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        name, _, value = line.partition("=")
        # A state is a word; whatever else is text from a target, and nobody asked for it.
        yield name, value if re.fullmatch(r"[a-z0-9-]*", value) else "unknown"
