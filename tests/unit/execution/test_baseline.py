"""What a target remembers, step by step."""

from __future__ import annotations

from dataclasses import replace

from octo_ssh.execution import baseline
from octo_ssh.model.observed import Baseline, Done, FileBaseline, Owed, PackageBaseline, ServiceBaseline, StepOutputs

OLD = PackageBaseline(to="/srv/shop", folder="1.0", manifest_sha256="a", fingerprint="x")
NEW = PackageBaseline(to="/srv/shop", folder="1.1", manifest_sha256="b", fingerprint="y")
DEBT = Owed("deploy", "shop", "1.1", "activate", previous="1.0")


def test_what_a_killed_run_left_undone_stays_due_beside_what_is_decided_now() -> None:
    first = baseline.decided(Baseline(), "1.1", ("migrate", "deploy"))
    again = baseline.decided(baseline.settled(first, "migrate"), "1.1", ("deploy", "smoke"))
    assert again.due == {"1.1": ("deploy", "smoke")}


def test_a_release_with_nothing_due_is_forgotten() -> None:
    one = baseline.decided(Baseline(), "1.1", ("migrate",))
    assert baseline.settled(one, "migrate").due == {}


def test_a_step_that_was_done_is_not_due_for_any_release() -> None:
    both = baseline.decided(baseline.decided(Baseline(), "1.0", ("a", "b")), "1.1", ("a",))
    assert baseline.settled(both, "a").due == {"1.0": ("b",)}


def test_a_success_is_remembered_by_its_digest_and_no_longer_due() -> None:
    before = baseline.decided(Baseline(), "1.1", ("migrate",))
    after = baseline.script_succeeded(before, step="migrate", digest="d1", release="1.1", run="r1")
    assert after.done == {"d1": Done("migrate", "1.1", "r1")}
    assert after.due == {}


def test_a_runbook_step_has_no_digest_and_leaves_no_memory() -> None:
    after = baseline.script_succeeded(Baseline(), step="patch", digest="", release=None, run="r1")
    assert after.done == {}


def test_switching_drops_what_other_releases_did() -> None:
    before = Baseline(done={"d0": Done("migrate", "1.0", "r0"), "d1": Done("migrate", "1.1", "r1")})
    after = baseline.switching(before, step=DEBT.step, release="1.1", debts=(DEBT,))
    assert set(after.done) == {"d1"}
    assert after.owed == (DEBT,)
    assert after.release == "1.1"


def test_a_debt_is_paid_once_and_alone() -> None:
    verify = Owed("deploy", "shop", "1.1", "verify", previous="1.0")
    before = Baseline(owed=(DEBT, verify))
    assert baseline.paid(before, step="deploy", what="activate").owed == (verify,)


def test_a_new_release_puts_the_one_before_first_in_the_history() -> None:
    older = PackageBaseline(to="/srv/shop", folder="1.0", manifest_sha256="a", fingerprint="x", history=("0.9", "0.8"))
    after = baseline.package_succeeded(
        Baseline(packages={"shop": older}, owed=(DEBT,)),
        step="deploy",
        release="1.1",
        state=NEW,
        keep=("1.0", "0.9"),
    )
    assert after.packages["deploy"].history == ("1.0", "0.9")
    assert after.owed == ()


def test_the_history_never_names_the_current_folder() -> None:
    older = PackageBaseline(to="/srv/shop", folder="1.0", manifest_sha256="a", fingerprint="x", history=("1.1",))
    after = baseline.package_succeeded(
        Baseline(packages={"shop": older}),
        step="deploy",
        release="1.1",
        state=NEW,
        keep=("1.0", "1.1"),
    )
    assert after.packages["deploy"].history == ("1.0",)


def test_going_back_owes_the_old_release_its_activation() -> None:
    debt = Owed("deploy", "shop", "1.0", "activate", previous="1.0")
    before = Baseline(release="1.1", packages={"shop": OLD}, owed=(DEBT,))
    after = baseline.returning(before, step="deploy", release="1.0", debts=(debt,))
    assert (after.release, after.owed) == ("1.0", (debt,))
    assert after.packages == {"shop": OLD}


def test_going_back_forgets_what_the_failed_release_did_unless_it_was_the_first() -> None:
    before = Baseline(release="1.1", done={"d1": Done("migrate", "1.1", "r1")})
    assert baseline.returning(before, step="deploy", release="1.0", debts=()).done == {}
    assert baseline.returning(before, step="deploy", release="1.1", debts=()).done == before.done
    assert baseline.returning(before, step="deploy", release=None, debts=()).done == before.done


