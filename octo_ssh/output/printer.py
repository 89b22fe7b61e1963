"""The one way to a stream: every line is clean, colour is a property of the line, a closed pipe is silence."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.patient import Patient
from octo_ssh.output.text import clean


class Tone(enum.Enum):
    """What a line means; a terminal shows it as a colour. The value is the SGR code."""

    PLAIN = ""
    TITLE = "1"
    GOOD = "32"
    CHANGE = "33"
    WARNING = "1;33"
    BAD = "31"
    ERROR = "1;31"
    HIGHLIGHT = "36"
    FAINT = "2"


def tone_of(outcome: Outcome) -> Tone:
    """The colour of an outcome."""
    match outcome:
        case Outcome.UNCHANGED:
            return Tone.GOOD
        case Outcome.CHANGED:
            return Tone.CHANGE
        case Outcome.FAILED | Outcome.UNREACHABLE | Outcome.UNKNOWN:
            return Tone.BAD
        case Outcome.SKIPPED:
            return Tone.FAINT


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a report."""

    text: str
    tone: Tone = Tone.PLAIN


class Say(Protocol):
    """Where lines go."""

    def __call__(self, text: str, tone: Tone = Tone.PLAIN) -> None: ...


class Printer:
    """Writes lines to a stream. Once the reader has gone, the rest is dropped: a run goes on without its reader."""

    def __init__(self, stream: TextIO, *, color: bool = False) -> None:
        self._stream = Patient(stream)
        self._color = color

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Write ``text``, cleaned, as a line of its own, and flush."""
        shown = clean(text)
        if self._color and tone.value:
            shown = f"\x1b[{tone.value}m{shown}\x1b[0m"
        self.write(shown + "\n")

    def lines(self, lines: tuple[Line, ...]) -> None:
        for line in lines:
            self.say(line.text, line.tone)

    def write(self, text: str) -> None:
        """Write ``text``, which must be clean already, as it is."""
        self._stream.write(text)
        self._stream.flush()


def wants_color(stream: TextIO, environ: Mapping[str, str], *, refused: bool) -> bool:
    """Colour only on a terminal, never with ``--no-color``, ``NO_COLOR`` or a dumb terminal."""
    return not refused and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is a terminal; a closed one is not."""
    try:
        return os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False
