"""Between a command and the process: every way a command can end becomes an exit code and one message."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode, OctoError


def guarded(work: Callable[[], ExitCode], terminal: Terminal) -> ExitCode:
    """Do ``work``. Tells of what went wrong on standard error; raises nothing."""
    try:
        with signals_interrupt():
            return work()
    except OctoError as error:
        terminal.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        terminal.side.say("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:
        terminal.broke(error)
        return ExitCode.FAILED


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt here; one that is ignored (nohup) stays so."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number] or signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
