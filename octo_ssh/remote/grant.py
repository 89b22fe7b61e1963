"""The right to point ``current`` elsewhere: ``grant.sh`` (SPEC sections 6 and 7).

It is a folder of the holder of the lease, ``<to>/.octo-ssh/.flip.EPOCH.TOKEN``. The last one stays, and keeps out
whoever comes with an older lease.
"""

from __future__ import annotations

from octo_ssh.errors import LeaseLost
from octo_ssh.model.program import Acting, Reply
from octo_ssh.remote import replies
from octo_ssh.remote.lock import lease_token
from octo_ssh.remote.source import body


class FlipLost(LeaseLost):
    """Somebody else has the right to switch ``current``: another run took the target over."""

    def __init__(self, message: str, *, hint: str = "", later: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.later = later
        """The epoch that has the right; 0: not told."""


def grant(to: str, *, epoch: int, token: str, void: int = 0) -> Acting[str | None]:
    """Give the right to the holder of the lease, and take it from all before; its answer is where ``current`` points.

    Nothing is done where no package was ever laid out. ``void``: the epoch of a right that no run can have any more:
    the target's lock was made anew since. Its reply is a FlipLost when a later epoch has the right.
    """
    return Acting(
        name="taking the right to switch",
        body=body("place", "flip", "grant"),
        words=(to, str(epoch), lease_token(token), str(void) if void else ""),
        parse=_granted,
        repeatable=True,
    )


def checked(reply: Reply) -> Reply:
    """As ``replies.checked``, for programs that need the right. Raises FlipLost without it."""
    later = replies.optional(reply, "later")
    if reply.status != 0 and later is not None:
        told = replies.shown(replies.optional(reply, "problem") or b"")
        raise FlipLost(told, later=int(later) if later.isdigit() and len(later) < 16 else 0)
    return replies.checked(reply)


def _granted(reply: Reply) -> str | None:
    return replies.text(checked(reply).section("current")) or None
