"""What a plan says below its steps: files with their diffs, services, approvals, what is decided later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from octo_ssh.errors import Position
from octo_ssh.model.observed import FileKind, FileSeen, Owed, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CONTROLLER, FileSettings, OnFailure, PackageStep, ServiceState
from octo_ssh.model.values import Template
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    LateText,
    Planned,
    PlannedStep,
    ProbeWork,
    RunPlan,
    ServiceWork,
    WantedFile,
    Window,
    Work,
)
from octo_ssh.output.plan_details import diff_lines
from octo_ssh.output.plan_view import changes, plan_view, totals
from octo_ssh.output.printer import Tone
from tests.unit.output import samples

OLD = FileSeen("/etc/shop.conf", FileKind.FILE, 0o600, "root", "root", 20, "0" * 64)
WANTED = WantedFile(0o640, 30, "1" * 64)
DIFF = ("@@ -1,2 +1,2 @@", " a=1", "-b=2", "+b=3")


def file(**changed: object) -> FileWork:
    values: dict[str, object] = {
        "path": "/etc/shop.conf",
        "wanted": WANTED,
        "owner": "shop",
        "group": None,
        "parents": False,
        "seen": OLD,
        "diff": (),
        "on_change": None,
        "owes": (),
        "owed": (),
        "sudo_user": None,
    }
    return FileWork(**{**values, **changed})  # type: ignore[arg-type]


def service(seen: ServiceSeen | None, **changed: object) -> ServiceWork:
    values: dict[str, object] = {
        "service": "shop",
        "state": ServiceState.RUNNING,
        "enabled": None,
        "restart": False,
        "seen": seen,
        "owes": (),
        "sudo_user": None,
    }
    return ServiceWork(**{**values, **changed})  # type: ignore[arg-type]


def late(text: str, *after: str) -> LateText:
    return LateText(Template(text, Position("plan.yaml")), {"token": "hunter2"}, after)


def lines(step: PlannedStep, *more: PlannedStep, verbose: bool = False) -> list[str]:
    """What stands below the step's title."""
    names = [name for name in step.targets if name != CONTROLLER] or ["web-001"]
    shown = [line.text for line in plan_view(samples.plan([step, *more], names), verbose=verbose)]
    return [text.strip() for text in shown[2 : -2 if not more else None]]


def of(work: Work) -> list[str]:
    return lines(samples.step("One", samples.everywhere(["web-001"], work=work)))[2:]


def test_a_changed_file_says_how_large_it_was_and_will_be() -> None:
    assert of(file()) == ["20 B → 30 B"]
    assert of(file(wanted=replace(WANTED, sha256="0" * 64))) == []


def test_a_new_file_says_how_it_will_be() -> None:
    absent = FileSeen("/etc/shop.conf", FileKind.ABSENT, missing_parents=True)
    assert of(file(seen=absent, parents=True)) == ["30 B, mode 0640, owner shop, with the folders above it"]


def test_the_length_of_a_secret_is_not_told() -> None:
    assert of(file(wanted=replace(WANTED, holds_secrets=True))) == []


def test_a_file_that_goes_says_how_large_it_is() -> None:
    assert of(file(wanted=None)) == ["20 B"]


def test_a_path_that_uses_outputs_is_told_as_its_template() -> None:
    path = late("/etc/${{ steps.one.output.NAME }}", "one")
    assert of(file(seen=None, path=path)) == ["path /etc/${{ steps.one.output.NAME }}"]


def test_consequences_of_a_file_are_named_by_their_steps() -> None:
    work = file(
        owes=(Owed("one", "", "1.4.2", "on_change"), Owed("service", "", "1.4.2", "restart")),
        on_change=samples.script(),
        sudo_user="root",
    )
    step = samples.step("One", samples.everywhere(["web-001"], work=work))
    other = samples.step("Service", samples.everywhere(["web-001"], Outcome.UNCHANGED))
    assert lines(step, other)[3:6] == ["as root", "then on_change", "'Service' restarts then"]


def test_a_diff_is_coloured_and_indented() -> None:
    shown = plan_view(samples.plan([samples.step("One", samples.everywhere(["a"], work=file(diff=DIFF)))], ["a"]))
    tones = {line.text.strip(): line.tone for line in shown}
    assert tones["-b=2"] is Tone.BAD
    assert tones["+b=3"] is Tone.GOOD
    assert tones["a=1"] is Tone.PLAIN
    assert tones["@@ -1,2 +1,2 @@"] is Tone.FAINT
    assert "               -b=2" in [line.text for line in shown]


def test_what_a_file_holds_is_shown_without_its_control_sequences() -> None:
    diff = ("@@ -1 +1 @@", "-x\x1b]0;title\x07y\x1b[2J", "+\tx \u202ey", "+windows\r")
    assert [line.text for line in diff_lines(diff)][1:] == ["-xy", "+\tx y", "+windows␍"]


def test_targets_with_the_same_diff_share_it() -> None:
    names = samples.targets(20)
    planned = samples.everywhere(names, reason="content", work=file(diff=DIFF))
    planned[names[-1]] = Planned(Outcome.CHANGED, "content", file(diff=(*DIFF, "+c=4")))
    text = lines(samples.step("One", planned))
    assert "changed      web-001 … web-019 (19)  content" in text
    assert text.count("+b=3") == 2
    assert text.count("+c=4") == 1


