"""A way to a host that can be cut: after a number of bytes, with a reset or in silence, and mended again.

Every host has a proxy of its own, all in one thread (``Proxies``). What a cut does to the connections of that moment
and to later ones is its ``How``.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
_CHUNK = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_DEADLINE_S = 30.0


class Way(enum.Enum):
    """The direction whose bytes are counted."""

    UP = "up"
    """From the controller to the host."""
    DOWN = "down"


class How(enum.Enum):
    """What a cut is like."""

    RESET = "reset"
    """Both ends are told at once (RST), and so is whoever comes before it is mended."""
    HOLE = "hole"
    """Nobody is told: bytes vanish, newcomers hear nothing. When it is mended, what was cut is reset."""
    FORGOTTEN = "forgotten"
    """Nobody is told, as when a firewall forgets: what is connected hears nothing ever again, later ones are well."""


@dataclass(frozen=True, slots=True)
class Cut:
    """To be cut when ``after_bytes`` more bytes have gone ``way``; to the byte."""

    way: Way
    after_bytes: int
    how: How
    down_s: float = 0.0
    """How long until it mends by itself; for ever with ``math.inf``."""


@dataclass(eq=False, slots=True)
class _Pair:
    """One connection: the controller's end and the host's."""

    here: asyncio.StreamWriter
    there: asyncio.StreamWriter
    is_swallowed: bool = False

    def reset(self) -> None:
        for writer in (self.here, self.there):
            with contextlib.suppress(OSError):
                handle = writer.get_extra_info("socket")
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


@dataclass(slots=True)
class Proxy:
    """The way to one host. Methods may be called from any thread."""

    host: str
    host_port: int
    _loop: asyncio.AbstractEventLoop = field(repr=False)
    delay_s: float = 0.0
    """Each way."""
    port: int = 0
    passed: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    """Bytes, since it is there."""
    cut_at: list[float] = field(default_factory=list)
    """When it was cut, by ``time.monotonic``."""
    _pairs: set[_Pair] = field(default_factory=set, repr=False)
    _armed: list[tuple[Cut, int]] = field(default_factory=list, repr=False)
    """Cuts to come, with the count of bytes at which they do."""
    _broken: How | None = None
    _waiting: set[asyncio.StreamWriter] = field(default_factory=set, repr=False)
    _server: asyncio.Server | None = field(default=None, repr=False)

    def arm(self, *cuts: Cut) -> None:
        """Cut when that many bytes more have passed; each counts from now."""
        self._call(lambda: self._armed.extend((cut, self.passed[cut.way] + cut.after_bytes) for cut in cuts))

    def cut(self, how: How, *, down_s: float = 0.0) -> None:
        """Cut now."""
        self._call(lambda: self._cut(how, down_s))

    def mend(self) -> None:
        """Let everybody through again, and forget cuts to come."""

        def do() -> None:
            self._armed.clear()
            self._mend()

        self._call(do)

    @property
    def connections(self) -> int:
        """How many there are, cut ones not among them."""
        return sum(not pair.is_swallowed for pair in self._pairs)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._broken is How.RESET:
            _Pair(writer, writer).reset()
            return
        if self._broken is How.HOLE:
            self._waiting.add(writer)
            return
        try:
            from_host, to_host = await asyncio.open_connection(self.host, self.host_port)
        except OSError:
            _Pair(writer, writer).reset()
            return
        pair = _Pair(writer, to_host)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(pair, Way.UP, reader, to_host), self._pump(pair, Way.DOWN, from_host, writer)
            )
        except asyncio.CancelledError:
            pass  # the tests are over
        finally:
            self._pairs.discard(pair)
            for stream in (writer, to_host):
                stream.transport.abort()

    async def _pump(self, pair: _Pair, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while data and not pair.is_swallowed:
                    due = min((at for cut, at in self._armed if cut.way is way), default=self.passed[way] + len(data))
                    part, data = data[: max(0, due - self.passed[way])], data[max(0, due - self.passed[way]) :]
                    self.passed[way] += len(part)
                    sink.write(part)
                    await sink.drain()
                    self._fire()
            if not pair.is_swallowed:
                sink.write_eof()
        except OSError:
            if not pair.is_swallowed:
                pair.reset()  # what one end was told, the other is told too

    def _fire(self) -> None:
        for cut, at in list(self._armed):
            if self.passed[cut.way] >= at:
                self._armed.remove((cut, at))
                self._cut(cut.how, cut.down_s)

    def _cut(self, how: How, down_s: float) -> None:
        self.cut_at.append(time.monotonic())
        for pair in list(self._pairs):
            pair.is_swallowed = True
            if how is How.RESET:
                pair.reset()
        if how is not How.FORGOTTEN and down_s > 0:
            self._broken = how
            if down_s != float("inf"):
                self._loop.call_later(down_s, self._mend)
        elif how is How.HOLE:
            self._mend()

    def _mend(self) -> None:
        if self._broken is How.HOLE or self._broken is None:
            for pair in list(self._pairs):
                if pair.is_swallowed:
                    pair.reset()
        for writer in self._waiting:
            _Pair(writer, writer).reset()
        self._waiting.clear()
        self._broken = None

    def _call(self, do: Callable[[], T]) -> T:
        async def inside() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(_DEADLINE_S)


class Proxies:
    """All proxies of a test, and the thread that they live in. ``close`` ends them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.by_host: dict[str, Proxy] = {}

    def to(self, name: str, host: str, port: int = 22) -> Proxy:
        """The proxy of a host, made when it is first asked for."""
        if name not in self.by_host:
            proxy = self.by_host[name] = Proxy(host, port, self._loop)
            proxy._server = self._run(asyncio.start_server(proxy._serve, "127.0.0.1", 0))
            proxy.port = proxy._server.sockets[0].getsockname()[1]
        return self.by_host[name]

    def mend(self) -> None:
        for proxy in self.by_host.values():
            proxy.mend()

    def close(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        for proxy in self.by_host.values():
            if proxy._server is not None:
                proxy._server.close()
            proxy._mend()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_S)
