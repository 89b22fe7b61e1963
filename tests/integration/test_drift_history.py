"""What a check remembers, writes and tells: history, overlapping checks, the page, notifications."""

from __future__ import annotations

import http.server
import json
import os
import stat
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.checks import check, deployed
from tests.integration.farm import Farm


@pytest.fixture
def shop(farm: Farm) -> Farm:
    return deployed(farm)


class Receiver(http.server.ThreadingHTTPServer):
    """Somebody who is told: takes what apprise posts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.told: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_address[1]}/drift"


class _Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def damage(farm: Farm, name: str, target: str = "web-1") -> None:
    (farm.to(target) / "current" / name).write_text("somebody was here\n")


def test_a_finding_is_new_then_still_there_then_gone(shop: Farm) -> None:
    assert check(shop).code == 0
    damage(shop, "lib/a")
    first = check(shop)
    assert first.finding("content", "lib/a")["first_seen"] == first.document["at"]
    told = shop.octo("drift", "plan.yaml")
    assert "web-1: lib/a changed" in told.stdout
    damage(shop, "lib/b")
    later = check(shop)
    assert later.finding("content", "lib/a")["first_seen"] == first.document["at"]
    assert later.finding("content", "lib/b")["first_seen"] == later.document["at"]
    assert shop.apply().code == 0
    last = check(shop)
    assert (last.code, last.counts["gone"]) == (0, 2)
    assert {(row["target"], row["subject"]) for row in last.document["gone"]} == {
        ("web-1", "lib/a"),
        ("web-1", "lib/b"),
    }
    assert check(shop).document["gone"] == []
    told = shop.octo("history", "drift", "plan.yaml")
    assert told.code == 0
    assert "nothing is open" in told.stdout


def test_a_finding_on_a_target_that_was_not_looked_at_is_not_gone(shop: Farm) -> None:
    damage(shop, "lib/a")
    first = check(shop)
    shop.hosts["web-1"].stop()
    missed = check(shop)
    assert (missed.code, missed.document["gone"]) == (4, [])
    shop.hosts["web-1"].start()
    assert check(shop).finding("content", "lib/a")["first_seen"] == first.document["at"]


def test_the_history_is_for_its_owner_alone_and_no_trouble_where_it_cannot_be_written(shop: Farm) -> None:
    assert check(shop).code == 0
    database = shop.state / "drift.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    for path in shop.state.glob("drift.db*"):
        path.unlink()
    database.write_text("no database at all, and longer than its header would be" * 50)
    told = shop.octo("drift", "plan.yaml")
    assert (told.code, "no history of this check" in told.stderr) == (0, True)
    told = shop.octo("drift", "plan.yaml", "--quiet")
    assert (told.code, told.stdout, told.stderr) == (0, "", "")
    damage(shop, "lib/a")
    assert shop.octo("drift", "plan.yaml", "--quiet").code == 3


def test_checks_that_overlap_do_no_harm(shop: Farm) -> None:
    damage(shop, "lib/a")
    running = [shop.start("drift", "plan.yaml", "--json") for _ in range(3)]
    told = [shop.finish(one) for one in running]
    assert [one.code for one in told] == [3, 3, 3]
    assert all(not one.stderr or "warning" not in one.stderr for one in told)
    assert all(len(one.document["targets"]) == 2 for one in told)
    history = json.loads(shop.octo("history", "drift", "plan.yaml", "--json").stdout)
    assert str(history).count("'lib/a'") == 1
    assert check(shop).found() == {("deploy", "content", "lib/a")}


def test_the_page_is_one_private_file_that_names_what_was_found(shop: Farm) -> None:
    damage(shop, "lib/a")
    odd = shop.to() / "current/<script>alert(1)<script>"
    odd.write_text("")
    told = shop.octo("drift", "plan.yaml", "--report", "report.html")
    assert told.code == 3
    path = shop.folder / "report.html"
    page = path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for text in ("web-1", "web-2", "lib/a", "&lt;script&gt;alert(1)"):
        assert text in page
    for text in ("<script>alert", "http://", "https://", " src=", "@import"):
        assert text not in page.replace("http://www.w3.org/", "")
    path.chmod(0o644)
    assert shop.octo("drift", "plan.yaml", "--report", "report.html").code == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    told = shop.octo("drift", "plan.yaml", "--report", "plan.yaml/report.html")
    assert (told.code, "the report was not written" in told.stderr) == (3, True)


def test_new_and_gone_drift_is_told_and_nothing_else(shop: Farm, receiver: Receiver) -> None:
    def tell(*words: str) -> tuple[int, list[str]]:
        before = len(receiver.told)
        code = shop.octo("drift", "plan.yaml", "--quiet", *(words or ("--notify", receiver.url))).code
        return code, [f"{one['title']}\n{one['message']}" for one in receiver.told[before:]]

    assert tell() == (0, [])
    damage(shop, "lib/a")
    code, told = tell()
    assert (code, len(told)) == (3, 1)
    assert "Drift: shop: 1 new" in told[0]
    assert "web-1: lib/a changed" in told[0]
    assert "somebody was here" not in told[0]
    assert tell() == (3, [])
    code, told = tell("--notify-always", receiver.url)
    assert (code, len(told)) == (3, 1)
    assert "Still there:\n- web-1: lib/a changed" in told[0]
    assert shop.apply().code == 0
    assert shop.octo("drift", "plan.yaml").code == 0, "somebody looks meanwhile"
    code, told = tell()
    assert (code, len(told)) == (0, 1)
    assert "1 gone" in told[0]
    assert tell("--notify-always", receiver.url) == (0, [])


def test_an_alarm_that_cannot_be_delivered_does_not_look_green(shop: Farm, receiver: Receiver) -> None:
    damage(shop, "lib/a")
    receiver.status = 500
    words = ("drift", "plan.yaml", "--quiet", "--notify", receiver.url.replace("json://", "json://user:hunter2@"))
    told = shop.octo(*words)
    assert (told.code, "no notification to json://" in told.stderr) == (3, True)
    assert "hunter2" not in told.stderr + told.stdout
    receiver.status = 200
    assert (shop.octo(*words).code, receiver.told[-1]["title"]) == (3, "Drift: shop: 1 new"), "it is told again"
    receiver.status = 500
    assert shop.apply().code == 0
    assert (shop.octo(*words).code, receiver.told[-1]["title"]) == (1, "Drift: shop: 1 gone")
    assert shop.octo(*words).code == 1
    told = shop.octo("drift", "plan.yaml", "--notify", "nonsense://x")
    assert told.code == 2


def test_what_was_found_by_hand_or_on_fewer_targets_is_told_all_the_same(shop: Farm, receiver: Receiver) -> None:
    notify = ("drift", "plan.yaml", "--notify", receiver.url)
    damage(shop, "lib/a")
    assert shop.octo("drift", "plan.yaml").code == 3
    assert shop.octo(*notify, "--limit", "web-2").code == 0
    assert receiver.told == []
    assert shop.octo(*notify).code == 3
    assert "New:\n- web-1: lib/a changed" in receiver.told[0]["message"]
    assert shop.octo(*notify).code == 3
    assert len(receiver.told) == 1


def test_addresses_may_stand_in_a_file(shop: Farm, receiver: Receiver) -> None:
    shop.write("notify.txt", f"# who is told\n{receiver.url}\n", mode=0o600)
    damage(shop, "lib/a")
    assert shop.octo("drift", "plan.yaml", "--notify", "notify.txt").code == 3
    assert len(receiver.told) == 1
    assert not any("lib/a" in name for name in os.listdir(shop.folder))
