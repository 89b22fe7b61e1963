"""Timers of releases that wait for a confirmation, in replies: ``timers.sh``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from octo_ssh.model.program import Reply
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.remote import replies

ARMED = "armed"
GUARD = "guard"
"""What came of it, where a service's unit went back before it started."""

_FIELDS = 6
_TOKEN = re.compile(r"[0-9A-Za-z]{1,64}")
_CAME = re.compile(r"([A-Za-z]{1,20}) ([0-9]{1,3})")
_SHOWN = 200


def timer_token(token: str) -> str:
    """A token as a word of a program. Raises ValueError."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token is made of letters and digits")
    return token


def about(run: str, new: str, old: str | None, since: str, within_s: int) -> str:
    """What a timer's folder says of it: nothing that tells lines apart is in any of them. Raises ValueError."""
    lines = (run, new, old or "", since, str(within_s))
    if any("\n" in line for line in lines):
        raise ValueError("a line break cannot be part of what a timer says")
    return "\n".join(lines)


def one_timer(reply: Reply) -> TimerSeen | None:
    """The one that the reply of a program tells of; None: there is none. Raises ValueError."""
    found = parse_timers(replies.checked(reply).section("timers"))
    if len(found) > 1:
        raise ValueError("the reply tells of several timers")
    return found[0] if found else None


def parse_timers(content: bytes) -> tuple[TimerSeen, ...]:
    """All that ``tell_timers`` told of a place. Folders whose names are none of ours are left out: whoever may write
    there can make some. Raises ValueError.
    """
    fields = replies.fields(content)
    if len(fields) % _FIELDS:
        raise ValueError("the reply does not tell of timers as it should")
    rows = (fields[at : at + _FIELDS] for at in range(0, len(fields), _FIELDS))
    return tuple(_timer(*row) for row in rows if _TOKEN.fullmatch(row[0]))


def _timer(token: str, state: str, runs: str, restarted: str, said: str, came: str) -> TimerSeen:
    run, new, old, since, within = (*map(_shown, said.split("\n")[:5]), *("",) * 5)[:5]
    lines = came.split("\n")
    return TimerSeen(
        token=token,
        verdict=None if state == ARMED else Verdict(state),
        runs=runs == "1",
        restarted=restarted == "1",
        run=run,
        new=new,
        old=old or None,
        since=since,
        within_s=int(within) if within.isdigit() and len(within) < 10 else 0,
        came=dict(_ends(lines)),
        is_done="end" in lines or GUARD in lines,
        is_missed="missed" in lines,
    )


def _ends(lines: list[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        if found := _CAME.fullmatch(line):
            yield found.group(1), int(found.group(2))


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_SHOWN]
