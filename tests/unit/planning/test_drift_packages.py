"""Packages: every way in which a place, a release, its record or its entries can be tampered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octo_ssh.model.drift import FindingKind, State
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import MAX_OWNERS, Baseline, Owed, Place, ReleaseFolder
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.planning.derive import Derived, Underivable
from octo_ssh.planning.drift_trees import Owners
from tests.unit.planning.builders import package, place
from tests.unit.planning.drifting import MANIFEST, Check, expected, package_left, there, tree, whose

APP, CONF = MANIFEST.entries["bin/app"], MANIFEST.entries["etc/app.conf"]
KEY = ("deploy", "web-1")
LINKED = Manifest(
    {**MANIFEST.entries, "var/uploads": Entry("var/uploads", Kind.LINK, target="../../../shared/var/uploads")}
)
EVIL = replace(CONF, sha256="e" * 64)


def entry(path: str, kind: Kind = Kind.FILE, **keys: Any) -> Entry:
    known = {"size": 1, "sha256": "1" * 64, "mode": 0o644} if kind is Kind.FILE else {"mode": 0o755}
    return Entry(path, kind, **{**known, **keys})


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.LINK, target=target)


def check(changes: Mapping[str, Entry | None] | None = None, *, manifest: Manifest = MANIFEST, **keys: Any) -> Check:
    made = Check(package=there(manifest, trees={"1.4.2": tree(manifest, changes, **keys)}))
    made.left = replace(made.left, packages={"deploy": package_left(manifest)})
    return made


TAMPERED = [
    ({"etc/app.conf": replace(CONF, sha256="0" * 64)}, ("content", "etc/app.conf"), "", ""),
    ({"etc/app.conf": replace(CONF, size=9, sha256="0" * 64)}, ("content", "etc/app.conf"), "4 bytes", "9 bytes"),
    ({"etc/app.conf": replace(CONF, mode=0o4644)}, ("mode", "etc/app.conf"), "0644", "4644"),
    ({"etc": entry("etc", Kind.DIR, mode=0o777)}, ("mode", "etc"), "0755", "0777"),
    ({"etc/app.conf": None}, ("missing", "etc/app.conf"), "file", "gone"),
    ({"etc/app.conf": link("etc/app.conf", "/dev/null")}, ("kind", "etc/app.conf"), "file", "link to /dev/null"),
    (
        {"etc/app.conf": entry("etc/app.conf", Kind.OTHER)},
        ("kind", "etc/app.conf"),
        "file",
        "neither file, folder nor link",
    ),
    ({"etc/app.conf": entry("etc/app.conf", Kind.DIR)}, ("kind", "etc/app.conf"), "file", "folder"),
    ({"new": entry("new")}, ("extra", "new"), "", "file"),
    ({"new": entry("new", Kind.OTHER)}, ("extra", "new"), "", "neither file, folder nor link"),
    ({"-rf": link("-rf", "/")}, ("extra", "-rf"), "", "link to /"),
    ({"a\n\"b'\udcff é": entry("a\n\"b'\udcff é")}, ("extra", "a\n\"b'\udcff é"), "", "file"),
]


@pytest.mark.parametrize(("changes", "found", "was", "now"), TAMPERED, ids=[str(row[1]) + row[3] for row in TAMPERED])
def test_one_change_of_an_entry_is_one_finding(
    changes: dict[str, Entry | None], found: tuple[str, str], was: str, now: str
) -> None:
    (finding,) = check(changes).step("deploy").findings
    assert (finding.kind.value, finding.subject) == found
    assert (finding.was, finding.now) == (was, now)


def test_where_a_link_leads_counts() -> None:
    made = check({"var/uploads": link("var/uploads", "/etc")}, manifest=LINKED)
    assert made.found() == {("link", "var/uploads")}


def test_a_folder_of_extras_is_one_finding() -> None:
    made = {"lib": entry("lib", Kind.DIR), "lib/a": entry("lib/a", Kind.DIR), "lib/a/b": entry("lib/a/b")}
    assert check({**made, "etc/x": entry("etc/x")}).found() == {("extra", "lib"), ("extra", "etc/x")}


def test_a_folder_that_is_gone_is_one_finding() -> None:
    gone = {path: None for path in MANIFEST.entries if path.startswith("etc")}
    assert check(gone).found() == {("missing", "etc")}


def test_a_folder_that_is_a_link_now_stands_for_what_was_in_it() -> None:
    gone = {path: None for path in MANIFEST.entries if path.startswith("etc/")}
    assert check({**gone, "etc": link("etc", "/etc")}).found() == {("kind", "etc")}


def test_a_file_that_is_a_folder_now_stands_for_what_is_in_it() -> None:
    made = {"bin/app": entry("bin/app", Kind.DIR), "bin/app/x": entry("bin/app/x")}
    assert check(made).found() == {("kind", "bin/app")}


# Owners


def test_other_owners_are_named() -> None:
    owners = {**whose(MANIFEST), "etc/app.conf": "1000:0", ".": "0:7", "new": "1000:1000"}
    made = check({"new": entry("new")}, owners=owners)
    assert made.found() == {("owner", "etc/app.conf"), ("owner", "."), ("extra", "new")}
    assert {(one.was, one.now) for one in made.step("deploy").findings if one.subject == "."} == {("0:0", "0:7")}


def test_an_entry_of_another_owner_from_the_beginning_is_right() -> None:
    made = check(owners={**whose(MANIFEST), "etc/app.conf": "33:33"})
    made.left = replace(
        made.left, packages={"deploy": package_left(owners={"etc/app.conf": "33:33", "bin/app": "5:5"})}
    )
    assert made.found() == {("owner", "bin/app")}


@pytest.mark.parametrize(("left", "seen"), [("", whose(MANIFEST, "9:9")), ("0:0", {})])
def test_owners_that_nobody_wrote_down_or_asked_for_are_not_compared(left: str, seen: dict[str, str]) -> None:
    made = check(owners=seen)
    made.left = replace(made.left, packages={"deploy": package_left(owner=left)})
    assert made.step("deploy").state is State.IN_SYNC


def test_where_not_every_exception_was_written_down_only_those_are_compared() -> None:
    owners = Owners("0:0", {f"f{number}": "1:1" for number in range(MAX_OWNERS)})
    assert (owners.should_be("f7"), owners.should_be("other"), owners.should_be(".")) == ("1:1", "", "0:0")


# What may not be read


def test_what_may_not_be_read_is_unknown_and_never_missing() -> None:
    hidden = {path: None for path in MANIFEST.entries if path.startswith("etc/")}
    made = check({**hidden, "bin/app": replace(APP, sha256="")}, unreadable=frozenset({"etc", "bin/app"}))
    step = made.step("deploy")
    assert (step.state, step.findings, step.reason) == (State.UNKNOWN, (), "bin/app, etc may not be read")


def test_what_can_be_told_of_an_unreadable_file_is_told() -> None:
    made = check({"bin/app": replace(APP, sha256="", mode=0)}, unreadable=frozenset({"bin/app"}))
    assert made.found() == {("mode", "bin/app")}
    assert "may not be read" in made.step("deploy").reason


def test_a_release_folder_that_may_not_be_entered_is_unknown() -> None:
    made = Check(package=there(trees={"1.4.2": tree(Manifest(), unreadable=frozenset({"."}), owners={})}))
    step = made.step("deploy")
    assert (step.state, step.reason) == (State.UNKNOWN, "the release folder may not be read")


def test_unreadable_things_that_are_expected_to_differ_are_not_asked_after() -> None:
    made = check({"bin/app": replace(APP, sha256="")}, unreadable=frozenset({"bin/app"}))
    made.keys["expected"] = (expected("bin/app"),)
    assert made.step("deploy").state is State.IN_SYNC


# The place and its record


@pytest.mark.parametrize(
    ("keys", "found", "now"),
    [
        ({"current": None}, ("current", "current"), "gone"),
        ({"current": "1.4.1"}, ("current", "current"), "1.4.1"),
        (
            {"place": Place.FOREIGN, "owner": "current is not a symbolic link"},
            ("current", "current"),
            "current is not a symbolic link",
        ),
        ({"place": Place.ABSENT}, ("missing", "/srv/shop"), "gone"),
        ({"releases": ()}, ("manifest", "releases/1.4.2.json"), "gone"),
        ({"releases": (), "trees": {}}, ("missing", "releases/1.4.2"), "gone"),
        ({"releases": (ReleaseFolder("1.4.2", "f" * 64),)}, ("manifest", "releases/1.4.2.json"), "f" * 12),
    ],
)
def test_a_place_that_is_not_as_it_was_left(keys: dict[str, Any], found: tuple[str, str], now: str) -> None:
    made = Check(package=there(**keys))
    assert made.found() == {found}
    assert made.step("deploy").findings[0].now == now


def test_a_place_that_may_not_be_looked_at_is_unknown() -> None:
    step = Check(package=there(place=Place.UNREADABLE)).step("deploy")
    assert (step.state, step.reason) == (State.UNKNOWN, "/srv/shop may not be looked at")


def test_a_run_that_was_killed_behind_its_switch_owes_and_is_no_swapped_link() -> None:
    made = Check(package=there(current="1.5.0"))
    made.left = replace(made.left, owed=(Owed("deploy", "shop", "1.5.0", "activate", "1.4.2"),))
    assert made.found() == {("owed", "activate")}
    made.package = there(current="1.3.0")
    assert made.found() == {("owed", "activate"), ("current", "current")}


@pytest.mark.parametrize(
    ("seen", "current", "said"),
    [
        (TimerSeen("t", None, False, restarted=True, new="1.4.2"), "1.4.2", "1.4.2 is unconfirmed since a power cut"),
        (TimerSeen("t", Verdict.OVERTAKEN, False, new="1.4.2"), "1.4.2", "1.4.2 was never confirmed"),
        (
            TimerSeen("t", Verdict.REVERTED, False, new="1.5.0", old="1.4.2", is_done=True),
            "1.4.2",
            "the target went back to 1.4.2 by itself: nobody confirmed 1.5.0 in time",
        ),
    ],
    ids=["power cut", "overtaken", "went back"],
)
def test_what_nobody_confirmed_is_a_finding(seen: TimerSeen, current: str, said: str) -> None:
    made = Check(package=there(current=current, timers=(seen,)))
    step = made.step("deploy")
    assert step.state is State.DRIFTED
    assert [(finding.subject, finding.now) for finding in step.findings] == [("confirm", said)]


def test_a_release_that_still_waits_for_its_confirmation_is_unknown() -> None:
    step = Check(package=there(timers=(TimerSeen("t", None, True, run="run-1", new="1.4.2"),))).step("deploy")
    assert (step.state, step.reason) == (State.UNKNOWN, "release 1.4.2 waits for run run-1 to confirm it")


@pytest.mark.parametrize(
    "seen",
    [
        TimerSeen("t", Verdict.CONFIRMED, False, new="1.4.2"),
        TimerSeen("t", None, False, new="1.5.0"),
        TimerSeen("t", Verdict.REVERTED, False, new="1.5.0", is_done=True, is_missed=True),
    ],
    ids=["confirmed", "of what never became current", "called off"],
)
def test_timers_that_are_over_are_none(seen: TimerSeen) -> None:
    assert Check(package=there(timers=(seen,))).step("deploy").state is State.IN_SYNC


def test_a_shared_path_that_is_gone_is_named_once() -> None:
    made = check(manifest=LINKED)
    made.left = replace(made.left, packages={"deploy": package_left(LINKED, shared=("var/uploads",))})
    assert made.found() == {("shared", "var/uploads")}
    broken = tree(LINKED, {"var/uploads": entry("var/uploads", Kind.DIR), "var/uploads/a": entry("var/uploads/a")})
    made.package = there(LINKED, trees={"1.4.2": broken})
    assert made.found() == {("shared", "var/uploads")}
    made.package = there(LINKED, trees={"1.4.2": tree(LINKED)}, shared=frozenset({"var/uploads"}))
    assert made.step("deploy").state is State.IN_SYNC


def test_files_are_named_though_the_targets_record_is_another_now() -> None:
    """The controller holds the right manifest; where it does not, it derives it."""
    changed = Manifest({**MANIFEST.entries, "etc/app.conf": EVIL})
    made = Check(
        package=there(
            releases=(ReleaseFolder("1.4.2", changed.sha256),),
            trees={"1.4.2": tree(changed)},
            manifests={"1.4.2": changed},
        )
    )
    made.keys["derived"] = {KEY: Derived(MANIFEST)}
    assert made.found() == {("manifest", "releases/1.4.2.json"), ("content", "etc/app.conf")}


def test_a_release_that_was_not_read_is_unknown() -> None:
    assert Check(package=there(trees={})).step("deploy").reason == "release 1.4.2 was not read"


def test_a_manifest_that_nobody_has_makes_a_release_unknown() -> None:
    assert Check(package=there(manifests={})).step("deploy").state is State.UNKNOWN


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        ({}, State.IN_SYNC),
        ({"fingerprint": "other"}, State.UNKNOWN),
        ({"releases": (ReleaseFolder("1.4.2", "f" * 64),)}, State.DRIFTED),
    ],
)
def test_quickly_an_equal_fingerprint_is_enough(keys: dict[str, Any], state: State) -> None:
    made = Check(package=there(trees={}, **keys), keys={"quick": True})
    assert made.step("deploy").state is state


# The target's record against what the controller derives


def test_file_manifest_and_baseline_edited_together_are_found() -> None:
    edited = Manifest({**MANIFEST.entries, "etc/app.conf": EVIL, "etc/new": entry("etc/new")})
    made = check(manifest=edited)
    made.keys["derived"] = {KEY: Derived(MANIFEST)}
    step = made.step("deploy")
    assert made.found() == {("manifest", "etc/app.conf"), ("manifest", "etc/new")}
    assert not step.unverified
    assert {(one.was, one.now) for one in step.findings} == {("", ""), ("not there", "there")}


def test_without_anything_to_hold_it_against_the_manifest_is_unverified() -> None:
    assert Check().step("deploy").unverified
    made = Check(keys={"derived": {KEY: Underivable("the package is not at hand")}})
    assert made.step("deploy").unverified


def test_what_was_derived_and_is_the_same_is_verified() -> None:
    step = Check(keys={"derived": {KEY: Derived(MANIFEST)}}).step("deploy")
    assert (step.state, step.unverified, step.unverified_files) == (State.IN_SYNC, False, ())


def test_files_with_secrets_are_left_out_and_named_as_unverified() -> None:
    edited = Manifest({**MANIFEST.entries, "etc/app.conf": EVIL})
    made = check(manifest=edited)
    made.keys["derived"] = {KEY: Derived(MANIFEST, {"etc/app.conf": "it holds a secret"})}
    step = made.step("deploy")
    assert (step.state, step.unverified, step.unverified_files) == (State.IN_SYNC, False, ("etc/app.conf",))
    worse = Manifest({**MANIFEST.entries, "etc/app.conf": replace(EVIL, mode=0o777)})
    made = check(manifest=worse)
    made.keys["derived"] = {KEY: Derived(MANIFEST, {"etc/app.conf": "it holds a secret"})}
    assert made.found() == {("manifest", "etc/app.conf")}


def test_where_this_controller_applied_it_another_wish_is_pending_and_no_drift() -> None:
    made = Check(keys={"derived": {KEY: Derived(Manifest({**MANIFEST.entries, "etc/app.conf": EVIL}))}})
    made.keys["trusted"] = frozenset({MANIFEST.sha256})
    step = made.step("deploy")
    assert (step.state, step.reason) == (State.PENDING, "the plan gives other content: etc/app.conf")
    assert not step.unverified


def test_what_was_derived_for_another_release_tells_nothing() -> None:
    made = Check(keys={"derived": {KEY: Derived(Manifest())}})
    made.left = replace(made.left, release="1.5.0")
    assert made.step("deploy").findings == ()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda made: made.plan.update(release="1.5.0"), "1.5.0 is wanted, 1.4.2 was applied"),
        (lambda made: setattr(made, "steps", (package(to="/srv/other"),)), "the plan wants it at /srv/other"),
    ],
)
def test_what_git_wants_beside_is_pending(make: Callable[[Check], None], reason: str) -> None:
    made = Check()
    make(made)
    step = made.step("deploy")
    assert (step.state, step.reason) == (State.PENDING, reason)


def test_a_rebuilt_folder_is_of_the_same_release() -> None:
    made = Check(
        package=there(
            current="1.4.2_1", releases=(ReleaseFolder("1.4.2_1", MANIFEST.sha256),), trees={"1.4.2_1": tree()}
        )
    )
    made.package = replace(made.package, manifests={"1.4.2_1": MANIFEST}) if made.package else None
    made.left = replace(made.left, packages={"deploy": package_left(folder="1.4.2_1")})
    assert made.step("deploy").state is State.IN_SYNC


# --against plan


def against(**keys: Any) -> Check:
    return Check(keys={"against_plan": True, **keys})


def test_the_plan_decides_where_that_is_asked_for() -> None:
    made = against(wanted={KEY: Derived(Manifest({**MANIFEST.entries, "etc/app.conf": EVIL}))})
    assert made.found() == {("content", "etc/app.conf")}


def test_another_release_than_the_plans_is_one_finding() -> None:
    made = against(wanted={KEY: Derived(MANIFEST)})
    made.plan["release"] = "1.5.0"
    assert made.found() == {("current", "current")}


def test_what_cannot_be_told_without_a_secret_is_unknown_with_the_reason() -> None:
    made = against(wanted={KEY: Derived(MANIFEST, {"etc/app.conf": "it holds a secret"})})
    made.package = there(trees={"1.4.2": tree(changes={"etc/app.conf": replace(EVIL, size=99)})})
    step = made.step("deploy")
    assert (step.state, step.findings) == (State.UNKNOWN, ())
    assert step.reason == "etc/app.conf: what the plan wants cannot be told: it holds a secret"


def test_a_package_that_is_not_at_hand_is_unknown_against_the_plan() -> None:
    assert against().step("deploy").reason == "what the plan wants cannot be told: the package is not at hand"


def test_a_package_that_was_never_applied_differs_from_the_plan() -> None:
    made = against()
    made.left, made.package = replace(made.left, packages={}), place(place=Place.ABSENT)
    assert made.found() == {("missing", "current")}


# Any manifest, any set of single changes

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=4).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    entries: dict[str, Entry] = {}
    for path in draw(st.lists(PATHS, max_size=8)):
        parts = path.split("/")
        parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if path in entries or any(parent in entries and entries[parent].kind is not Kind.DIR for parent in parents):
            continue
        entries |= {parent: entry(parent, Kind.DIR) for parent in parents}
        entries[path] = draw(st.sampled_from([entry(path), entry(path, Kind.DIR), link(path, "x")]))
    return Manifest(entries)


def changes_of(one: Entry) -> list[tuple[FindingKind, Entry | None]]:
    """What may become of an entry, each a finding of its kind."""
    match one.kind:
        case Kind.FILE:
            return [
                (FindingKind.CONTENT, replace(one, sha256="2" * 64)),
                (FindingKind.MODE, replace(one, mode=0o600)),
                (FindingKind.KIND, link(one.path, "x")),
                (FindingKind.KIND, entry(one.path, Kind.OTHER)),
                (FindingKind.MISSING, None),
            ]
        case Kind.LINK:
            return [
                (FindingKind.LINK, link(one.path, "y")),
                (FindingKind.KIND, entry(one.path)),
                (FindingKind.MISSING, None),
            ]
        case _:
            return [(FindingKind.MODE, replace(one, mode=0o700))]


@given(data=st.data(), manifest=manifests())
@settings(max_examples=200, deadline=None)
def test_exactly_what_was_changed_is_found_and_named(data: st.DataObject, manifest: Manifest) -> None:
    changes: dict[str, Entry | None] = {}
    owners = whose(manifest)
    wanted: set[tuple[str, str]] = set()
    paths = sorted(manifest.entries)
    for path in data.draw(st.lists(st.sampled_from(paths), unique=True)) if paths else []:
        kind, changes[path] = data.draw(st.sampled_from(changes_of(manifest.entries[path])))
        wanted.add((kind.value, path))
    folders = [path for path, one in manifest.entries.items() if one.kind is Kind.DIR]
    for name in data.draw(st.lists(NAMES, max_size=3)):
        path = "/".join(filter(None, (data.draw(st.sampled_from(["", *folders])), name)))
        if path not in manifest.entries:
            changes[path] = entry(path)
            wanted.add(("extra", path))
    for path in data.draw(st.lists(st.sampled_from(sorted({".", *paths} - changes.keys())), unique=True)):
        owners[path] = "7:7"
        wanted.add(("owner", path))
    made = check(changes, manifest=manifest, owners=owners)
    made.keys["derived"] = {KEY: Derived(manifest)}
    step = made.step("deploy")
    assert {(one.kind.value, one.subject) for one in step.findings} == wanted
    assert step.state is (State.DRIFTED if wanted else State.IN_SYNC)
    assert len({one.key for one in step.findings}) == len(step.findings)


@given(data=st.data(), manifest=manifests())
@settings(max_examples=100, deadline=None)
def test_what_may_not_be_read_is_never_called_missing_or_changed(data: st.DataObject, manifest: Manifest) -> None:
    paths = sorted(manifest.entries)
    closed = data.draw(st.lists(st.sampled_from(paths), unique=True)) if paths else []
    hidden = {path: None for path in paths if any(path.startswith(f"{one}/") for one in closed)}
    blind = {
        path: replace(manifest.entries[path], sha256="")
        for path in closed
        if path not in hidden and manifest.entries[path].kind is Kind.FILE
    }
    step = check({**hidden, **blind}, manifest=manifest, unreadable=frozenset(closed) - hidden.keys()).step("deploy")
    assert step.findings == ()
    assert step.state is (State.UNKNOWN if closed else State.IN_SYNC)


def test_the_mode_of_the_release_folder_itself_counts() -> None:
    (finding,) = check(mode=0o777).step("deploy").findings
    assert (finding.kind.value, finding.subject, finding.was, finding.now) == ("mode", ".", "0755", "0777")


@pytest.mark.parametrize("mode", [None, 0o755, 0o2755])
def test_a_release_folder_that_has_its_group_from_above_is_right(mode: int | None) -> None:
    assert check(mode=mode).step("deploy").state is State.IN_SYNC


def test_a_release_that_is_current_and_that_nothing_is_remembered_of_is_no_pending_one() -> None:
    made = Check(left=Baseline(), file=None, service=None)
    assert made.found() == {("manifest", "baseline")}
    for seen in (there(current=None), place(place=Place.ABSENT), place(place=Place.FOREIGN, current="1.4.2"), None):
        made.package = seen
        assert made.step("deploy").reason == "never applied here"
    made = Check(left=Baseline(release="1.4.2"))  # its memory of this step ended when the plan had it no more
    assert made.step("deploy").reason == "never applied here"


# A step by another name


def renamed(**keys: Any) -> Check:
    made = Check(steps=(package("bring", to="/srv/shop"),), keys=keys)
    made.seen["packages"] = {"deploy": there(), "bring": there()}
    return made


def test_a_package_that_was_applied_under_another_name_is_not_called_never_applied() -> None:
    step = renamed().step("bring")
    assert (step.state, step.reason) == (State.PENDING, "applied as step 'deploy', which the plan has no more")


def test_against_the_plan_a_package_that_was_applied_under_another_name_is_compared() -> None:
    key = ("bring", "web-1")
    made = renamed(against_plan=True, wanted={key: Derived(MANIFEST)})
    assert made.target().state is State.IN_SYNC
    made.keys["wanted"] = {key: Derived(Manifest({**MANIFEST.entries, "etc/app.conf": EVIL}))}
    assert made.found("bring") == {("content", "etc/app.conf")}


def test_a_shared_path_that_may_not_be_looked_at_is_unknown_and_never_gone() -> None:
    left = package_left(shared=("var/uploads", "var/log"))
    made = Check(package=there(closed=frozenset({"var/uploads"})))
    made.left = replace(made.left, packages={"deploy": left})
    assert {found for found in made.found() if found[0] == "shared"} == {("shared", "var/log")}
    assert "shared/var/uploads may not be looked at" in made.step("deploy").reason
