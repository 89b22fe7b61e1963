"""``octo-ssh drift`` against real sshds: what it finds, how it calls it, what it returns; it leaves no trace there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.checks import FILES, PORT, STEPS, check, deployed
from tests.integration.farm import Farm, listing, wait_until

Tamper = Callable[[Farm], object]
CURRENT = "current"


@pytest.fixture
def shop(farm: Farm) -> Farm:
    """Two targets with the release on them."""
    return deployed(farm)


def current(farm: Farm, path: str = "", target: str = "web-1") -> Path:
    """A path in the current release."""
    return farm.to(target) / CURRENT / path


def rewrite(path: Path, text: str) -> None:
    """Other bytes, as long as before, at the same time."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def swap_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_targets_in_sync_give_zero_and_quietly_not_a_byte(shop: Farm) -> None:
    found = check(shop)
    assert (found.code, found.found(), found.found("web-2")) == (0, set(), set())
    assert set(found.states().values()) == {"in sync"}
    assert set(found.states()) == {"settings", "old", "deploy", "tool"}
    assert found.counts["in_sync"] == 2
    told = shop.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")
    told = shop.octo("drift", "plan.yaml")
    assert told.code == 0
    assert told.stdout.splitlines()[-1].startswith("drift: none; in sync 2 (of 2), ")


TAMPERINGS: list[tuple[str, Tamper, set[tuple[str, str, str]]]] = [
    ("edited", lambda farm: current(farm, "lib/a").write_text("1\n"), {("deploy", "content", "lib/a")}),
    ("same size and time", lambda farm: rewrite(current(farm, "lib/a"), "ONE\n"), {("deploy", "content", "lib/a")}),
    ("configured", lambda farm: current(farm, "etc/app.conf").write_text("x"), {("deploy", "content", "etc/app.conf")}),
    ("mode", lambda farm: current(farm, "bin/shop").chmod(0o777), {("deploy", "mode", "bin/shop")}),
    ("mode of it all", lambda farm: current(farm).resolve().chmod(0o777), {("deploy", "mode", ".")}),
    ("mode of a folder", lambda farm: current(farm, "lib").chmod(0o700), {("deploy", "mode", "lib")}),
    ("deleted", lambda farm: current(farm, "lib/b").unlink(), {("deploy", "missing", "lib/b")}),
    ("folder deleted", lambda farm: shutil.rmtree(current(farm, "lib")), {("deploy", "missing", "lib")}),
    ("added", lambda farm: current(farm, "lib/-new\n").write_text(""), {("deploy", "extra", "lib/-new\n")}),
    ("link", lambda farm: swap_link(current(farm, "lib/a"), "b"), {("deploy", "kind", "lib/a")}),
    ("folder", lambda farm: replace_by_folder(current(farm, "lib/a")), {("deploy", "kind", "lib/a")}),
    (
        "current dangles",
        lambda farm: swap_link(farm.to() / CURRENT, "releases/9.9"),
        {("deploy", "current", CURRENT)},
    ),
    ("current gone", lambda farm: (farm.to() / CURRENT).unlink(), {("deploy", "current", CURRENT)}),
    (
        "shared link",
        lambda farm: swap_link(current(farm, "var/uploads"), "/tmp"),
        {("deploy", "shared", "var/uploads")},
    ),
    (
        "shared gone",
        lambda farm: shutil.rmtree(farm.to() / "shared/var/uploads"),
        {("deploy", "shared", "var/uploads")},
    ),
    (
        "manifest",
        lambda farm: (farm.to() / "releases/1.0.json").write_text("{}"),
        {("deploy", "manifest", "releases/1.0.json")},
    ),
    (
        "file edited",
        lambda farm: (farm.home() / "settings.conf").write_text("port = 80\n"),
        {("settings", "content", "{home}/settings.conf")},
    ),
    (
        "file's mode",
        lambda farm: (farm.home() / "settings.conf").chmod(0o666),
        {("settings", "mode", "{home}/settings.conf")},
    ),
    (
        "file deleted",
        lambda farm: (farm.home() / "settings.conf").unlink(),
        {("settings", "missing", "{home}/settings.conf")},
    ),
    (
        "file replaced",
        lambda farm: swap_link(farm.home() / "settings.conf", "elsewhere"),
        {("settings", "kind", "{home}/settings.conf")},
    ),
    ("file back", lambda farm: (farm.home() / "old.conf").write_text(""), {("old", "extra", "{home}/old.conf")}),
    ("unless", lambda farm: (farm.home() / "tool").unlink(), {("tool", "unless", "tool")}),
]


