"""Hiding secrets in a stream of bytes, also in base64, URL and JSON form (SPEC section 4)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain

from octo_ssh.config.secret_forms import (
    MIN_FORM_BYTES,
    MIN_PART_BYTES,
    QUOTES,
    base64_forms_of,
    forms_of,
    unquoted_forms_of,
)
from octo_ssh.model.values import Secret

MASK = b"***"
_GLANCE_BYTES = 16
_BREAK = re.compile(rb"(?<=[A-Za-z0-9+/_-])(?:\r?\n[ \t]*|\r\Z)")
"""A line break inside base64: at the end of a chunk, its half."""
_UNSEEN = re.compile(
    rb"(?:\x1b\[|\xc2\x9b)[0-?]*[ -/]*(?:[@-~]|\Z)"  # colours, cursor
    rb"|\x1b\][^\x07\x1b\r\n]{0,256}(?:\x07|\x1b\\|\x1b?\Z)"  # titles, links
    rb"|\x1b(?![\[\]])[ -/]*(?:[0-~]|\Z)"
    rb"|[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]"
)
"""What is taken out of a text before people see it: a secret that it stands in would be whole then."""


class Masker:
    """Replaces every occurrence of the secrets by ``***``, however the stream is cut into chunks.

    Occurrences that overlap become one mask; base64 is seen through its line breaks too, everything through colours
    and other control sequences, and through quotes of whatever kind. Only a possible beginning of a secret is held
    back until more comes. Not for several streams at once: each needs its own.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._literal, self._wrapped, self._unquoted = _of_all(tuple(secrets))
        self._held = b""
        self._masked = 0
        """How many bytes at the start of ``_held`` belong to a mask that was already given out."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be shown, now that ``chunk`` has come."""
        if not self._literal.forms:
            return chunk
        data = self._held + chunk
        views = self._views(data)
        return self._advance(data, views, min(view.place(forms.first_open(view.data)) for forms, view in views))

    def flush(self) -> bytes:
        """What was held back; the stream has ended, and the masker may be used for another.

        What could be the beginning of a secret, and long enough to tell much of it, is hidden: it may have been cut.
        """
        views = self._views(self._held)
        cut = ((view, forms.first_open(view.data)) for forms, view in views)
        spans = [(view.place(at), len(self._held)) for view, at in cut if len(view.data) - at >= MIN_PART_BYTES]
        return self._advance(self._held, views, len(self._held), spans)

    def renewed(self, secrets: Iterable[Secret]) -> Masker:
        """One that goes on with the same stream and hides these, whatever of them is not shown yet."""
        masker = Masker(secrets)
        masker._held, masker._masked = self._held, self._masked
        return masker

    def _views(self, data: bytes) -> list[tuple[_Forms, _View]]:
        """Where to look for what."""
        views = [(self._literal, _View(data)), (self._unquoted, _View(data, QUOTES))]
        partial = ((self._literal, _View(data, _UNSEEN)), (self._wrapped, _View(data, _BREAK)))
        return [*views, *((forms, view) for forms, view in partial if view.lacks_some)]

    def _advance(
        self, data: bytes, views: list[tuple[_Forms, _View]], end: int, more: Iterable[tuple[int, int]] = ()
    ) -> bytes:
        """Give out ``data[:end]``, in which every occurrence that starts is complete. ``more``: what else is hidden."""
        spans = sorted(chain(more, *(view.spans(forms) for forms, view in views)))
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
    hidden = masker.feed(text.encode("utf-8", "surrogatepass")) + masker.flush()
    return hidden.decode("utf-8", "surrogatepass")


class _Forms:
    """Forms of secrets to look for."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self.forms = tuple(sorted(set(forms), key=lambda form: (-len(form), form)))
        self._by_head: dict[bytes, list[bytes]] = {}
        for form in self.forms:
            self._by_head.setdefault(form[:MIN_FORM_BYTES], []).append(form)
        # A pattern of whole forms would take seconds to compile for a secret of some KiB.
        self._head = re.compile(_alternatives(list(self._by_head))) if self.forms else None

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Where the forms stand, by their beginnings: the longest of each."""
        spans: list[tuple[int, int]] = []
        found = self._head.search(data) if self._head else None
        while found is not None and self._head is not None:
            start = found.start()
            form = next((form for form in self._by_head[found[0]] if data.startswith(form, start)), None)
            if form is not None:
                spans.append((start, start + len(form)))
            found = self._head.search(data, start + 1)
        return spans

    def first_open(self, data: bytes) -> int:
        """The first place from which on the data could be the beginning of a form; its length if none."""
        first = len(data)
        for form in self.forms:
            at = data.find(form[:1], max(0, len(data) - len(form) + 1), first)
            while at >= 0:
                if form.startswith(data[at : at + _GLANCE_BYTES]) and form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1, first)
        return first


@lru_cache(maxsize=1024)
def _of_one(secret: Secret) -> tuple[frozenset[bytes], frozenset[bytes], frozenset[bytes]]:
    """Its forms, which of them are base64, and what is left of it without quotes."""
    return frozenset(forms_of(secret)), frozenset(base64_forms_of(secret)), frozenset(unquoted_forms_of(secret))


@lru_cache(maxsize=16)
def _of_all(secrets: tuple[Secret, ...]) -> tuple[_Forms, _Forms, _Forms]:
    """The same of all: every script of a run begins with a Masker of its own."""
    each = [_of_one(secret) for secret in secrets]
    literal, wrapped, unquoted = (_Forms(chain(*(forms[kind] for forms in each))) for kind in range(3))
    return literal, wrapped, unquoted


def _alternatives(heads: Sequence[bytes], depth: int = 3) -> bytes:
    """A pattern for any of the heads. Like beginnings stand together: few are tried in vain."""
    if depth == 0 or not all(heads):
        return b"|".join(map(re.escape, heads))
    rest: dict[bytes, list[bytes]] = {}
    for head in heads:
        rest.setdefault(head[:1], []).append(head[1:])
    return b"|".join(re.escape(first) + b"(?:" + _alternatives(more, depth - 1) + b")" for first, more in rest.items())


class _View:
    """Data as somebody sees it who does not see certain parts of it."""

    def __init__(self, data: bytes, unseen: re.Pattern[bytes] | None = None) -> None:
        pieces: list[bytes] = []
        self._starts, self._shifts = [0], [0]
        """From which place on of ``data`` how many bytes are missing before it."""
        done = length = 0
        for found in unseen.finditer(data) if unseen else ():
            pieces.append(data[done : found.start()])
            length += len(pieces[-1])
            done = found.end()
            self._starts.append(length)
            self._shifts.append(done - length)
        self.data = b"".join((*pieces, data[done:])) if pieces else data
        self._end = len(data)

    @property
    def lacks_some(self) -> bool:
        return len(self._starts) > 1

    def place(self, at: int) -> int:
        """Where a byte of ``data`` stands in the data as it came; the end stays the end."""
        return self._end if at >= len(self.data) else at + self._shifts[bisect_right(self._starts, at) - 1]

    def spans(self, forms: _Forms) -> Iterable[tuple[int, int]]:
        """Where the forms stand in the data as it came."""
        return ((self.place(start), self.place(stop - 1) + 1) for start, stop in forms.spans(self.data))
