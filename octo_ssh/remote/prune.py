"""Removes old releases: ``prune.sh``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left after a clean-up."""

    removed: tuple[str, ...]
    """The release folders that are gone."""
    fingerprint: str
    """Of the current release, as ``observe`` tells it; empty when there is none."""


def prune(to: str, *, keep: Iterable[str]) -> Acting[Pruned]:
    """Remove complete releases that are neither current nor in ``keep``, and what unfinished builds left."""
    return Acting(
        name="removing old releases",
        body=body("place", "prune"),
        words=(to, *(words.name(folder) for folder in keep)),
        parse=_pruned,
    )


def _pruned(reply: Reply) -> Pruned:
    checked = replies.checked(reply)
    told = (replies.optional(checked, "fingerprint") or b"").decode("ascii").strip()
    return Pruned(
        removed=tuple(replies.text(content) for name, content in checked.sections if name == "removed"),
        fingerprint=words.digest(told) if told else "",
    )
