"""The view of ``--quiet``: nothing at all when all is well, so that cron stays silent; failures are told.

Warnings and failures that count nowhere do not break the silence of a run that went well. Where it did not, they are
told before its summary: they may say why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import Event, RunEnded
from octo_ssh.output.narrator import Narrator
from octo_ssh.output.printer import Printer, Tone
from octo_ssh.output.summary import summary
from octo_ssh.output.view import Now

_HELD_LINES = 1000
_HELD = (Tone.WARNING, Tone.ERROR)


class QuietView:
    """Only bad lines get through; the summary follows where the run did not end well."""

    def __init__(self, progress: Printer, result: Printer, *, now: Now) -> None:
        self._progress = progress
        self._result = result
        self._now = now
        self._narrator = Narrator(self._say, verbose=False)
        self._lead = Tone.PLAIN
        """The tone of what the event at hand began with."""
        self._held: deque[tuple[str, Tone]] = deque(maxlen=_HELD_LINES)

    def emit(self, event: Event) -> None:
        self._lead = Tone.PLAIN
        self._narrator.emit(event)
        if isinstance(event, RunEnded) and event.exit_code != ExitCode.DONE:
            for text, tone in self._held:
                self._progress.say(text, tone)
            self._result.lines(summary(event, self._narrator.story))

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def _say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """A plain line after a bad one of the same event belongs to it: the last lines of output."""
        if tone is not Tone.PLAIN:
            self._lead = tone
        line = f"{self._now():%H:%M:%S} {text}"
        if self._lead is Tone.BAD:
            self._progress.say(line, tone)
        elif self._lead in _HELD:
            self._held.append((line, tone))
