"""Questions: asked on a real terminal (a pty), or not at all."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from octo_ssh.cli.prompts import Person
from octo_ssh.cli.terminal import Terminal


@dataclass
class Desk:
    """A terminal, and the hands and eyes of whoever sits there."""

    leader: int
    stdin: TextIO
    stderr: TextIO

    def types(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def sees(self) -> str:
        return os.read(self.leader, 4096).decode()

    @property
    def terminal(self) -> Terminal:
        return Terminal(environ={}, stdin=self.stdin, stdout=self.stderr, stderr=self.stderr)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.leader)[3] & termios.ECHO)


@pytest.fixture
def desk() -> Iterator[Desk]:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "r") as stdin, os.fdopen(os.dup(follower), "w") as stderr:
        yield Desk(leader, stdin, stderr)
    os.close(leader)


async def typed_after_the_question(desk: Desk, answer: str) -> str:
    """Wait for the question, then type."""
    seen = await asyncio.to_thread(desk.sees)
    desk.types(answer)
    return seen


async def test_a_passphrase_is_asked_for_without_echo(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).ask("Passphrase of id_ed25519:", echo=False))
    seen = await asyncio.to_thread(desk.sees)
    assert seen == "Passphrase of id_ed25519: "
    assert not desk.echoes
    desk.types("s3cret\n")
    answer = await asked
    assert answer is not None
    assert answer.reveal() == "s3cret"
    assert desk.echoes
    assert "s3cret" not in desk.sees()


async def test_control_d_is_no_answer(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).ask("Code", echo=True))
    await typed_after_the_question(desk, "\x04")
    assert await asked is None


async def test_a_question_that_is_given_up_gives_the_terminal_back(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).ask("Passphrase", echo=False))
    await asyncio.to_thread(desk.sees)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert desk.echoes


@pytest.mark.parametrize("echo", [True, False])
async def test_the_next_line_begins_at_its_start_even_where_nobody_answered(desk: Desk, echo: bool) -> None:
    asked = asyncio.create_task(Person(desk.terminal).ask("Code", echo=echo))
    await asyncio.to_thread(desk.sees)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert desk.sees() == "\r\n"


async def test_two_questions_wait_for_each_other(desk: Desk) -> None:
    person = Person(desk.terminal)
    both = asyncio.gather(person.ask("One", echo=True), person.ask("Two", echo=True))
    assert await typed_after_the_question(desk, "1\n") == "One: "
    while "Two" not in await asyncio.to_thread(desk.sees):
        pass
    desk.types("2\n")
    assert [answer.reveal() for answer in await both if answer] == ["1", "2"]


async def test_a_question_from_a_target_is_one_clean_line(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).ask("\x1b[2JPassword\nfor\x07 you: ", echo=False))
    assert await typed_after_the_question(desk, "x\n") == "Password for you: "
    await asked


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("\x04", False)]
)
async def test_only_a_yes_is_a_yes(desk: Desk, answer: str, agreed: bool) -> None:
    confirmed = asyncio.create_task(Person(desk.terminal).confirm("Sure?"))
    await typed_after_the_question(desk, answer)
    assert await confirmed is agreed


CHOICES = ("retry", "ignore", "leave out", "stop")


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("r\n", "retry"),
        ("Ignore\n", "ignore"),
        ("leave\n", "leave out"),
        ("  leave   out \n", "leave out"),
        ("s\n", "stop"),
        ("\x04", "stop"),
    ],
)
async def test_a_choice_is_a_word_or_its_first_letters_and_control_d_the_last(
    desk: Desk, answer: str, chosen: str
) -> None:
    asked = asyncio.create_task(Person(desk.terminal).choose("What now?", CHOICES))
    assert await typed_after_the_question(desk, answer) == "What now? [r]etry, [i]gnore, [l]eave out, [s]top: "
    assert await asked == chosen


async def test_a_choice_is_asked_again_until_it_is_one(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).choose("What now?", CHOICES))
    await typed_after_the_question(desk, "\n")
    again = ""
    while "[r]etry" not in again:
        again = await asyncio.to_thread(desk.sees)
    desk.types("panic\n")
    while "none of them" not in again:
        again = await asyncio.to_thread(desk.sees)
    assert "'panic' is none of them. [r]etry" in again
    desk.types("i\n")
    assert await asked == "ignore"


async def test_choices_that_begin_alike_are_told_apart_by_more_letters(desk: Desk) -> None:
    asked = asyncio.create_task(Person(desk.terminal).choose("Which?", ("stop", "start", "st")))
    assert await typed_after_the_question(desk, "st\n") == "Which? [sto]p, [sta]rt, [st]: "
    assert await asked == "st"


def test_nobody_is_asked_behind_a_pipes_back(desk: Desk) -> None:
    assert desk.terminal.can_ask
    with open(os.devnull) as nothing:
        assert not Terminal(environ={}, stdin=nothing, stderr=desk.stderr).can_ask
        assert not Terminal(environ={}, stdin=desk.stdin, stderr=nothing).can_ask
    assert not Terminal(no_input=True, environ={}, stdin=desk.stdin, stderr=desk.stderr).can_ask
