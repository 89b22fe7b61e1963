"""How a program and its reply travel (SPEC section 7): pure framing, shared by every transport.

What is sent on the standard input of ``sh -s``::

    # octo-ssh <bytes of the parameters> <bytes of the block> <sha256 of the block>
    set -- 'NONCE' 'word' …
    { BODY
    exit; }

Raw input follows only after the program has said that it is up: dash reads ahead. What comes back::

    (noise of rc files) NONCE up⏎ NONCE <section>⏎ bytes … NONCE <section>⏎ bytes … NONCE end <status>⏎

A marker may stand anywhere in the stream: the nonce is 128 random bits that nothing on the target is told. A program
may hand on a file with markers of its own: those begin with the program's ``mark``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from octo_ssh.model.program import USUAL_REPLY_BYTES, Program, Reply, Sudo

EXEC_REQUEST = "sh -s"
"""The one exec request that is ever made of an sshd."""

STREAMED = "output"
"""The section that is handed on as it comes and not kept."""

_MAX_WORD_BYTES = 100_000
_NOISE_BYTES = 2048
_SECTION_BYTES = 1000
"""What a section takes beside its content: an empty one, too."""
_NAME = re.compile(rb"[a-z][a-z0-9_.-]{0,63}\Z")
_END = re.compile(rb"end ([0-9]{1,3})\Z")
_MAX_MARKER_BYTES = 80

CANNOT_ENTER = 96
"""The status of the way into another user's shell when the folder to be in cannot be made or entered."""

_SUDO_BODY = """command -v sudo >/dev/null 2>&1 || { echo 'sudo is not installed' >&2; exit 127; }
if [ -n "$3" ]; then
[ ! -L "$3" ] && { [ -d "$3" ] || { (umask 077; mkdir -p -- "${3%/*}") && mkdir -m 777 -- "$3"; }; } &&
cd -- "$3" || exit 96
fi
exec sudo -H -S -p "[octo-$1] " -u "$2" -- sh -c 'printf "%s sudo\\n" "$1"; exec sh -s' octo "$1\""""


def quoted(word: str) -> bytes:
    """The word as the shell must read it. Raises ValueError for a NUL, which no shell can hold."""
    raw = word.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise ValueError("a NUL byte cannot be sent to a target")
    return b"'" + raw.replace(b"'", b"'\\''") + b"'"


def program_text(program: Program[Any], nonce: str) -> bytes:
    """The bytes that make a ``sh -s`` run the program. Raises ValueError for words that cannot be sent."""
    return _framed(program.body, (nonce, *program.words))


def sudo_text(sudo: Sudo, nonce: str) -> bytes:
    """The bytes that turn a ``sh -s`` into one of another user, which says ``NONCE sudo`` when it is there.

    sudo asks for a password on standard error with ``sudo_prompt(nonce)``, and only if it wants one. Where
    ``sudo.inside`` cannot be entered, it ends with CANNOT_ENTER.
    """
    return _framed(_SUDO_BODY, (nonce, sudo.user, sudo.inside))


def sudo_prompt(nonce: str) -> bytes:
    return f"[octo-{nonce}] ".encode("ascii")


def sudo_greeting(nonce: str) -> bytes:
    return f"{nonce} sudo\n".encode("ascii")


def block_of(body: str) -> bytes:
    """The fixed part of a program: what a gate on the target may know by its digest (SPEC section 9)."""
    return b"{ " + body.encode("utf-8") + b"\nexit; }\n"


def _framed(body: str, words: tuple[str, ...]) -> bytes:
    params = b"set -- " + b" ".join(map(quoted, words)) + b"\n"
    if len(params) > _MAX_WORD_BYTES:
        raise ValueError(f"the parameters of a program take {len(params)} bytes; {_MAX_WORD_BYTES} is the most")
    block = block_of(body)
    digest = hashlib.sha256(block).hexdigest()
    return f"# octo-ssh {len(params)} {len(block)} {digest}\n".encode("ascii") + params + block


