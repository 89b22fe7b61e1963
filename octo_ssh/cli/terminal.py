"""What the user sits at: the streams, what may be drawn on them, whether somebody can be asked."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from octo_ssh.errors import FileErrors, OctoError
from octo_ssh.output.printer import Line, Printer, Tone, is_terminal, wants_color

if TYPE_CHECKING:
    from octo_ssh.output.view import View


def local_now() -> datetime:
    return datetime.now().astimezone()


@dataclass(slots=True)
class Terminal:
    """Results go to standard output, all else to standard error (SPEC section 5)."""

    as_json: bool = False
    quiet: bool = False
    verbosity: int = 0
    no_color: bool = False
    no_input: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)

    @property
    def result(self) -> Printer:
        """Where results go."""
        return self._printer(self.stdout)

    @property
    def side(self) -> Printer:
        """Where everything else goes."""
        return self._printer(self.stderr)

    @property
    def can_ask(self) -> bool:
        """Somebody is there to be asked: never behind a pipe's back, never with ``--no-input``."""
        return not self.no_input and is_terminal(self.stdin) and is_terminal(self.stderr)

    def view(self) -> View:
        """How a run is told: its events are the result with ``--json``, else its summary is."""
        if self.as_json:
            from octo_ssh.output.jsonlines import JsonView

            return JsonView(self.result, now=local_now)
        return self.progress()

    def progress(self) -> View:
        """How a command is told on the side while its one result is made."""
        if self.quiet or self.as_json:
            from octo_ssh.output.quiet import QuietView

            return QuietView(self.side, self.result, now=local_now)
        if is_terminal(self.stderr) and self.environ.get("TERM", "dumb") != "dumb":
            from octo_ssh.output.live import LiveView

            return LiveView(self.stderr, self.result, color=self._color(self.stderr), verbose=self.verbosity > 0)
        from octo_ssh.output.plain import PlainView

        return PlainView(self.side, self.result, now=local_now, verbose=self.verbosity > 0)

    def answer(self, name: str, report: Any, lines: Iterable[Line], *, all_well: bool) -> None:
        """Give a command's one result: as a document, or in lines; nothing at all when quiet and all is well."""
        if self.as_json:
            from octo_ssh.output.document import to_text
            from octo_ssh.output.reports import report_document

            self.result.write(to_text(report_document(name, report)) + "\n")
        elif not (self.quiet and all_well):
            self.result.lines(tuple(lines))

    def fail(self, error: OctoError) -> None:
        """Tell of an error, once, without a traceback. Mistakes in files come as lines that an editor can follow."""
        printer = self.side
        if isinstance(error, FileErrors):
            for problem in error.problems:
                printer.say(_masked(str(problem)), Tone.BAD)
            return
        printer.say(f"error: {_masked(error.message)}", Tone.BAD)
        for line in _masked(error.hint).splitlines():
            printer.say(f"  {line}")

    def broke(self, error: BaseException) -> None:
        """Tell of a mistake of ours. The traceback is for those who ask: ``-vv`` or OCTO_SSH_DEBUG."""
        printer = self.side
        printer.say(f"internal error: {type(error).__name__}: {_masked(str(error))}", Tone.BAD)
        if self.verbosity > 1 or self.environ.get("OCTO_SSH_DEBUG"):
            printer.say(_masked("".join(traceback.format_exception(error)).rstrip()))
            printer.say("  please report it with the lines above, less what is confidential in them")
        else:
            printer.say("  this is a mistake in octo-ssh; please report it with what -vv prints")

    def _printer(self, stream: TextIO) -> Printer:
        return Printer(stream, color=self._color(stream))

    def _color(self, stream: TextIO) -> bool:
        return wants_color(stream, self.environ, refused=self.no_color)


def _masked(text: str) -> str:
    """Last words, without the secrets that were read: whoever made them may not have known that he quoted one."""
    from octo_ssh.config.masking import masked_text
    from octo_ssh.config.secrets import known_here

    return masked_text(text, known_here())
