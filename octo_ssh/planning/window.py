"""The two kinds of stage at work: steps on all their targets, and a window that slides over a group's targets."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from octo_ssh.model.outcomes import Outcome
from octo_ssh.planning.ledger import Ledger, Verdict, named
from octo_ssh.planning.stages import Abreast, Leaf, Sliding, Together

GATE = -1
"""The slot of the pause that follows the canary: it holds the whole window."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause of a rolling group: one slot's before its next target, or after the canary (slot -1)."""

    step_id: str
    seconds: float | None
    """None: until somebody says yes."""
    slot: int = GATE


class Hands(Protocol):
    """What a stage does things with."""

    ledger: Ledger

    def start(self, leaf: Leaf, target: str) -> None: ...

    def settle(self, leaf: Leaf, target: str, verdict: Verdict) -> None:
        """The step ends here without anything being done; NEVER leaves no outcome."""
        ...

    def running(self, leaf: Leaf) -> int: ...

    def is_running(self, leaf: Leaf, target: str) -> bool: ...


@dataclass(slots=True)
class Row:
    """A step, and those that start with it, on all their targets: at most ``max_parallel`` of each at once."""

    stage: Together
    pending: dict[str, list[str]]
    """Targets by step id."""
    _mark: object = None

    def pump(self, hands: Hands) -> None:
        is_news, self._mark = self._mark != hands.ledger.mark, hands.ledger.mark
        for leaf in self.stage.leaves:
            self.pending[leaf.id] = self._pump(leaf, hands, is_news=is_news)

    def _pump(self, leaf: Leaf, hands: Hands, *, is_news: bool) -> list[str]:
        pending = self.pending[leaf.id]
        still: list[str] = []
        for index, target in enumerate(pending):
            if not is_news and hands.running(leaf) >= leaf.step.max_parallel:
                return still + pending[index:]
            verdict = hands.ledger.verdict(leaf, target)
            if verdict is Verdict.GO and hands.ledger.carried_out(leaf, target):
                if hands.running(leaf) < leaf.step.max_parallel:
                    hands.start(leaf, target)
                else:
                    still.append(target)
            else:
                hands.settle(leaf, target, verdict)
        return still

    def over(self, hands: Hands) -> bool:
        return not any(self.pending[leaf.id] or hands.running(leaf) for leaf in self.stage.leaves)

    def holds(self, target: str) -> bool:
        return False