@pytest.mark.parametrize(("tamper", "wanted"), [row[1:] for row in TAMPERINGS], ids=[row[0] for row in TAMPERINGS])
def test_a_tampering_is_found_and_named_on_its_target_alone(
    shop: Farm, tamper: Tamper, wanted: set[tuple[str, str, str]]
) -> None:
    tamper(shop)
    before = {name: listing(shop.home(name)) for name in shop.hosts}
    found = check(shop)
    assert found.code == 3
    assert found.found() == {(step, kind, subject.format(home=shop.home())) for step, kind, subject in wanted}
    assert found.target("web-2")["state"] == "in sync"
    assert found.counts | {"drifted": 1, "in_sync": 1} == found.counts
    assert {name: listing(shop.home(name)) for name in shop.hosts} == before


def test_the_last_line_counts_drift_unreachable_and_pending_apart(make_farm: Callable[[int], Farm]) -> None:
    farm = deployed(make_farm(3))
    current(farm, "lib/a").write_text("1\n")
    farm.hosts["web-3"].stop()
    farm.write_plan(STEPS + "- {name: More, file: ~/more, content: more}\n", variables=PORT)
    told = farm.octo("drift", "plan.yaml")
    assert told.code == 3
    assert "web-1: lib/a changed" in told.stdout
    assert "More: never applied here" in told.stdout
    last = told.stdout.splitlines()[-1]
    assert last.startswith("drift: 1 target, 1 finding; unreachable 1; pending 2; in sync 0 (of 3), ")