class ReplyParser:
    """Turns standard output, chunk by chunk, into sections. What comes from a target is bounded and may lie.

    ``feed`` raises ValueError for a stream that no program of ours prints. What may be the beginning of a marker is
    held back until more has come: ``on_output`` never gets a byte of one.
    """

    def __init__(
        self,
        nonce: str,
        on_output: Callable[[bytes], None] | None = None,
        *,
        mark: str = "",
        max_bytes: int = USUAL_REPLY_BYTES,
    ) -> None:
        self._up = nonce.encode("ascii") + b" up\n"
        self._marks = tuple(word.encode("ascii") + b" " for word in (nonce, mark) if word)
        self._on_output = on_output
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._pending = b""
        self._name: str | None = None
        self._content = bytearray()
        self._sections: list[tuple[str, bytes]] = []
        self.is_up = False
        self.status: int | None = None
        """The program's own status, once its end marker was seen."""
        self.noise = b""
        """The last of what was printed before the program was up: shown to people when it never is."""

    @property
    def ended(self) -> bool:
        return self.status is not None

    def told(self, name: str) -> bytes | None:
        """The first section of that name that is complete by now."""
        return next((content for key, content in self._sections if key == name), None)

    def reply(self, stderr: bytes = b"") -> Reply:
        """The whole reply, after the end marker."""
        if self.status is None:
            raise ValueError("the program has not ended")
        return Reply(self.status, tuple(self._sections), stderr)

    def feed(self, chunk: bytes) -> None:
        if self.ended:
            return
        data = self._pending + chunk
        self._pending = b""
        if not self.is_up:
            rest = self._await_up(data)
            if rest is None:
                return
            data = rest
        self._consume(data)

    def _await_up(self, data: bytes) -> bytes | None:
        """What follows ``NONCE up``, or None as long as it has not come."""
        at = data.find(self._up)
        if at < 0:
            keep = _held_back(data, (self._up,))
            self.noise = (self.noise + data[: len(data) - keep])[-_NOISE_BYTES:]
            self._pending = data[len(data) - keep :]
            return None
        self.noise = (self.noise + data[:at])[-_NOISE_BYTES:]
        self.is_up = True
        return data[at + len(self._up) :]

    def _consume(self, data: bytes) -> None:
        start = 0
        while not self.ended:
            at, mark = self._find(data, start)
            self._take(data[start:at])
            line_end = data.find(b"\n", at)
            if line_end < 0 or not mark:
                if len(data) - at > _MAX_MARKER_BYTES:
                    raise ValueError("a marker in the reply has no end")
                self._pending = data[at:]
                return
            self._turn(data[at + len(mark) : line_end])
            start = line_end + 1

    def _find(self, data: bytes, start: int) -> tuple[int, bytes]:
        """Where the next marker begins, and with what; or where one may begin whose rest has not come, and nothing."""
        found = [(at, mark) for mark in self._marks if (at := data.find(mark, start)) >= 0]
        return min(found) if found else (len(data) - _held_back(data[start:], self._marks), b"")

    def _take(self, content: bytes) -> None:
        if not content or self._name is None:
            return
        if self._name == STREAMED:
            if self._on_output is not None:
                self._on_output(content)
            return
        self._spend(len(content))
        self._content += content

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError(f"the reply is larger than {self._max_bytes} bytes")

    def _turn(self, marker: bytes) -> None:
        """A marker: the section before it is complete."""
        self._spend(_SECTION_BYTES)
        if self._name is not None and self._name != STREAMED:
            self._sections.append((self._name, bytes(self._content)))
        self._content = bytearray()
        end = _END.match(marker)
        if end:
            self.status = int(end.group(1))
            return
        if marker in (b"up", b"end") or not _NAME.match(marker):
            raise ValueError(f"not a marker of a reply: {marker[:_MAX_MARKER_BYTES]!r}")
        self._name = marker.decode("ascii")


def _held_back(data: bytes, marks: tuple[bytes, ...]) -> int:
    """How many bytes at the end of ``data`` may be the beginning of one of ``marks``."""
    for length in range(min(max(map(len, marks)) - 1, len(data)), 0, -1):
        end = data[-length:]
        if any(mark.startswith(end) for mark in marks):
            return length
    return 0
