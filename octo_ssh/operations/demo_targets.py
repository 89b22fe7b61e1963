"""What stands for targets in the demo: SSH servers on loopback, inside this process or OpenSSH's own."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from octo_ssh.errors import OctoError

_SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/sbin"
_UP_WITHIN_S = 10.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class StandIn:
    """A target of the demo."""

    name: str
    user: str
    port: int
    home: Path
    identity: Path
    """The private key that is let in."""
    known_hosts_line: str
    host: str = "127.0.0.1"


@asynccontextmanager
async def embedded_targets(folder: Path, names: Iterable[str]) -> AsyncIterator[tuple[StandIn, ...]]:
    """Servers inside this process; they run programs with this machine's ``sh``. Raises OctoError for missing tools."""
    from octo_ssh.transport.embedded import EmbeddedServer, make_key_pair
    from octo_ssh.transport.local_tools import missing_tools, tool_path

    path = tool_path()
    if missing := await asyncio.to_thread(missing_tools, path):
        raise OctoError(
            f"this machine cannot stand for a target: it lacks {', '.join(missing)}",
            hint="macOS: brew install coreutils findutils gnu-tar grep util-linux; Debian: apt-get install util-linux",
        )
    identity = folder / "id_ed25519"
    public = make_key_pair(identity)
    async with AsyncExitStack() as stack:
        found: list[StandIn] = []
        for name in names:
            home = folder / "targets" / name
            server = EmbeddedServer(home, host_key=folder / f"host_key_{name}", authorized_key=public, path=path)
            await stack.enter_async_context(server)
            found.append(StandIn(name, server.user, server.port, home, identity, server.known_hosts_line))
        try:
            yield tuple(found)
        finally:
            _end_services(found)


@asynccontextmanager
async def sshd_targets(folder: Path, names: Iterable[str]) -> AsyncIterator[tuple[StandIn, ...]]:
    """OpenSSH's sshds, run by whoever runs the demo. Raises OctoError where there is none, or one does not come up."""
    from octo_ssh.transport.embedded import make_key_pair

    binary = _find_sshd()
    identity = folder / "id_ed25519"
    (folder / "authorized_keys").write_text(make_key_pair(identity) + "\n")
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(_sshd(binary, folder, name, identity)) for name in names]
        try:
            yield tuple(found)
        finally:
            _end_services(found)


@asynccontextmanager
async def _sshd(binary: str, folder: Path, name: str, identity: Path) -> AsyncIterator[StandIn]:
    from octo_ssh.transport.embedded import make_key_pair

    home = folder / "targets" / name
    home.mkdir(mode=0o700, parents=True)
    host_key, port, log = folder / f"host_key_{name}", _free_port(), folder / f"{name}.log"
    public = make_key_pair(host_key)
    config = folder / f"{name}.conf"
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nAuthorizedKeysFile {folder / 'authorized_keys'}\n"
        f'SetEnv HOME="{home}"\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n'
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\nAllowTcpForwarding no\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(binary, "-D", "-f", str(config), "-E", str(log)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await _wait_until_up(port, name, log, process)
        line = f"[127.0.0.1]:{port} {' '.join(public.split()[:2])}"
        yield StandIn(name, getpass.getuser(), port, home, identity, line)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _wait_until_up(port: int, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _UP_WITHIN_S
    while process.returncode is None and loop.time() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(_PAUSE_S)
    raise OctoError(f"the sshd for {name} did not come up on port {port}", hint=_said(log))


def _find_sshd() -> str:
    """Where sshd is: it insists on being called by its whole path. Raises OctoError."""
    binary = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), _SBIN)))
    if binary is None:
        raise OctoError(
            "OpenSSH's sshd is not installed here", hint="apt-get install openssh-server, or leave --sshd out"
        )
    if os.geteuid() == 0 and Path("/run").is_dir():
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation insists on this folder
    return binary


def _said(log: Path) -> str:
    """What an sshd wrote before it gave up."""
    with contextlib.suppress(OSError):
        return log.read_text(errors="replace").strip()
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_services(stand_ins: Iterable[StandIn]) -> None:
    """Tell the shops' stand-in servers to end: each lives while its pid file names it."""
    for one in stand_ins:
        (one.home / "shop/shared/var/pid").unlink(missing_ok=True)
