"""Drift on real Debian hosts: what people do to servers is found and named, what is well stays quiet, nothing is
written.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleet import tamperings
from tests.fleet.base import why_no_fleet
from tests.fleet.bench import Bench, end_of_log, log_since
from tests.fleet.hosts import Fleet, Host
from tests.fleet.tamperings import ALL, ODD, Tampering
from tests.integration.checks import Check, check

WRITER = """\
[Service]
User=deploy-root
WorkingDirectory=/srv/shop/current/var/uploads
ExecStart=/bin/sh -c 'n=0; while sleep 0.01; do n=$((n+1)); echo $n >upload-$((n%%50)); rm -f upload-$((n%%7)); \
mkdir -p folder$((n%%9)); echo $n >>/srv/shop/current/var/spool/app.log; done'
"""
"""An app at work."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Three hosts of its own, release 1.1 on them, 1.0 before it."""
    if reason := why_no_fleet():
        pytest.skip(reason)
    fleet = Fleet.boot(webs=3)
    with contextlib.closing(fleet):
        bench = Bench.on(fleet, tmp_path_factory.mktemp("drift"))
        bench.timeout_s = 240
        set_up(bench)
        yield bench


def set_up(bench: Bench) -> None:
    for host in bench.fleet.webs:
        for unit in tamperings.UNITS:
            text = tamperings.UNIT.replace(
                "User=deploy-root\n", "" if unit == tamperings.DAEMON else "User=deploy-root\n"
            )
            host.write(f"/etc/systemd/system/u-{unit}.service", text)
        host.write("/etc/systemd/system/writer.service", WRITER)
        host.run("systemctl daemon-reload; mkdir /etc/shop")
    bench.write_targets({host.name: {} for host in bench.fleet.webs}, defaults={"user": "deploy-root"})
    names = [row.subject.removeprefix("files/") for row in tamperings.PACKAGE if row.subject.startswith("files/")]
    bench.write_release({f"files/{name}": f"aaa {name}\n" for name in (*names, "untouched")})
    folder = bench.folder / "release"
    for row in tamperings.PACKAGE:
        if row.kind == "extra" and row.subject.startswith("files/"):
            (folder / row.subject).unlink()
        if row.subject.startswith("folders/"):
            bench.write(f"release/{row.subject}/inside", row.name)
        if row.subject.startswith("links/"):
            (folder / "links").mkdir(exist_ok=True)
            (folder / row.subject).symlink_to("../files/untouched")
    (folder / "folders/folder-empty/inside").unlink()
    (folder / "files/emptied").write_text("")
    (folder / "files/emptied").write_text("something\n")
    (folder / "files/filled").write_text("")
    for name in ODD:
        bench.write(f"release/odd/{name}", name)
    bench.write("small/version", "one\n")
    packages = {"shop": {"dir": "release"}, **{name: {"dir": "small"} for name in tamperings.PLACES}}
    for release in ("1.0", "1.1"):
        bench.write("small/version", f"{release}\n")
        bench.write_plan(yaml.safe_dump(steps()), packages=yaml.safe_dump(packages), release=release)
        told = bench.apply()
        assert told.code == 0, told.stdout[-3000:] + told.stderr


def steps() -> list[dict[str, Any]]:
    conf = [
        {
            "name": f"conf-{name}",
            "file": f"/etc/shop/{name}.conf",
            "content": f"name = {name}\n",
            "owner": "deploy",
            "group": "deploy",
            "mode": "0640",
            "become": True,
        }
        for name in tamperings.CONF
    ]
    deploy = {
        "name": "deploy",
        "package": "shop",
        "to": "/srv/shop",
        "become": True,
        "shared": ["var/uploads", "var/spool", "var/keep"],
        "configure": ["files/configured"],
        "activate": "chown -R deploy-root: /srv/shop/shared; systemctl restart 'u-*'",
    }
    places = [{"name": name, "package": name, "to": f"/srv/{name}", "become": True} for name in tamperings.PLACES]
    units = [
        {
            "name": f"u-{name}",
            "service": f"u-{name}",
            "state": "stopped" if name in tamperings.IDLE else "running",
            "enabled": name not in tamperings.IDLE,
            "become": True,
        }
        for name in tamperings.UNITS
    ]
    return [
        *conf,
        {"name": "conf-absent", "file": "/etc/shop/absent.conf", "absent": True, "become": True},
        {"name": "prepare", "run": "touch /etc/shop/prepared", "unless": "test -e /etc/shop/prepared", "become": True},
        deploy,
        *places,
        *units,
    ]


def everything(found: Check) -> dict[str, set[tuple[str, str, str]]]:
    return {row["target"]: found.found(row["target"]) for row in found.document["targets"]}


