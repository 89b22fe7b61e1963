"""The playbooks as they stand in the repository, on real Debian hosts: five web servers behind an nginx, a database."""

from __future__ import annotations

import shutil
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.fleet.base import why_no_fleet
from tests.fleet.bench import Bench
from tests.fleet.hosts import Fleet, Host

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
WEBS = tuple(f"web-{number}" for number in range(1, 6))
HOSTS = {name: f"web-{number:02}" for number, name in enumerate((*WEBS, "lb-1"), 1)}
"""By target: the fleet's name of its host."""


@pytest.fixture(scope="module")
def six() -> Iterator[Fleet]:
    """Hosts of their own: this module restarts them."""
    if reason := why_no_fleet():
        pytest.skip(reason)
    fleet = Fleet.boot(webs=6)
    for host in fleet.hosts.values():
        host.run("rm -f /etc/nginx/sites-enabled/default")
    yield fleet
    fleet.close()


@pytest.fixture
def shop(six: Fleet, tmp_path: Path) -> Bench:
    """A copy of the playbooks whose inventory names the hosts of the fleet; nothing else is changed."""
    bench = Bench.on(six, tmp_path)
    shutil.copytree(PLAYBOOKS, tmp_path / "playbooks")
    host = {target: six.hosts[name] for target, name in HOSTS.items()}
    inventory = yaml.safe_load((PLAYBOOKS / "inventory.yaml").read_text())
    inventory["known_hosts"] = str(six.known_hosts)
    inventory["defaults"] = {"user": "deploy-root", "identity": str(six.client_key), "ssh_config": "none"}
    inventory["targets"] = {
        **{name: {"host": host[name].ip, "tags": ["web"]} for name in WEBS},
        "lb-1": {
            "host": host["lb-1"].ip,
            "tags": ["lb"],
            "variables": {"backends": [host[name].ip for name in WEBS]},
        },
        "db-1": {"host": host["web-1"].ip, "tags": ["db"]},
    }
    (tmp_path / "playbooks/inventory.yaml").write_text(yaml.safe_dump(inventory, sort_keys=False))
    bench.timeout_s = 400.0
    return bench


def host_of(bench: Bench, target: str) -> Host:
    return bench.fleet.hosts[HOSTS[target]]


@dataclass
class Visitor:
    """Somebody who asks the front door all the time, and counts what came of it."""

    url: str
    said: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Visitor:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            self.said[ask(self.url)] += 1
            time.sleep(0.02)


