"""From a target to the machines on the way: where each is and how to log in there. Resolves words, opens no socket.

Order, key by key: the target's own key, ssh_config matched on its name, ``defaults``, OpenSSH's default (SPEC
section 3).
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import urlsplit

from octo_ssh.errors import Position, Unreachable
from octo_ssh.model.inventory import Fallback, Hop, Inventory, Target
from octo_ssh.model.values import SecretRef
from octo_ssh.transport.known_hosts import host_name
from octo_ssh.transport.openssh_config import FindName, HostConfig, evaluate
from octo_ssh.transport.openssh_file import ConfigMistake, config_files
from octo_ssh.transport.openssh_tokens import Tokens, expand, expand_command, expand_path

USUAL_IDENTITIES = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One machine to log in to. Equal ones may share a connection."""

    name: str
    """What messages call it: a target's name, or a jump host as it was written."""
    host: str
    port: int
    user: str
    known_as: str
    """The name known_hosts is asked for."""
    identities: tuple[str, ...]
    """Paths of private keys, in the order they are tried."""
    only_identities: bool
    """Keys of the agent that are not among them are not offered."""
    identities_named: bool
    """They were named by someone, so that a missing one is worth a word."""
    certificates: tuple[str, ...] = ()
    agent: str | None = None
    """The agent's socket."""
    passphrase: SecretRef | None = None
    host_key: str | None = None
    """``SHA256:…`` that narrows known_hosts."""
    host_key_alias: str | None = None
    proxy_command: str | None = None
    via: Endpoint | None = None
    """The jump host before it."""
    is_target: bool = True
    connect_timeout_s: float | None = None
    alive_interval_s: float | None = None
    alive_count: int | None = None
    family: socket.AddressFamily = field(default=socket.AF_UNSPEC)
    bind_address: str | None = None

    @property
    def depth(self) -> int:
        """How many hops stand before it."""
        return 0 if self.via is None else 1 + self.via.depth

    @property
    def where(self) -> str:
        """``host``, with the port when it is not 22."""
        shown = f"[{self.host}]" if ":" in self.host and self.port != 22 else self.host
        return shown if self.port == 22 else f"{shown}:{self.port}"

    @property
    def title(self) -> str:
        """For messages: the name, with the place where that says more."""
        return self.name if self.where == self.name else f"{self.name} ({self.where})"


@lru_cache(maxsize=1)
def local_user() -> str:
    """Who runs this. Works without a terminal and under cron."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def find_name(host: str) -> str | None:
    """The canonical name of a host that resolves, else None. Blocks."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except OSError:
        return None
    return next((entry[3] for entry in found if entry[3]), host)


def resolve_route(target: Target, inventory: Inventory, *, find: FindName = find_name) -> Endpoint:
    """The target's endpoint, with its jump hosts in ``via``. May block (``Match exec``, CanonicalizeHostname).

    Raises Unreachable: a mistake in ssh_config, a jump host that is nobody, a circle of jump hosts.
    """
    try:
        return _Resolver(inventory.targets, find).target(target, ())
    except ConfigMistake as error:
        raise Unreachable(
            f"{target.name}: {error}", hint="correct it, or set ssh_config: none for the target"
        ) from None


def parse_jump(text: str) -> Hop:
    """``[user@]host[:port]``, ``[user@][v6]:port`` or an ``ssh://`` address. Raises ConfigMistake."""
    mistake = ConfigMistake(Position(""), f"{text!r} is not a jump host: user@host:port")
    try:
        if text.startswith("ssh://"):
            parts = urlsplit(text)
            if not parts.hostname:
                raise mistake
            return Hop(parts.hostname, parts.username, parts.port)
        user, _, rest = text.rpartition("@")
        if rest.startswith("["):
            host, _, tail = rest[1:].partition("]")
            port = tail.removeprefix(":") if tail else ""
        elif rest.count(":") == 1:
            host, _, port = rest.partition(":")
        else:
            host, port = rest, ""
        if not host:
            raise mistake
        return Hop(host, user or None, int(port) if port else None)
    except ValueError:
        raise mistake from None


