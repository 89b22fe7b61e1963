"""Writes down what was done: ``record.sh``."""

from __future__ import annotations

from collections.abc import Iterable

from octo_ssh.model.program import Acting
from octo_ssh.remote import replies, words
from octo_ssh.remote.lock import memory
from octo_ssh.remote.source import body


def record(
    root: str, *, project: str, environment: str | None, lines: Iterable[bytes], baseline: bytes | None
) -> Acting[None]:
    """Append journal lines, then replace the baseline where one is given. Both are on disk when it returns."""
    content, size, divider = memory(lines, baseline)
    return Acting(
        name="writing the journal",
        body=body("memory", "record"),
        words=(root, words.name(project), words.environment_name(environment), str(size), divider),
        parse=replies.done,
        input=(content,),
    )
