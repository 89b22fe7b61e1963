"""Framing: what is sent is what a shell reads, and a reply is read the same however it is cut."""

from __future__ import annotations

import hashlib
import itertools
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.program import Program, Reply, Sudo
from octo_ssh.model.wire import ReplyParser, program_text, quoted, sudo_text

NONCE = "0123456789abcdef0123456789abcdef"
NAMES = st.sampled_from(["facts", "place", "sums"])


def show(words: tuple[str, ...]) -> Program[Reply]:
    return Program("show", "printf '%s\\0' \"$@\"", words, lambda reply: reply)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_words_reach_the_program_byte_by_byte(words: list[str]) -> None:
    text = program_text(show(tuple(words)), NONCE)
    seen = subprocess.run(["sh", "-s"], input=text, capture_output=True, check=True).stdout
    assert seen.split(b"\0")[:-1] == [NONCE.encode(), *(word.encode() for word in words)]


def test_the_first_line_tells_lengths_and_digest_of_what_follows() -> None:
    text = program_text(show(("a\nb", "c")), NONCE)
    first, rest = text.split(b"\n", 1)
    mark, name, params, block, digest = first.split()
    assert (mark, name) == (b"#", b"octo-ssh")
    assert len(rest) == int(params) + int(block)
    assert hashlib.sha256(rest[int(params) :]).hexdigest().encode() == digest


def test_the_block_is_the_same_for_all_words() -> None:
    digests = {program_text(show((word,)), NONCE).split(b"\n", 1)[0].split()[4] for word in ("a", "b c", "'")}
    assert len(digests) == 1


def test_a_user_is_only_ever_a_word() -> None:
    text = sudo_text(Sudo("$(touch /tmp/x); 'y"), NONCE)
    assert b"set -- '" + NONCE.encode() + b"' '$(touch /tmp/x); '\\''y' ''\n" in text


@pytest.mark.parametrize("word", ["a\0b", "x" * 200_000])
def test_what_cannot_be_a_word_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|bytes"):
        program_text(show((word,)), NONCE)


def test_bytes_that_are_not_utf8_come_back() -> None:
    assert quoted(b"\xff'\xfe".decode("utf-8", "surrogateescape")) == b"'\xff'\\''\xfe'"


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


CONTENT = st.one_of(
    st.binary(max_size=60), st.sampled_from([NONCE.encode(), NONCE.encode()[:20], b"\n" + NONCE.encode()[:31]])
)


@given(
    noise=st.binary(max_size=80),
    sections=st.lists(st.tuples(NAMES, CONTENT), max_size=5),
    output=st.lists(CONTENT, max_size=4),
    status=st.integers(0, 255),
    at=st.lists(st.integers(0, 2000), max_size=30),
)
def test_a_reply_is_read_the_same_however_it_is_cut(
    noise: bytes, sections: list[tuple[str, bytes]], output: list[bytes], status: int, at: list[int]
) -> None:
    mark = NONCE.encode() + b" "
    data = noise + mark + b"up\n"
    for name, content in sections:
        data += mark + name.encode() + b"\n" + content
    data += mark + b"output\n" + b"".join(output) + mark + f"end {status}\n".encode() + b"after the end"
    heard: list[bytes] = []
    parser = ReplyParser(NONCE, heard.append)
    for chunk in cut(data, at):
        parser.feed(chunk)
    assert parser.reply() == Reply(status, tuple(sections))
    assert b"".join(heard) == b"".join(output)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_nonsense_is_no_reply(data: bytes, at: list[int]) -> None:
    parser = ReplyParser(NONCE)
    for chunk in cut(data, at):
        parser.feed(chunk)
    assert not parser.is_up
    with pytest.raises(ValueError, match="not ended"):
        parser.reply()


@pytest.mark.parametrize(
    "marker", [b"Facts\n", b"end 1000\n", b"end\n", b"end x\n", b"\n", b"../x\n", b"a" * 100 + b"\n", b"x" * 200]
)
def test_a_marker_that_no_program_of_ours_prints_is_refused(marker: bytes) -> None:
    parser = ReplyParser(NONCE)
    with pytest.raises(ValueError, match="marker"):
        parser.feed(f"{NONCE} up\n{NONCE} ".encode() + marker)


def test_a_reply_without_end_is_cut_at_its_bound_but_output_is_not() -> None:
    heard: list[int] = []
    parser = ReplyParser(NONCE, lambda data: heard.append(len(data)), max_bytes=3000)
    parser.feed(f"{NONCE} up\n{NONCE} output\n".encode())
    for _ in range(10):
        parser.feed(b"x" * 900)
    parser.feed(f"{NONCE} facts\n".encode() + b"x" * 900)
    with pytest.raises(ValueError, match="larger than 3000 bytes"):
        parser.feed(b"x" * 900)
    assert sum(heard) == 9000


def test_empty_sections_without_end_are_cut_too() -> None:
    parser = ReplyParser(NONCE, max_bytes=12_000)
    parser.feed(f"{NONCE} up\n".encode())
    parser.feed(f"{NONCE} a\n".encode() * 12)
    with pytest.raises(ValueError, match="larger than 12000 bytes"):
        parser.feed(f"{NONCE} a\n".encode())


def test_a_line_of_output_is_handed_on_at_once() -> None:
    heard: list[bytes] = []
    parser = ReplyParser(NONCE, heard.append)
    parser.feed(f"{NONCE} up\n{NONCE} output\none\n".encode())
    assert heard == [b"one\n"]


MARK = "0123456789abcdefXXXXXXXXXXXXXXXX"  # begins as the nonce does
OUTPUT = st.one_of(st.binary(max_size=60), st.sampled_from([MARK.encode(), MARK.encode()[:20], NONCE.encode()[:31]]))


@given(output=st.lists(OUTPUT, max_size=4), at=st.lists(st.integers(0, 600), max_size=30), own=st.booleans())
def test_markers_of_a_file_that_is_handed_on_count_as_well(output: list[bytes], at: list[int], own: bool) -> None:
    data = f"{NONCE} up\n{NONCE} output\n".encode() + b"".join(output)
    data += f"{MARK} survivors\n1 x\n{NONCE if own else MARK} lost\n{MARK} end 0\n".encode()
    heard: list[bytes] = []
    parser = ReplyParser(NONCE, heard.append, mark=MARK)
    for chunk in cut(data, at):
        parser.feed(chunk)
    assert parser.reply() == Reply(0, (("survivors", b"1 x\n"), ("lost", b"")))
    assert b"".join(heard) == b"".join(output)


@given(output=st.lists(OUTPUT, max_size=4), at=st.integers(0, 400))
def test_no_byte_of_a_marker_is_ever_output(output: list[bytes], at: int) -> None:
    whole = b"".join(output)
    stream = f"{NONCE} up\n{NONCE} output\n".encode() + whole + f"{MARK} ended\n".encode()
    heard: list[bytes] = []
    parser = ReplyParser(NONCE, heard.append, mark=MARK)
    parser.feed(stream[:at])
    assert whole.startswith(b"".join(heard))  # so that one may go on at the byte behind it


def test_only_ones_own_nonce_says_that_a_program_is_up() -> None:
    parser = ReplyParser(NONCE, mark=MARK)
    parser.feed(f"{MARK} up\n{MARK} end 0\n".encode())
    assert not parser.is_up
    assert not parser.ended
