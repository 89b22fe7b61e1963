"""What signals do to a run: the first stops it in order, the second leaves at once (SPEC section 5, exit code 130)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.farm import Farm, is_alive, wait_until

TOUCH = "- {name: Touch, run: 'touch ~/touched'}"


@contextmanager
def _silence(port: int) -> Iterator[None]:
    """Something that accepts connections and says nothing."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


def _begun(farm: Farm, target: str = "web-1") -> bool:
    pid = farm.home(target) / "pid"
    return pid.exists() and pid.read_text().endswith("\n")


LONG = """
- name: Group
  steps:
  - {name: Drain, run: 'touch ~/drained'}
  - {name: Long, run: 'echo $$ >~/pid; sleep 1000'}
  - {name: Never, run: 'touch ~/never'}
  - {name: Undrain, when: always, run: 'rm ~/drained; touch ~/undrained'}
- {name: Later, when: always, run: 'touch ~/later'}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_what_runs_and_cleans_up(farm: Farm, number: signal.Signals) -> None:
    farm.write_plan(LONG, packages="")
    process = farm.start_apply()
    wait_until(lambda: _begun(farm) and _begun(farm, "web-2"), "both targets are at work")
    pids = [int((farm.home(name) / "pid").read_text()) for name in farm.hosts]
    farm.interrupt(process, number)
    told = farm.finish(process)
    assert told.code == 130
    assert told.all("interrupted")[0]["signal"] == number.name
    assert not [pid for pid in pids if is_alive(pid)]
    assert told.outcome("long") == {"web-1": "failed", "web-2": "failed"}
    for name in farm.hosts:
        assert sorted(path.name for path in farm.home(name).glob("[a-z]*")) == ["pid", "undrained"]
        assert not farm.is_locked(name)


def test_a_group_that_is_cleaning_up_already_is_let_finish(farm: Farm) -> None:
    farm.write_plan(
        """
        - name: Group
          steps:
          - {name: Drain, run: 'touch ~/drained'}
          - {name: Undrain, when: always, run: 'echo $$ >~/pid; while [ ! -e ~/go ]; do sleep 0.05; done; rm ~/drained'}
        - {name: Later, run: 'touch ~/later'}
        """,
        packages="",
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: _begun(farm), "it cleans up")
    farm.interrupt(process)
    farm.until_said(process, '"event":"interrupted"')
    (farm.home() / "go").touch()
    stdout, _ = process.communicate(timeout=60)
    farm.forget(process)
    assert process.returncode == 130
    assert '"step":"undrain","target":"web-1","outcome":"changed"' in stdout
    assert sorted(path.name for path in farm.home().glob("[a-z]*")) == ["go", "pid"]


def test_the_second_signal_leaves_at_once(farm: Farm) -> None:
    farm.write_plan("- {name: Long, run: 'trap \"\" TERM; echo $$ >~/pid; sleep 1000; sleep 1000'}", packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: _begun(farm), "the step runs")
    farm.interrupt(process)
    farm.until_said(process, '"event":"interrupted"')
    farm.interrupt(process)
    _, stderr = process.communicate(timeout=20)
    farm.forget(process)
    assert process.returncode == 130
    assert "left at once" in stderr
    assert "Traceback" not in stderr
    assert farm.is_locked()


def test_a_signal_while_connecting_leaves_nothing(farm: Farm) -> None:
    hung = farm.hosts["web-2"]
    hung.stop_listening()
    with _silence(hung.port):
        farm.write_plan(TOUCH, packages="")
        process = farm.start_apply()
        farm.until_said(process, "target_connected")
        farm.interrupt(process)
        told = farm.finish(process)
    assert told.code == 130
    assert not any(farm.home().iterdir())


def test_a_signal_while_packages_are_sent_gives_the_locks_back_and_keeps_what_came(farm: Farm) -> None:
    farm.write_release({"small": "x"})
    (farm.folder / "release/large").write_bytes(os.urandom(60_000_000))
    farm.write_plan("[{name: Before, run: touch ~/touched}, {name: Deploy, package: shop}]")
    process = farm.start_apply()
    farm.until_said(process, "push_advanced")
    farm.interrupt(process)
    told = farm.finish(process)
    assert told.code == 130
    assert not any((farm.home(name) / "touched").exists() for name in farm.hosts)
    for name in farm.hosts:
        assert not farm.is_locked(name)
        assert farm.current(name) is None
        assert len(list(farm.root(name).glob("store/*"))) == 1
    assert farm.apply().code == 0
    assert not any((farm.root(name) / "store").exists() for name in farm.hosts)


def test_a_package_step_past_its_switch_finishes_after_a_signal(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(
        """
        - name: Deploy
          package: shop
          activate: 'touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done; touch ~/activated'
          verify: {command: 'touch ~/verified', within: 5s}
        - {name: After, run: 'touch ~/touched'}
        """
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "begun").exists, "activate runs")
    farm.interrupt(process)
    farm.until_said(process, '"event":"interrupted"')
    (farm.home() / "go").touch()
    stdout, _ = process.communicate(timeout=60)
    farm.forget(process)
    assert process.returncode == 130
    assert '"step":"deploy","target":"web-1","outcome":"changed"' in stdout
    assert sorted(path.name for path in farm.home().glob("[a-z]*")) == ["activated", "begun", "go", "verified"]
    assert farm.baseline()["owed"] == []
    assert not farm.is_locked()
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("deploy"), told.outcome("after")) == (
        0,
        {"web-1": "unchanged"},
        {"web-1": "changed"},
    )


def test_an_interrupted_run_is_the_last_run_for_failed(farm: Farm) -> None:
    farm.write_plan(LONG, packages="")
    process = farm.start_apply()
    wait_until(lambda: _begun(farm) and _begun(farm, "web-2"), "both targets are at work")
    farm.kill(process)
    farm.write_plan(TOUCH, packages="")
    told = farm.octo("plan", "plan.yaml", "--json", "--limit", "@failed")
    assert sorted(told.document["targets"]) == ["web-1", "web-2"]
