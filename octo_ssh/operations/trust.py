"""``octo-ssh trust``: the host keys that targets show, and the one way by which they enter known_hosts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octo_ssh.config.inventory import load_inventory
from octo_ssh.errors import FileErrors, Position, Problem, Unreachable, UsageError
from octo_ssh.model.inventory import Target
from octo_ssh.model.reports import KeyChange
from octo_ssh.operations.files import replace_file
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call
from octo_ssh.operations.together import together
from octo_ssh.transport.known_hosts import KnownHosts, parse

if TYPE_CHECKING:
    from octo_ssh.transport.route import Endpoint
    from octo_ssh.transport.ssh import SshConnector


async def fetch(request: FleetRequest) -> tuple[KeyChange, ...]:
    """What every selected target shows, against known_hosts; nothing is written.

    Where a jump host is not trusted yet, its keys come once for all who are behind it, and they are told as such.
    Raises FileErrors (inventory, known_hosts), UsageError.
    """
    from octo_ssh.transport.hostkeys import fetch_host_keys
    from octo_ssh.transport.ssh import SshConnector

    roster = call(request)
    connector = SshConnector(roster.inventory, roster.secrets.reveal)
    try:
        found = await together(fetch_host_keys(target, connector) for target in roster.targets)
    finally:
        await connector.close()
    return _with_those_behind(roster.targets, found)


async def collected(request: FleetRequest, path: str) -> tuple[KeyChange, ...]:
    """The keys that a file of known_hosts lines holds for every selected target, against known_hosts.

    The jump hosts on the way to a target are looked up as well; nothing is connected to and nothing is written.
    Raises FileErrors (inventory, known_hosts, the file), UsageError where there is no such file.
    """
    from octo_ssh.transport.ssh import SshConnector

    roster = call(request)
    offered = _read(path)
    connector = SshConnector(roster.inventory, roster.secrets.reveal)
    found: dict[tuple[str, str], KeyChange] = {}
    try:
        for target in roster.targets:
            for change in await _collected(target, connector, offered):
                found[change.target, change.address] = change
    finally:
        await connector.close()
    return tuple(found.values())


async def _collected(target: Target, connector: SshConnector, offered: KnownHosts) -> list[KeyChange]:
    """Of the target, and of those jump hosts before it that the file knows. From the first hop on."""
    from octo_ssh.transport.host_policy import ALGORITHMS
    from octo_ssh.transport.hostkeys import compare

    try:
        endpoint: Endpoint | None = await connector.route(target)
    except Unreachable as error:
        return [KeyChange(target.name, target.host or target.name, {}, {}, (), reason=str(error))]
    changes: list[KeyChange] = []
    held = connector.logins.known_hosts
    while endpoint is not None:
        name, address = endpoint.name, endpoint.known_as
        known = offered.lookup(address)
        keys = [(key.kind, key.blob) for key in known.keys if key.kind in ALGORITHMS and not known.revokes(key.blob)]
        if keys:
            changes.append(compare(name, address, list(dict.fromkeys(keys)), held))
        elif endpoint.name == target.name:
            before = {key.kind: key.fingerprint for key in held.lookup(address).keys}
            missing = "" if before else f"{offered.path} holds none for {address}"
            changes.append(KeyChange(name, address, before, before, (), missing))
        endpoint = endpoint.via
    return changes[::-1]


def _read(path: str) -> KnownHosts:
    """What somebody has collected. Raises FileErrors, and UsageError where there is no file."""
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"there is no file '{path}'", hint="--from names a file of known_hosts lines") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FileErrors([Problem(Position(path), f"cannot be read: {reason}")]) from error
    hosts = parse(text, path)
    if hosts.problems:
        raise FileErrors(hosts.problems)
    return hosts


def _with_those_behind(targets: Sequence[Target], found: Sequence[KeyChange]) -> tuple[KeyChange, ...]:
    """Every machine once. A target whose answer is about a jump host gets a row that says so."""
    rows = {(change.target, change.address): change for change in found}
    for target, change in zip(targets, found, strict=True):
        if change.target != target.name:
            host = target.host or target.name
            reason = f"it lies behind {change.target}, whose key is not trusted yet"
            rows[target.name, host] = KeyChange(target.name, host, {}, {}, (), reason, behind=change.target)
    return tuple(rows.values())


def write(request: FleetRequest, changes: Iterable[KeyChange]) -> Path:
    """Take the changes into the inventory's known_hosts, which is replaced as a whole; its path.

    Everything else in the file stays. Raises FileErrors.
    """
    from octo_ssh.transport.hostkeys import updated

    path = Path(load_inventory(request.inventory_path).known_hosts)
    by_address = {change.address: change for change in changes}  # two names of one machine are one line
    try:
        path = Path(os.path.realpath(path))
        text = path.read_text("utf-8") if path.exists() else ""
        replace_file(path, updated(text, by_address.values()).encode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FileErrors([Problem(Position(str(path)), f"cannot be written: {reason}")]) from error
    return path
