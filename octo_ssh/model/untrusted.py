"""What files on a target say: JSON that may be made to fill the controller, texts that may be no texts.

Everything raises ValueError.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_ITEMS = 1_000_000
"""Of one document: each takes some hundred bytes once it is read, and three in the file."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_FOLDER = re.compile(r"[^./\0\n-][^/\0\n]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def parsed_json(text: bytes, most: int = MAX_ITEMS) -> Any:
    """The one document in ``text``, ASCII as ours are, of ``most`` items at most."""
    if not text.isascii():
        raise ValueError("it is not ASCII")
    shape = _STRING.sub(b"", text)
    if len(shape) - len(shape.translate(None, b"[{,")) > most:
        raise ValueError(f"it holds more than {most} items")
    try:
        return json.loads(text.decode("ascii"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def sound(text: str) -> str:
    """The text, if a shell and a file system can have it: without NUL, and as bytes."""
    if "\0" in text:
        raise ValueError("a text holds a NUL byte")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("a text is none") from None
    return text


def folder_name(text: str) -> str:
    """A name that a folder of ours can have: it leads nowhere else, and is no option."""
    if not _FOLDER.fullmatch(text):
        raise ValueError(f"not a name that a file can have here: {text[:100]!r}")
    return sound(text)


def sha256(text: str) -> str:
    """A digest in hexadecimal."""
    if not _SHA256.fullmatch(text):
        raise ValueError(f"not a sha256: {text[:100]!r}")
    return text
