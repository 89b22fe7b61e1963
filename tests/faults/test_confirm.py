"""Releases that break what one needs to mend them: their hosts go back by themselves (SPEC section 8)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import IS_LONG, Tally, rounds
from tests.faults.invariants import Violation, at_rest, current
from tests.faults.stand import PORT, TO, Stand, in_short, stand
from tests.faults.watching import Hit
from tests.fleet.bench import cleaned
from tests.fleet.hosts import Fleet, Host
from tests.integration.commands import Command
from tests.integration.farm import Told

CONFIRM_S = 10 if IS_LONG else 7
SPARE_S = 5
PATIENCE_S = 60.0
STEPS = f"""
- name: Deploy
  "on": [web]
  package: shop
  to: {TO}
  activate: date +%s >>~/activated; sudo systemctl restart faults; sudo systemd-run --quiet --wait sh "$PWD/bin/net"
  verify: {{command: 'until [ ! -e ~/wait ]; do sleep 0.1; done; grep -q "$OCTO_RELEASE" {TO}/current/www/healthz',
    within: {CONFIRM_S - 1}s}}
  confirm: {CONFIRM_S}s
"""
STEPS_OF_ROOT = f"""
- name: Deploy
  "on": [web]
  package: shop
  to: {TO}
  become: true
  activate: echo "$OCTO_RELEASE" >>/root/activated
  verify: {{command: 'test "$(id -u)" -eq 0; sleep 2', within: {CONFIRM_S - 1}s}}
  confirm: {CONFIRM_S}s
"""
UP = "ip link set eth0 up\n"
DOWN = "ip link set eth0 down\n"
GUARD = f"[Service]\nExecStartPre=-{TO}/.octo-ssh/guard\n"
WAITING = '"text":"verifying"'


@pytest.fixture
def made(fleet: Fleet, tmp_path: Path) -> Iterator[Stand]:
    """One host with a good release."""
    with (
        stand(fleet, tmp_path, "web-01", proxied=False, timeout_s=400) as found,
        cleaned(found.hosts_used, forget),
    ):
        release(found, 0)
        told = found.apply()
        assert told.code == 0, in_short(told)
        yield found


def forget(host: Host) -> None:
    host.plug_in()
    host.run(
        "ip link set eth0 up; rm -rf /etc/systemd/system/faults.service.d ~deploy/wait ~deploy/activated;"
        " systemctl daemon-reload"
    )


def release(made: Stand, number: int, net: str = UP) -> None:
    made.new_release(number, steps=STEPS, kilobytes=10)
    made.write("release/bin/net", net)


def activated(host: Host) -> list[int]:
    """When something was activated, in the seconds of the host's clock."""
    return [int(line) for line in host.run("cat ~deploy/activated").stdout.split()]


def until(condition: Callable[..., bool], *words: object) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition(*words):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.1)


def well(made: Stand, wanted: str) -> Iterator[Violation]:
    """The host is at that release, at rest, and serves it."""
    (host,) = made.hosts_used
    scope = made.scope(host, may_be_torn=True)
    yield from at_rest(scope)
    if (now := current(scope)) != wanted:
        yield scope.breach("current", f"is {now} instead of {wanted}")
    if (said := host.run(f"curl -fsS http://127.0.0.1:{PORT}/healthz", check=False).stdout.strip()) != f"ok {wanted}":
        yield scope.breach("served", f"the service says {said!r}")


def converged(made: Stand) -> Iterator[Violation]:
    """A second apply brings the release after all."""
    told = made.apply()
    if told.code != 0:
        yield Violation("all", "converges", in_short(told))
    yield from well(made, made.release)
    if made.octo("drift", "plan.yaml").code != 0:
        yield Violation("all", "drift", "there is some")


def judged(condition: object, rule: str, what: str) -> list[Violation]:
    return [] if condition else [Violation("all", rule, what)]


def test_a_release_that_takes_the_network_down_is_undone_by_its_host(made: Stand, tally: Tally) -> None:
    """Network taken down by activate"""
    (host,) = made.hosts_used
    for number in rounds(short=1, long=5):
        before = made.release
        release(made, 2 * number + 1, DOWN)
        told = made.apply()
        *_, down, up = activated(host)
        found = judged(up - down <= CONFIRM_S + SPARE_S, "in time", f"it took {up - down} s")
        found += judged(told.code == 1, "is told", in_short(told))
        found += judged("by itself" in told.reason("deploy", host.name), "is told", told.reason("deploy", host.name))
        found += well(made, before)
        release(made, 2 * number + 2)
        found += converged(made)
        tally.add(number, found, told, hits=[Hit(down, (host.name,), "activate", up - down)])
    tally.expect_none()


