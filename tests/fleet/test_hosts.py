"""The fleet itself does what the other tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet.base import HERE, mirror, why_no_fleet
from tests.fleet.bench import cleaned
from tests.fleet.entering import Hung
from tests.fleet.hosts import JUMP, PASSWORD, Fleet, Host


def ssh(fleet: Fleet, host: Host, command: str, *, user: str = "deploy") -> subprocess.CompletedProcess[str]:
    """A command through OpenSSH's own client and, where it must be, the jump host."""
    config = fleet.folder / "ssh_config"
    config.write_text(
        f"Host *\n  BatchMode yes\n  IdentitiesOnly yes\n  IdentityFile {fleet.client_key}\n  User {user}\n"
        f"  UserKnownHostsFile {fleet.known_hosts}\n  GlobalKnownHostsFile /dev/null\n  ConnectTimeout 5\n"
        f"Host 10.78.*\n  ProxyJump {fleet.hosts[JUMP].ip}\n"
    )
    words = ["ssh", "-F", str(config), host.ip, command]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)


def test_every_host_is_a_running_debian_of_its_own(fleet: Fleet) -> None:
    assert len(fleet.hosts) == 5
    for host in fleet.hosts.values():
        assert host.run("systemctl is-system-running --wait", check=False).stdout.strip() == "running"
        assert host.run("hostname").stdout.strip() == host.name
    for what in ("cat /etc/machine-id", "cat /proc/sys/kernel/random/boot_id", "cat /etc/ssh/ssh_host_ed25519_key.pub"):
        answers = {host.run(what, check=False).stdout for host in fleet.hosts.values()}
        assert len(answers) == len(fleet.hosts) or "ssh_host" in what


def test_ssh_reaches_every_host_the_hidden_ones_through_the_jump_host(fleet: Fleet) -> None:
    assert [ssh(fleet, host, "hostname").stdout.strip() for host in fleet.webs] == [host.name for host in fleet.webs]


def test_a_hidden_host_cannot_be_reached_directly(fleet: Fleet) -> None:
    hidden = fleet.hosts["web-04"]
    routes = subprocess.run(["ip", "route", "show"], capture_output=True, text=True, check=True).stdout
    assert hidden.ip.rpartition(".")[0] not in routes
    assert fleet.hosts["web-01"].run(f"curl -s -m 1 telnet://{hidden.ip}:22", check=False).returncode != 0


@pytest.mark.parametrize(
    ("user", "command", "allowed"),
    [
        ("deploy", "sudo -n systemctl is-active ssh", True),
        ("deploy", "sudo -n true", False),
        ("deploy-root", "sudo -n true", True),
        ("deploy-pw", "sudo -n true", False),
        ("deploy-pw", f"echo {PASSWORD} | sudo -S true", True),
        ("deploy-pw", "echo wrong | sudo -S true", False),
    ],
)
def test_each_user_may_do_with_sudo_what_it_is_for(fleet: Fleet, user: str, command: str, allowed: bool) -> None:
    done = ssh(fleet, fleet.hosts["web-01"], command, user=user)
    assert (done.returncode == 0) == allowed, done.stderr


def test_a_command_that_hangs_is_ended_and_named_with_all_that_ran_there(fleet: Fleet) -> None:
    host = fleet.hosts["web-01"]
    with pytest.raises(Hung, match=r"(?s)web-01: not done in 1 s: echo so far; .*so far\n.* ran then:.*sleep 4321\n"):
        host.run("echo so far; sleep 4321 & sleep 1234", timeout_s=1)
    assert host.run("pgrep -x sleep", check=False).stdout == ""


def test_hosts_are_cleaned_whatever_happens_on_one_of_them_which_begins_anew(fleet: Fleet) -> None:
    hosts = [fleet.hosts[name] for name in ("web-01", "web-02", "web-03")]

    def clean(host: Host) -> None:
        host.run("test ! -e /srv/broken && rm -f /srv/made")

    def use() -> None:
        for host in hosts:
            host.run("touch /srv/made")
        hosts[1].run("touch /srv/broken")

    with pytest.raises(subprocess.CalledProcessError), cleaned(hosts, clean):
        use()
    assert [host.run("ls -A /srv").stdout for host in hosts] == ["", "", ""]


def test_a_reboot_is_a_new_boot_with_the_same_files(fleet: Fleet) -> None:
    host = fleet.hosts["web-03"]
    boot_id = host.run("cat /proc/sys/kernel/random/boot_id").stdout
    host.run("echo kept >/srv/kept")
    host.reboot()
    assert host.run("cat /proc/sys/kernel/random/boot_id").stdout != boot_id
    assert ssh(fleet, host, "cat /srv/kept").stdout == "kept\n"
    host.run("rm /srv/kept")


def test_a_power_cut_keeps_what_was_written_and_a_reset_does_not(fleet: Fleet) -> None:
    host = fleet.hosts["web-02"]
    host.run("echo kept >/srv/kept")
    host.stop()
    assert ssh(fleet, host, "true").returncode == 255
    host.start()
    assert ssh(fleet, host, "cat /srv/kept").stdout == "kept\n"
    host.reset()
    assert ssh(fleet, host, "ls -A /srv").stdout == ""


def test_a_clean_shutdown_ends_it(fleet: Fleet) -> None:
    host = fleet.hosts["web-02"]
    host.shut_down()
    assert ssh(fleet, host, "true").returncode == 255
    host.start()
    assert ssh(fleet, host, "true").returncode == 0


def test_nothing_is_left_when_the_test_run_is_killed() -> None:
    if reason := why_no_fleet():
        pytest.skip(reason)
    script = (
        "import sys, tests.fleet.hosts as h; f = h.Fleet.boot(webs=1); print(f.number, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, cwd=HERE.parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        number = int(child.stdout.readline())
        marks = (f"octo{number}-web-01".encode(), f"warden.sh\0{number}\0hold".encode())
        running = [pid for pid in _processes() if any(mark in _arguments(pid) for mark in marks)]
        assert len(running) >= 2
        child.send_signal(signal.SIGKILL)
    for pid in running:
        _wait_for_end(pid)
    assert not Path(f"/sys/class/net/octo{number}").exists()


def test_the_mirror_is_the_one_that_apt_uses() -> None:
    if reason := why_no_fleet():
        pytest.skip(reason)
    with pytest.raises(LookupError):
        mirror("no-such-release")


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _wait_for_end(pid: int) -> None:
    """Wait for a process that is not ours; pytest's timeout bounds it."""
    descriptor = -1
    try:
        descriptor = os.pidfd_open(pid)
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
    except (ProcessLookupError, ChildProcessError):
        while _arguments(pid):
            os.sched_yield()
    finally:
        if descriptor >= 0:
            os.close(descriptor)
