"""What targets print is made fit for a terminal, whatever it is."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.output.text import Lines, clean, clean_line, last_lines

NASTY = st.text(
    alphabet=st.one_of(
        st.characters(), st.sampled_from("\x1b\x9b\x9d\x90\x07\r\n\t[]0;m\\PX^_\u202e\u2066\u2028\ud800")
    )
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\n", "plain\n"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b[38;5;196mred\x1b[m", "red"),
        (b"\x1b]0;owned\x07title", "title"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPq#0sixel\x1b\\after", "after"),
        (b"\x1b_secret\x1b\\after", "after"),
        (b"\x1b]52;c;never ends\nnext line", "\nnext line"),
        (b"\x1bcreset", "reset"),
        (b"\x1b(0line drawing", "line drawing"),
        (b"\x1b[2J\x1b[1;1Hgone", "gone"),
        (b"a\x00b\x07c\x08d\x7fe", "abcde"),
        (b"10%\r50%\r100%\n", "10%\n50%\n100%\n"),
        (b"dos\r\nline\r\n", "dos\nline\n"),
        ("\x9b31mC1\x9b0m", "C1"),
        ("\u202eevil\u202c", "evil"),
        ("a\u2066b\u2069c\u200fd", "abcd"),
        ("a\u2028b", "a\nb"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfeno", "\ufffd\ufffdno"),
        ("\udce9", "\ufffd"),
        (b"[red]not markup[/red]", "[red]not markup[/red]"),
        (b"tab\there", "tab\there"),
        (b"\x1b", ""),
        (b"\x1b[", ""),
        (b"\x1b[12", ""),
    ],
)
def test_control_sequences_do_not_reach_the_terminal(raw: bytes | str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.one_of(NASTY, st.binary()))
def test_clean_text_holds_nothing_but_printable_characters_tabs_and_newlines(raw: str | bytes) -> None:
    for char in clean(raw):
        assert char in "\n\t\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


@given(st.one_of(NASTY, st.binary()))
def test_cleaning_twice_changes_nothing(raw: str | bytes) -> None:
    assert clean(clean(raw)) == clean(raw)


@given(st.one_of(NASTY, st.binary()))
def test_clean_text_can_be_written_to_any_utf8_stream(raw: str | bytes) -> None:
    assert clean(raw).encode("utf-8").decode() == clean(raw)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(NASTY)
def test_a_clean_line_is_one_line(raw: str) -> None:
    assert "\n" not in clean_line(raw)


@given(st.binary(), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_how_the_stream_was_cut(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Lines(), Lines()
    wanted = [*whole.feed(data), *whole.finish()]
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [line for start, end in itertools.pairwise(borders) for line in pieces.feed(data[start:end])]
    assert [*found, *pieces.finish()] == wanted


def test_a_line_without_an_end_is_cut_so_that_memory_stays_bounded() -> None:
    lines = Lines()
    told = [line for _ in range(100) for line in lines.feed(b"x" * 1000)]
    assert sum(map(len, told)) > 80_000


def test_the_last_lines_leave_out_blank_ones_at_the_end() -> None:
    assert last_lines(b"one\ntwo\nthree\n\n\n", 2) == ("two", "three")
    assert last_lines(b"\n\n", 2) == ()
