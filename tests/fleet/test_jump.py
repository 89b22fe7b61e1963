"""Ways through jump hosts: chains, one with a door of its own, one that is down, unknown or dies, and ssh_config."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleet.bench import Bench, add_person, cleaned, read_link, remove_people, restart_sshd
from tests.fleet.hosts import JUMP, Fleet, Host
from tests.integration.farm import Told, wait_until

DROP_IN = "/etc/ssh/sshd_config.d/jump.conf"
WHO = "- {name: Who, run: 'echo ${SSH_CONNECTION%% *}'}"
"""Prints who is seen to come."""
HOPPER = "hopper"


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.on(fleet, tmp_path)
    bench.write_release({"file": "text\n"})
    with cleaned(fleet.hosts.values(), lambda host: host.run("rm -rf ~deploy/.octo-ssh ~deploy/began ~deploy/go")):
        yield bench


@pytest.fixture
def hopper(fleet: Fleet) -> Iterator[None]:
    """The jump host has a second port, and a user who may do nothing but pass."""
    jump = fleet.hosts[JUMP]
    with cleaned([jump], close_jump):
        add_person(jump, HOPPER, shell="/usr/sbin/nologin")
        set_up_jump(jump, f"Match User {HOPPER}\n  MaxSessions 0\n  X11Forwarding no\n")
        yield


def close_jump(jump: Host) -> None:
    if jump.run(f"rm {DROP_IN}", check=False).returncode == 0:
        restart_sshd(jump)
    remove_people(jump, HOPPER)


def set_up_jump(jump: Host, lines: str) -> None:
    jump.write(DROP_IN, f"Port 22\nPort 2222\nDenyUsers nobody\n{lines}")
    restart_sshd(jump)


def hidden_ip(fleet: Fleet) -> str:
    """The jump host's address in the network behind it."""
    found: str = fleet.hosts[JUMP].run("ip -o -4 address show eth1").stdout.split()[3].partition("/")[0]
    return found


def reasons(told: Told) -> dict[str, str]:
    return {event["target"]: event["reason"] for event in told.all("target_lost")}


def test_chains_of_jump_hosts_lead_to_the_last(bench: Bench) -> None:
    fleet = bench.fleet
    bench.write_targets(
        {
            "web-01": {},
            "web-02": {"jump": ["web-01"]},
            "web-03": {"jump": ["web-02", JUMP]},
            "web-04": {"jump": "web-03"},
            JUMP: {"jump": "web-01"},
        }
    )
    bench.write_plan(f"{WHO}\n- {{name: Deploy, package: shop}}\n")
    told = bench.apply()
    assert (told.code, set(told.ends.values())) == (0, {"changed"}), told.stdout
    inside = hidden_ip(fleet)
    assert {name: told.output("who", name).strip() for name in told.ends} == {
        "web-01": f"10.77.{fleet.number}.1",
        "web-02": fleet.hosts["web-01"].ip,
        "web-03": inside,
        "web-04": fleet.hosts["web-03"].ip,
        JUMP: fleet.hosts["web-01"].ip,
    }
    place = "/home/deploy/.octo-ssh/apps/shop/default/shop/current"
    assert {read_link(host, place) for host in fleet.hosts.values()} == {"releases/1.0"}
    assert set(bench.apply().ends.values()) == {"unchanged"}


