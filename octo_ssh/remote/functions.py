"""What scripts may call (SPEC section 4, "Outputs"), as text: ``functions.sh`` in one line, and only what is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_BEGIN = re.compile(r"([a-z_]+)\(\) [{(]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPEN = ("{", "(", "then", "do", "else", "in", ";;", "&&", "||", "|")
"""After these a line goes on without a semicolon."""


def functions_named_in(text: str) -> str:
    """The functions whose names occur in the text, with those that they call, as one line; empty for none."""
    known = _functions()
    wanted: set[str] = set()
    pending = [text]
    while pending:
        called = set(_WORD.findall(pending.pop())) & known.keys() - wanted
        wanted |= called
        pending.extend(known[name] for name in called)
    return "; ".join(definition for name, definition in known.items() if name in wanted)


def all_functions() -> str:
    """All of them, as one line."""
    return "; ".join(_functions().values())


@cache
def _functions() -> Mapping[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in files("octo_ssh.remote").joinpath("functions.sh").read_text("utf-8").splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        begins = _BEGIN.match(line)
        if begins:
            name = begins.group(1)
            found[name] = stripped
        else:
            found[name] += (" " if found[name].endswith(_OPEN) else "; ") + stripped
    return found
