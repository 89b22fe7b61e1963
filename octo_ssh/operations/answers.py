"""Answers to a plan's prompts: files are read in a thread, and the person sits at the event loop."""

from __future__ import annotations

import asyncio

from octo_ssh.config.load import Loaded, LoadRequest, load
from octo_ssh.config.prompts import Answer
from octo_ssh.model.values import Prompt
from octo_ssh.operations.requests import Asker


async def load_asking(request: LoadRequest, person: Asker | None) -> Loaded:
    """``config.load.load``, with prompts asked on the terminal. Raises FileErrors, UsageError."""
    return await asyncio.to_thread(load, request, answer=None if person is None else _answers(person))


def _answers(person: Asker) -> Answer:
    loop = asyncio.get_running_loop()

    def answer(prompt: Prompt) -> str | None:
        default = f" [{prompt.default}]" if prompt.has_default and not prompt.secret else ""
        asked = person.ask(f"{prompt.text}{default}", echo=not prompt.secret)
        said = asyncio.run_coroutine_threadsafe(asked, loop).result()
        return None if said is None else said.reveal()

    return answer
