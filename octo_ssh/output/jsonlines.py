"""The view for programs: one JSON line an event. The same lines are the controller's record of a run."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from octo_ssh.model.events import Event, PlanMade, StepEnded, StepOutput
from octo_ssh.output.document import Document, plain_data, timestamp, to_line
from octo_ssh.output.plan_json import plan_document
from octo_ssh.output.printer import Printer
from octo_ssh.output.text import clean
from octo_ssh.output.view import Now

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def event_document(event: Event, at: datetime) -> Document:
    """``event`` (the class in snake case) and ``at`` first, then the event's own fields."""
    document: Document = {"event": _WORD_START.sub("_", type(event).__name__).lower(), "at": timestamp(at)}
    match event:
        case PlanMade(plan):
            document["plan"] = plan_document(plan)
        case _:
            document.update(plain_data(event))
    return document


class EventLines:
    """Events to lines. Output that was cut inside a character is put together again."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, str], codecs.IncrementalDecoder] = {}

    def line(self, event: Event, at: datetime) -> str:
        document = event_document(event, at)
        match event:
            case StepOutput(step, target, data):
                decoder = self._decoders.setdefault((step, target), codecs.getincrementaldecoder("utf-8")("replace"))
                document["data"] = clean(decoder.decode(data))
            case StepEnded(step, target):
                self._decoders.pop((step, target), None)
            case _:
                pass
        return to_line(document)


class JsonView:
    """Writes the lines to standard output."""

    def __init__(self, result: Printer, *, now: Now) -> None:
        self._result = result
        self._now = now
        self._lines = EventLines()

    def emit(self, event: Event) -> None:
        self._result.write(self._lines.line(event, self._now()) + "\n")

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""
