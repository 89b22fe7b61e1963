"""Helpers for tests of the transport: targets that point at test sshds, connectors, small programs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from octo_ssh.errors import Position
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.program import Acting, Input, Reading, Reply
from octo_ssh.model.values import EnvSource, Secret, SecretRef
from octo_ssh.transport.options import ConnectOptions
from octo_ssh.transport.ssh import SshConnector
from tests.integration.sshd import Sshd

HERE = Position("inventory.yaml", 1, 1)
QUICK = ConnectOptions(resolve_s=5.0, connect_s=3.0, handshake_s=4.0, authenticate_s=10.0, channel_s=10.0, retry_s=6.0)
UP = 'n=$1; shift; printf "%s up\\n" "$n"\n'
END = 's=$?; printf "\\n%s end %s\\n" "$n" "$s"'


def reading(body: str, *words: str) -> Reading[Reply]:
    """A program that answers with what ``body`` prints in the section ``said``."""
    return Reading("a test", f'{UP}printf "\\n%s said\\n" "$n"\n{body}\n{END}', words, lambda reply: reply)


def acting(body: str, *words: str, given: tuple[Input, ...] = (), section: str = "said") -> Acting[Reply]:
    """As ``reading``, with input."""
    text = f'{UP}printf "\\n%s {section}\\n" "$n"\n{body}\n{END}'
    return Acting("a test", text, words, lambda reply: reply, given)


HOME = reading('printf %s "$HOME"')


def said(reply: Reply) -> str:
    return reply.section("said").decode().rstrip("\n")


def target_of(sshd: Sshd, name: str = "web-01", **changes: object) -> Target:
    """A target with everything it needs, and no ssh_config."""
    base = Target(
        name, HERE, host=sshd.host, port=sshd.port, user=sshd.user, identity=(str(sshd.client_key),), ssh_config="none"
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def known_hosts(folder: Path, *servers: Sshd) -> Path:
    path = folder / "known_hosts"
    path.write_text("".join(server.known_hosts_line for server in servers))
    return path


def secret_of(values: Mapping[str, str]) -> object:
    """Reads secrets out of a table in place of the environment."""

    def read(ref: SecretRef) -> Secret:
        assert isinstance(ref.source, EnvSource)
        return Secret(values[ref.source.name])

    return read


class Answers:
    """Somebody at a terminal who gives prepared answers."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.questions: list[str] = []

    async def ask(self, question: str, *, echo: bool) -> Secret | None:
        self.questions.append(question)
        answer = self._answers.pop(0) if self._answers else None
        return None if answer is None else Secret(answer)


@contextlib.asynccontextmanager
async def connector(
    known: Path,
    *targets: Target,
    options: ConnectOptions = QUICK,
    prompter: Answers | None = None,
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[SshConnector]:
    inventory = Inventory("inventory.yaml", str(known), {target.name: target for target in targets})
    read = secret_of(secrets or {})
    made = SshConnector(inventory, read, prompter=prompter, options=options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


async def home_of(known: Path, target: Target, *others: Target, **kind: object) -> str:
    """Connect, and return the HOME that a program sees there."""
    async with connector(known, target, *others, **kind) as made:  # type: ignore[arg-type]
        session = await made.connect(target)
        return said(await session.observe(HOME))
