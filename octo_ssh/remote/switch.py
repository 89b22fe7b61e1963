"""Points ``current`` at a release: ``switch.sh`` (SPEC section 7)."""

from __future__ import annotations

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body


def switch(to: str, folder: str | None) -> Acting[None]:
    """``<to>/current`` points at the release folder, at once or not at all; with None it is removed."""
    return Acting(
        name="switching the release",
        body=body("place", "switch"),
        words=(to, "" if folder is None else words.name(folder)),
        parse=replies.done,
    )
