"""sshds that limit, refuse, hang, die and reboot: each host's trouble stays its own and is told as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.bench import Bench, add_person, cleaned, remove_people, restart_sshd
from tests.fleet.hosts import Fleet, Host
from tests.integration.farm import Told, wait_until

DROP_IN = "/etc/ssh/sshd_config.d/limits.conf"
RUNBOOK = "- {name: Touch, run: 'echo here >>~/touched; sleep 0.2; cat ~/touched'}"
UNREACHABLE = ("refused", "keyless", "gone")
"""People who cannot log in."""
SHELLS = {"expired": "/bin/bash", "noshell": "/usr/sbin/nologin", "forced": "/bin/bash"}
"""People who can, and get no shell."""
WHOLE = """
- {name: Before, run: echo before}
- name: Deploy
  package: shop
  configure: [conf]
  activate: sleep 0.3; cat conf
  verify: {http: "http://127.0.0.1:8099/ok", within: 5s}
- {name: After, check: {command: ["true"], within: 5s}}
"""


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.on(fleet, tmp_path)
    bench.write_release({"conf": "for ${{ target }}\n", "file": "text\n"})
    with cleaned(fleet.hosts.values(), clean):
        yield bench


def clean(host: Host) -> None:
    host.run(
        "rm -rf /etc/nologin ~deploy/.octo-ssh* ~deploy/touched;"
        "! systemctl --quiet is-active web-page || systemctl stop web-page; systemctl kill --signal CONT ssh"
    )
    remove_people(host, *UNREACHABLE, *SHELLS)
    if host.run(f"rm {DROP_IN}", check=False).returncode == 0:
        restart_sshd(host)


def limit(host: Host, lines: str) -> None:
    """Lines for sshd_config, which count from now on."""
    host.write(DROP_IN, lines)
    restart_sshd(host)


def touched(host: Host) -> bool:
    return (host.folder / "home/deploy/touched").exists()


def reasons(told: Told) -> dict[str, str]:
    return {event["target"]: event["reason"] for event in told.all("target_lost")}


def test_many_logins_at_once_get_past_max_startups(bench: Bench) -> None:
    host = bench.fleet.hosts["web-01"]
    limit(host, "MaxStartups 3:50:6\n")
    bench.write_targets(
        {f"web-{n:02}": {"on": "web-01", "root": f"~/.octo-ssh-{n}"} for n in range(24)}, defaults={"tags": ["web"]}
    )
    bench.write_plan("- {name: Who, run: 'echo $OCTO_TARGET'}", packages="")
    told = bench.apply()
    assert (told.code, set(told.ends.values())) == (0, {"changed"}), told.stdout
    assert {told.output("who", name) for name in told.ends} == {f"{name}\n" for name in told.ends}


def test_few_sessions_at_once_are_enough_for_everything(bench: Bench) -> None:
    hosts = [bench.fleet.hosts[name] for name in ("web-01", "web-02")]
    for number, host in enumerate(hosts, 1):
        limit(host, f"MaxSessions {number}\n")
        host.run(
            "mkdir -p /run/page; echo fine >/run/page/ok;"
            "systemd-run --quiet --unit web-page busybox httpd -f -p 127.0.0.1:8099 -h /run/page"
        )
    bench.write_targets({"web-01": {}, "web-02": {}})
    bench.write_plan(WHOLE)
    told = bench.apply()
    assert (told.code, told.ends) == (0, {"web-01": "changed", "web-02": "changed"}), told.stdout
    assert told.output("deploy", "web-02") == "for web-02\n"
    assert bench.octo("doctor").code == 0
    assert bench.apply().ends == {"web-01": "unchanged", "web-02": "unchanged"}


def test_whoever_cannot_be_reached_is_named_with_the_reason_and_left_out(bench: Bench) -> None:
    """All kinds of refusals in one run: the sshd that hangs is waited for once."""
    host, stopped, closing = (bench.fleet.hosts[name] for name in ("web-01", "web-02", "web-03"))
    targets = {name: {"on": "web-01", "user": name} for name in UNREACHABLE}
    for name in UNREACHABLE:
        add_person(host, name)
    limit(host, "DenyUsers refused\nMatch User keyless\n  AuthorizedKeysFile .ssh/none\n")
    host.run("chage -E 0 gone")
    closing.write("/etc/nologin", "closed for the night\n")
    stopped.run("systemctl kill --signal STOP ssh")
    bench.write_targets(
        {"web-01": {}, "web-02": {}, "web-03": {}, "jump": {}, "noport": {"on": "web-01", "port": 2222}, **targets}
    )
    bench.write_plan(RUNBOOK, packages="", unreachable="skip")
    told = bench.apply("--exclude", "jump")
    assert told.code == 4
    assert told.ends.pop("web-01") == "changed"
    assert set(told.ends.values()) == {"changed", "unreachable"}
    assert touched(host)
    assert not touched(closing)
    expected = {
        "web-02": "accepts connections there, but sent nothing",
        "web-03": "sshd closed the connection during the login, saying: closed for the night",
        "noport": f"{host.ip}:2222 refused the connection",
        "refused": "permission denied for refused: the server wants password; tried ",
        "keyless": "permission denied for keyless: the server wants password; tried ",
        "gone": "sshd closed the connection during the login, saying: Your account has expired",
    }
    said = reasons(told)
    assert {name: words for name, words in expected.items() if words not in said.get(name, "")} == {}, said
    assert list(said)[-1] == "web-02"
    names = [event["target"] for event in told.events if event["event"] in ("target_connected", "target_lost")]
    assert names.index("web-01") < names.index("web-02")


def test_whoever_gets_no_shell_answers_all_the_same_and_has_failed(bench: Bench) -> None:
    host = bench.fleet.hosts["web-01"]
    for name, shell in SHELLS.items():
        add_person(host, name, shell=shell)
    limit(host, "Match User forced\n  ForceCommand echo only backups here; exit 3\n")
    host.run("chage -d 0 expired")
    bench.write_targets({"web-01": {}, **{name: {"on": "web-01", "user": name} for name in SHELLS}})
    bench.write_plan(RUNBOOK, packages="", max_failures=3)
    told = bench.apply()
    doctor = bench.octo("doctor")
    assert told.code == 1
    assert told.ends == {"web-01": "changed", "expired": "failed", "noshell": "failed", "forced": "failed"}
    said = reasons(told)
    assert "Password change required" in said["expired"]
    assert "`sh -s` ended with status 1, no shell answered: This account is currently not available." in said["noshell"]
    assert "`sh -s` ended with status 3, no shell answered: only backups here" in said["forced"]
    assert doctor.code == 3
    assert "Password change required" in doctor.stdout


def test_an_sshd_that_is_slow_to_answer_is_waited_for(bench: Bench) -> None:
    slow, quick = bench.fleet.hosts["web-02"], bench.fleet.hosts["web-01"]
    bench.write_targets({"web-01": {}, "web-02": {}})
    bench.write_plan(RUNBOOK, packages="")
    slow.run("systemctl kill --signal STOP ssh")
    try:
        process = bench.start_apply()
        wait_until(lambda: connections(slow) and connections(quick), "connections to both")
    finally:
        slow.run("systemctl kill --signal CONT ssh")
    assert bench.finish(process).ends == {"web-01": "changed", "web-02": "changed"}


def connections(host: Host) -> int:
    """How many TCP connections its sshd has, taken up or not."""
    return len(host.run("ss -Htn state established sport = :22").stdout.splitlines())


def test_a_changed_host_key_refuses_the_whole_run_loudly(bench: Bench) -> None:
    host = bench.fleet.hosts["web-02"]
    key = host.folder / "etc/ssh/ssh_host_ed25519_key"
    right = key.read_text()
    host.run("ssh-keygen -q -t ed25519 -N '' -f /root/other && cp /root/other /etc/ssh/ssh_host_ed25519_key")
    other = host.run("ssh-keygen -lf /root/other").stdout.split()[1]
    try:
        restart_sshd(host)
        bench.write_targets({name: {} for name in ("jump", "web-01", "web-02", "web-03")})
        bench.write_plan(RUNBOOK, packages="", unreachable="skip", max_failures=9)
        told = bench.apply()
        plain = bench.octo("apply", "plan.yaml")
    finally:
        key.write_text(right)
        host.run("rm /root/other*")
        restart_sshd(host)
    assert (told.code, plain.code) == (5, 5)
    for said in (reasons(told)["web-02"], plain.stderr):
        assert f"HOST KEY OF web-02 ({host.ip}) HAS CHANGED" in said
        assert other in said
        assert f"{bench.fleet.known_hosts}:2" in said
    assert all("octo-ssh trust web-02" in said for said in (told.stderr, plain.stderr))
    for each in bench.fleet.hosts.values():
        assert not touched(each)
        assert not (each.folder / "home/deploy/.octo-ssh").exists()
    assert bench.apply().code == 0


SSHD_DIES = 'pkill -KILL -u "$(id -u)" sshd'
"""The session's sshd is the login's own process."""


def test_a_connection_that_dies_in_a_step_is_opened_again_and_the_step_goes_on(bench: Bench) -> None:
    bench.write_targets({"web-01": {}, "web-02": {}})
    bench.write_plan(f"""
