"""Masking: whatever form a secret is printed in, and however the stream is cut."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.masking import MASK, Masker, base64_forms_of, forms_of
from octo_ssh.model.values import Secret

TEXT = 'p@ss "wörd"/\\x'


def mask(data: bytes, *secrets: str) -> bytes:
    masker = Masker(map(Secret, secrets))
    return masker.feed(data) + masker.flush()


@pytest.mark.parametrize(
    ("data", "secrets", "shown"),
    [
        (b"nothing to hide", (), b"nothing to hide"),
        (b"pw=hunter22.", ("hunter22",), b"pw=***."),
        (b"hunter22hunter22", ("hunter22",), b"******"),
        (b"hunter2", ("hunter22",), b"hunter2"),
        (b"hunter2222", ("hunter22", "hunter2222"), b"***"),
        (b"abcdefg", ("abcd", "cdefg"), b"***"),
        (b"ababababab.", ("abab",), b"***."),
        (b"xabcdabcy", ("abcdabc", "bcda"), b"x***y"),
    ],
)
def test_occurrences_become_masks(data: bytes, secrets: tuple[str, ...], shown: bytes) -> None:
    assert mask(data, *secrets) == shown


@pytest.mark.parametrize(
    "form",
    [
        TEXT.encode(),
        json.dumps(TEXT).encode()[1:-1],
        json.dumps(TEXT, ensure_ascii=False).encode()[1:-1],
        quote(TEXT).encode(),
        quote(TEXT, safe="").encode(),
        quote_plus(TEXT).encode(),
        quote(TEXT, safe="").lower().encode(),
        base64.b64encode(TEXT.encode()),
        base64.urlsafe_b64encode(TEXT.encode()).rstrip(b"="),
    ],
)
def test_every_form_is_masked(form: bytes) -> None:
    assert mask(b"<" + form + b">", TEXT) == b"<" + MASK + b">"


@given(st.binary(max_size=9), st.text(min_size=4, max_size=30), st.binary(max_size=9))
def test_base64_of_whatever_holds_the_secret_does_not_hold_it(before: bytes, text: str, after: bytes) -> None:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + raw + after)
        shown = mask(encoded, text)
        assert MASK in shown
        visible = sum(len(part) for part in shown.split(MASK))
        assert visible <= (len(before) + len(after)) * 4 / 3 + 8


def test_lines_of_a_long_secret_are_masked_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nshort\n-----END KEY-----"
    assert mask(b"> MIIEpAIBAAKCAQEA\r\n> short\n", key) == b"> ***\r\n> short\n"
    assert mask(key.replace("\n", "\r\n").encode(), key) == b"***"


def test_only_a_possible_beginning_is_held_back() -> None:
    masker = Masker([Secret("hunter22")])
    assert masker.feed(b"Password: ") == b"Password: "
    assert masker.feed(b"the h") == b"the "
    assert masker.feed(b"ouse, hunt") == b"house, "
    assert masker.feed(b"er2") == b""
    assert masker.feed(b"2!") == b"***!"
    assert masker.feed(b"hunter2") == b""
    assert masker.flush() == b"hunter2"
    assert masker.feed(b"2") == b"2"


def test_a_mask_is_shown_as_soon_as_it_is_certain() -> None:
    masker = Masker([Secret("abab")])
    assert masker.feed(b"abab") == b"***"
    assert masker.feed(b"ab") == b""
    assert masker.feed(b"a") == b""
    assert masker.feed(b"x") == b"ax"


def reference(data: bytes, secrets: list[str]) -> bytes:
    """Every occurrence of every form, the slow way; base64 also with line breaks after any character."""
    spans = [
        (start, start + len(form))
        for text in secrets
        for form in forms_of(Secret(text))
        for start in range(len(data))
        if data.startswith(form, start)
    ]
    for form in (form for text in secrets for form in base64_forms_of(Secret(text))):
        broken = rb"(?:\r?\n[ \t]*)?".join(re.escape(form[at : at + 1]) for at in range(len(form)))
        spans += [found.span(1) for found in re.finditer(b"(?=(" + broken + b"))", data)]
    spans.sort()
    shown, done = b"", 0
    for start, end in spans:
        if start >= done:
            shown += data[done:start] + MASK
        done = max(done, end)
    return shown + data[done:]


def wrapped(encoded: bytes, columns: int, newline: bytes) -> bytes:
    return newline.join(encoded[at : at + columns] for at in range(0, len(encoded), columns)) + newline


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n    "])
@pytest.mark.parametrize("columns", [64, 76])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_wrapped_base64_of_whatever_holds_the_secret_does_not_hold_it(newline: bytes, columns: int, size: int) -> None:
    secret = "a token that is neither very short nor of one line only, a little longer than 76 bytes"
    for before in range(60):
        stream = b"> " + wrapped(base64.b64encode(b"x" * before + secret.encode() + b"y" * 30), columns, newline)
        masker = Masker([Secret(secret)])
        shown = b"".join(masker.feed(stream[at : at + size]) for at in range(0, len(stream), size)) + masker.flush()
        assert shown.count(MASK) == 1
        assert len(shown) <= (before + 30) * 4 / 3 + 16 + 5 * len(newline)


def test_a_line_break_in_other_text_hides_nothing_and_is_kept() -> None:
    assert mask(b"hun\nter22 and hunter22\r\n", "hunter22") == b"hun\nter22 and ***\r\n"


PIECES = st.lists(
    st.sampled_from(["YWJ", "YWJj", "ZGVm", "YWJjZGVm", "\n", "\r", "\r\n", "  ", "abc", "def"]), max_size=14
)


@given(PIECES, st.data())
def test_however_wrapped_base64_is_cut_the_result_is_the_same(pieces: list[str], data: st.DataObject) -> None:
    stream = "".join(pieces).encode()
    masker, shown, rest = Masker([Secret("abcdef")]), b"", stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        shown += masker.feed(rest[:size])
        rest = rest[size:]
    assert shown + masker.flush() == reference(stream, ["abcdef"])


SECRETS = st.lists(st.text(alphabet="ab%\n", min_size=4, max_size=8), min_size=1, max_size=3)


@given(SECRETS, st.lists(st.text(alphabet="ab%\n", max_size=12), max_size=8), st.data())
def test_however_the_stream_is_cut_the_result_is_the_same(
    secrets: list[str], pieces: list[str], data: st.DataObject
) -> None:
    woven = [piece for pair in zip(pieces, secrets * len(pieces), strict=False) for piece in pair]
    stream = "".join(woven).encode()
    masker, shown, rest = Masker(map(Secret, secrets)), b"", stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        shown += masker.feed(rest[:size])
        rest = rest[size:]
    shown += masker.flush()
    assert shown == reference(stream, secrets)


@given(SECRETS, st.lists(st.binary(max_size=6), max_size=6))
def test_no_byte_is_held_back_that_could_not_begin_a_secret(secrets: list[str], chunks: list[bytes]) -> None:
    masker = Masker(map(Secret, secrets))
    forms = [form for text in secrets for form in forms_of(Secret(text))]
    for chunk in chunks:
        masker.feed(chunk)
        held = masker._held
        unbroken = re.sub(rb"\r?\n[ \t]*|\r\Z", b"", held)
        assert held == b"" or any(form.startswith((held, unbroken)) and form != held for form in forms)
