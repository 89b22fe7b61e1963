"""What a file step wants on a target: its content rendered or read, and measured (SPEC section 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from octo_ssh.config.templates import Content, Reveal, TemplateProblem, find_secret, render_content
from octo_ssh.errors import FileErrors, Problem
from octo_ssh.model.plan import FileStep, SecretContent, SourceContent, Step, TemplateContent, TextContent
from octo_ssh.model.program import FileInput
from octo_ssh.model.values import Secret, SecretRef
from octo_ssh.model.work import LateText, WantedFile
from octo_ssh.packages.single import read_single
from octo_ssh.planning.diffs import MAX_BYTES

if TYPE_CHECKING:
    from octo_ssh.config.load import Loaded


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as a step wants it on a target."""

    file: WantedFile | None
    """None: it should not be there."""
    content: Secret | FileInput | None
    """Its bytes; of a Secret, encode the text with ``surrogateescape``. None where they are known late, or not
    wanted."""


def wanted_file(loaded: Loaded, step: Step, target: str, reveal: Reveal) -> Wanted:
    """What a file step wants on a target. Reads its source and its secrets: call it in a thread.

    A secret that is the whole content is written as it is; one of several lines ends with a newline, as keys and
    certificates must. Raises FileErrors, SecretError.
    """
    assert isinstance(step.kind, FileStep)
    names = loaded.scopes.names(target=target, step=step)
    mode = step.kind.mode
    try:
        match step.kind.content:
            case None:
                return Wanted(None, None)
            case TextContent(text):
                return _rendered(render_content(text, names, reveal), mode, reveal)
            case TemplateContent(path, data):
                return _rendered(render_content(data, names, reveal, file=path), mode, reveal)
            case SecretContent(ref):
                text = reveal(ref).reveal()
                whole = Secret(f"{text}\n" if "\n" in text and not text.endswith("\n") else text)
                return _rendered(Content(whole, holds_secrets=True), mode, reveal)
            case SourceContent(path):
                return _source(path, mode)
            case _:
                assert_never(step.kind.content)
    except TemplateProblem as error:
        raise FileErrors([error.problem]) from None
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise FileErrors([Problem(step.position, message)]) from None


def _rendered(content: Content | LateText, mode: int | None, reveal: Reveal) -> Wanted:
    if isinstance(content, Content):
        return Wanted(measured(mode, content.text, holds_secrets=content.holds_secrets), content.text)
    secret = find_secret(content.names)
    for ref in _secrets(content.names):  # read now, in this thread; the plan is made in the main one
        reveal(ref)
    return Wanted(WantedFile(mode, holds_secrets=secret is not None, late=content), None)


def _secrets(value: object) -> Iterator[SecretRef]:
    match value:
        case SecretRef():
            yield value
        case Mapping():
            for item in value.values():
                yield from _secrets(item)
        case tuple():
            for item in value:
                yield from _secrets(item)
        case _:
            return


def measured(mode: int | None, text: Secret, *, holds_secrets: bool) -> WantedFile:
    """A content that is known."""
    raw = text.reveal().encode("utf-8", "surrogateescape")
    return WantedFile(mode, len(raw), hashlib.sha256(raw).hexdigest(), holds_secrets)


def _source(path: str, mode: int | None) -> Wanted:
    """A file beside the plan: a small one is held, so that a difference can be shown. Raises OSError."""
    found = read_single(path, held_bytes=MAX_BYTES)
    file = WantedFile(mode, found.size, found.sha256)
    if found.content is None:
        return Wanted(file, FileInput(found.path, found.size))
    return Wanted(file, Secret(found.content.decode("utf-8", "surrogateescape")))
