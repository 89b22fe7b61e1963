"""Hiding secrets in a stream of bytes, also in base64, URL and JSON form (SPEC section 4)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from octo_ssh.model.values import Secret

MASK = b"***"
_MIN_FORM = 4
"""Bytes: shorter forms would match by chance."""
_MIN_LINE = 8
"""Bytes of a line of a secret with several lines that are hidden for themselves."""


class Masker:
    """Replaces every occurrence of the secrets by ``***``, however the stream is cut into chunks.

    Occurrences that overlap become one mask. Only a possible beginning of a secret is held back until more comes.
    Not for several streams at once: each needs its own.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms = sorted({form for secret in secrets for form in forms_of(secret)}, key=lambda form: (-len(form), form))
        self._forms = forms
        alternatives = b"|".join(map(re.escape, forms))
        self._occurrence = re.compile(b"(?=(" + alternatives + b"))") if forms else None
        self._held = b""
        self._masked = 0
        """How many bytes at the start of ``_held`` belong to a mask that was already given out."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be shown, now that ``chunk`` has come."""
        if self._occurrence is None:
            return chunk
        data = self._held + chunk
        return self._advance(data, self._first_open(data))

    def flush(self) -> bytes:
        """What was held back; the stream has ended, and the masker may be used for another."""
        data = self._held
        return self._advance(data, len(data))

    def _advance(self, data: bytes, end: int) -> bytes:
        """Give out ``data[:end]``, in which every occurrence that starts is complete."""
        shown: list[bytes] = []
        done = self._masked
        for found in self._occurrence.finditer(data) if self._occurrence else ():
            start = found.start()
            if start >= end:
                break
            if start >= done:
                shown += (data[done:start], MASK)
            done = max(done, found.end(1))
        if done < end:
            shown.append(data[done:end])
            done = end
        self._held = data[end:]
        self._masked = done - end
        return b"".join(shown)

    def _first_open(self, data: bytes) -> int:
        """The first place from which on the data could be the beginning of a secret; its length if none."""
        first = len(data)
        for form in self._forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1), first)
            while at >= 0:
                if form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1, first)
        return first


def forms_of(secret: Secret) -> set[bytes]:
    """The ways a secret is likely to be printed: as it is, line by line, in base64, URL-quoted, in JSON."""
    text = secret.reveal()
    raw = text.encode("utf-8", "surrogateescape")
    forms = {raw, raw.replace(b"\n", b"\r\n")}
    forms |= {line.strip() for line in raw.splitlines() if len(line.strip()) >= _MIN_LINE}
    for ascii_only in (True, False):
        forms.add(json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape"))
    for quoted in (quote(raw, safe=""), quote(raw, safe="/"), quote_plus(raw)):
        forms |= {quoted.encode(), re.sub("%..", lambda code: code[0].lower(), quoted).encode()}
    for offset in range(3):
        for encoded in _base64_at(raw, offset):
            forms |= {encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in forms if len(form) >= _MIN_FORM}


def _base64_at(raw: bytes, offset: int) -> tuple[bytes, ...]:
    """The base64 of whatever holds ``raw``, beginning ``offset`` bytes into a group of three: the characters that
    depend on nothing else. At offset 0 also the form that ends with ``raw``."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    first = (0, 2, 3)[offset]
    last = (offset + len(raw)) * 8 // 6
    inner = encoded[first:last]
    return (inner, encoded[first:].rstrip(b"="), encoded[first:]) if last < len(encoded) else (inner,)
