"""Scripts as text, and ``script.sh``, which runs one that ends with its connection (SPEC sections 4 and 7)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.errors import RemoteError
from octo_ssh.model.program import Acting, Input, Reply
from octo_ssh.model.values import Secret
from octo_ssh.remote import replies, words
from octo_ssh.remote.functions import all_functions, functions_named_in
from octo_ssh.remote.source import body, text_of

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHEBANG = re.compile(
    r"#!\s*(?:\S*/)?(?:env\s+(?:-S\s+)?(?:\S*/)?)?(?:busybox\s+)?(?:sh|bash|dash|ash|ksh|ksh93|mksh|zsh)(?:\s|$)"
)
_READS_A_FILE = re.compile(r"(?:^|[;&|({]|\b(?:then|do|else)\b)[ \t]*(?:\.|source)[ \t]+\S", re.MULTILINE)
"""Another file of a shell becomes part of the script, and may call what the script itself does not name."""
_BYTE_ORDER_MARK = "\ufeff"
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


def script(*, env: Mapping[str, str | Secret], script: str | Secret, cwd: str = "~") -> Acting[ScriptResult]:
    """Run the script once: by the interpreter of its ``#!`` line, else ``sh``. Nothing is written on the target.

    Both streams come as one, in section ``output``. Standard input is empty. ``cwd``: absolute or relative to the
    home of whoever runs. When input ends early, as it does when the connection is lost, the script and all that it
    started is ended. Raises RemoteError for what no shell can hold.
    """
    content, size, divider = framed(env, script)
    return Acting(
        name="the script",
        body=body("child", "script"),
        words=(cwd, str(size), divider, secrets.token_hex(8)),
        parse=_result,
        input=(content,),
    )


def text_with_functions(script: str) -> str:
    """The script with the functions that it names (SPEC section 4, "Outputs"), where it is one for a shell; with all of
    them, where it reads other files as parts of itself.

    They stand before its first line, or in the place of its ``#!`` line, so that line numbers stay true; then the
    interpreter goes before them in a line that begins with ``#!!`` and that no interpreter sees. A byte order mark and
    Windows line ends, which Octopus takes away too, break shells: they are removed.
    """
    text = script.removeprefix(_BYTE_ORDER_MARK)
    first, _, rest = text.partition("\n")
    if first.startswith("#!") and not _SHEBANG.match(first):
        return script
    if first.endswith("\r"):
        text = text.replace("\r\n", "\n")
        first, _, rest = text.partition("\n")
    functions = all_functions() if _READS_A_FILE.search(text) else functions_named_in(text)
    if not functions:
        return text
    if not first.startswith("#!"):
        return f"{functions}; {text}"
    return f"#!!{first.removeprefix('#!').strip()}\n{functions}\n{rest}"


def packaged_script(folder_variable: str, path: str, *, convention: bool) -> str:
    """A script that runs a file of a package: ``path`` in the folder that the variable names.

    Where the file begins with the ``#!`` line of a shell, that shell reads it, with all functions defined and ``$0``
    its path; any other file is executed. With ``convention`` it is one of Octopus's scripts at a package's root: any
    shell may read it and needs no right to execute it, bash where its ``#!`` line does not say which.
    """
    return (
        f'octo_file="${{{folder_variable}:?}}"/{_quoted(path)}\n'
        f"octo_functions={_quoted(all_functions())}\n"
        f"octo_convention={int(convention)}\n{text_of('packaged')}\n"
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


def _quoted(text: str) -> str:
    """The text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _export(name: str, value: str | Secret) -> str:
    if not _VARIABLE.fullmatch(name):
        raise RemoteError(f"{name!r} cannot be the name of an environment variable")
    plain = _plain(value)
    if len(name) + 1 + len(plain.encode("utf-8", "surrogateescape")) > MAX_VARIABLE_BYTES:
        raise RemoteError(f"variable {name} is longer than {MAX_VARIABLE_BYTES} bytes, the most a program can inherit")
    return f"export {name}={_quoted(plain)}\n"


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