def test_a_target_that_is_down_is_told_and_the_others_are_checked(shop: Farm) -> None:
    shop.hosts["web-2"].stop()
    told = shop.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stderr) == (4, "")
    assert "unreachable  web-2" in told.stdout
    assert told.stdout.splitlines()[-1].startswith("drift: none; unreachable 1; in sync 1 (of 2), ")
    current(shop, "lib/a").unlink()
    found = check(shop)
    assert (found.code, found.found()) == (3, {("deploy", "missing", "lib/a")})
    assert found.target("web-2")["unreachable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_unknown_and_never_missing(shop: Farm) -> None:
    current(shop, "lib/a").chmod(0)
    current(shop, "bin").chmod(0)
    found = check(shop)
    assert (found.code, found.found()) == (3, {("deploy", "mode", "lib/a"), ("deploy", "mode", "bin")})
    assert found.step("deploy")["partly_unknown"] is True
    current(shop, "bin").chmod(0o755)
    current(shop, "lib/a").chmod(0o644)
    (shop.home() / "locked").mkdir()
    farm_file = "- {name: Settings, file: ~/locked/settings.conf, content: x}\n"
    shop.write_plan(farm_file, packages="")
    assert shop.apply().code == 0
    (shop.home() / "locked").chmod(0)
    found = check(shop)
    (shop.home() / "locked").chmod(0o700)
    assert (found.code, found.found(), found.states()["settings"]) == (4, set(), "unknown")


def test_another_host_key_is_a_finding(shop: Farm) -> None:
    sshd = shop.hosts["web-2"]
    key = sshd.host_key.read_bytes()
    public = sshd.host_key.with_suffix(".pub").read_bytes()
    try:
        sshd.renew_host_key()
        sshd.restart()
        found = check(shop)
        told = shop.octo("drift", "plan.yaml")
    finally:
        sshd.host_key.write_bytes(key)
        sshd.host_key.with_suffix(".pub").write_bytes(public)
        sshd.restart()
    assert (found.code, found.found("web-2"), found.states()) == (
        3,
        {("", "host key", "host key")},
        dict.fromkeys(("settings", "old", "deploy", "tool"), "in sync"),
    )
    assert found.target("web-2")["hint"].startswith("octo-ssh trust web-2")
    assert "octo-ssh trust web-2" in told.stdout
    assert (found.counts["unreachable"], found.counts["drifted"]) == (0, 1)
    assert "HOST KEY OF web-2" in told.stdout


def test_an_unknown_host_key_says_how_to_trust_it(shop: Farm) -> None:
    known_hosts = shop.folder / "known_hosts"
    lines = known_hosts.read_text().splitlines(keepends=True)
    known_hosts.write_text("".join(line for line in lines if f":{shop.hosts['web-2'].port}" not in line))
    found = check(shop)
    assert (found.code, found.counts["unreachable"]) == (4, 1)
    assert found.target("web-2")["hint"].startswith("octo-ssh trust web-2")
    told = shop.octo("drift", "plan.yaml").stdout.splitlines()
    place = next(number for number, line in enumerate(told) if line.startswith("  unreachable  web-2"))
    assert told[place + 1].strip().startswith("octo-ssh trust web-2")


def test_a_target_that_somebody_is_at_work_on_is_unknown(shop: Farm) -> None:
    current(shop, "lib/a").unlink()
    shop.write_plan(STEPS + "- {name: Wait, run: 'touch ~/seen; sleep 60'}\n", variables=PORT)
    run = shop.start_apply("--limit", "web-1")
    wait_until((shop.home() / "seen").exists, "the step that waits")
    found = check(shop)
    shop.interrupt(run)
    shop.finish(run)
    target = found.target()
    assert (found.code, target["state"], target["busy"], target["steps"]) == (4, "unknown", True, [])
    assert target["unreachable"].startswith("busy: ")
    assert "apply shop 1.0" in target["unreachable"]
    assert found.states("web-2")["deploy"] == "in sync"


def test_a_quick_check_trusts_sizes_and_times_and_a_full_one_does_not(shop: Farm) -> None:
    assert check(shop, "--quick").code == 0
    current(shop, "lib/b").chmod(0o600)
    assert check(shop, "--quick").found() == {("deploy", "mode", "lib/b")}
    current(shop, "lib/b").chmod(0o644)
    assert check(shop).code == 0
    current(shop, "lib/a").write_text("longer than it was\n")
    assert check(shop, "--quick").found() == {("deploy", "content", "lib/a")}
    (shop.home() / "settings.conf").write_text("")
    (shop.to() / CURRENT).unlink()
    found = check(shop, "--quick", "--limit", "web-1")
    assert {row[1] for row in found.found()} == {"current", "content"}


def test_against_the_plan_what_is_pending_differs_too(shop: Farm) -> None:
    shop.write_plan(STEPS, variables={"port": "9090"}, release="2.0")
    found = check(shop)
    assert (found.code, found.states()) == (
        0,
        {"settings": "pending", "old": "in sync", "deploy": "pending", "tool": "in sync"},
    )
    assert found.step("deploy")["reason"].startswith("2.0 is wanted, 1.0 was applied")
    found = check(shop, "--against", "plan")
    assert found.code == 3
    assert ("settings", "content", f"{shop.home()}/settings.conf") in found.found()
    assert found.finding("current", CURRENT)["was"] == "2.0"


def test_never_applied_is_pending(farm: Farm) -> None:
    farm.write_release(FILES)
    farm.write_plan(STEPS, variables=PORT)
    before = listing(farm.home())
    found = check(farm)
    assert (found.code, set(found.states().values())) == (0, {"pending"})
    told = farm.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")
    assert listing(farm.home()) == before


def test_a_target_that_answers_and_whose_memory_is_damaged_is_unknown_and_not_unreachable(shop: Farm) -> None:
    (shop.root() / "state/shop/default.json").write_text("{")
    found = check(shop)
    target = found.target()
    assert (found.code, target["state"], target["broken"], target["busy"]) == (4, "unknown", True, False)
    assert (found.counts["unknown"], found.counts["unreachable"], found.counts["in_sync"]) == (1, 0, 1)
    told = shop.octo("drift", "plan.yaml")
    path = f"{shop.root()}/state/shop/default.json"
    assert f"  unknown      web-1  {path} on the target is damaged: it is no JSON" in told.stdout
    assert "move it away: then nothing counts as done here" in told.stdout
    assert target["hint"].startswith("bring it back from a backup, or move it away")
    assert "unknown 1; in sync 1 (of 2)" in told.stdout.splitlines()[-1]


def test_who_removes_what_a_target_remembers_is_found(shop: Farm) -> None:
    shutil.rmtree(shop.root() / "state")
    found = check(shop)
    assert (found.code, found.found(), found.states()["settings"]) == (
        3,
        {("deploy", "manifest", "baseline")},
        "pending",
    )


def test_a_command_that_cannot_be_asked_leaves_the_others_known(shop: Farm) -> None:
    secret = "{name: Locked, run: 'true', unless: 'test -n \"$token\"', secrets: [token]}"
    shop.write_plan(f"{STEPS}- {secret}\n", variables={**PORT, "token": {"secret": {"env": "NOWHERE_TO_BE_FOUND"}}})
    found = check(shop)
    assert (found.code, found.states()["tool"], found.states()["locked"]) == (4, "in sync", "unknown")
    assert "NOWHERE_TO_BE_FOUND" in found.step("locked")["reason"]
    (shop.home() / "tool").unlink()
    assert check(shop).found() == {("tool", "unless", "tool")}


MEDDLE = """
- {name: Wait, run: 'true', unless: sh ~/meddle}
"""


def test_what_somebody_did_while_the_check_looked_is_no_drift(shop: Farm) -> None:
    """The first look is over when `unless` is asked: from then on nothing fits what it told."""
    shop.write_plan(STEPS + MEDDLE, variables=PORT)
    for name in shop.hosts:
        (shop.home(name) / "meddle").write_text("exit 0")
    assert shop.apply().code == 0
    settings, journal = shop.home() / "settings.conf", shop.root() / "journal.jsonl"
    settings.write_text("half of a run that somebody does")
    lines = f"printf 'port = 8080\\n' > {settings}\necho '{{}}' >> {journal}\nrm ~/meddle\necho > ~/meddle\n"
    (shop.home() / "meddle").write_text(lines)
    found = check(shop)
    assert (found.code, found.found(), found.counts["in_sync"]) == (0, set(), 2)
    settings.write_text("drift")
    found = check(shop)
    assert (found.code, found.found()) == (3, {("settings", "content", str(settings))})


def test_a_place_that_cannot_be_told_without_asking_is_known_by_the_target(shop: Farm) -> None:
    ask = {**PORT, "where": {"prompt": {"text": "Where?"}}}
    shop.write_plan("- {name: Deploy, package: shop, to: '~/${{ where }}'}", variables=ask)
    assert shop.octo("apply", "plan.yaml", "--var", "where=there").code == 0
    found = check(shop)
    assert (found.code, found.states()) == (0, {"deploy": "in sync"})
    (shop.home() / "there/current/lib/a").unlink()
    assert check(shop).found() == {("deploy", "missing", "lib/a")}


def test_only_selected_targets_are_asked(shop: Farm) -> None:
    for name in shop.hosts:
        current(shop, "lib/a", name).unlink()
    found = check(shop, "--limit", "web-2")
    assert [row["target"] for row in found.document["targets"]] == ["web-2"]
    assert [row["target"] for row in check(shop, "--exclude", "web-2").document["targets"]] == ["web-1"]
    told = shop.octo("drift", "plan.yaml", "--limit", "web-9")
    assert told.code == 2


def test_a_step_that_the_plan_dropped_is_still_watched(shop: Farm) -> None:
    shop.write_plan("- {name: Deploy, package: shop, shared: [var/uploads], configure: [etc/app.conf]}")
    (shop.home() / "settings.conf").write_text("")
    (shop.home() / "old.conf").write_text("")
    found = check(shop)
    assert found.found() == {
        ("settings", "content", f"{shop.home()}/settings.conf"),
        ("old", "extra", f"{shop.home()}/old.conf"),
    }
    assert found.step("settings")["name"] == "settings"
    shop.write_plan("- {name: Say, run: echo}", packages="", variables=PORT)
    assert {"settings", "deploy"} <= set(check(shop).states())


def test_a_success_ends_the_watch_over_steps_that_the_plan_dropped(shop: Farm) -> None:
    for name in ("settings.conf", "old.conf"):
        (shop.home() / name).write_text("")
    shop.write_plan("- {name: Say, run: echo}", packages="", variables=PORT)
    assert shop.apply().code == 0  # a runbook knows nothing of the plan
    assert check(shop).code == 3
    shop.write_plan("- {name: Deploy, package: shop, shared: [var/uploads], configure: [etc/app.conf]}")
    told = shop.apply("--limit", "web-1")
    assert (told.code, told.ends) == (0, {"web-1": "unchanged"})
    found = check(shop)
    assert (found.code, found.states(), set(found.states("web-2"))) == (
        0,
        {"deploy": "in sync"},
        {"deploy", "settings", "old"},
    )
    assert shop.apply().code == 0
    assert set(check(shop).states("web-2")) == {"deploy"}
    assert shop.is_settled()


def test_a_step_by_another_name_is_watched_under_that_alone(shop: Farm) -> None:
    steps = STEPS.replace("name: Settings", "name: Config").replace("port =", "the port =")
    shop.write_plan(steps, variables=PORT)
    assert shop.apply().code == 0
    found = check(shop)
    assert (found.code, set(found.states())) == (0, {"config", "old", "deploy", "tool"})


def test_a_run_that_failed_forgets_nothing(shop: Farm) -> None:
    (shop.home() / "old.conf").write_text("")
    shop.write_plan("- {name: Deploy, package: shop, shared: [var/uploads], activate: 'false'}", release="2.0")
    assert shop.apply("--limit", "web-1").code == 1
    assert ("old", "extra", f"{shop.home()}/old.conf") in check(shop).found()


IGNORE = {
    "ignore": [
        {"path": "lib/**", "reason": "the app writes here", "until": "2999-01-01"},
        {"path": "~/settings.conf", "reason": "tuned by hand", "until": "2020-01-01"},
        {"path": "nowhere/*", "reason": "a mistake", "until": "2999-01-01"},
    ]
}


def test_expected_drift_is_told_apart_and_entries_that_ended_or_match_nothing_are_named(shop: Farm) -> None:
    home = str(shop.home())
    ignore = {"ignore": [{**row, "path": row["path"].replace("~", home)} for row in IGNORE["ignore"]]}
    shop.write_plan(STEPS, variables=PORT, drift=ignore)
    current(shop, "lib/a").write_text("1\n")
    current(shop, "lib/cache").write_text("")
    found = check(shop)
    assert (found.code, found.found(), found.step("deploy")["state"]) == (0, set(), "expected")
    assert [(row["kind"], row["subject"]) for row in found.step("deploy")["expected"]] == [
        ("content", "lib/a"),
        ("extra", "lib/cache"),
    ]
    assert [row["path"] for row in found.document["unused"]] == [f"{home}/settings.conf", "nowhere/*"]
    told = shop.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")
    (shop.home() / "settings.conf").write_text("")
    found = check(shop)
    assert (found.code, found.found()) == (3, {("settings", "content", f"{home}/settings.conf")})
    assert [row["path"] for row in found.document["expired"]] == [f"{home}/settings.conf"]
    assert [row["path"] for row in found.document["unused"]] == ["nowhere/*"]
    told = shop.octo("drift", "plan.yaml")
    assert "ended on 2020-01-01: what it covered is drift again" in told.stdout


def test_plan_and_apply_leave_alone_what_is_expected(shop: Farm) -> None:
    shop.write_plan(STEPS, variables=PORT, drift={"ignore": IGNORE["ignore"][:1]})
    current(shop, "lib/a").write_text("1\n")
    current(shop, "lib/cache").write_text("")
    assert shop.plan().promised["deploy", "web-1"] == "unchanged"
    told = shop.apply()
    assert (told.code, set(told.ends.values())) == (0, {"unchanged"})
    assert (shop.current(), current(shop, "lib/a").read_text()) == ("1.0", "1\n")
    assert check(shop).code == 0


def test_somebody_who_edits_file_and_manifest_together_is_found(shop: Farm) -> None:
    rewrite(current(shop, "lib/a"), "ONE\n")
    manifest, digests = forge(shop)
    shutil.rmtree(shop.state / "applied-manifests", ignore_errors=True)  # as on a controller that never applied it
    found = check(shop)
    assert found.code == 3
    assert ("deploy", "manifest", "lib/a") in found.found()
    assert manifest.read_text().count(digests[1]) == 1


def test_without_the_package_a_manifest_is_called_unverified(shop: Farm) -> None:
    shutil.rmtree(shop.state / "applied-manifests", ignore_errors=True)
    shutil.rmtree(shop.state.parent.parent.parent / ".cache/octo-ssh", ignore_errors=True)
    shutil.rmtree(shop.folder / "release")
    found = check(shop)
    assert (found.code, found.step("deploy")["unverified"]) == (0, True)
    assert "manifest unverified" in shop.octo("drift", "plan.yaml").stdout
    rewrite(current(shop, "lib/a"), "ONE\n")
    assert check(shop).found() == {("deploy", "content", "lib/a")}


def forge(farm: Farm) -> tuple[Path, tuple[str, str]]:
    """Make the target's record and memory fit what lies there now: its manifest's path, and digests old and new."""
    manifest = farm.to() / "releases/1.0.json"
    old, new = (hashlib.sha256(text.encode()).hexdigest() for text in ("one\n", "ONE\n"))
    before = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    after = hashlib.sha256(manifest.read_bytes()).hexdigest()
    memory = farm.root() / "state/shop/default.json"
    assert before in memory.read_text()
    memory.write_text(memory.read_text().replace(before, after))
    return manifest, (old, new)


def test_checks_are_asked_only_for_health(shop: Farm) -> None:
    assert "up" not in check(shop).states()
    found = check(shop, "--health")
    assert (found.code, found.states()["up"]) == (0, "in sync")
    (shop.home() / "down").write_text("")
    assert check(shop).code == 0
    found = check(shop, "--health")
    assert (found.code, found.found()) == (3, {("up", "check", "up")})


def test_what_a_killed_run_owes_is_found(farm: Farm) -> None:
    steps = "- {name: Deploy, package: shop, activate: 'touch ~/seen; sleep 60'}"
    farm.write_release(FILES)
    farm.write_plan(steps)
    run = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "seen").exists, "activate")
    farm.kill(run)
    farm.free()
    found = check(farm, "--limit", "web-1")
    assert (found.code, ("deploy", "owed", "activate") in found.found()) == (3, True)


