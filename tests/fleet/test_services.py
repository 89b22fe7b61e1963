"""Packages and real services: activated by systemd, returned when that fails, pruned, side by side, byte for byte."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.bench import Bench, add_person, cleaned, read_link, remove_people
from tests.fleet.hosts import Fleet, Host
from tests.fleet.story import planned
from tests.integration.farm import wait_until

UNIT = """\
[Unit]
Description=A page
StartLimitIntervalSec=0

[Service]
ExecStartPre=/srv/page/current/bin/check
ExecStart=/bin/busybox httpd -f -p 127.0.0.1:8081 -h /srv/page/current/www
"""
"""Served is the release that was current at the start."""
PAGE = """
- name: Deploy
  package: shop
  to: /srv/page
  keep: 2
  activate: sudo systemctl restart page
  verify: {http: "http://127.0.0.1:8081/version", contains: "${{ release }}", within: 3s, every: 1s}
"""
CLEAN = (
    "systemctl stop page; rm -f /etc/systemd/system/page.service; systemctl daemon-reload;"
    "rm -rf /srv/page /srv/side ~deploy/.octo-ssh ~deploy/go ~deploy/seen"
)


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    """web-01, and web-03 behind the jump host, with the page's unit."""
    bench = Bench.on(fleet, tmp_path)
    bench.write_targets({"web-01": {}, "web-03": {}, "jump": {"tags": []}})
    with cleaned(hosts_of(bench), lambda host: host.run(CLEAN)):
        for host in hosts_of(bench):
            host.write("/etc/systemd/system/page.service", UNIT)
            host.run("systemctl daemon-reload; install -d -o deploy /srv/page /srv/side")
        yield bench


def hosts_of(bench: Bench) -> list[Host]:
    return [bench.fleet.hosts["web-01"], bench.fleet.hosts["web-03"]]


def release(bench: Bench, version: str, *, starts: bool = True, page: str = "") -> None:
    bench.write_release({"www/version": f"{page or version}\n", "bin/check": f"#!/bin/sh\n{str(starts).lower()}\n"})
    (bench.folder / "release/bin/check").chmod(0o755)


def apply(bench: Bench, version: str, *words: str) -> Any:
    return bench.apply("--release", version, "--exclude", "jump", *words)


def served(host: Host) -> str:
    return host.run("curl -fsS http://127.0.0.1:8081/version", check=False).stdout.strip()


def is_active(host: Host) -> str:
    return host.run("systemctl is-active page", check=False).stdout.strip()


def test_a_first_release_that_fails_leaves_nothing_current_and_nothing_running(bench: Bench) -> None:
    release(bench, "1.0", starts=False)
    bench.write_plan(PAGE, max_failures=9)
    told = apply(bench, "1.0")
    assert told.code == 1
    assert told.outcome("deploy") == {"web-01": "failed", "web-03": "failed"}
    assert "activate: exit status 1; nothing is current" in told.reason("deploy", "web-03")
    assert "page.service failed" in told.output("deploy", "web-03")
    for host in hosts_of(bench):
        assert read_link(host, "/srv/page/current") is None
        assert is_active(host) == "failed"
    release(bench, "1.0")
    assert apply(bench, "1.0").code == 0
    assert [(read_link(host, "/srv/page/current"), served(host)) for host in hosts_of(bench)] == [
        ("releases/1.0_1", "1.0")
    ] * 2


def test_an_activate_that_fails_goes_back_to_the_release_before_and_starts_it(bench: Bench) -> None:
    release(bench, "1.0")
    bench.write_plan(PAGE, max_failures=9)
    assert apply(bench, "1.0").code == 0
    release(bench, "1.1", starts=False)
    told = apply(bench, "1.1")
    assert told.code == 1
    for host, name in zip(hosts_of(bench), ("web-01", "web-03"), strict=True):
        assert "activate: exit status 1; back at 1.0" in told.reason("deploy", name)
        assert "going back to 1.0" in told.notes("deploy", name)
        assert read_link(host, "/srv/page/current") == "releases/1.0"
        assert (is_active(host), served(host)) == ("active", "1.0")
    release(bench, "1.0")
    assert set(apply(bench, "1.0").ends.values()) == {"unchanged"}


def test_releases_beyond_keep_go_and_failed_ones_do_not_count(bench: Bench) -> None:
    bench.write_plan(PAGE, max_failures=9)
    for version, page in (("1.0", ""), ("1.1", ""), ("1.2", ""), ("1.3", "broken"), ("1.4", "")):
        release(bench, version, page=page)
        assert apply(bench, version).code == (1 if page else 0)
    for host in hosts_of(bench):
        left = {path.name for path in (host.folder / "srv/page/releases").iterdir()}
        assert left == {f"{name}{end}" for name in ("1.1", "1.2", "1.4") for end in ("", ".json")}
        assert served(host) == "1.4"


