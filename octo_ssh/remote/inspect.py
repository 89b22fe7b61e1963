"""Looks closely at release folders: ``inspect.sh``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octo_ssh.model.manifest import Manifest, parse_manifest
from octo_ssh.model.observed import Tree
from octo_ssh.model.program import LARGE_REPLY_BYTES, Reading, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body
from octo_ssh.remote.trees import parse_tree, unpacked_manifest


@dataclass(frozen=True, slots=True)
class Inspection:
    """A release folder. ``None``: it is not there, was not asked for, or (a manifest) is none."""

    manifest: Manifest | None
    tree: Tree | None


def inspect(to: str, folders: Iterable[str], *, hashed: bool, known: int = 0) -> Reading[Mapping[str, Inspection]]:
    """The manifests of release folders, and with ``hashed`` what they really hold, by folder. ``known``: how many
    entries one should have, about.
    """
    asked = tuple(words.name(folder) for folder in folders)

    def parse(reply: Reply) -> Mapping[str, Inspection]:
        found = list(replies.groups(replies.checked(reply), "folder"))
        if len(found) != len(asked):
            raise ValueError(f"the reply tells of {len(found)} folders instead of {len(asked)}")
        return {folder: _inspection(group, known) for folder, group in zip(asked, found, strict=True)}

    return Reading(
        name="looking at the release",
        body=body("place", "tree", "inspect"),
        words=(to, "1" if hashed else "0", *asked),
        parse=parse,
        max_reply_bytes=LARGE_REPLY_BYTES,
    )


def _inspection(group: Mapping[str, bytes], known: int) -> Inspection:
    return Inspection(
        manifest=_manifest(unpacked_manifest(group["manifest"], known)) if "manifest" in group else None,
        tree=parse_tree(group, known=known) if "digests" in group else None,
    )


def _manifest(text: bytes) -> Manifest | None:
    """A file that somebody wrote to must not keep its target from getting the next release."""
    try:
        return parse_manifest(text)
    except ValueError:
        return None
