"""The schedule under random plans, outcomes, losses and interrupts: what must hold whatever happens."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import When
from octo_ssh.model.work import PlannedStep, RunPlan, Window
from octo_ssh.planning.schedule import Schedule, Start
from octo_ssh.planning.stages import leaves
from tests.unit.planning.builders import due, group, row, run, run_plan

TARGETS = tuple("abcdefgh")


@st.composite
def leaf(draw: st.DrawFn, name: str) -> PlannedStep:
    when = draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.ALWAYS, When.FAILURE]))
    standby = when is When.FAILURE or (when is When.ALWAYS and draw(st.booleans()))
    once = when is When.SUCCESS and draw(st.integers(0, 9)) == 0
    names = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True).map(sorted))
    idle = draw(st.lists(st.sampled_from(TARGETS), unique=True))
    return due(
        run(name, when=when, once=once),
        names[:1] if once else names,
        idle=idle,
        standby=standby,
        max_parallel=draw(st.integers(1, 4)),
    )


@st.composite
def plans(draw: st.DrawFn) -> RunPlan:
    steps: list[PlannedStep] = []
    for number in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            steps.append(draw(leaf(f"s{number}")))
            continue
        children = [draw(leaf(f"s{number}.{child}")) for child in range(draw(st.integers(1, 4)))]
        if draw(st.booleans()):
            children.insert(0, row(group(f"s{number}.in"), draw(leaf(f"s{number}.in.0"))))
        window = None
        if draw(st.booleans()):
            window = Window(
                draw(st.integers(1, 3)),
                draw(st.integers(0, 2)),
                draw(st.integers(0, 2)),
                draw(st.sampled_from([0, 9.0])),
            )
        when = draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.SUCCESS, When.ALWAYS]))
        steps.append(row(group(f"s{number}", when=when), *children, window=window))
    unreachable = dict.fromkeys(draw(st.lists(st.sampled_from(TARGETS), max_size=2, unique=True)), "refused")
    return run_plan(
        *steps,
        max_failures=draw(st.integers(0, 4)),
        targets=TARGETS,
        unreachable=unreachable,
        skip_unreachable=draw(st.booleans()),
    )


@dataclass
class Film:
    """What happened when a plan was played."""

    plan: RunPlan
    schedule: Schedule
    begun: list[tuple[str, str]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    running: set[tuple[str, str]] = field(default_factory=set)
    begun_after_halt: list[tuple[str, str]] = field(default_factory=list)
    stages: dict[tuple[str, str], int] = field(default_factory=dict)
    open_windows: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    most_at_once: Counter[str] = field(default_factory=Counter)


@given(plans(), st.randoms(use_true_random=False), st.integers(0, 3), st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_must_hold_whatever_happens(plan: RunPlan, chance: random.Random, badness: int, disturbed: bool) -> None:
    film = play(plan, chance, badness, disturbed=disturbed)
    no_step_begins_twice(film)
    every_step_began_where_it_could(film)
    barriers_hold(film)
    windows_hold(film)
    always_steps_run_where_a_group_was_entered(film)
    halting_starts_no_new_target(film)
    budgets_hold(film)


def play(plan: RunPlan, chance: random.Random, badness: int, *, disturbed: bool) -> Film:
    """Carry a plan out, ending steps in a random order with random outcomes. Fails if it does not come to an end."""
    schedule = Schedule(plan)
    film = Film(plan, schedule)
    top = {leaf.id: (leaf.groups[0] if leaf.groups else leaf.step).step.id for leaf in leaves(plan)}
    windows = {step.step.id for step in plan.steps if step.window}
    parallel = {leaf.id: leaf.step.max_parallel for leaf in leaves(plan)}
    for _ in range(2000):
        stopped_before = schedule.halted is not None or schedule.interrupted
        for start in schedule.ready():
            key = (start.step_id, start.target)
            film.begun.append(key)
            film.running.add(key)
            if stopped_before:
                film.begun_after_halt.append(key)
            if top[start.step_id] in windows:
                film.open_windows[top[start.step_id]].add(start.target)
            at_once = Counter(step_id for step_id, _ in film.running)
            assert all(count <= parallel[step_id] for step_id, count in at_once.items())
            inside = {target for step_id, target in film.running if top[step_id] == top[start.step_id]}
            film.most_at_once[top[start.step_id]] = max(film.most_at_once[top[start.step_id]], len(inside))
            assert not any(target == start.target and key != (step_id, target) for step_id, target in film.running)
        film.settled += [(end.step_id, end.target) for end in schedule.settled()]
        if schedule.done:
            assert not film.running
            return film
        _go_on(film, chance, badness, disturbed=disturbed)
    raise AssertionError("the schedule does not come to an end")


def _go_on(film: Film, chance: random.Random, badness: int, *, disturbed: bool) -> None:
    schedule = film.schedule
    waits = schedule.waiting()
    assert film.running or waits, "nothing runs, nothing waits, and it is not done"
    dice = chance.random()
    if disturbed and dice < 0.03:
        schedule.interrupt()
    elif disturbed and dice < 0.06:
        schedule.left(chance.choice(TARGETS), chance.choice([Outcome.FAILED, Outcome.UNKNOWN]))
    elif waits and (not film.running or dice < 0.3):
        wait = chance.choice(waits)
        schedule.waited(wait.step_id, wait.slot)
    elif film.running:
        step_id, target = chance.choice(sorted(film.running))
        film.running.discard((step_id, target))
        film.ended.append((step_id, target))
        bad = chance.random() < badness * 0.12
        outcome = chance.choice([Outcome.FAILED, Outcome.UNKNOWN, Outcome.UNREACHABLE]) if bad else Outcome.CHANGED
        schedule.finished(step_id, target, outcome)


def no_step_begins_twice(film: Film) -> None:
    assert max(Counter([*film.begun, *film.settled]).values(), default=1) == 1


def every_step_began_where_it_could(film: Film) -> None:
    """Without a halt or an interrupt, every step has an outcome everywhere; due ones were begun on good targets."""
    if film.schedule.halted or film.schedule.interrupted:
        return
    for leaf_ in leaves(film.plan):
        for target, planned in leaf_.step.planned.items():
            assert (leaf_.id, target) in film.schedule.outcomes
            if planned.due and target not in film.schedule.lost:
                assert (leaf_.id, target) in film.begun
    assert film.schedule.unfinished == ()


def barriers_hold(film: Film) -> None:
    """No step of a later top-level step begins before all of the earlier ones have ended."""
    order = {leaf_.id: index for index, step in enumerate(film.plan.steps) for leaf_ in leaves(run_plan(step))}
    begun = [order[step_id] for step_id, _ in film.begun]
    assert begun == sorted(begun)


def windows_hold(film: Film) -> None:
    for step in film.plan.steps:
        if step.window is not None:
            assert film.most_at_once[step.step.id] <= step.window.size


def always_steps_run_where_a_group_was_entered(film: Film) -> None:
    """A due ``always`` step of a group has begun on each target on which a step of its group had begun before it."""
    position = {leaf_.id: index for index, leaf_ in enumerate(leaves(film.plan))}
    for leaf_ in leaves(film.plan):
        if not leaf_.groups or leaf_.step.step.when is not When.ALWAYS:
            continue
        for target, planned in leaf_.step.planned.items():
            entered = any(
                other.id != leaf_.id
                and other.groups[: len(leaf_.groups)] == leaf_.groups
                and position[other.id] < position[leaf_.id]
                and (other.id, target) in film.begun
                for other in leaves(film.plan)
            )
            if entered and planned.due and film.schedule.lost.get(target) is not Outcome.UNREACHABLE:
                assert (leaf_.id, target) in film.begun


def halting_starts_no_new_target(film: Film) -> None:
    for step_id, target in film.begun_after_halt:
        before = film.begun[: film.begun.index((step_id, target))]
        assert any(other == target for _, other in before), (step_id, target)


def budgets_hold(film: Film) -> None:
    """More targets than may fail do so only because they were under way already: the run is then halted."""
    in_windows = {leaf_.id for leaf_ in leaves(film.plan) if any(step.window for step in leaf_.groups)}
    outside = {
        target
        for (step_id, target), outcome in film.schedule.outcomes.items()
        if step_id not in in_windows and outcome in (Outcome.FAILED, Outcome.UNKNOWN)
    }
    inside = {
        target
        for (step_id, target), outcome in film.schedule.outcomes.items()
        if step_id in in_windows and not outcome.is_good
    }
    if len(outside - inside) > film.plan.max_failures:
        assert film.schedule.halted


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 3), st.data())
@settings(max_examples=100, deadline=None)
def test_no_target_beside_the_canary_begins_before_it_has_ended_well(
    count: int, size: int, canary: int, data: st.DataObject
) -> None:
    names = TARGETS[:count]
    window = Window(size, canary, max_failures=8, pause_s=0.0)
    schedule = Schedule(run_plan(row(group("roll"), due(run("one"), names), due(run("two"), names), window=window)))
    bad = data.draw(st.sets(st.sampled_from(names)))
    ended: set[str] = set()
    pending: list[Start] = []
    while True:
        new = schedule.ready()
        for start in new:
            if start.target not in names[:canary]:
                assert set(names[:canary]) <= ended
                assert not bad & set(names[:canary])
        pending += new
        if schedule.done:
            break
        start = pending.pop(data.draw(st.integers(0, len(pending) - 1)))
        failed = start.step_id == "two" and start.target in bad
        ended |= {start.target} if start.step_id == "two" else set()
        schedule.finished(start.step_id, start.target, Outcome.FAILED if failed else Outcome.CHANGED)
    assert (schedule.halted is not None) == bool(bad & set(names[:canary]))
