"""One step on one target, speaking: its messages are taken out, the rest is masked and passed on.

What a target prints is data: it is shown, or taken as one of the messages of ``model/messages.py``, and never more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from octo_ssh.config.masking import Masker, masked_text
from octo_ssh.errors import OctoError, SecretError, TargetError
from octo_ssh.execution.context import RunContext, StepEnd
from octo_ssh.model import messages
from octo_ssh.model.events import Level, OutputSet, StepNote, StepOutput, StepProgress, StepSaid
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import Secret, SecretRef

TAIL_BYTES = 8192
TAIL_LINES = 20
LINE_BYTES = 8192
"""A marked line that is longer is told in pieces."""


@dataclass(slots=True)
class StepVoice:
    """What a step prints, and what it says with messages: outputs, artifacts, why it failed."""

    context: RunContext
    step: str
    target: str
    """Where it runs or for whom: a target's name, or CONTROLLER."""
    outputs: dict[str, str | SecretRef] = field(default_factory=dict, init=False)
    artifacts: list[messages.Artifact] = field(default_factory=list, init=False)
    failure_message: str = field(default="", init=False)
    """What ``fail_step`` said, masked."""
    problem: SecretError | None = field(default=None, init=False)
    """A secret output that cannot be kept secret: the step fails."""
    _reader: messages.MessageReader = field(default_factory=messages.MessageReader, init=False)
    _masker: Masker = field(init=False)
    _level: Level | None = field(default=None, init=False)
    _line: bytes = field(default=b"", init=False)
    """The beginning of a marked line."""
    _tail: bytes = field(default=b"", init=False)

    _known: int = field(default=0, init=False)
    """How many secrets the masker hides."""

    def __post_init__(self) -> None:
        self._begin_masking()

    def note(self, text: str) -> None:
        self.context.emit(StepNote(self.step, self.target, text))

    def listen(self) -> None:
        """Begin with a new script: secrets read since then are masked, the tail and what it says are its own."""
        self._begin_masking()
        self._reader = messages.MessageReader()
        self._tail = self._line = b""
        self._level, self.failure_message, self.problem = None, "", None
        self.artifacts = []

    def output(self, data: bytes) -> None:
        """Bytes that a script printed."""
        if self.context.secrets.count != self._known:  # what runs beside it has read one, or said one
            self._mask_anew()
        for item in self._reader.feed(data):
            self._take(item)

    def finish(self) -> bytes:
        """The script has ended: its last lines, masked."""
        for item in self._reader.finish():
            self._take(item)
        for name, value in tuple(self.outputs.items()):
            if isinstance(value, str) and self.masked(value) != value:  # that it is secret was said after it
                self._keep_secret(name, Secret(value))
        return self.tail()

    def tail(self) -> bytes:
        """The last lines so far, masked."""
        self._flush_masker()
        return b"\n".join(self._tail.rstrip(b"\n").split(b"\n")[-TAIL_LINES:])

    def masked(self, text: str) -> str:
        """A sentence that may quote what the target said, without secrets."""
        return masked_text(text, self.context.secrets.known())

    def failure(self, error: OctoError) -> StepEnd:
        """The step ended with an error that is no loss of the connection."""
        told = error.beside(self.target) if isinstance(error, TargetError) else error.message
        told = f"{told} ({error.hint})" if error.hint else told
        return StepEnd(Outcome.FAILED, self.masked(told), tail=self.tail())

    def _begin_masking(self) -> None:
        known = self.context.secrets.known()
        self._masker, self._known = Masker(known), len(known)

    def _mask_anew(self) -> None:
        """There are more secrets: from here on they are hidden like the others."""
        known = self.context.secrets.known()
        self._masker, self._known = self._masker.renewed(known), len(known)

    def _take(self, item: bytes | messages.Message) -> None:
        match item:
            case bytes():
                self._pass_on(self._masker.feed(item))
            case messages.SetOutput(name, value):
                self._set_output(name, value)
            case messages.Hide(value):
                self._hide(value)
            case messages.Artifact():
                self.artifacts.append(item)
            case messages.Progress(percent, text):
                self.context.emit(StepProgress(self.step, self.target, percent, messages.sentence(self.masked(text))))
            case messages.LevelChanged(level):
                self._flush_masker()
                self._level = level
            case messages.Failure(text):
                self.failure_message = messages.sentence(self.masked(text))
            case _:
                assert_never(item)

    def _set_output(self, name: str, value: str | Secret) -> None:
        if self.masked(name) != name:
            self._pass_on(b"octo-ssh: an output is dropped: its name holds a secret\n")
        elif isinstance(value, str) and self.masked(value) == value:
            self.outputs[name] = value
            self.context.emit(OutputSet(self.step, self.target, name, value))
        # What holds a secret is one, whatever the script says of it: outputs are written down on targets.
        elif self._keep_secret(name, value if isinstance(value, Secret) else Secret(value)):
            self.context.emit(OutputSet(self.step, self.target, name, None))

    def _keep_secret(self, name: str, value: Secret) -> bool:
        """Take an output into keeping that nobody may see. Whether it could be."""
        try:
            self.outputs[name] = self.context.outputs.secret(self.step, self.target, name, value)
        except SecretError as error:
            self.outputs.pop(name, None)
            self.problem = error
            return False
        self._mask_anew()
        return True

    def _hide(self, value: Secret) -> None:
        try:
            self.context.outputs.hide(value)
        except SecretError as error:
            self.problem = error
        else:
            self._mask_anew()

    def _flush_masker(self) -> None:
        self._pass_on(self._masker.flush())
        if self._level is not None and self._line:
            self._say(self._level, self._line)
            self._line = b""

    def _pass_on(self, masked: bytes) -> None:
        if not masked:
            return
        self._tail = (self._tail + masked[-TAIL_BYTES:])[-TAIL_BYTES:]
        if self._level is None or self._level is Level.VERBOSE:
            self.context.emit(StepOutput(self.step, self.target, masked))
            return
        *whole, self._line = (self._line + masked).split(b"\n")
        for line in whole:
            self._say(self._level, line)
        while len(self._line) > LINE_BYTES:
            self._say(self._level, self._line[:LINE_BYTES])
            self._line = self._line[LINE_BYTES:]

    def _say(self, level: Level, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        self.context.emit(StepSaid(self.step, self.target, level, text))
