"""The view for terminals: what happens now stays at the bottom, what has happened scrolls away above it.

It never takes more than the terminal's height: with three targets each has its line, with three hundred the slowest
are shown and the rest are counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Self, TextIO, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from octo_ssh.model.events import Event, RunEnded
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.narrator import Narrator
from octo_ssh.output.patient import Patient
from octo_ssh.output.printer import Printer, Tone
from octo_ssh.output.progress import Busy, Clock, Progress
from octo_ssh.output.summary import counts, summary
from octo_ssh.output.text import clean, clean_line
from octo_ssh.output.words import clock as clock_face
from octo_ssh.output.words import size

FRAMES_PER_SECOND = 8
PINNED_FAILURES = 5
BAR_CELLS = 20
_STYLES = {
    Tone.PLAIN: "",
    Tone.TITLE: "bold",
    Tone.GOOD: "green",
    Tone.CHANGE: "yellow",
    Tone.WARNING: "bold yellow",
    Tone.BAD: "red",
    Tone.ERROR: "bold red",
    Tone.HIGHLIGHT: "cyan",
    Tone.FAINT: "dim",
}


class LiveView:
    """Draws on ``stream``; the summary goes to ``result`` when the drawing is gone."""

    def __init__(
        self, stream: TextIO, result: Printer, *, color: bool, verbose: bool, clock: Clock = time.monotonic
    ) -> None:
        self._console = Console(
            file=cast(IO[str], Patient(stream)),
            force_terminal=True,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._result = result
        self._clock = clock
        self._guard = threading.Lock()  # rich draws from a thread of its own
        self._progress = Progress(clock)
        self._narrator = Narrator(self._say, verbose=verbose, progress_marks=())
        self._paused = False
        self._held: list[tuple[str, Tone]] = []
        self._live = self._new_live()

    def emit(self, event: Event) -> None:
        with self._guard:
            self._progress.take(event)
        self._narrator.emit(event)  # not under the guard: rich holds a lock of its own while it draws
        if isinstance(event, RunEnded):
            self._live.stop()
            self._result.lines(summary(event, self._narrator.story))

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._live.stop()
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._live = self._new_live()
            self._start()
            held, self._held = self._held, []
            for text, tone in held:
                self._say(text, tone)

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _start(self) -> None:
        self._live.start()
        self._console.show_cursor(True)  # a second signal or kill -9 leaves no chance to bring a hidden one back

    def _new_live(self) -> Live:
        return Live(
            get_renderable=self._frame,
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        if self._paused:
            self._held.append((text, tone))
        else:
            self._console.print(Text(clean(text), style=_STYLES[tone]), soft_wrap=True)

    def _frame(self) -> Group:
        width, height = self._console.size
        with self._guard:
            rows = frame(self._progress, self._clock(), width=width, height=height)
        return Group(*(Text(text, style=_STYLES[tone], no_wrap=True, overflow="crop") for text, tone in rows))


def frame(progress: Progress, now: float, *, width: int, height: int) -> list[tuple[str, Tone]]:
    """The rows of one picture: at most ``height - 1``, none wider than ``width``."""
    room = max(1, height - 1)
    rows = [(_header(progress, now), Tone.TITLE)]
    if progress.notice:
        rows.append((f"  {progress.notice}", Tone.BAD))
    rows += _failures(progress, most=min(PINNED_FAILURES, max(0, room - len(rows) - 3)))
    running = progress.slowest_first
    free = room - len(rows)
    shown = running if len(running) <= free else running[: max(0, free - 1)]
    rows += [(_busy(one, now, _name_width(shown)), Tone.PLAIN) for one in shown]
    if len(shown) < len(running) and free > 0:
        rows.append((f"  … and {len(running) - len(shown):,} more", Tone.FAINT))
    return [(_fit(text, width), tone) for text, tone in rows[:room]]


def _header(progress: Progress, now: float) -> str:
    what = progress.step or _PHASES.get(progress.phase, progress.phase)
    parts = [part for part in (progress.title, what) if part]
    if progress.total:
        parts.append(f"{_bar(progress.done, progress.total)} {min(progress.done, progress.total):,}/{progress.total:,}")
    if progress.busy:
        parts.append(f"{len(progress.busy):,} running")
    if progress.bad:
        parts.append(counts(_worst_by_target(progress)))
    parts.append(clock_face(now - progress.started))
    return "  ".join(parts)


def _worst_by_target(progress: Progress) -> list[Outcome]:
    """One bad outcome a target: its last."""
    return list({bad.target: bad.outcome for bad in progress.bad}.values())


def _bar(done: int, total: int) -> str:
    full = min(BAR_CELLS, BAR_CELLS * done // total)
    return "━" * full + "╌" * (BAR_CELLS - full)


def _failures(progress: Progress, *, most: int) -> list[tuple[str, Tone]]:
    bad = progress.bad
    if not bad or not most:
        return []
    shown = bad if len(bad) <= most else bad[-(most - 1) :] if most > 1 else []
    rows = [(f"  {one.outcome.value:<11}  {clean_line(one.target)}  {one.text}", Tone.BAD) for one in shown]
    if len(shown) < len(bad):
        rows.insert(0, (f"  {len(bad) - len(shown):,} more went wrong before these", Tone.BAD))
    return rows


def _busy(one: Busy, now: float, name_width: int) -> str:
    name = set_cell_size(clean_line(one.target), name_width)
    sent = f"  {size(one.sent)} of {size(one.total)}" if one.total else ""
    far = f"  {one.percent}%" if one.percent is not None else ""
    last = f"  {one.last_line}" if one.last_line else ""
    return f"  {clock_face(now - one.since):>7}  {name}  {one.doing}{sent}{far}{last}"


def _name_width(shown: list[Busy]) -> int:
    return min(32, max((cell_len(clean_line(one.target)) for one in shown), default=0))


def _fit(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, ending in ``…`` where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…"


_PHASES = {
    "acquire": "reading packages",
    "connect": "connecting",
    "observe": "looking",
    "lock": "locking",
    "push": "sending",
    "steps": "steps",
    "record": "recording",
}
