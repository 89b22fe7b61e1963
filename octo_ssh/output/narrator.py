"""A run told in lines: what the plain view writes, and what scrolls above the live one.

Failures are told at once, with the last lines of output. What went well is told a line a target where targets are
few, and folded at the step's end where they are many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from octo_ssh.model.events import (
    ApprovalGiven,
    ArtifactKept,
    Choice,
    ConnectionReopened,
    ConnectionReopening,
    Event,
    GroupPaused,
    Interrupted,
    Level,
    OutputSet,
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
    StepDecided,
    StepEnded,
    StepFailed,
    StepNote,
    StepOutput,
    StepProgress,
    StepSaid,
    StepStarted,
    TargetConnected,
    TargetLost,
    TargetWarned,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.outline import Outline
from octo_ssh.output.plan_view import totals
from octo_ssh.output.printer import Say, Tone, tone_of
from octo_ssh.output.story import Story
from octo_ssh.output.summary import approval_line, named, why
from octo_ssh.output.text import Lines, clean_line, further_lines, last_lines
from octo_ssh.output.words import amount, duration, fold, natural, size, span, whom

FOLD_ABOVE = 12
"""A step with more targets than this is told folded."""
TAIL_LINES = 20
SAID_AT_MOST = 100
"""Different lines that wait for a step's end; more are told at once."""
PROGRESS_MARKS = (25, 50, 75, 100)
"""A log tells of a step's progress on a target when it passes one of these."""


