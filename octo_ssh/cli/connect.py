"""How this command line makes connections: with the person at the terminal, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from octo_ssh.cli.terminal import Terminal

if TYPE_CHECKING:
    from octo_ssh.cli.prompts import Person, Stage
    from octo_ssh.model.inventory import Inventory
    from octo_ssh.model.values import Secret, SecretRef
    from octo_ssh.operations.fleet import MakeConnector
    from octo_ssh.transport.session import Connector


def connector_maker(person: Person | None) -> MakeConnector:
    """What operations call to get their connections. Without a person, questions of a server go unanswered."""

    def make(inventory: Inventory, reveal: Callable[[SecretRef], Secret]) -> Connector:
        from octo_ssh.transport.ssh import SshConnector

        return SshConnector(inventory, reveal, prompter=person)

    return make


def person_at(terminal: Terminal, stage: Stage) -> Person | None:
    """Whoever can be asked."""
    if not terminal.can_ask:
        return None
    from octo_ssh.cli.prompts import Person

    return Person(terminal, stage)
