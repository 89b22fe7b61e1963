"""A whole check: targets, steps that the plan has no more, what is expected, the report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from octo_ssh.model.drift import FindingKind, State
from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.model.observed import Baseline, Lease, Owed
from octo_ssh.model.plan import When
from octo_ssh.output.drift_counts import counts
from octo_ssh.planning.drift import report
from tests.unit.planning.builders import file, file_seen, package, service
from tests.unit.planning.drifting import TODAY, Check, expected, file_left, package_left, there, tree

LEASE = Lease(3, "token", 60, "boot", 0.0, json.dumps({"user": "ann", "host": "ci", "purpose": "apply shop 1.5"}), 5.0)


def extra(path: str) -> dict[str, Entry | None]:
    return {path: Entry(path, Kind.FILE, 0o644, 1, "1" * 64)}


def test_what_is_as_it_was_left_is_in_sync() -> None:
    target = Check().target()
    assert target.state is State.IN_SYNC
    assert [(step.step, step.state, step.reason) for step in target.steps] == [
        ("deploy", State.IN_SYNC, ""),
        ("unit", State.IN_SYNC, ""),
        ("service", State.IN_SYNC, ""),
    ]


def test_a_target_where_somebody_is_at_work_is_unknown_as_a_whole() -> None:
    target = Check(file=file_seen("other\n"), seen={"lease": LEASE}).target()
    assert target.state is State.UNKNOWN
    assert target.unreachable == "busy: ann@ci is at work for apply shop 1.5"
    assert target.steps == ()


@pytest.mark.parametrize("age_s", [None, 61.0])
def test_a_lease_that_nobody_renews_any_more_hides_nothing(age_s: float | None) -> None:
    check = Check(file=file_seen("other\n"), seen={"lease": replace(LEASE, age_s=age_s)})
    assert check.found("unit") == {("content", "/etc/shop.conf")}


@pytest.mark.parametrize("who", ["", "[" * 100_000, "{}", '"x"', "null"])
def test_a_holder_that_says_nonsense_is_still_somebody(who: str) -> None:
    target = Check(seen={"lease": replace(LEASE, who=who)}).target()
    assert target.unreachable == "busy: somebody is at work here"


def test_a_target_that_was_not_reached_is_unknown_with_the_reason() -> None:
    told = Check(keys={"observed": {}, "unreachable": {"web-1": "connection refused"}}).report()
    assert [(one.state, one.unreachable) for one in told.targets] == [(State.UNKNOWN, "connection refused")]


def test_a_target_that_answers_and_says_nothing_of_use_is_no_unreachable_one() -> None:
    told = Check(keys={"observed": {}, "broken": {"web-1": "its memory is damaged"}}).report()
    (target,) = told.targets
    assert (target.state, target.unreachable, target.broken) == (State.UNKNOWN, "its memory is damaged", True)
    assert (counts(told).unknown, counts(told).unreachable) == (1, 0)


def test_a_changed_host_key_is_a_finding() -> None:
    (target,) = Check(keys={"observed": {}, "host_keys": {"web-1": "SHA256:new"}}).report().targets
    assert target.state is State.DRIFTED
    assert [(one.kind, one.now) for one in target.findings] == [(FindingKind.HOST_KEY, "SHA256:new")]


def test_a_step_that_the_plan_dropped_stays_watched_under_its_id() -> None:
    check = Check(steps=(package(to="/srv/shop"),), file=file_seen("other\n"))
    step = check.step("unit")
    assert (step.name, step.state) == ("unit", State.DRIFTED)
    assert check.step("service").state is State.IN_SYNC


def test_a_step_that_is_another_kind_now_is_watched_as_what_it_was() -> None:
    check = Check(steps=(package(to="/srv/shop"), service("unit"), service()), file=file_seen("other\n"))
    assert check.step("unit").findings[0].kind is FindingKind.CONTENT
    assert "never applied here" in check.step("unit").reason


def test_what_was_never_applied_is_pending_and_no_drift() -> None:
    check = Check(left=Baseline(), package=None, file=file_seen(None), service=None)
    assert check.target().state is State.PENDING
    assert [(step.step, step.reason) for step in check.target().steps] == [
        ("deploy", "never applied here"),
        ("unit", "never applied here"),
        ("service", "never applied here"),
    ]


@pytest.mark.parametrize("keys", [{"when": When.FAILURE}, {"environments": ("production",)}])
def test_a_step_that_is_not_for_this_is_not_pending(keys: dict[str, object]) -> None:
    check = Check(steps=(file("other", **keys), *Check().steps))
    assert [step.step for step in check.target().steps] == ["deploy", "unit", "service"]


def test_a_decision_that_was_not_carried_out_is_pending() -> None:
    check = Check()
    check.left = replace(check.left, due={"1.4.2": ("unit",)})
    assert check.step("unit").state is State.PENDING


def test_a_debt_is_drift_of_the_step_that_owes_it_even_if_the_plan_has_that_no_more() -> None:
    check = Check()
    debts = (Owed("service", "", "1.4.2", "restart"), Owed("gone", "", "1.4.1", "on_change"))
    check.left = replace(check.left, owed=debts)
    assert check.found("service") == {("owed", "restart")}
    assert check.found("gone") == {("owed", "on_change")}
    assert check.step("gone").findings[0].now == "owed since 1.4.1"


def test_findings_come_before_what_is_unknown_and_both_are_said() -> None:
    check = Check()
    unread = tree(changes={"bin/app": None}, unreadable=frozenset({"etc/more.conf"}))
    check.package = there(trees={"1.4.2": unread})
    step = check.step("deploy")
    assert step.state is State.DRIFTED
    assert step.reason == "etc/more.conf may not be read"


# drift.ignore


def test_expected_drift_is_none_and_says_why_it_is_none() -> None:
    check = Check(package=there(trees={"1.4.2": tree(changes=extra("var/cache/new"))}))
    entry = expected("var/cache/**")
    check.keys["expected"] = (entry,)
    step = check.step("deploy")
    assert (step.state, step.findings) == (State.EXPECTED, ())
    assert [(finding.subject, one) for finding, one in step.expected] == [("var/cache/new", entry)]
    told = check.report()
    assert (told.expired, told.unused) == ((), ())


def test_its_last_day_counts_and_the_day_after_it_is_drift_again() -> None:
    check = Check(file=file_seen("other\n"))
    check.keys["expected"] = (entry := expected("/etc/shop.conf", TODAY.isoformat()),)
    assert check.step("unit").state is State.EXPECTED
    check.keys["today"] = date(2027, 1, 11)
    assert check.step("unit").state is State.DRIFTED
    assert check.report().expired == (entry,)
    assert check.report().unused == ()


def test_an_expired_entry_names_what_it_meant_even_in_a_new_folder() -> None:
    made = {
        "log": Entry("log", Kind.DIR, 0o755),
        "log/app": Entry("log/app", Kind.DIR, 0o755),
        **extra("log/app/a"),
        **extra("log/b"),
    }
    check = Check(package=there(trees={"1.4.2": tree(changes=made)}))
    check.keys["expected"] = (entry := expected("log/app/**", "2026-12-31"),)
    assert check.found() == {("extra", "log/app"), ("extra", "log/b")}
    assert check.report().expired == (entry,)


def test_an_entry_that_matched_nothing_is_told() -> None:
    check = Check()
    entries = (expected("nothing/here"), expected("neither", "2026-12-31"), expected("/etc/shop.conf"))
    check.keys["expected"] = entries
    assert check.report().unused == entries


@pytest.mark.parametrize(
    "keys",
    [
        {"unreachable": {"web-2": "connection refused"}},
        {"host_keys": {"web-2": "SHA256:new"}},
        {},  # --limit web-1
    ],
)
def test_nothing_is_called_unused_where_not_all_was_seen(keys: dict[str, object]) -> None:
    check = Check(plan={"targets": ("web-1", "web-2")}, keys={"expected": (expected("nothing"),), **keys})
    given = check.given()
    given.selection = replace(given.selection, targets=("web-1",))
    assert report(given, at="").unused == ()


def test_an_entry_for_one_step_covers_no_other() -> None:
    check = Check(package=there(trees={"1.4.2": tree(changes=extra("new"))}))
    check.keys["expected"] = (expected("new", step="other"),)
    assert check.found() == {("extra", "new")}
    check.keys["expected"] = (expected("new", step="deploy"),)
    assert check.step("deploy").state is State.EXPECTED


def test_a_pattern_for_packages_covers_no_absolute_path_and_no_current_and_no_debt() -> None:
    check = Check(file=file_seen("other\n"), package=there(current="1.4.1"))
    check.left = replace(check.left, owed=(Owed("deploy", "shop", "1.4.2", "activate"),))
    check.keys["expected"] = (expected("**"),)
    assert check.found("unit") == {("content", "/etc/shop.conf")}
    assert check.found("deploy") == {("current", "current"), ("owed", "activate")}


def test_the_report_says_whose_it_is_and_keeps_the_order_of_the_inventory() -> None:
    check = Check(plan={"targets": ("web-2", "web-1", "db-1")})
    check.keys |= {"unreachable": {"web-2": "no route", "db-1": "no route"}}
    told = check.report()
    assert (told.project, told.environment, told.at) == ("shop", None, "2027-01-10T03:00:00Z")
    assert [target.target for target in told.targets] == ["web-2", "web-1", "db-1"]


def test_a_second_place_of_a_baseline_is_watched_too() -> None:
    check = Check()
    check.left = replace(check.left, packages={**check.left.packages, "old": package_left(to="/srv/old")})
    assert check.step("old").state is State.UNKNOWN
    assert check.step("old").reason == "/srv/old was not looked at"


def test_files_are_held_against_their_own_baseline() -> None:
    check = Check()
    check.left = replace(check.left, files={"unit": file_left("before\n")})
    assert check.found("unit") == {("content", "/etc/shop.conf")}
