"""A release folder as it should be against as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.model.observed import Tree
from octo_ssh.planning.compare import Comparison, compare
from tests.unit.planning.builders import tree_of

WANTED = tree_of({"a/b/c": "c", "d": "d"})
LINK = Entry("d", Kind.LINK, target="a")


def seen(**changes: Entry | None) -> Tree:
    entries = {**WANTED.entries, **{path.replace("_", "/"): entry for path, entry in changes.items()}}
    return Tree({path: entry for path, entry in entries.items() if entry is not None})


def test_the_same_tree_is_whole() -> None:
    assert compare(WANTED, Tree(WANTED.entries)) == Comparison()
    assert Comparison().is_whole


@pytest.mark.parametrize(
    "entry",
    [
        replace(WANTED.entries["d"], mode=0o600),
        replace(WANTED.entries["d"], size=5),
        replace(WANTED.entries["d"], sha256="1" * 64),
        LINK,
        Entry("d", Kind.DIR, 0o755),
        Entry("d", Kind.OTHER),
    ],
)
def test_kind_mode_size_and_content_count(entry: Entry) -> None:
    assert compare(WANTED, seen(d=entry)).changed == ("d",)


def test_where_a_link_points_counts() -> None:
    wanted = replace(WANTED, entries={**WANTED.entries, "d": LINK})
    assert compare(wanted, seen(d=replace(LINK, target="b"))).changed == ("d",)


def test_what_is_not_there_is_missing() -> None:
    found = compare(WANTED, seen(d=None))
    assert (found.missing, found.is_whole, found.damaged) == (("d",), False, ("d",))


def test_of_an_extra_folder_only_the_folder_is_named() -> None:
    found = compare(
        WANTED, seen(x=Entry("x", Kind.DIR, 0o755), x_y=Entry("x/y", Kind.FILE), a_z=Entry("a/z", Kind.FILE))
    )
    assert (found.extra, found.is_whole) == (("a/z", "x"), True)


def test_what_lies_in_an_unreadable_folder_is_unreadable_and_not_missing() -> None:
    entries = {"a": WANTED.entries["a"], "d": WANTED.entries["d"]}
    found = compare(WANTED, Tree(entries, frozenset({"a"})))
    assert (found.unreadable, found.missing, found.changed) == (("a", "a/b", "a/b/c"), (), ())
    assert not found.is_whole
