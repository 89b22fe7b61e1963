"""A byte stream to an sshd: names, TCP, ProxyCommand, and the wait for the first word. Knows no SSH beyond ``SSH-``.

Every failure is a ``DialError`` whose text ends a sentence that starts with the target's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_PROXY_WORDS_BYTES = 2000
_PROXY_EXIT_TIMEOUT_S = 2.0
_AFTER_REASONS = {
    errno.ECONNREFUSED: "nothing listens on that port: is sshd running there, is the port right?",
    errno.EHOSTUNREACH: "no route: is the machine up, is the network right?",
    errno.ENETUNREACH: "no route: is the network or VPN up?",
}


class DialError(Exception):
    """No stream: why, and what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Dropped(Exception):
    """The other side closed before it had introduced itself, as sshd does past MaxStartups."""


Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def in_thread(work: Callable[[], T]) -> T:
    """Run what may block in a thread of its own: a hung one delays nobody, not even the exit of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True, name="octo-blocking").start()
    return await future


async def resolve(host: str, port: int, *, family: socket.AddressFamily, timeout_s: float) -> list[Address]:
    """The addresses of a host, as the system orders them. Raises DialError."""
    with contextlib.suppress(OSError, UnicodeError):
        return _addresses(host, port, family, socket.AI_NUMERICHOST)
    try:
        async with asyncio.timeout(timeout_s):
            return await in_thread(lambda: _addresses(host, port, family, 0))
    except TimeoutError:
        raise DialError(f"the name {host} was not resolved within {timeout_s:g} s", "is DNS reachable?") from None
    except UnicodeError:
        raise DialError(f"{host!r} is not a host name") from None
    except OSError as error:
        hint = "check host in the inventory, HostName in ssh_config, and DNS"
        raise DialError(f"the name {host} cannot be resolved: {error.strerror or error}", hint) from None


async def connect_tcp(
    host: str, addresses: list[Address], *, timeout_s: float, bind_address: str | None = None
) -> EagerSocket:
    """A connected socket to the first address that answers; they share the time. Raises DialError."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    last: DialError | None = None
    for position, (family, address) in enumerate(addresses):
        share_s = (end - loop.time()) / (len(addresses) - position)
        try:
            return await _connect_one(family, address, share_s, bind_address)
        except TimeoutError:
            reason = f"no answer from {_shown(address)} within {share_s:g} s" if share_s > 0 else "no time was left"
            hint = "is the machine up? does a firewall drop this port?"
            last = last or DialError(reason.replace(f"{share_s:g} s", f"{timeout_s:g} s"), hint)
        except OSError as error:
            last = DialError(_os_reason(error, address), _AFTER_REASONS.get(error.errno or 0, ""))
    raise last or DialError(f"the name {host} has no address of the wanted family")


class Proxy:
    """A running ProxyCommand. ``socket`` is our end of its standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process, end: socket.socket) -> None:
        self.socket = end
        self._process = process
        self._words = b""
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, command: str) -> Proxy:
        """Run a command as OpenSSH does: by the user's shell. Raises DialError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        shell = os.environ.get("SHELL") or "/bin/sh"
        try:
            process = await asyncio.create_subprocess_exec(
                shell, "-c", f"exec {command}", stdin=theirs.fileno(), stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise DialError(f"the ProxyCommand cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
        return cls(process, ours)

    async def last_words(self) -> str:
        """What it said on standard error and how it ended, when it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROXY_EXIT_TIMEOUT_S):
                await self._process.wait()
                await asyncio.shield(self._listening)
        text = self._words.decode("utf-8", "replace").strip()
        said = "; ".join("".join(c for c in line if c.isprintable()) for line in text.splitlines())
        status = self._process.returncode
        ended = "" if status is None else f"it ended with status {status}"
        return ": ".join(part for part in (ended, said) if part)

    async def close(self) -> None:
        """End it with all it started."""
        self.socket.close()
        self._listening.cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            try:
                async with asyncio.timeout(_PROXY_EXIT_TIMEOUT_S):
                    await self._process.wait()
                    return
            except TimeoutError:
                continue

    async def _listen(self) -> None:
        stream = self._process.stderr
        while stream is not None and (data := await stream.read(4096)):
            self._words = (self._words + data)[-_PROXY_WORDS_BYTES:]


async def wait_for_banner(link: socket.socket, *, timeout_s: float) -> None:
    """Return when the other side has said something. Raises Dropped, or DialError when it stays silent."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def heard() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(link, heard)
    try:
        async with asyncio.timeout(timeout_s):
            await readable
        first = link.recv(64, socket.MSG_PEEK)
    except TimeoutError:
        reason = f"something accepts connections there, but sent nothing within {timeout_s:g} s"
        raise DialError(reason, "is it an sshd? is the machine overloaded?") from None
    except OSError:
        raise Dropped from None
    finally:
        loop.remove_reader(link)
    if not first:
        raise Dropped


class EagerSocket(socket.socket):
    """Acknowledges at once what arrives, and may greet before the other side has said a word.

    sshd leaves Nagle's algorithm on until a shell runs; with delayed acknowledgements that costs the first exec 40 ms.
    The option wears off, so it is set again after each read.
    """

    _greeting = b""

    def greet(self, words: bytes) -> None:
        """Send what is going to be said first anyway; when it is said, it is there already. Saves a round trip.

        Both sides of SSH may speak first (RFC 4253, 4.2).
        """
        with contextlib.suppress(OSError):  # whoever reads next will hear what is wrong
            self._greeting = words[: self.send(words)]

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Raises DialError where something else is said first: what was sent cannot be taken back."""
        greeting, self._greeting = self._greeting, b""
        if not greeting:
            return super().send(data, flags)
        if bytes(memoryview(data)[: len(greeting)]) != greeting:
            raise DialError("the greeting that was sent ahead is not the one that followed: this is a bug in octo-ssh")
        return len(greeting)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data = super().recv(bufsize, flags)
        if _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return data


async def _connect_one(
    family: socket.AddressFamily, address: object, timeout_s: float, bind_address: str | None
) -> EagerSocket:
    link = EagerSocket(family, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if bind_address:
            link.bind((bind_address, 0))
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(link, address)  # type: ignore[arg-type]
    except BaseException:
        link.close()
        raise
    return link


def _addresses(host: str, port: int, family: socket.AddressFamily, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys((entry[0], entry[4]) for entry in found))


def _shown(address: object) -> str:
    host, port = address[0], address[1]  # type: ignore[index]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _os_reason(error: OSError, address: object) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"{_shown(address)} refused the connection"
    return f"no connection to {_shown(address)}: {os.strerror(error.errno) if error.errno else error}"
