"""File steps: a file against what was left, and against what the plan wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.model.drift import State
from octo_ssh.model.observed import FileBaseline, FileKind, FileSeen
from octo_ssh.model.plan import SecretContent, SourceContent
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.planning.derive import Deriver, Underivable
from octo_ssh.planning.drift import drift_of
from tests.unit.planning.builders import HERE, file, file_seen
from tests.unit.planning.drifting import Check, expected, file_left

PATH = "/etc/shop.conf"
KEY = ("unit", "web-1")


def derived(check: Check) -> Check:
    """With what the controller can tell of the plan's files."""
    loaded = check.given().loaded
    check.keys["files"] = {
        (step_id, "web-1"): found for step_id, found in Deriver(loaded).files("web-1", loaded.plan.walk()).items()
    }
    return check


def planned(content: Any = "text\n", **keys: Any) -> Check:
    return derived(Check(steps=(file(content=content, **keys),)))


def absent(path: str = PATH) -> FileBaseline:
    return FileBaseline(path, present=False)


@pytest.mark.parametrize(
    ("seen", "found", "was", "now"),
    [
        (file_seen("evil\n"), "content", "", ""),
        (file_seen(mode=0o4755), "mode", "0644", "4755"),
        (file_seen(owner="eve"), "owner", "root:root", "eve:root"),
        (file_seen(group="adm"), "owner", "root:root", "root:adm"),
        (file_seen(None), "missing", "file", "gone"),
        (FileSeen(PATH, FileKind.LINK), "kind", "file", "link"),
        (FileSeen(PATH, FileKind.FOLDER), "kind", "file", "folder"),
        (FileSeen(PATH, FileKind.OTHER), "kind", "file", "neither file, folder nor link"),
    ],
)
def test_every_way_in_which_a_file_differs(seen: FileSeen, found: str, was: str, now: str) -> None:
    (finding,) = Check(file=seen).step("unit").findings
    assert (finding.kind.value, finding.subject, finding.was, finding.now) == (found, PATH, was, now)


def test_two_differences_are_two_findings() -> None:
    assert Check(file=file_seen("evil\n", mode=0o600)).found("unit") == {("content", PATH), ("mode", PATH)}


def test_what_should_be_absent_and_is_there() -> None:
    check = Check(file=file_seen("back\n"))
    check.left = replace(check.left, files={"unit": absent()})
    assert check.found("unit") == {("extra", PATH)}
    check.file = file_seen(None)
    assert check.step("unit").state is State.IN_SYNC


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (FileSeen(PATH, FileKind.UNREADABLE), f"{PATH} may not be looked at"),
        (None, f"{PATH} was not looked at"),
        (file_seen(path="/etc/other"), f"{PATH} was not looked at"),
    ],
)
def test_what_was_not_seen_is_unknown_and_never_missing(seen: FileSeen | None, reason: str) -> None:
    step = Check(file=seen).step("unit")
    assert (step.state, step.findings, step.reason) == (State.UNKNOWN, (), reason)


# Differences line by line


def test_a_difference_leads_from_what_was_left_to_what_is_there() -> None:
    check = planned("one\ntwo\n")
    check.left = replace(check.left, files={"unit": file_left("one\ntwo\n")})
    check.file = file_seen("one\n2\n")
    (finding,) = check.step("unit").findings
    assert finding.diff == ("@@ -1,2 +1,2 @@", " one", "-two", "+2")


SECRET = Template("token = ${{ token }}\n", HERE)
VARIABLES = {"token": SecretRef(EnvSource("TOKEN"), HERE)}


@pytest.mark.parametrize(
    "check",
    [
        planned("other\n"),  # git has moved on: nobody knows what was there
        planned("text\n", show_diff=False),
        derived(Check(steps=(file(content=SECRET),), plan={"variables": VARIABLES})),
        derived(Check(steps=(file(content=SecretContent(VARIABLES["token"])),))),
        Check(),
    ],
)
def test_nothing_is_shown_where_a_secret_may_be_or_the_text_is_not_known(check: Check) -> None:
    check.file = file_seen("token = s3cret-token\n")
    (finding,) = check.step("unit").findings
    assert (finding.kind.value, finding.diff) == ("content", ())


@pytest.mark.parametrize("keys", [{"mode": 0o600}, {"holds_secrets": True}])
def test_what_only_its_owner_may_read_and_what_once_held_a_secret_is_not_shown(keys: dict[str, Any]) -> None:
    check = planned()
    check.left = replace(check.left, files={"unit": file_left(**keys)})
    check.file = file_seen("evil\n", mode=keys.get("mode", 0o644))
    assert check.step("unit").findings[0].diff == ()


