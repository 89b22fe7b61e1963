"""We greet an sshd before it has said a word, and once, whatever stands between it and us."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import Unreachable
from octo_ssh.transport.dial import DialError, EagerSocket, connect_tcp, resolve
from tests.integration.sshd import Sshd
from tests.integration.transport import QUICK, home_of, known_hosts, target_of


async def test_a_greeting_is_sent_at_once_and_not_again() -> None:
    heard: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(7))
        writer.write(b"SSH-2.0-x\r\n")
        heard.append(await reader.read())
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        addresses = await resolve("127.0.0.1", port, family=server.sockets[0].family, timeout_s=5)
        link = await connect_tcp("127.0.0.1", addresses, timeout_s=5)
        link.greet(b"hello\r\n")
        reader, writer = await asyncio.open_connection(sock=link)
        assert await reader.readline() == b"SSH-2.0-x\r\n"
        for words in (b"hello\r\n", b"hello\r\n", b"more"):
            writer.write(words)
        writer.close()
        await asyncio.wait_for(over.wait(), 5)
    assert heard == [b"hello\r\n", b"hello\r\nmore"]


def test_what_was_sent_ahead_is_never_sent_twice_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = socket.socket.send
    monkeypatch.setattr(socket.socket, "send", lambda link, data, flags=0: whole(link, bytes(data)[:3], flags))
    ours, theirs = socket.socketpair()
    with theirs, EagerSocket(fileno=ours.detach()) as link:
        link.greet(b"SSH-2.0-x\r\n")  # a part of it is sent
        left = b"SSH-2.0-x\r\nwith more in one go"
        while left:
            left = left[link.send(left) :]
        assert theirs.recv(100) == b"SSH-2.0-x\r\nwith more in one go"


def test_another_greeting_than_the_one_that_was_sent_is_an_error_and_not_a_second_one() -> None:
    ours, theirs = socket.socketpair()
    with theirs, EagerSocket(fileno=ours.detach()) as link:
        link.greet(b"SSH-2.0-x\r\n")
        with pytest.raises(DialError, match="a bug in octo-ssh"):
            link.send(b"SSH-2.0-y\r\n")
        assert theirs.recv(100) == b"SSH-2.0-x\r\n"


@contextlib.asynccontextmanager
async def in_front(sshd: Sshd, host: str, before: bytes, *, slowly: bool) -> AsyncIterator[int]:
    """The port of something that says its own lines before sshd's; ``slowly``: the first of it byte by byte."""
    tasks: list[asyncio.Task[None]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, before: bytes) -> None:
        left = 40 if slowly else 0
        try:
            writer.write(before)
            while data := await reader.read(1 if left else 65536):
                left = max(0, left - 1)
                writer.write(data)
                await writer.drain()
        finally:
            await ended(writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away, there = await asyncio.open_connection(sshd.host, sshd.port)
        tasks.append(asyncio.create_task(pass_on(reader, there, b"")))
        tasks.append(asyncio.create_task(pass_on(away, writer, before)))

    server = await asyncio.start_server(serve, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks, return_exceptions=True)


async def ended(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("host", "before", "slowly"),
    [
        ("127.0.0.1", b"Welcome\r\nto this house\n", False),
        ("127.0.0.1", b"", True),
        ("127.0.0.1", b"one line\r\n", True),
        ("::1", b"", False),
    ],
)
async def test_a_login_over_what_speaks_first_or_slowly(
    sshd: Sshd, tmp_path: Path, host: str, before: bytes, slowly: bool
) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"there is no {host} here")
    known = known_hosts(tmp_path, sshd)
    async with in_front(sshd, host, before, slowly=slowly) as port:
        known.write_text(f"[{host}]:{port} {sshd.host_public_key}\n")
        assert await home_of(known, replace(target_of(sshd), host=host, port=port)) == str(sshd.home)


async def test_who_drops_us_with_our_greeting_unread_is_tried_again(sshd: Sshd, tmp_path: Path) -> None:
    """What sshd does past MaxStartups: the kernel then says reset, and its words may be lost."""
    tries: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append("once")
        if len(tries) % 2:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"Exceeded MaxStartups\r\n")
        await ended(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        target = replace(target_of(sshd), port=port)
        with pytest.raises(Unreachable, match=r"closed before sshd showed its key, [2-9] times"):
            await home_of(known_hosts(tmp_path, sshd), target, options=replace(QUICK, retry_s=1.5))
