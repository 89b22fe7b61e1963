"""One login to one machine: handshake, host key, authentication, each with its deadline and its words for failure."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncssh

from octo_ssh.errors import TargetError, Unreachable
from octo_ssh.transport.dial import DialError, Dropped, Proxy, connect_tcp, resolve, wait_for_banner
from octo_ssh.transport.host_policy import HostPolicy
from octo_ssh.transport.known_hosts import KnownHosts
from octo_ssh.transport.options import ConnectOptions
from octo_ssh.transport.ramp import Ramp
from octo_ssh.transport.route import Endpoint
from octo_ssh.transport.ssh_client import LoginClient, PhaseClock
from octo_ssh.transport.ssh_keys import KeyStore, Questions, Tried
from octo_ssh.transport.ssh_words import failure

_CIPHERS = "^aes128-gcm@openssh.com"
"""asyncssh's own list, with the fastest one first: 15 % faster than chacha20 here."""
_VERSION = f"AsyncSSH_{asyncssh.__version__}"
"""As which we greet, as asyncssh would."""
_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 4.0


@dataclass(slots=True)
class Link:
    """A connection that is logged in, and what it stands on."""

    endpoint: Endpoint
    connection: asyncssh.SSHClientConnection
    client: LoginClient
    proxy: Proxy | None = None

    async def close(self) -> None:
        self.connection.close()
        try:
            async with asyncio.timeout(1.0):
                await self.connection.wait_closed()
        except TimeoutError:
            self.connection.abort()
        if self.proxy is not None:
            await self.proxy.close()


@dataclass(slots=True)
class Logins:
    """What all logins of a connector share."""

    known_hosts: KnownHosts
    options: ConnectOptions
    ramp: Ramp
    keys: KeyStore
    questions: Questions
    inventory: str
    """Its path, for the command that reviews a host key."""

    async def log_in(self, endpoint: Endpoint, via: Link | None) -> Link:
        """A logged in connection, over ``via`` where there is one. Raises Unreachable or HostKeyRefused.

        An sshd that drops us before it has shown its key (MaxStartups) is tried again, ever less often.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        tries = 0
        while True:
            tries += 1
            try:
                async with self.ramp.login((endpoint.host, endpoint.port, endpoint.proxy_command, id(via))):
                    try:
                        return await self._attempt(endpoint, via, self.policy(endpoint).algorithms)
                    except _ForeignAuthority:
                        # As OpenSSH: what counts then is whether the key itself is known.
                        return await self._attempt(endpoint, via, self.policy(endpoint).plain_algorithms)
            except Dropped as drop:
                pause_s = random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1))
                spent_s = loop.time() - start
                if spent_s + pause_s > self.options.retry_s:
                    said = f"; it said: {drop}" if str(drop) else ""
                    raise Unreachable(
                        f"{endpoint.title}: the connection was closed before sshd showed its key, "
                        f"{tries} times in {spent_s:.0f} s{said}",
                        hint="sshd is too busy (MaxStartups), bans this address (fail2ban, PerSourcePenalties), or "
                        "something else listens there",
                    ) from None
            await asyncio.sleep(pause_s)

    def policy(self, endpoint: Endpoint) -> HostPolicy:
        return HostPolicy.of(endpoint, self.known_hosts, self.inventory)

    async def _attempt(self, endpoint: Endpoint, via: Link | None, algorithms: tuple[str, ...]) -> Link:
        clock = PhaseClock(self.options.authenticate_s)
        tried = Tried()
        client = LoginClient(endpoint, self.policy(endpoint), clock, tried, self.keys, self.questions)
        try:
            async with open_stream(endpoint, via, self.options, self.ramp, clock) as stream:
                async with self.ramp.handshake(), clock.running("handshake", self.options.handshake_s):
                    connection = await asyncssh.connect(
                        endpoint.host,
                        endpoint.port,
                        client_factory=lambda: client,
                        **stream.arguments(),
                        **self.arguments(endpoint, algorithms),
                    )
                return Link(endpoint, connection, client, stream.keep())
        except (TargetError, Dropped):
            raise
        except Exception as error:
            if (refusal := client.refusal) is not None:
                raise refusal from None
            if client.foreign_authority and isinstance(error, asyncssh.HostKeyNotVerifiable):
                raise _ForeignAuthority from None
            if clock.was_asking and isinstance(error, asyncssh.ConnectionLost | OSError):
                # sshd's LoginGraceTime was over before the person had answered: the answer is kept, so try again.
                raise Dropped from None
            raise failure(error, client, endpoint, via.endpoint if via else None) from None
        finally:
            await client.finish()

    def arguments(self, endpoint: Endpoint, algorithms: tuple[str, ...]) -> dict[str, object]:
        """What asyncssh is told of a login. Nothing of it comes from files that asyncssh would find by itself."""
        policy, options = self.policy(endpoint), self.options
        # Plain keys are judged by the client, which has better words; of a certificate it sees the authority alone.
        judged = policy.revoked() if policy.has_authority else ()
        revoked = [_public_key(kind, blob) for kind, blob in judged]
        return {
            "config": None,
            "client_version": _VERSION,
            "known_hosts": lambda host, addr, port: ([], [], [key for key in revoked if key is not None]),
            "host_key_alias": endpoint.host_key_alias,
            "server_host_key_algs": list(algorithms),
            "x509_trusted_certs": None,
            "x509_trusted_cert_paths": None,
            "username": endpoint.user,
            "client_keys": None,
            "preferred_auth": ["publickey", "keyboard-interactive", "password"],
            "gss_host": None,
            "gss_kex": False,
            "gss_auth": False,
            "host_based_auth": False,
            "agent_forwarding": False,
            "encryption_algs": _CIPHERS,
            "compression_algs": None,
            "connect_timeout": None,
            "login_timeout": 0,
            "keepalive_interval": endpoint.alive_interval_s or options.keepalive_interval_s,
            "keepalive_count_max": endpoint.alive_count or options.keepalive_count,
        }


class _ForeignAuthority(Exception):
    """The machine's certificate is signed by somebody else: its plain key may still be known."""


