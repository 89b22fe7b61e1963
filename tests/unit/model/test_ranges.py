"""Ranges in names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.ranges import MAX_NAMES, RangeError, expand, is_range


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web", ["web"]),
        ("web-[01:03]", ["web-01", "web-02", "web-03"]),
        ("web-[8:11]", ["web-8", "web-9", "web-10", "web-11"]),
        ("[008:010].x", ["008.x", "009.x", "010.x"]),
        ("r-[a:c]", ["r-a", "r-b", "r-c"]),
        ("[Y:Z]", ["Y", "Z"]),
        ("r[a:b]-[1:2]", ["ra-1", "ra-2", "rb-1", "rb-2"]),
        ("x[0:0]", ["x0"]),
    ],
)
def test_a_range_is_its_names_in_order(text: str, names: list[str]) -> None:
    assert list(expand(text)) == names


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "]",
        "a[1:2",
        "a1:2]",
        "[[1:2]]",
        "[2:1]",
        "[b:a]",
        "[a:B]",
        "[1:b]",
        "[]",
        "[1]",
        "[1:2:3]",
        "[01:100]",
        "[-1:2]",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(RangeError):
        expand(text)


@pytest.mark.parametrize("text", ["[0:999999999]", "[0:99]-[0:99]-[0:99]", f"[1:{MAX_NAMES + 1}]", "[1:9999999999999]"])
def test_absurd_ranges_are_refused_without_being_made(text: str) -> None:
    with pytest.raises(RangeError):
        expand(text)


def test_as_many_names_as_allowed_are_made() -> None:
    assert len(expand(f"[1:{MAX_NAMES}]")) == MAX_NAMES


def test_a_globs_brackets_are_no_range() -> None:
    assert is_range("web-[1:3]")
    assert not is_range("web-[13]")


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 5))
def test_a_padded_range_counts_and_keeps_its_width(first: int, count: int, width: int) -> None:
    width = max(width, len(str(first + count)))
    names = expand(f"w{first:0{width}d}".replace("w", "w[") + f":{first + count:0{width}d}]")
    assert [int(name[1:]) for name in names] == list(range(first, first + count + 1))
    assert all(len(name) == width + 1 for name in names) or not f"{first:0{width}d}".startswith("0")
