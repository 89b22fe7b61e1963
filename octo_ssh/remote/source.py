"""The text of the programs, put together from the *.sh files beside this one."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def body(*names: str) -> str:
    """The files of these names in one program, after ``lib.sh``. Comments and indentation stay behind.

    The same text for every target: parameters travel as words, secrets as input.
    """
    folder = files("octo_ssh.remote")
    lines: list[str] = []
    for name in ("lib", *names):
        for line in folder.joinpath(f"{name}.sh").read_text("utf-8").splitlines():
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                lines.append(stripped)
    return "\n".join(lines)