class _Resolver:
    def __init__(self, targets: Mapping[str, Target], find: FindName) -> None:
        self._targets = targets
        self._find = find

    def target(self, target: Target, seen: tuple[str, ...], *, via: Endpoint | None = None) -> Endpoint:
        """``via`` is given when the target is a later hop of somebody's list: its own jump does not count then."""
        if target.name in seen:
            circle = " → ".join((*seen, target.name))
            raise Unreachable(f"{seen[0]}: the jump hosts form a circle: {circle}", hint="correct the jump keys")
        config = self._config(target.ssh_config, target.name, target.host, target.port, target.user)
        fallback = target.fallback
        host = config.hostname or fallback.host or target.name
        port = config.port or fallback.port or 22
        user = config.user or fallback.user or local_user()
        identities = target.identity or config.identity_files
        if identities is None:
            identities = fallback.identity or None
        endpoint = self._endpoint(target.name, host, port, user, config, identities)
        endpoint = replace(
            endpoint,
            only_identities=bool(target.identity) or endpoint.only_identities,
            passphrase=target.identity_passphrase,
            host_key=target.host_key,
        )
        if via is not None:
            return replace(endpoint, via=via, proxy_command=None)
        if target.jump is not None:
            return self._behind(endpoint, target.jump, target.ssh_config, (*seen, target.name), fallback)
        if config.proxy_jump or config.proxy_command:
            return self._proxied(endpoint, config, target.ssh_config, (*seen, target.name))
        if config.proxy_jump is None and config.proxy_command is None and fallback.jump:
            return self._behind(endpoint, fallback.jump, target.ssh_config, (*seen, target.name), fallback)
        return endpoint

    def _hop(
        self, hop: Hop, choice: str | None, seen: tuple[str, ...], via: Endpoint | None, fallback: Fallback
    ) -> Endpoint:
        if hop.is_target:
            return self._target_hop(hop, seen, via)
        if hop.name in seen:
            circle = " → ".join((*seen, hop.name))
            raise Unreachable(f"{seen[0]}: the jump hosts form a circle: {circle}", hint="correct ProxyJump")
        config = self._config(choice, hop.name, None, hop.port, hop.user)
        host, port = config.hostname or hop.name, config.port or 22
        user = config.user or fallback.user or local_user()
        identities = config.identity_files
        if identities is None:
            identities = fallback.identity or None
        endpoint = replace(self._endpoint(hop.name, host, port, user, config, identities), is_target=False)
        if via is not None:
            return replace(endpoint, via=via)
        return self._proxied(endpoint, config, choice, (*seen, hop.name))

    def _target_hop(self, hop: Hop, seen: tuple[str, ...], via: Endpoint | None) -> Endpoint:
        target = self._targets.get(hop.name)
        if target is None:
            raise Unreachable(f"{seen[0]}: its jump host {hop.name} is no target of the inventory")
        changed = replace(target, user=hop.user or target.user, port=hop.port or target.port)
        return self.target(changed, seen, via=via)

    def _behind(
        self,
        endpoint: Endpoint,
        hops: tuple[Hop, ...],
        choice: str | None,
        seen: tuple[str, ...],
        fallback: Fallback,
    ) -> Endpoint:
        """The endpoint behind hops, nearest to the controller first. A machine is never its own jump host.

        ``fallback`` is for hops that are no targets: those of the inventory use its ``defaults``, those of ssh_config
        nothing but ssh_config.
        """
        if any(hop.name == endpoint.name for hop in hops):
            # `defaults: {jump: bastion}` and `Host *` with ProxyJump reach the bastion itself too.
            hops = hops[: next(at for at, hop in enumerate(hops) if hop.name == endpoint.name)]
        via: Endpoint | None = None
        for hop in hops:
            via = self._hop(hop, choice, seen, via, fallback)
        return replace(endpoint, via=via)

    def _proxied(self, endpoint: Endpoint, config: HostConfig, choice: str | None, seen: tuple[str, ...]) -> Endpoint:
        tokens = Tokens(
            name=endpoint.name, host=endpoint.host, port=str(endpoint.port), user=endpoint.user,
            local_user=local_user(), alias=config.host_key_alias or endpoint.host,
        )  # fmt: skip
        if config.proxy_command:
            return replace(endpoint, proxy_command=expand_command(config.proxy_command, tokens))
        if config.proxy_jump:
            hops = tuple(parse_jump(expand(hop.strip(), tokens)) for hop in config.proxy_jump.split(","))
            return self._behind(endpoint, hops, choice, seen, Fallback())
        return endpoint

    def _config(
        self, choice: str | None, name: str, host: str | None, port: int | None, user: str | None
    ) -> HostConfig:
        return evaluate(
            config_files(choice), name, local_user=local_user(), host=host, port=port, user=user, find_name=self._find
        )

    def _endpoint(
        self, name: str, host: str, port: int, user: str, config: HostConfig, identities: tuple[str, ...] | None
    ) -> Endpoint:
        alias = expand(config.host_key_alias, {}) if config.host_key_alias else None
        tokens = Tokens(name, host, str(port), user, local_user(), alias or host)
        named = USUAL_IDENTITIES if identities is None else identities
        return Endpoint(
            name=name,
            host=host,
            port=port,
            user=user,
            known_as=alias.lower() if alias else host_name(host, port),
            identities=tuple(dict.fromkeys(expand_path(path, tokens) for path in named)),
            only_identities=config.identities_only,
            identities_named=bool(identities),
            certificates=tuple(expand_path(path, tokens) for path in config.certificate_files),
            agent=_agent_socket(config.identity_agent, tokens),
            host_key_alias=alias,
            connect_timeout_s=config.connect_timeout_s,
            alive_interval_s=config.alive_interval_s,
            alive_count=config.alive_count,
            family=config.address_family,
            bind_address=config.bind_address,
        )


def _agent_socket(said: str | None, tokens: Tokens) -> str | None:
    """The agent to ask: IdentityAgent, else SSH_AUTH_SOCK; None under cron and for ``none``."""
    usual = os.environ.get("SSH_AUTH_SOCK") or None
    if said is None or said == "SSH_AUTH_SOCK":
        return usual
    if said.lower() == "none":
        return None
    if said.startswith("$") and not said.startswith("${"):
        return os.environ.get(said[1:]) or None
    return expand_path(said, tokens)