def test_a_long_diff_is_cut_unless_more_was_asked_for() -> None:
    long = (DIFF[0], *(f"+line {number}" for number in range(100)))
    step = samples.step("One", samples.everywhere(["a"], work=file(diff=long)))
    assert "… 42 more lines: -v shows them" in lines(step)
    assert "+line 99" not in lines(step)
    assert "+line 99" in lines(step, verbose=True)


def test_a_service_says_who_acts_and_what_restarts_with_it() -> None:
    seen = ServiceSeen(True, "loaded", "inactive", "disabled")
    assert of(service(seen)) == []
    owes = (Owed("proxy", "", "1.4.2", "restart"),)
    assert of(service(seen, sudo_user="root", owes=owes)) == ["as root", "'proxy' restarts then"]
    assert of(service(None, service=late("shop@${{ steps.one.output.N }}"))) == ["unit shop@${{ steps.one.output.N }}"]


def test_an_approval_says_what_will_be_asked() -> None:
    planned = {CONTROLLER: Planned(Outcome.UNCHANGED, "this run changes a", ApproveWork("Is the dashboard green?"))}
    assert lines(samples.step("Sign-off", planned)) == [
        "Sign-off",
        "asks         on the controller  this run changes a",
        "Is the dashboard green?",
    ]


def test_what_depends_on_an_earlier_step_says_on_which() -> None:
    condition = late('${{ steps.check.output.reboot == "yes" }}', "check")
    planned = Planned(Outcome.CHANGED, "", samples.script(), conditions=(condition,), after=("check",))
    check = samples.step("Check for reboot", samples.everywhere(["a"]))
    step = samples.step("Reboot", {"a": planned})
    text = [
        line.text.strip()
        for line in plan_view(
            samples.plan([replace(check, step=replace(check.step, id="check")), step], ["a"]), verbose=False
        )
    ]
    assert "decided after 'Check for reboot'" in text
    assert """only if ${{ steps.check.output.reboot == "yes" }}, known after 'Check for reboot'""" in text
    assert "hunter2" not in "".join(text)


def test_a_step_says_where_and_how_it_runs() -> None:
    def title(changed: dict[str, object], targets: tuple[str, ...] = ("a", "b"), **more: object) -> str:
        step = samples.step("One", samples.everywhere(targets))
        return lines(replace(step, step=replace(step.step, **changed), **more))[0]  # type: ignore[arg-type]

    assert title({"on_controller": True}, (CONTROLLER,)) == "One  (on the controller)"
    assert title({"on_controller": True}) == "One  (on the controller, once for each target)"
    assert title({"starts_with_previous": True}) == "One  (with the step before)"
    assert title({"on_failure": OnFailure.IGNORE}) == "One  (a failure is ignored)"
    window = Window(1, 1, 0, 0.0, asks=True)
    assert title({}, window=window) == "One  (1 at a time, 1 canary first, asks after the canary)"


def test_a_package_says_what_it_sets_and_which_of_its_scripts_run() -> None:
    work = samples.package(conventions={"PreDeploy": samples.script(), "PostDeploy": samples.script()}, activate=None)
    step = samples.step("Deploy shop", samples.everywhere(["a"], work=work))
    settings = FileSettings("config/app.json", {"Logging:Level": "debug", "Port": 1}, samples.HERE)
    step = replace(step, step=replace(step.step, kind=PackageStep("shop", settings=(settings,))))
    text = lines(step)
    assert "sets Logging:Level, Port in config/app.json" in text
    assert "runs its PreDeploy.sh, PostDeploy.sh" in text
    assert "debug" not in "".join(text)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["then activate and verify", "runs its PreDeploy.sh, Deploy.sh, PostDeploy.sh"]),
        ({"switch": False, "owed": ("PostDeploy", "verify")}, ["then verify", "runs its PostDeploy.sh"]),
        ({"switch": False, "owed": ("verify",)}, ["then verify"]),
        (
            {"switch": False, "owed": ("verify", "confirm"), "confirm_s": 60.0},
            ["then verify", "goes back by itself unless confirmed within 1 min 00 s"],
        ),
    ],
    ids=["all", "some", "none", "confirm"],
)
def test_of_a_packages_scripts_those_are_named_that_run(keys: dict[str, Any], expected: list[str]) -> None:
    scripts = {name: samples.script() for name in ("PreDeploy", "Deploy", "PostDeploy", "DeployFailed")}
    work = samples.package(build=False, conventions=scripts, verify=ProbeWork(samples.script(), 1.0, 1.0, None), **keys)
    said = [
        line for line in lines(samples.step("Deploy", samples.everywhere(["a"], work=work))) if "current" not in line
    ]
    assert said[-len(expected) - 1 :] == [*expected, "where that fails: its DeployFailed.sh"]


def on_the_controller() -> RunPlan:
    step = samples.step("Tell", samples.everywhere([CONTROLLER], work=samples.script()))
    return samples.plan([step], ["a", "b"])


def test_the_controller_is_not_counted_as_a_target() -> None:
    assert totals(on_the_controller()) == "plan: 1 step on the controller, 2 unchanged"
    assert changes(on_the_controller())
    assert not on_the_controller().changing
