"""Becoming somebody else on real hosts: with and without a password, for root and others, and not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.bench import Bench, cleaned, end_of_log, listing, log_since, read_link, remove_people
from tests.fleet.hosts import PASSWORD, Fleet, Host

WRONG = "wr0ng-octopus-guess"
RELEASE = {"README": "files\n", "bin/run": "#!/bin/sh\necho runs\n", "conf/app.conf": "for ${{ target }}\n"}
BY_PASSWORD = {"user": "root", "password": {"secret": {"env": "SUDO_PASSWORD"}}}
DATABASE = "dbadmin"
"""Nobody can log in as this user, who is not in anybody's group."""
OUT_OF_THE_WAY = "/usr/bin/sudo.gone"


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    """``nopass`` becomes anybody without, ``withpw`` with a password."""
    bench = Bench.on(fleet, tmp_path)
    bench.env["SUDO_PASSWORD"] = PASSWORD
    write_targets(bench)
    bench.write_release(RELEASE)
    (tmp_path / "release/bin/run").chmod(0o755)
    hosts = (fleet.hosts["web-01"], fleet.hosts["web-02"])
    with cleaned(hosts, clean):
        for host in hosts:
            host.run(f"useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {DATABASE}")
        yield bench


def clean(host: Host) -> None:
    remove_people(host, DATABASE)
    host.run(
        f"! test -e {OUT_OF_THE_WAY} || mv {OUT_OF_THE_WAY} /usr/bin/sudo; rm -f /etc/sudoers.d/test;"
        "rm -rf /opt/shop /root/.octo-ssh /root/.ssh /home/*/.octo-ssh /var/tmp/seen"
    )


def write_targets(bench: Bench, **withpw: object) -> None:
    bench.write_targets(
        {
            "nopass": {"on": "web-01", "user": "deploy-root"},
            "withpw": {"on": "web-02", "user": "deploy-pw", "become": BY_PASSWORD, **withpw},
        }
    )


def host_of(bench: Bench, target: str) -> Host:
    return bench.fleet.hosts[{"nopass": "web-01", "withpw": "web-02"}[target]]


def owners(host: Host, folder: str) -> set[str]:
    """Of a folder and everything in it."""
    return set(host.run(f"find {folder} -printf '%u\\n'").stdout.split())


def test_root_runs_deploys_and_checks_with_and_without_a_password(bench: Bench) -> None:
    bench.write_plan("""
- {name: Who, become: true, run: 'id -un; echo "$HOME"; umask; test -t 0 || echo no terminal'}
- {name: Plain, run: id -un}
- name: Deploy
  become: true
  package: shop
  to: /opt/shop
  shared: [var/log]
  configure: [conf/app.conf]
  activate: test "$(id -un)" = root && cp conf/app.conf /opt/shop/activated
- {name: Check, become: true, check: {command: [sh, -c, 'test "$(id -u)" = 0'], within: 3s}}
""")
    forecast = bench.plan().document
    told = bench.apply()
    assert told.code == 0, told.stdout
    for target, login in (("nopass", "deploy-root"), ("withpw", "deploy-pw")):
        host = host_of(bench, target)
        assert told.output("who", target) == "root\n/root\n0022\nno terminal\n"
        assert told.output("plain", target) == f"{login}\n"
        assert read_link(host, "/opt/shop/current") == "releases/1.0"
        assert owners(host, "/opt/shop") == {"root"}
        assert host.run("cat /opt/shop/activated").stdout == f"for {target}\n"
        assert listing(host, "/opt/shop/releases/1.0")["bin/run"] == "f 755"
        assert owners(host, f"/home/{login}/.octo-ssh") == {login}
    assert {row["outcome"] for step in forecast["steps"] for row in step["planned"].values()} == {
        "changed",
        "unchanged",
    }
    again = bench.apply()
    assert (again.code, again.ends) == (0, {"nopass": "unchanged", "withpw": "unchanged"})


def test_a_folder_that_an_earlier_step_makes_is_filled_just_before_the_package_step(bench: Bench) -> None:
    bench.write_plan("""
- {name: Before, run: 'pwd; ls -d /opt/shop 2>&1 || echo not yet'}
- {name: Folder, become: true, run: 'install -d -o "$SUDO_USER" /opt/shop'}
- {name: Deploy, package: shop, to: /opt/shop, activate: pwd}
- {name: After, run: pwd}
""")
    told = bench.apply()
    assert told.code == 0, told.stdout
    for target, login in (("nopass", "deploy-root"), ("withpw", "deploy-pw")):
        host = host_of(bench, target)
        where, *rest = told.output("before", target).splitlines()
        assert where.startswith(f"/home/{login}/.octo-ssh/work/")
        assert rest[-1] == "not yet"
        assert told.output("deploy", target) == told.output("after", target) == "/opt/shop/releases/1.0\n"
        assert owners(host, "/opt/shop") == {login}
        assert "laying out 1.0" in told.notes("deploy", target)
        left = listing(host, f"/home/{login}/.octo-ssh")
        assert not [path for path in left if path.startswith(("store/", "work/"))]


