"""Who holds a target: ``holding.sh``, the least that whoever waits for a lock asks."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.model.jobs import JobSeen
from octo_ssh.model.observed import Lease
from octo_ssh.model.program import Reading, Reply
from octo_ssh.remote import replies
from octo_ssh.remote.job import seen
from octo_ssh.remote.source import body


@dataclass(frozen=True, slots=True)
class Holding:
    """A target's lock."""

    root: str
    """Absolute."""
    lease: Lease | None
    head: str
    """sha256 of the journal's last line; empty for an empty journal."""
    jobs: tuple[JobSeen, ...] = ()
    """Scripts in the work folder."""


def holding(root: str) -> Reading[Holding]:
    """Who holds the lock, where the journal ends, which scripts lie in the work folder."""
    return Reading(
        name="looking at the lock",
        body=body("lease", "job", "job_seen", "memory", "holding"),
        words=(root,),
        parse=_holding,
    )


def _holding(reply: Reply) -> Holding:
    checked = replies.checked(reply)
    root, *_ = replies.fields(checked.section("root"), 1)
    head = replies.text(checked.section("head"))
    return Holding(root=root, lease=replies.lease(checked.section("lease"))[1], head=head, jobs=seen(checked))
