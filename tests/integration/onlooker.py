"""Looks at one target in a process of its own, and tells what came of it and the most memory that it took.

``python -m tests.integration.onlooker`` reads the target's port, user, key, known_hosts and the program's name as JSON
from its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octo_ssh.errors import OctoError, Position
from octo_ssh.model.inventory import Inventory, Target
from octo_ssh.model.jobs import Hangup, JobKey, JobPlace
from octo_ssh.model.observed import FileRequest, PlaceRequest
from octo_ssh.model.program import Acting, Program, Reading
from octo_ssh.model.values import Secret
from octo_ssh.remote.drift import DriftAsk, PlaceAsk, drift
from octo_ssh.remote.fetch import fetch
from octo_ssh.remote.job import launch
from octo_ssh.remote.observe import observe
from octo_ssh.transport import conversation
from octo_ssh.transport.ssh import SshConnector

START_TIMEOUT_S = 2.0
CLOSING_TIMEOUT_S = 0.5
ASK = DriftAsk((PlaceAsk("deploy", "/srv/shop"),), (FileRequest("file", "/x", "0" * 64),), {"unit": "shop"})
JOB = JobPlace("/nowhere", "r", "one.run.0", "1" * 32)
PROGRAMS: dict[str, Callable[[], Program[Any]]] = {
    "observe": lambda: observe("~/.octo-ssh", "shop", None, (PlaceRequest("deploy", "/srv/shop"),)),
    "drift": lambda: drift("~/.octo-ssh", "shop", None, ASK),
    "launch": lambda: launch(
        JOB, key=JobKey("one", "run", "0" * 64), env={}, script="true", cwd=None, timeout_s=5, limit_bytes=100,
        hangup=Hangup.LEAVE,
    ),
    "fetch": lambda: fetch("x", cwd=None, max_bytes=100),
}  # fmt: skip


async def look(given: dict[str, Any]) -> str:
    """What came of it, in words."""
    conversation.START_TIMEOUT_S, conversation.CLOSING_TIMEOUT_S = START_TIMEOUT_S, CLOSING_TIMEOUT_S
    at = Position("inventory.yaml")
    identity = (given["key"],)
    target = Target("web-1", at, host="127.0.0.1", port=given["port"], identity=identity, ssh_config="none")
    inventory = Inventory("inventory.yaml", given["known_hosts"], {"web-1": target})
    connector = SshConnector(inventory, lambda ref: Secret(""))
    heard = 0

    def hear(data: bytes) -> None:
        nonlocal heard
        heard += len(data)

    try:
        session = await connector.connect(target)
        program = PROGRAMS[given["program"]]()
        try:
            match program:
                case Reading():
                    await session.observe(program, timeout_s=given["timeout_s"])
                case Acting():
                    await session.act(program, timeout_s=given["timeout_s"], on_output=hear)
        except OctoError as error:
            return f"{type(error).__name__}: {error.message}"
        return f"answered, {heard} bytes heard"
    finally:
        await connector.close()


if __name__ == "__main__":
    said = asyncio.run(look(json.load(sys.stdin)))
    # (What getrusage says is that of whoever started this one, where it had more.)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    json.dump({"said": said, "peak_kb": int(peak[1]) if peak else 0}, sys.stdout)