def test_two_packages_on_one_host_stand_and_fall_alone(bench: Bench) -> None:
    plan = (
        PAGE.replace("name: Deploy", "name: Page")
        + """
- name: Side
  package: side
  to: /srv/side
  activate: 'echo "$OCTO_RELEASE_DIR_SIDE $OCTO_RELEASE_DIR $(basename "$PWD")"; cat ok'
- name: Look
  when: always
  run: echo "$(basename "$(dirname "$PWD")") $OCTO_RELEASE_DIR_SHOP $OCTO_RELEASE_DIR_SIDE"
"""
    )
    release(bench, "1.0")
    bench.write("side/ok", "fine\n")
    bench.write_plan(plan, packages="{shop: {dir: release}, side: {dir: side}}", max_failures=9)
    told = apply(bench, "1.0")
    assert told.code == 0, told.stdout
    assert told.output("side", "web-03") == "/srv/side/releases/1.0 /srv/side/releases/1.0 1.0\nfine\n"
    assert told.output("look", "web-03") == "work /srv/page/releases/1.0 /srv/side/releases/1.0\n"
    release(bench, "1.1")
    os.rename(bench.folder / "side/ok", bench.folder / "side/other")
    told = apply(bench, "1.1")
    assert told.code == 1
    assert (told.outcome("page")["web-01"], told.outcome("side")["web-01"]) == ("changed", "failed")
    assert told.outcome("look")["web-01"] == "changed"
    for host in hosts_of(bench):
        assert read_link(host, "/srv/page/current") == "releases/1.1"
        assert read_link(host, "/srv/side/current") == "releases/1.0"


def test_two_projects_on_one_host_take_turns(bench: Bench) -> None:
    hosts = hosts_of(bench)
    release(bench, "1.0")
    bench.write_plan(PAGE + "- {name: Wait, run: 'echo >~/seen; until test -e ~/go; do sleep 0.1; done'}\n")
    page = bench.start_apply("--exclude", "jump")
    wait_until(lambda: all((host.folder / "home/deploy/seen").exists() for host in hosts), "the step that waits")
    bench.write_plan("- {name: Other, run: echo other}", packages="", project="other")
    at_once = bench.apply("--limit", "web-01")
    waiting = bench.start_apply("--lock-wait", "1m", "--limit", "web-01")
    for host in hosts:
        host.run("touch ~deploy/go")
    assert bench.finish(page).code == 0
    waited = bench.finish(waiting)
    assert at_once.code == 5
    assert "web-01 is locked by" in at_once.stderr
    assert "apply shop 1.0" in at_once.stderr
    assert (waited.code, waited.ends) == (0, {"web-01": "changed"})
    journal = (hosts[0].folder / "home/deploy/.octo-ssh/journal.jsonl").read_text().splitlines()
    projects = [json.loads(line)["project"] for line in journal]
    assert projects == sorted(projects, reverse=True)
    assert set(projects) == {"shop", "other"}
    bench.write_plan(PAGE + "- {name: Wait, run: 'echo >~/seen; until test -e ~/go; do sleep 0.1; done'}\n")
    assert set(apply(bench, "1.0").ends.values()) == {"unchanged"}


BUSYBOX_SHELL = """\
#!/opt/bb/sh
PATH=/opt/bb
export PATH
exec /opt/bb/sh "$@"
"""
"""A login shell under which every command of sessions is an applet."""
ODD = (
    b"-rf", b"--help", b" leading", b"trailing ", b"two  spaces", b"new\nline", b"end\n", b"tab\there", b"\\backslash",
    b"it's", b'"quoted"', b"$HOME", b"`id`", b"$(id)", b"a;b&c|d", b"*", b"[a]", b"?", b"~", b"#", b"!", b"{a,b}",
    "ünïcödé ☃ 漢字".encode(), "e\u0301".encode(), "\u00e9".encode(), b"\x01\x7f", b"\xff\xfe raw", b"x" * 255, b"%s%n",
    b"<>", b"a=b", b",comma", b"C:colon", b"...", b".hidden", b"con\r", b"\xc2\x85nel", b"0", b"1:2:3",
)  # fmt: skip


