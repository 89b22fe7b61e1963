"""Questions to a person: asked on the terminal or not at all, one at a time, while the view stands aside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from octo_ssh.cli.terminal import Terminal
from octo_ssh.model.values import Secret
from octo_ssh.output.text import clean_line


class Stage(Protocol):
    """What must stand aside while somebody is asked: a view."""

    def paused(self) -> AbstractContextManager[None]: ...


class Person:
    """Somebody at the terminal. Make one only where ``terminal.can_ask``."""

    def __init__(self, terminal: Terminal, stage: Stage | None = None) -> None:
        self._terminal = terminal
        self._stage = stage
        self._turn = asyncio.Lock()

    async def ask(self, question: str, *, echo: bool) -> Secret | None:
        """The answer to a question of a connection; None for Ctrl-D. Cancelling it gives the terminal back."""
        async with self._turn:
            with self._aside():
                return await self._answer(question, echo=echo)

    async def confirm(self, question: str) -> bool:
        """True for a yes."""
        said = await self.ask(f"{question} [y/N]", echo=True)
        return said is not None and said.reveal().strip().casefold() in ("y", "yes")

    async def choose(self, question: str, choices: Sequence[str]) -> str:
        """One of ``choices``, said as a word or its first letters; asked again until it is one. Ctrl-D: the last."""
        menu = _menu(choices)
        asked = f"{question} {menu}"
        async with self._turn:
            with self._aside():
                while (said := await self._answer(asked, echo=True)) is not None:
                    typed = " ".join(said.reveal().split()).casefold()
                    if len(meant := _meant(typed, choices)) == 1:
                        return meant[0]
                    asked = f"'{typed}' is none of them. {menu}" if typed else menu
        return choices[-1]

    async def _answer(self, question: str, *, echo: bool) -> Secret | None:
        typed = b""
        try:
            with self._asking(question, echo=echo) as terminal:
                typed = await _line(terminal)
        finally:
            if not (echo and typed.endswith(b"\n")):  # unseen, Ctrl-D or Ctrl-C: the question's line is still open
                self._terminal.side.write("\n")
        return _answer(typed)

    def _aside(self) -> AbstractContextManager[None]:
        return self._stage.paused() if self._stage else contextlib.nullcontext()

    @contextlib.contextmanager
    def _asking(self, question: str, *, echo: bool) -> Iterator[int]:
        """The question is on the screen and its answer can be read. The terminal is as before afterwards."""
        # Its own name and not /dev/tty, which macOS cannot wait for.
        terminal = os.open(os.ttyname(self._terminal.stdin.fileno()), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            before = termios.tcgetattr(terminal)
            during = list(before)
            during[3] = before[3] | termios.ECHO if echo else before[3] & ~termios.ECHO
            termios.tcsetattr(terminal, termios.TCSAFLUSH, during)
            try:
                # Asked only now: what was typed before the question is dropped, what follows it is not.
                self._terminal.side.write(clean_line(question).rstrip(": ") + ": ")
                yield terminal
            finally:
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        finally:
            os.close(terminal)


async def _line(terminal: int) -> bytes:
    """What is typed up to Enter; the event loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()

    def readable() -> None:
        if not typed.done():
            typed.set_result(os.read(terminal, 4096))

    loop.add_reader(terminal, readable)
    try:
        return await typed
    finally:
        loop.remove_reader(terminal)


def _menu(choices: Sequence[str]) -> str:
    """``[r]etry, [i]gnore``: in brackets what is enough to type."""
    return ", ".join(
        f"[{choice[:short]}]{choice[short:]}" for choice in choices for short in [_shortest(choice, choices)]
    )


def _shortest(choice: str, choices: Sequence[str]) -> int:
    return next(count for count in range(1, len(choice) + 1) if _meant(choice[:count].casefold(), choices) == [choice])


def _meant(typed: str, choices: Sequence[str]) -> list[str]:
    """The choices that begin so; one that is meant to the letter stands for itself."""
    exactly = [choice for choice in choices if choice.casefold() == typed]
    return exactly or [choice for choice in choices if typed and choice.casefold().startswith(typed)]


def _answer(typed: bytes) -> Secret | None:
    return Secret(typed.removesuffix(b"\n").decode("utf-8", "surrogateescape")) if typed else None