def ask(url: str) -> str:
    """The status of an answer, or what kept it from coming."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def front_door(bench: Bench) -> str:
    return f"http://{host_of(bench, 'lb-1').ip}/"


def errors(bench: Bench) -> str:
    """What the load balancer complained of last."""
    return host_of(bench, "lb-1").run("tail -n 5 /var/log/nginx/error.log").stdout


def page(bench: Bench) -> str:
    with urllib.request.urlopen(front_door(bench), timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def roll_out(shop: Bench, release: str = "1.0.0") -> None:
    told = shop.octo("apply", "playbooks/rolling-web/plan.yaml", "--release", release, "--json")
    assert told.code == 0, told.stdout[-3000:] + told.stderr


def test_a_web_release_rolls_out_behind_nginx_and_visitors_see_nothing_of_it(shop: Bench) -> None:
    roll_out(shop)
    assert "Release 1.0.0, served by web-" in page(shop)
    again = shop.octo("apply", "playbooks/rolling-web/plan.yaml", "--json")
    assert again.code == 0
    assert set(again.ends.values()) == {"unchanged"}
    with Visitor(front_door(shop)) as visitor:
        roll_out(shop, "1.1.0")
    assert set(visitor.said) == {"200"}, (visitor.said, errors(shop))
    assert "Release 1.1.0" in page(shop)
    for name in WEBS:
        host = host_of(shop, name)
        assert f'"Server": "{name}"' in (host.folder / "srv/shop/releases/1.1.0/config/site.json").read_text()
        assert not (host.folder / "srv/shop/maintenance").exists()


def test_a_release_that_is_not_healthy_stops_at_the_canary_and_stays_drained_there(shop: Bench) -> None:
    roll_out(shop)
    (shop.folder / "playbooks/rolling-web/site/www/healthz.txt").write_text("not well\n")
    with Visitor(front_door(shop)) as visitor:
        told = shop.octo("apply", "playbooks/rolling-web/plan.yaml", "--release", "2.0.0", "--json")
    assert told.code == 1
    assert told.outcome("healthy") == {"web-1": "failed"}
    assert [name for name in WEBS if (host_of(shop, name).folder / "srv/shop/maintenance").exists()] == ["web-1"]
    assert set(visitor.said) == {"200"}, (visitor.said, errors(shop))
    assert "Release 1.0.0" in page(shop)
    shutil.copy(PLAYBOOKS / "rolling-web/site/www/healthz.txt", shop.folder / "playbooks/rolling-web/site/www")
    roll_out(shop, "2.0.0")


def test_a_migration_is_approved_and_runs_once(shop: Bench) -> None:
    shop.env["SHOP_DATABASE_PASSWORD"] = "correct horse battery"
    words = ("playbooks/migration/plan.yaml", "--json")
    missing = shop.octo("apply", *words)
    assert missing.code == 5
    assert '--approve "Go ahead=NOTE"' in missing.stderr
    told = shop.octo("apply", *words, "--approve", "Go ahead=ticket 7")
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    [given] = told.all("approval_given")
    assert (given["given"], given["note"]) == (True, "ticket 7")
    assert "001_customers: done" in told.output("migrate", "db-1")
    assert [event["percent"] for event in told.all("step_progress")] == [50, 100]
    assert "the schema is now at 002_orders" in told.output("say_what_the_schema_is", "controller")
    again = shop.octo("apply", *words, "--approve", "Go ahead=ticket 7")
    assert again.code == 0
    assert again.outcome("migrate") == {"db-1": "unchanged"}
    assert again.outcome("back_up") == {"db-1": "unchanged"}
    shop.write("playbooks/migration/migrations/sql/003_items.sql", "CREATE TABLE items (id INTEGER PRIMARY KEY)\n")
    third = shop.octo("apply", *words, "--release", "1.1.0", "--approve", "Go ahead=ticket 8")
    assert third.code == 0, third.stdout[-3000:]
    assert "003_items: done" in third.output("migrate", "db-1")
    [kept] = third.all("artifact_kept")
    assert Path(kept["path"]).read_bytes().startswith(b"SQLite format 3")


def test_a_patch_round_restarts_five_machines_one_at_a_time_while_the_service_answers(shop: Bench) -> None:
    roll_out(shop)
    boots = {name: boot_id(host_of(shop, name)) for name in WEBS}
    for name in WEBS:
        offer_patch(host_of(shop, name), reboot=True)
    with Visitor(front_door(shop)) as visitor:
        told = shop.octo("apply", "playbooks/os-patch/plan.yaml", "--json")
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    assert told.outcome("restart_the_machine") == dict.fromkeys(WEBS, "changed")
    for name in WEBS:
        host = host_of(shop, name)
        assert boot_id(host) != boots[name]
        assert host.run("dpkg-query -W -f '${Version}' octo-patch").stdout == "2.0"
        assert not (host.folder / "srv/shop/maintenance").exists()
    assert set(visitor.said) == {"200"}, (visitor.said, errors(shop))
    began = [event["target"] for event in told.all("step_began") if event["step"] == "drain"]
    ended = [event["target"] for event in told.all("step_ended") if event["step"] == "undrain"]
    assert began == ended == list(WEBS)
    order = [
        (event["event"], event["target"])
        for event in told.events
        if (event["event"], event.get("step")) in {("step_began", "drain"), ("step_ended", "undrain")}
    ]
    assert order == [(what, name) for name in WEBS for what in ("step_began", "step_ended")]


def test_a_patch_that_needs_no_restart_restarts_nothing(shop: Bench) -> None:
    roll_out(shop)
    boots = {name: boot_id(host_of(shop, name)) for name in WEBS}
    told = shop.octo("apply", "playbooks/os-patch/plan.yaml", "--json")
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    assert told.outcome("restart_the_machine") == dict.fromkeys(WEBS, "skipped")
    assert {name: boot_id(host_of(shop, name)) for name in WEBS} == boots


def test_a_certificate_is_rotated_and_its_key_shown_nowhere(shop: Bench) -> None:
    folder, lb = shop.folder / "playbooks/certificates", host_of(shop, "lb-1")
    roll_out(shop)
    new_certificate(lb, folder, "first")
    told = shop.octo("apply", "playbooks/certificates/plan.yaml", "--json")
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    assert lb.run("curl -ks https://127.0.0.1/").stdout == "secure\n"
    assert lb.run("stat -c '%a %U' /etc/ssl/shop/shop.key").stdout == "600 root\n"
    assert any("valid until" in event["text"] for event in told.all("step_said"))
    new_certificate(lb, folder, "second")
    plan = shop.octo("plan", "playbooks/certificates/plan.yaml")
    key = (folder / "shop.key").read_text().splitlines()
    told = shop.octo("apply", "playbooks/certificates/plan.yaml", "-vv")
    assert told.code == 0, told.stdout + told.stderr
    assert not any(line in text for line in key[1:-1] for text in (plan.stdout, told.stdout, told.stderr))
    assert served_subject(lb) == "second"
    mismatched = (folder / "shop.crt").read_text()
    new_certificate(lb, folder, "third")
    (folder / "shop.crt").write_text(mismatched)
    told = shop.octo("apply", "playbooks/certificates/plan.yaml", "--json")
    assert told.code == 1
    assert served_subject(lb) == "second"


def test_a_service_is_restarted_everywhere_a_few_at_a_time(shop: Bench) -> None:
    roll_out(shop)
    before = {name: main_pid(host_of(shop, name)) for name in WEBS}
    words = ("playbooks/rolling-restart/plan.yaml", "--json")
    assert shop.octo("apply", *words).code == 5
    with Visitor(front_door(shop)) as visitor:
        told = shop.octo("apply", *words, "--approve", "Restart=seen")
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    assert all(main_pid(host_of(shop, name)) not in (before[name], "0") for name in WEBS)
    assert set(visitor.said) == {"200"}, (visitor.said, errors(shop))


def boot_id(host: Host) -> str:
    return host.run("cat /proc/sys/kernel/random/boot_id").stdout


def main_pid(host: Host) -> str:
    return host.run("systemctl show -p MainPID --value nginx").stdout.strip()


def served_subject(host: Host) -> str:
    command = "openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -subject"
    return host.run(command).stdout.rpartition("=")[2].strip()


def new_certificate(host: Host, folder: Path, name: str) -> None:
    """A key and a certificate that fits it, beside the plan."""
    host.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30"
        f" -keyout /root/new.key -out /root/new.crt -subj /CN={name} 2>/dev/null"
    )
    for ending in ("key", "crt"):
        shutil.copy(host.folder / f"root/new.{ending}", folder / f"shop.{ending}")


def offer_patch(host: Host, *, reboot: bool) -> None:
    """An apt repository on the host itself with a newer version of a package that is installed; its maintainer's
    script asks for a restart, as a kernel's does.
    """
    asks = "touch /run/reboot-required" if reboot else "true"
    host.run(
        f"""set -e
        rm -rf /opt/repository /tmp/build; mkdir -p /opt/repository /tmp/build/DEBIAN
        rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
        for version in 1.0 2.0; do
            printf 'Package: octo-patch\\nVersion: %s\\nArchitecture: all\\nMaintainer: a\\nDescription: x\\n' \
                "$version" >/tmp/build/DEBIAN/control
            printf '#!/bin/sh\\n{asks}\\n' >/tmp/build/DEBIAN/postinst
            chmod 755 /tmp/build/DEBIAN/postinst
            dpkg-deb --build --root-owner-group /tmp/build "/opt/repository/octo-patch_$version.deb" >/dev/null
        done
        dpkg -i /opt/repository/octo-patch_1.0.deb >/dev/null
        rm -f /opt/repository/octo-patch_1.0.deb /run/reboot-required
        cd /opt/repository
        {{
            dpkg-deb --field octo-patch_2.0.deb
            printf 'Filename: ./octo-patch_2.0.deb\\nSize: %s\\nSHA256: %s\\n\\n' \
                "$(stat -c %s octo-patch_2.0.deb)" "$(sha256sum octo-patch_2.0.deb | cut -d' ' -f1)"
        }} >Packages
        echo 'deb [trusted=yes] file:/opt/repository ./' >/etc/apt/sources.list
        """
    )
