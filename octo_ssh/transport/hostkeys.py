"""Host keys for ``octo-ssh trust``: what a target shows against what known_hosts holds; the file edited for a yes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from octo_ssh.errors import HostKeyRefused, Problem, Unreachable
from octo_ssh.model.inventory import Target
from octo_ssh.model.reports import KeyChange
from octo_ssh.transport.known_hosts import KnownHosts, KnownKey, Marker, fingerprint, hashed, parse
from octo_ssh.transport.route import Endpoint

if TYPE_CHECKING:
    from octo_ssh.transport.ssh import SshConnector

Key = tuple[str, bytes]
"""Kind and public key."""


async def fetch_host_keys(target: Target, connector: SshConnector) -> KeyChange:
    """The keys that a target shows, against known_hosts. Never raises for what is wrong with the target.

    A jump host on the way must be trusted before anything behind it can be looked at. Where one is not yet, the answer
    is about *that* machine: its name and address; once it is written, fetch again.
    """
    from octo_ssh.transport.ssh_scan import scan_host_keys, trusted_authority

    endpoint: Endpoint | None = None
    try:
        chain = [await connector.route(target)]
        while chain[0].via is not None:
            chain.insert(0, chain[0].via)
        for endpoint in chain:
            via = await connector.way_to(endpoint)
            if endpoint is not chain[-1] and await _is_trusted(endpoint, connector):
                continue
            hosts = connector.logins.known_hosts
            if (authority := await trusted_authority(endpoint, via, connector.logins)) is not None:
                signed = {f"authority {authority[0]}": fingerprint(authority[1])}
                return KeyChange(endpoint.name, endpoint.known_as, signed, signed, ())
            keys = await scan_host_keys(endpoint, via, connector.logins)
            return compare(endpoint.name, endpoint.known_as, keys, hosts)
        raise AssertionError("a route has a last endpoint")
    except Unreachable as error:
        address = endpoint.known_as if endpoint is not None else ""
        return KeyChange(target.name, address, {}, {}, (), reason=str(error))


def compare(name: str, address: str, keys: Sequence[Key], hosts: KnownHosts) -> KeyChange:
    """What a yes would write for these keys: nothing, where one of them is known and none contradicts."""
    lines = hosts.lookup(address).keys
    offered = {kind: fingerprint(blob) for kind, blob in keys}
    known = {key.kind: key.fingerprint for key in lines}
    known.update({key.kind: key.fingerprint for key in lines if (key.kind, key.blob) in keys})
    change = KeyChange(name, address, offered, known, ())
    if not (change.is_new or change.is_changed):
        return change
    plain = [key for key in hosts.keys if key.marker is Marker.KEY]
    hides_names = bool(plain) and all(key.names.startswith("|") for key in plain)
    label = hashed(address) if hides_names else address
    present = {(key.kind, key.blob) for key in lines}
    written = tuple(
        f"{label} {kind} {base64.b64encode(blob).decode()}" for kind, blob in keys if (kind, blob) not in present
    )
    return KeyChange(name, address, offered, known, written)


def updated(text: str, changes: Iterable[KeyChange]) -> str:
    """The file's text after a yes to these changes. Everything else stays as it is and where it is.

    Lines that name just this address go when their key is not shown any more; of a line with several names only this
    one goes. Lines with patterns, @cert-authority and @revoked stay. New lines stand where the first old one stood,
    else at the end.
    """
    for change in changes:
        if change.lines:
            text = _updated(text, change)
    return text


def problems(text: str, path: str) -> tuple[Problem, ...]:
    """What is wrong with a known_hosts file, line by line."""
    return parse(text, path).problems


def _updated(text: str, change: KeyChange) -> str:
    lines = text.splitlines()
    stale = {
        key.position.line: key
        for key in parse(text, "").keys
        if key.marker is Marker.KEY
        and key.covers(change.address)
        and change.offered.get(key.kind) != key.fingerprint
        and not _is_pattern(key)
    }
    result: list[str] = []
    written = False
    for number, line in enumerate(lines, 1):
        key = stale.get(number)
        if key is None:
            result.append(line)
            continue
        if not written:
            result.extend(change.lines)
            written = True
        others = [name for name in key.names.split(",") if name.lower() != change.address.lower()]
        if not key.names.startswith("|") and others:
            result.append(line.replace(key.names, ",".join(others), 1))
    if not written:
        result.extend(change.lines)
    return "\n".join(result) + "\n"


def _is_pattern(key: KnownKey) -> bool:
    return not key.names.startswith("|") and any(char in key.names for char in "*?!")


async def _is_trusted(endpoint: Endpoint, connector: SshConnector) -> bool:
    """Whether one can log in to a jump host as far as its key goes. Raises Unreachable for all other failures."""
    try:
        await connector.jump(endpoint)
    except HostKeyRefused:
        return False
    return True
