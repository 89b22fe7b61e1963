"""What a script says to octo-ssh in its output: ``##octopus[name key='base64' …]``, Octopus's own wire form.

The reader takes the raw output in whatever pieces it comes and gives back, in order, the bytes that are plain output
and the messages. What comes from a target is data, may lie and is bounded. A message that is unknown or makes no sense
stays text, unless it may hold a secret: then a fixed sentence stands in its place.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from octo_ssh.model.events import Level
from octo_ssh.model.message_stream import MessageSplitter, Raw, may_hold_secret
from octo_ssh.model.values import Secret

MAX_NAME_CHARS = 200
MAX_VALUE_BYTES = 32 * 1024
MAX_OUTPUTS = 100
"""Of one script, on one target."""
MAX_OUTPUT_BYTES = 1024 * 1024
"""All values of one script together."""
MAX_SECRETS = 1000
"""Secret outputs, each time they are set, and other texts to be masked, of one script: for the rest of the run all that
is printed is searched for each of them. All together hold MAX_OUTPUT_BYTES at most."""
MAX_ARTIFACTS = 20
MAX_ARTIFACT_BYTES = 1024 * 1024 * 1024
"""All artifacts of one script together: for whoever copies them."""
MAX_TEXT_CHARS = 1000
"""Of a progress or failure text."""
MIN_SECRET_CHARS = 4
"""A shorter secret could not be hidden in what targets print (SPEC section 4)."""

_MAX_PATH_BYTES = 4096
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:\[\] -]*[A-Za-z0-9_.:\[\]-])?")
_SHAPE = re.compile(rb"##octopus\[([A-Za-z][\w.-]*)((?:\s+[A-Za-z_][\w.-]*\s*=\s*(?:'[^']*'|\"[^\"]*\"))*)\s*\]\Z")
_ATTRIBUTE = re.compile(rb"([A-Za-z_][\w.-]*)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")
_HIDDEN = b"octo-ssh: a message that could not be read is not shown: it may hold a secret"

_LEVELS: Mapping[str, Level | None] = {
    "stdout-default": None,
    "stdout-verbose": Level.VERBOSE,
    "stdout-highlight": Level.HIGHLIGHT,
    "stdout-warning": Level.WARNING,
    "stdout-wait": Level.WAIT,
    "stdout-error": Level.ERROR,
    # Both streams come as one here: what is to be ignored may hold an error that somebody will look for.
    "stdout-ignore": Level.VERBOSE,
}
_OF_STDERR = frozenset(f"stderr-{word}" for word in ("default", "error", "ignore", "progress"))
"""Without effect: both streams come as one."""


@dataclass(frozen=True, slots=True)
class SetOutput:
    """An output of the step: ``octo_set``, ``octo_secret``, ``set_octopusvariable``."""

    name: str
    """1 to 200 of: ASCII letters, digits, ``_ . : [ ] -`` and spaces inside."""
    value: str | Secret
    """A ``Secret``: nobody is to see it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to be copied to the controller when the script has ended."""

    path: str
    """On the target; a relative one is relative to the script's folder."""
    name: str
    """As it was said, or the last part of the path: to be masked, and made fit for a file afterwards. Not unique."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the script is."""

    percent: int
    """0 to 100."""
    text: str
    """As it was said: to be masked, and made a ``sentence`` afterwards, so that no piece of a secret is left."""


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """The plain bytes from here on are of this level. None: ordinary output."""

    level: Level | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the script fails, if it does: ``fail_step``."""

    text: str
    """As it was said, like a Progress's."""


@dataclass(frozen=True, slots=True)
class Hide:
    """Something that must be masked from here on."""

    value: Secret


Message = SetOutput | Artifact | Progress | LevelChanged | Failure | Hide
Item = bytes | Message


class _Refused(Exception):
    """A message is well formed and cannot be accepted. Its words are for people."""