- name: Lose
  run: |
    echo began | tee -a ~/touched
    test "$OCTO_TARGET" = web-02 || {{
      {SSHD_DIES}
      sleep 3
    }}
    echo ended
- {{name: Deploy, package: shop}}
""")
    told = bench.apply()
    assert (told.code, told.ends) == (0, {"web-01": "changed", "web-02": "changed"}), told.stdout
    for target in ("web-01", "web-02"):
        assert told.output("lose", target) == "began\nended\n"
        assert bench.fleet.hosts[target].run("cat ~deploy/touched").stdout == "began\n"
    assert bench.apply().ends == {"web-01": "unchanged", "web-02": "unchanged"}


def test_a_step_that_kills_its_own_shell_has_failed(bench: Bench) -> None:
    bench.write_targets({"web-01": {}})
    bench.write_plan("- {name: Kill, run: 'echo bye; kill -KILL $$'}", packages="")
    told = bench.apply()
    assert (told.code, told.outcomes) == (1, {("kill", "web-01"): "failed"})
    assert told.output("kill", "web-01") == "bye\n"
    assert "137" in told.reason("kill", "web-01")


def test_a_step_that_kills_what_started_it_is_unknown(bench: Bench) -> None:
    bench.write_targets({"web-01": {}})
    bench.write_plan("- {name: Kill, run: 'echo bye; kill -KILL $PPID; sleep 1'}", packages="")
    told = bench.apply()
    assert (told.code, told.outcomes) == (4, {("kill", "web-01"): "unknown"})
    bench.write_plan("- {name: Fine, run: 'echo fine'}", packages="")
    assert bench.apply().code == 0


def test_a_step_that_restarts_sshd_goes_on(bench: Bench) -> None:
    bench.write_targets({"web-01": {}, "web-03": {}, "jump": {}})
    bench.write_plan("- {name: Restart, run: 'sudo systemctl restart ssh && echo done'}", packages="")
    told = bench.apply()
    assert (told.code, set(told.ends.values())) == (0, {"changed"}), told.stdout


def test_a_step_that_reboots_the_host_is_not_taken_for_done_and_the_next_apply_goes_on(bench: Bench) -> None:
    """Whether the script's end by the shutdown was still written down is a matter of luck."""
    host = bench.fleet.hosts["web-02"]
    before = boot_id(host)
    bench.write_targets({"web-01": {}, "web-02": {}})
    bench.write_plan("""
- name: Reboot
  run: |
    test "$OCTO_TARGET" = web-01 || test -e ~/touched || { touch ~/touched; sudo systemctl reboot; sleep 1234; }
    echo up
- {name: Deploy, package: shop}
""")
    told = bench.apply()
    wait_until(lambda: boot_id(host) not in ("", before), "the next boot")
    host.wait_until_up()
    host.run("systemctl is-system-running --wait", check=False)  # before that, only root may log in
    assert told.code in (1, 4), told.stdout
    assert told.outcome("reboot")["web-02"] == {1: "failed", 4: "unknown"}[told.code]
    again = bench.apply()
    assert (again.code, again.ends) == (0, {"web-01": "changed", "web-02": "changed"}), again.stdout
    assert again.output("reboot", "web-02") == "up\n"


def boot_id(host: Host) -> str:
    """Of this boot; empty while it is off."""
    with contextlib.suppress(RuntimeError):
        return host.run("cat /proc/sys/kernel/random/boot_id", check=False).stdout
    return ""
