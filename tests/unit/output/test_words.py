"""Numbers, names and times in the one voice of all views."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.output.words import amount, clock, cut, duration, fold, listed, natural, size, span


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([], ""),
        (["web-01"], "web-01"),
        (["web-01", "web-02"], "web-01, web-02"),
        ([f"web-{n:02d}" for n in range(1, 21)], "web-01 … web-20"),
        (["web-01", "web-02", "web-03", "web-05", "db"], "web-01 … web-03, web-05, db"),
        (["w9", "w10", "w11"], "w9 … w11"),
        (["w09", "w10", "w11"], "w09 … w11"),
        (["w09", "w010", "w011"], "w09, w010, w011"),
        (["a1.x", "a2.x", "a3.x", "a4.y"], "a1.x … a3.x, a4.y"),
        (["web-03", "web-02", "web-01"], "web-03, web-02, web-01"),
    ],
)
def test_names_that_count_up_are_folded(names: list[str], folded: str) -> None:
    assert fold(names) == folded


@given(st.lists(st.from_regex(r"[a-z]{1,3}-?[0-9]{0,3}", fullmatch=True)))
def test_folding_keeps_first_and_last_of_every_run(names: list[str]) -> None:
    told = [part for piece in fold(names).split(", ") for part in piece.split(" … ")]
    assert set(told) <= {*names, ""}
    assert len(told) <= max(1, len(names))


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (56_000_000, "56.0 MB"),
        (999_600, "1.0 MB"),
        (123_456_789, "123 MB"),
    ],
)
def test_sizes_read_in_powers_of_a_thousand(count: int, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_small_words() -> None:
    assert amount(1, "target") == "1 target"
    assert amount(1234, "canary", "canaries") == "1,234 canaries"
    assert (span(5.0), span(0.2), span(90)) == ("5 s", "0.2 s", "1 min 30 s")
    assert clock(41) == "0:41"
    assert clock(3723) == "1:02:03"
    assert cut("abcdef", 4) == "abc…"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


@given(st.lists(st.integers(0, 10**20), unique=True), st.sampled_from(["web-{}", "{}", "w{}.eu-2"]))
def test_numbers_in_names_sort_as_numbers(numbers: list[int], form: str) -> None:
    small = [number for number in numbers if number < 10**15]
    assert sorted(map(form.format, small), key=natural) == [form.format(number) for number in sorted(small)]
    sorted(map(form.format, numbers), key=natural)


@given(st.lists(st.text(st.sampled_from("ab-0129²٣"), max_size=8)))
def test_any_names_have_an_order(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural)) == sorted(names)
