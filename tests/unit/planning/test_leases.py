"""Who may take over a target that somebody holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.jobs import JobKey, JobSeen, JobState
from octo_ssh.model.observed import MAX_TTL_S, MIN_TTL_S, Lease
from octo_ssh.planning.leases import LeaseSight, LeaseState, may_take

WHO = json.dumps({"user": "ann", "host": "ci", "run": "r", "purpose": "apply shop", "since": "now"})


def lease(age_s: float | None, ttl_s: int = 90) -> Lease:
    return Lease(3, "t", ttl_s, "boot", 100.0, WHO, age_s, "t:90:boot:100:")


def job(state: JobState = JobState.RUNNING, step: str = "migrate") -> JobSeen:
    return JobSeen("r", "j1", "0" * 32, JobKey(step, "run", "d"), state)


RUNNING = (job(),)
TABLE = {
    "nobody holds it": (LeaseSight(None), LeaseState.FREE, True),
    "it is renewed": (LeaseSight(lease(29.0)), LeaseState.HELD, False),
    "nearly over": (LeaseSight(lease(89.9)), LeaseState.HELD, False),
    "over by the target's clock": (LeaseSight(lease(90.0)), LeaseState.EXPIRED, True),
    "over by ours, whatever the target's says": (LeaseSight(lease(1.0), unchanged_s=90.0), LeaseState.EXPIRED, True),
    "from before a reboot": (LeaseSight(lease(None)), LeaseState.DOUBTFUL, False),
    "from before a reboot, watched": (LeaseSight(lease(None), unchanged_s=89.0), LeaseState.DOUBTFUL, False),
    "from before a reboot, watched for long": (LeaseSight(lease(None), unchanged_s=90.0), LeaseState.EXPIRED, True),
    "its run was killed here": (LeaseSight(lease(1.0), was_killed=True), LeaseState.KILLED, True),
    "killed here, before a reboot": (LeaseSight(lease(None), was_killed=True), LeaseState.KILLED, True),
    "free, and a step still runs": (LeaseSight(None, RUNNING), LeaseState.FREE, False),
    "over, and a step still runs": (LeaseSight(lease(900.0), RUNNING), LeaseState.EXPIRED, False),
    "killed, and a step still runs": (LeaseSight(lease(1.0), RUNNING, was_killed=True), LeaseState.KILLED, False),
    "over, and its step has ended": (LeaseSight(lease(900.0), (job(JobState.ENDED),)), LeaseState.EXPIRED, True),
    "over, and its step was lost": (LeaseSight(lease(900.0), (job(JobState.LOST),)), LeaseState.EXPIRED, True),
    "it says that it holds for no time": (LeaseSight(lease(1.0, ttl_s=0)), LeaseState.HELD, False),
    "no time, and that is over": (LeaseSight(lease(float(MIN_TTL_S), ttl_s=0)), LeaseState.EXPIRED, True),
    "it says that it holds for ever": (LeaseSight(lease(float(MAX_TTL_S), ttl_s=10**15)), LeaseState.EXPIRED, True),
}


@pytest.mark.parametrize(("sight", "state", "free"), TABLE.values(), ids=TABLE.keys())
def test_who_may_be_overtaken(sight: LeaseSight, state: LeaseState, free: bool) -> None:
    assert sight.state is state
    assert may_take(sight, lambda _: False) is free


@pytest.mark.parametrize(
    ("sight", "free"),
    [
        (LeaseSight(lease(1.0), RUNNING, was_killed=True), True),
        (LeaseSight(lease(1.0), (*RUNNING, job(step="other")), was_killed=True), False),
        (LeaseSight(lease(900.0), RUNNING), False),
        (LeaseSight(lease(1.0), RUNNING), False),
        (LeaseSight(None, RUNNING), False),
    ],
)
def test_only_a_run_killed_here_is_joined_and_only_in_every_step_that_still_runs(sight: LeaseSight, free: bool) -> None:
    assert may_take(sight, lambda seen: all(each.key.step == "migrate" for each in seen)) is free


ages = st.none() | st.floats(0, 10_000, allow_nan=False)
sights = st.builds(
    LeaseSight,
    lease=st.none() | st.builds(lease, ages, st.integers(0, 10**16)),
    jobs=st.lists(st.builds(job, st.sampled_from(JobState), st.sampled_from(["migrate", "other"]))).map(tuple),
    was_killed=st.booleans(),
    unchanged_s=st.floats(0, 10_000, allow_nan=False),
)


@given(sights)
def test_nothing_that_lives_is_ever_overtaken(sight: LeaseSight) -> None:
    """Renewed within the least time that counts, and not known to be killed: it lives."""
    if sight.lease is None or sight.was_killed or not may_take(sight, lambda _: True):
        return
    age_s = sight.lease.age_s
    assert (age_s is not None and age_s >= MIN_TTL_S) or sight.unchanged_s >= MIN_TTL_S
    assert not sight.running


@given(sights)
def test_whoever_waits_long_enough_gets_it_once_nothing_runs(sight: LeaseSight) -> None:
    waited = LeaseSight(sight.lease, (), sight.was_killed, unchanged_s=MAX_TTL_S)
    assert may_take(waited, lambda _: False)


@given(sights, st.floats(0, 10_000, allow_nan=False))
def test_waiting_never_takes_a_right_away(sight: LeaseSight, more_s: float) -> None:
    later = LeaseSight(sight.lease, sight.jobs, sight.was_killed, sight.unchanged_s + more_s)
    assert may_take(later, lambda _: False) or not may_take(sight, lambda _: False)
