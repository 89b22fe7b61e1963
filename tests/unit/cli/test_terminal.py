"""Which view is chosen, and where things are printed."""

from __future__ import annotations

import io
import json
import os
import pty
from collections.abc import Iterator
from typing import TextIO

import pytest

from octo_ssh.cli.terminal import Terminal
from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import FileErrors, Position, Problem, SecretError
from octo_ssh.model.values import EnvSource, SecretRef
from octo_ssh.output.printer import Line


@pytest.fixture
def screen() -> Iterator[TextIO]:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        yield stream
    os.close(leader)


def view_of(stderr: TextIO, *, term: str = "xterm", **flags: bool) -> str:
    terminal = Terminal(environ={"TERM": term}, stdout=io.StringIO(), stderr=stderr, **flags)  # type: ignore[arg-type]
    return type(terminal.view()).__name__


def test_a_terminal_gets_the_live_view_and_a_pipe_plain_lines(screen: TextIO) -> None:
    assert view_of(screen) == "LiveView"
    assert view_of(io.StringIO()) == "PlainView"
    assert view_of(screen, term="dumb") == "PlainView"


def test_json_and_quiet_win_over_the_terminal(screen: TextIO) -> None:
    assert view_of(screen, quiet=True) == "QuietView"
    assert view_of(screen, as_json=True) == "JsonView"


def test_colour_needs_a_terminal_and_nobody_against_it(screen: TextIO) -> None:
    def colored(stream: TextIO, environ: dict[str, str], *, no_color: bool = False) -> bool:
        terminal = Terminal(no_color=no_color, environ=environ, stdout=stream)
        return terminal.result._color

    assert colored(screen, {})
    assert not colored(io.StringIO(), {})
    assert not colored(screen, {"NO_COLOR": "1"})
    assert not colored(screen, {"TERM": "dumb"})
    assert not colored(screen, {}, no_color=True)


def answered(*, all_well: bool, **flags: bool) -> str:
    stdout = io.StringIO()
    terminal = Terminal(environ={}, stdout=stdout, **flags)  # type: ignore[arg-type]
    terminal.answer("lock", {"a": 1}, [Line("a line")], all_well=all_well)
    return stdout.getvalue()


def test_an_answer_is_lines_or_one_document() -> None:
    assert answered(all_well=True) == "a line\n"
    assert json.loads(answered(all_well=True, as_json=True)) == {"lock": {"a": 1}}


def test_a_quiet_answer_is_given_only_when_something_is_wrong() -> None:
    assert answered(all_well=True, quiet=True) == ""
    assert answered(all_well=False, quiet=True) == "a line\n"


def test_last_words_hold_no_secret_that_was_read() -> None:
    store = SecretStore({"TOKEN": "hunter2 & more"})
    store.reveal(SecretRef(EnvSource("TOKEN"), Position("plan.yaml", 1, 1)))
    stderr = io.StringIO()
    terminal = Terminal(environ={}, verbosity=2, stderr=stderr)
    terminal.fail(SecretError("hunter2 & more is wrong\udcff\ud800", hint="not hunter2%20%26%20more"))
    terminal.fail(FileErrors([Problem(Position("plan.yaml", 1, 1), "it says 'hunter2 & more'")]))
    try:
        try:
            int("hunter2 & more")
        except ValueError as error:
            raise KeyError("aHVudGVyMiAmIG1vcmU=") from error
    except KeyError as error:
        terminal.broke(error)
    said = stderr.getvalue()
    assert "error: *** is wrong" in said
    assert "  not ***" in said
    assert "plan.yaml:1:1: it says '***'" in said
    assert "invalid literal for int() with base 10: '***'" in said
    assert "internal error: KeyError: '***'" in said
    assert 'raise KeyError("***")' in said, "the lines of the traceback are masked too"
