"""``drift``: do the targets still hold what was brought to them? Looks, tells, and changes nothing."""

from __future__ import annotations

import contextlib
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from octo_ssh.cli import options
from octo_ssh.cli.command import command
from octo_ssh.cli.connect import connector_maker, person_at
from octo_ssh.cli.terminal import Terminal
from octo_ssh.cli.words import one_of, plan_request
from octo_ssh.errors import ExitCode, StateError
from octo_ssh.output.printer import Tone

if TYPE_CHECKING:
    from octo_ssh.model.drift import DriftReport
    from octo_ssh.operations.requests import Surroundings
    from octo_ssh.output.drift_history import PastCheck
    from octo_ssh.output.drift_told import News

TREND_CHECKS = 60
"""Past checks in the page of ``--report``."""


class Against(enum.Enum):
    """What targets are compared with."""

    BASELINE = "baseline"
    PLAN = "plan"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "drift")(drift)


def drift(
    terminal: Terminal,
    plan: options.PlanFile,
    inventory: options.InventoryFile = None,
    environment: options.Environment = None,
    release: options.Release = None,
    var: options.Var = None,
    limit: options.Limit = None,
    exclude: options.Exclude = None,
    health: Annotated[bool, typer.Option("--health", help="Ask the check steps, too.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Trust sizes and times of files: read only what seems touched.")
    ] = False,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            **options.choices(Against),
            help="Compare with what the last success left, or with the plan as it is.",
        ),
    ] = Against.BASELINE.value,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="Write a page, too: one HTML file, private if new.")
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify",
            metavar="URL",
            help="Tell of new and gone drift, each once: an apprise URL, or a file with a URL a line. Repeatable.",
        ),
    ] = None,
    notify_always: Annotated[
        list[str] | None,
        typer.Option(
            "--notify-always", metavar="URL", help="The same, after every check that is not in sync. Repeatable."
        ),
    ] = None,
) -> ExitCode:
    """Find what differs on targets from what was brought there.

    Changes nothing. Returns 3 for drift, 4 where a target could not be looked at.
    """
    import asyncio

    from octo_ssh.operations import drift as operation
    from octo_ssh.operations.requests import DriftOptions, Surroundings
    from octo_ssh.output.view import arrivals

    with_what = one_of(Against, against, "--against")
    request = plan_request(
        plan,
        inventory=inventory,
        environment=environment,
        release=release,
        var=var,
        limit=limit,
        exclude=exclude,
    )
    after = _After(
        terminal,
        Surroundings.of_user(),
        report,
        tuple(notify or ()),
        tuple(notify_always or ()),
        has_history=with_what is Against.BASELINE,
    )
    with terminal.progress() as view:
        made = operation.drift(
            request,
            DriftOptions(health=health, quick=quick, against_plan=with_what is Against.PLAN),
            emit=arrivals(view),
            make_connector=connector_maker(person_at(terminal, view)),
            surroundings=after.surroundings,
        )
        found = asyncio.run(made)
    return after.tell(found)


class _After:
    """What is done with the report of a check: remembered, shown, written to a file, told."""

    def __init__(
        self,
        terminal: Terminal,
        surroundings: Surroundings,
        file: str | None,
        notify: tuple[str, ...],
        notify_always: tuple[str, ...],
        *,
        has_history: bool,
    ) -> None:
        """Raises UsageError for an address that can never be told anything: before the check, not after it."""
        self.surroundings = surroundings
        self._terminal = terminal
        self._file = file
        self._has_history = has_history
        self._is_remembered = False
        self._told: list[tuple[tuple[str, ...], bool]] = []
        if notify or notify_always:
            from octo_ssh.operations.notify import addresses

            self._told = [(addresses(notify), False), (addresses(notify_always), True)]

    @property
    def _database(self) -> Path:
        """Where checks are remembered."""
        from octo_ssh.output.drift_database import DATABASE

        return self.surroundings.state / DATABASE

    def tell(self, found: DriftReport) -> ExitCode:
        """The exit code: the check's; FAILED for one in sync that could not be told to whom it should be."""
        from octo_ssh.planning.exit import drift_exit_code

        code = drift_exit_code(found)
        found = self._remembered(found, code)
        self._show(found, code)
        problems = [*self._write(found), *self._notify(found)]
        for problem in problems:
            self._terminal.side.say(f"warning: {problem}", Tone.WARNING)
        return ExitCode.FAILED if problems and code is ExitCode.DONE else code

    def _remembered(self, found: DriftReport, code: ExitCode) -> DriftReport:
        """With what the history knows: of checks against the baseline alone, for others find other things. Trouble with
        it is no trouble of the targets.
        """
        if not self._has_history:
            return found
        from octo_ssh.output.drift_history import with_history

        try:
            remembered = with_history(found, self._database)
        except StateError as error:
            if not (self._terminal.quiet and code is ExitCode.DONE):
                self._terminal.side.say(f"warning: no history of this check: {error.message}", Tone.WARNING)
            return found
        self._is_remembered = True
        return remembered

    def _show(self, found: DriftReport, code: ExitCode) -> None:
        """Pending and expected alone leave ``--quiet`` quiet."""
        if self._terminal.as_json:
            from octo_ssh.output.document import to_text
            from octo_ssh.output.drift_json import drift_document

            self._terminal.result.write(to_text(drift_document(found)) + "\n")
        elif not (self._terminal.quiet and code is ExitCode.DONE):
            from octo_ssh.output.drift_view import drift_view

            self._terminal.result.lines(drift_view(found, verbose=self._terminal.verbosity > 0))

    def _write(self, found: DriftReport) -> list[str]:
        """The page; what went wrong. It names paths, units and people: a new file is for its owner alone."""
        if self._file is None:
            return []
        from octo_ssh.operations.files import replace_file
        from octo_ssh.output.drift_html import report_html

        page = report_html(found, self._past(found)).encode("utf-8", "replace")
        try:
            path = Path(self._file).resolve()
            replace_file(path, page, mode=None if path.exists() else 0o600)
        except OSError as error:
            return [f"the report was not written: {self._file}: {error.strerror or error}"]
        return []

    def _past(self, found: DriftReport) -> tuple[PastCheck, ...]:
        from octo_ssh.output.drift_history import past_checks

        try:
            return past_checks(self._database, found.project, found.environment, limit=TREND_CHECKS)
        except StateError:
            return ()

    def _notify(self, found: DriftReport) -> list[str]:
        if not self._told:
            return []
        from octo_ssh.operations.notify import notify

        news, told = self._news(found), self._file or ""
        problems = [
            problem
            for urls, always in self._told
            for problem in notify(urls, found, news, always=always, report_file=told)
        ]
        if not problems:
            self._delivered(news)
        return problems

    def _news(self, found: DriftReport) -> News:
        """What nobody was told of yet; where no history knows that, everything: rather told twice than never."""
        from octo_ssh.output.drift_told import all_news, untold

        if self._is_remembered:
            with contextlib.suppress(StateError):
                return untold(found, self._database)
        return all_news(found)

    def _delivered(self, news: News) -> None:
        from octo_ssh.output.drift_told import delivered

        try:
            delivered(news, self._database)
        except StateError as error:
            self._terminal.side.say(f"warning: it will be told again: {error.message}", Tone.WARNING)
