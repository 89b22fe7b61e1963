"""``octo-ssh init``: a first inventory, a first plan and an empty known_hosts, with comments. Never overwrites."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from octo_ssh.errors import FileErrors, Position, Problem, UsageError

NAMES = ("inventory.yaml", "plan.yaml", "known_hosts")


def init(folder: str) -> tuple[Path, ...]:
    """Write those of the files that are not there yet; their paths.

    Raises UsageError when all are there, FileErrors when one cannot be written.
    """
    home = Path(folder)
    written: list[Path] = []
    for name in NAMES:
        path = home / name
        text = files("octo_ssh.operations").joinpath("starter", name).read_text("utf-8")
        try:
            home.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            if not home.is_dir():
                raise UsageError(f"'{folder}' is no folder", hint="name a folder, or none for this one") from None
            continue
        except OSError as error:
            raise FileErrors([Problem(Position(str(path)), f"cannot be written: {error.strerror}")]) from error
        written.append(path)
    if not written:
        raise UsageError(f"{', '.join(NAMES)} are all in '{folder}' already", hint="nothing was overwritten")
    return tuple(written)
