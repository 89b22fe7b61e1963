"""Steps that a run leaves out from the start: by hand, or because they are for another environment."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.errors import UsageError
from octo_ssh.planning.skips import skipped_steps
from tests.unit.planning.builders import group, loaded, run, step

BY_HAND = "left out with --skip-step"


def skipped(*steps: Any, words: tuple[str, ...] = (), environment: str | None = "staging") -> dict[str, str]:
    return dict(skipped_steps(loaded(*steps).plan, frozenset(words), environment))


def test_a_step_is_left_out_by_its_name_or_its_id() -> None:
    named = step("migrate")
    assert skipped(named, run("b"), words=("migrate",)) == {"migrate": BY_HAND}
    assert skipped(named, run("b")) == {}


def test_a_step_of_other_environments_is_left_out_and_says_which() -> None:
    steps = [run("a", environments=("production", "qa")), group("g", run("b"), environments=("staging",))]
    assert skipped(*steps) == {"a": "only in production and qa"}
    assert skipped(*steps, environment="qa") == {"g": "only in staging", "b": "only in staging"}
    assert set(skipped(*steps, environment=None)) == {"a", "g", "b"}


def test_the_environment_is_the_reason_that_stays() -> None:
    assert skipped(run("a", environments=("qa",)), words=("a",)) == {"a": "only in qa"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("backup", "'backup' is required: it cannot be left out"),
        ("whole", "'whole' is required: it cannot be left out"),
        ("part", "'part' is required: it cannot be left out"),
        ("roll", "'roll' holds 'backup', which is required"),
        ("bakcup", "the plan has no step 'bakcup'"),
    ],
)
def test_what_is_required_cannot_be_left_out(word: str, message: str) -> None:
    steps = [group("roll", run("a"), run("backup", required=True)), group("whole", run("part"), required=True)]
    with pytest.raises(UsageError, match=message):
        skipped(*steps, words=(word,))
    assert skipped(*steps, words=("a",)) == {"a": BY_HAND}
