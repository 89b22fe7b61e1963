"""Differences as people read them: bounded, without secrets."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.values import Secret
from octo_ssh.planning.diffs import MAX_BYTES, MAX_LINES, content_diff

TOKEN = Secret("s3cret-token")


def diff(old: str | bytes, new: str, *secrets: Secret, hides_old: bool = False) -> list[str]:
    raw = old if isinstance(old, bytes) else old.encode()
    return list(content_diff(raw, new, secrets, hides_old=hides_old))


def test_a_difference_is_a_unified_diff_without_names() -> None:
    old = "".join(f"{number}\n" for number in range(1, 10))
    new = old.replace("5\n", "five\n").replace("9\n", "")
    assert diff(old, new) == ["@@ -2,8 +2,7 @@", " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8", "-9"]


def test_a_new_file_is_all_added() -> None:
    assert diff("", "a\nb\n") == ["@@ -0,0 +1,2 @@", "+a", "+b"]


def test_a_last_line_without_a_newline_is_another_line() -> None:
    assert diff("a\n", "a") == ["@@ -1 +1 @@", "-a", "+a", "\\ no newline at the end"]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_it_tells_what_difflib_tells(old: list[str], new: list[str]) -> None:
    told = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    lines = ["".join(f"{line}\n" for line in text) for text in (old, new)]
    assert diff(lines[0], lines[1]) == told


def test_binary_and_large_contents_have_none() -> None:
    assert diff(b"a\0", "b") == diff(b"\xff", "b") == diff("b", "a\0") == diff("b", "\udcff") == []
    assert diff("", "a" * MAX_BYTES + "\n") == diff("a\n" * 20_000, "b\n") == []


def test_a_long_difference_is_cut_and_says_so() -> None:
    told = diff("", "".join(f"{number}\n" for number in range(500)))
    assert len(told) == MAX_LINES + 1
    assert told[-1] == f"… {501 - MAX_LINES} more lines"


def test_a_long_line_is_cut() -> None:
    assert [len(line) for line in diff("", "a" * 5000 + "\n")] == [len("@@ -0,0 +1 @@"), 402]


def test_secrets_are_masked_in_whatever_line_they_stand() -> None:
    told = diff("user=me\ntoken=s3cret-token\n", "user=you\ntoken=s3cret-token\n", TOKEN)
    assert told == ["@@ -1,2 +1,2 @@", "-user=me", "+user=you", " token=***"]


def test_the_short_lines_of_a_secret_of_several_lines_are_masked_too() -> None:
    pem = Secret("-----BEGIN KEY-----\nAbCdEfGhIjKl\nQQ==\n-----END KEY-----")
    told = diff("", f"key:\n{pem.reveal()}\nend\n", pem)
    assert told == ["@@ -0,0 +1,6 @@", "+key:", "+***", "+***", "+***", "+***", "+end"]


def test_old_lines_that_may_hold_a_secret_are_counted_and_not_shown() -> None:
    told = diff("a\nold1\nold2\nb\n", "a\nnew\nb\n", hides_old=True)
    assert told == [
        "@@ -1,4 +1,3 @@",
        " a",
        "-(2 lines not shown: the old content may hold a secret)",
        "+new",
        " b",
    ]


@given(
    st.lists(st.sampled_from(["x", "old-secret", "s3cret-token", "y=s3cret-token;"])),
    st.lists(st.sampled_from(["x", "s3cret-token", "y=s3cret-token;", "z"])),
)
def test_no_secret_is_ever_in_it(old: list[str], new: list[str]) -> None:
    told = "\n".join(diff("\n".join(old), "\n".join(new), TOKEN, hides_old=True))
    assert "s3cret" not in told
    assert "old-secret" not in told
