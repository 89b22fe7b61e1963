"""Hiding secrets in a stream of bytes, also in base64, URL and JSON form (SPEC section 4)."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus

from octo_ssh.model.values import Secret

MASK = b"***"
_MIN_FORM = 4
"""Bytes: shorter forms would match by chance."""
_BREAK = re.compile(rb"(?<=[A-Za-z0-9+/_-])(?:\r?\n[ \t]*|\r\Z)")
"""A line break inside base64: at the end of a chunk, its half."""
_MIN_LINE = 8
"""Bytes of a line of a secret with several lines that are hidden for themselves."""


class Masker:
    """Replaces every occurrence of the secrets by ``***``, however the stream is cut into chunks.

    Occurrences that overlap become one mask; base64 is seen through its line breaks too. Only a possible beginning of
    a secret is held back until more comes. Not for several streams at once: each needs its own.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = list(secrets)
        self._literal = _Forms(form for secret in texts for form in forms_of(secret))
        self._wrapped = _Forms(form for secret in texts for form in base64_forms_of(secret))
        self._held = b""
        self._masked = 0
        """How many bytes at the start of ``_held`` belong to a mask that was already given out."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be shown, now that ``chunk`` has come."""
        if not self._literal.forms:
            return chunk
        data = self._held + chunk
        unwrapped = _Unwrapped(data)
        end = min(self._literal.first_open(data), unwrapped.place(self._wrapped.first_open(unwrapped.data)))
        return self._advance(data, unwrapped, end)

    def flush(self) -> bytes:
        """What was held back; the stream has ended, and the masker may be used for another."""
        return self._advance(self._held, _Unwrapped(self._held), len(self._held))

    def _advance(self, data: bytes, unwrapped: _Unwrapped, end: int) -> bytes:
        """Give out ``data[:end]``, in which every occurrence that starts is complete."""
        spans = self._literal.spans(data)
        if unwrapped.has_breaks:
            there = self._wrapped.spans(unwrapped.data)
            spans = sorted(
                [*spans, *((unwrapped.place(start), unwrapped.place(stop - 1) + 1) for start, stop in there)]
            )
        shown: list[bytes] = []
        done = self._masked
        for start, stop in spans:
            if start >= end:
                break
            if start >= done:
                shown += (data[done:start], MASK)
            done = max(done, stop)
        if done < end:
            shown.append(data[done:end])
            done = end
        self._held = data[end:]
        self._masked = done - end
        return b"".join(shown)


def masked_text(text: str, secrets: Iterable[Secret]) -> str:
    """A whole text without the secrets."""
    masker = Masker(secrets)
    hidden = masker.feed(text.encode("utf-8", "surrogateescape")) + masker.flush()
    return hidden.decode("utf-8", "surrogateescape")


class _Forms:
    """Forms of secrets to look for."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self.forms = sorted(set(forms), key=lambda form: (-len(form), form))
        self._occurrence = re.compile(_alternatives(self.forms)) if self.forms else None

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where the forms stand, by their beginnings: the longest of each."""
        spans: list[tuple[int, int]] = []
        found = self._occurrence.search(data) if self._occurrence else None
        while found is not None and self._occurrence is not None:
            spans.append(found.span())
            found = self._occurrence.search(data, found.start() + 1)
        return spans

    def first_open(self, data: bytes) -> int:
        """The first place from which on the data could be the beginning of a form; its length if none."""
        first = len(data)
        for form in self.forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1), first)
            while at >= 0:
                if form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1, first)
        return first


def _alternatives(forms: Sequence[bytes], depth: int = 3) -> bytes:
    """A pattern for any of the forms, earlier ones preferred. Like beginnings stand together: few are tried in vain."""
    if depth == 0 or not all(forms):
        return b"|".join(map(re.escape, forms))
    rest: dict[bytes, list[bytes]] = {}
    for form in forms:
        rest.setdefault(form[:1], []).append(form[1:])
    return b"|".join(re.escape(first) + b"(?:" + _alternatives(more, depth - 1) + b")" for first, more in rest.items())


class _Unwrapped:
    """Data without the line breaks, and the indents after them, that base64 may have inside."""

    def __init__(self, data: bytes) -> None:
        pieces: list[bytes] = []
        self._starts, self._shifts = [0], [0]
        """From which place on of ``data`` how many bytes are missing before it."""
        done = length = 0
        for found in _BREAK.finditer(data):
            pieces.append(data[done : found.start()])
            length += len(pieces[-1])
            done = found.end()
            self._starts.append(length)
            self._shifts.append(done - length)
        self.data = b"".join((*pieces, data[done:])) if pieces else data
        self._end = len(data)

    @property
    def has_breaks(self) -> bool:
        return len(self._starts) > 1

    def place(self, at: int) -> int:
        """Where a byte of ``data`` stands in the data as it came; the end stays the end."""
        return self._end if at >= len(self.data) else at + self._shifts[bisect_right(self._starts, at) - 1]


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
    return {form for form in forms if len(form) >= _MIN_FORM} | base64_forms_of(secret)


def base64_forms_of(secret: Secret) -> set[bytes]:
    """What stands in the base64 of anything that holds the secret."""
    raw = secret.reveal().encode("utf-8", "surrogateescape")
    found = {encoded for offset in range(3) for encoded in _base64_at(raw, offset)}
    found |= {encoded.replace(b"+", b"-").replace(b"/", b"_") for encoded in found}
    return {form for form in found if len(form) >= _MIN_FORM}


def _base64_at(raw: bytes, offset: int) -> tuple[bytes, ...]:
    """The base64 of whatever holds ``raw``, beginning ``offset`` bytes into a group of three: the characters that
    depend on nothing else. At offset 0 also the form that ends with ``raw``."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    first = (0, 2, 3)[offset]
    last = (offset + len(raw)) * 8 // 6
    inner = encoded[first:last]
    return (inner, encoded[first:].rstrip(b"="), encoded[first:]) if last < len(encoded) else (inner,)
