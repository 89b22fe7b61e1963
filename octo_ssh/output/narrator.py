"""A run told in lines: what the plain view writes, and what scrolls above the live one.

Failures are told at once, with the last lines of output. What went well is told a line a target where targets are
few, and folded at the step's end where they are many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from octo_ssh.model.events import (
    Event,
    GroupPaused,
    Interrupted,
    PackageReady,
    PhaseStarted,
    PlanMade,
    PushAdvanced,
    PushDone,
    PushStarted,
    RunEnded,
    RunHalted,
    RunStarted,
    StepBegan,
    StepEnded,
    StepNote,
    StepOutput,
    StepStarted,
    TargetConnected,
    TargetLost,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.outline import Outline
from octo_ssh.output.plan_view import totals
from octo_ssh.output.printer import Say, Tone, tone_of
from octo_ssh.output.summary import named
from octo_ssh.output.text import Lines, clean_line, last_lines
from octo_ssh.output.words import amount, duration, fold, natural, size, span

FOLD_ABOVE = 12
"""A step with more targets than this is told folded."""
TAIL_LINES = 20


@dataclass(slots=True)
class _Tally:
    """The good ends of a step that were not told yet, and how many ends there were."""

    ends: int = 0
    alike: dict[tuple[Outcome, str], list[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


class Narrator:
    """Turns events into lines. ``say`` gets them; ``verbose`` adds notes, and what steps print."""

    def __init__(self, say: Say, *, verbose: bool) -> None:
        self._say = say
        self._verbose = verbose
        self._outline = Outline()
        self._tallies: dict[str, _Tally] = {}
        self._output: dict[tuple[str, str], Lines] = {}
        self._pushed: list[tuple[str, int]] = []
        self._heading = ""
        """The step that the last title named."""
        self._plan_told = ""
        self.title = ""

    def emit(self, event: Event) -> None:
        """Tell of the event, or remember it for later. ``RunEnded`` only brings what is still untold."""
        match event:
            case RunStarted():
                self.title = run_title(event)
                self._say(f"{self.title}: {amount(len(event.targets), 'target')}, run {event.run}", Tone.TITLE)
            case PhaseStarted(phase):
                self._flush_pushed()
                self._flush_all()
                if phase != "steps":
                    self._say(_PHASES.get(phase, phase), Tone.FAINT)
            case PackageReady():
                self._say(
                    f"  package {event.package}: {amount(event.files, 'file')}, {size(event.bytes)},"
                    f" sha256 {event.sha256[:12]}…"
                )
            case TargetLost():
                self._say(f"  {event.outcome.value:<11}  {event.target}  {clean_line(event.reason)}", Tone.BAD)
                for line in event.hint.splitlines():
                    self._say(f"      {line}", Tone.BAD)
            case PlanMade(plan):
                self._outline = Outline.of(plan)
                if (told := totals(plan)) != self._plan_told:  # made again after a second look, with the same result
                    self._plan_told = told
                    self._say(told, Tone.TITLE)
            case PushDone(target, _, sent):
                self._pushed.append((target, sent))
            case StepStarted(step):
                self._flush_other(step)
                self._heading = step
                self._say(self._outline.name(step), Tone.TITLE)
            case StepNote(step, target, text):
                if self._verbose:
                    self._say(f"  {target}  {clean_line(text)}", Tone.FAINT)
            case StepOutput(step, target, data):
                if self._verbose:
                    lines = self._output.setdefault((step, target), Lines())
                    self._tell_output(target, lines.feed(data))
            case StepEnded():
                self._ended(event)
            case GroupPaused(step, seconds):
                self._say(f"  {self._outline.name(step)}: waiting {span(seconds)}", Tone.FAINT)
            case RunHalted(reason):
                self._flush_all()
                self._say(f"halted: {clean_line(reason)}", Tone.BAD)
            case Interrupted(signal):
                self._say(f"{signal}: nothing new is started; what runs is ended. Once more leaves at once.", Tone.BAD)
            case RunEnded():
                self._flush_all()
            case TargetConnected() | PushStarted() | PushAdvanced() | StepBegan():
                pass  # moments between two lines: the live view shows them

    def _ended(self, event: StepEnded) -> None:
        left = self._output.pop((event.step, event.target), None)
        if left is not None:
            self._tell_output(event.target, left.finish())
        tally = self._tallies.setdefault(event.step, _Tally())
        tally.ends += 1
        few = self._outline.targets(event.step) <= FOLD_ABOVE
        if not event.outcome.is_good:
            self._tell_failure(event)
        elif event.outcome is Outcome.CHANGED and few:
            self._tell_end(event)
        else:
            tally.alike.setdefault((event.outcome, clean_line(event.reason)), []).append(event.target)
            tally.seconds.append(event.seconds)
        if tally.ends >= self._outline.targets(event.step) > 0:
            self._flush(event.step)

    def _tell_end(self, event: StepEnded) -> None:
        reason = f"  {clean_line(event.reason)}" if event.reason else ""
        text = f"  {event.outcome.value:<11}  {event.target}{self._in_group(event.step)}{reason}"
        self._say(f"{text}  {duration(event.seconds)}", tone_of(event.outcome))

    def _in_group(self, step: str) -> str:
        """The step's name, where the steps of a group run at once and the last title is another's."""
        return "" if self._heading == step or self._outline.top(step) == step else f"  {self._outline.name(step)}"

    def _tell_failure(self, event: StepEnded) -> None:
        reason = clean_line(event.reason)
        if event.status is not None and "exit status" not in reason:
            reason = f"{reason} (exit status {event.status})" if reason else f"exit status {event.status}"
        name = self._outline.name(event.step)  # always: the quiet view has no titles
        text = f"  {event.outcome.value:<11}  {event.target}  {name}: {reason}  {duration(event.seconds)}"
        self._say(text, Tone.BAD)
        for line in last_lines(event.tail, TAIL_LINES):
            self._say(f"      │ {line}")

    def _tell_output(self, target: str, lines: list[str]) -> None:
        for line in lines:
            self._say(f"  {target} │ {line}")

    def _flush_other(self, step: str) -> None:
        """A step begins: the steps before its barrier are over."""
        self._flush_pushed()
        top = self._outline.top(step)
        for other in [other for other in self._tallies if self._outline.top(other) != top]:
            self._flush(other)

    def _flush_all(self) -> None:
        for step in list(self._tallies):
            self._flush(step)

    def _flush(self, step: str) -> None:
        tally = self._tallies.pop(step)
        total = len(tally.seconds)
        for (outcome, reason), names in tally.alike.items():
            targets = self._in_order(names)
            why = f"  {reason}" if reason else ""
            who = f"{amount(len(targets), 'target')}: {fold(targets)}" if len(targets) > 2 else fold(targets)
            self._say(f"  {outcome.value:<11}  {who}{self._in_group(step)}{why}", tone_of(outcome))
        if total > FOLD_ABOVE:
            self._say(f"               {duration(min(tally.seconds))} to {duration(max(tally.seconds))}", Tone.FAINT)

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """They end in any order, and only neighbours fold."""
        return sorted(names, key=natural)

    def _flush_pushed(self) -> None:
        if self._pushed:
            targets = self._in_order({target for target, _ in self._pushed})
            sent = sum(count for _, count in self._pushed)
            self._say(f"  sent {size(sent)} to {named(targets)}")
            self._pushed.clear()


def run_title(event: RunStarted) -> str:
    """``shop 1.4.2 → staging``."""
    what = f"{event.project} {event.release}" if event.release else event.project
    return f"{what} → {event.environment}" if event.environment else what


_PHASES = {
    "acquire": "reading packages",
    "connect": "connecting",
    "observe": "looking at the targets",
    "lock": "locking",
    "push": "sending packages",
    "record": "recording",
}
