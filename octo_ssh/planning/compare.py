"""A release folder as it should be against as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Tree


@dataclass(frozen=True, slots=True)
class Comparison:
    """Paths, sorted. ``unreadable`` ones may be anything: they are neither changed nor missing."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    """Entries that nobody packaged; of a whole folder, only the folder."""
    unreadable: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Every wanted entry was seen to be right. Extra ones do not count."""
        return not self.unproven

    @property
    def damaged(self) -> tuple[str, ...]:
        return tuple(sorted((*self.changed, *self.missing)))

    @property
    def unproven(self) -> tuple[str, ...]:
        """Wanted entries that were not seen to be right."""
        return tuple(sorted((*self.changed, *self.missing, *self.unreadable)))


def compare(wanted: Manifest, tree: Tree) -> Comparison:
    """Kind, mode, size, content and link target of every entry."""
    changed: list[str] = []
    missing: list[str] = []
    unreadable = {path for path in tree.unreadable if path in wanted.entries or path in tree.entries}
    for path, entry in wanted.entries.items():
        if path in tree.unreadable:
            continue
        if path not in tree.entries:
            if any(parent in tree.unreadable for parent in _parents(path)):
                unreadable.add(path)
            else:
                missing.append(path)
        elif tree.entries[path] != entry:
            changed.append(path)
    extra = {path for path in tree.entries if path not in wanted.entries}
    return Comparison(
        tuple(sorted(changed)),
        tuple(sorted(missing)),
        tuple(sorted(path for path in extra if not any(parent in extra for parent in _parents(path)))),
        tuple(sorted(unreadable)),
    )


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