def test_a_check_is_remembered_as_passed_or_failed_never_both() -> None:
    failed = baseline.check_ended(baseline.decided(Baseline(), "1", ("smoke",)), step="smoke", passed=False)
    assert (failed.failed_checks, failed.passed_checks) == (frozenset({"smoke"}), frozenset())
    assert failed.due == {"1": ("smoke",)}
    passed = baseline.check_ended(failed, step="smoke", passed=True)
    assert (passed.failed_checks, passed.passed_checks, passed.due) == (frozenset(), frozenset({"smoke"}), {})


def test_a_step_with_a_new_name_takes_over_the_memory_of_its_place() -> None:
    after = baseline.package_succeeded(
        Baseline(packages={"old_name": OLD}), step="deploy", release="1.1", state=NEW, keep=("1.0",)
    )
    assert set(after.packages) == {"deploy"}
    assert after.packages["deploy"].history == ("1.0",)


def test_packages_get_the_ids_that_their_steps_have_now() -> None:
    debt = Owed("a", "shop", "1", "activate")
    left = Baseline(
        packages={"a": OLD, "b": NEW, "c": NEW},
        outputs={"a": StepOutputs({"x": "1"})},
        owed=(debt, replace(debt, step="z")),
    )
    moved = baseline.renamed(left, {"a": "b", "b": "a"})
    assert moved.packages == {"a": NEW, "b": OLD, "c": NEW}
    assert (moved.outputs, moved.owed) == ({"b": StepOutputs({"x": "1"})}, (replace(debt, step="b"), left.owed[1]))
    assert baseline.renamed(left, {"a": "c"}).packages == {"b": NEW, "c": OLD}
    assert baseline.renamed(left, {}) == left


def test_one_package_at_two_places_is_remembered_twice() -> None:
    other = PackageBaseline(to="/srv/other", folder="1.1", manifest_sha256="b", fingerprint="z")
    first = baseline.package_succeeded(Baseline(), step="deploy", release="1.1", state=NEW, keep=())
    both = baseline.package_succeeded(first, step="deploy_other", release="1.1", state=other, keep=())
    assert set(both.packages) == {"deploy", "deploy_other"}


def test_a_failure_that_is_ignored_is_over_with_for_the_release_and_pays_no_debt() -> None:
    debt = Owed("shop", "", "1.1", "restart")
    before = baseline.decided(Baseline(owed=(debt,)), "1.1", ("warm", "other"))
    after = baseline.failure_ignored(before, step="warm", digest="d1", release="1.1", run="r1")
    assert after.due == {"1.1": ("other",)}
    assert after.done == {"d1": Done("warm", "1.1", "r1", ignored=True)}
    assert after.owed == (debt,)
    success = baseline.script_succeeded(after, step="warm", digest="d1", release="1.1", run="r2")
    assert success.done == {"d1": Done("warm", "1.1", "r2")}


def test_an_ignored_failure_of_what_is_compared_settles_the_decision_alone() -> None:
    before = baseline.decided(Baseline(), "1.1", ("unit",))
    assert baseline.failure_ignored(before, step="unit", digest="", release="1.1", run="r1") == Baseline()


def test_a_check_whose_failure_is_ignored_need_not_be_asked_again() -> None:
    failed = baseline.check_ended(baseline.decided(Baseline(), "1", ("smoke",)), step="smoke", passed=False)
    after = baseline.failure_ignored(failed, step="smoke", digest="", release="1", run="r1")
    assert (after.failed_checks, after.passed_checks, after.due) == (frozenset(), frozenset({"smoke"}), {})


def test_what_steps_owe_that_are_gone_from_the_plan_is_forgotten() -> None:
    gone = Owed("gone", "", "1.0", "on_change")
    due = {"1.0": ("deploy", "gone"), "0.9": ("gone",)}
    before = Baseline(owed=(DEBT, gone), due=due, held=frozenset({"deploy", "gone"}))
    after = baseline.of_steps(before, {DEBT.step, "deploy"})
    assert (after.owed, after.due, after.held) == ((DEBT,), {"1.0": ("deploy",)}, frozenset({"deploy"}))


def test_what_holds_by_its_unless_is_added_to_what_held() -> None:
    assert baseline.holding(Baseline(held=frozenset({"a"})), ["b"]).held == {"a", "b"}


def test_what_is_gone_is_forgotten_and_nothing_else() -> None:
    package, file, unit = PackageBaseline("/srv/a", "1", "", ""), FileBaseline("/f", True), ServiceBaseline("u")
    before = Baseline("1", {"a": package, "c": package}, files={"a": file, "f": file}, services={"u": unit, "f": unit})
    after = baseline.forgetting(before, {("package", "c"), ("file", "f"), ("service", "u"), ("file", "never known")})
    assert (after.packages, after.files, after.services) == ({"a": package}, {"a": file}, {"f": unit})
    assert replace(after, packages=before.packages, files=before.files, services=before.services) == before
