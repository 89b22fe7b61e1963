"""The schedule under random plans, outcomes, choices, losses and interrupts: what must hold whatever happens."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from octo_ssh.errors import ExitCode
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, ApproveStep, When
from octo_ssh.model.work import PlannedStep, RunPlan, Window
from octo_ssh.planning.exit import exit_code, results
from octo_ssh.planning.schedule import Schedule, Start
from tests.unit.planning.builders import due, group, row, run, run_plan
from tests.unit.planning.films import TARGETS, Film, plans, play


@given(plans(), st.randoms(use_true_random=False), st.integers(0, 3), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_must_hold_whatever_happens(plan: RunPlan, chance: random.Random, badness: int, disturbed: bool) -> None:
    film = play(plan, chance, badness, disturbed=disturbed)
    no_step_begins_twice(film)
    every_step_began_where_it_could(film)
    steps_begin_in_order(film)
    windows_hold(film)
    always_steps_run_where_a_group_was_entered(film)
    halting_starts_no_new_target(film)
    budgets_hold(film)
    nothing_halts_without_a_cause(film)
    who_is_lost_is_who_failed_and_was_not_ignored(film)
    nothing_plain_begins_on_the_controller_after_a_failure(film)
    the_controller_is_told_of_a_halt(film)
    only_a_run_that_went_well_ends_with_0(film)


def no_step_begins_twice(film: Film) -> None:
    assert max(Counter([*film.begun, *film.settled]).values(), default=1) == 1


def every_step_began_where_it_could(film: Film) -> None:
    """Without a halt or an interrupt, every step has an outcome everywhere; due ones were begun on good targets."""
    if film.schedule.halted or film.schedule.interrupted:
        return
    for leaf in film.leaves.values():
        for target, planned in leaf.step.planned.items():
            assert (leaf.id, target) in film.schedule.outcomes
            is_well = not film.has_failed if target == CONTROLLER else target not in film.schedule.lost
            if planned.due and is_well:
                assert (leaf.id, target) in film.begun
    assert film.schedule.unfinished == ()


def steps_begin_in_order(film: Film) -> None:
    """No step begins before all of the earlier ones have, but for those inside a window."""
    ranks = [film.rank[step_id][0] for step_id, _ in film.begun]
    assert ranks == sorted(ranks)


def windows_hold(film: Film) -> None:
    for step in film.plan.steps:
        if step.window is not None:
            assert film.most_at_once[step.step.id] <= step.window.size


def always_steps_run_where_a_group_was_entered(film: Film) -> None:
    """A due ``always`` step of a group has begun on each target on which a step of its group had begun before it; an
    approval after an interrupt is pointless.
    """
    place = {step_id: index for index, step_id in enumerate(film.leaves)}
    for leaf in film.leaves.values():
        if not leaf.groups or leaf.step.step.when is not When.ALWAYS or leaf.is_approval:
            continue
        for target, planned in leaf.step.planned.items():
            entered = any(
                other.id != leaf.id
                and other.groups[: len(leaf.groups)] == leaf.groups
                and place[other.id] < place[leaf.id]
                and (other.id, target) in film.begun
                for other in film.leaves.values()
            )
            if entered and planned.due and film.schedule.lost.get(target) is not Outcome.UNREACHABLE:
                assert (leaf.id, target) in film.begun


def halting_starts_no_new_target(film: Film) -> None:
    for step_id, target in film.begun_after_halt:
        before = film.begun[: film.begun.index((step_id, target))]
        assert target == CONTROLLER or any(other == target for _, other in before), (step_id, target)


def budgets_hold(film: Film) -> None:
    """More targets than may fail do so only because they were under way already: the run is then halted."""
    budgets = {step.step.id: step.window.max_failures for step in film.plan.steps if step.window}
    for where, targets in film.spent.items():
        if len(targets) > {**budgets, "": film.plan.max_failures}[where]:
            assert film.schedule.halted, (where, targets)


def nothing_halts_without_a_cause(film: Film) -> None:
    assert film.has_cause_to_halt or not film.schedule.halted


def who_is_lost_is_who_failed_and_was_not_ignored(film: Film) -> None:
    assert film.schedule.lost.keys() == film.lost
    assert (film.schedule.controller_failure is not None) == film.controller_failed


def nothing_plain_begins_on_the_controller_after_a_failure(film: Film) -> None:
    """Inside a group for failures or for always, ``when`` looks at what failed within. An approval is asked as long
    as some target is to go on behind it, which it never is after a halt.
    """
    for step_id, target in film.begun_after_failure:
        leaf = film.leaves[step_id]
        if target == CONTROLLER and _is_plain(leaf.step) and all(map(_is_plain, leaf.groups)):
            assert isinstance(leaf.step.step.kind, ApproveStep)
            assert (step_id, target) not in film.begun_after_halt


def the_controller_is_told_of_a_halt(film: Film) -> None:
    """Outside groups, whoever is to be told of a failure is; after an interrupt only by ``always`` steps."""
    for leaf in film.leaves.values():
        if leaf.groups or CONTROLLER not in leaf.step.planned or _is_plain(leaf.step):
            continue
        if film.schedule.halted and not film.schedule.interrupted:
            assert (leaf.id, CONTROLLER) in {*film.begun, *film.settled_before_halt}
        if (leaf.id, CONTROLLER) in film.begun_after_interrupt:
            assert leaf.step.step.when is When.ALWAYS
            assert not leaf.is_approval


def _is_plain(step: PlannedStep) -> bool:
    return step.step.when is When.SUCCESS


def only_a_run_that_went_well_ends_with_0(film: Film) -> None:
    schedule = film.schedule
    code = exit_code(results(schedule), interrupted=schedule.interrupted)
    went_well = not (film.lost or film.controller_failed or schedule.unfinished or schedule.interrupted)
    assert (code is ExitCode.DONE) == went_well
    if film.controller_failed and not schedule.interrupted:
        assert code is ExitCode.FAILED


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
