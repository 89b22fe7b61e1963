"""Text from targets made fit for a terminal: no control sequences, no hidden direction changes, always valid.

Everything that a target, a package or a file name says passes through here before it is shown. The result is data:
whoever prints it must not read it as markup.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_ESCAPES = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?                                     # CSI: colours, cursor
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]) [^\x07\x1b\x9c\r\n]* (?:\x07|\x1b\\|\x9c)?   # OSC, DCS, SOS, PM, APC
    | \x1b [ -/]* [0-~]?                                                       # what else starts with ESC
    """,
    re.VERBOSE,
)
_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_PLAIN = re.compile(r"[\x20-\x7e\n\t]*\Z")
_JOINERS = "\u200c\u200d"  # inside words of many scripts and in emoji; they hide nothing
_LINE_LIMIT = 16 * 1024


def clean(data: bytes | str) -> str:
    """``data`` as printable text with ``\\n`` and ``\\t``.

    Bytes that are no UTF-8 become U+FFFD. Terminal sequences, control and format characters (bidirectional overrides
    among them) are dropped. A lone carriage return starts a new line, so that nothing can paint over what came before.
    An unfinished sequence ends with its line: it cannot swallow the lines after it.
    """
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    if _PLAIN.match(text):
        return text
    text = _BREAKS.sub("\n", _ESCAPES.sub("", text))
    return "".join(map(_shown, text))


def clean_line(data: bytes | str) -> str:
    """``clean`` as one line: breaks and tabs become spaces, the ends are trimmed."""
    return " ".join(clean(data).split())


def first_line(data: bytes | str) -> str:
    """The first line that says something, as ``clean_line`` has it: what a reason comes down to."""
    return clean_line(clean(data).strip().partition("\n")[0])


def further_lines(data: bytes | str, count: int) -> tuple[str, ...]:
    """The last ``count`` lines of those that follow what ``first_line`` gives."""
    return tuple(clean(data).strip().split("\n")[1:][-count:])


def last_lines(data: bytes, count: int) -> tuple[str, ...]:
    """The last ``count`` lines of what a step printed, clean, without blank lines at the end."""
    lines = clean(data).rstrip().split("\n")
    return tuple(lines[-count:]) if lines != [""] else ()


def _shown(char: str) -> str:
    if char in "\n\t" or char in _JOINERS:
        return char
    match unicodedata.category(char):
        case "Cc" | "Cf":
            return ""
        case "Cs":
            return "\ufffd"
        case _:
            return char


class Lines:
    """Cuts a stream of bytes into clean lines, whatever the borders of its pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes. A line of more than 16 KiB is cut."""
        text = self._rest + self._decoder.decode(data)
        held = text.endswith("\r")  # its \n may be on the way
        *whole, self._rest = re.split(r"\r\n|\n|\r(?!\Z)", text)
        if len(self._rest) > _LINE_LIMIT and not held:
            whole.append(self._rest)
            self._rest = ""
        return [line for raw in whole for line in clean(raw).split("\n")]

    def finish(self) -> list[str]:
        """The unfinished last line, if there is one."""
        text = clean(self._rest + self._decoder.decode(b"", final=True)).rstrip("\n")
        self._rest = ""
        return text.split("\n") if text else []
