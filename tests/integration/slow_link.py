"""A way to an sshd on which every byte takes its time, as across an ocean; it counts how often somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class SlowLink:
    """Listens on loopback and passes on, each way after half of ``round_trip_s``. Made with ``slow_link``."""

    round_trip_s: float
    port: int = 0
    waits: list[int] = field(default_factory=list)
    """Of each connection: how often the sshd answered, which is its round trips but for TCP's own, which ends here."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """One connection."""
        loop = asyncio.get_running_loop()
        up_reader, up_writer = await asyncio.open_connection(host, port)
        half_s = self.round_trip_s / 2
        number = len(self.waits)
        self.waits.append(0)
        was_asked = False

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal was_asked
            queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

            async def deliver() -> None:
                while True:
                    due, data = await queue.get()
                    await asyncio.sleep(due - loop.time())
                    if not data:
                        break
                    sink.write(data)
                with contextlib.suppress(OSError):
                    sink.write_eof()

            task = asyncio.create_task(deliver())
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    queue.put_nowait((loop.time() + half_s, data))
                    self.waits[number] += was_asked and source is up_reader
                    was_asked = source is reader
            queue.put_nowait((loop.time() + half_s, b""))
            with contextlib.suppress(OSError):
                await task

        try:
            await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            for stream in (writer, up_writer):
                stream.transport.abort()
                with contextlib.suppress(OSError):
                    await stream.wait_closed()


@contextlib.contextmanager
def slow_link(host: str, port: int, *, round_trip_s: float) -> Iterator[SlowLink]:
    """A link to an sshd, in a thread of its own."""
    link = SlowLink(round_trip_s)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def start() -> asyncio.Server:
        return await asyncio.start_server(lambda r, w: link.serve(r, w, host, port), "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = run(start())
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        run(stop(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
