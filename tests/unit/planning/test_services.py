"""Service steps: what systemd said against what is wanted, and when they restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.model.observed import Baseline, Done, Owed, ServiceBaseline, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Restart, ServiceState, Step, When
from octo_ssh.model.values import Template
from octo_ssh.model.work import Planned, ServiceWork
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    HERE,
    Case,
    file,
    file_seen,
    group,
    left_so,
    loaded,
    observed,
    run,
    service,
    service_seen,
)

RUNNING, STOPPED = ServiceState.RUNNING, ServiceState.STOPPED


def case(*steps: Step, seen: ServiceSeen | None = None, packages: tuple[str, ...] = ("shop",), **keys: Any) -> Case:
    made = loaded(*steps, targets=("web-1",), packages=packages, release="1.4.2" if packages else None)
    return Case(made, {"web-1": observed(services={"service": seen or service_seen()}, **keys)})


def planned(seen: ServiceSeen, **keys: Any) -> Planned:
    return case(service(**keys), seen=seen).of("service")


def work_of(found: Planned) -> ServiceWork:
    assert isinstance(found.work, ServiceWork)
    return found.work


@pytest.mark.parametrize(
    ("keys", "seen", "reason"),
    [
        ({"state": RUNNING}, service_seen("inactive"), "shop: inactive → running"),
        ({"state": RUNNING}, service_seen("failed"), "shop: failed → running"),
        ({"state": RUNNING}, service_seen("activating"), "shop: activating → running"),
        ({"state": STOPPED}, service_seen("active"), "shop: active → stopped"),
        ({"enabled": True}, service_seen(enabled="disabled"), "shop: disabled → enabled"),
        ({"enabled": True}, service_seen(enabled="enabled-runtime"), "shop: enabled-runtime → enabled"),
        ({"enabled": False}, service_seen(), "shop: enabled → disabled"),
        (
            {"state": RUNNING, "enabled": True},
            service_seen("inactive", "disabled"),
            "shop: inactive → running, disabled → enabled",
        ),
    ],
)
def test_what_differs_is_due_and_says_what(keys: dict[str, Any], seen: ServiceSeen, reason: str) -> None:
    found = planned(seen, **keys)
    assert (found.outcome, found.reason, found.due) == (Outcome.CHANGED, reason, True)
    assert (work_of(found).seen, work_of(found).restart) == (seen, False)


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({"state": RUNNING, "enabled": True}, service_seen()),
        ({"state": RUNNING}, service_seen("reloading", "disabled")),
        ({"state": STOPPED, "enabled": False}, service_seen("failed", "static")),
        ({"state": STOPPED, "enabled": False}, service_seen("inactive", "masked", "masked")),
        ({"state": STOPPED, "enabled": False}, service_seen("inactive", "", "not-found")),
        ({"enabled": True}, service_seen(enabled="generated")),
    ],
)
def test_what_is_right_is_unchanged(keys: dict[str, Any], seen: ServiceSeen) -> None:
    step = service(**keys)
    found = case(step, seen=seen, baseline=left_so(services=[(step, seen)])).of("service")
    assert (found.outcome, found.reason, found.work) == (Outcome.UNCHANGED, "shop is as it should be", None)


@pytest.mark.parametrize(
    "left",
    [
        Baseline(),
        left_so(services=[(service(enabled=True), replace(service_seen(), unit_sha256="now"))]),
        left_so(services=[(service(state=RUNNING), replace(service_seen(), unit_sha256="before"))]),
    ],
)
def test_a_unit_that_is_right_and_not_remembered_so_is_noted(left: Baseline) -> None:
    seen = replace(service_seen(), unit_sha256="now")
    found = case(service(state=RUNNING), seen=seen, baseline=left).of("service")
    assert (found.outcome, found.reason) == (Outcome.UNCHANGED, "shop is as it should be, and is remembered so")
    assert found.only_remembers


@pytest.mark.parametrize(
    ("keys", "seen", "left"),
    [
        ({"state": STOPPED}, service_seen("inactive"), ServiceBaseline("shop", "active")),
        ({"state": RUNNING}, service_seen(), ServiceBaseline("shop")),
        ({"state": RUNNING}, service_seen(), ServiceBaseline("other", "active")),
        ({"state": RUNNING}, service_seen(enabled="disabled"), ServiceBaseline("shop", "active", "enabled")),
        ({"enabled": False}, service_seen(enabled="disabled"), ServiceBaseline("shop")),
        ({"enabled": False}, service_seen(enabled="disabled"), ServiceBaseline("shop", "", "enabled")),
        (
            {"state": STOPPED},
            service_seen("inactive", "", "not-found"),
            ServiceBaseline("shop", "inactive", unit_sha256="its file"),
        ),
    ],
)
def test_what_would_be_drift_for_ever_is_remembered_as_it_is(
    keys: dict[str, Any], seen: ServiceSeen, left: ServiceBaseline
) -> None:
    found = case(service(**keys), seen=seen, baseline=Baseline(services={"service": left})).of("service")
    assert (found.outcome, found.only_remembers) == (Outcome.UNCHANGED, True)


@pytest.mark.parametrize(
    ("keys", "seen", "left"),
    [
        ({"state": RUNNING}, service_seen("reloading"), ServiceBaseline("shop", "active")),
        ({"state": RUNNING}, service_seen(), ServiceBaseline("shop", "active", unit_sha256="nobody may read it now")),
        ({"state": STOPPED, "enabled": False}, service_seen("inactive", "", "not-found"), ServiceBaseline("shop", "x")),
        ({"state": STOPPED, "enabled": False}, service_seen("failed", ""), ServiceBaseline("shop", "inactive")),
        ({"enabled": True}, service_seen(enabled="indirect"), ServiceBaseline("shop", "", "enabled")),
    ],
)
def test_what_is_remembered_well_enough_is_not_written_again(
    keys: dict[str, Any], seen: ServiceSeen, left: ServiceBaseline
) -> None:
    left = replace(left, active="inactive") if left.active == "x" else left
    found = case(service(**keys), seen=seen, baseline=Baseline(services={"service": left})).of("service")
    assert (found.outcome, found.work) == (Outcome.UNCHANGED, None)


def test_a_service_for_a_failure_is_not_remembered_before_one() -> None:
    assert case(service(when=When.FAILURE)).of("service").work is None


@pytest.mark.parametrize(
    ("keys", "seen", "reason"),
    [
        ({"state": RUNNING}, ServiceSeen(systemd=False), "no systemd runs here"),
        ({"state": STOPPED}, ServiceSeen(systemd=False), "no systemd runs here"),
        ({"state": RUNNING}, service_seen("inactive", "", "not-found"), "shop is not there: systemd knows no unit"),
        ({"enabled": True}, service_seen("inactive", "masked", "masked"), "shop is masked"),
        (
            {"state": RUNNING},
            service_seen("inactive", "", "bad-setting"),
            "shop cannot be used: systemd says bad-setting",
        ),
        ({"enabled": True}, service_seen("inactive", "static"), "shop cannot be enabled"),
    ],
)
def test_what_cannot_be_done_fails_the_step(keys: dict[str, Any], seen: ServiceSeen, reason: str) -> None:
    found = planned(seen, **keys)
    assert (found.outcome, found.due) == (Outcome.FAILED, True)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("cause", [file(path="/etc/systemd/system/shop.service"), run("install")])
def test_a_unit_that_a_step_before_may_bring_is_due(cause: Step) -> None:
    seen = service_seen("inactive", "", "not-found")
    made = case(cause, service(state=RUNNING, enabled=True), seen=seen, files={"unit": file_seen(None)})
    found = made.of("service")
    assert (found.outcome, found.reason) == (Outcome.CHANGED, "shop: inactive → running, not there → enabled")
    assert work_of(found).seen is None
    after = case(service(), cause, seen=seen, files={"unit": file_seen(None)})
    assert after.of("service").outcome is Outcome.FAILED
    quiet = case(cause, service(), seen=seen, files={"unit": file_seen()})
    assert quiet.of("service").outcome is (Outcome.FAILED if cause.id == "unit" else Outcome.CHANGED)


def test_without_systemd_no_step_before_helps() -> None:
    assert case(run("install"), service(), seen=ServiceSeen(systemd=False)).of("service").outcome is Outcome.FAILED


# Restarts.

ON_CHANGE: dict[str, Any] = {"restart": Restart.ON_CHANGE, "on_change": ("cause",)}
DEBT = Owed("service", "", "1.4.2", "restart")


def test_a_service_restarts_after_a_due_step_that_it_names_and_the_step_owes_it() -> None:
    made = case(run("cause"), service(**ON_CHANGE))
    assert made.of("service").reason == "shop: restart: after 'cause'"
    assert not work_of(made.of("service")).restart  # the debt restarts it, if there is one then
    assert getattr(made.of("cause").work, "owes") == (DEBT,)  # noqa: B009


def test_a_service_does_not_restart_after_a_step_that_is_not_due() -> None:
    restarting = service(**ON_CHANGE)
    left = left_so({"cause": file_seen()}, [(restarting, service_seen())])
    made = case(file("cause"), restarting, files={"cause": file_seen()}, baseline=left)
    assert made.of("service").work is None
    only_owed = Baseline(owed=(Owed("cause", "", "1.4.1", "on_change"),))
    made = case(file("cause", on_change="x"), service(**ON_CHANGE), files={"cause": file_seen()}, baseline=only_owed)
    assert made.of("cause").due
    assert made.of("service").outcome is Outcome.UNCHANGED


def test_a_restart_that_an_earlier_run_owes_is_due() -> None:
    made = case(run("cause"), service(**ON_CHANGE), baseline=Baseline(owed=(DEBT,)))
    assert made.of("service").reason == "shop: restart: owed since an earlier run"


def test_a_service_that_skip_step_leaves_out_is_owed_its_restart_and_others_are_not() -> None:
    left_out = case(run("cause"), service(**ON_CHANGE))
    left_out.options = RunOptions(skip_steps=frozenset({"service"}))
    assert getattr(left_out.of("cause").work, "owes") == (DEBT,)  # noqa: B009
    others: tuple[dict[str, Any], ...] = (
        {"environments": ("qa",)},
        {"when": Template("${{ false }}", HERE)},
        {"when": When.FAILURE},
    )
    for keys in others:
        made = case(run("cause"), service(**ON_CHANGE, **keys))
        assert getattr(made.of("cause").work, "owes") == ()  # noqa: B009


def test_restart_always_is_once_for_each_release() -> None:
    always = service(restart=Restart.ALWAYS)
    made = case(always)
    found = made.of("service")
    assert (found.reason, work_of(found).restart) == ("shop: restart: not yet for 1.4.2", True)
    done = left_so(services=[(always, service_seen())], done={work_of(found).digest: Done("service", "1.4.2", "run")})
    made.seen["web-1"] = observed(services={"service": service_seen()}, baseline=done)
    assert made.of("service").work is None
    made.options = RunOptions(redeploy=True)
    assert made.of("service").reason == "shop: restart: --redeploy"


def test_restart_always_happens_in_every_runbook_and_in_a_group_that_is_busy() -> None:
    found = case(service(restart=Restart.ALWAYS), packages=()).of("service")
    assert (found.reason, work_of(found).digest) == ("shop: restart: a plan without packages: always", "")
    alone = case(service(restart=Restart.ALWAYS))
    done = Baseline(done={work_of(alone.of("service")).digest: Done("service", "1.4.2", "run")})
    busy = case(group("g", run("a"), service(restart=Restart.ALWAYS)), baseline=done)
    assert busy.of("service").reason == "shop: restart: another step of its group changes this target"


def test_a_service_step_may_make_another_restart() -> None:
    first = service("cause", unit="database")
    made = case(first, service(**ON_CHANGE))
    made.seen["web-1"] = observed(services={"cause": service_seen("inactive"), "service": service_seen()})
    assert made.of("service").reason == "shop: restart: after 'cause'"
    assert work_of(made.of("cause")).owes == (DEBT,)


# What steps before may do.


def test_a_service_that_a_step_before_stops_is_started_again() -> None:
    made = case(service("stop", state=STOPPED), service(unit="shop.service"))
    made.seen["web-1"] = observed(services={"stop": service_seen(), "service": service_seen()})
    found = made.of("service")
    assert (found.outcome, found.reason, work_of(found).seen) == (Outcome.CHANGED, "shop.service: after 'stop'", None)


def test_after_a_script_a_service_that_is_right_is_looked_at_again() -> None:
    found = case(run("upgrade"), service()).of("service")
    assert (found.outcome, found.due, work_of(found).seen) == (Outcome.UNCHANGED, True, None)


def test_a_service_whose_name_uses_outputs_is_due_unseen() -> None:
    named = service(unit=Template("${{ steps.make.output.UNIT }}", HERE))
    found = case(run("make"), named).of("service")
    assert (found.outcome, found.reason, found.after) == (Outcome.CHANGED, "its name depends on outputs", ("make",))


# Once.


def test_a_once_service_is_compared_on_the_first_target_that_can_be_reached() -> None:
    made = Case(loaded(service(once=True)), {})
    seen = {name: observed(name, services={"service": service_seen("inactive")}) for name in ("web-2", "web-3")}
    made.seen.update(seen)
    step = made.plan().steps[0]
    assert step.targets == ("web-2",)
    assert step.planned["web-2"].reason == "shop: inactive → running"


UNIT, EVIL = "/etc/systemd/system/shop.service", "/etc/systemd/system/shop.service.d/evil.conf"
VENDOR = "/usr/lib/systemd/system/shop.service.d/10-vendor.conf"
LEFT = {UNIT: "1", EVIL.replace("evil", "old"): "2", VENDOR: "3"}


def with_files(files: dict[str, str], sha256: str = "now") -> ServiceSeen:
    dropins = tuple(path for path in files if path.endswith(".conf"))
    return replace(service_seen(), unit_sha256=sha256, files=files, dropins=dropins)


def said_of(files: dict[str, str], left: ServiceBaseline | None, *steps: Step) -> str:
    """What follows the sentence of a unit whose files are these; the steps write what they may."""
    baseline = Baseline() if left is None else Baseline(services={"service": left})
    made = loaded(*steps, service(state=RUNNING), targets=("web-1",), packages=("shop",), release="1.4.2")
    seen = observed(
        services={"service": with_files(files)},
        files={one.id: file_seen(path=UNIT) for one in steps},
        baseline=baseline,
    )
    found = Case(made, {"web-1": seen}).of("service")
    assert found.only_remembers
    _, and_remembered, rest = found.reason.partition("and is remembered so")
    assert and_remembered
    assert bool(work_of(found).accepts) is bool(rest)
    return rest.removeprefix("; accepts unit files that no file step writes: ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({EVIL: "4"}, f"{EVIL} (new)"),
        ({EVIL.replace("evil", "old"): "4"}, f"{EVIL.replace('evil', 'old')} (changed)"),
        ({UNIT: "4", EVIL: "5"}, f"{UNIT} (changed), {EVIL} (new)"),
        ({VENDOR: ""}, f"{VENDOR} (removed)"),
    ],
)
def test_unit_files_that_are_not_as_they_were_left_are_named(change: dict[str, str], said: str) -> None:
    left = ServiceBaseline("shop", "active", unit_sha256="before", files=LEFT)
    files = {path: digest for path, digest in {**LEFT, **change}.items() if digest}
    assert said_of(files, left) == said


def test_what_a_file_step_writes_is_not_among_them() -> None:
    left = ServiceBaseline("shop", "active", unit_sha256="before", files=LEFT)
    write = file(path=UNIT.replace("/etc/", "/etc//"), content="text\n")
    assert said_of({**LEFT, UNIT: "4"}, left, write) == ""
    assert said_of({**LEFT, UNIT: "4", EVIL: "5"}, left, write) == f"{EVIL} (new)"


@pytest.mark.parametrize("left", [None, ServiceBaseline("shop", "active", unit_sha256="before")])
def test_where_nobody_knows_how_they_were_what_came_with_the_system_is_not_named(left: ServiceBaseline | None) -> None:
    assert said_of({**LEFT, EVIL: "4"}, left) == f"{EVIL}, {EVIL.replace('evil', 'old')}"
    assert said_of({UNIT: "1", VENDOR: "3"}, left) == ""


def test_many_are_counted() -> None:
    left = ServiceBaseline("shop", "active", unit_sha256="before", files=LEFT)
    names = {f"{EVIL}.{number:02}": "4" for number in range(12)}
    assert said_of({**LEFT, **names}, left).endswith(f"{EVIL}.09 (new) and 2 more")


def test_they_are_named_whatever_else_is_done() -> None:
    left = ServiceBaseline("shop", "active", unit_sha256="before", files=LEFT)
    seen = replace(with_files({**LEFT, EVIL: "4"}), active="inactive")
    found = case(service(state=RUNNING), seen=seen, baseline=Baseline(services={"service": left})).of("service")
    assert found.reason == f"shop: inactive → running; accepts unit files that no file step writes: {EVIL} (new)"