def test_a_clean_fleet_has_no_finding(bench: Bench) -> None:
    found = check(bench)
    assert (found.code, everything(found)) == (0, {"web-01": set(), "web-02": set(), "web-03": set()}), found.document
    assert found.counts["in_sync"] == 3
    told = bench.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")


def test_an_app_at_work_is_no_drift(bench: Bench) -> None:
    for host in bench.fleet.webs:
        host.run("systemctl start writer")
    try:
        for _ in range(8):
            found = check(bench)
            assert (found.code, found.counts["in_sync"]) == (0, 3), everything(found)
    finally:
        for host in bench.fleet.webs:
            host.run("systemctl stop writer")


SNAPSHOT = r"""
import hashlib, json, os, stat, sys
skipped = {"/proc", "/sys", "/dev", "/run", "/var/log", "/var/lib/sudo", "/var/lib/systemd/timers"}
found = {}
def see(path):
    about = os.lstat(path)
    digest = ""
    if stat.S_ISREG(about.st_mode):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(about.st_mode):
        digest = os.readlink(path)
    times = about.st_mtime_ns, about.st_ctime_ns
    found[path] = [about.st_mode, about.st_uid, about.st_gid, about.st_size, *times, digest]
def walk(folder):
    see(folder)
    for entry in os.scandir(folder):
        if entry.path in skipped or entry.name.startswith("systemd-private-"):
            continue
        if entry.is_dir(follow_symlinks=False):
            walk(entry.path)
        else:
            see(entry.path)
walk("/")
json.dump(found, sys.stdout)
"""
"""Everything on a host but what any login writes: the logs, sudo's times, what is in memory."""


def snapshot(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.run("python3 -", stdin=SNAPSHOT).stdout)
    return found


CHECKS = ((), ("--quick",), ("--health",), ("--against", "plan"))


def test_a_check_writes_nothing(bench: Bench) -> None:
    hosts = bench.fleet.webs
    before = {host.name: snapshot(host) for host in hosts}
    assert len(before["web-01"]) > 5000
    for words in CHECKS:
        assert check(bench, *words).code == 0
    after = {host.name: snapshot(host) for host in hosts}
    for name, files in before.items():
        changed = {path for path in {*files, *after[name]} if files.get(path) != after[name].get(path)}
        assert changed == set(), name


def test_a_host_whose_disk_is_read_only_is_checked(bench: Bench) -> None:
    host = bench.fleet.hosts["web-02"]
    # Logs go elsewhere on such hosts: nothing may be open for writing when it is done.
    host.run("mount -t tmpfs tmpfs /var/log && systemctl restart systemd-journald && mount -o remount,ro,bind /")
    try:
        assert host.run("touch /srv/shop/x", check=False).returncode != 0
        for words in CHECKS:
            found = check(bench, *words)
            assert (found.code, found.counts["in_sync"]) == (0, 3), everything(found)
    finally:
        host.run("mount -o remount,rw,bind /; umount -l /var/log; systemctl restart systemd-journald")


@pytest.fixture(scope="module")
def tampered(bench: Bench) -> Check:
    """What a check says after all of it."""
    for host in bench.fleet.webs:
        mine = [row.command for row in ALL if row.host == host.name]
        script = "\n".join(f"( {command}\n) || echo 'FAILED {number}'" for number, command in enumerate(mine))
        done = host.run(f"cd {tamperings.R}\n{script}")
        assert "FAILED" not in done.stdout, (done.stdout, done.stderr, mine)
    return check(bench)


def test_it_is_drift(tampered: Check) -> None:
    assert (tampered.code, tampered.counts["drifted"]) == (3, 3)
    reasons = {
        (target["target"], step["step"]): step["reason"]
        for target in tampered.document["targets"]
        for step in target["steps"]
        if step["partly_unknown"] or step["state"] == "unknown"
    }
    assert reasons == {}


@pytest.mark.parametrize("row", ALL, ids=[row.name.encode("unicode_escape").decode() for row in ALL])
def test_a_tampering_is_found_and_named(tampered: Check, row: Tampering) -> None:
    mine = {found for found in tampered.found(row.host) if found[0] == row.step}
    assert (row.step, row.kind, row.subject) in mine


def test_nothing_else_is_found(tampered: Check) -> None:
    wanted = {(row.host, (row.step, row.kind, row.subject)) for row in ALL}
    found = {(name, one) for name, rows in everything(tampered).items() for one in rows}
    assert found - wanted == tamperings.BESIDE


