"""Removes old releases: ``prune.sh``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from octo_ssh.model.observed import MAX_OWNERS
from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body

_MAX_BYTES = 5_000_000
"""Of the list of owners: as ``prune.sh`` has it."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left after a clean-up."""

    removed: tuple[str, ...]
    """The release folders that are gone."""
    fingerprint: str
    """Of the current release, as ``observe`` tells it; empty when there is none."""
    owner: str = ""
    """``uid:gid`` of the current release's folder. Empty: there is none, it may not be entered, or more than MAX_OWNERS
    entries in it belong to somebody else, and then nothing can be said of owners."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """``uid:gid`` by path of the entries that belong to somebody else."""


def prune(to: str, *, keep: Iterable[str]) -> Acting[Pruned]:
    """Remove complete releases that are neither current nor in ``keep``, and what unfinished builds left."""
    return Acting(
        name="removing old releases",
        body=body("place", "prune"),
        words=(to, *(words.name(folder) for folder in keep)),
        parse=_pruned,
        repeatable=True,
    )


def _pruned(reply: Reply) -> Pruned:
    checked = replies.checked(reply)
    told = (replies.optional(checked, "fingerprint") or b"").decode("ascii").strip()
    owner = (replies.optional(checked, "owner") or b"").decode("ascii").strip()
    owners = _strangers(replies.optional(checked, "strangers") or b"") if owner else None
    return Pruned(
        removed=tuple(replies.text(content) for name, content in checked.sections if name == "removed"),
        fingerprint=words.digest(told) if told else "",
        owner=words.owner(owner) if owners is not None else "",
        owners=owners or {},
    )


def _strangers(packed: bytes) -> Mapping[str, str] | None:
    """Whose the entries are; None where there are more than can be remembered. Raises ValueError."""
    content = replies.unpacked(packed, _MAX_BYTES)
    if content.count(b"\0") > 2 * MAX_OWNERS or len(content) == _MAX_BYTES:
        return None
    parts = replies.fields(content)
    if len(parts) % 2:
        raise ValueError("the list of owners is cut off")
    return {words.inside(path): words.owner(owner) for owner, path in zip(parts[::2], parts[1::2], strict=True)}
