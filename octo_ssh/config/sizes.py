"""Sizes as files say them: a number of bytes with its unit."""

from __future__ import annotations

import re

from octo_ssh.config.document import Node, Scalar
from octo_ssh.config.values import BadValue

SIZE_PATTERN = r"[0-9]+(?:\.[0-9]+)?(?:B|KiB|MiB|GiB|TiB)"

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_MAX_BYTES = 1 << 50


def size_text(size: int) -> str:
    """Bytes as a file would say them."""
    unit = next(unit for unit in reversed(_UNIT_BYTES) if size % _UNIT_BYTES[unit] == 0)
    return f"{size // _UNIT_BYTES[unit]}{unit}"


def size_bytes(node: Node) -> int:
    """Bytes, from ``512KiB``, ``64MiB``, ``1.5GiB``: the unit is required."""
    match node:
        case Scalar(value=bool() | None):
            pass
        case Scalar(text=text) if (found := _SIZE.fullmatch(text)) and len(text) < 30:
            number, unit = found.groups()
            if unit not in _UNIT_BYTES:
                known = next((name for name in _UNIT_BYTES if name[0].lower() == unit[:1].lower()), "MiB")
                raise BadValue(f"must be a size with its unit: {number}{known}")
            size = int(float(number) * _UNIT_BYTES[unit])
            if size > _MAX_BYTES:
                raise BadValue("must be a size of at most 1024TiB")
            if re.fullmatch(SIZE_PATTERN, text):
                return size
            raise BadValue(f"must be a size without a space in it: {number}{unit}")
    raise BadValue("must be a size with its unit: 64MiB or 1GiB")
