"""Sentinels: secrets that can be told apart, and found again in whatever form they were written down.

A sentinel has two parts that occur nowhere else. Whatever shows one of them, plain or in base64, shows the secret:
quoting for URLs, JSON or shells does not change letters and digits. Nothing here is taken from what is tested.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ANSI = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_SPACE = re.compile(rb"\\[nrt]|\s")
_MAX_FILE_BYTES = 64 << 20

SHOUT = r'''
"""Prints the environment variables that it is given in every form, also cut in the middle of a write."""
import base64, html, json, os, re, shlex, sys, time
from urllib.parse import quote, quote_plus

def out(*pieces):
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        time.sleep(0.004 if len(pieces) > 1 else 0)

for name in sys.argv[1:]:
    raw = os.environb[name.encode()]
    text, half = raw.decode(), len(raw) // 2
    plain = json.dumps(text)
    forms = [text, plain, json.dumps(text, ensure_ascii=False), plain.replace("/", "\\/"), json.dumps(plain)]
    forms += [plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("'", "\\u0027")]
    forms += [quote(text), quote(text, safe=""), quote(text, safe="!'()*~"), quote_plus(text)]
    forms += [quote_plus(text, safe="*"), re.sub("%..", lambda code: code[0].lower(), quote(text, safe=""))]
    forms += [shlex.quote(text), html.escape(text), html.escape(text, quote=False)]
    for form in forms:
        out(b"<" + form.encode() + b">\n")
    out(raw.replace(b"\n", b"\r\n") + b"\r\n")
    out(raw[:half], raw[half:] + b"\n")
    out(raw[:half] + b"\x1b[1;31m", raw[half:] + b"\x1b[0m\n")
    for before in (b"", b"x", b"xx", b"user:"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
            encoded = encode(before + raw + b"tail")
            out(encoded[:7], encoded[7:] + b"\n")
        encoded = base64.b64encode(before + raw)
        out(b"\r\n  ".join(encoded[at : at + 10] for at in range(0, len(encoded), 10)) + b"\n")
    print(text, file=sys.stderr, flush=True)
'''
"""A program for targets."""


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A secret that stands in one place only."""

    place: str
    text: str
    parts: tuple[str, str]

    @classmethod
    def word(cls, place: str) -> Sentinel:
        """Letters and digits alone: it may be a file's name, or an output's."""
        parts = _part(), _part()
        return cls(place, "".join(parts), parts)

    @classmethod
    def tricky(cls, place: str) -> Sentinel:
        """With whatever is quoted somewhere."""
        parts = _part(), _part()
        return cls(place, f"{parts[0]} p@/+&<'\"$\\é%~!*{{{parts[1]}", parts)

    @classmethod
    def lines(cls, place: str) -> Sentinel:
        """Several of them, as keys have."""
        parts = _part(), _part()
        return cls(place, f"-----BEGIN IT-----\nMII{parts[0]}+/\n{parts[1]}/aa==\n-----END IT-----", parts)

    @property
    def forms(self) -> Iterator[bytes]:
        return (form for part in self.parts for written in (part, part.upper()) for form in _forms(written))


def _part() -> str:
    return secrets.token_hex(8)


def _forms(part: str) -> Iterator[bytes]:
    raw = part.encode()
    yield raw
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]


def shown(sentinels: Iterable[Sentinel], data: bytes) -> dict[str, str]:
    """The places whose secrets are in the data, with what stands around them."""
    views = {data, _ANSI.sub(b"", data), _SPACE.sub(b"", data)}
    found: dict[str, str] = {}
    for one in sentinels:
        for view, form in ((view, form) for view in views for form in one.forms if form in view):
            at = view.index(form)
            found[one.place] = view[max(0, at - 60) : at + 60].decode(errors="replace")
    return found


def shown_by_events(sentinels: Iterable[Sentinel], text: str) -> dict[str, str]:
    """The same of JSON lines, with the output of each step put together again."""
    outputs: dict[tuple[Any, Any], str] = {}
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("data"), str):
            key = event.get("step"), event.get("target")
            outputs[key] = outputs.get(key, "") + event["data"]
    return shown(sentinels, "\0".join((text, *outputs.values())).encode())


def files_with(sentinels: Iterable[Sentinel], folder: Path) -> dict[str, dict[str, str]]:
    """Every file below the folder, and every name, that shows any; by path, as ``shown``."""
    sentinels, found = tuple(sentinels), dict[str, dict[str, str]]()
    for path in sorted(folder.rglob("*")):
        data = str(path.relative_to(folder)).encode("utf-8", "surrogateescape")
        if path.is_symlink():
            data += b"\0" + str(path.readlink()).encode("utf-8", "surrogateescape")
        elif path.is_file() and path.stat().st_size < _MAX_FILE_BYTES:
            data += b"\0" + path.read_bytes()
        if places := shown(sentinels, data):
            found[str(path.relative_to(folder))] = places
    return found
