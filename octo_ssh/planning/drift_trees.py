"""A release folder against its manifest, entry by entry and in words: what drift says of a package's files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from octo_ssh.model.drift import Expected, FindingKind
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import MAX_OWNERS, PackageBaseline, Tree
from octo_ssh.planning.compare import extra_of, is_hidden
from octo_ssh.planning.drift_verdict import GONE, Verdict, listed
from octo_ssh.planning.expected import outermost, parents_of

TOP = "."
"""The release folder itself."""
_TOP_MODE = 0o755
"""As every release folder is made."""
_SET_GROUP_ID = 0o2000
"""A folder may have it from the one it lies in."""
_WORDS = {Kind.FILE: "file", Kind.DIR: "folder", Kind.LINK: "link", Kind.OTHER: "neither file, folder nor link"}


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose the entries should be."""

    usual: str = ""
    """``uid:gid``; empty: not known, and nothing is compared."""
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, left: PackageBaseline) -> Owners:
        return cls(left.owner, left.owners)

    def should_be(self, path: str) -> str:
        """Empty: nobody wrote it down."""
        if path in self.others:
            return self.others[path]
        is_complete = len(self.others) < MAX_OWNERS or path == TOP
        return self.usual if is_complete else ""


@dataclass(frozen=True, slots=True)
class TreeCheck:
    """A folder against what it should hold. Where a folder in it is missing, new or no folder any more, what should be
    in it, or is, is not named beside it.
    """

    verdict: Verdict
    wanted: Manifest
    tree: Tree
    owners: Owners = field(default_factory=Owners)
    shared: Collection[str] = ()
    """Paths that are links to what all releases share."""
    untold: Collection[str] = ()
    """Files whose content in ``wanted`` means nothing."""

    def add(self) -> None:
        """Tell the verdict everything that differs, and what could not be read."""
        missing: list[str] = []
        replaced: set[str] = set()
        for path, entry in self.wanted.entries.items():
            seen = self.tree.entries.get(path)
            if seen is None:
                if path not in self.tree.unreadable and not is_hidden(path, self.tree):
                    missing.append(path)
            elif seen.kind is not entry.kind:
                replaced.add(path)
                self._differs(FindingKind.KIND, path, _WORDS[entry.kind], _word(seen))
            elif seen != entry:
                self._entry(entry, seen)
        mark = self.verdict.mark
        gone = (path for path in missing if replaced.isdisjoint(parents_of(path)))
        for path, expected in outermost(gone, mark):
            self._within(FindingKind.MISSING, path, _WORDS[self.wanted.entries[path].kind], GONE, expected)
        for path, expected in outermost(extra_of(self.wanted, self.tree), mark):
            self._within(FindingKind.EXTRA, path, "", _word(self.tree.entries[path]), expected)
        if self.tree.mode is not None and self.tree.mode & ~_SET_GROUP_ID != _TOP_MODE:
            self.verdict.differs(FindingKind.MODE, TOP, f"{_TOP_MODE:04o}", f"{self.tree.mode:04o}")
        self._whose(replaced)
        self._unread()

    def _entry(self, entry: Entry, seen: Entry) -> None:
        """Of one kind, and yet not the same."""
        path = entry.path
        if entry.kind is Kind.FILE and path not in self.untold:
            if seen.size != entry.size:
                self._differs(FindingKind.CONTENT, path, f"{entry.size} bytes", f"{seen.size} bytes")
            elif seen.sha256 != entry.sha256 and path not in self.tree.unreadable:
                self._differs(FindingKind.CONTENT, path)
        if seen.mode != entry.mode:
            self._differs(FindingKind.MODE, path, f"{entry.mode:04o}", f"{seen.mode:04o}")
        if seen.target != entry.target:
            self._differs(FindingKind.LINK, path, entry.target, seen.target)

    def _differs(self, kind: FindingKind, path: str, was: str = "", now: str = "") -> None:
        self._within(kind, path, was, now, self.verdict.mark(path))

    def _within(self, kind: FindingKind, path: str, was: str, now: str, expected: Expected | None) -> None:
        self.verdict.within(FindingKind.SHARED if path in self.shared else kind, path, was, now, expected)

    def _whose(self, replaced: Collection[str]) -> None:
        usual, others = self.owners.usual, self.owners.others
        for path, now in self.tree.owners.items() if usual else ():
            if now == usual and path not in others:
                continue
            if path != TOP and (path not in self.wanted.entries or path in replaced):
                continue
            was = self.owners.should_be(path)
            if was and now != was:
                self.verdict.differs(FindingKind.OWNER, path, was, now)

    def _unread(self) -> None:
        if TOP in self.tree.unreadable:
            self.verdict.unknown.append("the release folder may not be read")
            return
        closed = [
            path for path in self.tree.unreadable if path in self.wanted.entries and not self.verdict.expects(path)
        ]
        if closed:
            self.verdict.unknown.append(f"{listed(sorted(closed))} may not be read")


def _word(seen: Entry) -> str:
    return f"link to {seen.target}" if seen.kind is Kind.LINK else _WORDS[seen.kind]
