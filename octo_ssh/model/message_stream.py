"""Finds the messages in a stream of output, however it is cut. Knows where one begins and ends, not what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_MESSAGE_BYTES = 64 * 1024

_BEGIN = b"##octopus["
_OUTPUT = _BEGIN + b"setvariable"
_OUTSIDE = re.compile(rb"[]\n'\"]")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n]")
_INSIDE = {quote: re.compile(rb"[\n" + quote + rb"]") for quote in (b"'", b'"')}
_LINE_BREAK = re.compile(rb"\r?\n")
_SECRET = re.compile(rb"setvariable|sensitive|mask|password|secret|token|key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Raw:
    """What may be a message: from ``##octopus[`` to its ``]``, or to where it turned out to be none."""

    text: bytes
    line_end: bytes = b""
    """The line break behind it, which is none of the output's if the message is understood."""


def may_hold_secret(text: bytes | bytearray) -> bool:
    """Whether a message that nobody understands is better not shown."""
    return _SECRET.search(text) is not None


class MessageSplitter:
    """Text and messages in their order.

    A message begins at the beginning of a line or right behind another one; ``setVariable`` anywhere, so that a
    ``printf`` without a newline before it makes no value visible. It ends with the first ``]`` outside quotes. A line
    break ends it too, but not inside a value that is base64 so far (programs wrap it), nor where it may hold a secret:
    then the next line may be part of it.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._at_start = True
        """The held bytes stand at the beginning of a line."""
        self._in_message = False
        """The held bytes begin with a message; the rest of these is about it."""
        self._scanned = 0
        self._quote = b""
        """The quote that is open at ``_scanned``."""
        self._is_base64 = True
        """So is the value in these quotes."""
        self._is_sensitive = False
        """It may hold a secret: this was seen at a line break, and is not looked for again at each."""
        self._ended: Raw | None = None
        """A message whose line break may still come."""
        self._skipping = False
        """What comes belongs to a message that was too long."""
        self._skipped_value = False

    def feed(self, chunk: bytes) -> list[bytes | Raw]:
        """What is complete now."""
        self._held += chunk
        return self._advance(is_last=False)

    def finish(self) -> list[bytes | Raw]:
        """The rest: the stream has ended, and the splitter is of no more use."""
        found = self._advance(is_last=True)
        if self._in_message:
            found.append(Raw(self._cut(len(self._held))))
        elif self._ended is not None:
            found.append(self._ended)
        return found

    def _advance(self, *, is_last: bool) -> list[bytes | Raw]:
        found: list[bytes | Raw] = []
        while self._held:
            if self._skipping:
                self._skip()
            elif self._ended is not None:
                if self._held == b"\r" and not is_last:
                    break
                line_break = _LINE_BREAK.match(self._held)
                found.append(Raw(self._ended.text, self._cut(line_break.end()) if line_break else b""))
                self._ended = None
            elif self._in_message:
                if not self._scan(found):
                    break
            elif not self._take_text(found, is_last=is_last):
                break
        return found

    def _take_text(self, found: list[bytes | Raw], *, is_last: bool) -> bool:
        """Give out text up to the next message. Whether one was found."""
        at = self._held.find(_BEGIN)
        while at >= 0:
            starts_line = self._at_start if at == 0 else self._held[at - 1] == 0x0A
            head = bytes(self._held[at : at + len(_OUTPUT)]).lower()
            if starts_line or head == _OUTPUT:
                self._give(found, at)
                self._in_message = True
                self._scanned, self._quote, self._is_base64 = len(_BEGIN), b"", True
                self._is_sensitive = False
                return True
            if not is_last and len(head) < len(_OUTPUT) and _OUTPUT.startswith(head):
                self._give(found, at)
                return False
            at = self._held.find(_BEGIN, at + 1)
        self._give(found, len(self._held) - (0 if is_last else _possible_beginning(self._held)))
        return False

    def _give(self, found: list[bytes | Raw], end: int) -> None:
        if end > 0:
            text = self._cut(end)
            self._at_start = text.endswith(b"\n")
            found.append(text)

    def _scan(self, found: list[bytes | Raw]) -> bool:
        """Look for the end of the message. Whether it came, or will not come any more."""
        limit = min(len(self._held), MAX_MESSAGE_BYTES)
        while stop := self._next_stop(limit):
            at, byte = stop.start(), stop.group()
            self._scanned = at + 1
            if self._quote:
                if byte == self._quote:
                    self._quote = b""
                elif byte != b"\n":
                    self._is_base64 = False
                elif not self._goes_on(at):
                    return self._end(at)
            elif byte == b"]":
                return self._end(at + 1)
            elif byte == b"\n":
                if not self._goes_on(at):
                    return self._end(at)
            elif self._held[max(0, at - 8) : at].rstrip().endswith(b"="):
                self._quote, self._is_base64 = byte, True
        self._scanned = limit
        if limit < MAX_MESSAGE_BYTES:
            return False
        raw = Raw(self._cut(limit))
        found.append(raw)
        self._in_message, self._at_start = False, False
        self._skipping, self._skipped_value = may_hold_secret(raw.text), False
        return True

    def _goes_on(self, at: int) -> bool:
        """Whether the line break there is not the end."""
        self._is_sensitive = self._is_sensitive or may_hold_secret(self._held[:at])
        return self._is_sensitive

    def _next_stop(self, limit: int) -> re.Match[bytes] | None:
        if not self._quote:
            pattern = _OUTSIDE
        elif self._is_base64:
            pattern = _NOT_BASE64
        else:
            pattern = _INSIDE[self._quote]
        return pattern.search(self._held, self._scanned, limit)

    def _end(self, end: int) -> bool:
        self._ended = Raw(self._cut(end))
        self._in_message, self._at_start = False, True
        return True

    def _skip(self) -> None:
        """Drop the rest of a message: of a value, maybe, and then up to the ``]`` or the line's end."""
        if not self._skipped_value:
            behind = _NOT_BASE64.search(self._held)
            self._cut(behind.start() if behind else len(self._held))
            self._skipped_value = behind is not None
        ends = re.search(rb"[]\n]", self._held)
        self._cut(ends.end() if ends else len(self._held))
        if ends:
            self._skipping, self._at_start = False, True

    def _cut(self, end: int) -> bytes:
        piece = bytes(self._held[:end])
        del self._held[:end]
        return piece


def _possible_beginning(data: bytearray) -> int:
    """How many bytes at the end may be the beginning of a message."""
    return next((size for size in range(len(_BEGIN) - 1, 0, -1) if data.endswith(_BEGIN[:size])), 0)