def test_a_run_that_was_killed_long_ago_is_nobody_at_work(shop: Farm) -> None:
    shop.write_plan(STEPS + "- {name: Wait, run: 'touch ~/seen; sleep 60'}\n", variables=PORT)
    run = shop.start_apply("--limit", "web-1")
    wait_until((shop.home() / "seen").exists, "the step that waits")
    shop.kill(run)
    found = check(shop, "--limit", "web-1")
    assert (found.code, found.target()["busy"]) == (4, True)
    [lease] = [path for path in (shop.root() / "lock").iterdir() if path.name.isdigit()]
    token, ttl, boot, _, who = os.readlink(lease).split(":", 4)
    swap_link(lease, ":".join((token, ttl, boot, "1.00", who)))
    (shop.home() / "tool").unlink()
    found = check(shop, "--limit", "web-1", "--health")
    assert (found.code, found.found()) == (3, {("tool", "unless", "tool")})
    assert (found.states()["wait"], found.states()["up"]) == ("pending", "in sync")


def test_apply_repairs_what_drifted_sending_only_that(shop: Farm) -> None:
    current(shop, "lib/a").write_text("tampered\n")
    current(shop, "lib/extra").write_text("extra\n")
    (shop.home() / "settings.conf").unlink()
    assert check(shop).code == 3
    told = shop.apply()
    assert told.code == 0, told.stderr
    assert told.ends == {"web-1": "changed", "web-2": "unchanged"}
    assert list(told.sent) == ["web-1"]
    assert (shop.current(), current(shop, "lib/a").read_text()) == ("1.0_1", "one\n")
    assert (shop.to() / "releases/1.0/lib/extra").exists()
    assert any("repaired" in str(line) for line in shop.journal())
    found = check(shop)
    assert (found.code, found.found()) == (0, set())
    assert shop.is_settled()
    assert check(shop).code == 0


