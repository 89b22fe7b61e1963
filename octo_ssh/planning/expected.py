"""Expected drift: what an entry of ``drift.ignore`` covers, and how long (SPEC sections 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from octo_ssh.model.drift import Expected
from octo_ssh.planning.configure import matches

Mark = Callable[[str], Expected | None]
"""By path: the entry that covers it; a pure function of the path."""
_BELOW = "/**"


def in_force(entries: Iterable[Expected], today: date) -> tuple[Expected, ...]:
    """Those whose last day has not gone by."""
    return tuple(entry for entry in entries if today <= entry.until)


def covers(entry: Expected, step_id: str, path: str) -> bool:
    """Whether the entry means a path of a step: relative to a package's release, or a file step's, absolute.

    ``cache/**`` means the folder, too: somebody who lets an app write there lets it make the folder.
    """
    if entry.step not in ("", step_id) or entry.path.startswith("/") != path.startswith("/"):
        return False
    if path == entry.path.rstrip("/") or matches(entry.path, path):
        return True
    return entry.path.endswith(_BELOW) and matches(entry.path.removesuffix(_BELOW), path)


def marker(entries: Iterable[Expected], step_id: str) -> Mark:
    """Which of the entries covers a path of the step: the first that does."""
    own = tuple(entry for entry in entries if entry.step in ("", step_id))

    def mark(path: str) -> Expected | None:
        return next((entry for entry in own if covers(entry, step_id, path)), None)

    return mark


def outermost(paths: Iterable[str], mark: Mark) -> list[tuple[str, Expected | None]]:
    """Of entries that are there (or gone) without being wanted so: the fewest that name them all, sorted, each with
    what covers it.

    A folder stands for everything in it; what covers a folder covers what is in it. A folder that only holds what is
    covered is not named itself, nor is one that holds something covered beside other things: those are.
    """
    every = sorted(set(paths))
    marks: dict[str, Expected | None] = {}
    for path in every:
        marks[path] = marks.get(parent_of(path)) or mark(path)
    around = {
        above
        for path in every
        if marks[path] is not None
        for above in parents_of(path)
        if above in marks and marks[above] is None
    }
    return [
        (path, marks[path])
        for path in every
        if path not in around and (parent_of(path) not in marks or parent_of(path) in around)
    ]


def parent_of(path: str) -> str:
    """The folder a path lies in; empty at the top."""
    return path.rpartition("/")[0]


def parents_of(path: str) -> Iterable[str]:
    """Every folder above it, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