def test_a_second_try_finds_the_folder_that_the_first_one_filled(bench: Bench) -> None:
    bench.write_plan("""
- {name: Folder, become: true, run: 'install -d -o "$SUDO_USER" /opt/shop'}
- name: Deploy
  package: shop
  to: /opt/shop
  retry: {times: 1, delay: 1s}
  activate: 'test -e /var/tmp/seen || { touch /var/tmp/seen; exit 1; }'
""")
    told = bench.apply("--limit", "nopass")
    assert told.code == 0, told.stdout
    assert told.outcomes["deploy", "nopass"] == "changed"
    assert [note for note in told.notes("deploy", "nopass") if "laying out" in note] == ["laying out 1.0"]
    assert any("trying again" in note for note in told.notes("deploy", "nopass"))
    assert read_link(host_of(bench, "nopass"), "/opt/shop/current") == "releases/1.0"


def test_a_folder_that_no_step_makes_fails_the_package_step_alone(bench: Bench) -> None:
    bench.write_plan("""
- {name: Before, run: touch /var/tmp/seen}
- {name: Deploy, package: shop, to: /opt/shop}
""")
    told = bench.apply("--limit", "nopass")
    assert told.code == 1
    assert told.outcomes["before", "nopass"] == "changed"
    assert told.outcomes["deploy", "nopass"] == "failed"
    assert "/opt/shop cannot be made" in told.reason("deploy", "nopass")


def test_another_user_than_root(bench: Bench) -> None:
    for target in ("nopass", "withpw"):
        host_of(bench, target).run(f"install -d -o {DATABASE} -m 750 /opt/shop")
    bench.write_plan(f"""
- {{name: Who, become: {{user: {DATABASE}}}, run: 'id -un; pwd; cat >/dev/null; echo done'}}
- name: Deploy
  become: {{user: {DATABASE}}}
  package: shop
  to: /opt/shop
  configure: [conf/*]
  activate: id -un; pwd
- {{name: Root, become: true, run: id -un}}
""")
    told = bench.apply()
    assert told.code == 0, told.stdout
    for target in ("nopass", "withpw"):
        host = host_of(bench, target)
        assert told.output("who", target).splitlines() == [DATABASE, "/opt/shop/releases/1.0", "done"]
        assert told.output("deploy", target).splitlines() == [DATABASE, "/opt/shop/releases/1.0"]
        assert told.output("root", target) == "root\n"
        assert owners(host, "/opt/shop") == {DATABASE}
        assert host.run("cat /opt/shop/current/conf/app.conf").stdout == f"for {target}\n"
    bench.write_release({**RELEASE, "README": "other files\n"})
    assert bench.apply("--release", "1.1").ends == {"nopass": "changed", "withpw": "changed"}
    assert host_of(bench, "withpw").run("cat /opt/shop/current/README").stdout == "other files\n"


def test_the_password_is_seen_nowhere_on_the_host_and_nowhere_here(bench: Bench) -> None:
    bench.write_plan(
        """
- name: Look
  become: true
  run: |
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' >/var/tmp/seen
    ls -lR "$(dirname "$(dirname "$PWD")")" /var/tmp >>/var/tmp/seen
    cat ~deploy-pw/.octo-ssh/journal.jsonl >>/var/tmp/seen
""",
        packages="",
    )
    host = host_of(bench, "withpw")
    before = end_of_log(host)
    told = bench.apply("--limit", "withpw")
    assert told.code == 0, told.stdout
    seen = (host.folder / "var/tmp/seen").read_text()
    assert "sudo" in seen
    logs = log_since(host, before)
    assert "pam_unix(sudo:session): session opened for user root" in logs
    logs += host.run("cat /var/log/*.log /var/log/*/*.log 2>/dev/null; true").stdout
    places = "/home/deploy-pw /tmp /var/tmp /run /var/log"
    files = f"find {places} -type f ! -path '*/journal/*'"  # anything else may hang whoever reads it
    left = host.run(f"{files} -exec grep -lF -- {PASSWORD} {{}} + 2>/dev/null; true").stdout
    here = "".join(path.read_text() for path in Path(bench.env["HOME"]).rglob("*.jsonl"))
    assert "run_ended" in here
    assert PASSWORD not in seen + logs + left + here + told.stdout + told.stderr


