"""``octo-ssh drift`` around the check itself: its words, what it prints, the page, who is told, what it returns."""

from __future__ import annotations

import io
import json
import os
import stat
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import octo_ssh.operations
from octo_ssh.cli import drift as command
from octo_ssh.cli.drift import Against
from octo_ssh.cli.guard import guarded
from octo_ssh.cli.terminal import Terminal
from octo_ssh.errors import ExitCode
from octo_ssh.model.drift import DriftReport, State
from octo_ssh.operations import notify as notifying
from octo_ssh.operations.requests import DriftOptions, PlanRequest
from octo_ssh.output.drift_told import News
from tests.unit.cli.test_program import run
from tests.unit.output.drifts import CACHE, changed, report, step, target, web

PENDING = report([*web(2), target("web-03", step(state=State.PENDING, reason="never applied"))])
EXPECTED = report(web(2, step(state=State.EXPECTED, expected=((changed("var/cache/x"), CACHE),))))
DRIFTED = report([*web(2), target("web-03", step(changed()))])
UNSEEN = report([*web(2), target("web-03", unreachable="connection refused")])


@dataclass
class Checked:
    """The command with a check that finds what it is given."""

    found: DriftReport = field(default_factory=lambda: report(web(3)))
    asked: list[tuple[PlanRequest, DriftOptions]] = field(default_factory=list)
    told: list[tuple[tuple[str, ...], bool, str]] = field(default_factory=list)
    news: list[list[str]] = field(default_factory=list)
    """What was new, each time."""
    problems: list[str] = field(default_factory=list)

    async def drift(self, request: PlanRequest, options: DriftOptions, **_: Any) -> DriftReport:
        self.asked.append((request, options))
        return self.found

    def notify(
        self, urls: tuple[str, ...], report: DriftReport, news: News, *, always: bool, report_file: str
    ) -> list[str]:
        self.told.append((urls, always, report_file))
        self.news.append([f"{target} {finding.subject}" for target, finding in news.new])
        return self.problems if urls else []

    def run(self, *, quiet: bool = False, as_json: bool = False, **words: Any) -> tuple[ExitCode, str, str]:
        """The exit code, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        terminal = Terminal(quiet=quiet, as_json=as_json, environ={}, stdout=out, stderr=err, stdin=io.StringIO())
        code = guarded(lambda: command.drift(terminal, "plan.yaml", **words), terminal)
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    made = Checked()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OCTO_SSH_STATE", str(tmp_path / "state"))
    operation = types.SimpleNamespace(drift=made.drift)
    monkeypatch.setattr(octo_ssh.operations, "drift", operation, raising=False)
    monkeypatch.setattr(notifying, "notify", made.notify)
    monkeypatch.setattr(notifying, "addresses", tuple)
    return made


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(web(3)), ExitCode.DONE),
        (PENDING, ExitCode.DONE),
        (EXPECTED, ExitCode.DONE),
        (UNSEEN, ExitCode.INCOMPLETE),
        (DRIFTED, ExitCode.DIFFERS),
    ],
)
def test_quiet_is_silent_where_nothing_needs_to_be_seen_to(
    found: DriftReport, code: ExitCode, checked: Checked
) -> None:
    checked.found = found
    loud_code, out, err = checked.run()
    assert (loud_code, out.splitlines()[-1][:7], err) == (code, "drift: ", "")
    quiet_code, out, err = checked.run(quiet=True)
    assert (quiet_code, err) == (code, "")
    assert bool(out) is (code is not ExitCode.DONE)


def test_the_words_become_a_request(checked: Checked) -> None:
    checked.run(inventory="i", environment="e", release="2", var=["a=b"], limit=["x"], exclude=["y"], health=True)
    checked.run(quick=True, against=Against.PLAN)
    request = PlanRequest("plan.yaml", "i", "e", "2", {"a": "b"}, ("x",), ("y",))
    assert checked.asked == [
        (request, DriftOptions(health=True)),
        (PlanRequest("plan.yaml"), DriftOptions(quick=True, against_plan=True)),
    ]


def test_json_is_one_document_also_when_quiet(checked: Checked) -> None:
    _, out, _ = checked.run(as_json=True, quiet=True)
    assert json.loads(out)["counts"]["in_sync"] == 3


def test_a_second_check_knows_what_the_first_saw(checked: Checked) -> None:
    checked.found = DRIFTED
    assert ", new" in checked.run()[1]
    later = report(DRIFTED.targets)
    checked.found = DriftReport("shop", "production", "2026-11-30T07:03:12Z", later.targets)
    assert "web-03: etc/app.conf changed, still there after 6 days" in checked.run()[1]


def test_a_history_that_cannot_be_written_is_a_warning_and_no_failure(checked: Checked) -> None:
    Path("state").write_text("in the way")
    code, out, err = checked.run()
    assert (code, out.splitlines()[-1]) == (ExitCode.DONE, "drift: none; in sync 3 (of 3), 1.9 s")
    assert err.startswith("warning: no history of this check: ")
    assert checked.run(quiet=True) == (ExitCode.DONE, "", "")


def test_the_page_is_private_when_it_is_new_and_keeps_its_mode_later(checked: Checked) -> None:
    before = os.umask(0o022)
    try:
        assert checked.run(report="pages/drift.html")[0] is ExitCode.DONE
        path = Path("pages/drift.html")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        first = path.read_text()
        checked.found = DRIFTED
        assert checked.run(report="pages/drift.html")[0] is ExitCode.DIFFERS
        assert path.read_text() != first
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_a_link_leads_to_the_page(checked: Checked) -> None:
    Path("www").mkdir()
    Path("drift.html").symlink_to("www/drift.html")
    checked.run(report="drift.html")
    assert Path("drift.html").is_symlink()
    assert "<html" in Path("www/drift.html").read_text()


@pytest.mark.parametrize(("found", "code"), [(report(web(1)), ExitCode.FAILED), (DRIFTED, ExitCode.DIFFERS)])
def test_a_check_whose_page_was_not_written_is_not_green(found: DriftReport, code: ExitCode, checked: Checked) -> None:
    Path("pages").mkdir()
    checked.found = found
    result, out, err = checked.run(report="pages")
    assert (result, bool(out)) == (code, True)
    assert err == "warning: the report was not written: pages: Is a directory\n"


@pytest.mark.parametrize(
    ("found", "code"),
    [(report(web(1)), ExitCode.FAILED), (UNSEEN, ExitCode.INCOMPLETE), (DRIFTED, ExitCode.DIFFERS)],
)
def test_a_check_that_could_not_be_told_is_not_green(found: DriftReport, code: ExitCode, checked: Checked) -> None:
    checked.found, checked.problems = found, ["no notification to json://box: refused"]
    result, _, err = checked.run(notify=["json://box"], quiet=True)
    assert (result, err) == (code, "warning: no notification to json://box: refused\n")


def test_each_address_is_told_as_often_as_it_wants_and_where_the_page_is(checked: Checked) -> None:
    checked.run(notify=["json://a"], notify_always=["json://b", "json://c"], report="drift.html")
    assert checked.told == [(("json://a",), False, "drift.html"), (("json://b", "json://c"), True, "drift.html")]
    assert Path("drift.html").exists()


def test_what_somebody_found_by_hand_or_could_not_be_delivered_is_news_all_the_same(checked: Checked) -> None:
    checked.found = DRIFTED
    checked.run()
    checked.problems = ["no notification to json://a: refused"]
    checked.run(notify=["json://a"])
    checked.problems = []
    checked.run(notify=["json://a"])
    checked.run(notify_always=["json://a"])
    assert checked.news == [["web-03 etc/app.conf"]] * 4 + [[], []]  # each time for both kinds of addresses


def test_without_a_history_all_is_told(checked: Checked) -> None:
    checked.found = DRIFTED
    Path("state").write_text("in the way")
    checked.run(notify=["json://a"])
    checked.run(notify=["json://a"], against=Against.PLAN)
    assert checked.news == [["web-03 etc/app.conf"]] * 4


def test_nobody_is_told_where_nobody_is_named(checked: Checked) -> None:
    checked.found = DRIFTED
    checked.run()
    assert checked.told == []


def test_an_address_that_cannot_be_told_is_bad_usage_before_anything_is_looked_at(tmp_path: Path) -> None:
    done = run("drift", "plan.yaml", "--notify", "nothing-here", folder=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "'nothing-here' is no URL" in done.stderr


def test_other_things_to_compare_with_are_bad_usage(tmp_path: Path) -> None:
    done = run("drift", "plan.yaml", "--against", "git", folder=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "error: --against must be 'baseline' or 'plan', not 'git'\n"