def test_what_a_login_may_not_see_is_unknown_and_the_rest_is_checked(bench: Bench, tmp_path: Path) -> None:
    other = Bench.on(bench.fleet, tmp_path)
    host = other.fleet.hosts["web-03"]
    password = {"become": {"password": {"secret": {"env": "SUDO"}}}}
    other.write_targets({"one": {"on": "web-03", "user": "deploy-pw", **password}})
    other.write_release({"a": "a", "b": "b", "folder/c": "c"})
    other.write_plan(
        """
- {name: own, file: ~/own.conf, content: own}
- {name: shut, file: ~/shut/shut.conf, content: shut}
- {name: root, file: /etc/other.conf, content: root, become: true}
- {name: deploy, package: shop}
- {name: unit, service: u-started, state: stopped, become: true}
- {name: asked, run: "true", unless: "true", become: true}
- {name: well, check: {command: ["true"], within: 1s}, become: true}
""",
        project="other",
    )
    host.run("install -d -o deploy-pw ~deploy-pw/shut")
    other.env["SUDO"] = "octopus"
    assert other.apply().code == 0
    assert check(other).code == 0
    for wrong in ("wrong", None):
        other.env.pop("SUDO")
        if wrong is not None:
            other.env["SUDO"] = wrong
        before = end_of_log(host)
        found = check(other, "--health")
        logs = log_since(host, before)
        assert logs.count("authentication failure") == (0 if wrong is None else 1), logs
        states = {"own": "in sync", "shut": "in sync", "deploy": "in sync"}
        assert found.states("one") == {**states, **dict.fromkeys(("root", "unit", "asked", "well"), "unknown")}
        assert (found.code, found.counts["unknown"], found.counts["unreachable"]) == (4, 1, 0)
        assert ("password" if wrong else "SUDO") in found.step("root", "one")["reason"]
    other.env["SUDO"] = "octopus"
    host.run(
        "cd ~deploy-pw && chown root shut && chmod 700 shut && cd .octo-ssh/apps/other/default/shop/current && "
        "chown root: a folder && chmod 600 a && chmod 700 folder"
    )
    found = check(other)
    assert found.step("shut", "one")["state"] == "unknown"
    assert found.code == 3
    assert found.step("deploy", "one")["partly_unknown"] is True
    assert {kind for _, kind, _ in found.found("one")} == {"mode", "owner"}


def test_a_drop_in_that_nobody_wrote_is_named_before_it_is_accepted(bench: Bench, tmp_path: Path) -> None:
    other = Bench.on(bench.fleet, tmp_path)
    host = other.fleet.hosts["web-03"]
    host.write("/etc/systemd/system/accepting.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    host.run("systemctl daemon-reload")
    other.write_targets({"one": {"on": "web-03", "user": "deploy-root"}})
    other.write_release({"a": "a"})
    other.write_plan(
        """
- {name: deploy, package: shop}
- {name: unit, service: accepting, state: running, become: true}
""",
        project="accepting",
    )
    assert other.apply().code == 0
    evil = "/etc/systemd/system/accepting.service.d/evil.conf"
    host.write(evil, "[Service]\nEnvironment=EVIL=1\n")
    assert check(other).found("one") == {("unit", "unit", "accepting")}
    accepts = f"accepts unit files that no file step writes: {evil} (new)"
    told = other.octo("plan", "plan.yaml")
    assert f"accepting is as it should be, and is remembered so; {accepts}" in told.stdout
    told = other.apply()
    assert (told.code, told.reason("unit", "one")) == (0, f"accepting: active; {accepts}")
    assert f'"accepted":["{evil} (new)"]' in host.run("cat ~deploy-root/.octo-ssh/journal.jsonl").stdout
    found = check(other)
    assert (found.code, found.counts["gone"], found.counts["accepted"]) == (0, 0, 1)
    assert "nothing to do" in other.octo("plan", "plan.yaml").stdout
    host.run(f"rm {evil}")
    assert f"{evil} (removed)" in other.octo("plan", "plan.yaml").stdout
    assert other.apply().code == 0
    found = check(other)
    assert (found.code, found.counts["gone"], found.counts["accepted"]) == (0, 0, 0)


def test_it_reads_well(bench: Bench, tampered: Check) -> None:
    told = bench.octo("drift", "plan.yaml", "-v")
    assert told.code == 3
    for text in ("\x1b", "odd/n\nl"):
        assert text not in told.stdout
    for text in (
        r'web-01: "odd/n\nl" extra',
        "web-01: files/mode mode 0644 → 0600",
        "web-02: u-masked is masked",
        "web-02: u-old still runs 1.0, not 1.1",
        "web-03: current is another release: 1.1 → 1.0",
    ):
        assert text in told.stdout, told.stdout