@dataclass(slots=True)
class Window:
    """A rolling group. Targets where nothing is to be done take no slot and cost no pause; those that only remember
    take one, and are neither canaries nor a reason to pause.
    """

    stage: Sliding
    queue: deque[str]
    inside: dict[str, int] = field(default_factory=dict)
    """Targets in the window, with their slot."""
    waits: dict[int, Wait] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _at: dict[str, int] = field(default_factory=dict)
    """How many of the group's rows are behind each target inside."""
    _dealt_with: set[tuple[str, str]] = field(default_factory=set)
    """By step id and target: begun, or settled."""
    _free: list[int] = field(default_factory=list)
    _canaries: set[str] = field(default_factory=set)
    _canaries_left: int = 0
    _opened: bool = False
    """The canary is behind us, or there was none."""
    _mark: object = None

    @classmethod
    def over_targets(cls, stage: Sliding) -> Window:
        window = stage.group.window
        assert window is not None
        size = max(1, min(window.size, stage.group.max_parallel))
        return cls(
            stage,
            deque(stage.group.targets),
            _free=list(range(size)),
            _canaries_left=window.canary,
            _opened=window.canary == 0,
        )

    def holds(self, target: str) -> bool:
        return target in self.inside

    def lost(self, target: str, ledger: Ledger) -> None:
        """A target inside did not end well: the group's own budget, and the canary."""
        window, name = self.stage.group.window, self.stage.group.step.name
        assert window is not None
        self.failed.append(target)
        if target in self._canaries:
            ledger.halt(f"the canary {target} of {name!r} did not end well")
        elif len(self.failed) > window.max_failures:
            ledger.halt(f"{named(self.failed)} of {name!r} did not end well; its max_failures is {window.max_failures}")

    def left_out(self, target: str) -> None:
        """A person took the target out: it says nothing of the release, so another canary takes its place."""
        if target in self._canaries:
            self._canaries.discard(target)
            self._canaries_left += 1

    def waited(self, slot: int) -> None:
        if self.waits.pop(slot, None) is not None and slot != GATE:
            self._free.append(slot)

    def over(self, hands: Hands) -> bool:
        return not self.inside and not self.queue

    def pump(self, hands: Hands) -> None:
        self._thin_out(hands)
        busy = True
        while busy:
            busy = False
            for target in list(self.inside):
                if self._advance(target, hands):
                    self._leave(target, hands.ledger)
                    busy = True
            self._thin_out(hands)
            while self._may_take(hands.ledger):
                self._take(self.queue.popleft(), hands.ledger)
                busy = True

    def _thin_out(self, hands: Hands) -> None:
        """Let go of who will not enter: out of the run, too late, or nothing to do there."""
        ledger = hands.ledger
        if self._mark != ledger.mark:
            self._mark = ledger.mark
            self._let_go(hands)
        if self.waits and not self._goes_on(ledger):
            for slot in list(self.waits):
                self.waited(slot)
        if not self.queue and not self._canaries:
            self._opened = True

    def _let_go(self, hands: Hands) -> None:
        ledger, keep = hands.ledger, deque[str]()
        for target in self.queue:
            verdict = ledger.may_enter(self.stage.group, self.stage.above, target)
            mine = [leaf for leaf in self.stage.leaves if target in leaf.step.planned]
            if verdict is Verdict.GO and any(ledger.carried_out(leaf, target) for leaf in mine):
                keep.append(target)
                continue
            for leaf in mine:
                hands.settle(leaf, target, verdict)
        self.queue = keep

    def _goes_on(self, ledger: Ledger) -> bool:
        """Somebody is left to pause for."""
        return not ledger.stopped and any(self._changes(target, ledger) for target in self.queue)

    def _changes(self, target: str, ledger: Ledger) -> bool:
        """Something is done on the target that does more than remember."""
        return any(
            ledger.carried_out(leaf, target) and not leaf.planned(target).only_remembers
            for leaf in self.stage.leaves
            if target in leaf.step.planned
        )

    def _may_take(self, ledger: Ledger) -> bool:
        if not self.queue or not self._free or GATE in self.waits:
            return False
        return self._opened or self._canaries_left > 0 or not self._changes(self.queue[0], ledger)

    def _take(self, target: str, ledger: Ledger) -> None:
        self.inside[target] = self._free.pop(0)
        self._at[target] = 0
        if not self._opened and self._changes(target, ledger):
            self._canaries_left -= 1
            self._canaries.add(target)

    def _advance(self, target: str, hands: Hands) -> bool:
        """Take the target as far as it goes now. True when it has the whole group behind it."""
        while self._at[target] < len(self.stage.rows):
            if not self._is_behind(self.stage.rows[self._at[target]], target, hands):
                return False
            self._at[target] += 1
        return True

    def _is_behind(self, row: Abreast, target: str, hands: Hands) -> bool:
        """Begin what may begin of the row. True when all of it has ended on the target."""
        waits = False
        for leaf in row:
            if target not in leaf.step.planned:
                continue
            if (leaf.id, target) not in self._dealt_with:
                waits |= not self._deal_with(leaf, target, hands)
            waits |= hands.is_running(leaf, target)
        return not waits

    def _deal_with(self, leaf: Leaf, target: str, hands: Hands) -> bool:
        """Begin or settle the step there; False when its turn has not come."""
        verdict = hands.ledger.verdict(leaf, target)
        if verdict is not Verdict.GO or not hands.ledger.carried_out(leaf, target):
            hands.settle(leaf, target, verdict)
        elif hands.running(leaf) < leaf.step.max_parallel:
            hands.start(leaf, target)
        else:
            return False
        self._dealt_with.add((leaf.id, target))
        return True

    def _leave(self, target: str, ledger: Ledger) -> None:
        slot = self.inside.pop(target)
        self._canaries.discard(target)
        if not self._opened and not self._canaries and self._canaries_left == 0:
            self._opened = True
            for waiting in list(self.waits):
                self.waited(waiting)
            self._free.append(slot)
            self._pause(GATE, ledger)
        elif not self._changes(target, ledger) or not self._pause(slot, ledger):
            self._free.append(slot)

    def _pause(self, slot: int, ledger: Ledger) -> bool:
        """Hold the slot, or with GATE the window, where there is a reason to."""
        window = self.stage.group.window
        assert window is not None
        asks = slot == GATE and window.asks
        if (window.pause_s <= 0 and not asks) or not self._goes_on(ledger):
            return False
        self.waits[slot] = Wait(self.stage.group.step.id, None if asks else window.pause_s, slot)
        return True


StageAtWork = Row | Window


def at_work(stage: Together | Sliding) -> StageAtWork:
    match stage:
        case Together(leaves):
            return Row(
                stage, {leaf.id: [name for name in leaf.step.targets if name in leaf.step.planned] for leaf in leaves}
            )
        case Sliding():
            return Window.over_targets(stage)


def settled_outcome(leaf: Leaf, target: str, verdict: Verdict) -> Outcome:
    """How a step ends on a target without anything being done."""
    planned = leaf.planned(target)
    # Without work, a bad outcome is that of a target which was never in the run.
    stays = verdict is Verdict.GO or (not planned.outcome.is_good and planned.work is None)
    return planned.outcome if stays else Outcome.SKIPPED
