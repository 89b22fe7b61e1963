"""Targets that cannot be reached: each with its reason, none in the way of the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import ConnectionLost, HostKeyRefused, TargetError, Unreachable
from octo_ssh.model.inventory import Target
from octo_ssh.model.program import Reading, Reply
from octo_ssh.transport.options import ConnectOptions
from octo_ssh.transport.ssh import SshConnector
from tests.conftest import MakeSshd, SshdFarm
from tests.integration.sshd import Sshd, free_port, make_key
from tests.integration.transport import HERE, QUICK, acting, connector, home_of, known_hosts, reading, said, target_of

IMPATIENT = replace(QUICK, resolve_s=2.0, connect_s=1.0, handshake_s=1.0, authenticate_s=1.5, retry_s=1.5)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@contextlib.asynccontextmanager
async def listener(greeting: bytes, *, then_close: bool) -> AsyncIterator[int]:
    """Something that listens and is no sshd."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(greeting)
        with contextlib.suppress(OSError):
            await writer.drain()
        if then_close:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()


def at(port: int, host: str = "127.0.0.1") -> Target:
    return Target("web-01", HERE, host=host, port=port, user="deploy", ssh_config="none")


async def reason(target: Target, known: Path) -> str:
    with pytest.raises(Unreachable) as caught:
        await home_of(known, target, options=IMPATIENT)
    assert not isinstance(caught.value, HostKeyRefused)
    assert caught.value.hint
    assert caught.value.message.startswith("web-01 (")
    return str(caught.value)


async def test_a_refused_port(tmp_path: Path) -> None:
    port = free_port()
    assert f"127.0.0.1:{port} refused the connection" in await reason(at(port), tmp_path / "none")


async def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    words = await reason(at(22, "web-01.invalid"), tmp_path / "none")
    assert "the name web-01.invalid cannot be resolved" in words or "was not resolved within" in words


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"is not a host name|cannot be resolved"):
        await home_of(tmp_path / "none", at(22, "a" * 70 + ".example.net"), options=IMPATIENT)


async def test_no_answer(tmp_path: Path) -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    crowd = [socket.socket() for _ in range(3)]
    try:
        for one in crowd:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(full.getsockname())
        port = full.getsockname()[1]
        assert f"no answer from 127.0.0.1:{port} within 1 s" in await reason(at(port), tmp_path / "none")
    finally:
        for one in (*crowd, full):
            one.close()


async def test_something_silent(tmp_path: Path) -> None:
    async with listener(b"", then_close=False) as port:
        assert "sent nothing within 1 s" in await reason(at(port), tmp_path / "none")


async def test_something_that_talks_another_language(tmp_path: Path) -> None:
    async with listener(b"220 mail.example.net ESMTP\r\n", then_close=False) as port:
        words = await reason(at(port), tmp_path / "none")
        assert "no SSH greeting came" in words
    async with listener(b"\x4a\x00\x00\x00\x0a5.7.1" + b"x" * 20000, then_close=False) as port:
        assert "the SSH connection failed: Banner line too long" in await reason(at(port), tmp_path / "none")
    async with listener(b"SSH-1.5-old\r\n", then_close=False) as port:
        assert "does not speak SSH 2" in await reason(at(port), tmp_path / "none")


async def test_something_that_hangs_in_the_handshake(tmp_path: Path) -> None:
    async with listener(b"SSH-2.0-OpenSSH_9.2\r\n", then_close=False) as port:
        words = await reason(at(port), tmp_path / "none")
        assert "the SSH handshake was not done within 1 s; SSH-2.0-OpenSSH_9.2 is there" in words


async def test_something_that_closes_at_once(tmp_path: Path) -> None:
    async with listener(b"", then_close=True) as port:
        assert "was closed before sshd showed its key" in await reason(at(port), tmp_path / "none")


async def test_a_wrong_key(sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "wrong")
    words = await reason(target_of(sshd, identity=(str(key),)), known_hosts(tmp_path, sshd))
    assert f"permission denied for {sshd.user}: the server wants publickey; tried {key}" in words


async def test_a_key_file_that_cannot_be_used(sshd: Sshd, tmp_path: Path) -> None:
    known = known_hosts(tmp_path, sshd)
    open_to_all = make_key(tmp_path / "open")
    open_to_all.chmod(0o644)
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no key\n")
    nonsense.chmod(0o600)
    target = target_of(sshd, identity=(str(tmp_path / "gone"), str(open_to_all), str(nonsense), str(tmp_path)))
    words = await reason(target, known)
    assert f"{tmp_path}/gone is not there" in words
    assert f"{open_to_all} can be read by others (mode 0644): chmod 600 {open_to_all}" in words
    assert f"{nonsense} is no private key" in words
    assert f"{tmp_path} is not a key file" in words
    assert "tried nothing" in words


