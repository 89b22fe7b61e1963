"""Targets that cannot be reached, are not who they should be, or go away in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.farm import Farm, wait_until
from tests.integration.sshd import make_key

TOUCH = "- {name: Touch, run: 'touch ~/touched'}"


def _touched(farm: Farm) -> set[str]:
    return {name for name in farm.hosts if (farm.home(name) / "touched").exists()}


def test_a_target_that_is_down_is_left_out_where_the_plan_says_skip(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan(TOUCH, packages="", unreachable="skip")
    farm.hosts["web-2"].stop()
    told = farm.apply()
    assert (told.code, told.ends) == (4, {"web-1": "changed", "web-2": "unreachable", "web-3": "changed"})
    assert _touched(farm) == {"web-1", "web-3"}
    (lost,) = told.all("target_lost")
    assert (lost["target"], lost["outcome"]) == ("web-2", "unreachable")
    assert "127.0.0.1" in lost["reason"]
    assert told.all("run_ended")[0]["next_command"].endswith("--limit @failed")


def test_a_target_that_is_down_stops_the_run_before_anything_changed(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan(TOUCH, packages="")
    farm.hosts["web-2"].stop()
    told = farm.apply()
    assert (told.code, told.ends) == (4, {"web-1": "skipped", "web-2": "unreachable", "web-3": "skipped"})
    assert not any(path for name in ("web-1", "web-3") for path in farm.home(name).iterdir())
    assert "'unreachable: skip'" in told.all("run_halted")[0]["reason"]
    farm.hosts["web-2"].start()
    assert farm.apply("--limit", "@failed").code == 0
    assert _touched(farm) == set(farm.hosts)


def test_a_budget_lets_some_be_unreachable(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan(TOUCH, packages="", max_failures="34%")
    farm.hosts["web-2"].stop()
    told = farm.apply()
    assert (told.code, _touched(farm)) == (4, {"web-1", "web-3"})


def test_unreachable_and_failed_together_are_failed(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(3)
    farm.write_plan("- {name: Go, run: 'test ! -e ~/broken'}", packages="", unreachable="skip", max_failures=3)
    farm.hosts["web-2"].stop()
    (farm.home("web-3") / "broken").touch()
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "changed", "web-2": "unreachable", "web-3": "failed"})


def test_an_unknown_host_key_refuses_the_run_with_the_line_that_reviews_it(farm: Farm) -> None:
    farm.write_plan(TOUCH, packages="", unreachable="skip", max_failures=2)
    (farm.folder / "known_hosts").write_text(farm.hosts["web-1"].known_hosts_line)
    told = farm.apply()
    assert told.code == 5
    (lost,) = told.all("target_lost")
    assert (lost["target"], "SHA256:" in lost["reason"]) == ("web-2", True)
    assert "the host key of web-2 is not trusted yet" in told.stderr
    assert told.stderr.count("octo-ssh trust web-2") == 1
    assert "SHA256:" not in told.stderr
    assert not _touched(farm)


def test_a_changed_host_key_refuses_the_run_loudly(farm: Farm, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    line = f"[127.0.0.1]:{farm.hosts['web-2'].port} {other}"
    (farm.folder / "known_hosts").write_text(farm.hosts["web-1"].known_hosts_line + line)
    farm.write_plan(TOUCH, packages="", unreachable="skip", max_failures=2)
    told = farm.apply()
    assert told.code == 5
    assert "CHANGED" in told.all("target_lost")[0]["reason"]
    assert "the host key of web-2 is NOT WHAT WAS TRUSTED BEFORE" in told.stderr
    assert "say yes only when you know why" in told.stderr
    assert not _touched(farm)
    assert farm.plan().code == 5


def test_a_script_that_is_killed_with_what_looks_after_it_leaves_its_outcome_unknown(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: Hang, run: 'echo begun; touch ~/begun; test "$OCTO_TARGET" = web-1 || sleep 1000'}
        - {name: After, run: 'touch ~/touched'}
        """,
        packages="",
        max_failures=1,
    )
    process = farm.start_apply()
    wait_until((farm.home("web-2") / "begun").exists, "the step runs")
    farm.hosts["web-2"].drop_connections()
    told = farm.finish(process)
    assert (told.code, told.ends) == (4, {"web-1": "changed", "web-2": "unknown"})
    assert "the script was lost" in told.reason("hang", "web-2")
    assert told.output("hang", "web-2") == "begun\n"
    assert _touched(farm) == {"web-1"}
    assert not farm.is_locked("web-2")
    assert not farm.is_locked("web-1")


def test_what_was_unknown_is_looked_at_again_and_goes_on(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(
        """
        - name: Deploy
          package: shop
          activate: 'echo x >>~/activated; while [ -e ~/slow ]; do sleep 0.05; done'
        """
    )
    (farm.home() / "slow").touch()
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "activated").exists, "activate runs")
    farm.hosts["web-1"].drop_connections()
    told = farm.finish(process)
    assert (told.code, told.ends) == (4, {"web-1": "unknown"})
    (farm.home() / "slow").unlink()
    assert farm.current() == "1.0"
    assert farm.octo("lock", "--release", "web-1").code == 0
    told = farm.apply("--limit", "@failed")
    assert (told.code, told.outcome("deploy")) == (0, {"web-1": "changed"})
    assert (farm.home() / "activated").read_text() == "x\nx\n"


def test_a_login_that_is_refused_says_what_was_tried(farm: Farm) -> None:
    farm.hosts["web-2"].authorized_keys.write_text("")
    farm.write_plan(TOUCH, packages="", unreachable="skip")
    try:
        told = farm.apply()
    finally:
        public = farm.hosts["web-2"].client_key.with_suffix(".pub")
        farm.hosts["web-2"].authorized_keys.write_bytes(public.read_bytes())
    assert (told.code, told.ends) == (4, {"web-1": "changed", "web-2": "unreachable"})
    (lost,) = told.all("target_lost")
    assert "publickey" in lost["reason"] + lost["hint"]


def test_a_root_that_others_may_write_is_refused(farm: Farm) -> None:
    farm.root().mkdir(mode=0o777)
    farm.root().chmod(0o777)
    farm.write_plan(TOUCH, packages="", max_failures=1)
    told = farm.apply()
    assert (told.code, told.ends) == (1, {"web-1": "failed", "web-2": "changed"})
    assert "chmod 700" in told.all("target_lost")[0]["reason"] + told.all("target_lost")[0]["hint"]


def test_two_names_for_one_machine_are_refused(farm: Farm) -> None:
    if not Path("/etc/machine-id").exists() or not Path("/etc/machine-id").read_text().strip():
        pytest.skip("this machine has no machine-id")
    one = farm.hosts["web-1"]
    farm.write_inventory({"web-2": {"port": one.port}})
    farm.write_plan(TOUCH, packages="")
    told = farm.apply()
    assert told.code == 5
    assert "web-1 and web-2 are one machine" in told.stderr
    assert not _touched(farm)


def test_the_line_that_reviews_a_key_names_the_inventory_where_it_is_not_found_by_itself(farm: Farm) -> None:
    farm.write_plan(TOUCH, packages="")
    (farm.folder / "known_hosts").write_text("")
    (farm.folder / "inventory.yaml").rename(farm.folder / "hosts.yaml")
    told = farm.apply("-i", "hosts.yaml")
    assert told.code == 5
    assert "octo-ssh trust web-1 web-2 -i hosts.yaml" in told.stderr
