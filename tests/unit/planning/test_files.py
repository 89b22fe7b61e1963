"""File steps: what was seen against what is wanted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.observed import Baseline, Done, FileBaseline, FileKind, FileSeen, Owed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import BecomeAs, Restart, Step, When
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.model.work import FileWork, Planned, ScriptWork
from octo_ssh.planning.files import is_right
from tests.unit.planning.builders import (
    HERE,
    Case,
    check,
    file,
    file_seen,
    group,
    left_so,
    loaded,
    observed,
    run,
    said,
    service,
    service_seen,
)

TOKEN = SecretRef(EnvSource("TOKEN"), HERE)
DONE = Done("some", "1.4.2", "run")
LATE = Template("key=${{ steps.make.output.KEY }}\n", HERE)


def case(*steps: Step, seen: FileSeen | None = None, variables: dict[str, Any] | None = None, **keys: Any) -> Case:
    """A plan with packages that the target has nothing to do with, so that scripts are due but once."""
    files = {} if seen is None else {"unit": seen}
    made = loaded(*steps, targets=("web-1",), variables=variables or {})
    return Case(made, {"web-1": observed(files=files, **keys)})


def digest_of(case: Case, step_id: str) -> str:
    work = case.of(step_id).work
    assert isinstance(work, ScriptWork)
    return work.digest


def planned(step: Step, seen: FileSeen | None, **keys: Any) -> Planned:
    return case(step, seen=seen, **keys).of("unit")


def work_of(found: Planned) -> FileWork:
    assert isinstance(found.work, FileWork)
    return found.work


@pytest.mark.parametrize(
    ("step", "seen", "reason"),
    [
        (file(), file_seen(None), "/etc/shop.conf: new"),
        (file(), file_seen("other\n"), "/etc/shop.conf: other content"),
        (file(mode=0o600), file_seen(), "/etc/shop.conf: mode 0644 → 0600"),
        (file(owner="app", group="root"), file_seen(), "/etc/shop.conf: owner root → app"),
        (file(group="app"), file_seen("x"), "/etc/shop.conf: other content, group root → app"),
        (file(content=None), file_seen(), "/etc/shop.conf: to be removed"),
    ],
)
def test_what_differs_is_due_and_says_what(step: Step, seen: FileSeen, reason: str) -> None:
    found = planned(step, seen)
    assert (found.outcome, found.reason, found.due) == (Outcome.CHANGED, reason, True)
    assert not is_right(work_of(found), seen)


@pytest.mark.parametrize(
    ("step", "seen"),
    [
        (file(), file_seen()),
        (file(), file_seen(mode=0o600, owner="app")),
        (file(mode=0o644, owner="root", group="root"), file_seen()),
        (file(content=None), file_seen(None)),
    ],
)
def test_what_is_right_is_unchanged(step: Step, seen: FileSeen) -> None:
    found = planned(step, seen, baseline=left_so({"unit": seen}))
    assert (found.outcome, found.reason, found.work) == (Outcome.UNCHANGED, f"{seen.path} is as it should be", None)


def test_what_is_right_and_not_remembered_so_is_noted_and_not_touched() -> None:
    for left in (Baseline(), left_so({"unit": file_seen("before\n")})):
        found = planned(file(), file_seen(), baseline=left)
        assert (found.outcome, found.due, work_of(found).changes) == (Outcome.UNCHANGED, True, False)
        assert found.only_remembers
        assert found.reason == "/etc/shop.conf is as it should be, and is remembered so"


def test_who_looks_and_whether_it_is_secret_is_part_of_what_is_remembered() -> None:
    left = left_so({"unit": file_seen()})
    assert planned(file(become=BecomeAs("app")), file_seen(), baseline=left).only_remembers
    assert planned(file(become=BecomeAs("deploy")), file_seen(), baseline=left).work is None, "that is the login"
    seen = file_seen("t=s3cret-token\n")
    step, hidden = file(content=Template("t=${{ token }}\n", HERE)), left_so({"unit": seen})
    assert planned(step, seen, baseline=hidden, variables={"token": TOKEN}).only_remembers
    hidden = replace(hidden, files={"unit": replace(hidden.files["unit"], holds_secrets=True)})
    assert planned(step, seen, baseline=hidden, variables={"token": TOKEN}).work is None
    assert planned(file(content="t=s3cret-token\n"), seen, baseline=hidden).work is None


def test_behind_a_step_that_may_change_it_a_file_that_is_to_be_remembered_is_looked_at_again() -> None:
    first = file("first", path="/etc/first.conf")
    seen = {"first": file_seen(None, path="/etc/first.conf"), "unit": file_seen()}
    found = Case(loaded(first, file(), targets=("web-1",)), {"web-1": observed(files=seen)}).of("unit")
    assert (found.outcome, found.only_remembers, work_of(found).seen) == (Outcome.UNCHANGED, False, None)
    assert work_of(found).changes, "it may differ by then"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (FileSeen("/etc/shop.conf", FileKind.LINK), "/etc/shop.conf is a symbolic link"),
        (FileSeen("/etc/shop.conf", FileKind.FOLDER), "/etc/shop.conf is a folder"),
        (FileSeen("/etc/shop.conf", FileKind.OTHER), "/etc/shop.conf is no regular file"),
        (FileSeen("/etc/shop.conf", FileKind.UNREADABLE), "/etc/shop.conf cannot be looked at by the login"),
    ],
)
@pytest.mark.parametrize("content", ["text\n", None])
def test_what_is_in_the_way_fails_the_step(seen: FileSeen, reason: str, content: str | None) -> None:
    found = planned(file(content=content), seen)
    assert (found.outcome, found.due, work_of(found).diff) == (Outcome.FAILED, True, ())
    assert found.reason.startswith(reason)


def test_a_missing_folder_fails_unless_it_is_to_be_made_or_may_be_made_before() -> None:
    seen = file_seen(None, missing_parents=True)
    assert planned(file(), seen).outcome is Outcome.FAILED
    assert planned(file(), seen).reason.startswith("the folder of /etc/shop.conf is not there: add 'parents: true'")
    assert planned(file(parents=True), seen).reason == "/etc/shop.conf: new"
    assert planned(file(content=None), seen).outcome is Outcome.UNCHANGED
    assert case(run("mkdir"), file(), seen=seen).of("unit").outcome is Outcome.CHANGED
    assert case(file(), run("mkdir"), seen=seen).of("unit").outcome is Outcome.FAILED


def test_a_path_in_the_home_is_told_absolute_and_the_user_is_the_steps() -> None:
    found = work_of(planned(file(path="~/.profile", become=BecomeAs("app")), file_seen(None, path="/home/app/x")))
    assert (found.path, found.sudo_user) == ("/home/deploy/.profile", "app")


def test_an_owner_by_number_is_right_where_the_last_success_left_it() -> None:
    seen = file_seen(owner="app")
    assert planned(file(owner="1000"), seen).reason == "/etc/shop.conf: owner app → 1000"
    left = FileBaseline("/etc/shop.conf", True, seen.sha256, 0o644, "app", "root")
    assert planned(file(owner="1000"), seen, baseline=Baseline(files={"unit": left})).outcome is Outcome.UNCHANGED
    assert planned(file(owner="1000"), file_seen(owner="1001")).outcome is Outcome.CHANGED
    assert is_right(work_of(planned(file(owner="1000"), file_seen("x", owner="app"))), seen)


# Differences.


def test_the_difference_is_shown() -> None:
    assert work_of(planned(file(), file_seen("old\n"))).diff == ("@@ -1 +1 @@", "-old", "+text")
    assert work_of(planned(file(), file_seen(None))).diff == ("@@ -0,0 +1 @@", "+text")


def test_a_difference_that_is_not_wanted_or_unknown_is_not_shown() -> None:
    assert work_of(planned(file(show_diff=False), file_seen("old\n"))).diff == ()
    assert work_of(planned(file(), file_seen("old\n", content=None))).diff == ()


def test_of_a_file_that_holds_secrets_no_old_line_is_shown_and_no_secret() -> None:
    step = file(content=Template("a\nt=${{ token }}\n", HERE))
    found = work_of(planned(step, file_seen("a\nt=former-secret\n"), variables={"token": TOKEN}))
    assert found.diff == (
        "@@ -1,2 +1,2 @@",
        " a",
        "-(1 line not shown: the old content may hold a secret)",
        "+t=***",
    )


def test_of_a_file_that_only_its_owner_may_read_no_old_line_is_shown() -> None:
    assert "-(1 line" in work_of(planned(file(), file_seen("old\n", mode=0o600))).diff[1]


def test_of_a_file_that_held_a_secret_when_it_was_left_no_old_line_is_shown_either() -> None:
    seen = file_seen("t=former-secret\n")
    left = FileBaseline(seen.path, True, seen.sha256, seen.mode, seen.owner, seen.group, holds_secrets=True)
    for step_id in ("unit", "as_it_was_called_before"):
        found = work_of(planned(file(), seen, baseline=Baseline(files={step_id: left})))
        assert found.diff[1:] == ("-(1 line not shown: the old content may hold a secret)", "+text")
    for other in (replace(left, path="/etc/other"), replace(left, holds_secrets=False)):
        found = work_of(planned(file(), seen, baseline=Baseline(files={"unit": other})))
        assert found.diff[1:] == ("-t=former-secret", "+text")


# Consequences.


def test_a_change_owes_on_change_and_the_restarts_of_services_that_name_the_step() -> None:
    restarting = service(restart=Restart.ON_CHANGE, on_change=("unit",))
    found = case(
        file(on_change="systemctl daemon-reload"), restarting, seen=file_seen("x"), services={"service": service_seen()}
    )
    owed = work_of(found.of("unit")).owes
    assert owed == (Owed("unit", "", "1.4.2", "on_change"), Owed("service", "", "1.4.2", "restart"))
    assert found.of("service").reason == "shop: restart: after 'unit'"


def test_what_an_earlier_run_owes_is_due_without_a_change() -> None:
    debt = left_so({"unit": file_seen()}, owed=(Owed("unit", "", "1.4.1", "on_change"),))
    found = planned(file(on_change="reload"), file_seen(), baseline=debt)
    assert (found.outcome, found.reason) == (Outcome.CHANGED, "owed since an earlier run: on_change")
    assert (work_of(found).changes, work_of(found).owed) == (False, ("on_change",))
    assert planned(file(), file_seen(), baseline=debt).work is None
    differs = work_of(planned(file(on_change="reload"), file_seen("x"), baseline=debt))
    assert (differs.changes, differs.owed) == (True, ("on_change",))


def test_a_file_that_differs_is_a_change_for_checks_and_for_the_scripts_of_its_group() -> None:
    steps = group("g", file(), run("tell"))
    made = case(steps, check(), seen=file_seen())
    done = left_so(
        {"unit": file_seen()},
        release="1.4.2",
        done={digest_of(made, "tell"): DONE},
        passed_checks=frozenset({"smoke"}),
    )
    quiet = case(steps, check(), seen=file_seen(), baseline=done)
    assert quiet.plan().changing == ()
    busy = case(steps, check(), seen=file_seen("x"), baseline=done)
    assert busy.of("tell").reason == "another step of its group changes this target"
    assert busy.of("smoke").reason == "this run changes the target"


# What steps before may do.


def test_after_a_script_a_file_that_is_right_is_looked_at_again() -> None:
    found = case(run("install"), file(), seen=file_seen()).of("unit")
    assert (found.outcome, found.due, work_of(found).seen) == (Outcome.UNCHANGED, True, None)
    assert found.reason.endswith("looked at again after 'install'")
    differs = work_of(case(run("install"), file(), seen=file_seen("old\n")).of("unit"))
    assert (differs.seen, differs.diff[1:]) == (None, ("-old", "+text"))
    link = FileSeen("/etc/shop.conf", FileKind.LINK)
    assert case(run("unlink"), file(), seen=link).of("unit").outcome is Outcome.CHANGED


def test_of_two_steps_for_one_file_the_second_follows_the_first() -> None:
    gone = file_seen(None, path="/srv/down")
    put, remove = file("put", path="/srv/down"), file("remove", None, path="/srv//down")
    made = loaded(put, remove, targets=("web-1",))
    found = Case(made, {"web-1": observed(files={"put": gone, "remove": gone})})
    assert found.of("put").reason == "/srv/down: new"
    assert (found.of("remove").outcome, found.of("remove").reason) == (Outcome.CHANGED, "/srv/down: after 'put'")
    assert work_of(found.of("remove")).seen is None


def test_a_file_for_a_failure_waits_for_one() -> None:
    found = planned(file(when=When.FAILURE), file_seen(None))
    assert (found.outcome, found.standby, found.due) == (Outcome.SKIPPED, True, False)
    for left in (left_so({"unit": file_seen()}), Baseline()):
        assert planned(file(when=When.FAILURE), file_seen(), baseline=left).work is None


# Outputs.


def test_a_file_that_uses_an_output_of_a_due_step_is_known_only_after_it() -> None:
    found = case(run("make"), file(content=LATE), seen=file_seen("key=abc\n")).of("unit")
    assert (found.outcome, found.after) == (Outcome.CHANGED, ("make",))
    assert found.reason == "/etc/shop.conf: its content depends on outputs"


def late_case(text: str, baseline: Baseline, content: Template = LATE, **keys: Any) -> Case:
    """``make`` has run for this release."""
    first = case(run("make"), file(content=content), seen=file_seen(text), **keys)
    done = replace(baseline, release="1.4.2", done={digest_of(first, "make"): DONE})
    return case(run("make"), file(content=content), seen=file_seen(text), baseline=done, **keys)


def test_a_file_that_uses_a_remembered_output_is_compared() -> None:
    remembered = Baseline(outputs={"make": said(KEY="abc")})
    assert late_case("key=abc\n", remembered).of("unit").outcome is Outcome.UNCHANGED
    found = late_case("key=old\n", remembered).of("unit")
    assert (found.outcome, found.after) == (Outcome.CHANGED, ())
    assert work_of(found).diff[1:] == ("-key=old", "+key=abc")
    wanted = work_of(found).wanted
    assert wanted is not None
    assert wanted.late is not None


def test_a_file_that_needs_a_secret_output_is_as_the_release_left_it_or_makes_its_giver_due() -> None:
    seen = file_seen("key=abc\n")
    left = FileBaseline(seen.path, True, seen.sha256, seen.mode, seen.owner, seen.group)
    remembered = Baseline(outputs={"make": said(secret=["KEY"])}, files={"unit": left})
    quiet = late_case("key=abc\n", remembered)
    assert quiet.of("unit").reason == "/etc/shop.conf is as this release left it"
    assert not quiet.of("unit").due, "nobody could render it"
    assert not quiet.of("make").due
    touched = late_case("key=touched\n", remembered)
    assert touched.of("unit").after == ("make",)
    assert touched.of("make").reason == "'unit' reads its secret output, which is written down nowhere"


@pytest.mark.parametrize("doubt", [{"release": "1.4.1"}, {"due": {"1.4.2": ("unit",)}}])
def test_what_another_release_or_a_run_that_did_not_finish_left_says_nothing(doubt: dict[str, Any]) -> None:
    seen = file_seen("key=abc\n")
    left = FileBaseline(seen.path, True, seen.sha256, seen.mode, seen.owner, seen.group)
    remembered = Baseline(outputs={"make": said(secret=["KEY"])}, files={"unit": left})
    made = late_case("key=abc\n", remembered)
    here = made.seen["web-1"]
    made.seen["web-1"] = replace(here, baseline=replace(here.baseline, **doubt))
    assert made.of("unit").due


def test_a_file_whose_path_uses_outputs_is_due_unseen() -> None:
    found = case(run("make"), file(path=Template("/etc/${{ steps.make.output.NAME }}", HERE))).of("unit")
    assert (found.outcome, found.reason, work_of(found).seen) == (
        Outcome.CHANGED,
        "its path depends on outputs",
        None,
    )


# In general.

CONTENTS = st.sampled_from(["", "a\n", "b\n"])
PEOPLE = st.sampled_from(["root", "app"])


@given(
    content=st.none() | CONTENTS,
    mode=st.none() | st.sampled_from([0o644, 0o600]),
    owner=st.none() | PEOPLE,
    there=st.none() | CONTENTS,
    now=st.tuples(st.sampled_from([0o644, 0o600]), PEOPLE),
)
def test_a_file_is_due_exactly_where_it_is_not_right_and_right_once_it_is_so(
    content: str | None, mode: int | None, owner: str | None, there: str | None, now: tuple[int, str]
) -> None:
    seen = file_seen(there) if there is None else file_seen(there, mode=now[0], owner=now[1])
    found = planned(file(content=content, mode=mode, owner=owner), seen, baseline=left_so({"unit": seen}))
    if found.work is None:
        assert found.outcome is Outcome.UNCHANGED
        return
    work = work_of(found)
    assert not is_right(work, seen)
    after = file_seen(content)
    if content is not None:
        raw = content.encode()
        assert work.wanted is not None
        assert work.wanted.sha256 == hashlib.sha256(raw).hexdigest()
        kept = seen if seen.kind is FileKind.FILE else after
        after = replace(after, mode=mode or kept.mode, owner=owner or kept.owner, group=kept.group)
    assert is_right(work, after)
    left = left_so({"unit": after})
    assert planned(file(content=content, mode=mode, owner=owner), after, baseline=left).work is None