@pytest.fixture
def two(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    """``gnu`` has GNU's tools and zstd, ``bb`` has nothing but busybox."""
    bench = Bench.on(fleet, tmp_path)
    bench.write_targets({"gnu": {"on": "web-01"}, "bb": {"on": "web-02", "user": "bb"}})
    bb, gnu = fleet.hosts["web-02"], fleet.hosts["web-01"]
    with cleaned((bb, gnu), clean_up_pages):
        bb.run("mkdir -p /opt/bb && busybox --install -s /opt/bb")
        bb.write("/opt/bb-shell", BUSYBOX_SHELL, mode=0o755)
        add_person(bb, "bb", shell="/opt/bb-shell")
        for each in (bb, gnu):
            each.run(
                "mkdir -p /run/page; echo fine >/run/page/ok;"
                "systemd-run --quiet --unit web-page busybox httpd -f -p 127.0.0.1:8099 -h /run/page"
            )
        yield bench


def clean_up_pages(host: Host) -> None:
    remove_people(host, "bb")
    host.run("systemctl stop web-page; rm -rf /opt/bb /opt/bb-shell /run/page ~deploy/.octo-ssh")


def write_files(folder: Path, *, edited: int) -> None:
    """3,000 files and some links and folders; odd names everywhere."""
    chance = random.Random(1)
    root = os.fsencode(folder)
    for number in range(3000 - 2 * len(ODD)):
        put(root, b"lib/part%02d/file%04d" % (number % 30, number), chance.randbytes(chance.randrange(3000)))
    for number, name in enumerate(ODD):
        put(root, b"odd/" + name, name * 3)
        put(root, b"folders/" + name[:100] + b"/" + name, chance.randbytes(5000))
        if number % 3 == 0:
            os.makedirs(os.path.join(root, b"empty", name), exist_ok=True)
            put_link(root, b"links/" + name, b"../odd/" + name)
    for number in range(edited):
        put(root, b"lib/part%02d/file%04d" % (number % 30, number), b"edited")
        put(root, b"odd/" + ODD[number], b"edited too")


def put(root: bytes, name: bytes, data: bytes) -> None:
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def put_link(root: bytes, name: bytes, target: bytes) -> None:
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.islink(path):
        os.symlink(target, path)


def contents(folder: Path) -> dict[bytes, bytes | None]:
    """Every file's bytes, every link's target, every folder, by path."""
    root = os.fsencode(folder)
    found: dict[bytes, bytes | None] = {}
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                found[os.path.relpath(path, root)] = b"-> " + os.readlink(path)
            elif os.path.isdir(path):
                found[os.path.relpath(path, root)] = None
            else:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = file.read()
    return found


def test_three_thousand_files_with_odd_names_arrive_byte_for_byte_also_where_all_is_busybox(two: Bench) -> None:
    fleet = two.fleet
    homes = {"gnu": fleet.hosts["web-01"].folder / "home/deploy", "bb": fleet.hosts["web-02"].folder / "home/bb"}
    write_files(two.folder / "release", edited=0)
    two.write_plan(
        """
- name: Look
  run: |
    for tool in sh tar find sort sha256sum mv cp; do readlink -f "$(command -v $tool)"; done
    command -v zstd curl python3 || echo none of these
- name: Deploy
  package: shop
  verify: {http: "http://127.0.0.1:8099/ok", within: 5s}
- {name: Check, check: {command: [test, -e, "odd/-rf"], within: 5s}}
"""
    )
    told = two.apply()
    assert told.code == 0, told.stdout
    assert told.output("look", "bb") == "/usr/bin/busybox\n" * 7 + "none of these\n"
    assert "busybox" not in told.output("look", "gnu")
    wanted = contents(two.folder / "release")
    assert sum(data is not None and not data.startswith(b"-> ") for data in wanted.values()) == 3000
    place = ".octo-ssh/apps/shop/default/shop/releases"
    assert {name: contents(home / place / "1.0") == wanted for name, home in homes.items()} == {"gnu": True, "bb": True}
    assert set(two.apply().ends.values()) == {"unchanged"}
    write_files(two.folder / "release", edited=30)
    os.rename(two.folder / "release/lib/part05", two.folder / "release/lib/part five")
    forecast = two.plan("--release", "1.1").document
    told = two.apply("--release", "1.1")
    assert told.code == 0, told.stdout
    assert told.outcomes == planned(forecast)
    wanted = contents(two.folder / "release")
    assert {name: contents(home / place / "1.1") == wanted for name, home in homes.items()} == {"gnu": True, "bb": True}
    assert set(two.apply("--release", "1.1").ends.values()) == {"unchanged"}
    put(os.fsencode(homes["bb"] / place / "1.1"), b"odd/new\nline", b"tampered")
    put(os.fsencode(homes["bb"] / place / "1.1"), b"lib/part01/file0001", b"tampered")
    told = two.apply("--release", "1.1")
    assert (told.code, told.ends) == (0, {"gnu": "unchanged", "bb": "changed"}), told.stdout
    assert contents(homes["bb"] / place / "1.1_1") == wanted
