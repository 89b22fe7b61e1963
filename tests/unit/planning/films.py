"""Random plans, and what happens when they are played with random ends, choices, losses and interrupts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from octo_ssh.model.events import Choice
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, OnFailure, When
from octo_ssh.model.work import PlannedStep, RunPlan, Window
from octo_ssh.planning.schedule import Handling, Schedule
from octo_ssh.planning.stages import Leaf, leaves
from tests.unit.planning.builders import approve, due, group, here, row, run, run_plan

TARGETS = tuple("abcdefgh")
Key = tuple[str, str]
"""Step id and target."""


@st.composite
def leaf(draw: st.DrawFn, name: str) -> PlannedStep:
    when = draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.ALWAYS, When.FAILURE]))
    standby = when is When.FAILURE or (when is When.ALWAYS and draw(st.booleans()))
    once = when is When.SUCCESS and draw(st.integers(0, 9)) == 0
    names = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True).map(sorted))
    idle = draw(st.lists(st.sampled_from(TARGETS), unique=True))
    step = run(
        name,
        when=when,
        once=once,
        starts_with_previous=draw(st.booleans()),
        on_failure=draw(st.sampled_from([OnFailure.FAIL, OnFailure.FAIL, OnFailure.IGNORE])),
    )
    targets = names[:1] if once else names
    return due(step, targets, idle=idle, standby=standby, max_parallel=draw(st.integers(1, 4)))


@st.composite
def leaf_or_controller(draw: st.DrawFn, name: str) -> PlannedStep:
    """Outside windows."""
    if draw(st.integers(0, 2)):
        return draw(leaf(name))
    when = draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.ALWAYS, When.FAILURE]))
    standby = when is When.FAILURE or (when is When.ALWAYS and draw(st.booleans()))
    make = draw(st.sampled_from([run, approve]))
    return here(make(name, when=when, starts_with_previous=draw(st.booleans())), standby=standby)


@st.composite
def plans(draw: st.DrawFn) -> RunPlan:
    steps: list[PlannedStep] = []
    for number in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            steps.append(draw(leaf_or_controller(f"s{number}")))
            continue
        rolls = draw(st.booleans())
        make = leaf if rolls else leaf_or_controller
        children = [draw(make(f"s{number}.{child}")) for child in range(draw(st.integers(1, 4)))]
        if draw(st.booleans()):
            children.insert(0, row(group(f"s{number}.in"), draw(make(f"s{number}.in.0"))))
        when = draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.SUCCESS, When.ALWAYS]))
        steps.append(row(group(f"s{number}", when=when), *children, window=draw(windows()) if rolls else None))
    unreachable = dict.fromkeys(draw(st.lists(st.sampled_from(TARGETS), max_size=2, unique=True)), "refused")
    return run_plan(
        *steps,
        max_failures=draw(st.integers(0, 4)),
        targets=TARGETS,
        unreachable=unreachable,
        skip_unreachable=draw(st.booleans()),
    )


@st.composite
def windows(draw: st.DrawFn) -> Window:
    window = Window(
        draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.sampled_from([0, 9.0]))
    )
    return replace(window, asks=window.canary > 0 and draw(st.booleans()))


@dataclass
class Film:
    """What happened when a plan was played."""

    plan: RunPlan
    schedule: Schedule
    begun: list[Key] = field(default_factory=list)
    settled: list[Key] = field(default_factory=list)
    settled_before_halt: list[Key] = field(default_factory=list)
    running: set[Key] = field(default_factory=set)
    begun_after_halt: list[Key] = field(default_factory=list)
    begun_after_interrupt: list[Key] = field(default_factory=list)
    begun_after_failure: list[Key] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    """By id of an outermost group: targets inside it that run something at one time."""
    lost: set[str] = field(default_factory=set)
    spent: dict[str, list[str]] = field(default_factory=dict)
    """By id of a rolling group, or empty for the run: targets whose first failure a step of theirs was."""
    has_cause_to_halt: bool = False
    controller_failed: bool = False

    def __post_init__(self) -> None:
        self.leaves = {leaf.id: leaf for leaf in leaves(self.plan)}
        self.rank = dict(_ranks(self.plan))
        self.top = {key: (leaf.groups[0] if leaf.groups else leaf.step).step.id for key, leaf in self.leaves.items()}
        self.lost |= set(self.plan.unreachable)
        if not self.plan.skip_unreachable:
            self.spent[""] = list(self.plan.unreachable)
            self.has_cause_to_halt = bool(self.plan.unreachable)

    @property
    def has_failed(self) -> bool:
        """By our own books."""
        skipped = set(self.plan.unreachable) if self.plan.skip_unreachable else set()
        return bool(self.lost - skipped) or self.controller_failed or self.schedule.interrupted

    def window_of(self, step_id: str) -> str:
        return next((step.step.id for step in self.leaves[step_id].groups if step.window), "")

    def loses(self, target: str, at: str | None) -> None:
        """``at``: the step that counts as the reason, None for a loss outside steps."""
        self.has_cause_to_halt = True
        if target not in self.lost and at is not None:
            self.spent.setdefault(self.window_of(at), []).append(target)
        self.lost.add(target)


def _ranks(plan: RunPlan) -> Iterator[tuple[str, tuple[int, int]]]:
    """By step id: its place between barriers, and its place between those of a target inside a window. Told from the
    plan as it is written: steps that start together share a place.
    """
    rank, previous = [0, 0], None
    for leaf_ in leaves(plan):
        window = next((step for step in leaf_.groups if step.window), None)
        before = previous and next((step for step in previous.groups if step.window), None)
        joins = leaf_.step.step.starts_with_previous and _are_neighbours(plan, previous, leaf_)
        if window is None or window is not before:
            rank = rank if joins else [rank[0] + 1, 0]
        elif not joins:
            rank = [rank[0], rank[1] + 1]
        previous = leaf_
        yield leaf_.id, (rank[0], rank[1])


def _are_neighbours(plan: RunPlan, one: Leaf | None, other: Leaf) -> bool:
    """Both stand in one list, one after the other."""
    siblings = other.groups[-1].children if other.groups else plan.steps
    place = siblings.index(other.step)
    return one is not None and place > 0 and siblings[place - 1] is one.step


def play(plan: RunPlan, chance: random.Random, badness: int, *, disturbed: bool) -> Film:
    """Carry a plan out, ending steps in a random order with random outcomes. Fails if it does not come to an end."""
    film = Film(plan, Schedule(plan))
    for _ in range(2000):
        has_stopped = film.schedule.halted is not None or film.schedule.interrupted
        has_failed = has_stopped or film.has_failed
        for start in film.schedule.ready():
            key = (start.step_id, start.target)
            film.begun.append(key)
            film.begun_after_halt += [key] if has_stopped else []
            film.begun_after_interrupt += [key] if film.schedule.interrupted else []
            film.begun_after_failure += [key] if has_failed else []
            film.running.add(key)
            _nothing_runs_that_should_not(film, key)
        for end in film.schedule.settled():
            film.settled.append((end.step_id, end.target))
            film.settled_before_halt += [] if has_stopped else film.settled[-1:]
            film.has_cause_to_halt |= film.leaves[end.step_id].step.step.once
        if film.schedule.done:
            assert not film.running
            return film
        _go_on(film, chance, badness, disturbed=disturbed)
    raise AssertionError("the schedule does not come to an end")


def _nothing_runs_that_should_not(film: Film, new: Key) -> None:
    """As a step begins: barriers, ``max_parallel``, and on one target only what starts together."""
    rank, place = film.rank[new[0]]
    for step_id, target in film.running:
        assert film.rank[step_id][0] == rank, "a barrier"
        assert target != new[1] or film.rank[step_id][1] == place, "the order within a window"
    at_once = Counter(step_id for step_id, _ in film.running)
    assert all(count <= film.leaves[step_id].step.max_parallel for step_id, count in at_once.items())
    top = film.top[new[0]]
    inside = {target for step_id, target in film.running if film.top[step_id] == top}
    film.most_at_once[top] = max(film.most_at_once[top], len(inside))


def _go_on(film: Film, chance: random.Random, badness: int, *, disturbed: bool) -> None:
    schedule, waits = film.schedule, film.schedule.waiting()
    assert film.running or waits, "nothing runs, nothing waits, and it is not done"
    dice = chance.random()
    if disturbed and dice < 0.03:
        schedule.interrupt()
    elif disturbed and dice < 0.06:
        target = chance.choice(TARGETS)
        film.loses(target, None)
        schedule.left(target, chance.choice([Outcome.FAILED, Outcome.UNKNOWN]))
    elif waits and (not film.running or dice < 0.3):
        wait = chance.choice(waits)
        if wait.seconds is None and chance.random() < 0.3:
            film.has_cause_to_halt = film.controller_failed = True
            schedule.refused(wait.step_id)
        else:
            schedule.waited(wait.step_id, wait.slot)
    elif film.running:
        _end(film, chance, badness)


def _end(film: Film, chance: random.Random, badness: int) -> None:
    step_id, target = chance.choice(sorted(film.running))
    film.running.discard((step_id, target))
    bad = chance.random() < badness * 0.12
    if not bad:
        film.schedule.finished(step_id, target, chance.choice([Outcome.CHANGED, Outcome.SKIPPED]))
        return
    bads = [Outcome.FAILED] if target == CONTROLLER else [Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNREACHABLE]
    outcome = chance.choice(bads)
    said = chance.choice([None, None, Choice.IGNORE, Choice.LEAVE_OUT, Choice.STOP])
    choice = said if film.schedule.asks_about(step_id, target, outcome) else None
    handling = film.schedule.handling(step_id, target, outcome, choice)
    film.schedule.finished(step_id, target, outcome, handling=handling)
    if handling is Handling.IGNORE:
        return
    film.has_cause_to_halt |= handling is Handling.STOP or film.leaves[step_id].step.step.once
    if target == CONTROLLER:
        film.has_cause_to_halt = film.controller_failed = True
    elif handling is Handling.LEAVE_OUT:
        film.lost.add(target)
    else:
        film.loses(target, step_id)
