"""Puts a bundle into the target's store: ``receive.sh``."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from pathlib import Path

from octo_ssh.model.program import Acting, FileInput, Reply
from octo_ssh.remote import replies, words
from octo_ssh.remote.lock import lease_token
from octo_ssh.remote.source import body


class Received(enum.Enum):
    """How the content came to be in the store."""

    STORED = "stored"
    HAD = "had"
    """It was there already, whole."""
    DAMAGED = "damaged"
    """It is not there: what came together is not what was announced, and was thrown away."""


def receive(
    root: str, sha256: str, path: Path | str, size: int, *, epoch: int, token: str, wanted: Iterable[str] = ()
) -> Acting[Received]:
    """Send the file to ``<root>/store/<sha256>``, under the lease: whole and with that digest, or not at all.

    What an earlier try brought is not sent again: of a program whose connection was lost, and of a run that was killed.
    A program that still writes there is ended first. ``wanted``: digests of all that this run has use for in the store,
    the rest of which goes; without them nothing does.
    """
    return Acting(
        name="sending the package",
        body=body("lease", "receive"),
        words=(
            root,
            str(epoch),
            lease_token(token),
            words.digest(sha256),
            str(size),
            *(words.digest(other) for other in wanted),
        ),
        parse=_received,
        input=(FileInput(str(path), size, resumes=True),),
        repeatable=True,
    )


def _received(reply: Reply) -> Received:
    checked = replies.checked(reply)
    if replies.optional(checked, "damaged") is not None:
        return Received.DAMAGED
    return Received.HAD if replies.optional(checked, "have") is not None else Received.STORED
