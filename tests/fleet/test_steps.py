"""File and service steps in whole applies on real hosts: systemd, sudo with and without a password, kills, debts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.bench import Bench, cleaned, remove_people
from tests.fleet.hosts import PASSWORD, Fleet, Host
from tests.integration.farm import Told, wait_until

DATABASE = "dbadmin"
"""Nobody can log in as this user, who is not in anybody's group."""
UNIT = """\
[Unit]
Description=Steady for ${{ target }}
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/etc/steady/steady.conf
ExecStart=/bin/sh -c 'echo "$level" >>/run/steady.log; test "$level" != bad || { echo the level is bad; exit 3; }; exec sleep infinity'

[Install]
WantedBy=multi-user.target
"""  # noqa: E501
STEPS = """
- name: Unit file
  become: true
  file: /etc/systemd/system/steady.service
  template: steady.service
  mode: "0644"
  on_change: systemctl daemon-reload
- name: Settings
  become: true
  file: /etc/steady/steady.conf
  content: "level=${{ level }}\\n"
  mode: "0640"
  owner: root
  group: deploy
  parents: true
- name: Steady
  become: true
  service: steady
  state: running
  enabled: true
  restart: {on_change: [Unit file, settings]}
"""
EVERYWHERE = ("nopass", "withpw")


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    """``nopass`` becomes root without a password, ``withpw`` with one."""
    bench = Bench.on(fleet, tmp_path)
    bench.env["SUDO_PASSWORD"] = PASSWORD
    become = {"user": "root", "password": {"secret": {"env": "SUDO_PASSWORD"}}}
    bench.write_targets(
        {
            "nopass": {"on": "web-01", "user": "deploy-root"},
            "withpw": {"on": "web-02", "user": "deploy-pw", "become": become},
        }
    )
    bench.write("steady.service", UNIT)
    hosts = [host_of(bench, target) for target in EVERYWHERE]
    with cleaned(hosts, clean):
        for host in hosts:
            host.run(f"useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {DATABASE}")
        yield bench


def clean(host: Host) -> None:
    host.run("systemctl stop steady; systemctl disable steady; systemctl unmask steady; true")
    remove_people(host, DATABASE)
    host.run(
        "rm -rf /etc/systemd/system/steady* /etc/steady /run/steady.log /srv/db /root/.octo-ssh /home/*/.octo-ssh"
        " /opt/shop; systemctl daemon-reload; systemctl reset-failed"
    )


def host_of(bench: Bench, target: str) -> Host:
    return bench.fleet.hosts[{"nopass": "web-01", "withpw": "web-02"}[target]]


def write(bench: Bench, steps: str = STEPS, *, level: str = "low", **top: object) -> None:
    bench.write_plan(steps, packages="", variables={"level": level}, **top)  # type: ignore[arg-type]


def apply(bench: Bench, *words: str) -> Told:
    told = bench.plan_then_apply(*words)
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    return told


def starts(bench: Bench, target: str = "nopass") -> list[str]:
    """The levels at which the service was started."""
    return host_of(bench, target).run("cat /run/steady.log 2>/dev/null || true").stdout.split()


def state(bench: Bench, target: str = "nopass") -> str:
    words = ("systemctl is-active steady", "systemctl is-enabled steady")
    host = host_of(bench, target)
    return " ".join(host.run(word, check=False).stdout.strip() for word in words)


def stat(host: Host, path: str) -> str:
    return host.run(f"stat -c '%U:%G %a' {shlex.quote(path)}").stdout.strip()


def test_a_unit_file_its_reload_its_settings_and_its_service_in_one_plan(bench: Bench) -> None:
    write(bench)
    told = apply(bench)
    for target in EVERYWHERE:
        host = host_of(bench, target)
        assert state(bench, target) == "active enabled"
        assert starts(bench, target) == ["low"]
        assert stat(host, "/etc/systemd/system/steady.service") == "root:root 644"
        assert stat(host, "/etc/steady/steady.conf") == "root:deploy 640"
        assert stat(host, "/etc/steady") == "root:root 755"
        assert host.run("systemctl show -P Description steady").stdout == f"Steady for {target}\n"
    assert PASSWORD not in told.stdout + told.stderr
    assert bench.is_settled()
    write(bench, level="high")
    assert "Unit file" not in bench.octo("plan", "plan.yaml", "-v").stderr
    told = apply(bench)
    assert told.outcome("unit_file") == dict.fromkeys(EVERYWHERE, "unchanged")
    assert told.outcome("steady") == dict.fromkeys(EVERYWHERE, "changed")
    assert [starts(bench, target) for target in EVERYWHERE] == [["low", "high"]] * 2
    bench.write("steady.service", UNIT.replace("Steady for", "Ever steady for"))
    apply(bench)
    assert [starts(bench, target) for target in EVERYWHERE] == [["low", "high", "high"]] * 2
    assert host_of(bench, "withpw").run("systemctl show -P Description steady").stdout == "Ever steady for withpw\n"
    assert bench.is_settled()


