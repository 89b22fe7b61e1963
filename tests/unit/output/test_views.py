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
