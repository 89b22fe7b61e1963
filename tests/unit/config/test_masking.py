"""Masking: whatever form a secret is printed in, and however the stream is cut."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
import shutil
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.masking import MASK, Masker
from octo_ssh.config.secret_forms import QUOTES, base64_forms_of, forms_of, unquoted_forms_of
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


HARD = "a p@/+&<>'\"$`\\é€😀%~!*(z)#{;}"
HARD_JSON = json.dumps(HARD)


@pytest.mark.parametrize(
    "form",
    [
        HARD_JSON.replace("/", "\\/"),
        # Go's encoding/json, .NET's System.Text.Json
        r"""a p@/+\u0026\u003c\u003e'\"$`\\é€😀%~!*(z)#{;}""",
        r"""a p@/\u002B\u0026\u003C\u003E\u0027\u0022$\u0060\\\u00E9\u20AC\uD83D\uDE00%~!*(z)#{;}""",
        json.dumps(HARD_JSON),
        # encodeURIComponent, encodeURI, java.net.URLEncoder, what quotes ~ too
        "a%20p%40%2F%2B%26%3C%3E'%22%24%60%5C%C3%A9%E2%82%AC%F0%9F%98%80%25~!*(z)%23%7B%3B%7D",
        "a%20p@/+&%3C%3E'%22$%60%5C%C3%A9%E2%82%AC%F0%9F%98%80%25~!*(z)#%7B;%7D",
        "a+p%40%2F%2B%26%3C%3E%27%22%24%60%5C%C3%A9%E2%82%AC%F0%9F%98%80%25%7E%21*%28z%29%23%7B%3B%7D",
        quote(HARD, safe="").replace("~", "%7E"),
        html.escape(HARD),
        html.escape(HARD).replace("&#x27;", "&#39;"),
        html.escape(HARD, quote=False),
        shlex.quote(HARD),
    ],
)
def test_the_forms_of_many_programs_are_masked(form: str) -> None:
    shown = mask(f"<{form}>".encode(), HARD)
    assert shown.decode().strip("<>'\"\\") == "***"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("secret", [HARD, "it's\n\ttwo 'lines'", "''quotes''", "tab\there$HOME", "bell\a\x1b\x01\x7f!"])
@pytest.mark.parametrize(
    "command",
    [
        ("bash", "-xc", ': "$SECRET"; : "x$SECRET"; other="$SECRET" true'),
        ("bash", "-c", 'declare -p SECRET; export -p; printf "%q\\n" "$SECRET"; echo "${SECRET@Q}"; set; env'),
        ("bash", "-c", 'x=("$SECRET" b); declare -p x; f() { echo "$1"; }; set -x; f "$SECRET"'),
        ("dash", "-xc", ': "$SECRET"; : "x$SECRET"; other="$SECRET" true; export -p; set'),
        ("busybox", "sh", "-xc", ': "$SECRET"; export -p; set'),
        ("zsh", "-fxc", ': "$SECRET"; export -p; typeset -p SECRET; print -r -- ${(qq)SECRET} ${(q-)SECRET}'),
        ("ksh", "-xc", ': "$SECRET"; export -p; printf "%q\\n" "$SECRET"'),
    ],
    ids=lambda command: " ".join(command)[:24],
)
def test_what_shells_make_of_it_is_masked(command: tuple[str, ...], secret: str, locale: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    if command[0] in ("zsh", "ksh") and ("\a" in secret or (locale == "C" and not secret.isascii())):
        pytest.skip("they write such characters as nobody else does")
    secret = f"begin of it {secret} end of it"
    env = {"PATH": os.environ["PATH"], "LC_ALL": locale, "SECRET": secret}
    done = subprocess.run(command, env=env, capture_output=True, check=False)
    said = done.stdout + done.stderr
    assert b"begin of it" in said or rb"begin\ of\ it" in said
    shown = mask(said, secret)
    for part in (b"begin", b"end of it", rb"end\ of\ it"):
        assert part not in shown, shown


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


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"it is correct-horse-bat", b"it is ***"),
        (b"it is correct-hor", b"it is ***"),
        (b"it is correct-", b"it is ***"),
        (b"it is correct", b"it is correct"),
        (b"it is correct-horse!", b"it is correct-horse!"),
        (base64.b64encode(b"user:correct-horse-battery")[:-12], b"dXNlcjp***"),
        (b"'correct'-'horse", b"'***"),
        (b"corr\x1b[1mect-horse\x1b[", b"***"),
        (b"correct-horse-battery-staple correct-horse", b"*** ***"),
    ],
)
def test_at_the_end_a_long_beginning_of_a_secret_is_hidden(data: bytes, shown: bytes) -> None:
    for size in (1, 5, 100):
        masker = Masker([Secret("correct-horse-battery-staple")])
        fed = b"".join(masker.feed(data[at : at + size]) for at in range(0, len(data), size))
        assert fed + masker.flush() == shown