def test_what_somebody_closed_to_others_is_not_shown() -> None:
    check = planned()
    check.file = file_seen("their own\n", mode=0o600)
    (content, mode) = check.step("unit").findings
    assert (content.kind.value, content.diff, mode.kind.value) == ("content", (), "mode")


def test_a_known_secret_that_somebody_put_there_is_masked() -> None:
    check = planned()
    check.file = file_seen("s3cret-token\n")
    given = check.given()
    store = SecretStore({"TOKEN": "s3cret-token"})
    store.reveal(VARIABLES["token"])
    object.__setattr__(given.loaded, "secrets", store)
    (step,) = [step for step in drift_of(given, "web-1").steps if step.step == "unit"]
    assert "s3cret-token" not in str(step)
    assert step.findings[0].diff[-1].startswith("+")


def test_a_content_that_is_not_at_hand_has_no_diff() -> None:
    check = planned()
    check.file = file_seen("evil\n", content=None)
    assert check.step("unit").findings[0].diff == ()


# What git wants beside


@pytest.mark.parametrize(
    ("content", "keys", "reason"),
    [
        ("other\n", {}, "the plan wants other content"),
        ("text\n", {"mode": 0o600}, "the plan wants mode 0600"),
        ("text\n", {"owner": "shop", "group": "shop"}, "the plan wants owner shop, group shop"),
        ("text\n", {"path": "/etc/new.conf"}, "the plan wants it at /etc/new.conf"),
        (None, {}, "the plan wants it removed"),
    ],
)
def test_another_wish_of_the_plan_is_pending(content: str | None, keys: dict[str, Any], reason: str) -> None:
    step = planned(content, **keys).step("unit")
    assert (step.state, step.findings, step.reason) == (State.PENDING, (), reason)


def test_an_owner_by_number_is_no_other_wish() -> None:
    assert planned(owner="0", group="0").step("unit").state is State.IN_SYNC


def test_what_holds_a_secret_is_compared_with_what_was_left_alone() -> None:
    check = derived(Check(steps=(file(content=SECRET),), plan={"variables": VARIABLES}))
    assert check.keys["files"][KEY] == Underivable("it holds a secret")
    assert check.step("unit").state is State.IN_SYNC


def test_a_file_that_was_never_written_and_holds_a_secret_is_pending() -> None:
    check = derived(Check(steps=(file(content=SECRET),), plan={"variables": VARIABLES}))
    check.left = replace(check.left, files={})
    assert check.step("unit").reason == "never applied here"


def test_what_depends_on_outputs_or_on_a_lost_source_cannot_be_told() -> None:
    for content in (Template("${{ steps.run.output.x }}", HERE), SourceContent("/nowhere/at/all")):
        check = derived(Check(steps=(file(content=content),)))
        assert isinstance(check.keys["files"][KEY], Underivable)
        assert check.step("unit").state is State.IN_SYNC


# --against plan


def test_against_the_plan_git_decides() -> None:
    check = planned("wanted\n", mode=0o600, owner="0", group="shop")
    check.keys["against_plan"] = True
    check.file = file_seen("text\n", uid=0, gid=0)
    assert check.found("unit") == {("content", PATH), ("mode", PATH), ("owner", PATH)}
    check.file = file_seen("wanted\n", mode=0o600, group="shop", uid=0, gid=7)
    assert check.step("unit").state is State.IN_SYNC


def test_against_the_plan_what_holds_a_secret_is_unknown() -> None:
    check = derived(Check(steps=(file(content=SECRET),), plan={"variables": VARIABLES}))
    check.keys["against_plan"] = True
    step = check.step("unit")
    assert (step.state, step.reason) == (State.UNKNOWN, "what the plan wants cannot be told: it holds a secret")


def test_against_the_plan_what_was_never_applied_is_missing() -> None:
    check = planned()
    check.keys["against_plan"] = True
    check.left, check.file = replace(check.left, files={}), file_seen(None)
    assert check.found("unit") == {("missing", PATH)}


def test_an_entry_covers_all_that_may_become_of_a_file() -> None:
    for seen in (file_seen(None), file_seen("x", mode=0), FileSeen(PATH, FileKind.LINK)):
        check = Check(file=seen, keys={"expected": (expected(PATH),)})
        assert check.step("unit").state is State.EXPECTED
    check.file = FileSeen(PATH, FileKind.UNREADABLE)
    assert check.step("unit").state is State.IN_SYNC
