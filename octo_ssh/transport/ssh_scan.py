"""Which host keys a machine shows: handshakes that end before anybody logs in, one for each kind of key."""

from __future__ import annotations

import asyncio

import asyncssh

from octo_ssh.errors import HostKeyRefused, Unreachable
from octo_ssh.transport.dial import Dropped
from octo_ssh.transport.host_policy import ALGORITHMS, HostPolicy
from octo_ssh.transport.route import Endpoint
from octo_ssh.transport.ssh_client import LoginClient, PhaseClock
from octo_ssh.transport.ssh_keys import Tried
from octo_ssh.transport.ssh_login import Link, Logins, open_stream
from octo_ssh.transport.ssh_words import failure

# One handshake each; the three curves of ECDSA are one kind to a server.
_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("ssh-rsa",),
)
_PAUSES_S = (0.3, 0.8, 2.0, 4.0)

Key = tuple[str, bytes]
"""Kind and public key."""


async def scan_host_keys(endpoint: Endpoint, via: Link | None, logins: Logins) -> list[Key]:
    """Every plain key the machine shows. Raises Unreachable."""
    shown = await asyncio.gather(*(_shown_key(endpoint, via, logins, family) for family in _FAMILIES))
    found = [key for key in shown if key is not None]
    if not found:
        raise Unreachable(
            f"{endpoint.title}: it shows no host key of a kind that is used today",
            hint="it should have an ed25519, ECDSA or RSA (SHA-2) host key",
        )
    return found


async def trusted_authority(endpoint: Endpoint, via: Link | None, logins: Logins) -> Key | None:
    """The authority named in known_hosts that signed the certificate the machine shows. Raises Unreachable."""
    if not logins.policy(endpoint).has_authority:
        return None
    client = await _handshake(endpoint, via, logins, list(logins.policy(endpoint).algorithms))
    return client.authority if client.certificate_trusted else None


async def _shown_key(endpoint: Endpoint, via: Link | None, logins: Logins, family: tuple[str, ...]) -> Key | None:
    # All kinds are offered, this family first: an sshd that shares no kind with us just closes the connection.
    kinds = sorted(ALGORITHMS, key=lambda kind: kind not in family)
    client = await _handshake(endpoint, via, logins, [name for kind in kinds for name in ALGORITHMS[kind]])
    return client.seen if client.seen is not None and client.seen[0] in family else None


async def _handshake(endpoint: Endpoint, via: Link | None, logins: Logins, algorithms: list[str]) -> _Onlooker:
    """One handshake that ends before the login, tried again when sshd is busy. Raises Unreachable."""
    for pause_s in (*_PAUSES_S, None):
        try:
            async with logins.ramp.login((endpoint.host, endpoint.port, endpoint.proxy_command, id(via))):
                return await _attempt(endpoint, via, logins, algorithms)
        except Dropped:
            if pause_s is None:
                break
        await asyncio.sleep(pause_s)
    raise Unreachable(
        f"{endpoint.title}: the connection was closed before sshd showed its key, {len(_PAUSES_S) + 1} times",
        hint="is it an sshd? is it busy, or does it ban this address?",
    )


async def _attempt(endpoint: Endpoint, via: Link | None, logins: Logins, algorithms: list[str]) -> _Onlooker:
    options = logins.options
    clock = PhaseClock(options.authenticate_s)
    client = _Onlooker(endpoint, logins.policy(endpoint), clock, logins)
    try:
        async with (
            open_stream(endpoint, via, options, logins.ramp, clock) as stream,
            logins.ramp.handshake(),
            clock.running("handshake", options.handshake_s),
        ):
            arguments = logins.arguments(endpoint, tuple(algorithms))
            connection = await asyncssh.connect(
                endpoint.host, endpoint.port, client_factory=lambda: client, **stream.arguments(), **arguments
            )
            connection.abort()
    except (Unreachable, Dropped):
        raise
    except Exception as error:
        if client.seen is None and client.authority is None:
            raise failure(error, client, endpoint, via.endpoint if via else None) from None
    finally:
        await client.finish()
    return client


class _Onlooker(LoginClient):
    """Looks at the host key and goes away: no key is ever accepted, nothing is ever offered."""

    def __init__(self, endpoint: Endpoint, policy: HostPolicy, clock: PhaseClock, logins: Logins) -> None:
        super().__init__(endpoint, policy, clock, Tried(), logins.keys, logins.questions)
        self.seen: Key | None = None
        self.authority: Key | None = None
        self.certificate_trusted = False

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.seen = (key.get_algorithm(), key.public_data)
        self.refusal = HostKeyRefused("only looked at")
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.authority = (key.get_algorithm(), key.public_data)
        return super().validate_host_ca_key(host, addr, port, key)

    def begin_auth(self, username: str) -> None:
        # Only a trusted certificate, made out to this name and not expired, comes this far.
        self.certificate_trusted = True

    async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
        return None

    async def password_auth_requested(self) -> str | None:
        return None

    def kbdint_auth_requested(self) -> str | None:
        return None
