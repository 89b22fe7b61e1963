"""Arms a target: it goes back to its old release by itself unless somebody confirms the new one: ``arm.sh``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from octo_ssh.errors import RemoteError
from octo_ssh.model.program import Acting, Reply
from octo_ssh.model.timers import TimerSeen
from octo_ssh.model.values import Secret
from octo_ssh.model.wire import quoted
from octo_ssh.remote import timers, words
from octo_ssh.remote.grant import checked
from octo_ssh.remote.lock import lease_token
from octo_ssh.remote.script import framed
from octo_ssh.remote.source import body, embedded

_MAX_TOLD = 900


@dataclass(frozen=True, slots=True)
class WayBack:
    """A script that makes the old release take effect again."""

    name: str
    """``Deploy``, ``activate`` or ``PostDeploy``."""
    env: Mapping[str, str | Secret]
    script: str
    cwd: str | None
    """Absolute; None: it does not matter."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Arming:
    """What a timer is about."""

    token: str
    """Its own, new for every arming: letters and digits."""
    run: str
    new: str
    """The release folder that is about to become current."""
    old: str | None
    """The one that it goes back to; None: to none."""
    since: str
    within_s: float
    """It goes back when no script of the step has run for so long and nobody has decided."""
    bound_s: float
    """It goes back after so long whatever runs."""
    told: str
    """For the target's syslog, when it has gone back."""


def arm(to: str, arming: Arming, way_back: Sequence[WayBack], *, epoch: int, token: str) -> Acting[TimerSeen]:
    """Start the timer, by the right to switch that ``epoch`` and ``token`` of the lease give (SPEC section 8).

    Its answer is how it stands once it is up, or what became of it where it was armed before. Timers of other runs are
    overtaken. The scripts stay in the timer's memory. Raises RemoteError for what no shell can hold. Its reply is a
    FlipLost where a later lease has the right.
    """
    content, separator, dividers = _framed(way_back)

    def parse(reply: Reply) -> TimerSeen:
        seen = timers.one_timer(checked(reply))
        if seen is None:
            raise ValueError("the reply does not tell of the timer")
        return seen

    return Acting(
        name="arming the way back",
        body=_body(),
        words=(
            to,
            str(epoch),
            lease_token(token),
            timers.timer_token(arming.token),
            words.name(arming.new),
            "" if arming.old is None else words.name(arming.old),
            words.whole_seconds(arming.within_s),
            words.whole_seconds(arming.bound_s),
            timers.about(arming.run, arming.new, arming.old, arming.since, int(words.whole_seconds(arming.within_s))),
            "".join(char if char.isprintable() else " " for char in arming.told)[:_MAX_TOLD],
            str(len(content.reveal().encode("utf-8", "surrogateescape"))),
            separator,
            secrets.token_hex(8),
            "".join(f"{script.name} " for script in way_back),
            "".join(f"{words.whole_seconds(script.timeout_s)} " for script in way_back),
            dividers,
        ),
        parse=parse,
        input=(content,),
        repeatable=True,
    )


def beats(to: str, token: str) -> str:
    """The file that tells the timer when scripts of the step begin and end."""
    return f"{to.rstrip('/')}/.octo-ssh/confirm.{timers.timer_token(token)}/beats"


@cache
def _body() -> str:
    guard = files("octo_ssh.remote").joinpath("guard.sh").read_text("utf-8").rstrip("\n")
    carried = embedded("o_timer", "lease", "timers", "child", "timer")
    return f"{carried}\no_guard={quoted(guard).decode('utf-8')}\n" + body(
        "place", "lease", "flip", "timers", "child", "arm"
    )


def _framed(way_back: Sequence[WayBack]) -> tuple[Secret, str, str]:
    """All scripts in one text, the character that ends each, and for each the one that divides it."""
    pieces: list[str] = []
    dividers = ""
    for script in way_back:
        content, _, divider = framed(script.env, script.script)
        if not isinstance(content, Secret):
            raise TypeError("exports and script are framed as a secret")
        go = "" if script.cwd is None else f"cd -- {quoted(script.cwd).decode('utf-8', 'surrogateescape')} || exit 97\n"
        pieces.append(go + content.reveal())
        dividers += divider
    try:
        separator = words.two_texts("".join(pieces), "")[2] if pieces else ""
    except ValueError as error:
        raise RemoteError(f"the scripts of the way back cannot be sent: {error}") from error
    return Secret("".join(piece + separator for piece in pieces)), separator, dividers