class Stream:
    """What asyncssh is to speak over: a socket, or a channel of a jump host's connection."""

    def __init__(self, link: socket.socket | None, proxy: Proxy | None, tunnel: object | None) -> None:
        self._socket = link
        self._proxy = proxy
        self._tunnel = tunnel
        self.kept = False

    def arguments(self) -> dict[str, object]:
        return {"sock": self._socket} if self._socket is not None else {"tunnel": self._tunnel}

    def keep(self) -> Proxy | None:
        """The login stands: the stream is the connection's now."""
        self.kept = True
        return self._proxy


class _Tunnel:
    """Opens a channel through a jump host within the time for connecting; then the handshake's time begins."""

    def __init__(self, via: Link, endpoint: Endpoint, clock: PhaseClock, connect_s: float) -> None:
        self._via, self._endpoint, self._clock, self._connect_s = via, endpoint, clock, connect_s

    async def create_connection(self, factory: object, host: str, port: int) -> tuple[object, object]:
        with self._clock.stopped():
            try:
                async with asyncio.timeout(self._connect_s):
                    made = await self._via.connection.create_connection(factory, host, port)  # type: ignore[arg-type]
                    return made[0], made[1]
            except TimeoutError:
                reason = f"jump host {self._via.endpoint.name} could not reach it within {self._connect_s:g} s"
                raise DialError(reason, "is the machine up, and reachable from there?") from None


@contextlib.asynccontextmanager
async def open_stream(
    endpoint: Endpoint, via: Link | None, options: ConnectOptions, ramp: Ramp, clock: PhaseClock
) -> AsyncIterator[Stream]:
    """A stream to the endpoint's sshd, closed at the end unless it was kept. Raises Unreachable or Dropped."""
    connect_s = endpoint.connect_timeout_s or options.connect_s
    if via is not None:
        yield Stream(None, None, _Tunnel(via, endpoint, clock, connect_s))
        return
    link, proxy = None, None
    stream = None
    try:
        if endpoint.proxy_command is not None:
            proxy = await Proxy.start(endpoint.proxy_command)
            link = proxy.socket
        else:
            async with ramp.thread():
                addresses = await resolve(
                    endpoint.host, endpoint.port, family=endpoint.family, timeout_s=options.resolve_s
                )
            tcp = await connect_tcp(endpoint.host, addresses, timeout_s=connect_s, bind_address=endpoint.bind_address)
            tcp.greet(f"SSH-2.0-{_VERSION}\r\n".encode("ascii"))
            link = tcp
        await wait_for_banner(link, timeout_s=options.handshake_s)
        stream = Stream(link, proxy, None)
        yield stream
    except (Dropped, DialError) as error:
        if proxy is not None:
            words = await proxy.last_words()
            raise Unreachable(
                f"{endpoint.title}: its ProxyCommand brought no connection" + (f" ({words})" if words else ""),
                hint=f"try it: {endpoint.proxy_command}",
            ) from None
        if isinstance(error, DialError):
            raise Unreachable(f"{endpoint.title}: {error.reason}", hint=error.hint) from None
        raise
    finally:
        if stream is None or not stream.kept:
            if link is not None:
                link.close()
            if proxy is not None:
                await proxy.close()


def _public_key(kind: str, blob: bytes) -> asyncssh.SSHKey | None:
    with contextlib.suppress(asyncssh.KeyImportError):
        return asyncssh.import_public_key(f"{kind} {base64.b64encode(blob).decode()}")
    return None
