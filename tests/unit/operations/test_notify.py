"""Notifications, as a receiver on this machine gets them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from octo_ssh.errors import UsageError
from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.operations.notify import _tells_a_part, addresses, body_of
from octo_ssh.operations.notify import notify as notify_of
from octo_ssh.output.drift_told import all_news

AT = "2026-11-24T02:00:00.000Z"
EARLIER = "2026-11-18T02:00:00.000Z"


@dataclass
class Receiver:
    """Keeps what it is told."""

    port: int = 0
    status: int = 200
    told: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


def edited(path: str = "etc/app.conf") -> Finding:
    return Finding("shop", FindingKind.CONTENT, path)


def drifted(name: str, *findings: Finding) -> TargetDrift:
    return TargetDrift(name, (StepDrift("shop", "Shop", State.DRIFTED, findings=findings),))


def report(*targets: TargetDrift, old: tuple[str, ...] = (), gone: tuple[tuple[str, Finding], ...] = ()) -> DriftReport:
    """Findings on the targets in ``old`` were seen before."""
    ages = {
        (target.target, finding.key): EARLIER if target.target in old else AT
        for target in targets
        for step in target.steps
        for finding in step.findings
    }
    return DriftReport("shop", "production", AT, targets, ages=ages, gone=gone)


def notify(urls: list[str], found: DriftReport, *, always: bool, report_file: str = "") -> list[str]:
    """Of all that the report itself knows to be news."""
    return notify_of(urls, found, all_news(found), always=always, report_file=report_file)


IN_SYNC = TargetDrift("web-9", (StepDrift("shop", "Shop", State.IN_SYNC),))
DOWN = TargetDrift("web-8", unreachable="connection refused")


def test_new_and_gone_drift_is_told_in_short_plain_text(receiver: Receiver) -> None:
    targets = [drifted(f"web-{number}", edited()) for number in range(1, 4)]
    found = report(*targets, IN_SYNC, DOWN, old=("web-3",), gone=(("web-9", edited("bin/run")),))
    assert notify([receiver.url], found, always=False, report_file="/srv/drift.html") == []
    [told] = receiver.told
    assert told["title"] == "Drift: shop in production: 2 new, 1 gone"
    lines = told["message"].splitlines()
    assert lines[-1].startswith("Report: /srv/drift.html on ")
    assert lines[:-1] == [
        "3 of 5 targets have drifted; 1 could not be looked at in full.",
        "drift: 3 targets, 3 findings; unreachable 1; gone 1; in sync 1 (of 5), 0.0 s",
        "",
        "New:",
        "- 2 targets: etc/app.conf changed",
        "",
        "Gone:",
        "- web-9: bin/run changed",
        "",
        "Still there: 1 finding.",
        "",
        "Not looked at:",
        "- web-8: connection refused",
        "",
    ]


@pytest.mark.parametrize(
    ("found", "always", "count"),
    [
        (report(drifted("web-1", edited()), old=("web-1",)), False, 0),
        (report(drifted("web-1", edited()), old=("web-1",)), True, 1),
        (report(IN_SYNC, DOWN), False, 0),
        (report(IN_SYNC, DOWN), True, 1),
        (report(IN_SYNC), True, 0),
        (report(IN_SYNC, gone=(("web-9", edited()),)), False, 1),
        (report(IN_SYNC, gone=(("web-9", edited()),)), True, 1),
    ],
    ids=["known", "known, always", "down", "down, always", "in sync, always", "gone", "gone, always"],
)
def test_who_is_told_when(receiver: Receiver, found: DriftReport, always: bool, count: int) -> None:
    assert notify([receiver.url], found, always=always) == []
    assert len(receiver.told) == count


def test_whoever_is_always_told_is_told_what_is_still_there_by_name(receiver: Receiver) -> None:
    found = report(drifted("web-1", edited()), drifted("web-2", edited("lib/a"), edited("lib/b")), old=("web-2",))
    assert notify([receiver.url], found, always=True) == []
    lines = receiver.told[0]["message"].splitlines()
    assert lines[lines.index("Still there:") + 1 :] == ["- web-2: lib/a changed", "- web-2: lib/b changed"]
    assert lines[lines.index("New:") + 1] == "- web-1: etc/app.conf changed"


def test_what_an_apply_has_accepted_is_told_as_that(receiver: Receiver) -> None:
    unit = Finding("unit", FindingKind.UNIT, "shop.service", "", "with evil.conf")
    found = replace(report(IN_SYNC), accepted=(("web-9", unit),))
    assert notify([receiver.url], found, always=False) == []
    [told] = receiver.told
    assert told["title"] == "Drift: shop in production: 1 accepted"
    assert "Accepted by apply, and there still:\n- web-9: shop.service unit files changed" in told["message"]


def test_only_the_first_ten_lines_are_told() -> None:
    found = report(drifted("web-1", *(edited(f"f{number:02}") for number in range(25))))
    lines = body_of(found, all_news(found)).splitlines()
    assert len([line for line in lines if line.startswith("- web-1: f")]) == 10
    assert lines[-1] == "- and 15 more"


def test_no_content_is_told_and_no_control_character() -> None:
    harm = Finding(
        "shop", FindingKind.CONTENT, "etc/\x1b[31m\u202eapp\n- root: fine", diff=("-password=old", "+password=new")
    )
    found = report(drifted("web-1", harm))
    body = body_of(found, all_news(found))
    assert "password" not in body
    assert r'- web-1: "etc/\x1b[31m\u202eapp\n- root: fine" changed' in body.splitlines()


def test_an_address_that_fails_is_told_and_the_others_get_theirs(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    found = report(drifted("web-1", edited()))
    dead = "json://anna:hunter22@127.0.0.1:1/token-4711"
    [problem] = notify([dead, receiver.url], found, always=False)
    assert problem.startswith("no notification to json://127.0.0.1:1: ")
    assert not any(part in problem for part in ("anna", "hunter22", "token-4711"))
    assert len(receiver.told) == 1
    assert capfd.readouterr() == ("", "")


def test_an_answer_that_is_no_success_is_a_problem_with_its_reason(receiver: Receiver) -> None:
    receiver.status = 500
    [problem] = notify([receiver.url], report(drifted("web-1", edited())), always=False)
    assert "500" in problem


def test_a_reason_that_quotes_the_address_is_kept_back(receiver: Receiver) -> None:
    receiver.status = 500
    secret = f"json://127.0.0.1:{receiver.port}/error"  # apprise's words for a failure hold this one
    [problem] = notify([secret], report(drifted("web-1", edited())), always=False)
    assert "500" not in problem


def test_addresses_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "who"
    path.write_text("# the night shift\njson://127.0.0.1/a\n\n  mailto://u:p@example.org\n")
    assert addresses([str(path), "json://127.0.0.1/b"]) == (
        "json://127.0.0.1/a",
        "mailto://u:p@example.org",
        "json://127.0.0.1/b",
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nothing-here", "is no URL, and no file with URLs: No such file or directory"),
        ("empty", "there is no URL in "),
        ("jsn://anna:hunter22@127.0.0.1/x", "address 1 of --notify is none that can be notified: jsn://…"),
        ("slack://short", "address 1 of --notify is none that can be notified: slack://…"),
    ],
)
def test_what_is_no_address_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("# nobody yet\n")
    with pytest.raises(UsageError, match="--notify") as caught:
        addresses([word])
    assert message in caught.value.message
    assert "hunter22" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "url", "is_told"),
    [
        ("no route to host", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnl", False),
        ("cannot send to T1JJ3T3L2", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnl", True),
        ("cannot send to a1brtd4jd", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnl", True),
        ("a connection to 127.0.0.1 failed", "json://127.0.0.1:8080/hook", False),
        ("403 for key=s3cr%20et", "json://127.0.0.1/?x=1&key=s3cr%20et", True),
        ("403 for s3cr et", "json://127.0.0.1/?x=1&key=s3cr%20et", True),
    ],
)
def test_a_reason_that_holds_any_token_of_an_address_is_kept_back(said: str, url: str, is_told: bool) -> None:
    shown = "json://127.0.0.1:8080" if url.startswith("json") else "slack://T...2"
    assert _tells_a_part(said, url, shown) is is_told
