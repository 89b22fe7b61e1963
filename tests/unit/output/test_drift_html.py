"""The page about a check for drift, as text. What a browser makes of it: tests/browser."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date

import pytest

from octo_ssh.model.drift import DriftReport, Expected, Finding, FindingKind, State, StepDrift, TargetDrift
from octo_ssh.output import drift_model
from octo_ssh.output.drift_html import moment_words, report_html
from octo_ssh.output.drift_model import Group, page_of
from tests.browser.reports import EDITED, HARMS, OPENED, STOPPED, day, fleet, harmful, past


def report(*targets: TargetDrift) -> DriftReport:
    return DriftReport("shop", "production", day(0), targets)


def drifted(name: str, *findings: Finding) -> TargetDrift:
    return TargetDrift(name, (StepDrift("step-0", "Bring it", State.DRIFTED, findings=findings),))


def test_the_page_needs_nothing_else() -> None:
    page = report_html(fleet(30, 5), past(9, 30))
    assert not re.search(r"""https?:|\bsrc=|@import|\burl\(|<link(?! rel="icon" href="data:,")""", page)


def test_its_policy_allows_its_own_script_and_no_other() -> None:
    page = report_html(harmful())
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_no_name_is_markup() -> None:
    page = report_html(harmful())
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "&lt;script&gt;document.title" in page
    assert HARMS[4] in page, "a template in a name is text"


def test_the_same_on_many_targets_is_told_once_and_the_newest_first() -> None:
    many = replace(
        report(*(drifted(f"web-{number}", OPENED, EDITED) for number in range(1, 4)), drifted("db", STOPPED)),
        ages={
            **{(f"web-{number}", OPENED.key): day(-6) for number in range(1, 4)},
            **{(f"web-{number}", EDITED.key): day(0 if number == 1 else -2) for number in range(1, 4)},
            ("db", STOPPED.key): day(0),
        },
        before={"web-1": day(-1)},
    )
    rows = [(row.subject, row.whose, row.names, row.is_new, row.ages) for row in page_of(many).groups]
    assert rows == [
        (
            *("etc/app.conf", "3 targets", "web-1 … web-3", True),
            "still there after 2 days on 2, new since yesterday on 1",
        ),
        ("shop.service", "db", "", True, "new"),
        ("bin/start", "3 targets", "web-1 … web-3", False, "still there after 6 days"),
    ]


def test_a_diff_stands_once_and_the_targets_lead_to_it() -> None:
    page = report_html(report(drifted("web-1", EDITED), drifted("web-2", EDITED)))
    assert page.count("-workers = 8") == 1
    assert page.count('<a href="#f-0">on 2 targets, with what changed</a>') == 2


def test_every_state_is_a_letter_and_a_class() -> None:
    rows = page_of(fleet(9, 3)).rows
    first = {row.name: [(cell.mark.letter, cell.mark.css) for cell in row.cells if cell.mark] for row in rows}
    assert first["web-001"] == [("D", "drifted"), ("✓", "in_sync"), ("D", "drifted")]
    assert first["web-005"][1] == ("U", "unknown")
    assert first["web-006"][1] == ("P", "pending")
    assert first["web-007"][0] == ("E", "expected")
    assert [row.name for row in rows] == [f"web-00{number}" for number in (1, 4, 2, 5, 6, 7, 3, 8, 9)]
    assert {row.name: row.instead for row in rows if row.instead} == {
        "web-002": "connection refused by 10.0.0.1 port 22"
    }


def test_steps_of_some_targets_only_keep_their_place() -> None:
    def with_steps(name: str, *steps: str) -> TargetDrift:
        return TargetDrift(name, tuple(StepDrift(step, step.upper(), State.IN_SYNC) for step in steps))

    page = page_of(report(with_steps("1", "a", "d"), with_steps("2", "b", "d", "e"), with_steps("3", "a", "c", "d")))
    assert page.columns == ("B", "A", "C", "D", "E")
    assert [bool(cell.mark) for cell in page.rows[0].cells] == [False, True, False, True, False]


def test_reasons_are_folded_and_a_step_known_in_part_has_one() -> None:
    partly = replace(drifted("web-9", EDITED).steps[0], partly_unknown=True, reason="permission denied: etc/keys")
    targets = [TargetDrift(f"web-{number}", unreachable="no route") for number in range(1, 4)]
    page = page_of(report(*targets, TargetDrift("web-9", (partly,))))
    assert [(row.whose, row.step, row.reason) for row in page.unknown] == [
        ("3 targets", "", "no route"),
        ("web-9", "Bring it", "permission denied: etc/keys"),
    ]


def test_what_is_expected_says_why_and_until_when() -> None:
    entry = Expected("var/*", "the app writes here", date(2026, 12, 1))
    step = StepDrift("step-0", "Bring it", State.EXPECTED, expected=((EDITED, entry), (OPENED, entry)))
    page = page_of(report(TargetDrift("web-1", (step,)), TargetDrift("web-2", (step,))))
    [row] = page.expected
    assert (row.path, row.reason, row.until, row.covers) == (
        *("var/*", "the app writes here", "1 December 2026"),
        "2 paths on 2 targets",
    )


def test_a_changed_host_key_is_a_finding_of_the_target_itself() -> None:
    key = Finding("", FindingKind.HOST_KEY, "ssh-ed25519", "SHA256:a", "SHA256:b")
    page = page_of(report(TargetDrift("web-1", unreachable="refused", findings=(key,))))
    [group] = page.groups
    assert group.step == "the target itself"
    assert page.rows[0].mark.letter == "D"
    assert page.details[0].steps[0].findings[0].subject == "ssh-ed25519"


def test_what_would_be_too_much_for_a_browser_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_model, "MAX_GROUPS", 5)
    monkeypatch.setattr(drift_model, "MAX_PER_TARGET", 7)
    found = [Finding("step-0", FindingKind.CONTENT, f"f{number}") for number in range(20)]
    page = page_of(report(drifted("web-1", *found)))
    assert (len(page.groups), page.groups_left_off) == (5, 15)
    [step] = page.details[0].steps
    assert (len(step.findings), step.left_off) == (7, 13)
    assert [row.group for row in step.findings] == ["f-0", "f-1", "f-2", "f-3", "f-4", "", ""]


def test_diffs_have_a_common_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(row: Group) -> tuple[int, int]:
        return len(row.diff), row.diff_left_off

    monkeypatch.setattr(drift_model, "MAX_DIFF_LINES", 8)
    found = [replace(EDITED, subject=name) for name in "abc"]
    page = page_of(report(drifted("web-1", *found)))
    assert [shown(row) for row in page.groups] == [(6, 0), (2, 4), (0, 6)]


def test_a_trend_needs_more_than_one_check() -> None:
    assert "<svg" not in report_html(fleet(3, 3), past(1, 3))
    page = report_html(fleet(3, 3), past(200, 3))
    assert page.count('<rect class="bg"') == 60
    assert "60 checks: 0 to 3 targets with drift, now 3" in page


def test_without_a_history_nothing_is_called_new() -> None:
    page = page_of(report(drifted("web-1", EDITED)))
    assert [(row.is_new, row.ages) for row in page.groups] == [(False, "")]


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-04T02:00:00.000Z", "4 November 2026, 02:00 UTC"),
        ("2026-11-04T02:00:00+00:00", "4 November 2026, 02:00 UTC"),
        ("2026-11-04T03:00:00+01:00", "4 November 2026, 02:00 UTC"),
        ("long ago", "long ago"),
    ],
)
def test_a_moment_in_words(at: str, words: str) -> None:
    assert moment_words(at) == words


def test_what_to_do_and_what_was_accepted_stand_on_the_page() -> None:
    refused = TargetDrift("web-1", unreachable="host key is unknown", hint="review it: octo-ssh trust web-1")
    page = report_html(replace(report(refused), accepted=(("web-2", STOPPED),)))
    assert "review it: octo-ssh trust web-1" in page
    assert "accepted by apply since the check before" in page
