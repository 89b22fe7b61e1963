"""What a view is: it takes events while a run lives, steps aside for a question, and tells the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, Self

from octo_ssh.model.events import Event

Now = Callable[[], datetime]


class View(Protocol):
    """Used as a context manager around the run; ``emit`` may be called from the event loop's thread only."""

    def emit(self, event: Event) -> None: ...

    def paused(self) -> AbstractContextManager[None]:
        """While this lasts the terminal belongs to a question: nothing is written, nothing is lost."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