BY_HAND = {
    "systemctl stop steady": ("inactive → running", 1),
    "systemctl disable steady": ("disabled → enabled", 0),
    "systemctl kill -s KILL steady; sleep 0.3": ("failed → running", 1),
    "rm /etc/steady/steady.conf": ("after 'Settings'", 1),
    "chmod 600 /etc/steady/steady.conf": ("after 'Settings'", 1),
}
"""What somebody did, how plan calls it, and how often the service is started then."""


def test_what_somebody_did_to_a_service_or_its_files_is_set_right(bench: Bench) -> None:
    write(bench)
    apply(bench)
    for by_hand, (reason, count) in BY_HAND.items():
        before = len(starts(bench))
        host_of(bench, "nopass").run(by_hand)
        assert reason in bench.plan("--limit", "nopass").planned("steady", "nopass")["reason"]
        assert apply(bench).ends == {"nopass": "changed", "withpw": "unchanged"}
        assert (state(bench), len(starts(bench)) - before) == ("active enabled", count), by_hand
    assert bench.is_settled()


def test_a_service_is_stopped_and_disabled_and_stays_so(bench: Bench) -> None:
    write(bench)
    apply(bench)
    write(bench, "- {name: Steady, become: true, service: steady, state: stopped, enabled: false}")
    assert "active → stopped, enabled → disabled" in bench.plan().planned("steady", "nopass")["reason"]
    apply(bench)
    assert state(bench) == "inactive disabled"
    assert bench.is_settled()
    write(bench, "- {name: Steady, become: true, service: no-such-service, state: stopped, enabled: false}")
    plan = bench.plan("--exit-code")
    assert (plan.code, plan.document["changing"], plan.document["remembering"]) == (0, [], [*EVERYWHERE])
    assert apply(bench).ends == dict.fromkeys(EVERYWHERE, "unchanged"), "what is not there is stopped already"
    assert bench.is_settled()


def test_restart_always_is_once_for_each_release_and_in_a_runbook_with_every_apply(bench: Bench) -> None:
    write(bench)
    apply(bench)
    restart = "- {name: Again, become: true, service: steady, restart: always}\n"
    write(bench, restart)
    for _ in range(2):
        apply(bench)
    assert starts(bench) == ["low"] * 3
    bench.write_release({"a": "1"})
    steps = "- {name: Deploy, become: true, package: shop, to: /opt/shop}\n" + restart
    for version, count in (("1.0", 4), ("1.0", 4), ("1.1", 5)):
        bench.write_plan(steps, release=version)
        apply(bench)
        assert starts(bench) == ["low"] * count
    assert bench.is_settled()


def test_a_package_or_a_script_may_be_what_restarts_a_service(bench: Bench) -> None:
    write(bench)
    apply(bench)
    steps = """
    - {name: Deploy, become: true, package: shop, to: /opt/shop}
    - {name: Tune, run: 'echo "$tuned"'}
    - {name: Steady, become: true, service: steady, state: running, restart: {on_change: [Deploy, Tune]}}
    """
    for tuned, content, count in (("a", "1", 2), ("a", "1", 2), ("b", "1", 3), ("b", "2", 4)):
        bench.write_release({"a": content})
        bench.write_plan(steps, variables={"tuned": tuned})
        apply(bench)
        assert starts(bench) == ["low"] * count
    assert bench.is_settled()


NO_SUCH = "- {name: Odd, become: true, service: no-such-service, state: running}\n- {name: After, run: id}"


def test_what_is_not_there_or_masked_fails_and_is_left_alone(bench: Bench) -> None:
    write(bench, NO_SUCH)
    forecast = bench.plan()
    assert (forecast.code, forecast.planned("odd", "nopass")["outcome"]) == (1, "failed")
    told = bench.apply()
    assert told.code == 1
    assert "is not there" in told.reason("odd", "withpw")
    assert told.outcome("after") == dict.fromkeys(EVERYWHERE, "skipped")
    write(bench)
    apply(bench)
    for target in EVERYWHERE:
        host_of(bench, target).run(
            "systemctl stop steady; rm /etc/systemd/system/steady.service; systemctl mask steady"
        )
    write(bench, "- {name: Steady, become: true, service: steady, state: running}")
    told = bench.apply()
    assert told.code == 1
    assert "is masked" in told.reason("steady", "nopass")
    assert state(bench) == "inactive masked"


def test_a_start_that_fails_says_what_the_service_said_and_its_restart_stays_owed(bench: Bench) -> None:
    write(bench)
    apply(bench)
    write(bench, level="bad")
    told = bench.apply("--limit", "nopass")
    assert (told.code, told.outcome("steady")) == (1, {"nopass": "failed"})
    assert "the level is bad" in told.reason("steady", "nopass")
    again = bench.apply("--limit", "nopass")
    assert (again.code, again.outcome("settings")) == (1, {"nopass": "unchanged"})
    assert "owed since an earlier run" in bench.plan("--limit", "nopass").planned("steady", "nopass")["reason"]
    write(bench, level="high")
    assert apply(bench).outcome("steady") == dict.fromkeys(EVERYWHERE, "changed")
    assert (state(bench), starts(bench)[-1]) == ("active enabled", "high")
    assert bench.is_settled()


