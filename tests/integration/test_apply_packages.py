"""Package steps on real targets: what lies there, what is sent, what is kept, and the way back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
from typing import Any

import pytest

from tests.integration.farm import Farm, Told, listing, wait_until
from tests.integration.sshd import free_port

DEPLOY = "- {name: Deploy, package: shop}"
ACTIVE = """
- name: Deploy
  package: shop
  activate: 'echo "$OCTO_RELEASE in $PWD" >>~/activated; test ! -e break'
  verify: {command: 'test -e healthy', within: 1s, every: 300ms}
"""


def _release(farm: Farm, release: str, files: dict[str, str], *, steps: str = DEPLOY, **top: Any) -> Told:
    """Apply a release with these files on web-1."""
    farm.write_release(files)
    farm.write_plan(steps, release=release, **top)
    return farm.apply("--limit", "web-1")


def _planned(told: Told) -> dict[str, Any]:
    """What was planned for the first step on web-1."""
    found: dict[str, Any] = told.all("plan_made")[-1]["plan"]["steps"][0]["planned"]["web-1"]
    return found


def test_a_release_lies_there_as_it_was_packed(farm: Farm) -> None:
    farm.write_release({"plain": "x", "sub/deep/file": "y", "with 'quote\" and $pace": "z", "umläut": "ü"})
    farm.write("release/run me", "#!/bin/sh\n", 0o755)
    (farm.folder / "release/link").symlink_to("sub/deep")
    (farm.folder / "release/empty").mkdir()
    farm.write_plan(DEPLOY)
    told = farm.apply()
    assert told.code == 0, told.stderr
    for name in farm.hosts:
        there = farm.to(name) / "current"
        for path in (farm.folder / "release").rglob("*"):
            same = there / path.relative_to(farm.folder / "release")
            assert same.is_symlink() == path.is_symlink()
            if path.is_file() and not path.is_symlink():
                assert same.read_bytes() == path.read_bytes()
        assert os.readlink(there / "link") == "sub/deep"
        assert stat.S_IMODE((there / "run me").stat().st_mode) == 0o755
        assert stat.S_IMODE((there / "plain").stat().st_mode) == 0o644
        assert (there / "empty").is_dir()
    assert farm.current() == "1.0"
    assert stat.S_IMODE((farm.to() / "releases/1.0.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(farm.root().stat().st_mode) == 0o700


def test_only_what_changed_is_sent(farm: Farm) -> None:
    blob = os.urandom(300_000).hex()
    first = _release(farm, "1.0", {"blob": blob, "version": "1.0"})
    second = _release(farm, "1.1", {"blob": blob, "version": "1.1"})
    assert first.sent["web-1"] > 300_000
    assert second.sent["web-1"] < 1_000
    assert (farm.to() / "current/blob").read_text() == blob
    moved = _release(farm, "1.2", {"other/place": blob, "version": "1.2"})
    assert moved.sent["web-1"] < 1_000
    assert (farm.to() / "current/other/place").read_text() == blob
    (farm.to() / "current/other/place").write_text("not into 1.1")
    assert (farm.to() / "releases/1.1/blob").read_text() == blob


def test_releases_are_kept_as_wished_and_failed_ones_go(farm: Farm) -> None:
    steps = ACTIVE.replace("package: shop", "package: shop\n  keep: 1")
    for release in ("1.0", "1.1", "1.2"):
        assert _release(farm, release, {"version": release, "healthy": ""}, steps=steps).code == 0
    assert farm.releases() == {"1.1", "1.2"}
    assert _release(farm, "1.3", {"version": "1.3"}, steps=steps).code == 1
    assert _release(farm, "1.4", {"version": "1.4", "healthy": ""}, steps=steps).code == 0
    assert farm.releases() == {"1.2", "1.4"}
    assert {path.name for path in (farm.to() / "releases").iterdir()} == {"1.2", "1.2.json", "1.4", "1.4.json"}


def test_shared_paths_outlive_releases_and_are_seeded_once(farm: Farm) -> None:
    steps = "- {name: Deploy, package: shop, shared: [var/uploads, log]}"
    assert _release(farm, "1.0", {"app": "1", "var/uploads/README": "seed"}, steps=steps).code == 0
    shared = farm.to() / "shared"
    assert (shared / "var/uploads/README").read_text() == "seed"
    assert (shared / "log").is_dir()
    (farm.to() / "current/var/uploads/photo").write_text("of a user")
    (farm.to() / "current/log/today").write_text("line")
    assert _release(farm, "1.1", {"app": "2", "var/uploads/README": "new seed"}, steps=steps).code == 0
    assert (farm.to() / "current/var/uploads/photo").read_text() == "of a user"
    assert (farm.to() / "current/var/uploads/README").read_text() == "seed"
    assert (farm.to() / "current/log/today").read_text() == "line"
    assert os.readlink(farm.to() / "releases/1.1/var/uploads") == "../../../shared/var/uploads"
    before = listing(farm.home())
    assert set(_release(farm, "1.1", {"app": "2", "var/uploads/README": "new seed"}, steps=steps).ends.values()) == {
        "unchanged"
    }
    assert listing(farm.home()) == before


def test_configured_files_hold_each_targets_values_and_secrets_stay_out_of_the_store(farm: Farm) -> None:
    farm.env["DB_PASSWORD"] = "hunter2hunter2"
    farm.write_inventory({"web-2": {"variables": {"port": 9000}}}, variables={"port": 8000})
    farm.write_release({"config/app.conf": "port=${{ port }} at ${{ target }}\npw=${{ db_password }}\n$HOME {{ x }}\n"})
    (farm.folder / "release/config/app.conf").chmod(0o600)
    farm.write("release/plain", "${{ not a template }}")
    farm.write_plan(
        "- {name: Deploy, package: shop, configure: ['config/*.conf']}",
        variables={"db_password": {"secret": {"env": "DB_PASSWORD"}}},
    )
    told = farm.apply()
    assert told.code == 0, told.stderr
    for name, port in (("web-1", 8000), ("web-2", 9000)):
        path = farm.to(name) / "current/config/app.conf"
        assert path.read_text() == f"port={port} at {name}\npw=hunter2hunter2\n$HOME {{{{ x }}}}\n"
        # of a folder, modes are as git sees them, and git knows 0644 and 0755 alone
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert (farm.to(name) / "current/plain").read_text() == "${{ not a template }}"
        for kept in [
            *farm.root(name).glob("store/*"),
            *farm.root(name).glob("*.jsonl"),
            farm.to(name) / "releases/1.0.json",
        ]:
            assert b"hunter2" not in kept.read_bytes()
    assert "hunter2" not in told.stdout + told.stderr
    assert farm.apply().ends == {"web-1": "unchanged", "web-2": "unchanged"}


def test_other_content_or_configuration_under_one_version_becomes_a_folder_of_its_own(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1"}).code == 0
    told = _release(farm, "1.0", {"a": "2"})
    assert (told.code, farm.current()) == (0, "1.0_1")
    assert (
        "other content under one version" in told.all("plan_made")[0]["plan"]["steps"][0]["planned"]["web-1"]["reason"]
    )
    assert (farm.to() / "releases/1.0/a").read_text() == "1"
    told = _release(farm, "1.0", {"a": "1"})
    assert (told.code, farm.current(), told.sent) == (0, "1.0", {})
    configured = "- {name: Deploy, package: shop, configure: [a]}"
    assert _release(farm, "1.0", {"a": "${{ v }}"}, steps=configured, variables={"v": "x"}).code == 0
    assert _release(farm, "1.0", {"a": "${{ v }}"}, steps=configured, variables={"v": "y"}).code == 0
    assert (farm.current(), (farm.to() / "current/a").read_text()) == ("1.0_3", "y")


def test_an_older_release_that_is_still_there_is_used_again_without_sending(farm: Farm) -> None:
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=ACTIVE).code == 0
    before = listing(farm.to() / "releases/1.0")
    assert _release(farm, "1.1", {"version": "1.1", "healthy": ""}, steps=ACTIVE).code == 0
    told = _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=ACTIVE)
    assert (told.code, told.sent, farm.current()) == (0, {}, "1.0")
    assert "push" not in told.phases
    assert listing(farm.to() / "releases/1.0") == before
    folder = f"{farm.to()}/releases"
    assert (farm.home() / "activated").read_text() == f"1.0 in {folder}/1.0\n1.1 in {folder}/1.1\n1.0 in {folder}/1.0\n"
    assert farm.baseline()["release"] == "1.0"


def test_a_first_release_that_is_not_well_leaves_no_current(farm: Farm) -> None:
    told = _release(farm, "1.0", {"version": "1.0"}, steps=ACTIVE)
    assert (told.code, told.ends) == (1, {"web-1": "failed"})
    assert told.reason("deploy") == ("verify: the command did not succeed within 1 s; nothing is current, as before")
    assert farm.current() is None
    assert farm.baseline()["owed"] == []
    told = _release(farm, "1.1", {"version": "1.1", "healthy": ""}, steps=ACTIVE)
    assert (told.code, farm.current()) == (0, "1.1")


def test_a_failing_activate_brings_the_old_release_back_and_activates_it(farm: Farm) -> None:
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=ACTIVE).code == 0
    told = _release(farm, "1.1", {"version": "1.1", "healthy": "", "break": ""}, steps=ACTIVE)
    assert told.code == 1
    assert told.reason("deploy") == "activate: exit status 1; back at 1.0"
    assert farm.current() == "1.0"
    folder = f"{farm.to()}/releases"
    assert (farm.home() / "activated").read_text().splitlines()[1:] == [f"1.1 in {folder}/1.1", f"1.0 in {folder}/1.0"]
    assert farm.baseline()["release"] == "1.0"
    assert farm.baseline()["owed"] == []
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=ACTIVE).ends == {"web-1": "unchanged"}


def test_what_goes_wrong_after_the_switch_brings_the_old_release_back(farm: Farm) -> None:
    """Also where the script of ``activate`` could not even be started."""
    assert _release(farm, "1.0", {"version": "1.0"}).code == 0
    told = _release(
        farm,
        "1.1",
        {"version": "1.1"},
        steps="- {name: Deploy, package: shop, secrets: [key], activate: 'echo active'}",
        variables={"key": {"secret": {"command": ["false"]}}},
    )
    assert (told.code, told.ends) == (1, {"web-1": "failed"})
    assert "the secret from" in told.reason("deploy")
    assert farm.current() == "1.0"


def test_a_release_is_verified_over_http_on_the_target(farm: Farm) -> None:
    port = free_port()
    serve = f"""
        test ! -e ~/pid || kill $(cat ~/pid)
        setsid python3 -m http.server --bind 127.0.0.1 {port} </dev/null >/dev/null 2>&1 &
        echo $! >~/pid
        """
    steps = f"""
