"""Service steps: a unit against what was left, and against what the plan wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.model.drift import State
from octo_ssh.model.observed import ReleaseFolder, ServiceSeen
from octo_ssh.model.plan import ServiceState
from octo_ssh.model.values import Template
from tests.unit.planning.builders import HERE, service
from tests.unit.planning.drifting import STEPS, Check, package_left, there, unit_left, unit_seen

DROPIN = "/etc/systemd/system/shop.service.d/evil.conf"


@pytest.mark.parametrize(
    ("seen", "found", "was", "now"),
    [
        (unit_seen(active="inactive"), "state", "active", "inactive"),
        (unit_seen(active="failed"), "state", "active", "failed"),
        (unit_seen(active="activating"), "state", "active", "activating"),
        (unit_seen(enabled="disabled"), "enabled", "enabled", "disabled"),
        (unit_seen(enabled="enabled-runtime"), "enabled", "enabled", "enabled-runtime"),
        (unit_seen(load="masked", enabled="masked", unit_sha256=""), "masked", "enabled", "masked"),
        (unit_seen(load="not-found", enabled="", active="inactive", unit_sha256=""), "missing", "unit", "gone"),
        (unit_seen(unit_sha256="other"), "unit", "", "changed"),
        (unit_seen(unit_sha256="other", dropins=(DROPIN,)), "unit", "", f"with {DROPIN}"),
        (unit_seen(runs_in=("/srv/shop/releases/1.4.1", "/usr/bin/python3")), "old release", "1.4.2", "1.4.1"),
        (unit_seen(runs_in=("/srv/shop/releases/1.4.0/bin/app (deleted)",)), "old release", "1.4.2", "1.4.0"),
        (unit_seen(runs_in=("/srv/shop/releases/1.4.0 (deleted)",)), "old release", "1.4.2", "1.4.0"),
    ],
)
def test_every_way_in_which_a_unit_differs(seen: ServiceSeen, found: str, was: str, now: str) -> None:
    (finding,) = Check(service=seen).step("service").findings
    assert (finding.kind.value, finding.subject, finding.was, finding.now) == (found, "shop", was, now)


@pytest.mark.parametrize(
    ("left", "seen"),
    [
        ({}, {"active": "reloading"}),
        ({"active": "inactive"}, {"active": "failed"}),
        ({"active": "", "enabled": ""}, {"active": "failed", "enabled": "disabled"}),
        ({"unit_sha256": ""}, {"unit_sha256": "any"}),
        ({"enabled": "static"}, {"enabled": "static"}),
        ({"active": "inactive", "enabled": "", "unit_sha256": ""}, {"load": "masked", "active": "inactive"}),
        ({"active": "inactive", "enabled": "", "unit_sha256": ""}, {"load": "not-found", "active": "inactive"}),
        ({}, {"runs_in": ("/srv/shop/releases/1.4.2", "/srv/shop/releases/1.4.2/bin/app")}),
        ({}, {"runs_in": ("/srv/shop", "/srv/shopping/releases/1.4.1", "/")}),
    ],
)
def test_what_is_no_difference(left: dict[str, Any], seen: dict[str, Any]) -> None:
    check = Check(steps=STEPS[:2], service=unit_seen(**seen))
    check.left = replace(check.left, services={"service": unit_left(**left)})
    assert check.step("service").state is State.IN_SYNC


@pytest.mark.parametrize(
    ("left", "seen", "found"),
    [
        ({"active": "inactive"}, {"active": "active"}, ("state", "shop")),
        ({"enabled": "disabled"}, {"enabled": "enabled"}, ("enabled", "shop")),
        ({"enabled": "static"}, {"enabled": "enabled"}, ("enabled", "shop")),
    ],
)
def test_what_was_stopped_or_disabled_stays_so(
    left: dict[str, Any], seen: dict[str, Any], found: tuple[str, str]
) -> None:
    check = Check(service=unit_seen(**seen))
    check.left = replace(check.left, services={"service": unit_left(**left)})
    assert check.found("service") == {found}


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, "shop was not looked at"),
        (ServiceSeen(systemd=False), "no systemd runs here that could tell of shop"),
        (unit_seen(unit_sha256=""), "the files of shop may not be read"),
    ],
)
def test_what_could_not_be_seen_is_unknown(seen: ServiceSeen | None, reason: str) -> None:
    step = Check(service=seen).step("service")
    assert (step.state, step.findings, step.reason) == (State.UNKNOWN, (), reason)


def test_a_swapped_current_makes_no_old_release_of_the_right_one() -> None:
    check = Check(package=there(current="1.4.1"), service=unit_seen(runs_in=("/srv/shop/releases/1.4.2",)))
    assert check.step("service").state is State.IN_SYNC


def test_stopped_and_disabled_are_two_findings() -> None:
    check = Check(service=unit_seen(active="inactive", enabled="disabled"))
    assert check.found("service") == {("state", "shop"), ("enabled", "shop")}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"state": ServiceState.STOPPED}, "the plan wants it stopped"),
        ({"enabled": False}, "the plan wants it disabled"),
        ({"unit": "shop2"}, "the plan wants shop2"),
    ],
)
def test_another_wish_of_the_plan_is_pending(keys: dict[str, Any], reason: str) -> None:
    step = Check(steps=(service(**keys),)).step("service")
    assert (step.state, step.reason) == (State.PENDING, reason)


def test_a_whole_name_is_the_same_unit() -> None:
    assert Check(steps=(service(unit="shop.service"),)).step("service").state is State.IN_SYNC


def test_against_the_plan_git_decides() -> None:
    check = Check(steps=(service(state=ServiceState.STOPPED, enabled=False),), keys={"against_plan": True})
    assert check.found("service") == {("state", "shop"), ("enabled", "shop")}
    check.service = unit_seen(active="failed", enabled="static", unit_sha256="other")
    assert check.step("service").state is State.IN_SYNC


def test_against_the_plan_a_name_that_depends_on_outputs_is_unknown() -> None:
    unit = Template("${{ steps.run.output.unit }}", HERE)
    check = Check(steps=(service(unit=unit),), keys={"against_plan": True})
    assert check.step("service").reason == "what the plan wants cannot be told: its name depends on outputs of steps"


def test_a_process_in_an_old_release_is_found_where_a_link_leads_to_the_place() -> None:
    """The kernel tells where a process really is."""
    seen = unit_seen(runs_in=("/data/srv/shop/releases/1.4.1/bin/app (deleted)",))
    check = Check(service=seen, package=there(releases=(*there().releases, ReleaseFolder("1.4.1", "1" * 64))))
    (finding,) = check.step("service").findings
    assert (finding.kind.value, finding.now) == ("old release", "1.4.1")
    check.package = there()  # nobody knows such a release here: it may be somebody else's
    assert check.step("service").state is State.IN_SYNC
    check.left = replace(check.left, packages={"deploy": package_left(history=("1.4.1",))})
    assert check.found("service") == {("old release", "shop")}
