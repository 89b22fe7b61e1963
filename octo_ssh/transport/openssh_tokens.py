"""The ``%`` tokens and ``${VARIABLES}`` of ssh_config values (TOKENS in ssh_config(5))."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from octo_ssh.errors import Position
from octo_ssh.transport.openssh_file import ConfigMistake

_NAMES = {"h", "j", "k", "n", "r"}
_PLAIN_NAME = re.compile(r"[\w.:%@+,=/\[\]][\w.:%@+,=/\[\]-]*|")
"""Of machines and users: nothing that a shell acts on, nothing that a program takes for an option."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a connection's tokens stand for."""

    name: str
    host: str
    port: str
    user: str
    local_user: str
    alias: str
    jump: str = ""

    def table(self) -> dict[str, str]:
        local = socket.gethostname()
        digest = hashlib.sha1(f"{local}{self.host}{self.port}{self.user}{self.jump}".encode()).hexdigest()
        return {
            "C": digest, "d": os.path.expanduser("~"), "h": self.host, "i": str(os.getuid()), "j": self.jump,
            "k": self.alias, "L": local.partition(".")[0], "l": local, "n": self.name, "p": self.port,
            "r": self.user, "u": self.local_user,
        }  # fmt: skip


def expand(text: str, tokens: Tokens | Mapping[str, str], position: Position | None = None) -> str:
    """The text with its ``%`` tokens replaced. Raises ConfigMistake for an unknown one."""
    if "%" not in text:
        return text
    table = tokens.table() if isinstance(tokens, Tokens) else tokens

    def value(found: re.Match[str]) -> str:
        token = found[1]
        if token == "%":
            return "%"
        if token not in table:
            raise ConfigMistake(position or Position(""), f"unknown token %{token} in {text!r}")
        return table[token]

    return re.sub(r"%(.?)", value, text, flags=re.DOTALL)


def expand_command(text: str, tokens: Tokens, position: Position | None = None) -> str:
    """As ``expand``, for a shell: names come from the inventory, and no name may become a command (CVE-2023-51385)."""
    table = tokens.table()
    for token in sorted(set(re.findall(r"%(.)", text.replace("%%", ""))) & _NAMES):
        if not _PLAIN_NAME.fullmatch(table[token]):
            raise ConfigMistake(
                position or Position(""),
                f"%{token} in {text!r} would put {table[token]!r} into a command: a shell acts on what is in it",
            )
    return expand(text, tokens, position)


def expand_path(text: str, tokens: Tokens, position: Position | None = None) -> str:
    """As ``expand``, with a leading ``~`` and ``${VARIABLES}`` replaced too. Raises ConfigMistake."""

    def variable(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise ConfigMistake(position or Position(""), f"{found[0]} in {text!r} is not set")
        return os.environ[found[1]]

    return re.sub(r"\$\{([^}]*)\}", variable, os.path.expanduser(expand(text, tokens, position)))