def test_a_restart_is_made_good_after_a_kill_between_the_file_and_the_service(bench: Bench) -> None:
    write(bench)
    apply(bench)
    unit, settings, service = STEPS.split("\n- name: ")[1:]
    wait = 'Wait\n  "on": controller\n  run: touch waits; until test -e go; do sleep 0.1; done'
    waiting = "".join(f"\n- name: {step}" for step in (unit, settings, wait, service))
    write(bench, waiting, level="high")
    process = bench.start_apply()
    wait_until((bench.folder / "waits").exists, "the file is written, and the service comes later")
    bench.kill(process)
    (bench.folder / "go").touch()
    assert host_of(bench, "nopass").run("cat /etc/steady/steady.conf").stdout == "level=high\n"
    assert starts(bench) == ["low"]
    for target in EVERYWHERE:
        bench.free(target)
    forecast = bench.plan()
    assert forecast.planned("settings", "nopass")["outcome"] == "unchanged"
    assert forecast.planned("steady", "nopass")["reason"].endswith("restart: owed since an earlier run")
    told = apply(bench)
    assert told.outcome("steady") == dict.fromkeys(EVERYWHERE, "changed")
    assert [starts(bench, target) for target in EVERYWHERE] == [["low", "high"]] * 2
    write(bench, level="high")
    assert bench.is_settled()


def test_a_restart_that_was_left_out_is_made_good_by_the_next_apply(bench: Bench) -> None:
    write(bench)
    apply(bench)
    write(bench, level="high")
    told = apply(bench, "--skip-step", "Steady")
    assert told.outcome("settings") == dict.fromkeys(EVERYWHERE, "changed")
    assert starts(bench) == ["low"]
    assert apply(bench).outcome("steady") == dict.fromkeys(EVERYWHERE, "changed")
    assert starts(bench) == ["low", "high"]
    assert bench.is_settled()


def test_files_of_another_user_through_sudo(bench: Bench) -> None:
    for target in EVERYWHERE:
        host_of(bench, target).run(f"install -d -o {DATABASE} -m 700 /srv/db")
    bench.write("key", "a key that is a secret\n")
    write(
        bench,
        f"""
        - name: Key
          become: {{user: {DATABASE}}}
          file: /srv/db/sub/key
          content: {{secret: {{file: key}}}}
          parents: true
          on_change: id -un >/srv/db/who
        - {{name: Public, become: {{user: {DATABASE}}}, file: /srv/db/public, content: x, mode: "0604"}}
        - {{name: Given, become: true, file: /srv/db/given, content: x, owner: {DATABASE}, group: deploy}}
        """,
    )
    told = apply(bench)
    for target in EVERYWHERE:
        host = host_of(bench, target)
        assert stat(host, "/srv/db/sub/key") == f"{DATABASE}:{DATABASE} 600"
        assert stat(host, "/srv/db/public") == f"{DATABASE}:{DATABASE} 604"
        assert stat(host, "/srv/db/given") == f"{DATABASE}:deploy 644"
        assert host.run("cat /srv/db/sub/key").stdout == "a key that is a secret"
        assert host.run("cat /srv/db/who").stdout == f"{DATABASE}\n"
    assert "a key that is a secret" not in told.stdout + told.stderr
    assert bench.is_settled()
    host_of(bench, "withpw").run("chown root /srv/db/given; chmod 777 /srv/db/public; rm /srv/db/sub/key")
    told = apply(bench)
    assert told.ends == {"nopass": "unchanged", "withpw": "changed"}
    assert stat(host_of(bench, "withpw"), "/srv/db/given") == f"{DATABASE}:deploy 644"


def test_who_may_not_is_told_what_to_do(bench: Bench) -> None:
    host_of(bench, "nopass").run("install -d -m 700 /srv/db; echo x >/srv/db/there")
    write(
        bench,
        """
        - {name: Unreadable, on_failure: ignore, file: /srv/db/there, content: x}
        - {name: Not mine, on_failure: ignore, file: ~/given, content: x, owner: root}
        - {name: No folder of mine, on_failure: ignore, file: /etc/steady.conf, content: x}
        """,
    )
    told = bench.apply("--limit", "nopass")
    assert told.code == 0, told.stdout
    assert "'become'" in told.reason("unreadable", "nopass")
    assert "become: true" in told.reason("not_mine", "nopass")
    assert "/etc" in told.reason("no_folder_of_mine", "nopass")
    left = host_of(bench, "nopass").run("ls -A /home/deploy-root /etc | grep -e given -e '[.]octo-[0-9a-f]*$'; true")
    assert left.stdout == ""
