"""Values as text: one form for templates, for what is exported to scripts, and for what ``vars`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_text(value: Any) -> str:
    """A value as a script or a file sees it (SPEC section 4).

    Booleans are ``true`` and ``false``, nothing (``null``) is the empty text, lists and maps are JSON in one line;
    numbers as Python prints them. Raises TypeError for anything that is not plain data, secrets among it.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return to_json(value)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, letters of any language as they are. Raises TypeError for what is not plain data."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not plain data")
