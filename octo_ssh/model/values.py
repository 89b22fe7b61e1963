"""Values as they stand in files: plain data, templates, secrets' sources, scoped values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from octo_ssh.errors import Position

Scalar = None | bool | int | float | str
Value = Scalar | tuple["Value", ...] | Mapping[str, "Value"]


@dataclass(frozen=True, slots=True)
class Template:
    """A string that holds at least one ``${{ … }}``."""

    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class EnvSource:
    """A secret in an environment variable of the controller."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSource:
    """A secret that is the content of a file, less one final newline."""

    path: str


@dataclass(frozen=True, slots=True)
class CommandSource:
    """A secret that a program prints on standard output, less one final newline."""

    argv: tuple[str, ...]
    folder: str


@dataclass(frozen=True, slots=True)
class AgeSource:
    """A secret that age encrypted: an armored text in the file itself, or a file of its own beside it."""

    text: str | None = None
    """``-----BEGIN AGE ENCRYPTED FILE-----`` …; None where it is a file."""
    path: str | None = None


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A secret that a person typed when asked."""

    text: str
    """The question."""


@dataclass(frozen=True, slots=True)
class OutputSource:
    """A secret that a step of this run gave as an output. Never looked up: it is there, or it is not."""

    step: str
    target: str
    name: str


SecretSource = EnvSource | FileSource | CommandSource | AgeSource | PromptSource | OutputSource


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret comes from; never the secret. ``position`` is not part of its identity."""

    source: SecretSource
    position: Position = field(compare=False)

    def __str__(self) -> str:
        match self.source:
            case EnvSource(name):
                return f"environment variable {name}"
            case FileSource(path):
                return f"file {path}"
            case CommandSource(argv):
                return f"command {argv[0]}"
            case AgeSource(path=path):
                return f"age file {path}" if path else "age"
            case PromptSource(text):
                return f"answer to '{text}'"
            case OutputSource(step, target, name):
                return f"output {name} of step {step} on {target}"


class Secret:
    """A secret's value. Nothing prints it: ``reveal()`` is the only way to the text, and it is grep-able.

    Not picklable, not comparable by content, not formattable.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(•••)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave its process")


@dataclass(frozen=True, slots=True)
class Prompt:
    """``{prompt: {text: …, default: …, secret: …}}``: a value that a person is asked for. Answered once a run."""

    text: str
    default: Value
    has_default: bool
    secret: bool
    """The answer is a secret: read without an echo, and a SecretRef from then on."""
    position: Position = field(compare=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What must all match for a scoped value to apply. Empty: everywhere."""

    environment: str | None = None
    target: str | None = None
    tag: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class ScopedValue:
    """One row of ``{scoped: […]}``."""

    value: Expr
    scope: Scope
    position: Position


@dataclass(frozen=True, slots=True)
class Scoped:
    """``{scoped: […]}``: the most specific matching row wins; a tie is an error at load."""

    rows: tuple[ScopedValue, ...]


# What a variable may be set to. Lists and maps may hold templates at any depth.
Expr = Any  # Scalar | Template | SecretRef | Prompt | Scoped | tuple[Expr, ...] | Mapping[str, Expr]


@dataclass(frozen=True, slots=True)
class Binding:
    """One definition of a variable: its value, and where it was written."""

    value: Expr
    position: Position


Variables = Mapping[str, Binding]

_NOT_IN_SHELL = re.compile(r"[^A-Za-z0-9_]")


def shell_name(name: str) -> str:
    """A variable's name as a script sees it: dots and colons become ``_`` (SPEC section 4)."""
    return _NOT_IN_SHELL.sub("_", name)


def leaves(expr: Expr) -> Iterator[Expr]:
    """The scalars, templates and secret references inside a value, depth first."""
    match expr:
        case Scoped(rows):
            for row in rows:
                yield from leaves(row.value)
        case Mapping():
            for item in expr.values():
                yield from leaves(item)
        case tuple():
            for item in expr:
                yield from leaves(item)
        case _:
            yield expr
