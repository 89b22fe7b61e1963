"""The controller's own records: private, locked while the run lives, and the memory behind @failed."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from octo_ssh.errors import StateError
from octo_ssh.model import events
from octo_ssh.model.events import TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.record import RunRecord, is_running, last_failed, new_run_id

START = datetime(2026, 11, 24, 7, 3, 12, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e", "f")


def run_id(number: int) -> str:
    return new_run_id(START + timedelta(minutes=number))


def create(state: Path, number: int = 0, *, environment: str | None = "staging", project: str = "shop") -> RunRecord:
    return RunRecord.create(state, run_id(number), project=project, environment=environment, plan_path="plan.yaml")


def finished_run(state: Path, number: int, outcomes: dict[str, Outcome], **about: str | None) -> None:
    results = tuple(TargetResult(name, outcome, "", None) for name, outcome in outcomes.items())
    with create(state, number, **about) as record:  # type: ignore[arg-type]
        record.append(events.RunStarted(run_id(number), "shop", "1", "staging", NAMES))
        record.append(events.RunEnded(run_id(number), 1, 2.0, results))


def test_run_ids_sort_by_time_within_a_second_too() -> None:
    moments = [START.replace(microsecond=0) + timedelta(microseconds=step * 999) for step in range(0, 3000, 7)]
    ids = [new_run_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_run_ids_sort_by_time_and_are_safe_file_names() -> None:
    ids = [run_id(number) for number in range(0, 3000, 7)]
    assert ids == sorted(ids)
    assert ids[0] == "20261124T070312Z-0000"


def test_a_record_holds_a_line_an_event_for_the_user_alone(tmp_path: Path) -> None:
    os.umask(0o022)
    with create(tmp_path / "deep" / "state") as record:
        record.append(events.TargetConnected("a"))
    lines = [json.loads(line) for line in record.path.read_text().splitlines()]
    assert lines[0]["project"] == "shop"
    assert lines[1]["event"] == "target_connected"
    assert stat.S_IMODE(record.path.stat().st_mode) == 0o600
    for folder in (record.path.parent, record.path.parents[1], record.path.parents[2]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_event_is_in_the_file_as_soon_as_it_is_told(tmp_path: Path) -> None:
    record = create(tmp_path)
    record.append(events.TargetConnected("a"))
    assert "target_connected" in record.path.read_text()
    record.finish()


def test_a_state_folder_that_is_open_to_others_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    create(tmp_path).finish()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_the_record_is_locked_while_its_run_lives(tmp_path: Path) -> None:
    record = create(tmp_path)
    with record.path.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        record.finish()
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_finishing_twice_does_no_harm(tmp_path: Path) -> None:
    record = create(tmp_path)
    record.finish()
    record.finish()
    assert record.path.exists()


@pytest.mark.parametrize("link", ["", "runs"])
def test_a_symbolic_link_in_the_way_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    state = tmp_path / "state"
    if link:
        state.mkdir()
    (state / link if link else state).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot be kept"):
        create(state)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o777)
    os.chown(tmp_path / "state", 65534, 65534)
    with pytest.raises(StateError, match="belongs to another user"):
        create(tmp_path / "state")


def test_a_file_in_place_of_the_folder_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError) as caught:
        create(tmp_path / "state")
    assert "OCTO_SSH_STATE" in caught.value.hint


def test_one_run_id_has_one_record(tmp_path: Path) -> None:
    create(tmp_path).finish()
    with pytest.raises(StateError):
        create(tmp_path)


@pytest.mark.parametrize("bad", ["../evil", "20261124T070312Z-4f9c/x", "", "20261124T070312Z-4F9C"])
def test_a_run_id_that_is_no_run_id_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(StateError):
        RunRecord.create(tmp_path, bad, project="shop", environment=None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_a_state_error(tmp_path: Path) -> None:
    record = create(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, record._handle)
    os.close(full)
    with pytest.raises(StateError, match="No space left"):
        record.append(events.TargetConnected("a"))


def test_failed_means_failed_unreachable_unknown_and_never_started(tmp_path: Path) -> None:
    finished_run(
        tmp_path,
        1,
        {
            "a": Outcome.CHANGED,
            "b": Outcome.UNCHANGED,
            "c": Outcome.FAILED,
            "d": Outcome.UNREACHABLE,
            "e": Outcome.UNKNOWN,
        },
    )
    assert last_failed(tmp_path, "shop", "staging") == frozenset({"c", "d", "e", "f"})


def test_only_the_last_run_of_this_project_and_environment_counts(tmp_path: Path) -> None:
    finished_run(tmp_path, 1, dict.fromkeys(NAMES, Outcome.FAILED))
    finished_run(tmp_path, 2, dict.fromkeys(NAMES, Outcome.CHANGED))
    finished_run(tmp_path, 3, dict.fromkeys(NAMES, Outcome.FAILED), environment=None)
    finished_run(tmp_path, 4, dict.fromkeys(NAMES, Outcome.FAILED), project="other")
    assert last_failed(tmp_path, "shop", "staging") == frozenset()


def test_without_a_run_there_is_no_answer(tmp_path: Path) -> None:
    assert last_failed(tmp_path, "shop", "staging") is None
    finished_run(tmp_path, 1, {}, environment="production")
    assert last_failed(tmp_path, "shop", "staging") is None


def test_a_killed_run_left_all_its_targets_behind(tmp_path: Path) -> None:
    record = create(tmp_path)
    record.append(events.RunStarted(run_id(0), "shop", "1", "staging", ("a", "b")))
    record.append(events.StepEnded("x", "a", Outcome.CHANGED, "", 1.0))
    with record.path.open("a") as file:
        file.write('{"event":"run_en')
    record.finish()
    assert last_failed(tmp_path, "shop", "staging") == frozenset({"a", "b"})


def test_a_run_that_was_refused_before_it_had_targets_does_not_count(tmp_path: Path) -> None:
    finished_run(tmp_path, 1, {"a": Outcome.FAILED})
    create(tmp_path, 2).finish()
    assert last_failed(tmp_path, "shop", "staging") == frozenset(NAMES)


def test_a_run_lives_while_it_holds_its_record(tmp_path: Path) -> None:
    here = socket.gethostname()
    record = create(tmp_path)
    assert is_running(tmp_path, run_id(0), host=here) is True
    record.finish()
    assert is_running(tmp_path, run_id(0), host=here) is False


def test_a_run_of_which_nothing_is_known_here_may_live(tmp_path: Path) -> None:
    """Of another controller, or of another one that by chance has the same id; or a word that leads elsewhere."""
    here = socket.gethostname()
    assert is_running(tmp_path, run_id(0), host=here) is None
    create(tmp_path).finish()
    assert is_running(tmp_path, run_id(1), host=here) is None
    assert is_running(tmp_path, run_id(0), host="elsewhere") is None
    for odd in ("", "..", f"../runs/{run_id(0)}", f"{run_id(0)}/../{run_id(0)}", run_id(0) + "\n"):
        assert is_running(tmp_path, odd, host=here) is None


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    create(tmp_path).finish()
    other = tmp_path / "runs" / run_id(1)
    other.mkdir()
    (other / "events.jsonl").symlink_to(tmp_path / "runs" / run_id(0) / "events.jsonl")
    with pytest.raises(StateError):
        is_running(tmp_path, run_id(1), host=socket.gethostname())
