"""The difference between two contents of a file, as people read it: bounded, and without secrets (SPEC section 4)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from octo_ssh.config.masking import MASK, Masker
from octo_ssh.model.values import Secret

MAX_BYTES = 64 * 1024
"""Of either content: larger ones are not compared line by line."""
MAX_LINES = 200
"""That are shown."""
_MAX_COMPARED_LINES = 10_000
_MAX_CHARACTERS = 400
"""Of a line."""
_BARE = "\n"
"""At the end of a last line without a newline: it is another line than one with."""


def content_diff(old: bytes, new: str, secrets: Sequence[Secret], *, hides_old: bool) -> tuple[str, ...]:
    """The lines of a unified diff, without the two that name the files; empty where there is none to show.

    ``new`` may hold lone surrogates for bytes that are no text. Secrets are masked; with ``hides_old`` removed lines
    are counted and not shown, for they may hold secrets that nobody here knows.
    """
    before, after = _text_of(old), _text_of(new.encode("utf-8", "surrogateescape"))
    if before is None or after is None or before == after:
        return ()
    ours, theirs = _lines(before), _lines(after)
    if max(len(ours), len(theirs)) > _MAX_COMPARED_LINES:
        return ()
    shown_ours, shown_theirs = _masked(ours, before, secrets), _masked(theirs, after, secrets)
    found: list[str] = []
    for group in difflib.SequenceMatcher(None, ours, theirs).get_grouped_opcodes():
        found += _hunk(group, shown_ours, shown_theirs, hides_old=hides_old)
    if len(found) > MAX_LINES:
        found[MAX_LINES:] = [f"… {len(found) - MAX_LINES} more lines"]
    return tuple(found)


def _hunk(
    group: Sequence[tuple[str, int, int, int, int]], ours: Sequence[str], theirs: Sequence[str], *, hides_old: bool
) -> Iterator[str]:
    _, first, _, start, _ = group[0]
    _, _, last, _, end = group[-1]
    yield f"@@ -{_range(first, last)} +{_range(start, end)} @@"
    for tag, one, other, low, high in group:
        if tag == "equal":
            yield from _signed(" ", theirs[low:high])
            continue
        if hides_old and other > one:
            lines = "line" if other - one == 1 else "lines"
            yield f"-({other - one} {lines} not shown: the old content may hold a secret)"
        else:
            yield from _signed("-", ours[one:other])
        yield from _signed("+", theirs[low:high])


def _signed(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line.removesuffix(_BARE)
        if line.endswith(_BARE):
            yield "\\ no newline at the end"


def _range(start: int, end: int) -> str:
    """As diff writes it: where a part begins, counted from 1, and how long it is."""
    length = end - start
    return str(start + 1) if length == 1 else f"{start + 1 if length else start},{length}"


def _text_of(raw: bytes) -> str | None:
    """None: it is no text, or too large."""
    if len(raw) > MAX_BYTES or b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [*lines, last + _BARE] if last else lines


def _masked(lines: Sequence[str], text: str, secrets: Sequence[Secret]) -> list[str]:
    """The lines as they may be seen: as many as there were."""
    hidden = text
    for secret in secrets:
        plain = secret.reveal().rstrip("\n")
        for form in (plain, plain.replace("\n", "\r\n")) if "\n" in plain else ():
            hidden = hidden.replace(form, "\n".join([MASK.decode()] * (form.count("\n") + 1)))
    masker = Masker(secrets)
    shown: list[str] = []
    for line, original in zip(_lines(hidden), lines, strict=True):
        raw = masker.feed(line.removesuffix(_BARE).encode("utf-8")) + masker.flush()
        masked = raw.decode("utf-8", "replace")
        cut = masked if len(masked) <= _MAX_CHARACTERS else f"{masked[:_MAX_CHARACTERS]}…"
        shown.append(cut + (_BARE if original.endswith(_BARE) else ""))
    return shown
