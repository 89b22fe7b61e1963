"""We greet an sshd before it has said a word, and once."""

from __future__ import annotations

import asyncio

from octo_ssh.transport.dial import connect_tcp, resolve


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
