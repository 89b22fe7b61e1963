"""One file beside the plan that a step sends as it is: measured, and held if it is small."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A file as it was read."""

    path: str
    """Absolute."""
    size: int
    sha256: str
    content: bytes | None
    """None: it is larger than was to be held."""


def read_single(path: str, *, held_bytes: int) -> SingleFile:
    """Read a file to its end, holding at most ``held_bytes`` of it. Raises OSError."""
    digest, size, held = hashlib.sha256(), 0, bytearray()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            held += chunk if size <= held_bytes else b""
    return SingleFile(os.path.abspath(path), size, digest.hexdigest(), bytes(held) if size <= held_bytes else None)
