"""The plain and the quiet view: what a log holds of a run."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime

from octo_ssh.model import events
from octo_ssh.model.events import Event, TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.plain import PlainView
from octo_ssh.output.printer import Printer
from octo_ssh.output.quiet import QuietView
from tests.unit.output import samples

STARTED = events.RunStarted("20261124T070312Z-4f9c", "shop", "1.4.2", "staging", samples.targets(3))


def at_seven() -> datetime:
    return datetime(2026, 11, 24, 7, 3, 12, tzinfo=UTC)


def told(happened: Iterable[Event], *, verbose: bool = False) -> tuple[str, str]:
    """What progress and result streams hold after these events."""
    progress, result = io.StringIO(), io.StringIO()
    with PlainView(Printer(progress), Printer(result), now=at_seven, verbose=verbose) as view:
        for event in happened:
            view.emit(event)
    return progress.getvalue(), result.getvalue()


def quietly_told(happened: Iterable[Event]) -> tuple[str, str]:
    progress, result = io.StringIO(), io.StringIO()
    with QuietView(Printer(progress), Printer(result), now=at_seven) as view:
        for event in happened:
            view.emit(event)
    return progress.getvalue(), result.getvalue()


def deployed(names: tuple[str, ...], step: str, outcome: Outcome = Outcome.CHANGED) -> list[Event]:
    return [
        events.StepStarted(step),
        *(events.StepBegan(step, name) for name in names),
        *(events.StepEnded(step, name, outcome, "now at 1.4.2", 3.2) for name in names),
    ]


def plan_of(count: int, *names: str) -> Event:
    every = samples.targets(count)
    return events.PlanMade(
        samples.plan([samples.step(name, samples.everywhere(every, work=samples.package())) for name in names], every)
    )


def ended(*outcomes: Outcome, exit_code: int = 0, next_command: str = "") -> Event:
    names = samples.targets(len(outcomes))
    results = tuple(TargetResult(name, outcome, "", "1.4.2") for name, outcome in zip(names, outcomes, strict=True))
    return events.RunEnded("20261124T070312Z-4f9c", exit_code, 41.0, results, next_command)


def test_few_targets_have_a_line_each_with_the_time() -> None:
    progress, _ = told([STARTED, plan_of(3, "Deploy shop"), *deployed(samples.targets(3), "deploy_shop")])
    assert progress.splitlines()[-4:] == [
        "07:03:12 Deploy shop",
        "07:03:12   changed      web-001  now at 1.4.2  3.2 s",
        "07:03:12   changed      web-002  now at 1.4.2  3.2 s",
        "07:03:12   changed      web-003  now at 1.4.2  3.2 s",
    ]


def test_many_targets_that_are_alike_are_folded_at_the_end_of_the_step() -> None:
    progress, _ = told([STARTED, plan_of(300, "Deploy shop"), *deployed(samples.targets(300), "deploy_shop")])
    assert "  changed      300 targets: web-001 … web-300  now at 1.4.2\n" in progress
    assert len(progress.splitlines()) < 8


def test_unchanged_targets_are_folded_even_when_they_are_few() -> None:
    names = samples.targets(3)
    progress, _ = told([STARTED, plan_of(3, "Deploy shop"), *deployed(names, "deploy_shop", Outcome.UNCHANGED)])
    assert progress.splitlines()[-1].endswith("  unchanged    3 targets: web-001 … web-003  now at 1.4.2")


def test_targets_are_folded_in_order_whatever_the_order_of_their_ends() -> None:
    names = tuple(reversed(samples.targets(3)))
    progress, _ = told(
        [
            STARTED,
            plan_of(3, "Deploy shop"),
            *(events.PushDone(name, "shop", 1000, "x") for name in names),
            *deployed(names, "deploy_shop", Outcome.UNCHANGED),
        ]
    )
    assert "sent 3.0 kB to web-001 … web-003 (3)" in progress
    assert "unchanged    3 targets: web-001 … web-003" in progress


def test_a_fold_is_told_before_the_next_step_though_targets_are_missing() -> None:
    names = samples.targets(3)
    progress, _ = told(
        [
            STARTED,
            plan_of(3, "One", "Two"),
            *deployed(names[:2], "one", Outcome.UNCHANGED),
            *deployed(names[:2], "two", Outcome.UNCHANGED),
        ]
    )
    lines = [line[9:].split("  now")[0] for line in progress.splitlines()]
    assert lines.index("  unchanged    web-001, web-002") < lines.index("Two")


def test_a_failure_shows_its_last_lines_and_its_exit_status_at_once() -> None:
    noise = b"\n".join(b"line %d" % number for number in range(30)) + b"\n\x1b[31mboom\x1b[0m [red]\n"
    failure = events.StepEnded("deploy_shop", "web-002", Outcome.FAILED, "activate", 0.8, status=7, tail=noise)
    progress, _ = told([STARTED, plan_of(3, "Deploy shop"), events.StepStarted("deploy_shop"), failure])
    lines = progress.splitlines()
    assert lines[3] == "07:03:12   failed       web-002  Deploy shop: activate (exit status 7)  0.8 s"
    assert lines[4] == "07:03:12       │ line 11"
    assert lines[-1] == "07:03:12       │ boom [red]"


def test_an_exit_status_is_not_said_twice() -> None:
    failure = events.StepEnded("x", "web-001", Outcome.FAILED, "exit status 7", 0.8, status=7)
    progress, _ = told([failure])
    assert progress.count("exit status 7") == 1


def test_a_lost_target_is_told_with_what_to_do() -> None:
    lost = events.TargetLost("web-002", Outcome.UNREACHABLE, "connection refused", "is sshd running?")
    progress, _ = told([STARTED, lost])
    assert progress.splitlines()[-2:] == [
        "07:03:12   unreachable  web-002  connection refused",
        "07:03:12       is sshd running?",
    ]


def test_output_of_steps_is_told_only_when_asked_for() -> None:
    said = [events.StepOutput("one", "web-001", b"half "), events.StepOutput("one", "web-001", b"a line\nrest")]
    last = events.StepEnded("one", "web-001", Outcome.CHANGED, "ran", 1.0)
    assert "half a line" not in told([*said, last])[0]
    lines = told([*said, last], verbose=True)[0].splitlines()
    assert lines[:2] == ["07:03:12   web-001 │ half a line", "07:03:12   web-001 │ rest"]


def test_steps_of_a_group_are_named_where_the_title_above_is_another_s() -> None:
    names = samples.targets(2)
    children = [samples.step(name, samples.everywhere(names)) for name in ("Drain", "Deploy")]
    group = events.PlanMade(samples.plan([samples.step("Roll out", {}, children=children)], names))
    late = events.StepEnded("drain", names[1], Outcome.CHANGED, "ran", 0.1)
    progress, _ = told([STARTED, group, *deployed(names[:1], "drain"), *deployed(names[:1], "deploy"), late])
    assert [line[9:] for line in progress.splitlines()[2:]] == [
        "Drain",
        "  changed      web-001  now at 1.4.2  3.2 s",
        "Deploy",
        "  changed      web-001  now at 1.4.2  3.2 s",
        "  changed      web-002  Drain  ran  0.1 s",
    ]


def test_names_are_in_order_and_alike_ends_together_whatever_the_order_of_the_results() -> None:
    results = [
        TargetResult(f"web-{number}", Outcome.CHANGED, "" if number % 2 else "odd", "2") for number in (10, 9, 11, 8, 7)
    ]
    _, result = told([STARTED, events.RunEnded("r", 0, 1.0, tuple(results), "")])
    assert result.splitlines()[1:] == [
        "  changed      web-8, web-10  odd · at 2",
        "  changed      web-7, web-9, web-11 (3) · at 2",
    ]


def test_a_plan_that_was_made_twice_alike_is_told_once() -> None:
    progress, _ = told([STARTED, plan_of(3, "One"), plan_of(3, "One")])
    assert progress.count("plan: ") == 1


def test_the_summary_is_the_result_and_names_the_command_that_goes_on() -> None:
    end = ended(
        Outcome.CHANGED, Outcome.CHANGED, Outcome.FAILED, exit_code=1, next_command="octo-ssh apply p --limit @failed"
    )
    _, result = told([STARTED, end])
    assert result.splitlines() == [
        "shop 1.4.2 → staging: 2 changed, 1 failed (41 s)",
        "  failed       web-003 · at 1.4.2",
        "  changed      web-001, web-002 · at 1.4.2",
        "Go on with: octo-ssh apply p --limit @failed",
    ]


def test_a_run_that_had_nothing_to_do_says_so() -> None:
    _, result = told([STARTED, ended(Outcome.UNCHANGED, Outcome.UNCHANGED)])
    assert result.startswith("shop 1.4.2 → staging: nothing to do, 2 targets unchanged (41 s)\n")


def test_quiet_says_nothing_when_all_is_well() -> None:
    happened = [
        STARTED,
        events.PhaseStarted("connect"),
        plan_of(3, "Deploy shop"),
        *deployed(samples.targets(3), "deploy_shop"),
        ended(*[Outcome.CHANGED] * 3),
    ]
    assert quietly_told(happened) == ("", "")


def test_quiet_tells_failures_with_their_output_and_the_summary() -> None:
    failure = events.StepEnded("deploy_shop", "web-002", Outcome.FAILED, "", 0.8, status=7, tail=b"boom\n")
    well = events.StepEnded("deploy_shop", "web-001", Outcome.CHANGED, "", 0.8)
    progress, result = quietly_told([STARTED, failure, well, ended(Outcome.CHANGED, Outcome.FAILED, exit_code=1)])
    assert progress.splitlines() == [
        "07:03:12   failed       web-002  deploy_shop: exit status 7  0.8 s",
        "07:03:12       │ boom",
    ]
    assert result.splitlines()[0] == "shop 1.4.2 → staging: 1 changed, 1 failed (41 s)"


def said(level: events.Level, text: str, target: str = "web-001") -> Event:
    return events.StepSaid("deploy_shop", target, level, text)


def plain_lines(*happened: Event, count: int = 3, verbose: bool = False) -> list[str]:
    """What is told after the plan, without the time."""
    progress, _ = told([STARTED, plan_of(count, "Deploy shop"), *happened], verbose=verbose)
    return [line[9:] for line in progress.splitlines()[2:]]


def test_what_a_script_marks_is_told_without_being_asked_for() -> None:
    assert plain_lines(
        said(events.Level.HIGHLIGHT, "warm\x1b[2J [bold]"),
        said(events.Level.WARNING, "nearly full"),
        said(events.Level.ERROR, "no index"),
        said(events.Level.WAIT, "for the index"),
        said(events.Level.VERBOSE, "chatter"),
    ) == [
        "  web-001  warm [bold]",
        "  web-001  warning: nearly full",
        "  web-001  error: no index",
        "  web-001  for the index",
    ]
    assert plain_lines(said(events.Level.VERBOSE, "chatter"), verbose=True) == ["  web-001  chatter"]


def test_what_many_targets_say_alike_is_told_once_when_the_step_ends() -> None:
    names = samples.targets(20)
    ends = [events.StepEnded("deploy_shop", name, Outcome.CHANGED, "", 1.0) for name in names]
    warnings = [said(events.Level.WARNING, "nearly full", name) for name in names]
    lines = plain_lines(*warnings, *ends, count=20)
    assert lines[0] == "  web-001 … web-020 (20)  warning: nearly full"
    assert len(lines) == 3


def test_different_words_of_many_targets_do_not_pile_up() -> None:
    words = [said(events.Level.HIGHLIGHT, f"word {number}") for number in range(100)]
    assert len(plain_lines(*words, count=20)) == 100


def test_progress_in_a_log_is_told_at_four_marks_at_most() -> None:
    steps = [
        events.StepProgress("deploy_shop", "web-001", percent, "copying") for percent in (*range(101), 0, *range(101))
    ]
    assert plain_lines(*steps) == [f"  web-001  {percent}%  copying" for percent in (25, 50, 75, 100)]
    assert plain_lines(*steps, count=20) == []


def test_outputs_and_kept_files_are_told_when_asked_for_and_secrets_without_their_value() -> None:
    happened: list[Event] = [
        events.OutputSet("deploy_shop", "web-001", "Port", "8080"),
        events.OutputSet("deploy_shop", "web-001", "Token", None),
        events.ArtifactKept("deploy_shop", "web-001", "log.txt", "/state/runs/r/artifacts/web-001/log.txt", 2000),
    ]
    assert plain_lines(*happened) == []
    assert plain_lines(*happened, verbose=True) == [
        "  web-001  output Port = 8080",
        "  web-001  output Token = (secret)",
        "  web-001  kept log.txt (2.0 kB): /state/runs/r/artifacts/web-001/log.txt",
    ]


def test_a_failure_is_told_before_the_question_and_its_output_only_once() -> None:
    failure = events.StepFailed("deploy_shop", "web-002", "activate", 7, b"boom\n")
    decided = events.StepDecided("deploy_shop", "web-002", events.Choice.LEAVE_OUT, "alice")
    end = events.StepEnded("deploy_shop", "web-002", Outcome.FAILED, "activate", 3.0, 7, b"boom\n")
    assert plain_lines(failure, decided, end) == [
        "  failed       web-002  Deploy shop: activate (exit status 7)",
        "      │ boom",
        "      Deploy shop, web-002: leave out, by alice",
        "  failed       web-002  Deploy shop: activate (exit status 7)  3.0 s",
    ]


def test_a_failure_after_a_retry_shows_its_own_output() -> None:
    first = events.StepFailed("deploy_shop", "web-002", "activate", 7, b"boom\n")
    again = events.StepDecided("deploy_shop", "web-002", events.Choice.RETRY, "alice")
    end = events.StepEnded("deploy_shop", "web-002", Outcome.FAILED, "activate", 3.0, 7, b"worse\n")
    assert plain_lines(first, again, end)[-1] == "      │ worse"


def test_a_failure_that_counts_nowhere_says_so() -> None:
    end = events.StepEnded("deploy_shop", "web-002", Outcome.FAILED, "", 1.0, 7, b"boom\n", ignored=True)
    assert plain_lines(end) == ["  failed, ignored  web-002  Deploy shop: exit status 7  1.0 s", "      │ boom"]


def test_the_controller_is_told_as_the_controller() -> None:
    end = events.StepEnded("tell", "controller", Outcome.CHANGED, "ran", 1.0)
    assert plain_lines(events.StepStarted("tell"), end)[-1] == "  changed      on the controller  ran  1.0 s"


def test_approvals_and_what_waits_for_one_are_told() -> None:
    assert plain_lines(
        events.GroupPaused("deploy_shop", None),
        events.ApprovalGiven("deploy_shop", True, "alice", "green"),
        events.ApprovalGiven("deploy_shop", False, "bob", ""),
    ) == [
        "  Deploy shop: waiting for an approval",
        "  approved     Deploy shop, by alice: green",
        "  refused      Deploy shop, by bob",
    ]


def test_an_approval_is_told_once() -> None:
    given = events.ApprovalGiven("sign_off", True, "alice", "")
    end = events.StepEnded("sign_off", "controller", Outcome.UNCHANGED, "approved", 1.0)
    assert plain_lines(given, end) == ["  approved     sign_off, by alice"]


def result_lines(*happened: Event) -> list[str]:
    return told([STARTED, plan_of(3, "Deploy shop"), *happened])[1].splitlines()


def test_ignored_failures_approvals_and_artifacts_stand_in_the_summary() -> None:
    ignored = [
        events.StepEnded("deploy_shop", name, Outcome.FAILED, "exit status 3", 1.0, 3, ignored=True)
        for name in samples.targets(3)
    ]
    kept: list[Event] = [
        events.ArtifactKept("deploy_shop", name, "x", f"/state/r/artifacts/{name}/x", 500) for name in ("a", "b")
    ]
    approval = events.ApprovalGiven("deploy_shop", True, "alice", "")
    reason = "'Deploy shop' failed, and that is ignored"
    results = [TargetResult(name, Outcome.UNCHANGED, reason, "1.4.2") for name in samples.targets(3)]
    end = events.RunEnded("r", 0, 41.0, tuple(results), "")
    assert result_lines(*ignored, *kept, approval, end) == [
        "shop 1.4.2 → staging: 3 unchanged, 3 failures ignored (41 s)",
        "  unchanged    web-001 … web-003 (3) · at 1.4.2",
        "  ignored      web-001 … web-003 (3)  Deploy shop: exit status 3",
        "  approved     Deploy shop, by alice",
        "  kept         2 artifacts, 1.0 kB, in /state/r/artifacts",
    ]
    assert result_lines(kept[0], ended(Outcome.CHANGED))[-1] == "  kept         /state/r/artifacts/a/x (500 B)"


def test_the_controller_is_no_target_of_the_summary_and_its_failure_is_named() -> None:
    failure = events.StepEnded("deploy_shop", "controller", Outcome.FAILED, "", 1.0, 7)
    results = (
        TargetResult("web-001", Outcome.CHANGED, "", None),
        TargetResult("controller", Outcome.FAILED, "exit status 7", None),
    )
    assert result_lines(failure, events.RunEnded("r", 1, 41.0, results, "")) == [
        "shop 1.4.2 → staging: 1 changed (41 s)",
        "  failed       Deploy shop, on the controller: exit status 7",
        "  changed      web-001",
    ]


def test_why_a_run_ended_on_the_controller_is_told_though_no_step_of_it_failed() -> None:
    results = (TargetResult("controller", Outcome.FAILED, "Sign-off: refused by alice", None),)
    assert result_lines(events.RunEnded("r", 1, 41.0, results, ""))[1:] == [
        "  failed       on the controller  Sign-off: refused by alice"
    ]


def test_warnings_do_not_break_the_silence_of_a_run_that_went_well() -> None:
    ignored = events.StepEnded("deploy_shop", "web-001", Outcome.FAILED, "", 1.0, 7, b"boom\n", ignored=True)
    happened = [STARTED, said(events.Level.WARNING, "hot"), said(events.Level.ERROR, "hotter"), ignored]
    assert quietly_told([*happened, ended(Outcome.CHANGED)]) == ("", "")
    progress, _ = quietly_told([*happened, said(events.Level.HIGHLIGHT, "fine"), ended(Outcome.FAILED, exit_code=1)])
    assert [line[9:] for line in progress.splitlines()] == [
        "  web-001  warning: hot",
        "  web-001  error: hotter",
        "  failed, ignored  web-001  deploy_shop: exit status 7  1.0 s",
        "      │ boom",
    ]


class Broken(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_run_goes_on_when_nobody_reads_any_more() -> None:
    with PlainView(Printer(Broken()), Printer(Broken()), now=at_seven, verbose=False) as view:
        for event in (STARTED, ended(Outcome.CHANGED)):
            view.emit(event)
        view.emit(STARTED)
        assert view._narrator.story.title == "shop 1.4.2 → staging"
