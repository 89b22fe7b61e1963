"""The forms in which programs write a secret down: what a Masker looks for (SPEC section 4).

Those of programs that quote or encode what they are given: JSON, URLs, HTML, shells that trace (``set -x``) or list
their variables, base64. Who wants to tell a secret finds another one; these are what happens by mistake.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from octo_ssh.model.values import Secret

MIN_FORM_BYTES = 4
"""Shorter forms would match by chance."""
MIN_PART_BYTES = 8
"""Of what is less than a secret as it is: a line of several, what a template made of it, one without its quotes."""
QUOTES = re.compile(rb"[\\'\"]+")
"""What programs put into a text to quote it: each does it in another way, and some do it twice."""
_JSON_HTML = (re.compile("[<>&\u2028\u2029]"), re.compile("[<>&'\u2028\u2029]"))
_CODE = re.compile(r"\\u[0-9a-f]{4}")
_JSON_CAREFUL = re.compile("[\"&'+<>`\x7f-\U0010ffff]")
_LETTERS = dict(zip(b"\a\b\t\n\v\f\r\x1b", (b"a", b"b", b"t", b"n", b"v", b"f", b"r", b"E"), strict=True))


def forms_of(secret: Secret) -> set[bytes]:
    """The ways a secret is likely to be printed: as it is, line by line, for JSON, URLs, HTML, in base64."""
    text = secret.reveal()
    raw = _raw(text)
    forms = {raw, raw.replace(b"\n", b"\r\n"), *_lines(raw)}
    forms |= {_raw(json.dumps(text, ensure_ascii=ascii_only)[1:-1]) for ascii_only in (True, False)}
    forms |= {_raw(form) for form in _html_forms(text)}
    forms |= {form.encode("ascii") for form in _url_forms(raw)}
    return {form for form in forms if len(form) >= MIN_FORM_BYTES} | base64_forms_of(secret)


def unquoted_forms_of(secret: Secret) -> set[bytes]:
    """What is left of a secret that was quoted, for JSON or a shell, when all QUOTES are taken out."""
    text = secret.reveal()
    raw = _raw(text)
    forms = {raw, *_lines(raw), *map(_raw, _json_forms(text))}
    forms |= {_ansi_c(raw, first_octal) for first_octal in (0x7F, 0x100)}
    return {left for form in forms if len(left := QUOTES.sub(b"", form)) >= MIN_PART_BYTES}


def base64_forms_of(secret: Secret) -> set[bytes]:
    """What stands in the base64 of anything that holds the secret."""
    raw = _raw(secret.reveal())
    found = {encoded for offset in range(3) for encoded in _base64_at(raw, offset)}
    found |= {encoded.replace(b"+", b"-").replace(b"/", b"_") for encoded in found}
    return {form for form in found if len(form) >= MIN_FORM_BYTES}


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _lines(raw: bytes) -> Iterator[bytes]:
    return (line.strip() for line in raw.splitlines() if len(line.strip()) >= MIN_PART_BYTES)


def _json_forms(text: str) -> Iterator[str]:
    """Programs differ in what they write as a code beside what they must, and in the case of codes."""
    for ascii_only in (True, False):
        plain = json.dumps(text, ensure_ascii=ascii_only)
        for form in (plain, *(careful.sub(_code, plain) for careful in _JSON_HTML)):
            yield form
            yield _CODE.sub(_upper, form)
    careful = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    yield _CODE.sub(_upper, _JSON_CAREFUL.sub(_code, careful))  # .NET


def _code(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def _upper(found: re.Match[str]) -> str:
    return "\\u" + found[0][2:].upper()


def _html_forms(text: str) -> Iterator[str]:
    form = html.escape(text)
    yield form
    yield form.replace("&#x27;", "&#39;")
    yield form.replace("&#x27;", "&apos;")
    yield html.escape(text, quote=False)


def _url_forms(raw: bytes) -> Iterator[str]:
    """Programs differ in what they leave as it is, and in the case of codes."""
    forms = [quote(raw, safe=safe) for safe in ("", "/", "!'()*", "!'()*;/?:@&=+$,#")]
    forms += [quote_plus(raw), quote_plus(raw, safe="*")]
    for form in (*forms, *(form.replace("~", "%7E") for form in forms)):
        yield form
        yield re.sub("%..", lambda code: code[0].lower(), form)


def _ansi_c(raw: bytes, first_octal: int) -> bytes:
    """Within ``$'…'``, its quotes and backslashes apart."""
    return b"".join(
        _LETTERS.get(byte) or (b"%03o" % byte if byte < 0x20 or byte >= first_octal else b"%c" % byte) for byte in raw
    )


def _base64_at(raw: bytes, offset: int) -> tuple[bytes, ...]:
    """The base64 of whatever holds ``raw``, beginning ``offset`` bytes into a group of three: the characters that
    depend on nothing else. At offset 0 also the form that ends with ``raw``."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    first = (0, 2, 3)[offset]
    last = (offset + len(raw)) * 8 // 6
    inner = encoded[first:last]
    return (inner, encoded[first:].rstrip(b"="), encoded[first:]) if last < len(encoded) else (inner,)
