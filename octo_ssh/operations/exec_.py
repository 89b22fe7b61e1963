"""``octo-ssh exec``: one command on many targets. Nothing is kept of it there."""

from __future__ import annotations

from dataclasses import replace

from octo_ssh.config.masking import Masker, masked_text
from octo_ssh.errors import DeadlinePassed, TargetError
from octo_ssh.model.events import Emit
from octo_ssh.model.inventory import Target
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import ExecResult
from octo_ssh.operations.fleet import MakeConnector
from octo_ssh.operations.requests import FleetRequest
from octo_ssh.operations.roster import call, outcome_of, visit
from octo_ssh.remote.script import script
from octo_ssh.transport.session import Session

MAX_OUTPUT_BYTES = 1 << 20
"""Kept of one target's output: the beginning."""


async def run_command(
    request: FleetRequest,
    command: str | tuple[str, ...],
    *,
    timeout_s: float,
    emit: Emit,
    make_connector: MakeConnector,
) -> tuple[ExecResult, ...]:
    """Run shell text, or a program with its arguments, in the login's home on every selected target.

    ``timeout_s`` is for each target, from when it is connected. Raises FileErrors, UsageError.
    """
    roster = call(request)
    text = command if isinstance(command, str) else f"exec {' '.join(map(_quoted, command))}\n"
    kept = {name: _Kept() for name in roster.names}

    async def run(target: Target, session: Session) -> ExecResult:
        output = kept[target.name]
        program = script(env={"OCTO_TARGET": target.name}, script=text)
        result = await session.act(program, timeout_s=timeout_s, on_output=output.add)
        outcome = Outcome.CHANGED if result.status == 0 else Outcome.FAILED
        return ExecResult(target.name, outcome, result.status, output.text, result.reason)

    def masked(result: ExecResult) -> ExecResult:
        """Passwords of the inventory may stand in files there too."""
        masker = Masker(roster.secrets.known())
        shown = masker.feed(result.output) + masker.flush()
        return replace(result, output=shown, reason=masked_text(result.reason, roster.secrets.known()))

    ended = await visit(roster, run, emit=emit, make_connector=make_connector)
    return tuple(
        masked(_broken(name, end, kept[name], timeout_s) if isinstance(end, TargetError) else end)
        for name, end in ended.items()
    )


def _broken(name: str, error: TargetError, output: _Kept, timeout_s: float) -> ExecResult:
    reason = error.beside(name)
    if isinstance(error, DeadlinePassed):
        reason = f"not done within {timeout_s:g} s: {error.hint or 'its processes were ended'}"
    return ExecResult(name, outcome_of(error, acted=True), None, output.text, reason)


class _Kept:
    """The beginning of an output, and how much more there was."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._more = 0

    def add(self, data: bytes) -> None:
        room = MAX_OUTPUT_BYTES - len(self._content)
        self._content += data[:room]
        self._more += len(data[room:])

    @property
    def text(self) -> bytes:
        if not self._more:
            return bytes(self._content)
        return bytes(self._content) + f"\n[and {self._more:,} bytes more]\n".encode()


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
