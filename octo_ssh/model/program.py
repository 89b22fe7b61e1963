"""What is sent to a target to be run there, and what comes back: values, so that flows are tested without a socket.

``Reading`` programs open nothing for writing; a session that only observes takes no other kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from octo_ssh.model.values import Secret

R = TypeVar("R", covariant=True)

USUAL_REPLY_BYTES = 4 * 1024 * 1024
LARGE_REPLY_BYTES = 64 * 1024 * 1024
"""Of replies that tell of whole folders, or of all that a target remembers."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a program answered: its exit status and its named sections, in their order."""

    status: int
    sections: tuple[tuple[str, bytes], ...]
    stderr: bytes = b""
    """The last 64 KiB of standard error: shown to people, never parsed."""

    def section(self, name: str) -> bytes:
        """The one section of that name. Raises ValueError if it is not there exactly once."""
        found = [content for key, content in self.sections if key == name]
        if len(found) != 1:
            raise ValueError(f"the reply holds {len(found)} sections named {name!r}")
        return found[0]


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file of the controller whose content is sent: read in pieces as it goes out, never held whole."""

    path: str
    size: int
    """Bytes. A file that turns out shorter is an error; longer, the rest is not sent."""
    resumes: bool = False
    """The target may have the beginning already: the program says how many bytes of it in a section ``at``, and what
    follows those is sent."""


Input = bytes | Secret | FileInput


@dataclass(frozen=True, slots=True)
class Program(Generic[R]):
    """A shell program with its parameters and the way to read its reply.

    ``parse`` raises ValueError for a reply that makes no sense, RemoteError for one that tells of a failure.
    """

    name: str
    body: str
    """Fixed POSIX shell text: the same for every target, so that its digest can be published (SPEC section 9)."""
    words: tuple[str, ...]
    """The positional parameters after ``$1``, the nonce. No NUL; 100 kB at most together."""
    parse: Callable[[Reply], R]
    input: tuple[Input, ...] = field(default=(), repr=False)
    """Sent after the program has said that it is up. Lengths are among the words."""
    max_reply_bytes: int = USUAL_REPLY_BYTES
    """Of all sections together that are kept: a target that sends more is not listened to any longer."""
    mark: str = ""
    """A second nonce: markers that begin with it count like those with the conversation's own. They come out of a file
    that outlives conversations."""
    farewell: bytes = b""
    """Sent before standard input is closed on purpose: at a cancellation or a deadline. A mere end of input then means
    that the connection was lost."""


@dataclass(frozen=True, slots=True)
class Reading(Program[R]):
    """A program that changes nothing on the target; ``input`` holds at most commands of the plan that only look."""


@dataclass(frozen=True, slots=True)
class Acting(Program[R]):
    """A program that may change the target."""

    repeatable: bool = False
    """Whatever came of it the first time, running it again comes to the same: after a lost connection it is."""


@dataclass(frozen=True, slots=True)
class Sudo:
    """As whom a program runs, when not as the login."""

    user: str
    password: Secret | None = None
    inside: str = ""
    """A folder that the login makes, open to that user, and enters first: what lies in it is then reached by relative
    paths, though the folders above it are the login's alone."""
