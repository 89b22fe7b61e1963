"""Puts a bundle into the target's store: ``receive.sh``."""

from __future__ import annotations

import enum
from pathlib import Path

from octo_ssh.model.program import Acting, FileInput, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


class Received(enum.Enum):
    """How the content came to be in the store."""

    STORED = "stored"
    HAD = "had"


def receive(root: str, sha256: str, path: Path | str, size: int) -> Acting[Received]:
    """Send the file to ``<root>/store/<sha256>``: whole and with that digest, or not at all.

    Where the store has it already, the program ends before its input was read.
    """
    return Acting(
        name="sending the package",
        body=body("receive"),
        words=(root, words.digest(sha256), str(size)),
        parse=_received,
        input=(FileInput(str(path), size),),
    )


def _received(reply: Reply) -> Received:
    had = replies.optional(replies.checked(reply), "have") is not None
    return Received.HAD if had else Received.STORED
