"""Writes down what was done: ``record.sh``."""

from __future__ import annotations

from collections.abc import Sequence

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.lock import last_sha256, lease_token, memory
from octo_ssh.remote.source import body


def record(
    root: str,
    *,
    epoch: int,
    token: str,
    project: str,
    environment: str | None,
    head: str,
    lines: Sequence[bytes],
    baseline: bytes | None,
) -> Acting[None]:
    """Append journal lines after ``head``, then replace the baseline where one is given. Both are on disk when it
    returns.

    Its reply is a LeaseLost, and nothing is written, when the lease is no longer ours; a RemoteError when the journal
    ends with another line.
    """
    content, size, divider = memory(lines, baseline)
    return Acting(
        name="writing the journal",
        body=body("lease", "memory", "record"),
        words=(
            root,
            str(epoch),
            lease_token(token),
            words.name(project),
            words.environment_name(environment),
            head,
            last_sha256(lines),
            str(size),
            divider,
        ),
        parse=replies.done,
        input=(content,),
        repeatable=True,
    )
