"""Targets that accept and then say nothing, from the login on: each phase has a deadline, and is told by its name.

(TCP, greeting and key exchange: ``test_transport_reasons.py``.)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from octo_ssh.errors import Position, TargetError, Unreachable
from octo_ssh.model.inventory import Target
from octo_ssh.transport import conversation
from octo_ssh.transport.options import ConnectOptions
from tests.conftest import MakeSshd
from tests.integration.hostile import liar_config, lie_to
from tests.integration.onlooker import PROGRAMS
from tests.integration.sshd import make_key
from tests.integration.transport import connector, known_hosts, target_of

SHORT = ConnectOptions(connect_s=1.0, handshake_s=1.5, authenticate_s=1.5, channel_s=1.5, retry_s=1.0)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "START_TIMEOUT_S", 1.0)
    monkeypatch.setattr(conversation, "CLOSING_TIMEOUT_S", 0.5)


async def silence(target: Target, known: Path) -> str:
    """What is told when the target is looked at."""
    async with asyncio.timeout(30), connector(known, target, options=SHORT) as made:
        try:
            session = await made.connect(target)
            await session.observe(PROGRAMS["observe"](), timeout_s=2.0)  # type: ignore[arg-type]
        except (Unreachable, TargetError) as error:
            return f"{type(error).__name__}: {error.message}"
    return "answered"


@dataclass
class Mute(asyncssh.SSHServer):
    """An SSH server that goes quiet in one phase."""

    phase: str

    async def _for_ever(self) -> Any:
        await asyncio.sleep(600)

    def begin_auth(self, username: str) -> bool | Awaitable[bool]:
        return self._for_ever() if self.phase == "begin" else True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool | Awaitable[bool]:
        return self._for_ever() if self.phase == "key" else True

    def session_requested(self) -> Any:
        return self._for_ever() if self.phase == "channel" else _Quiet()


class _Quiet(asyncssh.SSHServerSession[bytes]):
    """Takes the exec request, and that is all."""

    def exec_requested(self, command: str) -> bool:
        return True


def here(port: int, key: Path) -> Target:
    at = Position("inventory.yaml")
    return Target("web-01", at, host="127.0.0.1", port=port, identity=(str(key),), ssh_config="none")


@contextlib.asynccontextmanager
async def mute(phase: str, folder: Path) -> AsyncIterator[tuple[Target, Path]]:
    host_key, key = make_key(folder / "host"), make_key(folder / "client")
    server = await asyncssh.create_server(
        lambda: Mute(phase), "127.0.0.1", 0, server_host_keys=[str(host_key)], encoding=None, login_timeout=600
    )
    port = server.get_port()
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {host_key.with_suffix('.pub').read_text()}")
    try:
        yield here(port, key), known
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("begin", "not logged in within 1.5 s"),
        ("key", "not logged in within 1.5 s"),
        ("channel", "no shell was opened within 1.5 s"),
        ("shell", "the shell did not answer within 1 s"),
    ],
)
async def test_a_server_that_goes_quiet_is_given_up(phase: str, words: str, tmp_path: Path) -> None:
    async with mute(phase, tmp_path) as (target, known):
        assert words in await silence(target, known)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "the shell did not answer within 1 s"),
        ("NONCE up\n", "observing was not done within 2 s"),
        ("NONCE up\nNONCE facts\n", "observing was not done within 2 s"),
        ("NONCE up\nNONCE end 0", "observing was not done within 2 s"),
    ],
)
async def test_a_shell_that_goes_quiet_is_given_up(said: str, words: str, make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd("web", extra=liar_config(tmp_path / "web"))
    lie_to(sshd, None, say=said, then="hush")
    assert words in await silence(target_of(sshd), known_hosts(tmp_path, sshd))


async def test_one_that_hangs_up_in_the_middle_is_a_lost_connection(make_sshd: MakeSshd, tmp_path: Path) -> None:
    sshd = make_sshd("web", extra=liar_config(tmp_path / "web"))
    lie_to(sshd, None, say="NONCE up\nNONCE facts\n", then="end")
    said = await silence(target_of(sshd), known_hosts(tmp_path, sshd))
    assert "stopped in the middle, status 0" in said


class Meddler(Mute):
    """Asks for what no target has any business with."""

    found: Callable[[str], None]

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def auth_completed(self) -> None:
        self.asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        for opening in (
            self.connection.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 22),
            self.connection.create_unix_connection(asyncssh.SSHUNIXSession, "/run/secret"),
        ):
            try:
                await opening
            except asyncssh.ChannelOpenError as error:
                self.found(f"refused, {error.code}")
            except Exception as error:
                self.found(type(error).__name__)
            else:
                self.found("OPENED")


async def test_a_target_that_opens_channels_to_the_controller_gets_none(tmp_path: Path) -> None:
    host_key, key = make_key(tmp_path / "host"), make_key(tmp_path / "client")
    answers: list[str] = []

    def made() -> Meddler:
        server = Meddler("shell")
        server.found = answers.append
        return server

    server = await asyncssh.create_server(made, "127.0.0.1", 0, server_host_keys=[str(host_key)], encoding=None)
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.get_port()} {host_key.with_suffix('.pub').read_text()}")
    target = here(server.get_port(), key)
    try:
        await silence(target, known)
        assert len(answers) == 2
        assert all("refused" in answer for answer in answers), answers
    finally:
        server.close()
        await server.wait_closed()