def waiting(made: Stand) -> Command:
    """A run whose release is current, and not confirmed yet."""
    (host,) = made.hosts_used
    host.run("touch ~deploy/wait")
    process = made.start_apply()
    made.until_said(process, WAITING)
    assert current(made.scope(host)) == made.release
    return process


def test_a_reboot_within_the_window_goes_back(made: Stand, tally: Tally) -> None:
    """Rebooted while a release waits for its confirmation"""
    (host,) = made.hosts_used
    for number in rounds(short=1, long=5):
        before = made.release
        release(made, number + 1)
        process = waiting(made)
        host.reboot()
        host.run("systemctl is-system-running --wait; rm -f ~deploy/wait", check=False, timeout_s=120)
        told: Told = made.finish(process)
        found = judged(told.code == 1, "is told", in_short(told))
        found += well(made, before)
        found += converged(made)
        tally.add(number, found, told)
    tally.expect_none()


@pytest.mark.parametrize("guarded", [False, True], ids=["no guard", "guard"])
def test_after_a_power_cut_within_the_window_the_next_contact_says_so(made: Stand, tally: Tally, guarded: bool) -> None:
    """Power and controller lost while a release waits for its confirmation (guard: {guarded})"""
    (host,) = made.hosts_used
    if guarded:
        host.write("/etc/systemd/system/faults.service.d/guard.conf", GUARD)
        host.run("systemctl daemon-reload")
    for number in rounds(short=1, long=5):
        before = made.release
        release(made, number + 1)
        made.kill_now(waiting(made))
        host.stop()
        host.start()
        host.run("systemctl is-system-running --wait; rm -f ~deploy/wait", check=False, timeout_s=120)
        until(lambda: host.run("systemctl is-active faults", check=False).stdout.strip() == "active")
        reason = made.plan().planned("deploy", host.name)["reason"]
        if guarded:
            said = host.run(f"curl -fsS http://127.0.0.1:{PORT}/healthz", check=False).stdout.strip()
            found = judged(said == f"ok {before}", "served", f"the service says {said!r}")
            found += judged("by itself" in reason, "is told", reason)
        else:
            found = judged("is unconfirmed since a power cut" in reason, "is told", reason)
            drift = made.octo("drift", "plan.yaml", "--json")
            found += judged("unconfirmed since a power cut" in drift.stdout, "is told", drift.stdout)
        found += converged(made)
        tally.add(number, found)
    tally.expect_none()


def test_a_release_that_is_confirmed_while_two_runs_overlap_stays(made: Stand, tally: Tally) -> None:
    """The controller killed while a release waits, and applied again before the host goes back"""
    (host,) = made.hosts_used
    for number in rounds(short=1, long=5):
        release(made, number + 1)
        made.kill_now(waiting(made))
        host.run("rm -f ~deploy/wait")
        found = list(converged(made))
        time.sleep(CONFIRM_S + SPARE_S)
        found += well(made, made.release)
        tally.add(number, found)
    tally.expect_none()


def test_a_step_as_another_user_goes_back_as_that_user(made: Stand, tally: Tally) -> None:
    """The controller killed while a release of root waits for its confirmation"""
    (host,) = made.hosts_used
    made.write_inventory_of({host.name: {"user": "deploy-root"}})
    host.run(f"rm -rf {TO} ~deploy-root/.octo-ssh")
    try:
        made.new_release(0, steps=STEPS_OF_ROOT, kilobytes=10)
        told = made.apply()
        assert told.code == 0, in_short(told)
        for number in rounds(short=1, long=3):
            before = made.release
            made.new_release(number + 1, steps=STEPS_OF_ROOT, kilobytes=10)
            process = made.start_apply()
            made.until_said(process, WAITING)
            made.kill_now(process)
            until(_is_back, made, before)
            told = made.apply()
            tally.add(number, judged(told.code == 0, "converges", in_short(told)))
    finally:
        host.run(f"rm -rf {TO} ~deploy-root/.octo-ssh /root/activated /root/wait")
    tally.expect_none()


def _is_back(made: Stand, release: str) -> bool:
    (host,) = made.hosts_used
    last = host.run("tail -n 1 /root/activated").stdout.strip()
    return current(made.scope(host)) == last == release
