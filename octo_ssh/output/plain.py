"""The view for logs and pipes: plain lines with the time, in the order in which things happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from octo_ssh.model.events import Event, RunEnded
from octo_ssh.output.narrator import Narrator
from octo_ssh.output.printer import Printer, Tone
from octo_ssh.output.summary import summary
from octo_ssh.output.view import Now


class PlainView:
    """Progress goes to ``progress`` with the local time; the summary, which is the result, to ``result``."""

    def __init__(self, progress: Printer, result: Printer, *, now: Now, verbose: bool) -> None:
        self._progress = progress
        self._result = result
        self._now = now
        self._narrator = Narrator(self._say, verbose=verbose)

    def emit(self, event: Event) -> None:
        self._narrator.emit(event)
        if isinstance(event, RunEnded):
            self._result.lines(summary(event, self._narrator.story))

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield  # each line is whole when it is written: a question cannot tear one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def _say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self._progress.say(f"{self._now():%H:%M:%S} {text}", tone)
