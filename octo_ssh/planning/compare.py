"""A release folder as it should be against as it is."""

from __future__ import annotations

from dataclasses import dataclass

from octo_ssh.model.drift import Expected
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.observed import Tree
from octo_ssh.planning.expected import Mark, outermost, parent_of, parents_of


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


def _nothing_is_expected(path: str) -> Expected | None:
    return None


def compare(wanted: Manifest, tree: Tree, mark: Mark = _nothing_is_expected) -> Comparison:
    """Kind, mode, size, content and link target of every entry. Of what differs, that which ``mark`` covers is left
    out, with all that is in it.
    """
    changed: set[str] = set()
    missing: set[str] = set()
    unreadable = {path for path in tree.unreadable if path in wanted.entries or path in tree.entries}
    for path, entry in wanted.entries.items():
        if path in tree.unreadable:
            continue
        if path not in tree.entries:
            (unreadable if is_hidden(path, tree) else missing).add(path)
        elif tree.entries[path] != entry:
            changed.add(path)
    covered = {path for path in changed if mark(path) is not None}
    for path in sorted(missing):  # folders before what is in them
        if mark(path) is not None or parent_of(path) in covered:
            covered.add(path)
    return Comparison(
        tuple(sorted(changed - covered)),
        tuple(sorted(missing - covered)),
        tuple(path for path, expected in outermost(extra_of(wanted, tree), mark) if expected is None),
        tuple(sorted(unreadable)),
    )


def extra_of(wanted: Manifest, tree: Tree) -> list[str]:
    """Entries that nobody packaged; those in a folder that should be none are that folder's matter."""
    return [
        path
        for path in tree.entries
        if path not in wanted.entries
        and all(above not in wanted.entries or wanted.entries[above].kind is Kind.DIR for above in parents_of(path))
    ]


def is_hidden(path: str, tree: Tree) -> bool:
    """An entry that was not listed may be there all the same: a folder above it could not be read."""
    return "." in tree.unreadable or any(above in tree.unreadable for above in parents_of(path))
