"""What signals do to a run (SPEC section 5, exit code 130): the first stops it in order, the second leaves at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from octo_ssh.errors import ExitCode

_FAREWELL = b"\nleft at once: apply again goes on; octo-ssh lock shows what is still locked and still runs\n"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Interrupts:
    """Watches SIGINT, SIGTERM and SIGHUP while it is entered. ``on_first`` is called once, with the signal's name."""

    on_first: Callable[[str], None]
    came: str = field(default="", init=False)
    """The first signal's name; empty while there was none."""
    _before: dict[signal.Signals, Any] = field(default_factory=dict, init=False)

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        # one that is ignored (nohup) stays so
        self._before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            loop.add_signal_handler(number, self._arrived, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number, handler in self._before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def _arrived(self, number: signal.Signals) -> None:
        if self.came:
            with contextlib.suppress(OSError):
                os.write(2, _FAREWELL)
            os._exit(ExitCode.INTERRUPTED)  # at once, as kill -9 would: leases expire, apply again goes on
        self.came = signal.Signals(number).name
        self.on_first(self.came)
