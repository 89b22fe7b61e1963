"""Writes down what was done: ``record.sh``."""

from __future__ import annotations

from collections.abc import Iterable

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.lock import lease_token, memory
from octo_ssh.remote.source import body


def record(
    root: str,
    *,
    epoch: int,
    token: str,
    project: str,
    environment: str | None,
    lines: Iterable[bytes],
    baseline: bytes | None,
) -> Acting[None]:
    """Append journal lines, then replace the baseline where one is given. Both are on disk when it returns.

    Its reply is a RemoteError, and nothing is written, when the lease is no longer ours.
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
            str(size),
            divider,
        ),
        parse=replies.done,
        input=(content,),
    )