def test_a_check_is_remembered_nowhere_on_the_target(shop: Farm) -> None:
    journal = shop.journal()
    before = {name: listing(shop.home(name)) for name in shop.hosts}
    for words in ((), ("--quick",), ("--health",), ("--against", "plan")):
        assert check(shop, *words).code == 0
    assert {name: listing(shop.home(name)) for name in shop.hosts} == before
    assert (shop.journal(), shop.is_locked()) == (journal, False)


def test_a_package_step_with_a_new_name_is_remembered_under_it_by_the_next_apply(shop: Farm) -> None:
    shop.write_plan(STEPS.replace("name: Deploy", "name: Bring it"), variables=PORT)
    found = check(shop)
    assert (found.code, found.states()["bring_it"], found.counts["pending"]) == (0, "pending", 2)
    told = shop.octo("plan", "plan.yaml")
    assert "release 1.0 is current; remembered as step 'deploy' so far" in told.stdout
    assert "plan: nothing to change, 2 targets to remember" in told.stdout
    folders = sorted((shop.to() / "releases").iterdir())
    assert shop.apply().code == 0
    found = check(shop)
    assert (found.code, found.states()["bring_it"], "deploy" in found.states()) == (0, "in sync", False)
    assert sorted((shop.to() / "releases").iterdir()) == folders
    assert "plan: nothing to do on 2 targets" in shop.octo("plan", "plan.yaml").stdout
