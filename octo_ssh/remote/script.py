"""Runs a script on a target: ``script.sh`` (SPEC sections 4 and 7)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.errors import RemoteError
from octo_ssh.model.program import Acting, Input, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.source import body

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXIT = re.compile(r"exit-([0-9]{1,3}|cancelled|late)")
MAX_VARIABLE_BYTES = 128 * 1024 - 1
"""Of one variable with its name: what Linux lets a program inherit."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a script ended."""

    status: int
    reason: str = ""
    """Why it did not run, or why it was ended; empty where its status says all."""
    survivors: tuple[str, ...] = ()
    """``pid name`` of what it started and what could not be ended."""


def script(
    root: str, *, run: str, env: Mapping[str, str | Secret], script: str | Secret, cwd: str | None
) -> Acting[ScriptResult]:
    """Run the script once: by the interpreter of its ``#!`` line, else ``sh``.

    Both streams come as one, in section ``output``. Standard input is empty. ``cwd``: absolute or relative to the
    home of whoever runs; None means the run's work folder, or ``/`` for those who may not go there. When input ends
    early, the script and all that it started is ended. Raises RemoteError for what no shell can hold.
    """
    content, size, divider = framed(env, script)
    return Acting(
        name="the script",
        body=body("child", "script"),
        words=(root, words.name(run), cwd or "", str(size), divider, secrets.token_hex(8)),
        parse=_result,
        input=(content,),
    )


def framed(env: Mapping[str, str | Secret], script: str | Secret) -> tuple[Input, int, str]:
    """Exports and script as the input of ``take_script``. Raises RemoteError."""
    lines = [_export(name, value) for name, value in env.items()]
    try:
        return words.two_texts("".join(lines), _plain(script), secret=True)
    except ValueError as error:
        raise RemoteError(f"the script or one of its variables cannot be sent: {error}") from error


def exit_word(reply: Reply) -> str:
    """How the script ended: a number, ``cancelled`` or ``late``. Raises ValueError."""
    found = [match.group(1) for name, _ in reply.sections if (match := _EXIT.fullmatch(name))]
    if len(found) != 1:
        raise ValueError("the reply does not tell how the script ended")
    return found[0]


def _export(name: str, value: str | Secret) -> str:
    if not _VARIABLE.fullmatch(name):
        raise RemoteError(f"{name!r} cannot be the name of an environment variable")
    plain = _plain(value)
    if len(name) + 1 + len(plain.encode("utf-8", "surrogateescape")) > MAX_VARIABLE_BYTES:
        raise RemoteError(f"variable {name} is longer than {MAX_VARIABLE_BYTES} bytes, the most a program can inherit")
    return f"export {name}='" + plain.replace("'", "'\\''") + "'\n"


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _result(reply: Reply) -> ScriptResult:
    checked = replies.checked(reply)
    left = tuple(replies.shown(replies.optional(checked, "survivors") or b"").splitlines())
    reason = replies.shown(replies.optional(checked, "reason") or b"")
    if not reason and any(name == "cancelled" for name, _ in checked.sections):
        reason = "cancelled"
    word = exit_word(checked)
    return ScriptResult(int(word) if word.isdigit() else 1, reason, left)