- name: Deploy
  package: shop
  activate: {json.dumps(serve)}
  verify: {{http: "http://127.0.0.1:{port}/healthz", contains: "ok ${{{{ release }}}}", within: 10s, every: 200ms}}
"""
    try:
        told = _release(farm, "1.0", {"healthz": "ok 1.0"}, steps=steps)
        assert told.code == 0, told.stderr
        told = _release(farm, "1.1", {"healthz": "ok 1.0, still"}, steps=steps.replace("within: 10s", "within: 2s"))
        assert told.code == 1
        assert "did not answer as it should within 2 s; back at 1.0" in told.reason("deploy")
        end = next(event for event in told.all("step_ended") if event["step"] == "deploy")
        assert "ok 1.0, still" in end["tail"]
        assert farm.current() == "1.0"
    finally:
        os.kill(int((farm.home() / "pid").read_text()), signal.SIGKILL)


SLOW = """
- name: Deploy
  package: shop
  activate: 'echo "$OCTO_RELEASE" >>~/activated; touch ~/activating; while [ -e ~/slow ]; do sleep 0.05; done'
  verify: {command: 'echo "$OCTO_RELEASE" >>~/verified; test -e healthy', within: 1s}
"""


def _killed_in_activate(farm: Farm, release: str, files: dict[str, str]) -> None:
    """As if controller and target had lost their power between the switch and the end of ``activate``."""
    (farm.home() / "slow").touch()
    (farm.home() / "activating").unlink(missing_ok=True)
    farm.write_release(files)
    farm.write_plan(SLOW, release=release)
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "activating").exists, "activate runs")
    farm.kill(process)
    assert farm.current() == release
    assert [debt["what"] for debt in farm.baseline()["owed"]] == ["activate", "verify"]
    assert farm.is_locked()
    farm.free()  # ends ``activate``, which would go on without its controller
    assert not farm.is_locked()
    (farm.home() / "slow").unlink()


def test_consequences_that_a_killed_run_owed_are_made_good(farm: Farm) -> None:
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=SLOW).code == 0
    _killed_in_activate(farm, "1.1", {"version": "1.1", "healthy": ""})
    planned = farm.plan("--limit", "web-1")
    assert planned.document["steps"][0]["planned"]["web-1"]["reason"] == (
        "release 1.1 is current, but no success of it is recorded: activate and verify"
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("deploy"), told.sent) == (0, {"web-1": "changed"}, {})
    assert (farm.home() / "activated").read_text() == "1.0\n1.1\n1.1\n"
    assert (farm.home() / "verified").read_text() == "1.0\n1.1\n"
    assert farm.baseline()["owed"] == []
    assert farm.apply("--limit", "web-1").ends == {"web-1": "unchanged"}


def test_an_owed_verify_that_fails_brings_the_release_before_back(farm: Farm) -> None:
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=SLOW).code == 0
    _killed_in_activate(farm, "1.1", {"version": "1.1"})
    told = farm.apply("--limit", "web-1")
    assert (told.code, farm.current()) == (1, "1.0")
    assert "back at 1.0" in told.reason("deploy")


def test_an_owed_verify_of_a_first_release_that_fails_leaves_no_current(farm: Farm) -> None:
    _killed_in_activate(farm, "1.0", {"version": "1.0"})
    told = farm.apply("--limit", "web-1")
    assert (told.code, farm.current()) == (1, None)


def test_another_release_after_a_killed_one_owes_nothing_of_it(farm: Farm) -> None:
    assert _release(farm, "1.0", {"version": "1.0", "healthy": ""}, steps=SLOW).code == 0
    _killed_in_activate(farm, "1.1", {"version": "1.1", "healthy": ""})
    told = _release(farm, "1.2", {"version": "1.2"}, steps=SLOW)
    assert (told.code, farm.current()) == (1, "1.0")
    assert farm.baseline()["owed"] == []


def test_a_place_that_belongs_to_somebody_else_is_refused(farm: Farm) -> None:
    steps = "- {name: Deploy, package: shop, to: '~/place'}"
    assert _release(farm, "1.0", {"a": "1"}, steps=steps).code == 0
    before = listing(farm.home() / "place")
    farm.write_plan(
        steps.replace("package: shop", "package: other"), packages="{other: {dir: release}}", project="other"
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 5
    assert "place is not this project's" in told.stderr
    assert "shop" in told.stderr
    assert listing(farm.home() / "place") == before


def test_what_else_lies_in_the_place_is_left_alone(farm: Farm) -> None:
    (farm.home() / "place").mkdir()
    (farm.home() / "place/maintenance").write_text("mine")
    told = _release(farm, "1.0", {"a": "1"}, steps="- {name: Deploy, package: shop, to: '~/place'}")
    assert told.code == 0, told.stderr
    assert (farm.home() / "place/maintenance").read_text() == "mine"


def test_releases_that_octo_ssh_did_not_make_are_not_taken_over(farm: Farm) -> None:
    (farm.home() / "place/releases/1.0").mkdir(parents=True)
    told = _release(farm, "1.0", {"a": "1"}, steps="- {name: Deploy, package: shop, to: '~/place'}")
    assert told.code == 5
    assert "was not made by octo-ssh" in told.stderr
    assert not any((farm.home() / "place/releases/1.0").iterdir())


@pytest.mark.parametrize("where", [".octo-ssh", ".octo-ssh/work", ".octo-ssh/store", "place/releases"])
def test_a_link_planted_where_our_folders_belong_is_not_followed(farm: Farm, where: str) -> None:
    trap = farm.home() / "trap"
    trap.mkdir()
    (farm.home() / where).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (farm.home() / where).symlink_to(trap)
    told = _release(farm, "1.0", {"a": "1"}, steps="- {name: Deploy, package: shop, to: '~/place'}")
    assert told.code in (1, 4, 5)
    assert "link" in told.stderr + told.stdout
    assert not any(trap.iterdir())


def test_a_release_that_was_tampered_with_is_repaired_beside_itself(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1", "b": "2", "sub/c": "3"}).code == 0
    release = farm.to() / "releases/1.0"
    (release / "a").write_text("tampered")
    (release / "sub/c").unlink()
    (release / "extra").write_text("of somebody")
    told = farm.apply("--limit", "web-1")
    assert (told.code, farm.current()) == (0, "1.0_1")
    assert _planned(told)["reason"] == "repair: a changed, sub/c missing; 2 files to send; extra: extra left alone"
    assert {p.name for p in (farm.to() / "current").iterdir()} == {"a", "b", "sub"}
    assert (release / "extra").read_text() == "of somebody"


def test_extra_files_are_named_and_left_alone(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1"}).code == 0
    (farm.to() / "current/cache").mkdir()
    (farm.to() / "current/cache/x").write_text("of the app")
    planned = farm.plan("--limit", "web-1").document["steps"][0]["planned"]["web-1"]
    assert (planned["outcome"], planned["reason"]) == ("unchanged", "extra: cache left alone")
    before = listing(farm.home())
    assert farm.apply("--limit", "web-1").ends == {"web-1": "unchanged"}
    assert listing(farm.home()) == before


def test_files_that_were_only_touched_are_no_change(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1"}).code == 0
    os.utime(farm.to() / "current/a", (1, 1))
    assert farm.apply("--limit", "web-1").ends == {"web-1": "unchanged"}


def test_a_current_that_is_no_link_is_not_replaced(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1"}).code == 0
    (farm.to() / "current").unlink()
    (farm.to() / "current").mkdir()
    (farm.to() / "current/precious").write_text("mine")
    told = _release(farm, "1.1", {"a": "2"})
    assert told.code in (1, 5)
    assert (farm.to() / "current/precious").read_text() == "mine"


def test_packages_come_from_archives_too_and_keep_their_modes(farm: Farm) -> None:
    farm.write_release({"bin/app": "x"})
    farm.write("release/secret.conf", "token=${{ token }}", 0o600)
    shutil.make_archive(str(farm.folder / "shop-1.0"), "gztar", farm.folder / "release")
    farm.write("token", "hunter2hunter2")
    farm.write_plan(
        "- {name: Deploy, package: shop, configure: [secret.conf]}",
        packages="{shop: {file: 'shop-${{ release }}.tar.gz'}}",
        variables={"token": {"secret": {"file": "token"}}},
    )
    told = farm.apply()
    assert told.code == 0, told.stderr
    assert (farm.to("web-2") / "current/bin/app").read_text() == "x"
    secret = farm.to("web-2") / "current/secret.conf"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("token=hunter2hunter2", 0o600)


def test_two_projects_live_side_by_side_on_one_target(farm: Farm) -> None:
    assert _release(farm, "1.0", {"a": "1"}).code == 0
    farm.write_plan(DEPLOY, project="other", release="7")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    assert os.readlink(farm.root() / "apps/other/default/shop/current") == "releases/7"
    assert farm.current() == "1.0"
    heads = [line["prev"] for line in farm.journal()]
    assert len(set(heads)) == len(heads)


def test_a_run_that_went_back_is_no_success_though_the_failure_is_ignored(farm: Farm) -> None:
    steps = ACTIVE + "  on_failure: ignore\n- {name: After, run: echo on}\n"
    assert _release(farm, "1.0", {"healthy": ""}, steps=steps).code == 0
    told = _release(farm, "1.1", {"sick": ""}, steps=steps)
    assert (told.code, farm.current()) == (1, "1.0")
    assert told.ends == {"web-1": "changed"}
    assert told.outcome("after") == {"web-1": "changed"}
    assert told.all("step_ended")[0]["ignored"]
