"""One run holds a target: who may take it over, what becomes of whoever held it, and what people are told."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.farm import Farm, Told, is_alive, wait_until
from tests.integration.races import HOLD, another_controller, lease_link, race_on_farm, rewrite_lease

RACES = 6
GO = "- {name: Go, run: 'touch ~/went'}"
HERE = """
- {name: There, run: 'true'}
- {name: Here, 'on': controller, run: 'touch here; while [ ! -e go ]; do sleep 0.05; done'}
"""
WAIT = "while [ ! -e ~/go ]; do sleep 0.05; done"


def _kill_between_steps(farm: Farm, deploy: str = "") -> str:
    """A run is killed while it holds all targets and nothing runs there; its id."""
    farm.write_plan(deploy + HERE, packages="{shop: {dir: release}}" if deploy else "")
    process = farm.start_apply()
    wait_until((farm.folder / "here").exists, "it is at its second step")
    farm.kill(process)
    assert farm.is_locked("web-1")
    assert farm.is_locked("web-2")
    run: str = max(path.name for path in (farm.state / "runs").iterdir())
    return run


def _kill_in_a_step(farm: Farm) -> int:
    """A run is killed while a step is at work on web-1: its process there."""
    farm.write_plan(f"- {{name: Long, run: 'echo $$ >~/pid; {WAIT}'}}", packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: (farm.home() / "pid").exists() and (farm.home() / "pid").read_text().endswith("\n"), "it runs")
    farm.kill(process)
    return int((farm.home() / "pid").read_text())


def _took_over(farm: Farm, target: str = "web-1") -> list[str]:
    """From which runs, as the journal tells."""
    return [line["from"]["run"] for line in farm.journal(target) if line["what"] == "took over"]


@pytest.mark.parametrize("controllers", [2, 3])
def test_of_controllers_that_race_for_all_targets_exactly_one_holds_them(farm: Farm, controllers: int) -> None:
    farm.write_plan(HOLD, packages="")
    for _ in range(RACES):
        race_on_farm(farm, controllers)


def test_what_a_killed_run_of_this_controller_held_is_taken_over_at_once(farm: Farm) -> None:
    run = _kill_between_steps(farm)
    farm.write_plan(GO, packages="")
    told = farm.apply()
    assert (told.code, told.ends) == (0, {"web-1": "changed", "web-2": "changed"})
    for target in farm.hosts:
        assert _took_over(farm, target) == [run]
        assert not farm.is_locked(target)
    warned = {event["target"]: event["text"] for event in told.all("target_warned")}
    assert set(warned) == {"web-1", "web-2"}
    assert "the lock was taken over from" in warned["web-1"]
    assert warned["web-1"].endswith("whose run was killed here")


def test_what_a_killed_run_held_is_given_back_also_where_nothing_is_left_to_do(farm: Farm) -> None:
    farm.write_release({"file": "text\n"})
    run = _kill_between_steps(farm, "- {name: Deploy, package: shop}")
    told = farm.apply()
    assert (told.code, told.ends) == (0, {"web-1": "unchanged", "web-2": "unchanged"})
    for target in farm.hosts:
        assert _took_over(farm, target) == [run]
        assert not farm.is_locked(target)
        assert list((farm.root(target) / "work").iterdir()) == []
    assert farm.is_settled()


def test_another_controller_cannot_know_and_waits_until_nobody_renews_it(farm: Farm) -> None:
    run = _kill_between_steps(farm)
    farm.write_plan(GO, packages="")
    with another_controller(farm):
        told = farm.apply()
        assert told.code == 5
        assert "web-1, web-2 are locked by" in told.stderr
        assert "octo-ssh lock --release web-1 web-2" in told.stderr
        for target in farm.hosts:
            rewrite_lease(farm.root(target), age_s=91)
        told = farm.apply()
    assert told.code == 0, told.stderr
    assert "expired: not renewed for" in told.all("target_warned")[0]["text"]
    assert _took_over(farm) == _took_over(farm, "web-2") == [run]


def test_a_lease_from_before_a_reboot_is_waited_for_by_this_sides_clock(farm: Farm) -> None:
    run = _kill_between_steps(farm)
    farm.write_plan(GO, packages="")
    for target in farm.hosts:
        rewrite_lease(farm.root(target), ttl_s=1, boot_id="11111111-2222-3333-4444-555555555555")
    with another_controller(farm):
        told = farm.apply()
        assert told.code == 5
        assert "from before a reboot" in told.stderr
        assert "--lock-wait 10m would wait, and take them over if nobody renews them" in told.stderr
        told = farm.apply("--lock-wait", "50s")
    assert told.code == 0, told.stderr
    assert _took_over(farm) == [run]


def test_a_step_that_still_runs_holds_its_target_whatever_became_of_the_lease(farm: Farm) -> None:
    pid = _kill_in_a_step(farm)
    rewrite_lease(farm.root(), age_s=1000)
    farm.write_plan(GO, packages="", project="other")
    with another_controller(farm):
        told = farm.apply("--limit", "web-1")
    assert told.code == 5
    assert "still running step long of run" in told.stderr
    assert "octo-ssh lock --release web-1 ends what still runs there" in told.stderr
    told = farm.apply("--limit", "web-1")
    assert told.code == 5, "this controller knows that the run was killed, but has not that step to go on with"
    assert is_alive(pid)
    with another_controller(farm):
        waiting = farm.start_apply("--limit", "web-1", "--lock-wait", "60s")
        farm.until_said(waiting, '"phase":"lock"')
        (farm.home() / "go").touch()
        waiting.communicate(timeout=60)
        farm.forget(waiting)
    assert waiting.returncode == 0
    assert (farm.home() / "went").exists()


def test_the_lock_command_tells_how_a_lock_stands_and_ends_what_runs_before_it_frees_it(farm: Farm) -> None:
    pid = _kill_in_a_step(farm)
    told = farm.octo("lock", "web-1", "web-2")
    assert "whose run was killed here; still running step long of run" in told.stdout
    assert "not locked: web-2" in told.stdout
    row = farm.octo("lock", "web-1", "--json").document["lock"][0]
    assert (row["state"], row["released"], len(row["running"])) == ("killed", False, 1)
    with another_controller(farm):
        assert farm.octo("lock", "web-1", "--json").document["lock"][0]["state"] == "held"
        rewrite_lease(farm.root(), age_s=1000)
        assert farm.octo("lock", "web-1", "--json").document["lock"][0]["state"] == "expired"
        told = farm.octo("lock", "--release", "web-1")
    assert told.code == 0, told.stderr
    assert "ended step long of run" in told.stdout
    assert not is_alive(pid)
    assert not farm.is_locked()
    line = farm.journal()[-1]
    assert (line["what"], line["from"]["purpose"], len(line["ended"])) == ("lock released", "apply shop", 1)
    farm.write_plan(GO, packages="")
    assert farm.apply("--limit", "web-1").code == 0
    assert list((farm.root() / "work").iterdir()) == []


def _suspended(farm: Farm, steps: str) -> Told:
    """A run sleeps in the middle of a step, is overtaken by a release 1.1, and wakes up; how it ended."""
    farm.write_release({"version": "1.0", "PreDeploy.sh": f"touch ~/begun; {WAIT}"})
    farm.write_plan(steps)
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "begun").exists, "it is in the middle of its step")
    os.kill(process.pid, signal.SIGSTOP)
    (farm.home() / "go").touch()
    rewrite_lease(farm.root(), age_s=1000)
    farm.write_release({"version": "1.1"})
    farm.write_plan("- {name: Deploy, package: shop}", release="1.1")
    with another_controller(farm):
        other = farm.apply("--limit", "web-1", "--lock-wait", "30s")
    assert other.code == 0, other.stderr
    assert farm.current() == "1.1"
    os.kill(process.pid, signal.SIGCONT)
    return farm.finish(process)


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        (f"[{{name: Before, run: 'touch ~/begun; {WAIT}'}}, {{name: Deploy, package: shop}}]", "before"),
        ("- {name: Deploy, package: shop}", "deploy"),
    ],
)
def test_a_suspended_run_that_was_overtaken_says_so_when_it_wakes_up_and_cannot_switch(
    farm: Farm, steps: str, where: str
) -> None:
    told = _suspended(farm, steps)
    assert told.code == 4, told.stderr
    assert told.outcome(where) == {"web-1": "unknown"}
    assert "the lock was taken over by" in told.reason(where)
    assert told.all("run_ended")[-1]["results"][0]["release"] is None, "that is for the other one to say"
    assert farm.current() == "1.1"
    assert farm.releases() >= {"1.1"}
    assert not farm.is_locked()
    whats = [(line["what"], line["release"]) for line in farm.journal()]
    assert whats[-1] == ("run ended", "1.1")
    assert ("switching", "1.0") not in whats
    assert farm.is_settled("--limit", "web-1")


def test_a_lease_is_renewed_beside_its_link_which_stays(farm: Farm) -> None:
    run = _kill_between_steps(farm)
    assert lease_link(farm.root()).name == "1"
    rewrite_lease(farm.root())
    assert sorted(path.name for path in (farm.root() / "lock").iterdir()) == ["1", "1.r"]
    farm.write_plan(GO, packages="")
    assert farm.apply().code == 0
    assert _took_over(farm) == [run]
    assert sorted(path.name for path in (farm.root() / "lock").iterdir()) == ["2", "2.x"]
