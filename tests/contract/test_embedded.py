"""The embedded server: what it gives, and all that it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from octo_ssh.errors import ConnectionLost, Unreachable
from octo_ssh.model.inventory import Target
from octo_ssh.transport.embedded import EmbeddedServer, make_key_pair
from octo_ssh.transport.local_tools import missing_tools, tool_path
from tests.integration.transport import HERE, acting, connector, home_of, reading, said


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    public = make_key_pair(tmp_path / "id")
    async with EmbeddedServer(tmp_path / "home", host_key=tmp_path / "host_key", authorized_key=public) as server:
        yield server


def target_on(server: EmbeddedServer, key: Path) -> Target:
    return Target("web-01", HERE, host=server.host, port=server.port, identity=(str(key),), ssh_config="none")


def known(server: EmbeddedServer, folder: Path) -> Path:
    path = folder / "known_hosts"
    path.write_text(server.known_hosts_line + "\n")
    return path


@contextlib.asynccontextmanager
async def raw(server: EmbeddedServer, key: Path) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection that asks for what octo-ssh never asks for."""
    trusted = f"* {server.known_hosts_line.split(' ', 1)[1]}".encode()
    async with asyncssh.connect(
        server.host, server.port, client_keys=[str(key)], known_hosts=trusted, config=None
    ) as connection:
        yield connection


async def test_a_key_is_kept_between_runs(tmp_path: Path) -> None:
    first = make_key_pair(tmp_path / "id")
    assert make_key_pair(tmp_path / "id") == first
    assert os.stat(tmp_path / "id").st_mode & 0o777 == 0o600


async def test_nobody_else_is_let_in(server: EmbeddedServer, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "other")
    with pytest.raises(Unreachable, match="permission denied"):
        await home_of(known(server, tmp_path), target_on(server, tmp_path / "other"))


async def test_programs_start_at_home_with_a_bare_environment(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "x")
    async with connector(known(server, tmp_path)) as made:
        session = await made.connect(target_on(server, tmp_path / "id"))
        reply = await session.observe(reading('printf "%s|%s|%s|%s" "$PWD" "$HOME" "$USER" "${SECRET_OF_MINE-none}"'))
    assert said(reply) == f"{server.home}|{server.home}|{server.user}|none"


async def test_everything_but_a_command_is_refused(server: EmbeddedServer, tmp_path: Path) -> None:
    async with raw(server, tmp_path / "id") as connection:
        assert (await connection.run("echo out; exit 5", check=False)).exit_status == 5
        for refused in (
            connection.create_process(),
            connection.create_process("true", request_pty="force", term_type="xterm"),
            connection.start_sftp_client(),
            connection.open_connection("127.0.0.1", server.port),
            connection.forward_remote_port("", 0, "127.0.0.1", 1),
        ):
            with pytest.raises((asyncssh.Error, asyncssh.ChannelListenError)):
                await refused


async def test_a_dropped_connection_ends_what_ran(server: EmbeddedServer, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    started = asyncio.Event()
    async with connector(known(server, tmp_path)) as made:
        session = await made.connect(target_on(server, tmp_path / "id"))
        program = acting(f"echo on; cat >/dev/null; echo ended >{mark}", section="output")
        running = asyncio.create_task(session.act(program, on_output=lambda _: started.set()))
        await asyncio.wait_for(started.wait(), 10)
        server.drop_connections()
        with pytest.raises(ConnectionLost):
            await running
    await server.stop()
    assert mark.read_text() == "ended\n"


async def test_this_machine_can_stand_for_a_target_or_says_what_it_lacks(tmp_path: Path) -> None:
    assert missing_tools(str(tmp_path)) == ["sh", "find", "grep", "tar", "gzip", "setsid"]
    assert all(isinstance(name, str) for name in missing_tools(tool_path()))
