"""The inventory: targets, their tags, environments and variables (SPEC section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from octo_ssh.errors import Position
from octo_ssh.model.values import SecretRef, Variables


@dataclass(frozen=True, slots=True)
class Become:
    """How a target's login becomes another user: with ``sudo``. Whether is said by each step."""

    user: str = "root"
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One jump host on the way: a target of the inventory by name, or a plain ``user@host:port``."""

    name: str
    """The target's name, or the host as written: what known_hosts and ssh_config are asked for."""
    user: str | None = None
    port: int | None = None
    is_target: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A server that receives deployments, as the files describe it.

    ``None`` in a connection field means "not said here": ssh_config is asked, then the inventory's ``defaults``
    (which are kept apart in ``fallback``), then OpenSSH's own default.
    """

    name: str
    position: Position
    host: str | None = None
    user: str | None = None
    port: int | None = None
    identity: tuple[str, ...] = ()
    """Paths of private keys; empty means agent, ssh_config, the usual files."""
    identity_passphrase: SecretRef | None = None
    jump: tuple[Hop, ...] | None = None
    """Hops in order, nearest to the controller first. ``()`` means: no jump, whatever ssh_config says."""
    host_key: str | None = None
    """``SHA256:…``: narrows known_hosts to this one key."""
    ssh_config: str | None = None
    """Path of the ssh_config to use, ``none`` for none, ``None`` for the user's."""
    root: str = "~/.octo-ssh"
    become: Become = field(default_factory=Become)
    environments: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    variables: Variables = field(default_factory=dict)
    fallback: Fallback = field(default_factory=lambda: Fallback())


@dataclass(frozen=True, slots=True)
class Fallback:
    """The connection keys of ``defaults``: they come after ssh_config (SPEC section 3)."""

    host: str | None = None
    user: str | None = None
    port: int | None = None
    identity: tuple[str, ...] = ()
    jump: tuple[Hop, ...] | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """No release goes to the environment in ``[start, end)``."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a release goes. Those of an inventory stand in promotion order."""

    name: str
    position: Position
    requires: str | None = None
    confirm: bool = False
    guided: bool = False
    freezes: tuple[Freeze, ...] = ()
    variables: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tag:
    """What targets are for; may carry variables."""

    name: str
    variables: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All targets, after ranges, includes, defaults and dynamic programs."""

    path: str
    known_hosts: str
    """Path of the one trusted known_hosts file; it may not exist yet."""
    targets: Mapping[str, Target]
    """By name, in the order of the files."""
    environments: Mapping[str, Environment] = field(default_factory=dict)
    tags: Mapping[str, Tag] = field(default_factory=dict)
    """Every tag that a target has or that carries variables."""
    variables: Variables = field(default_factory=dict)
