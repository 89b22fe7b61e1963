"""What a view is: it takes events while a run lives, steps aside for a question, and tells the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, Self

from octo_ssh.model.events import Emit, Event, TargetConnected, TargetLost

Now = Callable[[], datetime]


def arrivals(view: View) -> Emit:
    """For a command whose report tells of every target: to the view a lost target is only one less to wait for."""

    def emit(event: Event) -> None:
        view.emit(TargetConnected(event.target) if isinstance(event, TargetLost) else event)

    return emit


class View(Protocol):
    """Used as a context manager around the run; ``emit`` may be called from the event loop's thread only."""

    def emit(self, event: Event) -> None: ...

    def paused(self) -> AbstractContextManager[None]:
        """While this lasts the terminal belongs to a question: nothing is written, nothing is lost."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
