"""Decides about a release that waits for its confirmation: ``confirm.sh``; clears what is decided: ``disarm.sh``."""

from __future__ import annotations

from octo_ssh.model.program import Acting
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.remote import replies, timers, words
from octo_ssh.remote.source import body


def confirm(to: str, token: str, verdict: Verdict | None, *, patience_s: float) -> Acting[TimerSeen | None]:
    """Say what becomes of the release, unless somebody has; its answer is how it stands then, the timer's process gone
    where that takes no longer than ``patience_s``. None: nothing is known of that timer any more.

    With a ``verdict`` of None nobody decides; who is told of one that still runs asks again.
    """
    return Acting(
        name="confirming the release" if verdict is Verdict.CONFIRMED else "asking the timer",
        body=body("place", "lease", "timers", "confirm"),
        words=(
            to,
            timers.timer_token(token),
            "" if verdict is None else verdict.value,
            words.whole_seconds(patience_s),
        ),
        parse=timers.one_timer,
        repeatable=True,
    )


def disarm(to: str) -> Acting[None]:
    """Remove the records of timers that are decided."""
    return Acting(
        name="clearing the timer",
        body=body("place", "lease", "timers", "disarm"),
        words=(to,),
        parse=replies.done,
        repeatable=True,
    )
