"""How lines are told apart: failures of several lines, the step that failed, titles that are passed by."""

from __future__ import annotations

from octo_ssh.model import events
from octo_ssh.model.events import Event, TargetResult
from octo_ssh.model.outcomes import Outcome
from octo_ssh.output.narrator import Narrator
from octo_ssh.output.printer import Tone
from octo_ssh.output.summary import summary
from tests.unit.output import samples

STARTED = events.RunStarted("20261124T070312Z-4f9c", "shop", "1.4.2", None, samples.targets(2))


def plan_of(*names: str) -> Event:
    every = samples.targets(2)
    return events.PlanMade(
        samples.plan([samples.step(name, samples.everywhere(every, work=samples.package())) for name in names], every)
    )


def narrated(*happened: Event) -> tuple[Narrator, list[str]]:
    """The narrator after these events, and what it said after the plan."""
    lines: list[str] = []

    def say(text: str, tone: Tone = Tone.PLAIN) -> None:
        lines.append(text)

    narrator = Narrator(say, verbose=False)
    for event in happened:
        narrator.emit(event)
    return narrator, lines[2:]


def test_a_reason_of_several_lines_is_one_line_and_what_stands_below_it() -> None:
    end = events.StepEnded(
        "service", "web-001", Outcome.FAILED, "it fell over\ncannot bind\nit exited", 1.0, None, b"more\n"
    )
    _, lines = narrated(STARTED, plan_of("Service"), end)
    assert lines == ["  failed       web-001  Service: it fell over  1.0 s"] + [
        f"      │ {line}" for line in ("cannot bind", "it exited", "more")
    ]


def test_the_summary_names_the_step_that_failed_and_its_reason_in_one_line() -> None:
    failed = events.StepEnded("service", "web-001", Outcome.FAILED, "it fell over\ncannot bind", 1.0)
    cleaned = events.StepEnded("undrain", "web-001", Outcome.FAILED, "exit status 1", 1.0)
    narrator, _ = narrated(STARTED, plan_of("Service", "Undrain"), failed, cleaned)
    lost = TargetResult("web-002", Outcome.FAILED, "the lock cannot be taken", None)
    ended = events.RunEnded("r", 1, 1.0, (TargetResult("web-001", Outcome.FAILED, failed.reason, None), lost))
    assert [line.text for line in summary(ended, narrator.story)[1:]] == [
        "  failed       web-001  Service: it fell over",
        "  failed       web-002  the lock cannot be taken",
    ]


def test_lines_of_a_step_whose_title_was_passed_by_name_it_again() -> None:
    def end(step: str, target: str) -> Event:
        return events.StepEnded(step, target, Outcome.CHANGED, "ran", 1.0)

    _, lines = narrated(
        STARTED,
        plan_of("Drain", "Undrain"),
        *(events.StepStarted("drain"), end("drain", "web-001")),
        *(events.StepStarted("undrain"), end("undrain", "web-001")),
        *(end("drain", "web-002"), end("undrain", "web-002")),
    )
    assert lines == [
        "Drain",
        "  changed      web-001  ran  1.0 s",
        "Undrain",
        "  changed      web-001  ran  1.0 s",
        "  changed      web-002  Drain  ran  1.0 s",
        "  changed      web-002  Undrain  ran  1.0 s",
    ]
