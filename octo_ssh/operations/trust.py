"""``octo-ssh trust``: the host keys that targets show, and the one way by which they enter known_hosts."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from octo_ssh.config.inventory import load_inventory
from octo_ssh.errors import FileErrors, Position, Problem
from octo_ssh.model.reports import KeyChange
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call


async def fetch(request: FleetRequest) -> tuple[KeyChange, ...]:
    """What every selected target shows, against known_hosts; nothing is written.

    A target behind a jump host that is not trusted yet answers with that host's keys: once for all who are behind
    it. Raises FileErrors (inventory, known_hosts), UsageError.
    """
    from octo_ssh.transport.hostkeys import fetch_host_keys
    from octo_ssh.transport.ssh import SshConnector

    roster = call(request)
    connector = SshConnector(roster.inventory, roster.secrets.reveal)
    try:
        found = await asyncio.gather(*(fetch_host_keys(target, connector) for target in roster.targets))
    finally:
        await connector.close()
    return tuple({(change.target, change.address): change for change in found}.values())


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
        _replace(path, updated(text, by_address.values()))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FileErrors([Problem(Position(str(path)), f"cannot be written: {reason}")]) from error
    return path


def _replace(path: Path, text: str) -> None:
    """The new content, or still the old one, whatever happens meanwhile; the file's mode stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "x", encoding="utf-8") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
