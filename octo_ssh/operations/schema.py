"""``octo-ssh schema``: the JSON Schema of a file, for editors, or of what a command prints, for other programs."""

from __future__ import annotations

import enum
import json
from typing import assert_never


class File(enum.Enum):
    """What there is a schema of."""

    INVENTORY = "inventory"
    PLAN = "plan"
    DRIFT = "drift"
    """What ``drift --json`` prints."""


def schema(file: File) -> str:
    """The schema (draft 2020-12) as JSON text."""
    from octo_ssh.config import json_schema
    from octo_ssh.output.drift_json import drift_schema

    match file:
        case File.INVENTORY:
            found = json_schema.inventory_schema()
        case File.PLAN:
            found = json_schema.plan_schema()
        case File.DRIFT:
            found = drift_schema()
        case _:
            assert_never(file)
    return json.dumps(found, indent=2)  # in ASCII, which every terminal and locale can carry
