"""An SSH server on loopback that stands for a target: for ``octo-ssh demo`` and for tests. No root, no sshd.

It runs what it is asked to run with this machine's own ``sh``, in a home of its own, and refuses everything else:
forwarding, SFTP, terminals, agents, passwords.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
from pathlib import Path

import asyncssh

from octo_ssh.model.wire import EXEC_REQUEST
from octo_ssh.transport.known_hosts import host_name
from octo_ssh.transport.local_tools import tool_path

_PIECE_BYTES = 256 * 1024
_GRACE_S = 10.0
"""How long a program may take to end what it started, once its connection is gone."""
_STOP_GRACE_S = 3.0


def make_key_pair(path: Path) -> str:
    """A new ed25519 key at ``path`` (0600), unless one is there; its public half as one line."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="octo-ssh demo")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.export_private_key())
    return asyncssh.read_private_key(path).export_public_key().decode().strip()


class EmbeddedServer:
    """One stand-in for a target. Its home and host key stay between runs."""

    def __init__(
        self,
        home: Path,
        *,
        host_key: Path,
        authorized_key: str,
        path: str | None = None,
        shell: str = "sh",
        host: str = "127.0.0.1",
    ) -> None:
        """``host_key`` is made when it is not there. ``authorized_key`` is the one public key that is let in."""
        self.home = home
        self.host = host
        self.port = 0
        self._shell = shell
        self._env = _environment(home, path or tool_path())
        self._host_key_path = host_key
        self._host_key = ""
        self._authorized = asyncssh.import_authorized_keys(authorized_key)
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._children: set[asyncio.Task[None]] = set()

    @property
    def user(self) -> str:
        """The login it takes: whoever runs it."""
        return self._env["USER"]

    @property
    def known_hosts_line(self) -> str:
        """What known_hosts must hold, without the line's end. Needs ``start``."""
        return f"{host_name(self.host, self.port)} {' '.join(self._host_key.split()[:2])}"

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; 0 takes any free port. Raises OSError when the port is taken."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._host_key = make_key_pair(self._host_key_path)
        self._acceptor = await asyncssh.create_server(
            lambda: _Server(self),
            self.host,
            port,
            config=None,
            server_host_keys=[str(self._host_key_path)],
            authorized_client_keys=self._authorized,
            encoding=None,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            x509_trusted_certs=None,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            compression_algs=None,
            login_timeout=30,
        )
        self.port = self._acceptor.get_port()

    async def stop(self) -> None:
        """Stop listening, drop every connection, end every program. May be called twice."""
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()
            self.drop_connections()
            await acceptor.wait_closed()
        if self._children:
            _, late = await asyncio.wait(self._children, timeout=_STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def drop_connections(self) -> None:
        """Cut every connection; the listener stays."""
        for connection in list(self._connections):
            connection.abort()

    async def __aenter__(self) -> EmbeddedServer:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def opened(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.add(connection)

    def ended(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.discard(connection)

    def run(self, session: _Session, command: str) -> None:
        """Run an exec request for a session."""
        # What octo-ssh asks for runs without a shell around it, so that a killed shell is seen as one.
        argv = (self._shell, "-s") if command == EXEC_REQUEST else (self._shell, "-c", command)
        task = asyncio.create_task(session.serve(argv, self._env, self.home))
        self._children.add(task)
        task.add_done_callback(self._children.discard)


class _Server(asyncssh.SSHServer):
    """One connection: whoever has the key, as the user that runs us; sessions only."""

    def __init__(self, owner: EmbeddedServer) -> None:
        self._owner = owner
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._owner.opened(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._owner.ended(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._owner)


class _Session(asyncssh.SSHServerSession[bytes]):
    """One exec request and its child process. Both directions wait when the other side is slow."""

    def __init__(self, owner: EmbeddedServer) -> None:
        self._owner = owner
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._command: str | None = None
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        if self._command is not None:
            self._owner.run(self, self._command)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._incoming.put_nowait(data)
        if self._channel is not None:
            # One piece at a time: the SSH window is what holds the sender back.
            self._channel.pause_reading()

    def eof_received(self) -> bool:
        self._incoming.put_nowait(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._incoming.put_nowait(b"")
        self._writable.set()
        self._gone.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def serve(self, argv: tuple[str, ...], env: dict[str, str], home: Path) -> None:
        """Run the child to its end. It sees the end of its input when the connection goes, as under sshd."""
        channel = self._channel
        if channel is None:
            return
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, cwd=home, env=env, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            channel.write_stderr(f"{argv[0]}: {error.strerror}\n".encode())
            channel.exit(127)
            return
        feeding = asyncio.create_task(self._feed(child))
        watching = asyncio.create_task(self._end_when_gone(child))
        try:
            await asyncio.gather(self._copy(child.stdout, None), self._copy(child.stderr, _STDERR))
            status = await child.wait()
        finally:
            feeding.cancel()
            watching.cancel()
            _kill(child, signal.SIGKILL)
            await child.wait()
        if not self._gone.is_set():
            with contextlib.suppress(OSError):
                if status >= 0:
                    channel.exit(status)
                else:
                    channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))

    async def _feed(self, child: asyncio.subprocess.Process) -> None:
        stdin, channel = child.stdin, self._channel
        if stdin is None or channel is None:
            return
        while data := await self._incoming.get():
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # Once the child has closed its end, asyncio logs a warning for each piece.
                if not stdin.is_closing():
                    stdin.write(data)
                    await stdin.drain()
            if self._incoming.empty() and not self._gone.is_set():
                channel.resume_reading()
        stdin.close()

    async def _copy(self, stream: asyncio.StreamReader | None, datatype: int | None) -> None:
        channel = self._channel
        while stream is not None and channel is not None and (data := await stream.read(_PIECE_BYTES)):
            await self._writable.wait()
            if not self._gone.is_set():
                with contextlib.suppress(OSError):
                    channel.write(data, datatype)

    async def _end_when_gone(self, child: asyncio.subprocess.Process) -> None:
        await self._gone.wait()
        await asyncio.sleep(_GRACE_S)
        _kill(child, signal.SIGKILL)


_STDERR: int = asyncssh.EXTENDED_DATA_STDERR


def _kill(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _environment(home: Path, path: str) -> dict[str, str]:
    """What sshd would set, and no more."""
    user = getpass.getuser()
    return {"HOME": str(home), "PATH": path, "USER": user, "LOGNAME": user, "SHELL": "/bin/sh"}