@dataclass(slots=True)
class MessageReader:
    """Reads the output of one script. However it is cut, the same items come out (neighbouring bytes put together).

    Bytes are given back at once; only what may be the beginning of a message is held until more comes.
    """

    _splitter: MessageSplitter = field(default_factory=MessageSplitter)
    _sizes: dict[str, int] = field(default_factory=dict)
    """Of the outputs so far, by name."""
    _artifacts: int = 0
    _secrets: int = 0
    _secret_bytes: int = 0

    def feed(self, chunk: bytes) -> list[Item]:
        """What is known now that the chunk has come."""
        return self._read(self._splitter.feed(chunk))

    def finish(self) -> list[Item]:
        """What was held back: the output has ended."""
        return self._read(self._splitter.finish())

    def _read(self, pieces: list[bytes | Raw]) -> list[Item]:
        items: list[Item] = []
        for piece in pieces:
            items.extend(self._understood(piece) if isinstance(piece, Raw) else (piece,))
        return items

    def _understood(self, raw: Raw) -> list[Item]:
        try:
            message = _message(raw.text)
            if message is not None:
                self._count(message)
        except _Refused as refusal:
            return [f"octo-ssh: {refusal}".encode() + b"\n"]
        except ValueError:
            if may_hold_secret(raw.text):
                return [_HIDDEN + b"\n"]
            return [raw.text + raw.line_end]
        return [] if message is None else [message]

    def _count(self, message: Message) -> None:
        """Hold the bounds. Raises _Refused."""
        match message:
            case SetOutput(name, value):
                size = len((value.reveal() if isinstance(value, Secret) else value).encode())
                if name not in self._sizes and len(self._sizes) >= MAX_OUTPUTS:
                    raise _Refused(f"output {name} is dropped: a script may set {MAX_OUTPUTS}")
                if sum(self._sizes.values()) - self._sizes.get(name, 0) + size > MAX_OUTPUT_BYTES:
                    raise _Refused(f"output {name} is dropped: all together may hold {MAX_OUTPUT_BYTES // 1024} KiB")
                if isinstance(value, Secret):
                    self._count_secret(size, f"output {name} is dropped")
                self._sizes[name] = size
            case Artifact():
                if self._artifacts >= MAX_ARTIFACTS:
                    raise _Refused(f"an artifact is dropped: a script may keep {MAX_ARTIFACTS}")
                self._artifacts += 1
            case Hide(value):
                self._count_secret(len(value.reveal().encode()), "a text is not masked")
            case Progress() | LevelChanged() | Failure():
                pass

    def _count_secret(self, size: int, refusal: str) -> None:
        if self._secrets >= MAX_SECRETS or self._secret_bytes + size > MAX_OUTPUT_BYTES:
            raise _Refused(f"{refusal}: a script may hide {MAX_SECRETS} texts, of {MAX_OUTPUT_BYTES // 1024} KiB")
        self._secrets += 1
        self._secret_bytes += size


def _message(text: bytes) -> Message | None:
    """What the message says; None where it says nothing here. Raises ValueError for one that makes no sense, _Refused
    for one that cannot be accepted.
    """
    shape = _SHAPE.match(text)
    if shape is None:
        raise ValueError("not of a message's form")
    name = shape.group(1).decode("ascii").lower()
    attributes = _attributes(shape.group(2))
    if name in _LEVELS:
        return LevelChanged(_LEVELS[name])
    if name in _OF_STDERR:
        return None
    match name:
        case "setvariable":
            return _output(attributes)
        case "createartifact":
            return _artifact(_text(attributes, "path"), _text(attributes, "name", ""))
        case "progress":
            share = float(_text(attributes, "percentage").strip().removesuffix("%"))
            return Progress(round(min(100.0, max(0.0, share))), _text(attributes, "message", ""))
        case "resultmessage":
            return Failure(_text(attributes, "message"))
        case "mask":
            value = _text(attributes, "value")
            return Hide(Secret(value)) if len(value) >= MIN_SECRET_CHARS else None
    raise ValueError("unknown")


def _attributes(text: bytes) -> dict[str, bytes]:
    """By name in lower case, decoded. Raises ValueError."""
    found: dict[str, bytes] = {}
    for name, single, double in _ATTRIBUTE.findall(text):
        key = name.decode("ascii").lower()
        if key in found:
            raise ValueError(f"{key} is there twice")
        try:
            # Long values may be wrapped, as some programs print base64.
            found[key] = base64.b64decode(re.sub(rb"\s", b"", single or double), validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
    return found


def _text(attributes: Mapping[str, bytes], key: str, default: str | None = None) -> str:
    """Raises ValueError where it is missing or no UTF-8."""
    if key not in attributes:
        if default is None:
            raise ValueError(f"{key} is missing")
        return default
    return attributes[key].decode("utf-8")


def _output(attributes: Mapping[str, bytes]) -> SetOutput:
    """Octopus leaves ``value`` out where it is empty. Whatever ``sensitive`` is but a clear no makes it a secret."""
    name = _text(attributes, "name")
    if len(name) > MAX_NAME_CHARS or not _OUTPUT_NAME.fullmatch(name):
        raise _Refused(f"an output is dropped: its name must be 1 to {MAX_NAME_CHARS} letters, digits or _.:[]-")
    raw = attributes.get("value", b"")
    if len(raw) > MAX_VALUE_BYTES:
        raise _Refused(f"output {name} is dropped: a value may hold {MAX_VALUE_BYTES // 1024} KiB")
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _Refused(f"output {name} is dropped: its value is not UTF-8") from None
    if "\0" in value:
        raise _Refused(f"output {name} is dropped: its value holds a NUL byte, which no variable can")
    if attributes.get("sensitive", b"false").strip().lower() in (b"false", b""):
        return SetOutput(name, value)
    if len(value) < MIN_SECRET_CHARS:
        raise _Refused(f"output {name} is dropped: a secret is at least {MIN_SECRET_CHARS} characters")
    return SetOutput(name, Secret(value))


def _artifact(path: str, name: str) -> Artifact:
    """Raises ValueError for a path that no file has."""
    if not path or "\0" in path or len(path.encode()) > _MAX_PATH_BYTES:
        raise ValueError("no path")
    return Artifact(path, name or path.rstrip("/").rpartition("/")[2])


def can_be_output(name: str, value: str = "") -> bool:
    """Whether a script could have set that, as no secret."""
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    is_name = len(name) <= MAX_NAME_CHARS and _OUTPUT_NAME.fullmatch(name) is not None
    return is_name and size <= MAX_VALUE_BYTES and "\0" not in value


def sentence(text: str) -> str:
    """One line for people: bounded, without control characters."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_TEXT_CHARS]).strip()
