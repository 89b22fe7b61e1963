"""Asks whether steps are done already: ``unless.sh`` (SPEC section 4, ``unless``)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octo_ssh.errors import RemoteError
from octo_ssh.model.program import Reading, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.script import framed
from octo_ssh.remote.source import body

LIMIT_S = 60
"""How long a command may run. Whoever asks several at once waits for so long times their number, and a little."""
TIMED_OUT = 124

_EXIT = re.compile(r"exit-([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Unless:
    """One step's command: a script as ``run`` has it, in the home of whoever looks."""

    step_id: str
    env: Mapping[str, str | Secret]
    script: str


def unless(checks: Sequence[Unless], *, limit_s: float = LIMIT_S) -> Reading[Mapping[str, int]]:
    """The exit status of each command, by step id; ``TIMED_OUT`` for one that was ended after ``limit_s``.

    They run one after another, each in a session of its own; what they print is dropped. When input ends early, the
    one that runs is ended, and no other begins. Raises RemoteError for what no shell can hold.
    """
    asked = tuple(checks)
    framings = [framed(check.env, check.script) for check in asked]
    records = "".join(_plain(content) for content, _, _ in framings)
    try:
        separator = words.two_texts(records, "")[2]
    except ValueError as error:
        raise RemoteError(f"the `unless` commands or their variables cannot be sent: {error}") from error
    whole = "".join(_plain(content) + separator for content, _, _ in framings)

    def parse(reply: Reply) -> Mapping[str, int]:
        checked = replies.checked(reply)
        found = [int(match.group(1)) for name, _ in checked.sections if (match := _EXIT.fullmatch(name))]
        if len(found) != len(asked):
            raise ValueError(f"the reply tells of {len(found)} commands instead of {len(asked)}")
        return {check.step_id: status for check, status in zip(asked, found, strict=True)}

    return Reading(
        name="asking what is done already",
        body=body("child", "clock", "unless"),
        words=(
            str(len(whole.encode("utf-8", "surrogateescape"))),
            separator,
            secrets.token_hex(8),
            words.whole_seconds(limit_s),
            "".join(divider for _, _, divider in framings),
        ),
        parse=parse,
        input=(Secret(whole),),
    )


def _plain(content: object) -> str:
    if not isinstance(content, Secret):
        raise TypeError("exports and script are framed as a secret")
    return content.reveal()
