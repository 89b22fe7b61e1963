"""``confirm``: a release that nobody confirms is undone by its target, whatever became of the controller (SPEC 8)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.farm import Farm, wait_until
from tests.integration.sshd import Sshd

STEPS = """
- name: Deploy
  package: shop
  activate: 'echo "$OCTO_RELEASE:$(basename "$PWD")" >>~/activated; {activate}'
  verify: {{command: 'test ! -e ~/sick', within: 1s, every: 200ms}}
  confirm: 6s
"""


@pytest.fixture
def farm(tmp_path: Path, client_key: Path) -> Iterator[Farm]:
    """One target with an sshd of its own, which tests may stop."""
    sshd = Sshd.create(tmp_path / "sshd", client_key)
    (tmp_path / "farm").mkdir()
    farm = Farm.create(tmp_path / "farm", [sshd])
    yield farm
    farm.close()
    sshd.stop()
    sshd.end_what_it_left()


def write(farm: Farm, release: str, activate: str = ":") -> None:
    farm.write_release({"version": release})
    farm.write_plan(STEPS.format(activate=activate), release=release)


def activated(farm: Farm) -> list[str]:
    return (farm.home() / "activated").read_text().split()


def timers(farm: Farm) -> list[str]:
    """Folders of timers, and processes."""
    folders = [path.name for path in (farm.to() / ".octo-ssh").glob("confirm.*")]
    words = os.fsencode(farm.to() / ".octo-ssh")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words in line and b"octo-ssh-timer" in line:
                folders.append(entry.name)
    return folders


def test_a_release_is_confirmed_over_a_connection_of_its_own_and_leaves_no_timer(farm: Farm) -> None:
    write(farm, "1.0")
    told = farm.plan_then_apply()
    assert told.code == 0, told.stderr
    assert told.notes("deploy")[-1] == "confirming over a new connection"
    assert farm.current() == "1.0"
    assert timers(farm) == []
    assert os.access(farm.to() / ".octo-ssh/guard", os.X_OK)
    assert farm.is_settled()


def test_where_the_controller_is_killed_the_target_goes_back_and_the_next_apply_says_so_and_goes_on(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="touch ~/activating; sleep 1")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.kill(process)
    assert farm.current() == "2.0"
    wait_until(lambda: farm.current() == "1.0", "the target has gone back")
    wait_until(lambda: len(activated(farm)) == 3, "the old release takes effect")
    assert activated(farm)[-1] == "1.0:1.0"
    wait_until(lambda: len(timers(farm)) == 1, "the timer has ended")
    write(farm, "2.0")
    forecast = farm.plan()
    assert "the target went back to 1.0 by itself: nobody confirmed 2.0 in time" in forecast.planned("deploy")["reason"]
    told = farm.apply()
    assert told.code == 0, told.stderr
    assert farm.current() == "2.0"
    assert timers(farm) == []
    assert farm.is_settled()


def test_where_sshd_is_gone_for_the_window_the_target_goes_back_and_the_run_fails(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="touch ~/activating; sleep 1")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.hosts["web-1"].vanish()
    wait_until(lambda: farm.current() == "1.0", "the target has gone back")
    farm.hosts["web-1"].start()
    told = farm.finish(process)
    assert told.code == 1, told.stderr
    assert "the target went back to 1.0 by itself: nobody confirmed 2.0 in time" in told.reason("deploy")
    assert timers(farm) == []
    assert not farm.is_locked()
    assert [line["what"] for line in farm.journal()][-2:] == ["returned", "run ended"]
    assert farm.baseline()["owed"] == []


def test_a_release_that_does_not_verify_is_gone_back_from_once(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="case $OCTO_RELEASE in 2.0) touch ~/sick ;; *) rm -f ~/sick ;; esac")
    told = farm.apply()
    assert told.code == 1, told.stderr
    assert told.reason("deploy").endswith("; back at 1.0")
    assert activated(farm) == ["1.0:1.0", "2.0:2.0", "1.0:1.0"]
    assert timers(farm) == []
    assert farm.current() == "1.0"


def test_a_first_release_that_nobody_confirms_leaves_nothing_current(farm: Farm) -> None:
    write(farm, "1.0", activate="touch ~/activating; sleep 1")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the release is being activated")
    farm.kill(process)
    wait_until(lambda: not os.path.lexists(farm.to() / "current"), "the target has gone back")
    assert farm.apply().code == 0
    assert farm.current() == "1.0"


def test_what_is_unconfirmed_since_a_power_cut_is_said_and_made_good(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="touch ~/activating; sleep 1")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.kill(process)
    pull_the_plug(farm)
    farm.free()
    assert farm.current() == "2.0"
    write(farm, "2.0")
    said = "is unconfirmed since a power cut"
    assert farm.plan().planned("deploy")["reason"] == f"release 2.0 {said}: activate and verify and confirm"
    drift = farm.octo("drift", "plan.yaml", "--json")
    assert drift.code == 3
    assert f"2.0 {said}" in drift.stdout
    told = farm.apply()
    assert told.code == 0, told.stderr
    assert activated(farm)[-1] == "2.0:2.0"
    assert timers(farm) == []
    assert farm.is_settled()
    assert farm.octo("drift", "plan.yaml").code == 0


def test_an_unconfirmed_release_that_turns_out_bad_is_gone_back_from(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="touch ~/activating; sleep 1")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.kill(process)
    pull_the_plug(farm)
    (farm.home() / "sick").touch()
    write(farm, "2.0")
    told = farm.apply("--lock-wait", "1m")  # for the old script, which is another one by now
    assert told.code == 1, told.stderr
    assert farm.current() == "1.0"
    assert timers(farm) == []


def test_an_apply_that_comes_before_the_target_goes_back_goes_on(farm: Farm) -> None:
    """Of a run that was killed, the script that still runs is gone on with, and its timer is overtaken."""
    write(farm, "1.0")
    assert farm.apply().code == 0
    slow = "touch ~/activating; sleep 12; touch ~/done"
    write(farm, "2.0", activate=slow)
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.kill(process)
    forecast = farm.plan()
    assert forecast.planned("deploy")["outcome"] == "changed"
    assert "to confirm it" in forecast.planned("deploy")["reason"]
    told = farm.apply()
    assert told.code == 0, told.stderr + told.stdout
    assert activated(farm) == ["1.0:1.0", "2.0:2.0"]
    assert farm.current() == "2.0"
    assert timers(farm) == []
    assert farm.is_settled()


def test_a_step_that_wants_no_confirmation_any_more_ends_the_timer_of_the_run_before(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    write(farm, "2.0", activate="touch ~/activating; sleep 2; touch ~/done")
    process = farm.start_apply()
    wait_until((farm.home() / "activating").exists, "the new release is being activated")
    farm.kill(process)
    wait_until((farm.home() / "done").exists, "the new release is activated")
    farm.write_plan("- {name: Deploy, package: shop, activate: 'echo $OCTO_RELEASE >>~/activated'}", release="2.0")
    told = farm.apply()
    assert told.code == 0, told.stdout
    assert activated(farm)[-1] == "2.0"
    assert farm.current() == "2.0"
    assert timers(farm) == []


def test_what_an_undone_release_has_run_runs_again_when_it_comes_back(farm: Farm) -> None:
    write(farm, "1.0")
    assert farm.apply().code == 0
    (farm.home() / "sick").touch()
    write(farm, "2.0")
    process = farm.start_apply()
    farm.until_said(process, '"text":"verifying"')
    farm.kill(process)
    wait_until(lambda: len(timers(farm)) == 1, "the target has gone back")
    (farm.home() / "sick").unlink()
    assert farm.current() == "1.0"
    told = farm.apply()
    assert told.code == 0, told.stderr
    assert activated(farm) == ["1.0:1.0", "2.0:2.0", "1.0:1.0", "2.0:2.0"]
    assert farm.is_settled()


def pull_the_plug(farm: Farm) -> None:
    """The timer is gone without a word, and the machine was started anew."""
    for pid in timers(farm):
        if pid.isdigit():
            os.kill(int(pid), signal.SIGKILL)
    (folder,) = (farm.to() / ".octo-ssh").glob("confirm.*")
    link = folder / "timer"
    _, rest = os.readlink(link).split(":", 1)
    link.unlink()
    link.symlink_to(f"00000000-0000-0000-0000-000000000000:{rest}")
