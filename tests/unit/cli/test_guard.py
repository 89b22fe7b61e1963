"""Every way a command can end becomes an exit code and one message."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from typing import NoReturn

import pytest

from octo_ssh.cli.guard import guarded
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import (
    ExitCode,
    FileErrors,
    HostKeyRefused,
    OctoError,
    PackageError,
    Position,
    Problem,
    Refused,
    StateError,
    Unreachable,
    UsageError,
)


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def work() -> NoReturn:
        raise error

    return work


def end_of(work: Callable[[], ExitCode], *, verbosity: int = 0) -> tuple[ExitCode, str]:
    stderr = io.StringIO()
    terminal = Terminal(verbosity=verbosity, environ={}, stdout=io.StringIO(), stderr=stderr)
    return guarded(work, terminal), stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (PackageError("x"), 1),
        (StateError("x"), 1),
        (Refused("x"), 5),
        (Unreachable("x"), 4),
        (HostKeyRefused("x"), 5),
    ],
)
def test_an_error_tells_its_message_and_its_hint_once(error: OctoError, code: int) -> None:
    error.hint = "do this\nthen that"
    assert end_of(raising(error)) == (code, "error: x\n  do this\n  then that\n")


def test_mistakes_in_files_are_lines_that_an_editor_can_follow() -> None:
    problems = [Problem(Position("b.yaml", 2, 3), "two"), Problem(Position("a.yaml", 1, 1), "one")]
    assert end_of(raising(FileErrors(problems))) == (1, "a.yaml:1:1: one\nb.yaml:2:3: two\n")


def test_an_error_cannot_write_to_the_terminal_what_a_target_wants() -> None:
    _, told = end_of(raising(Unreachable("\x1b]0;owned\x07banner \x1b[2J")))
    assert told == "error: banner \n"


def test_a_mistake_of_ours_is_told_without_a_traceback() -> None:
    code, told = end_of(raising(ZeroDivisionError("oops")))
    assert code == 1
    assert told.startswith("internal error: ZeroDivisionError: oops\n")
    assert "please report" in told
    assert "Traceback" not in told


def test_a_traceback_comes_when_it_is_asked_for() -> None:
    _, told = end_of(raising(ZeroDivisionError("oops")), verbosity=2)
    assert "Traceback" in told


def test_an_interrupt_is_130() -> None:
    assert end_of(raising(KeyboardInterrupt()))[0] == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_with_130_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def work() -> ExitCode:
        os.kill(os.getpid(), number)
        return ExitCode.DONE

    assert end_of(work)[0] == 130
    assert signal.getsignal(number) is before


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def work() -> ExitCode:
        os.kill(os.getpid(), signal.SIGHUP)
        return ExitCode.DONE

    try:
        assert end_of(work)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)