def test_a_wrong_password_fails_at_the_first_try_and_is_told(bench: Bench) -> None:
    bench.env["SUDO_PASSWORD"] = WRONG
    bench.write_plan(
        """
- {name: Plain, run: 'true'}
- {name: Root, become: true, run: id}
- {name: After, run: id}
""",
        packages="",
    )
    before = end_of_log(host_of(bench, "withpw"))
    told = bench.apply("--limit", "withpw")
    assert told.code == 1
    assert told.outcomes == {
        ("plain", "withpw"): "changed",
        ("root", "withpw"): "failed",
        ("after", "withpw"): "skipped",
    }
    assert told.reason("root", "withpw") == (
        "sudo refused the password (to become root) (look at become.password of this target)"
    )
    logs = log_since(host_of(bench, "withpw"), before)
    assert logs.count("authentication failure") == 1, logs
    assert WRONG not in logs + told.stdout + told.stderr


def test_a_wrong_password_for_a_package_fails_before_anything_changes(bench: Bench) -> None:
    bench.env["SUDO_PASSWORD"] = WRONG
    bench.write_plan("""
- {name: Plain, run: touch /var/tmp/seen}
- {name: Deploy, become: true, package: shop, to: /opt/shop}
""")
    told = bench.apply()
    assert told.code == 1
    assert "sudo refused the password (to become root)" in told.all("target_lost")[0]["reason"]
    assert told.ends["withpw"] == "failed"
    assert not any((host_of(bench, name).folder / "var/tmp/seen").exists() for name in ("nopass", "withpw"))


def test_a_password_that_is_not_there_is_found_before_anything_changes(bench: Bench) -> None:
    del bench.env["SUDO_PASSWORD"]
    bench.write_plan("- {name: Root, become: true, run: touch /var/tmp/seen}", packages="")
    told = bench.apply()
    assert told.code == 1
    assert "SUDO_PASSWORD" in told.stderr
    assert "inventory.yaml:" in told.stderr
    assert not (host_of(bench, "nopass").folder / "var/tmp/seen").exists()


@pytest.mark.parametrize(
    ("sudoers", "become", "reason"),
    [
        ("", {"user": "root"}, "sudo wants a password (to become root)"),
        ("deploy-pw ALL=(ALL) !ALL", BY_PASSWORD, "is not allowed to execute"),
        ("Defaults:deploy-pw requiretty", BY_PASSWORD, "sudo refused: sudo: sorry, you must have a tty to run sudo"),
        ("", {**BY_PASSWORD, "user": "nobody-here"}, "unknown user"),
    ],
)
def test_what_sudo_refuses_is_told_in_its_own_words(
    sudoers: str, become: dict[str, object], reason: str, bench: Bench
) -> None:
    write_targets(bench, become=become)
    host_of(bench, "withpw").write("/etc/sudoers.d/test", f"{sudoers}\n", mode=0o440)
    bench.write_plan("- {name: Root, become: true, run: id}", packages="")
    told = bench.apply("--limit", "withpw")
    assert told.code == 1
    assert reason in told.reason("root", "withpw")


def test_a_lecture_and_a_prompt_of_its_own_do_no_harm(bench: Bench) -> None:
    defaults = 'Defaults:deploy-pw lecture=always, insults, passprompt="Who goes there? "\n'
    host_of(bench, "withpw").write("/etc/sudoers.d/test", defaults, mode=0o440)
    bench.write_plan("- {name: Root, become: true, run: id -un}", packages="")
    told = bench.apply("--limit", "withpw")
    assert told.output("root", "withpw") == "root\n"


def test_a_login_that_is_root_needs_no_sudo(bench: Bench) -> None:
    host = host_of(bench, "nopass")
    host.run(f"mv /usr/bin/sudo {OUT_OF_THE_WAY}; mkdir -m 700 /root/.ssh; cp ~deploy/.ssh/authorized_keys /root/.ssh")
    bench.write_targets({"root": {"on": "web-01", "user": "root"}, "deploy": {"on": "web-01"}})
    bench.write_plan("""
- {name: Who, become: true, run: id -un}
- {name: Deploy, become: true, package: shop, to: /opt/shop}
""")
    told = bench.apply("--limit", "root")
    assert told.code == 0, told.stdout
    assert told.output("who", "root") == "root\n"
    assert owners(host, "/opt/shop") == {"root"}
    bench.write_plan(f"- {{name: Other, become: {{user: {DATABASE}}}, run: id -un}}", packages="")
    told = bench.apply("--limit", "root")
    assert told.code == 1
    assert "sudo" in told.reason("other", "root")
