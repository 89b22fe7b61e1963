"""The targets that a command without a plan is for, and visiting each: connect, do one thing, go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from octo_ssh.config.inventory import load_inventory
from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import ConnectionLost, RemoteError, TargetError, Unreachable, UsageError
from octo_ssh.model.events import Emit
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.select import SelectError, parse, select
from octo_ssh.model.words import nearest, quoted_list
from octo_ssh.operations.fleet import Fleet, MakeConnector
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.together import together
from octo_ssh.transport.session import Connector, Session

R = TypeVar("R")
AT_ONCE = 100
"""Targets that are visited at the same time; connections are ramped further by the transport."""


@dataclass(frozen=True, slots=True)
class Roster:
    """An inventory, and whom of it a command is for."""

    inventory: Inventory
    names: tuple[str, ...]
    """In inventory order; at least one."""
    secrets: SecretStore

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(self.inventory.targets[name] for name in self.names)


def call(request: FleetRequest) -> Roster:
    """Read the inventory and select. Raises FileErrors for the file, UsageError for what was typed."""
    path = request.inventory_path
    if not os.path.exists(path):
        raise UsageError(f"there is no inventory '{path}'", hint="name one with -i; octo-ssh init makes a first one")
    inventory = load_inventory(path)
    environments = inventory.environments
    if request.environment is not None and request.environment not in environments:
        known = f": known are {quoted_list(environments)}" if environments else ": the inventory has none"
        known = nearest(request.environment, environments) or known
        raise UsageError(f"there is no environment '{request.environment}'{known}")
    try:
        names = select(parse(request.selector, bare="target"), inventory, environment=request.environment)
    except SelectError as error:
        raise UsageError(str(error)) from None
    if not names:
        where = f" in {request.environment}" if request.environment else ""
        raise UsageError(f"'{' '.join(request.selector) or 'all'}' selects no target{where}")
    return Roster(inventory, names, SecretStore())


async def visit(
    roster: Roster,
    do: Callable[[Target, Session], Awaitable[R]],
    *,
    emit: Emit,
    make_connector: MakeConnector,
    at_once: int = AT_ONCE,
) -> Mapping[str, R | TargetError]:
    """Do one thing on every target, each as soon as it is connected; its answer or what went wrong, by name."""
    places = asyncio.Semaphore(at_once)
    async with Fleet(make_connector(roster.inventory, roster.secrets.reveal), emit, roster.inventory.path) as fleet:

        async def one(target: Target) -> R | TargetError:
            async with places:
                await fleet.connect([target])
                session = fleet.sessions.get(target.name)
                if session is None:
                    return fleet.unreachable[target.name]
                try:
                    return await do(target, session)
                except TargetError as error:
                    return error
                finally:
                    await session.close()  # its place among the open files is the next one's

        answers = await together(map(one, roster.targets))
    return dict(zip(roster.names, answers, strict=True))


def kept_open(connector: Connector) -> MakeConnector:
    """For several visits with one connector, which whoever made it closes."""
    return lambda *_: _KeptOpen(connector)


@dataclass(frozen=True, slots=True)
class _KeptOpen:
    connector: Connector

    async def connect(self, target: Target) -> Session:
        return await self.connector.connect(target)

    async def close(self) -> None:
        """Not now."""


def outcome_of(error: TargetError, *, acted: bool = False) -> Outcome:
    """What an error says of a target. ``acted``: something was done there, whose result is then not known."""
    match error:
        case Unreachable():
            return Outcome.UNREACHABLE
        case RemoteError():
            return Outcome.FAILED
        case ConnectionLost() if acted:
            return Outcome.UNKNOWN
        case _:
            return Outcome.FAILED if acted else Outcome.UNREACHABLE
