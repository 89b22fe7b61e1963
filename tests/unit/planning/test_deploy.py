"""Package steps: which folder, what is sent, what follows (SPEC sections 4, 6 and 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import Refused
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import (
    Baseline,
    Observed,
    Owed,
    PackageBaseline,
    PackagePlace,
    Place,
    ReleaseFolder,
    Tree,
)
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CommandProbe, HttpProbe, PackageScript, Probe, Restart
from octo_ssh.model.timers import TimerSeen, Verdict
from octo_ssh.model.work import HttpWork, PackageWork, ScriptWork
from octo_ssh.planning.request import RunOptions
from tests.unit.planning.builders import (
    MANIFEST,
    Case,
    facts,
    files,
    loaded,
    observed,
    package,
    place,
    run,
    service,
    service_seen,
    tree_of,
)

OLD = files(bin__app="old app", etc__app_DOT_conf="conf")
WHOLE = Tree(MANIFEST.entries)
CHANGED = Tree({**MANIFEST.entries, "etc/app.conf": replace(MANIFEST.entries["etc/app.conf"], sha256="0" * 64)})
OPEN = Entry("bin", Kind.DIR, 0o777)
VERIFY = Probe(CommandProbe("true"))


def release(name: str, manifest: Manifest = MANIFEST) -> ReleaseFolder:
    return ReleaseFolder(name, manifest.sha256)


def baseline(folder: str, manifest: Manifest = MANIFEST, *, history: tuple[str, ...] = (), **keys: object) -> Baseline:
    state = PackageBaseline("/srv/shop", folder, manifest.sha256, "print", history)
    return Baseline(release=folder, packages={"deploy": state}, **keys)  # type: ignore[arg-type]


def at(here: PackagePlace, remembered: Baseline | None = None, **keys: Any) -> Observed:
    return observed(places={"deploy": here}, baseline=remembered or Baseline(), **keys)


def decide(here: Observed, **keys: object) -> Case:
    return Case(loaded(package("deploy", to="/srv/shop", **keys), targets=("web-1",)), {"web-1": here})


def work(case: Case) -> PackageWork:
    found = case.of("deploy").work
    assert isinstance(found, PackageWork)
    return found


AT_OLD = place(current="1.4.1", releases=(release("1.4.1", OLD),), fingerprint="print", manifests={"1.4.1": OLD})
DONE = place(current="1.4.2", releases=(release("1.4.2"),), fingerprint="print")


def test_a_first_release_is_built_from_nothing() -> None:
    case = decide(at(place(place=Place.ABSENT)), verify=VERIFY)
    planned = case.of("deploy")
    assert planned.outcome is Outcome.CHANGED
    assert planned.reason == "release 1.4.2: 2 files to send"
    made = work(case)
    assert (made.folder, made.build, made.switch, made.base, made.previous, made.keep) == (
        "1.4.2",
        True,
        True,
        None,
        None,
        (),
    )


def test_the_second_release_copies_from_the_current_one_and_may_return_to_it() -> None:
    case = decide(at(AT_OLD, baseline("1.4.1", OLD)))
    assert case.of("deploy").reason == "release 1.4.2: 1 file to send"
    made = work(case)
    assert (made.base, made.previous, made.keep) == ("1.4.1", "1.4.1", ("1.4.1",))


def test_the_same_release_again_changes_nothing() -> None:
    planned = decide(at(DONE, baseline("1.4.2")), activate="true").of("deploy")
    assert (planned.outcome, planned.reason, planned.work) == (Outcome.UNCHANGED, "release 1.4.2 is current", None)


@pytest.mark.parametrize(("current", "stray"), [("by-hand", "by-hand"), (None, ""), ("1.4.1", "")])
def test_where_current_leads_is_known_also_when_it_is_no_release(current: str | None, stray: str) -> None:
    here = replace(AT_OLD, current=current)
    assert work(decide(at(here, baseline("1.4.1", OLD)))).stray == stray


def renamed(**keys: Any) -> Baseline:
    """Brought there as step ``bring``."""
    left = baseline("1.4.2", **keys)
    return replace(left, packages={"bring": left.packages["deploy"]})


def test_a_step_with_a_new_name_changes_nothing_and_is_remembered_under_it() -> None:
    case = decide(at(DONE, renamed()), activate="true")
    planned = case.of("deploy")
    assert planned.reason == "release 1.4.2 is current; remembered as step 'bring' so far"
    assert (planned.outcome, planned.work) == (Outcome.UNCHANGED, None)
    made = case.plan()
    assert (made.renaming, made.forgetting) == ({"web-1": {"bring": "deploy"}}, {})
    assert (made.changing, made.remembering) == (("web-1",), ("web-1",))
    assert decide(at(DONE, baseline("1.4.2"))).plan().changing == ()


def test_what_a_step_owes_under_its_old_name_is_paid() -> None:
    owed = (Owed("bring", "shop", "1.4.2", "activate"),)
    case = decide(at(DONE, renamed(owed=owed)), activate="true")
    assert work(case).owed == ("activate",)


def test_a_touched_release_that_is_whole_changes_nothing() -> None:
    here = replace(DONE, fingerprint="other", trees={"1.4.2": WHOLE})
    assert decide(at(here, baseline("1.4.2"))).of("deploy").work is None


def test_a_changed_file_is_repaired_in_a_folder_of_its_own() -> None:
    here = replace(DONE, fingerprint="other", trees={"1.4.2": CHANGED})
    case = decide(at(here, baseline("1.4.2")))
    assert case.of("deploy").reason == "repair: etc/app.conf changed; 1 file to send"
    made = work(case)
    assert (made.folder, made.build, made.base) == ("1.4.2_1", True, "1.4.2")
    assert made.repaired == made.damaged == ("etc/app.conf",)


def test_a_missing_file_is_repaired() -> None:
    entries = {path: entry for path, entry in MANIFEST.entries.items() if path != "bin/app"}
    here = replace(DONE, fingerprint="other", trees={"1.4.2": Tree(entries)})
    case = decide(at(here, baseline("1.4.2")))
    assert case.of("deploy").reason == "repair: bin/app missing; 1 file to send"
    assert (work(case).base, work(case).damaged) == ("1.4.2", ("bin/app",))


def test_a_folder_with_another_mode_is_repaired_and_no_file_is_sent() -> None:
    here = replace(DONE, fingerprint="other", trees={"1.4.2": Tree({**MANIFEST.entries, "bin": OPEN})})
    case = decide(at(here, baseline("1.4.2")))
    assert case.of("deploy").reason == "repair: bin changed; nothing to send"
    assert (work(case).base, work(case).damaged) == ("1.4.2", ("bin",))


def test_nothing_damaged_is_taken_for_the_next_release() -> None:
    tampered = {**OLD.entries, "etc/app.conf": replace(OLD.entries["etc/app.conf"], sha256="0" * 64)}
    case = decide(at(replace(AT_OLD, fingerprint="other", trees={"1.4.1": Tree(tampered)}), baseline("1.4.1", OLD)))
    assert case.of("deploy").reason == "release 1.4.2: 2 files to send"
    assert (work(case).base, work(case).damaged) == ("1.4.1", ("etc/app.conf",))


def test_what_cannot_be_read_is_not_taken_from_a_base() -> None:
    hidden = Tree({path: entry for path, entry in OLD.entries.items() if path != "etc/app.conf"}, frozenset({"etc"}))
    case = decide(at(replace(AT_OLD, fingerprint="other", trees={"1.4.1": hidden}), baseline("1.4.1", OLD)))
    assert case.of("deploy").reason == "release 1.4.2: 2 files to send"
    assert (work(case).base, work(case).damaged) == ("1.4.1", ("etc", "etc/app.conf"))


@pytest.mark.parametrize("manifests", [{}, {"1.4.1": MANIFEST}], ids=["unknown", "another than lies there now"])
def test_a_release_whose_manifest_is_not_known_is_no_base(manifests: dict[str, Manifest]) -> None:
    here = replace(AT_OLD, fingerprint="other", trees={"1.4.1": Tree(OLD.entries)}, manifests=manifests)
    case = decide(at(here, baseline("1.4.1", OLD)))
    assert case.of("deploy").reason == "release 1.4.2: 2 files to send"
    assert (work(case).base, work(case).damaged) == (None, ())


def test_extra_entries_are_named_and_left() -> None:
    extra = Tree({**MANIFEST.entries, "tmp": Entry("tmp", Kind.DIR, 0o755), "tmp/x": Entry("tmp/x", Kind.FILE)})
    here = replace(DONE, fingerprint="other", trees={"1.4.2": extra})
    planned = decide(at(here, baseline("1.4.2"))).of("deploy")
    assert (planned.reason, planned.work) == ("extra: tmp left alone", None)


def test_what_cannot_be_read_is_not_taken_for_changed() -> None:
    hidden = Tree({k: v for k, v in MANIFEST.entries.items() if k != "bin/app"}, frozenset({"bin/app"}))
    here = replace(DONE, fingerprint="other", trees={"1.4.2": hidden})
    planned = decide(at(here, baseline("1.4.2"))).of("deploy")
    assert (planned.reason, planned.work) == ("release 1.4.2 is current; unreadable: bin/app", None)


def test_other_content_under_the_same_version_gets_a_number() -> None:
    here = place(current="1.4.2", releases=(release("1.4.2", OLD),), fingerprint="print", manifests={"1.4.2": OLD})
    case = decide(at(here, baseline("1.4.2", OLD)))
    assert case.of("deploy").reason == "release 1.4.2_1, other content under one version: 1 file to send"
    assert (work(case).folder, work(case).base, work(case).previous) == ("1.4.2_1", "1.4.2", "1.4.2")


def test_a_complete_folder_that_is_whole_is_used_again() -> None:
    here = replace(AT_OLD, releases=(release("1.4.1", OLD), release("1.4.2")), trees={"1.4.2": WHOLE})
    case = decide(at(here, baseline("1.4.1", OLD)))
    assert case.of("deploy").reason == "release 1.4.2 is there already, to be made current"
    assert (work(case).folder, work(case).build, work(case).switch) == ("1.4.2", False, True)


@pytest.mark.parametrize("trees", [{}, {"1.4.2": CHANGED}])
def test_a_complete_folder_that_was_not_proven_whole_is_not_used(trees: dict[str, Tree]) -> None:
    here = replace(AT_OLD, releases=(release("1.4.1", OLD), release("1.4.2")), trees=trees)
    made = work(decide(at(here, baseline("1.4.1", OLD))))
    assert (made.folder, made.build) == ("1.4.2_1", True)


def test_the_same_content_under_another_version_is_still_another_release() -> None:
    here = place(current="1.4.1", releases=(release("1.4.1"),), fingerprint="print", manifests={"1.4.1": MANIFEST})
    case = decide(at(here, baseline("1.4.1")))
    assert case.of("deploy").reason == "release 1.4.2: nothing to send"


@given(st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)))
def test_no_complete_or_remembered_folder_is_ever_built_again(complete: set[int], remembered: set[int]) -> None:
    names = ["1.4.2" + (f"_{number}" if number else "") for number in range(8)]
    here = place(releases=tuple(release(names[number], OLD) for number in sorted(complete)))
    history = tuple(names[number] for number in sorted(remembered))
    made = work(decide(at(here, baseline("1.4.1", OLD, history=history))))
    assert made.build
    assert made.folder == next(name for index, name in enumerate(names) if index not in complete | remembered)


def test_of_successful_predecessors_so_many_stay_and_failed_ones_go() -> None:
    folders = ("1.4.1", "1.4.0", "1.3.9", "1.3.8", "1.3.7")
    here = replace(AT_OLD, releases=tuple(release(name, OLD) for name in (*folders, "1.4.0_broken")))
    remembered = baseline("1.4.1", OLD, history=("1.4.0", "gone", "1.3.9", "1.3.8", "1.3.7"))
    assert work(decide(at(here, remembered), keep=3)).keep == ("1.4.1", "1.4.0", "1.3.9")
    assert work(decide(at(here, remembered), keep=0)).keep == ()


# Owed.


def test_what_a_killed_run_owes_is_made_good() -> None:
    owed = (Owed("deploy", "shop", "1.4.2", "activate", "1.4.1"), Owed("deploy", "shop", "1.4.2", "verify", "1.4.1"))
    here = replace(DONE, releases=(release("1.4.1", OLD), release("1.4.2")), trees={"1.4.2": WHOLE})
    case = decide(at(here, baseline("1.4.1", OLD, owed=owed)), activate="true", verify=VERIFY)
    made = work(case)
    assert (made.build, made.switch, made.owed, made.previous) == (False, False, ("activate", "verify"), "1.4.1")


def test_only_verify_is_owed_when_activate_was_seen_to_happen() -> None:
    owed = (Owed("deploy", "shop", "1.4.2", "verify", None),)
    case = decide(at(DONE, baseline("1.4.2", owed=owed)), activate="true", verify=VERIFY)
    assert case.of("deploy").reason == "owed since an earlier run: verify"
    assert work(case).owed == ("verify",)


def test_a_current_release_without_a_recorded_success_is_activated_again() -> None:
    here = replace(DONE, trees={"1.4.2": WHOLE})
    planned = decide(at(here), activate="true").of("deploy")
    assert planned.reason == "release 1.4.2 is current, but no success of it is recorded: activate"
    assert planned.due


def test_a_release_whose_own_verify_is_owed_is_not_returned_to() -> None:
    owed = (Owed("deploy", "shop", "1.4.1", "verify", "1.4.0"),)
    here = replace(AT_OLD, releases=(release("1.4.0", OLD), release("1.4.1", OLD)))
    assert work(decide(at(here, baseline("1.4.0", OLD, owed=owed)))).previous == "1.4.0"


def test_redeploy_activates_and_verifies_again_and_builds_nothing() -> None:
    case = decide(at(DONE, baseline("1.4.2")), activate="true", verify=VERIFY)
    case.options = RunOptions(redeploy=True)
    assert (work(case).build, work(case).switch, work(case).owed) == (False, False, ("activate", "verify"))
    assert case.of("deploy").reason == "--redeploy: activate and verify again"


# Releases that wait for a confirmation.


def timer(verdict: Verdict | None = None, *, new: str = "1.4.2", old: str | None = "1.4.1", **keys: Any) -> TimerSeen:
    return TimerSeen("t1", verdict, keys.pop("runs", False), run="run-1", new=new, old=old, within_s=60, **keys)


BOTH = (release("1.4.1", OLD), release("1.4.2"))
UNCONFIRMED = place(current="1.4.2", releases=BOTH, fingerprint="print", trees={"1.4.2": WHOLE})
WENT_BACK = place(current="1.4.1", releases=BOTH, fingerprint="print", manifests={"1.4.1": OLD}, trees={"1.4.2": WHOLE})
CONFIRMS: dict[str, Any] = {"activate": "true", "verify": VERIFY, "confirm_s": 60.0}


def test_a_release_that_is_switched_to_waits_for_a_confirmation() -> None:
    made = work(decide(at(AT_OLD, baseline("1.4.1", OLD)), **CONFIRMS))
    assert (made.confirm_s, made.previous) == (60.0, "1.4.1")
    assert work(decide(at(AT_OLD, baseline("1.4.1", OLD)))).confirm_s is None


def test_a_first_release_is_confirmed_too_and_a_good_one_with_nothing_before_it_is_not_again() -> None:
    assert work(decide(at(place(place=Place.ABSENT)), **CONFIRMS)).confirm_s == 60.0
    again = decide(at(DONE, baseline("1.4.2")), **CONFIRMS)
    again.options = RunOptions(redeploy=True)
    assert (work(again).owed, work(again).confirm_s) == (("activate", "verify", "confirm"), None)
    before = decide(at(UNCONFIRMED, baseline("1.4.2", history=("1.4.1",))), **CONFIRMS)
    before.options = RunOptions(redeploy=True)
    assert (work(before).previous, work(before).confirm_s) == ("1.4.1", 60.0)


def test_a_confirmation_is_a_consequence_like_others() -> None:
    owed = (Owed("deploy", "shop", "1.4.2", "confirm", "1.4.1"),)
    case = decide(at(DONE, baseline("1.4.2", owed=owed)), **CONFIRMS)
    assert case.of("deploy").reason == "owed since an earlier run: confirm"
    assert work(case).owed == ("confirm",)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (timer(restarted=True), "is unconfirmed since a power cut"),
        (timer(runs=True), "waits for run run-1 to confirm it"),
        (timer(), "was never confirmed"),
        (timer(Verdict.OVERTAKEN), "was never confirmed"),
    ],
    ids=["power cut", "still counting", "timer killed", "overtaken"],
)
@pytest.mark.parametrize("left", [baseline("1.4.1", OLD), baseline("1.4.2")], ids=["of a switch", "of a --redeploy"])
def test_what_nobody_confirmed_is_activated_verified_and_confirmed(seen: TimerSeen, said: str, left: Baseline) -> None:
    case = decide(at(replace(UNCONFIRMED, timers=(seen,)), left), **CONFIRMS)
    assert case.of("deploy").reason == f"release 1.4.2 {said}: activate and verify and confirm"
    made = work(case)
    assert (made.switch, made.owed, made.previous) == (False, ("activate", "verify", "confirm"), "1.4.1")
    assert made.confirm_s == 60.0


def test_what_another_release_takes_the_place_of_is_told_of() -> None:
    unconfirmed = replace(AT_OLD, timers=(timer(new="1.4.1", old="1.4.0", restarted=True),))
    reason = decide(at(unconfirmed, baseline("1.4.1", OLD)), **CONFIRMS).of("deploy").reason
    assert reason == "release 1.4.2: 1 file to send; 1.4.1 is unconfirmed since a power cut"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"came": {"activate": 0}, "is_done": True}, ""),
        ({"came": {"activate": 7}, "is_done": True}, ", but its activate failed with status 7"),
        ({}, ", and what came of that is not known"),
    ],
    ids=["well", "badly", "unseen"],
)
def test_that_a_target_went_back_by_itself_is_told(keys: dict[str, Any], said: str) -> None:
    here = replace(WENT_BACK, timers=(timer(Verdict.REVERTED, **keys),))
    reason = decide(at(here, baseline("1.4.1", OLD)), **CONFIRMS).of("deploy").reason
    told = "the target went back to 1.4.1 by itself: nobody confirmed 1.4.2 in time"
    assert reason == f"release 1.4.2 is there already, to be made current; {told}{said}"


@pytest.mark.parametrize("seen", [timer(Verdict.CONFIRMED), timer(Verdict.RETURNED), timer(new="1.3.0")])
def test_timers_that_are_over_or_about_something_else_change_nothing(seen: TimerSeen) -> None:
    case = decide(at(replace(DONE, timers=(seen,)), baseline("1.4.2")), **CONFIRMS)
    assert case.of("deploy").outcome is Outcome.UNCHANGED


# Shared places.


def test_shared_places_that_are_not_there_are_filled() -> None:
    here = replace(AT_OLD, shared=frozenset({"var/log"}))
    made = work(decide(at(here, baseline("1.4.1", OLD)), shared=("var/log", "var/uploads")))
    assert made.seeds == ("var/uploads",)
    assert made.manifest.entries["var/uploads"].target == "../../../shared/var/uploads"


def test_a_shared_place_that_has_gone_is_a_repair() -> None:
    wanted = work(decide(at(place(place=Place.ABSENT)), shared=("up",))).manifest
    here = place(current="1.4.2", releases=(release("1.4.2", wanted),), fingerprint="print")
    planned = decide(at(here, baseline("1.4.2", wanted)), shared=("up",)).of("deploy")
    assert planned.reason == "repair: shared up missing; nothing to send"


# What follows.


def test_activate_runs_in_its_own_release_folder() -> None:
    activate = work(decide(at(place(place=Place.ABSENT)), activate="systemctl restart shop")).activate
    assert activate is not None
    assert activate.cwd == "/srv/shop/releases/1.4.2"
    assert activate.env["OCTO_RELEASE_DIR"] == "/srv/shop/releases/1.4.2"
    assert activate.env["OCTO_RELEASE_DIR_SHOP"] == "/srv/shop/releases/1.4.2"


def test_verify_asks_a_url_or_runs_a_command() -> None:
    url = work(decide(at(place(place=Place.ABSENT)), verify=Probe(HttpProbe("http://x/", "ok"), 5.0, 1.0))).verify
    assert url is not None
    assert (url.what, url.within_s, url.every_s) == (HttpWork("http://x/", "ok"), 5.0, 1.0)
    command = Probe(CommandProbe(("curl", "a b")))
    asked = work(decide(at(place(place=Place.ABSENT)), verify=command)).verify
    assert asked is not None
    assert isinstance(asked.what, ScriptWork)
    assert asked.what.script == "curl 'a b'\n"


def test_a_url_on_a_target_with_neither_curl_nor_wget_refuses_the_run() -> None:
    here = at(place(place=Place.ABSENT), facts=facts(tools=frozenset({"tar"})))
    with pytest.raises(Refused, match="web-1 has neither curl nor wget"):
        decide(here, verify=Probe(HttpProbe("http://x/"))).plan()


def test_a_place_of_somebody_else_refuses_the_run_and_names_the_owner() -> None:
    with pytest.raises(Refused, match=r"web-1: /srv/shop is not this project's \(crm in production\)"):
        decide(at(place(place=Place.FOREIGN, owner="crm in production"))).plan()


def test_a_place_that_cannot_be_looked_into_refuses_the_run() -> None:
    with pytest.raises(Refused, match="cannot be looked into by the login"):
        decide(at(place(place=Place.UNREADABLE))).plan()


def test_scripts_before_a_package_that_waits_in_the_store_have_the_work_folder() -> None:
    here = at(place(place=Place.ABSENT, writable=False))
    case = Case(
        loaded(run("before"), package("deploy", to="/srv/shop"), run("after"), targets=("web-1",)), {"web-1": here}
    )
    before, after = case.of("before").work, case.of("after").work
    assert isinstance(before, ScriptWork)
    assert isinstance(after, ScriptWork)
    assert (before.cwd, dict(before.release_dirs)) == (None, {})
    assert after.cwd == "/srv/shop/releases/1.4.2"


# Octopus's scripts at the package's root.

SCRIPTED = tree_of({"PreDeploy.sh": "pre", "Deploy.sh": "echo $OCTO_OUTPUT_MAKE_X", "bin/PostDeploy.sh": "no"})


def scripted(manifest: Manifest, *debts: str, **keys: object) -> Case:
    """A package that is current, and owes these."""
    here = place(current="1.4.2", releases=(release("1.4.2", manifest),), fingerprint="print")
    owed = tuple(Owed("deploy", "shop", "1.4.2", what) for what in debts)
    case = decide(at(here, baseline("1.4.2", manifest, owed=owed)), **keys)
    case.manifest = manifest
    return case


def test_octopus_scripts_at_the_root_run_in_the_release_folder_whatever_their_mode() -> None:
    case = Case(
        loaded(run("make"), package("deploy", to="/srv/shop"), targets=("web-1",)),
        {"web-1": at(place(place=Place.ABSENT))},
        manifest=SCRIPTED,
        texts={("shop", "Deploy.sh"): "echo $OCTO_OUTPUT_MAKE_X", ("shop", "PreDeploy.sh"): "pre"},
    )
    found = work(case).conventions
    assert [(name, script.script) for name, script in found.items()] == [
        ("PreDeploy", PackageScript("shop", "PreDeploy.sh")),
        ("Deploy", PackageScript("shop", "Deploy.sh")),
    ]
    folder = "/srv/shop/releases/1.4.2"
    deploy = found["Deploy"]
    assert (deploy.cwd, deploy.is_convention, deploy.env["OCTO_RELEASE_DIR"]) == (folder, True, folder)
    assert (deploy.reads, found["PreDeploy"].reads, case.of("deploy").after) == (("make",), (), ("make",))


@pytest.mark.parametrize(
    ("debts", "expected"),
    [
        ((), ()),
        (("verify",), ("verify",)),
        (("PostDeploy",), ("PostDeploy", "verify")),
        (("activate", "PostDeploy"), ("activate", "PostDeploy", "verify")),
        (("verify", "Deploy"), ("Deploy", "activate", "PostDeploy", "verify")),
    ],
)
def test_what_is_owed_is_made_good_with_all_that_follows_it(debts: tuple[str, ...], expected: tuple[str, ...]) -> None:
    manifest = tree_of({"Deploy.sh": "x", "PostDeploy.sh": "x"})
    case = scripted(manifest, *debts, activate="restart", verify=VERIFY)
    assert (work(case).owed if debts else ()) == expected
    assert case.of("deploy").due is bool(debts)


def test_a_switch_owes_the_restarts_of_services_that_name_the_step_and_an_owed_activate_does_not() -> None:
    def decided(here: Observed) -> Case:
        steps = [package("deploy", to="/srv/shop"), service(restart=Restart.ON_CHANGE, on_change=("deploy",))]
        return Case(loaded(*steps, targets=("web-1",)), {"web-1": replace(here, services={"service": service_seen()})})

    switched = decided(at(place(place=Place.ABSENT)))
    assert work(switched).owes == (Owed("service", "", "1.4.2", "restart"),)
    assert switched.of("service").reason == "shop: restart: after 'deploy'"
    unrecorded = decided(at(DONE))
    assert (work(unrecorded).switch, unrecorded.of("service").outcome) == (False, Outcome.UNCHANGED)


@pytest.mark.parametrize(
    ("is_known", "expected"), [(True, ["PostDeploy"]), (False, ["Deploy", "PostDeploy"])], ids=["known", "unknown"]
)
def test_the_release_that_may_come_back_has_its_own_scripts(is_known: bool, expected: list[str]) -> None:
    old = tree_of({"PreDeploy.sh": "x", "PostDeploy.sh": "x", "DeployFailed.sh": "x"})
    here = replace(AT_OLD, releases=(release("1.4.1", old),), manifests={"1.4.1": old} if is_known else {})
    case = decide(at(here, baseline("1.4.1", old)))
    case.manifest = SCRIPTED
    made = work(case)
    assert made.previous == "1.4.1"
    assert list(made.returning) == expected
    assert set(made.conventions) == {"PreDeploy", "Deploy"}
