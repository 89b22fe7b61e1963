"""What an entry of ``drift.ignore`` covers, and what plan and apply leave alone for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.model.drift import Expected
from octo_ssh.model.manifest import Entry, Kind
from octo_ssh.model.observed import Baseline, FileKind, FileSeen, Observed, Owed, ReleaseFolder
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.work import FileWork, PackageWork
from octo_ssh.planning.compare import compare
from octo_ssh.planning.expected import covers, in_force, marker, outermost
from octo_ssh.planning.plan import make_plan
from tests.unit.planning.builders import Case, file, file_seen, loaded, observed, package
from tests.unit.planning.drifting import MANIFEST, expected, file_left, package_left, there, tree


def test_an_entry_holds_until_the_end_of_its_day() -> None:
    entry = expected("x", "2027-01-10")
    assert in_force([entry], date(2027, 1, 10)) == (entry,)
    assert in_force([entry], date(2027, 1, 11)) == ()


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("var/cache/**", "var/cache/a/b", True),
        ("var/cache/**", "var/cache", True),
        ("var/cache/**", "var/cached", False),
        ("var/*", "var/a", True),
        ("var/*", "var/a/b", False),
        ("**/*.log", "app.log", True),
        ("**/*.log", "/var/log/app.log", False),
        ("/etc/shop.conf", "/etc/shop.conf", True),
        ("/etc/**", "etc/shop.conf", False),
        ("log[1].txt", "log[1].txt", True),
        ("tmp/", "tmp", True),
    ],
)
def test_which_paths_an_entry_means(pattern: str, path: str, is_meant: bool) -> None:
    assert covers(expected(pattern), "deploy", path) is is_meant


def test_the_first_entry_of_the_step_that_covers_a_path_counts() -> None:
    one, other = expected("a/**", step="other"), expected("a/**")
    assert marker([one, other], "deploy")("a/b") is other
    assert marker([one, other], "other")("a/b") is one
    assert marker([one, other], "deploy")("b") is None


def named(paths: list[str], *patterns: str) -> list[tuple[str, str]]:
    entries = [expected(pattern) for pattern in patterns]
    found = outermost(paths, marker(entries, "deploy"))
    return [(path, "" if entry is None else entry.path) for path, entry in found]


def test_a_folder_stands_for_what_is_in_it() -> None:
    assert named(["a", "a/b", "a/b/c", "d/e"]) == [("a", ""), ("d/e", "")]


def test_a_folder_with_expected_and_other_things_is_not_named_itself() -> None:
    assert named(["a", "a/b", "a/b/x", "a/c", "a/c/y"], "a/b/**") == [("a/b", "a/b/**"), ("a/c", "")]


def test_a_folder_of_nothing_but_expected_things_is_not_named() -> None:
    assert named(["a", "a/b", "a/b/x", "a/b/y"], "a/b/x", "a/b/y") == [("a/b/x", "a/b/x"), ("a/b/y", "a/b/y")]


def test_what_covers_a_folder_covers_what_is_in_it() -> None:
    assert named(["a", "a/b"], "a") == [("a", "a")]


PATHS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), max_size=12)


@given(paths=PATHS, pattern=st.sampled_from(["a", "a/**", "b/a", "**/c", "*/b"]))
def test_every_path_is_named_or_stands_in_one_that_is(paths: list[str], pattern: str) -> None:
    whole = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 2)}
    mark = marker([expected(pattern)], "deploy")
    told = dict(outermost(whole, mark))
    for path in whole:
        above = [one for one in told if path == one or path.startswith(f"{one}/")]
        holds_named = any(one.startswith(f"{path}/") for one in told)
        assert len(above) == 1 or (not above and holds_named)
        if mark(path) is not None:
            assert told[above[0]] is not None


# A release folder


def test_what_is_expected_is_neither_changed_nor_missing_nor_extra() -> None:
    changes: dict[str, Entry | None] = {
        "etc/app.conf": replace(MANIFEST.entries["etc/app.conf"], mode=0o600),
        "var/cache/x": None,
        "var/cache/new": Entry("var/cache/new", Kind.FILE, 0o644, 1, "1" * 64),
        "bin/app": None,
    }
    mark = marker([expected("var/cache/**"), expected("etc/app.conf")], "deploy")
    found = compare(MANIFEST, tree(changes=changes), mark)
    assert (found.changed, found.missing, found.extra) == ((), ("bin/app",), ())
    assert compare(MANIFEST, tree(changes=changes)).unproven == ("bin/app", "etc/app.conf", "var/cache/x")


def test_what_is_in_an_expected_folder_is_expected() -> None:
    gone: dict[str, Entry | None] = {"etc": None, "etc/app.conf": None, "etc/more.conf": None}
    assert compare(MANIFEST, tree(changes=gone), marker([expected("etc")], "deploy")).is_whole


# plan and apply


def planned(step: Any, seen: Observed, *entries: Expected) -> Any:
    case = Case(loaded(step, targets=("web-1",)), {"web-1": seen}, manifest=MANIFEST)
    given = case.given()
    plan = make_plan(replace(given, expected=entries))
    return next(found for found in plan.walk() if found.step.id == step.id).planned["web-1"]


def tampered(changes: dict[str, Entry | None]) -> Observed:
    left = Baseline(release="1.4.2", packages={"deploy": package_left()})
    return observed(
        places={"deploy": there(fingerprint="other", trees={"1.4.2": tree(changes=changes)})}, baseline=left
    )


EDITED: dict[str, Entry | None] = {"etc/app.conf": replace(MANIFEST.entries["etc/app.conf"], sha256="e" * 64)}
ADDED: dict[str, Entry | None] = {"new": Entry("new", Kind.FILE, 0o644, 1, "1" * 64)}


def test_apply_neither_repairs_nor_names_what_is_expected_in_a_release() -> None:
    step = package(to="/srv/shop")
    assert planned(step, tampered(EDITED | ADDED)).outcome is Outcome.CHANGED
    found = planned(step, tampered(EDITED | ADDED), expected("etc/app.conf"), expected("new"))
    assert (found.outcome, found.work, found.reason) == (Outcome.UNCHANGED, None, "release 1.4.2 is current")


def test_a_repair_for_another_reason_names_only_that_and_trusts_nothing_that_differs() -> None:
    gone: dict[str, Entry | None] = {"bin/app": None}
    found = planned(package(to="/srv/shop"), tampered(EDITED | ADDED | gone), expected("etc/app.conf"), expected("new"))
    assert isinstance(found.work, PackageWork)
    assert (found.work.repaired, found.work.extra) == (("bin/app",), ())
    assert found.work.damaged == ("bin/app", "etc/app.conf")


def test_another_content_that_git_wants_is_deployed_all_the_same() -> None:
    seen = tampered(EDITED)
    seen = replace(
        seen, packages={"deploy": replace(seen.packages["deploy"], releases=(ReleaseFolder("1.4.2", "f" * 64),))}
    )
    assert planned(package(to="/srv/shop"), seen, expected("**")).outcome is Outcome.CHANGED


def test_a_shared_path_that_is_expected_to_be_gone_is_left() -> None:
    step = package(to="/srv/shop", shared=("var/up",))
    linked = replace(
        MANIFEST, entries={**MANIFEST.entries, "var/up": Entry("var/up", Kind.LINK, target="../../../shared/var/up")}
    )
    left = Baseline(release="1.4.2", packages={"deploy": package_left(linked)})
    seen = observed(places={"deploy": there(linked)}, baseline=left)
    assert planned(step, seen).outcome is Outcome.CHANGED
    assert planned(step, seen, expected("var/up")).outcome is Outcome.UNCHANGED


PATH = "/etc/shop.conf"


def file_case(seen: FileSeen, left: Baseline | None = None) -> Observed:
    known = Baseline(release="1.4.2", files={"unit": file_left()}) if left is None else left
    return observed(baseline=known, files={"unit": seen})


@pytest.mark.parametrize(
    "seen", [file_seen("by hand\n"), file_seen(None), file_seen(mode=0o600), FileSeen(PATH, FileKind.LINK)]
)
def test_a_file_that_is_expected_to_differ_is_left(seen: FileSeen) -> None:
    step = file(mode=0o644)
    assert planned(step, file_case(seen)).outcome is not Outcome.UNCHANGED
    found = planned(step, file_case(seen), expected(PATH))
    assert (found.outcome, found.work) == (Outcome.UNCHANGED, None)
    assert found.reason == f"{PATH} differs, as is expected until 2027-01-10: the app writes here"


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("new wish\n", Baseline(release="1.4.2", files={"unit": file_left()})),
        ("text\n", Baseline(release="1.4.2")),
    ],
)
def test_a_new_wish_and_a_first_time_are_no_drift_and_written(content: str, left: Baseline) -> None:
    found = planned(file(content=content), file_case(file_seen("by hand\n"), left), expected(PATH))
    assert found.outcome is Outcome.CHANGED


def test_a_debt_of_a_file_that_is_left_is_still_paid() -> None:
    owed = (Owed("unit", "", "1.4.2", "on_change"),)
    left = Baseline(release="1.4.2", files={"unit": file_left()}, owed=owed)
    found = planned(file(on_change="reload"), file_case(file_seen("by hand\n"), left), expected(PATH))
    assert isinstance(found.work, FileWork)
    assert (found.work.changes, found.work.owed) == (False, ("on_change",))
