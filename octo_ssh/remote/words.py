"""Parameters of programs and words of their replies: what may be a name, two texts in one input, numbers."""

from __future__ import annotations

import math
import re

from octo_ssh.model.program import Input
from octo_ssh.model.untrusted import folder_name, sha256
from octo_ssh.model.values import Secret

_OWNER = re.compile(r"[0-9]{1,10}:[0-9]{1,10}")
_DIVIDERS = [chr(code) for code in (*range(0x1C, 0x20), *range(0x02, 0x09), *range(0x0E, 0x1B))]


def name(text: str) -> str:
    """A name that becomes a file or folder of ours. Raises ValueError for one that would lead elsewhere."""
    return folder_name(text)


def is_name(text: str) -> bool:
    """Whether it is one that ``name`` takes."""
    try:
        name(text)
    except ValueError:
        return False
    return True


def digest(text: str) -> str:
    """A sha256 in hexadecimal. Raises ValueError."""
    return sha256(text)


def owner(text: str) -> str:
    """``uid:gid``. Raises ValueError."""
    if not _OWNER.fullmatch(text):
        raise ValueError(f"not a pair of user and group numbers: {text[:40]!r}")
    return text


def inside(text: str) -> str:
    """A path as find prints it below ``.``, without its ``./``. Raises ValueError for one that leads out."""
    inner = text.removeprefix("./")
    if inner == text or any(part in ("", ".", "..") for part in inner.split("/")):
        raise ValueError(f"not a path inside a folder: {text[:100]!r}")
    return inner


def environment_name(environment: str | None) -> str:
    """Under which name an environment is remembered (SPEC section 7)."""
    return name(environment or "default")


def two_texts(one: str, two: str, *, secret: bool = False) -> tuple[Input, int, str]:
    """Input for ``take_two``: its content, its length in bytes, and the character that divides it.

    Raises ValueError for a NUL, which no shell can hold, and for texts that use every control character there is.
    """
    if "\0" in one or "\0" in two:
        raise ValueError("a NUL byte cannot be sent to a shell")
    divider = next((char for char in _DIVIDERS if char not in one and char not in two), None)
    if divider is None:
        raise ValueError("the text uses all control characters")
    whole = f"{one}{divider}{two}{divider}"
    raw = whole.encode("utf-8", "surrogateescape")
    return Secret(whole) if secret else raw, len(raw), divider


def whole_seconds(seconds: float) -> str:
    """Seconds for a shell, which counts in whole ones: rounded up, 1 at least."""
    return str(max(1, math.ceil(seconds)))
