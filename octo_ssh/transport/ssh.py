"""Connections to targets over SSH. With its ``ssh_*`` siblings (and the embedded server) the only user of asyncssh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from octo_ssh.errors import FileErrors, HostKeyRefused, Position, Problem, Unreachable
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.transport.attempts import Attempts
from octo_ssh.transport.dial import in_thread
from octo_ssh.transport.known_hosts import KnownHosts, parse
from octo_ssh.transport.options import ConnectOptions, Prompter
from octo_ssh.transport.ramp import Ramp
from octo_ssh.transport.route import Endpoint, resolve_route
from octo_ssh.transport.ssh_keys import KeyStore, Questions
from octo_ssh.transport.ssh_login import Link, Logins
from octo_ssh.transport.ssh_session import SshSession

# What asyncssh has to say reaches the user as one sentence of ours.
logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)


class SshConnector:
    """Makes sessions; shares jump connections, keys, refused passwords, and the limits of what goes on at once."""

    def __init__(
        self,
        inventory: Inventory,
        secrets: Callable[[SecretRef], Secret],
        *,
        prompter: Prompter | None = None,
        options: ConnectOptions | None = None,
    ) -> None:
        """``secrets`` reads the passphrases of keys; ``prompter`` is somebody at a terminal, if anybody is.

        Raises FileErrors for the inventory's known_hosts when it cannot be read; one that is not there is empty.
        """
        options = options or ConnectOptions()
        self._options = options
        self._inventory = inventory
        questions = Questions(prompter)
        ramp = Ramp(per_destination=options.logins_per_destination, handshakes=options.logins)
        hosts = read_known_hosts(inventory.known_hosts)
        self._logins = Logins(hosts, options, ramp, KeyStore(questions, secrets), questions, inventory.path)
        self._attempts = Attempts()
        self._jumps: dict[Endpoint, asyncio.Task[Link]] = {}
        self._sessions: set[SshSession] = set()
        self._connecting = 0

    async def connect(self, target: Target) -> SshSession:
        """A session on the target. Raises Unreachable or HostKeyRefused."""
        capacity = self._logins.ramp.capacity
        if len(self._sessions) + len(self._jumps) + self._connecting >= capacity:
            raise Unreachable(
                f"{target.name}: no file is left for another connection: {capacity} are open at once",
                hint="raise the limit of open files (ulimit -n), or take fewer targets with --limit",
            )
        self._connecting += 1
        try:
            endpoint = await self.route(target)
            link = await self._logins.log_in(endpoint, await self.way_to(endpoint))
        finally:
            self._connecting -= 1
        session = SshSession(link, self._options, self._attempts, lambda: self._sessions.discard(session))
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        """Close every session, then the jump connections, the farthest first."""
        await asyncio.gather(*(session.close() for session in list(self._sessions)), return_exceptions=True)
        for _, task in sorted(self._jumps.items(), key=lambda item: -item[0].depth):
            if not task.done():
                task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            if isinstance(results[0], Link):
                await results[0].close()
        self._jumps.clear()

    async def route(self, target: Target) -> Endpoint:
        """Where the target is, and through whom. Raises Unreachable."""
        async with self._logins.ramp.thread():
            return await in_thread(lambda: resolve_route(target, self._inventory))

    async def way_to(self, endpoint: Endpoint) -> Link | None:
        """A connection to the jump host before an endpoint; None when there is none. Raises Unreachable."""
        if endpoint.via is None:
            return None
        try:
            return await self.jump(endpoint.via)
        except HostKeyRefused as error:
            message = f"{endpoint.name} lies behind {endpoint.via.name}: {error.message}"
            # A hop that is no target of its own is reviewed together with what lies behind it.
            hint = error.hint if endpoint.via.is_target else error.hint.replace(endpoint.via.name, endpoint.name, 1)
            raise HostKeyRefused(message, hint=hint, changed=error.changed) from None
        except Unreachable as error:
            message = f"{endpoint.name} lies behind {endpoint.via.name}: {error.message}"
            raise Unreachable(message, hint=error.hint) from None

    @property
    def logins(self) -> Logins:
        """For ``ssh_scan``: the same ramp, known hosts and options."""
        return self._logins

    async def jump(self, endpoint: Endpoint) -> Link:
        """One shared connection to a jump host; whoever comes while it is made waits for the same login."""
        task = self._jumps.get(endpoint)
        if task is None or _is_over(task):
            task = asyncio.create_task(self._open_jump(endpoint))
            self._jumps[endpoint] = task
        # Shielded: one target that is cancelled does not take the way from the others.
        return await asyncio.shield(task)

    async def _open_jump(self, endpoint: Endpoint) -> Link:
        return await self._logins.log_in(endpoint, await self.way_to(endpoint))


def read_known_hosts(path: Path | str) -> KnownHosts:
    """The file's keys. Raises FileErrors with every line that cannot be read."""
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        return KnownHosts(str(path))
    except UnicodeDecodeError:
        raise FileErrors([Problem(Position(str(path)), "not a known_hosts file: it is no text")]) from None
    except OSError as error:
        raise FileErrors([Problem(Position(str(path)), f"cannot be read: {error.strerror}")]) from None
    hosts = parse(text, str(path))
    if hosts.problems:
        raise FileErrors(hosts.problems)
    return hosts


def _is_over(task: asyncio.Task[Link]) -> bool:
    """Whether a jump connection has failed or has ended since."""
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().connection.is_closed()
