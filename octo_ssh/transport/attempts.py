"""Passwords for sudo, each tried once: PAM counts refused ones, and may lock the account (pam_faillock)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from octo_ssh.errors import SudoRefused
from octo_ssh.model.program import Sudo

_HINT = "it is not tried again here, for refused passwords may lock the account"


class Attempts:
    """What came of the passwords of one command, by target and user. Those of several connections share it."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, str], SudoRefused] = {}
        self._good: set[tuple[str, str]] = set()
        self._turns: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def one(self, target: str, sudo: Sudo) -> AsyncIterator[None]:
        """Around becoming a user; until that went well once, one after the other.

        Raises SudoRefused instead, as before, where the password was refused before: sudo is not even started.
        """
        key = target, sudo.user
        if sudo.password is None:
            yield
            return
        async with AsyncExitStack() as turn:
            if key not in self._good:
                await turn.enter_async_context(self._turns[key])
            if key in self._good:
                await turn.aclose()  # whoever went before has shown that it is
            if key in self._refused:
                raise _again(self._refused[key])
            try:
                yield
            except SudoRefused as error:
                self._refused[key] = error
                raise
            self._good.add(key)


def _again(error: SudoRefused) -> SudoRefused:
    return SudoRefused(error.message, hint="; ".join(filter(None, (error.hint, _HINT))))