async def test_a_proxy_command_that_fails(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  ProxyCommand echo proxy: no route to %h >&2; exit 3\n")
    target = replace(target_of(sshd), ssh_config=str(config))
    words = await reason(target, known_hosts(tmp_path, sshd))
    assert "its ProxyCommand brought no connection" in words
    assert "proxy: no route to 127.0.0.1" in words


async def test_too_many_keys(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="MaxAuthTries 2")
    keys = tuple(str(make_key(tmp_path / f"key-{n}")) for n in range(4))
    words = await reason(target_of(sshd, identity=keys), known_hosts(tmp_path, sshd))
    assert "sshd gave up after too many keys; tried" in words
    assert "IdentitiesOnly" in words


async def test_an_sshd_that_takes_no_keys(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="PubkeyAuthentication no\nPasswordAuthentication yes")
    words = await reason(target_of(sshd), known_hosts(tmp_path, sshd))
    assert "the server wants password" in words
    assert "passwords are only asked on a terminal" in words


async def test_dead_and_hung_targets_delay_nobody(sshd_farm: SshdFarm, tmp_path: Path) -> None:
    farm = sshd_farm(3)
    known = known_hosts(tmp_path, *farm)
    options = ConnectOptions(logins=2, logins_per_destination=2, handshake_s=60, connect_s=60, retry_s=60)
    async with listener(b"", then_close=False) as port, connector(known, options=options) as made:
        hung = [asyncio.create_task(made.connect(replace(at(port), name=f"hung-{n}"))) for n in range(30)]
        await asyncio.sleep(0.2)
        sessions = await asyncio.wait_for(
            asyncio.gather(*(made.connect(target_of(sshd, f"web-{n}")) for n, sshd in enumerate(farm))), 15
        )
        assert len(sessions) == 3
        assert not any(task.done() for task in hung)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)


async def test_logins_that_max_startups_drops_are_tried_again(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="MaxStartups 2:100:2")
    target = target_of(sshd)
    options = replace(QUICK, retry_s=60.0)
    async with connector(known_hosts(tmp_path, sshd), options=options) as made:
        sessions = await asyncio.gather(*(made.connect(target) for _ in range(20)))
        assert len(sessions) == 20
    assert "MaxStartups" in sshd.log.read_text()


async def test_a_fleet_that_is_too_large_for_open_files_is_told_so(sshd: Sshd, tmp_path: Path) -> None:
    async with connector(known_hosts(tmp_path, sshd)) as made:
        made.logins.ramp.capacity = 2
        target = target_of(sshd)
        sessions = [await made.connect(target) for _ in range(2)]
        with pytest.raises(Unreachable, match=r"2 are open at once\n.*ulimit -n"):
            await made.connect(target)
        await sessions[0].close()
        await made.connect(target)


async def lose(made: SshConnector, sshd: Sshd, program: Reading[Reply]) -> TargetError:
    session = await made.connect(target_of(sshd))
    running = asyncio.create_task(session.observe(program))
    await session.observe(reading("echo warm"))
    sshd.drop_connections()
    with pytest.raises(TargetError) as caught:
        await running
    with pytest.raises(ConnectionLost):
        await session.observe(reading("echo again"))
    return caught.value


async def test_a_connection_that_is_cut_is_a_lost_one(sshd: Sshd, tmp_path: Path) -> None:
    async with connector(known_hosts(tmp_path, sshd)) as made:
        error = await lose(made, sshd, reading("sleep 30"))
    assert isinstance(error, ConnectionLost)
    assert "the connection was lost" in str(error)


async def test_a_connection_cut_while_sending_is_a_lost_one(sshd: Sshd, tmp_path: Path) -> None:
    async with connector(known_hosts(tmp_path, sshd)) as made:
        session = await made.connect(target_of(sshd))
        sending = asyncio.Event()
        program = acting("sleep 30; cat >/dev/null", given=(bytes(30 * 1024 * 1024),))
        running = asyncio.create_task(session.act(program, on_sent=lambda _: sending.set()))
        await asyncio.wait_for(sending.wait(), 10)
        sshd.drop_connections()
        with pytest.raises(ConnectionLost):
            await running


async def test_a_peer_that_vanishes_is_noticed_by_keepalives(sshd: Sshd, tmp_path: Path) -> None:
    """A silent network: a relay in between goes on accepting bytes and passes none."""
    stuck = asyncio.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if stuck.is_set():
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", sshd.port)
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {sshd.host_public_key}\n")
    options = replace(QUICK, keepalive_interval_s=0.3, keepalive_count=2)
    try:
        async with connector(known, options=options) as made:
            session = await made.connect(target_of(sshd, port=port))
            quiet = await session.observe(reading("sleep 2; echo lived"))
            assert said(quiet) == "lived"
            running = asyncio.create_task(session.observe(reading("sleep 30")))
            await session.observe(reading("echo warm"))
            stuck.set()
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(running, 15)
    finally:
        server.close()


async def test_a_target_that_allows_one_shell_at_a_time_serves_all_in_turn(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="MaxSessions 1")
    async with connector(known_hosts(tmp_path, sshd)) as made:
        session = await made.connect(target_of(sshd))
        replies = await asyncio.gather(*(session.observe(reading(f"sleep 0.05; echo {n}")) for n in range(6)))
        assert [said(reply) for reply in replies] == [str(n) for n in range(6)]


async def test_a_target_that_allows_no_shell_says_so(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd(extra="MaxSessions 0")
    async with connector(known_hosts(tmp_path, sshd)) as made:
        session = await made.connect(target_of(sshd))
        with pytest.raises(TargetError, match="sshd opens no shell"):
            await session.observe(reading("true"))
