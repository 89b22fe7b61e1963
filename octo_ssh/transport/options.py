"""How connections are made: deadlines and limits, and who answers questions. Pure: no sockets here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from octo_ssh.model.values import Secret


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Deadlines of the phases of a connection, each hop on its own, and how many at once."""

    resolve_s: float = 10.0
    """From a name to addresses."""
    connect_s: float = 15.0
    """TCP, through whatever it goes. ``ConnectTimeout`` of ssh_config sets it for a host."""
    handshake_s: float = 20.0
    """From the first byte until the host key is known."""
    authenticate_s: float = 30.0
    """Questions to a person stop this clock."""
    channel_s: float = 20.0
    """Until a shell is opened on a connection that is up."""
    retry_s: float = 45.0
    """How long an sshd that drops us before it has introduced itself (MaxStartups) is tried again."""
    keepalive_interval_s: float = 15.0
    keepalive_count: int = 4
    """Unanswered keepalives after which a connection is lost. A quiet one that answers lives for ever."""
    logins_per_destination: int = 8
    """Logins at once to one host and port: sshd's default MaxStartups drops connections from the tenth on."""
    logins: int = 64
    """Handshakes at once in all: they cost the controller's CPU."""
    shells: int = 8
    """Programs at once on one connection: sshd's default MaxSessions is 10."""


class Prompter(Protocol):
    """Someone at a terminal."""

    async def ask(self, question: str, *, echo: bool) -> Secret | None:
        """The answer; None when the person gives none. ``question`` is one line, fit to be shown."""
        ...