@pytest.mark.usefixtures("hopper")
def test_a_jump_host_has_a_user_and_a_port_of_its_own_and_gives_no_shell(bench: Bench) -> None:
    address = bench.fleet.hosts[JUMP].ip
    bench.write_targets(
        {
            "web-03": {},
            "web-04": {"jump": f"{HOPPER}@{address}:2222"},
            JUMP: {"user": HOPPER, "port": 2222},
        }
    )
    bench.write_plan(WHO, packages="")
    told = bench.apply("--exclude", JUMP)
    assert told.code == 0, told.stdout + told.stderr
    inside = hidden_ip(bench.fleet)
    assert [told.output("who", name) for name in ("web-03", "web-04")] == [f"{inside}\n"] * 2
    doctor = bench.octo("doctor", JUMP)
    assert doctor.code != 0
    assert "opens no shell" in doctor.stdout


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize(
    ("lines", "reached", "reason"),
    [
        ("AllowTcpForwarding no", set(), "jump host jump refuses to forward"),
        ("PermitOpen {web-03}:22", {"web-03"}, "jump host jump refuses to forward"),
        ("AllowUsers nobody-else", set(), "web-04 lies behind jump: jump ({jump}): permission denied for deploy"),
    ],
)
def test_a_jump_host_that_lets_nobody_through_is_the_reason(
    lines: str, reached: set[str], reason: str, bench: Bench
) -> None:
    where = {name: host.ip for name, host in bench.fleet.hosts.items()}
    set_up_jump(bench.fleet.hosts[JUMP], lines.format_map(where))
    bench.write_targets({"web-01": {}, "web-03": {}, "web-04": {}, JUMP: {}})
    bench.write_plan(WHO, packages="", unreachable="skip")
    told = bench.apply("--exclude", JUMP)
    assert told.code == 4
    assert {name for name, end in told.ends.items() if end == "changed"} == {"web-01", *reached}
    assert reason.format_map(where) in reasons(told)["web-04"]


def test_a_jump_host_that_is_down_is_the_reason_for_all_behind_it(bench: Bench) -> None:
    bench.write_targets({name: {} for name in ("web-01", "web-03", "web-04", JUMP)})
    bench.write_plan(WHO, packages="", unreachable="skip")
    jump = bench.fleet.hosts[JUMP]
    jump.stop()
    try:
        told = bench.apply()
    finally:
        jump.start()
    assert told.code == 4
    assert told.ends == {
        "web-01": "changed",
        "web-03": "unreachable",
        "web-04": "unreachable",
        JUMP: "unreachable",
    }
    for name in ("web-03", "web-04"):
        reason = f"{name} lies behind jump: jump ({jump.ip}): {jump.ip}:22 refused the connection"
        assert reasons(told)[name] == reason


def test_a_host_that_is_down_behind_a_jump_host_is_told_apart_from_it(bench: Bench) -> None:
    bench.write_targets({name: {} for name in ("web-03", "web-04", JUMP)})
    bench.write_plan(WHO, packages="", unreachable="skip")
    down = bench.fleet.hosts["web-04"]
    down.stop()
    try:
        told = bench.apply()
    finally:
        down.start()
    assert (told.code, told.ends["web-03"], told.ends["web-04"]) == (4, "changed", "unreachable")
    assert "jump host jump cannot reach it: " in reasons(told)["web-04"]


def test_where_a_jump_host_dies_in_a_step_it_goes_on_behind_it_and_is_connected_to_again(bench: Bench) -> None:
    bench.write_targets({name: {} for name in ("web-01", "web-03", JUMP)})
    bench.write_plan(
        """
- name: Long
  run: |
    echo began >>~/began
    until [ "$OCTO_TARGET" = web-01 ] || [ -e ~/go ]; do sleep 0.1; done
    echo ended
""",
        packages="",
    )
    hidden, jump = bench.fleet.hosts["web-03"], bench.fleet.hosts[JUMP]
    process = bench.start_apply("--exclude", JUMP)
    wait_until(lambda: (hidden.folder / "home/deploy/began").exists(), "the step")
    jump.run("pkill -KILL -u deploy sshd")
    bench.until_said(process, '"connection_reopened"')
    hidden.run("touch ~deploy/go")
    told = bench.finish(process)
    assert (told.code, told.ends) == (0, {"web-01": "changed", "web-03": "changed"})
    assert told.output("long", "web-03") == "ended\n"
    assert (hidden.folder / "home/deploy/began").read_text() == "began\n"


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"web-03", "web-01"}, "web-03 lies behind jump: host key of jump ({jump}) is unknown: SHA256:"),
        ({JUMP, "web-01"}, "host key of web-03 ({web-03}) is unknown: SHA256:"),
    ],
)
def test_an_unknown_key_on_the_way_refuses_the_whole_run(known: set[str], words: str, bench: Bench) -> None:
    hosts = bench.fleet.hosts
    (bench.folder / "known_hosts").write_text(
        "".join(f"{hosts[name].ip} {hosts[name].host_public_key}\n" for name in known)
    )
    bench.write_targets({name: {} for name in ("web-01", "web-03", JUMP)}, known_hosts="known_hosts")
    bench.write_plan(WHO, packages="", unreachable="skip", max_failures=9)
    told = bench.apply("--exclude", JUMP)
    assert told.code == 5
    lost = told.all("target_lost")
    assert [event["target"] for event in lost] == ["web-03"]
    assert words.format_map({name: host.ip for name, host in hosts.items()}) in f"web-03: {lost[0]['reason']}"
    assert "octo-ssh trust web-03" in told.stderr
    assert not (hosts["web-01"].folder / "home/deploy/.octo-ssh").exists()
    trusted = bench.octo("trust", "web-03", "--yes")
    assert trusted.code == 0, trusted.stderr
    assert bench.apply("--exclude", JUMP).code == 0


