"""Removes old releases: ``prune.sh``."""

from __future__ import annotations

from collections.abc import Iterable

from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


def prune(to: str, *, keep: Iterable[str]) -> Acting[tuple[str, ...]]:
    """Remove complete releases that are neither current nor in ``keep``, and what unfinished builds left.

    Its answer: the release folders that were removed.
    """
    return Acting(
        name="removing old releases",
        body=body("place", "prune"),
        words=(to, *(words.name(folder) for folder in keep)),
        parse=_removed,
    )


def _removed(reply: Reply) -> tuple[str, ...]:
    sections = replies.checked(reply).sections
    return tuple(replies.text(content) for name, content in sections if name == "removed")