def test_a_mask_is_shown_as_soon_as_it_is_certain() -> None:
    masker = Masker([Secret("abab")])
    assert masker.feed(b"abab") == b"***"
    assert masker.feed(b"ab") == b""
    assert masker.feed(b"a") == b""
    assert masker.feed(b"x") == b"ax"


UNSEEN = rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][a-z]*\x07|\x1b[ -/]*[0-Z\\^-~]|[\x00-\x08]"


BREAK = rb"(?<=[A-Za-z0-9+/_-])(?:\r?\n[ \t]*|\r\Z)"


def reference(data: bytes, secrets: list[str]) -> bytes:
    """Every occurrence of every form, the slow way; base64 also with line breaks after any character, everything with
    control sequences there, or with quotes; and at the end, the beginning of one.
    """
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
    for form in (form for text in secrets for form in forms_of(Secret(text))):
        painted = (b"(?:" + UNSEEN + b")*").join(re.escape(form[at : at + 1]) for at in range(len(form)))
        spans += [found.span(1) for found in re.finditer(b"(?=(" + painted + b"))", data)]
    for form in (form for text in secrets for form in unquoted_forms_of(Secret(text))):
        quoted = (QUOTES.pattern[:-1] + b"*").join(re.escape(form[at : at + 1]) for at in range(len(form)))
        spans += [found.span(1) for found in re.finditer(b"(?=(" + quoted + b"))", data)]
    for kind, unseen in ((forms_of, None), (forms_of, UNSEEN), (base64_forms_of, BREAK), (unquoted_forms_of, QUOTES)):
        forms = {form for text in secrets for form in kind(Secret(text))}
        gone = [found.span() for found in re.finditer(unseen, data)] if unseen else []
        places = [at for at in range(len(data)) if not any(start <= at < end for start, end in gone)]
        view = bytes(data[at] for at in places)
        starts = [
            at for at in range(len(view) - 7) if any(form.startswith(view[at:]) and form != view[at:] for form in forms)
        ]
        spans += [(places[at], len(data)) for at in starts[:1]]
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


PAINTED = st.lists(
    st.sampled_from(
        ["ab", "c", "abcd", "d", "\x1b[1;31m", "\x1b[", "\x1b", "[", "0", "m", "\x1b]title\x07", "\0", "\n"]
    ),
    max_size=12,
)


QUOTED = st.lists(st.sampled_from(["ab", "abcd", "ef'gh", "efgh", "'", '"', "\\", "'\\''", " "]), max_size=12)


@given(QUOTED, st.data())
def test_however_a_quoted_secret_is_cut_the_result_is_the_same(pieces: list[str], data: st.DataObject) -> None:
    stream = "".join(pieces).encode()
    masker, shown, rest = Masker([Secret("abcdef'gh")]), b"", stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        shown += masker.feed(rest[:size])
        rest = rest[size:]
    assert shown + masker.flush() == reference(stream, ["abcdef'gh"])


@given(PAINTED, st.data())
def test_however_a_painted_secret_is_cut_the_result_is_the_same(pieces: list[str], data: st.DataObject) -> None:
    stream = "".join(pieces).encode()
    masker, shown, rest = Masker([Secret("abcd")]), b"", stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        shown += masker.feed(rest[:size])
        rest = rest[size:]
    assert shown + masker.flush() == reference(stream, ["abcd"])


def test_colours_inside_of_a_secret_do_not_show_it_and_others_stay() -> None:
    painted = b"\x1b[1mred\x1b[0m: hun\x1b[01;31m\x1b[Kter\x1b[m\x1b[K22\x1b[0m."
    assert mask(painted, "hunter22") == b"\x1b[1mred\x1b[0m: ***\x1b[0m."


def test_a_masker_that_learns_of_a_secret_goes_on_where_it_is() -> None:
    masker = Masker([Secret("hunter22")])
    assert masker.feed(b"a hunt") == b"a "
    masker = masker.renewed([Secret("hunter22"), Secret("er22-and-more"), Secret("22-and")])
    assert masker.feed(b"er22-and") == b"***"
    assert masker.feed(b"-less, ") == b"-less, "
    masker = masker.renewed([Secret("other")])
    assert masker.feed(b"hunter22 other") + masker.flush() == b"hunter22 ***"


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
        bare = re.sub(UNSEEN + rb"|[\x0e-\x1f\x7f]|\xc2\x9b|\x1b.*", b"", held, flags=re.DOTALL)
        forms_left = [form for text in secrets for form in unquoted_forms_of(Secret(text))]
        unquoted = QUOTES.sub(b"", held)
        assert (
            held == b""
            or any(form.startswith((held, unbroken, bare)) and form != held for form in forms)
            or any(form.startswith(unquoted) and form != held for form in forms_left)
        )