SSH_CONFIG = """\
# The way most people write it.
Host bastion
  HostName {jump}
  User hopper
  Port 2222

Host web-02
  HostName {web-02}
  ProxyCommand ssh -F {config} -W %h:%p deploy@web-01
Host web-04
  ProxyJump deploy@{web-01},bastion
Host web-0? !web-01
  ProxyJump bastion
  ForwardAgent yes
Host web-03
  HostName {web-03}
Host web-04
  HostName {web-04}
Host web-01
  HostName {web-01}

Match host 10.78.*
  ServerAliveInterval 5
Host *
  User deploy
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
  StrictHostKeyChecking no
  RemoteCommand tmux
  RequestTTY force
  ControlMaster no
  SendEnv LANG LC_*
"""


@pytest.fixture
def config(bench: Bench) -> Path:
    """``~/.ssh/config``, for octo-ssh and for OpenSSH."""
    path = Path(bench.env["HOME"]) / ".ssh" / "config"
    path.parent.mkdir(mode=0o700)
    known = bench.write("openssh_known_hosts", bench.fleet.known_hosts.read_text())  # OpenSSH will write to it
    where = {name: host.ip for name, host in bench.fleet.hosts.items()}
    path.write_text(SSH_CONFIG.format_map({**where, "key": bench.fleet.client_key, "known": known, "config": path}))
    return path


def write_bare_inventory(bench: Bench, known_hosts: Path) -> None:
    targets: dict[str, Any] = {name: {"tags": ["web"]} for name in ("web-01", "web-02", "web-03", "web-04")}
    document = {"version": 1, "known_hosts": str(known_hosts), "targets": targets}
    bench.write("inventory.yaml", yaml.safe_dump(document))


@pytest.mark.usefixtures("hopper")
def test_ssh_config_shows_the_way_as_it_does_to_openssh(bench: Bench, config: Path) -> None:
    fleet = bench.fleet
    write_bare_inventory(bench, fleet.known_hosts)
    bench.write_plan(WHO, packages="")
    told = bench.apply()
    assert (told.code, set(told.ends.values())) == (0, {"changed"}), told.stdout + told.stderr
    seen = {name: told.output("who", name).strip() for name in told.ends}
    assert seen == {
        "web-01": f"10.77.{fleet.number}.1",
        "web-02": fleet.hosts["web-01"].ip,
        "web-03": hidden_ip(fleet),
        "web-04": hidden_ip(fleet),
    }
    for name, address in seen.items():
        words = ["ssh", "-F", str(config), "-o", "RemoteCommand=none", "-o", "RequestTTY=no", name]
        done = subprocess.run(
            [*words, "echo ${SSH_CONNECTION%% *}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == address, done.stderr


@pytest.mark.usefixtures("hopper", "config")
def test_no_word_of_ssh_config_makes_an_unknown_key_known(bench: Bench) -> None:
    write_bare_inventory(bench, bench.folder / "known_hosts")
    bench.write_plan(WHO, packages="")
    told = bench.apply("--limit", "web-03")
    where = f"bastion ({bench.fleet.hosts[JUMP].ip}:2222)"
    assert told.code == 5
    assert reasons(told)["web-03"].startswith(f"web-03 lies behind bastion: host key of {where} is unknown: SHA256:")
