"""A run that is watched from outside: what it told and when, what struck it, and how soon it was at work again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.proxy import Way
from tests.integration.farm import Told

AFTER_ITS_END = "after its end"


@dataclass(frozen=True, slots=True)
class Line:
    """An event as it was told."""

    at: float
    """By ``time.monotonic``."""
    text: str
    passed: dict[str, dict[Way, int]]
    """Bytes until then, by proxy."""


@dataclass(slots=True)
class Hit:
    """A fault that has struck a run: one connection or host of it, or its controller."""

    at: float
    """By ``time.monotonic``."""
    targets: tuple[str, ...]
    """Whose way or host it is; empty for the controller."""
    where: str = ""
    """The phase that the run was in, or the step."""
    resumed_s: float | None = None
    """Until there were connections to all of the targets again; of a killed controller, from the start of the next
    apply until that was at its steps. None where nothing had to be resumed.
    """
    is_open: bool = True
    """Somebody may still resume it."""


@dataclass(slots=True)
class Watched:
    """A run that has ended."""

    told: Told
    began: float
    lines: list[Line]

    def passed(self, event: str, proxy: str, way: Way) -> int:
        """Bytes until the first such event; until the end where there was none."""
        line = next((line for line in self.lines if event in line.text), self.lines[-1])
        return line.passed[proxy][way]

    def place(self, hits: Iterable[Hit]) -> None:
        """Say of each hit that struck this run where it did."""
        for hit in hits:
            if not hit.where:
                hit.where = where([line.text for line in self.lines if line.at <= hit.at])

    def resume(self, hits: Iterable[Hit]) -> None:
        """Say of each open hit when it was resumed, where it was; a run that ended well leaves none open."""
        for hit in hits:
            if hit.is_open and (at := self._resumed(hit)) is not None:
                hit.resumed_s, hit.is_open = at, False
            hit.is_open = hit.is_open and self.told.code != 0

    def _resumed(self, hit: Hit) -> float | None:
        if not hit.targets:
            at = next((line.at for line in self.lines if '"phase":"steps"' in line.text), None)
            return None if at is None else at - self.began
        back: dict[str, float] = {}
        for line in self.lines:
            if line.at > hit.at and ('"connection_reopened"' in line.text or '"target_connected"' in line.text):
                back.setdefault(json.loads(line.text)["target"], line.at)
        return max(back[name] for name in hit.targets) - hit.at if back.keys() >= set(hit.targets) else None


def where(told: Sequence[str]) -> str:
    """Where a run is that has told this much."""
    phase, step = "its beginning", ""
    for text in told:
        if '"event":"phase_started"' in text:
            phase = json.loads(text)["phase"]
        elif '"event":"step_started"' in text:
            step = json.loads(text)["step"]
        elif '"event":"run_ended"' in text:
            return AFTER_ITS_END
    return f"step {step}" if phase == "steps" and step else phase
