"""A plan as people read it."""

from __future__ import annotations

from dataclasses import replace

from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.work import HttpWork, Planned, ProbeWork, RunPlan, Window
from octo_ssh.output.plan_view import changes, plan_view, totals
from tests.unit.output import samples
from tests.unit.planning.builders import file, remembering


def told(plan: RunPlan) -> str:
    return "\n".join(line.text for line in plan_view(plan))


def test_targets_that_are_alike_share_a_line() -> None:
    names = samples.targets(20)
    planned = {
        **samples.everywhere(names[:19], reason="release 1.4.2", work=samples.package()),
        names[19]: Planned(Outcome.UNCHANGED, "release 1.4.2 is current"),
    }
    assert told(samples.plan([samples.step("Deploy shop", planned)], names)).splitlines() == [
        "shop 1.4.2 → staging, 20 targets",
        "",
        "Deploy shop",
        "  changed      web-001 … web-019 (19)  release 1.4.2",
        "               /srv/shop/releases/1.4.2: 1 file, 1.2 kB",
        "               current: 1.4.1 → 1.4.2",
        "               then activate",
        "  unchanged    web-020  release 1.4.2 is current",
        "",
        "plan: 19 targets to change, 1 unchanged, at most 13.3 kB of files to send",
    ]


def test_a_target_that_differs_in_what_is_done_has_its_own_line() -> None:
    planned = {
        "a": Planned(Outcome.CHANGED, "x", samples.package()),
        "b": Planned(Outcome.CHANGED, "x", samples.package(previous=None, base=None)),
    }
    lines = told(samples.plan([samples.step("Deploy", planned)], ["a", "b"])).splitlines()
    assert "  changed      a  x" in lines
    assert "  changed      b  x" in lines
    assert "               current: nothing → 1.4.2" in lines


def test_a_link_that_leads_to_no_release_is_not_called_nothing() -> None:
    planned = {"a": Planned(Outcome.CHANGED, "x", samples.package(stray="by\nhand"))}
    lines = told(samples.plan([samples.step("Deploy", planned)], ["a"])).splitlines()
    assert "               current: by hand (no complete release) → 1.4.2" in lines


def test_what_goes_wrong_comes_first() -> None:
    planned = {
        "a": Planned(Outcome.UNCHANGED, ""),
        "b": Planned(Outcome.CHANGED, "", samples.script()),
        "c": Planned(Outcome.FAILED, "no curl"),
    }
    lines = told(samples.plan([samples.step("Deploy", planned)], "abc")).splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["failed", "changed", "unchanged"]


def test_a_rolling_group_tells_its_window_and_indents_its_steps() -> None:
    child = samples.step("Drain", samples.everywhere(["a", "b"], work=samples.script()))
    group = samples.step("Roll out", {}, children=[child], window=Window(5, 1, 2, 30.0))
    lines = told(samples.plan([group], ["a", "b"])).splitlines()
    assert "Roll out  (5 at a time, 1 canary first, up to 2 failures, 30 s between)" in lines
    assert "  Drain" in lines
    assert "    changed      a, b" in lines


def test_a_check_says_what_it_asks() -> None:
    work = ProbeWork(HttpWork("http://127.0.0.1/", "ok"), 30.0, 2.0, None)
    text = told(samples.plan([samples.step("Smoke", samples.everywhere(["a"], work=work))], ["a"]))
    assert "http://127.0.0.1/ holding 'ok', within 30 s" in text


def test_unreachable_targets_are_named_with_their_reason() -> None:
    plan = samples.plan([], ["a", "b"], unreachable={"b": "refused"}, skip_unreachable=True)
    assert "  unreachable  b  refused, left out" in told(plan).splitlines()
    assert totals(plan) == "plan: nothing to do, 1 unchanged, 1 unreachable"


def test_targets_that_could_not_be_looked_at_are_named_once_and_are_not_unchanged() -> None:
    planned = {**samples.everywhere("a", Outcome.UNCHANGED), **samples.everywhere("b", Outcome.FAILED, "sudo refused")}
    plan = samples.plan([samples.step("One", planned)], "ab", broken={"b": "sudo refused"})
    lines = told(plan).splitlines()
    assert [line for line in lines if "sudo refused" in line] == ["  failed       b  sudo refused"]
    assert lines[-1] == "plan: nothing to do, 1 unchanged, 1 failed"


def test_nothing_to_do_is_said_in_one_line() -> None:
    plan = samples.plan([samples.step("One", samples.everywhere("abc", Outcome.UNCHANGED))], "abc")
    assert totals(plan) == "plan: nothing to do on 3 targets"


def test_why_a_target_was_not_reached_is_said_once_above_the_steps() -> None:
    planned = samples.everywhere(["web-1"], Outcome.UNREACHABLE, "refused") | samples.everywhere(["web-2"])
    plan = samples.plan([samples.step("One", planned), samples.step("Two", planned)], planned)
    lines = told(replace(plan, unreachable={"web-1": "refused"})).splitlines()
    assert [line for line in lines if "web-1" in line] == [
        "  unreachable  web-1  refused",
        *["  unreachable  web-1"] * 2,
    ]


def test_what_is_lacking_is_said_where_it_is_not_the_whole() -> None:
    def shown(lacking_files: int) -> list[str]:
        entries = [Entry(name, Kind.FILE, 0o644, 600, "a" * 64) for name in ("a", "b")]
        work = samples.package(manifest=Manifest.of(entries), lacking_files=lacking_files, lacking_bytes=600)
        step = samples.step("Deploy shop", samples.everywhere(["web-1"], work=work))
        return [line.split(": ")[1] for line in told(samples.plan([step], ["web-1"])).splitlines() if "/srv" in line]

    assert [shown(count) for count in (0, 1, 2)] == [
        ["2 files, 1.2 kB"],
        ["2 files, 1.2 kB; lacks 1 file, 600 B"],
        ["2 files, 1.2 kB"],
    ]


def test_to_remember_is_told_apart_from_a_change() -> None:
    planned = {"c": Planned(Outcome.UNCHANGED, "is right")}
    note = remembering(file("note"), "ab")
    note = replace(note, targets=("a", "b", "c"), planned={**note.planned, **planned})
    assert totals(samples.plan([note], "abc")) == "plan: nothing to change, 2 targets to remember, 1 unchanged"
    assert not changes(samples.plan([note], "abc"))
    mixed = samples.plan([note, samples.step("Work", samples.everywhere("a", work=samples.script()))], "abc")
    assert totals(mixed) == "plan: 1 target to change, 1 target to remember, 1 unchanged"
    assert changes(mixed)
    assert "  unchanged    a, b, c (3)  is right" in told(samples.plan([note], "abc"))
