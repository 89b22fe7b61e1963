"""Copies one file from a target: ``fetch.sh``."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies
from octo_ssh.remote.source import body


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file was read to its end."""

    size: int
    """Bytes, as the target told before it sent them: whoever took them compares."""


def fetch(path: str, *, cwd: str | None, max_bytes: int) -> Acting[Fetched]:
    """Read a plain file as whoever runs; its bytes are section ``output``, for ``on_output``.

    A relative path lies in ``cwd``, which is absolute or relative to the home of whoever runs; None: in the home.
    Links are followed. Its reply is a RemoteError with a sentence for a file that is not there, not plain, not
    readable, larger than ``max_bytes``, or that became shorter meanwhile; what was handed on by then is worth nothing.
    """
    return Acting(
        name="copying the file",
        body=body("fetch"),
        words=(path, cwd or "", str(max_bytes)),
        parse=_fetched,
    )


def _fetched(reply: Reply) -> Fetched:
    size = replies.checked(reply).section("size")
    if not size.isdigit() or len(size) > 20:
        raise ValueError("the size of the file is no number")
    return Fetched(int(size))
