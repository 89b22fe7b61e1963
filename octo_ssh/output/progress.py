"""What is going on right now, as far as events tell: the state behind the live view. No terminal in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from octo_ssh.model.events import (
    ApprovalGiven,
    ArtifactKept,
    Event,
    GroupPaused,
    Interrupted,
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
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.narrator import waiting
from octo_ssh.output.outline import Outline
from octo_ssh.output.story import run_title
from octo_ssh.output.text import Lines, clean_line, first_line

Clock = Callable[[], float]


@dataclass(slots=True)
class Busy:
    """A target that something is waited for."""

    target: str
    doing: str
    since: float
    last_line: str = ""
    sent: int = 0
    total: int = 0
    percent: int | None = None
    """How far its script says that it is."""
    lines: Lines = field(default_factory=Lines)


@dataclass(frozen=True, slots=True)
class Bad:
    """A failure that stays on the screen."""

    target: str
    outcome: Outcome
    text: str


class Progress:
    """Follows a run. ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outline = Outline()
        self.started = clock()
        self.title = ""
        self.phase = ""
        self.step = ""
        self.notice = ""
        """Halted, interrupted or pausing: what explains why little happens."""
        self.busy: dict[tuple[str, str], Busy] = {}
        """By target and what it does there: a step's id, ``push:<package>``, or the phase."""
        self.bad: list[Bad] = []
        self.done = 0
        self.total = 0
        """Step ends, seen and expected; before the steps, targets of the phase."""
        self._targets: tuple[str, ...] = ()

    @property
    def slowest_first(self) -> list[Busy]:
        return sorted(self.busy.values(), key=lambda one: (one.since, one.target))

    def take(self, event: Event) -> None:
        """Learn of an event."""
        match event:
            case RunStarted():
                self.title = run_title(event)
                self._targets = event.targets
            case PhaseStarted(phase):
                self._phase(phase)
            case TargetConnected(target):
                self._arrived(target)
            case TargetLost(target, outcome, reason):
                self._arrived(target)
                self.bad.append(Bad(target, outcome, clean_line(reason)))
            case PlanMade(plan):
                self._outline = Outline.of(plan)
                self._targets = tuple(name for name in plan.targets if name not in plan.unreachable)
                self._expected = sum(len(step.planned) for step in plan.walk())
            case PushStarted(target, package, count):
                self.busy[target, f"push:{package}"] = Busy(target, f"receives {package}", self._clock(), total=count)
                self.total += 1
            case PushAdvanced(target, package, sent):
                if pushing := self.busy.get((target, f"push:{package}")):
                    pushing.sent = sent
                    if sent >= pushing.total:
                        pushing.doing, pushing.total = f"lays {package} out", 0
            case PushDone(target, package):
                self._leave(target, f"push:{package}")
            case StepStarted(step):
                self.step = self._outline.name(step)
                self.notice = ""
            case StepBegan(step, target):
                self.busy[target, step] = Busy(target, self._outline.name(step), self._clock())
            case StepNote() | StepSaid() | StepOutput() | StepProgress() | StepFailed() | StepDecided():
                if running := self.busy.get((event.target, event.step)):
                    _advance(running, event)
            case StepEnded():
                self._leave(event.target, event.step)
                if not event.outcome.is_good and not event.ignored:
                    self.bad.append(Bad(event.target, event.outcome, self._failure(event)))
            case GroupPaused(step, seconds):
                before = "" if seconds is None else " before the next"
                self.notice = f"{self._outline.name(step)}: {waiting(seconds)}{before}"
            case ApprovalGiven():
                self.notice = ""
            case RunHalted(reason):
                self.notice = f"halted: {clean_line(reason)}"
            case Interrupted(signal):
                self.notice = f"{signal}: ending what runs; once more leaves at once"
            case PackageReady() | OutputSet() | ArtifactKept() | RunEnded():
                pass  # lines above the live view tell of these

    _expected = 0

    def _phase(self, phase: str) -> None:
        self.phase, self.step = phase, ""
        self.busy.clear()
        self.done = 0
        match phase:
            case "connect":
                now = self._clock()
                self.total = len(self._targets)
                self.busy = {(name, phase): Busy(name, "connecting", now) for name in self._targets}
            case "steps":
                self.total = self._expected
            case _:
                self.total = 0

    def _arrived(self, target: str) -> None:
        """A target was connected, or is gone for good."""
        for key in [key for key in self.busy if key[0] == target]:
            del self.busy[key]
            self.done += 1

    def _leave(self, target: str, what: str) -> None:
        if self.busy.pop((target, what), None) is not None:
            self.done += 1

    def _failure(self, event: StepEnded) -> str:
        reason = first_line(event.reason)
        return f"{self._outline.name(event.step)}: {reason}" if reason else self._outline.name(event.step)


def _advance(running: Busy, event: StepNote | StepSaid | StepOutput | StepProgress | StepFailed | StepDecided) -> None:
    """What a target's line says of the step that runs there."""
    match event:
        case StepNote(text=text) | StepSaid(text=text):
            running.last_line = clean_line(text)
        case StepOutput(data=data):
            told = [line for line in map(clean_line, running.lines.feed(data)) if line]
            running.last_line = told[-1] if told else running.last_line
        case StepProgress(percent=percent, text=text):
            running.percent = percent
            running.last_line = clean_line(text) or running.last_line
        case StepFailed():
            running.last_line = "failed: somebody is asked what to do"
        case StepDecided(choice=choice):
            running.percent, running.last_line = None, choice.value
