"""The view of ``--quiet``: nothing at all when all is well, so that cron stays silent; failures are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from octo_ssh.errors import ExitCode
from octo_ssh.model.events import Event, RunEnded
from octo_ssh.output.narrator import Narrator
from octo_ssh.output.printer import Printer, Tone
from octo_ssh.output.summary import summary
from octo_ssh.output.view import Now


class QuietView:
    """Only bad lines get through; the summary follows where the run did not end well."""

    def __init__(self, progress: Printer, result: Printer, *, now: Now) -> None:
        self._progress = progress
        self._result = result
        self._now = now
        self._narrator = Narrator(self._say, verbose=False)
        self._in_failure = False

    def emit(self, event: Event) -> None:
        self._in_failure = False
        self._narrator.emit(event)
        if isinstance(event, RunEnded) and event.exit_code != ExitCode.DONE:
            self._result.lines(summary(event, self._narrator.title))

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def _say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """A plain line after a bad one of the same event belongs to it: the last lines of output."""
        self._in_failure = tone is Tone.BAD or (self._in_failure and tone is Tone.PLAIN)
        if self._in_failure:
            self._progress.say(f"{self._now():%H:%M:%S} {text}", tone)
