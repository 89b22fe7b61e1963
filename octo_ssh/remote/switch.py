"""Points ``current`` at a release: ``switch.sh`` (SPEC section 7)."""

from __future__ import annotations

from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import words
from octo_ssh.remote.grant import checked
from octo_ssh.remote.lock import lease_token
from octo_ssh.remote.source import body


def switch(to: str, folder: str | None, *, epoch: int, token: str) -> Acting[None]:
    """``<to>/current`` points at the release folder, at once or not at all; with None it is removed.

    Its reply is a FlipLost, and nothing is changed, without the right that ``grant`` gives to that epoch and token.
    """
    return Acting(
        name="switching the release",
        body=body("place", "flip", "switch"),
        words=(to, "" if folder is None else words.name(folder), str(epoch), lease_token(token)),
        parse=_switched,
        repeatable=True,
    )


def _switched(reply: Reply) -> None:
    checked(reply)