@dataclass(slots=True)
class _Tally:
    """What a step brought that was not told yet, and how many ends there were."""

    ends: int = 0
    alike: dict[tuple[Outcome, str], list[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    said: dict[tuple[Level, str], list[str]] = field(default_factory=dict)


class Narrator:
    """Turns events into lines. ``say`` gets them; ``verbose`` adds notes, outputs, and what steps print."""

    def __init__(self, say: Say, *, verbose: bool, progress_marks: tuple[int, ...] = PROGRESS_MARKS) -> None:
        self._say = say
        self._verbose = verbose
        self._marks = progress_marks
        self._tallies: dict[str, _Tally] = {}
        self._output: dict[tuple[str, str], Lines] = {}
        self._reached: dict[tuple[str, str], int] = {}
        """By step and target: the progress that was told last."""
        self._asked: set[tuple[str, str]] = set()
        """Steps and targets whose failure was told before somebody was asked about it."""
        self._pushed: list[tuple[str, int]] = []
        self._heading = ""
        """The step that the last title named."""
        self._plan_told = ""
        self.story = Story()

    @property
    def _outline(self) -> Outline:
        return self.story.outline

    def emit(self, event: Event) -> None:
        """Tell of the event, or remember it for later. ``RunEnded`` only brings what is still untold."""
        self.story.take(event)
        match event:
            case RunStarted():
                told = f"{self.story.title}: {amount(len(event.targets), 'target')}, run {event.run}"
                self._say(told, Tone.TITLE)
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
            case TargetWarned(target, text):
                self._say(f"  warning      {target}  {clean_line(text)}", Tone.BAD)
            case ConnectionReopening(target, reason):
                self._say(f"  connecting   {target}  again: {clean_line(reason)}", Tone.BAD)
            case ConnectionReopened(target, seconds):
                self._say(f"  connected    {target}  again after {seconds:.0f} s")
            case PlanMade(plan):
                if (told := totals(plan)) != self._plan_told:  # made again after a second look, with the same result
                    self._plan_told = told
                    self._say(told, Tone.TITLE)
            case PushDone(target, _, sent):
                self._pushed.append((target, sent))
            case RunHalted(reason):
                self._flush_all()
                self._say(f"halted: {clean_line(reason)}", Tone.BAD)
            case Interrupted(signal):
                self._say(f"{signal}: nothing new is started; what runs is ended. Once more leaves at once.", Tone.BAD)
            case RunEnded():
                self._flush_all()
            case GroupPaused(step, seconds):
                self._say(f"  {self._outline.name(step)}: {waiting(seconds)}", Tone.FAINT)
            case ApprovalGiven(step):
                answer = approval_line(event, self._outline.name(step))
                self._say(answer.text, answer.tone)
            case TargetConnected() | PushStarted() | PushAdvanced() | StepBegan():
                pass  # moments between two lines: the live view shows them
            case _:
                self._step(event)

    def _step(
        self,
        event: StepStarted
        | StepNote
        | StepOutput
        | StepSaid
        | StepProgress
        | OutputSet
        | ArtifactKept
        | StepFailed
        | StepDecided
        | StepEnded,
    ) -> None:
        match event:
            case StepStarted(step):
                self._flush_other(step)
                self._heading = step
                self._say(self._outline.name(step), Tone.TITLE)
            case StepNote(step, target, text):
                self._add(f"  {whom(target)}  {clean_line(text)}")
            case StepOutput(step, target, data):
                if self._verbose:
                    lines = self._output.setdefault((step, target), Lines())
                    self._tell_output(target, lines.feed(data))
            case StepSaid():
                self._said(event)
            case StepProgress():
                self._progressed(event)
            case OutputSet(step, target, name, value):
                given = "(secret)" if value is None else clean_line(value)
                self._add(f"  {whom(target)}  output {clean_line(name)} = {given}")
            case ArtifactKept(step, target, name, path, count):
                self._add(f"  {whom(target)}  kept {clean_line(name)} ({size(count)}): {clean_line(path)}")
            case StepFailed(step, target, reason, status, tail):
                self._asked.add((step, target))
                self._tell_failure(StepEnded(step, target, Outcome.FAILED, reason, 0.0, status, tail), took="")
            case StepDecided(step, target, choice, by):
                if choice is Choice.RETRY:
                    self._asked.discard((step, target))
                said_by = f", by {clean_line(by)}" if by else ""
                self._say(f"      {self._outline.name(step)}, {whom(target)}: {choice.value}{said_by}", Tone.TITLE)
            case StepEnded():
                self._ended(event)
            case _:
                assert_never(event)

    def _add(self, text: str) -> None:
        """A line for those who asked for more."""
        if self._verbose:
            self._say(text, Tone.FAINT)

    def _said(self, event: StepSaid) -> None:
        """Where targets are many, what they say alike is told once, at the step's end."""
        if event.level is Level.VERBOSE:
            self._add(f"  {whom(event.target)}  {clean_line(event.text)}")
        elif self._outline.targets(event.step) <= FOLD_ABOVE:
            self._tell_said(event.level, clean_line(event.text), [event.target])
        else:
            tally = self._tallies.setdefault(event.step, _Tally())
            tally.said.setdefault((event.level, clean_line(event.text)), []).append(event.target)
            if len(tally.said) >= SAID_AT_MOST:
                self._flush_said(tally)

    def _tell_said(self, level: Level, text: str, targets: list[str]) -> None:
        mark = f"{level.value}: " if level in (Level.WARNING, Level.ERROR) else ""
        self._say(f"  {named(dict.fromkeys(targets))}  {mark}{text}", _TONES[level])

    def _progressed(self, event: StepProgress) -> None:
        passed = max((mark for mark in self._marks if mark <= event.percent), default=0)
        key = event.step, event.target
        few = self._outline.targets(event.step) <= FOLD_ABOVE
        if passed > self._reached.get(key, 0) and (few or self._verbose):
            self._reached[key] = passed
            text = f"  {clean_line(event.text)}" if event.text else ""
            self._say(f"  {whom(event.target)}  {event.percent}%{text}", Tone.FAINT)

    def _ended(self, event: StepEnded) -> None:
        left = self._output.pop((event.step, event.target), None)
        if left is not None:
            self._tell_output(event.target, left.finish())
        if event.outcome.is_good and event.step in self.story.answered:
            return  # the answer was told
        tally = self._tallies.setdefault(event.step, _Tally())
        tally.ends += 1
        few = self._outline.targets(event.step) <= FOLD_ABOVE
        if not event.outcome.is_good:
            self._tell_failure(event, took=f"  {duration(event.seconds)}")
        elif event.outcome is Outcome.CHANGED and few:
            self._tell_end(event)
        else:
            tally.alike.setdefault((event.outcome, clean_line(event.reason)), []).append(event.target)
            tally.seconds.append(event.seconds)
        if tally.ends >= self._outline.targets(event.step) > 0:
            self._flush(event.step)

    def _tell_end(self, event: StepEnded) -> None:
        reason = f"  {clean_line(event.reason)}" if event.reason else ""
        text = f"  {event.outcome.value:<11}  {whom(event.target)}{self._beside_title(event.step)}{reason}"
        self._say(f"{text}  {duration(event.seconds)}", tone_of(event.outcome))

    def _beside_title(self, step: str) -> str:
        """The step's name, where steps run at once and the last title is another's."""
        if self._heading == step:
            return ""
        self._heading = ""  # from here on, lines stand below no title
        return f"  {self._outline.name(step)}"

    def _tell_failure(self, event: StepEnded, *, took: str) -> None:
        """Its last lines too, unless they were shown to whoever was asked about it."""
        outcome = f"{event.outcome.value}, ignored" if event.ignored else event.outcome.value
        name = self._outline.name(event.step)  # always: the quiet view has no titles
        tone = Tone.WARNING if event.ignored else Tone.BAD
        self._say(f"  {outcome:<11}  {whom(event.target)}  {name}: {why(event)}{took}", tone)
        key = event.step, event.target
        if took and key in self._asked:
            return
        for line in (*further_lines(event.reason, TAIL_LINES), *last_lines(event.tail, TAIL_LINES)):
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
        self._flush_said(tally)
        total = len(tally.seconds)
        for (outcome, reason), names in tally.alike.items():
            targets = self._in_order(names)
            told = f"  {reason}" if reason else ""
            who = f"{amount(len(targets), 'target')}: {fold(targets)}" if len(targets) > 2 else fold(targets)
            self._say(f"  {outcome.value:<11}  {who}{self._beside_title(step)}{told}", tone_of(outcome))
        if total > FOLD_ABOVE:
            self._say(f"               {duration(min(tally.seconds))} to {duration(max(tally.seconds))}", Tone.FAINT)

    def _flush_said(self, tally: _Tally) -> None:
        for (level, text), names in tally.said.items():
            self._tell_said(level, text, names)
        tally.said.clear()

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """They end in any order, and only neighbours fold."""
        return sorted(names, key=natural)

    def _flush_pushed(self) -> None:
        if self._pushed:
            targets = self._in_order({target for target, _ in self._pushed})
            sent = sum(count for _, count in self._pushed)
            self._say(f"  sent {size(sent)} to {named(targets)}")
            self._pushed.clear()


def waiting(seconds: float | None) -> str:
    """What a paused group waits for."""
    return "waiting for an approval" if seconds is None else f"waiting {span(seconds)}"


_TONES = {
    Level.VERBOSE: Tone.FAINT,
    Level.HIGHLIGHT: Tone.HIGHLIGHT,
    Level.WARNING: Tone.WARNING,
    Level.WAIT: Tone.FAINT,
    Level.ERROR: Tone.ERROR,
}
_PHASES = {
    "acquire": "reading packages",
    "connect": "connecting",
    "observe": "looking at the targets",
    "lock": "locking",
    "push": "sending packages",
    "record": "recording",
}
