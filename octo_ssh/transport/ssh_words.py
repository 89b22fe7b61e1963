"""Why a login failed, in one voice: what asyncssh raises becomes ``Unreachable`` with its reason and a way on."""

from __future__ import annotations

import asyncssh

from octo_ssh.errors import TargetError, Unreachable
from octo_ssh.transport.dial import DialError, Dropped
from octo_ssh.transport.route import Endpoint
from octo_ssh.transport.ssh_client import LoginClient

_TOO_MANY = "Too many authentication failures"
_MAX_WORDS = 300


def failure(error: Exception, client: LoginClient, endpoint: Endpoint, via: Endpoint | None) -> TargetError | Dropped:
    """The error to raise in place of what came out of a login attempt."""
    title = endpoint.title
    match error:
        case DialError():
            return Unreachable(f"{title}: {error.reason}", hint=error.hint)
        case TimeoutError() if client.clock.phase == "authentication":
            return Unreachable(
                f"{title}: not logged in within {client.clock.limit_s:g} s{_attempts(client)}",
                hint="sshd there may wait for DNS, PAM or a directory server",
            )
        case TimeoutError():
            said = f"; {client.introduced} is there" if client.introduced else ", no SSH greeting came"
            return Unreachable(
                f"{title}: the SSH handshake was not done within {client.clock.limit_s:g} s{said}",
                hint="is it an sshd? a broken path MTU or an overloaded machine also looks like this",
            )
        case asyncssh.ChannelOpenError() if via is not None:
            return _jump_failure(error, title, via)
        case asyncssh.PermissionDenied():
            return _denied(client, endpoint)
        case asyncssh.HostKeyNotVerifiable():
            return client.policy.certificate_refusal(error.reason.partition(" for host")[0])
        case asyncssh.KeyExchangeFailed():
            return Unreachable(
                f"{title}: no common algorithms: {_words(error.reason)}",
                hint="the sshd there is too old, or is set up too strictly",
            )
        case asyncssh.ProtocolNotSupported():
            return Unreachable(f"{title}: what listens there does not speak SSH 2", hint="check host and port")
        case asyncssh.ConnectionLost() | OSError() if not client.key_trusted:
            return Dropped()
        case asyncssh.ConnectionLost() | OSError():
            return Unreachable(
                f"{title}: sshd closed the connection during the login{_said(client)}{_attempts(client)}",
                hint="its log says why (a full disk, a broken shell, MaxAuthTries, an access rule)",
            )
        case asyncssh.DisconnectError() if _TOO_MANY in error.reason:
            return Unreachable(
                f"{title}: sshd gave up after too many keys{_attempts(client)}",
                hint=f"set identity for {endpoint.name}, or IdentitiesOnly yes, so that fewer keys are offered",
            )
        case asyncssh.DisconnectError():
            hint = "check host and port" if not client.introduced else ""
            return Unreachable(f"{title}: the SSH connection failed: {_words(error.reason)}", hint=hint)
        case _:
            return Unreachable(f"{title}: the login failed: {_words(str(error) or type(error).__name__)}")


def _denied(client: LoginClient, endpoint: Endpoint) -> Unreachable:
    wanted = ",".join(client.tried.wanted) or "nothing that octo-ssh can do"
    hint = f"put a public key into authorized_keys of {endpoint.user} there, or set identity for {endpoint.name}"
    asked = any("password" in offer for offer in client.tried.offered)
    if not asked and ("password" in wanted or "keyboard-interactive" in wanted):
        hint += "; passwords are only asked on a terminal"
    return Unreachable(
        f"{endpoint.title}: permission denied for {endpoint.user}: the server wants {wanted}{_attempts(client)}",
        hint=hint,
    )


def _attempts(client: LoginClient) -> str:
    """What was offered and what could not be, as the rest of a sentence."""
    offered = ", ".join(dict.fromkeys(client.tried.offered)) or "nothing"
    notes = "".join(f"; {note}" for note in dict.fromkeys(client.tried.notes))
    return f"; tried {offered}{notes}"


def _said(client: LoginClient) -> str:
    """The server's last words during the login, as the rest of a sentence."""
    words = _words(client.last_banner)
    return f", saying: {words}" if words else ""


def _jump_failure(error: asyncssh.ChannelOpenError, title: str, via: Endpoint) -> Unreachable:
    words = _words(error.reason)
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return Unreachable(
            f"{title}: jump host {via.name} refuses to forward: {words}",
            hint=f"AllowTcpForwarding and PermitOpen in sshd_config of {via.name} decide",
        )
    return Unreachable(
        f"{title}: jump host {via.name} cannot reach it: {words}",
        hint="is the machine up, the port right, and reachable from there?",
    )


def _words(text: str) -> str:
    """Words of a server, fit for a message."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_WORDS]
