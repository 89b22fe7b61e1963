"""The live view's picture: readable with three targets and with three hundred, never higher than the terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from octo_ssh.model import events
from octo_ssh.model.events import Event
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.live import LiveView, frame
from octo_ssh.output.printer import Printer
from octo_ssh.output.progress import Progress
from tests.unit.output import samples


class Time:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def running(count: int, time: Time) -> Progress:
    """A run in the middle of its one step, each target begun a second after the one before."""
    names = samples.targets(count)
    progress = Progress(time)
    progress.take(events.RunStarted("r", "shop", "1.4.2", "staging", names))
    progress.take(events.PlanMade(samples.plan([samples.step("Deploy", samples.everywhere(names))], names)))
    progress.take(events.PhaseStarted("steps"))
    progress.take(events.StepStarted("deploy"))
    for name in names:
        time.now += 1
        progress.take(events.StepBegan("deploy", name))
    return progress


def picture(progress: Progress, time: Time, *, width: int = 100, height: int = 24) -> list[str]:
    return [text for text, _ in frame(progress, time.now, width=width, height=height)]


def test_three_targets_have_a_line_each_the_slowest_first() -> None:
    time = Time()
    progress = running(3, time)
    progress.take(events.StepOutput("deploy", "web-002", b"old\nmigrating \x1b[31mtable\x1b[0m 7\nhalf"))
    rows = picture(progress, time)
    assert rows[0].startswith("shop 1.4.2 → staging  Deploy  ")
    assert "0/3" in rows[0]
    assert "3 running" in rows[0]
    assert rows[1:] == [
        "     0:02  web-001  Deploy",
        "     0:01  web-002  Deploy  migrating table 7",
        "     0:00  web-003  Deploy",
    ]


def test_three_hundred_targets_fit_the_terminal_and_the_rest_are_counted() -> None:
    time = Time()
    rows = picture(running(300, time), time, height=24)
    assert len(rows) == 23
    assert rows[1].startswith("     4:59  web-001")
    assert rows[-1] == "  … and 279 more"


def test_failures_stay_pinned_and_are_counted() -> None:
    time = Time()
    progress = running(300, time)
    for number in range(1, 11):
        progress.take(events.StepEnded("deploy", f"web-{number:03d}", Outcome.FAILED, f"reason {number}", 1.0))
    rows = picture(progress, time, height=24)
    assert "10 failed" in rows[0]
    assert "10/300" in rows[0]
    assert rows[1] == "  6 more went wrong before these"
    assert rows[5] == "  failed       web-010  Deploy: reason 10"
    assert len(rows) == 23


@pytest.mark.parametrize("height", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("width", [10, 40, 200])
def test_a_small_terminal_gets_a_small_picture(width: int, height: int) -> None:
    time = Time()
    progress = running(50, time)
    progress.take(events.TargetLost("web-050", Outcome.UNKNOWN, "lost 接続が失われました" * 20))
    progress.take(events.RunHalted("too many failures"))
    progress.take(events.StepOutput("deploy", "web-001", ("出力" * 100 + "\n").encode()))
    rows = picture(progress, time, width=width, height=height)
    assert len(rows) <= max(1, height - 1)
    assert max(map(cell_len, rows)) <= width


def test_while_connecting_those_that_are_waited_for_are_named() -> None:
    time = Time()
    progress = Progress(time)
    progress.take(events.RunStarted("r", "shop", None, None, samples.targets(3)))
    progress.take(events.PhaseStarted("connect"))
    progress.take(events.TargetConnected("web-001"))
    progress.take(events.TargetLost("web-002", Outcome.UNREACHABLE, "refused"))
    rows = picture(progress, time)
    assert "2/3" in rows[0]
    assert rows[1] == "  unreachable  web-002  refused"
    assert rows[2:] == ["     0:00  web-003  connecting"]


def test_a_push_shows_how_far_it_is() -> None:
    time = Time()
    progress = Progress(time)
    progress.take(events.PhaseStarted("push"))
    progress.take(events.PushStarted("web-001", "shop", 12_000_000))
    progress.take(events.PushAdvanced("web-001", "shop", 3_000_000))
    assert picture(progress, time)[1] == "     0:00  web-001  receives shop  3.0 MB of 12.0 MB"
    progress.take(events.PushAdvanced("web-001", "shop", 12_000_000))
    assert picture(progress, time)[1] == "     0:00  web-001  lays shop out"


def test_progress_and_marked_lines_stand_in_the_line_of_their_target() -> None:
    time = Time()
    progress = running(2, time)
    progress.take(events.StepProgress("deploy", "web-001", 40, "copying \x1b[31mfiles"))
    progress.take(events.StepSaid("deploy", "web-002", events.Level.HIGHLIGHT, "warm"))
    assert picture(progress, time)[1:] == [
        "     0:01  web-001  Deploy  40%  copying files",
        "     0:00  web-002  Deploy  warm",
    ]


def test_an_ignored_failure_is_not_pinned() -> None:
    time = Time()
    progress = running(2, time)
    progress.take(events.StepEnded("deploy", "web-001", Outcome.FAILED, "boom", 1.0, ignored=True))
    rows = picture(progress, time)
    assert "1/2" in rows[0]
    assert "failed" not in "".join(rows)


def test_a_failure_that_somebody_is_asked_about_stays_in_its_line() -> None:
    time = Time()
    progress = running(1, time)
    progress.take(events.StepFailed("deploy", "web-001", "boom"))
    assert picture(progress, time)[1].endswith("Deploy  failed: somebody is asked what to do")
    progress.take(events.StepDecided("deploy", "web-001", events.Choice.RETRY, "alice"))
    assert picture(progress, time)[1].endswith("Deploy  retry")


def test_what_waits_for_an_approval_says_so_until_it_is_given() -> None:
    time = Time()
    progress = running(1, time)
    progress.take(events.GroupPaused("deploy", None))
    assert picture(progress, time)[1] == "  Deploy: waiting for an approval"
    progress.take(events.ApprovalGiven("deploy", True, "alice", ""))
    assert "waiting" not in "".join(picture(progress, time))


def test_progress_is_not_told_a_second_time_above_the_picture() -> None:
    screen, _ = drawn([events.StepProgress("deploy", "web-1", 50, "half of it")])
    assert "half of it" not in screen


def drawn(happened: list[Event]) -> tuple[str, str]:
    screen, result = io.StringIO(), io.StringIO()
    with LiveView(screen, Printer(result), color=False, verbose=False, clock=Time()) as view:
        for event in happened:
            view.emit(event)
    return screen.getvalue(), result.getvalue()


def test_what_is_over_scrolls_away_above_the_picture() -> None:
    screen, result = drawn(
        [
            events.RunStarted("r", "shop", "1.4.2", None, ("web-1",)),
            events.StepEnded("deploy", "web-1", Outcome.FAILED, "boom", 1.0, tail=b"[bold]not markup[/bold]"),
            events.RunEnded("r", 1, 2.0, (events.TargetResult("web-1", Outcome.FAILED, "boom", None),)),
        ]
    )
    assert "  failed       web-1  deploy: boom  1.0 s" in screen
    assert "[bold]not markup[/bold]" in screen
    assert result.splitlines()[0] == "shop 1.4.2: 1 failed (2.0 s)"


def test_lines_wait_while_somebody_is_asked() -> None:
    screen = io.StringIO()
    with LiveView(screen, Printer(io.StringIO()), color=False, verbose=False, clock=Time()) as view:
        with view.paused():
            before = screen.getvalue()
            view.emit(events.RunHalted("a reason"))
            assert screen.getvalue() == before
        assert "halted: a reason" in screen.getvalue()


def test_the_cursor_is_never_left_hidden() -> None:
    screen, _ = drawn([events.Interrupted("SIGINT")])
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")
