"""Values as JSON documents: every text clean, every enum its value, never a secret."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from octo_ssh.errors import Position
from octo_ssh.model.values import Secret, SecretRef, Template
from octo_ssh.output.text import clean

Document = dict[str, Any]


def plain_data(value: Any) -> Any:
    """``value`` as what JSON knows. A dataclass becomes a map of its fields, a set a sorted list.

    A secret's place holds where it comes from; a ``Secret`` itself is never given out. Raises TypeError for a type
    nobody thought of: better no line than a repr of something unknown.
    """
    match value:
        case None | bool():
            return value
        case enum.Enum():
            return value.value
        case int():
            return int(value)
        case float():
            return round(value, 3) if math.isfinite(value) else None
        case bytes() | str():
            return clean(value)
        case Secret():
            return "•••"
        case SecretRef():
            return {"secret": clean(str(value))}
        case Template(text):
            return clean(text)
        case Position():
            return clean(str(value))
        case datetime():
            return timestamp(value)
        case Mapping():
            return {clean(str(key)): plain_data(item) for key, item in value.items()}
        case list() | tuple():
            return [plain_data(item) for item in value]
        case set() | frozenset():
            return sorted(map(plain_data, value))
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            raise TypeError(f"no JSON form for {type(value).__name__}")


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond: ``2026-11-24T07:03:12.042Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_line(document: Document) -> str:
    """One line, without its newline."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_text(document: Document | list[Any]) -> str:
    """For one document that people read too."""
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
