"""Waits on a target until something is true: ``probe_http.sh``, ``probe_command.sh`` (SPEC section 4, ``verify``)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.model.program import Acting, Reading, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.script import exit_word, framed
from octo_ssh.remote.source import body

MAX_LAST_BYTES = 65536
"""Of what the last try of a command printed: as ``probe_command.sh`` has it."""

_HTTP = ("probe_http",)
_COMMAND = ("child", "clock", "probe_command")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How waiting ended."""

    passed: bool
    status: int | None
    """Of the last try of a command; None for a URL, or when time ran out in the middle of it."""
    last: bytes
    """The end of what the last try printed; for a URL a line with the HTTP status first. Bounded."""


def probe_http(url: str, *, contains: str | None, within_s: float, every_s: float) -> Acting[ProbeResult]:
    """Ask the URL on the target until it answers 2xx and its first 64 KiB hold ``contains``. Redirects fail."""
    return Acting(
        name="the probe",
        body=body(*_HTTP),
        words=_http_words(url, contains, within_s, every_s),
        parse=_http_result,
    )


def ask_http(url: str, *, contains: str | None, within_s: float, every_s: float) -> Reading[ProbeResult]:
    """``probe_http`` for whoever only looks."""
    return Reading(
        name="the check",
        body=body(*_HTTP),
        words=_http_words(url, contains, within_s, every_s),
        parse=_http_result,
    )


def probe_command(
    root: str,
    *,
    run: str,
    env: Mapping[str, str | Secret],
    script: str | Secret,
    cwd: str | None,
    within_s: float,
    every_s: float,
) -> Acting[ProbeResult]:
    """Run the script, as ``script`` does, until it returns 0. One that still runs when time is over is ended."""
    content, size, divider = framed(env, script)
    return Acting(
        name="the probe",
        body=body(*_COMMAND),
        words=_command_words(root, words.name(run), cwd, size, divider, within_s, every_s),
        parse=_command_result,
        input=(content,),
    )


def ask_command(
    root: str,
    *,
    env: Mapping[str, str | Secret],
    script: str | Secret,
    cwd: str | None,
    within_s: float,
    every_s: float,
) -> Reading[ProbeResult]:
    """``probe_command`` for whoever only looks, with a script that only looks. There is no run, so no work folder
    either: without ``cwd``, it begins in ``/``.
    """
    content, size, divider = framed(env, script)
    return Reading(
        name="the check",
        body=body(*_COMMAND),
        words=_command_words(root, "", cwd, size, divider, within_s, every_s),
        parse=_command_result,
        input=(content,),
    )


def _http_words(url: str, contains: str | None, within_s: float, every_s: float) -> tuple[str, ...]:
    return url, contains or "", words.whole_seconds(within_s), words.whole_seconds(every_s)


def _command_words(
    root: str, run: str, cwd: str | None, size: int, divider: str, within_s: float, every_s: float
) -> tuple[str, ...]:
    times = (words.whole_seconds(within_s), words.whole_seconds(every_s))
    return root, run, cwd or "", str(size), divider, secrets.token_hex(8), *times


def _http_result(reply: Reply) -> ProbeResult:
    checked = replies.checked(reply)
    return ProbeResult(exit_word(checked) == "0", None, replies.optional(checked, "last") or b"")


def _command_result(reply: Reply) -> ProbeResult:
    checked = replies.checked(reply)
    word = exit_word(checked)
    last = replies.optional(checked, "reason") or _whole_lines(replies.optional(checked, "last") or b"")
    return ProbeResult(word == "0", int(word) if word.isdigit() else None, last)


def _whole_lines(last: bytes) -> bytes:
    """The end of an output, less the line that it was cut in: nobody would know the rest of a secret for one."""
    return last if len(last) < MAX_LAST_BYTES else last.partition(b"\n")[2]
