"""What programs read: an event a line, a plan as one document, never a secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import Position
from octo_ssh.model import events
from octo_ssh.model.observed import FileKind, FileSeen, Owed, ServiceSeen
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import ApproveStep, FileStep, ServiceState, ServiceStep, StepKind
from octo_ssh.model.values import EnvSource, Secret, SecretRef, Template
from octo_ssh.model.work import (
    ApproveWork,
    FileWork,
    HttpWork,
    LateText,
    Planned,
    ProbeWork,
    ServiceWork,
    WantedFile,
    Window,
    Work,
)
from octo_ssh.output.document import plain_data
from octo_ssh.output.jsonlines import EventLines, event_document
from octo_ssh.output.plan_json import plan_document
from tests.unit.output import samples
from tests.unit.planning.builders import file, remembering

AT = datetime(2026, 11, 24, 7, 3, 12, 42_000, tzinfo=UTC)
TOKEN = SecretRef(EnvSource("SHOP_TOKEN"), samples.HERE)


def test_an_event_starts_with_its_name_and_its_time() -> None:
    line = EventLines().line(events.TargetConnected("web-01"), AT)
    assert line == '{"event":"target_connected","at":"2026-11-24T07:03:12.042Z","target":"web-01"}'


def test_fields_become_plain_data() -> None:
    ended = events.StepEnded("deploy", "web-01", Outcome.FAILED, "boom", 1.23456, status=7, tail=b"\x1b[31mred\xff")
    assert event_document(ended, AT) == {
        "event": "step_ended",
        "at": "2026-11-24T07:03:12.042Z",
        "step": "deploy",
        "target": "web-01",
        "outcome": "failed",
        "reason": "boom",
        "seconds": 1.235,
        "status": 7,
        "tail": "red\ufffd",
        "ignored": False,
    }


def test_output_that_was_cut_inside_a_character_is_whole_again() -> None:
    lines = EventLines()
    first = json.loads(lines.line(events.StepOutput("s", "t", b"caf\xc3"), AT))
    second = json.loads(lines.line(events.StepOutput("s", "t", b"\xa9"), AT))
    assert first["data"] + second["data"] == "café"


@given(st.binary(), st.text())
def test_every_event_is_one_line_of_json(data: bytes, target: str) -> None:
    line = EventLines().line(events.StepOutput("s", target, data), AT)
    assert "\n" not in line
    assert json.loads(line.encode())["event"] == "step_output"


def test_a_secret_is_never_given_out() -> None:
    told = json.dumps(plain_data({"one": Secret("hunter2"), "two": TOKEN}), ensure_ascii=False)
    assert "hunter2" not in told
    assert "environment variable SHOP_TOKEN" in told


def test_a_type_that_nobody_thought_of_is_an_error_and_not_a_repr() -> None:
    with pytest.raises(TypeError):
        plain_data(object())


def test_infinity_is_no_json_and_becomes_null() -> None:
    assert plain_data(float("inf")) is None


def rich_plan() -> dict[str, object]:
    late = LateText(Template("x${{ token }}", Position("plan.yaml")), {"token": TOKEN})
    check = ProbeWork(HttpWork("http://127.0.0.1/", "ok"), 30.0, 2.0, None)
    work = samples.package(activate=samples.script(PASSWORD=TOKEN, COLOR="green", LATE=late), verify=check)
    names = samples.targets(2)
    step = samples.step("Deploy", {names[0]: Planned(Outcome.CHANGED, "release 1.4.2", work)})
    group = samples.step("Roll out", {}, children=[step], window=Window(1, 1, 0, 30.0))
    return plan_document(samples.plan([group], names, unreachable={names[1]: "refused"}))


def test_a_plan_is_one_document_with_its_groups() -> None:
    document = rich_plan()
    assert json.loads(json.dumps(document)) == document
    group = document["steps"][0]  # type: ignore[index]
    assert group["rolling"] == {"size": 1, "canary": 1, "max_failures": 0, "pause_s": 30.0, "asks": False}
    planned = group["steps"][0]["planned"]["web-001"]
    assert planned["outcome"] == "changed"
    assert planned["work"]["lacking_bytes"] == 700
    assert planned["work"]["verify"]["http"] == {"url": "http://127.0.0.1/", "contains": "ok"}
    assert document["unreachable"] == {"web-002": "refused"}
    assert (document["changing"], document["remembering"]) == (["web-001"], [])


def test_a_plan_tells_targets_that_only_remember_apart() -> None:
    work = samples.step("Work", samples.everywhere("b", work=samples.script()))
    document = plan_document(samples.plan([remembering(file("note"), "ab"), work], "abc"))
    assert (document["changing"], document["remembering"]) == (["b"], ["a"])


def test_a_plan_names_variables_and_secrets_and_tells_no_value() -> None:
    document = rich_plan()
    activate = document["steps"][0]["steps"][0]["planned"]["web-001"]["work"]["activate"]  # type: ignore[index]
    assert activate["variables"] == ["COLOR"]
    assert activate["secrets"] == ["LATE", "PASSWORD"]
    assert "green" not in json.dumps(document)


def test_what_scripts_say_is_told_field_by_field() -> None:
    told = [
        event_document(event, AT)
        for event in (
            events.StepSaid("s", "t", events.Level.WARNING, "hot\x1b[31m"),
            events.StepProgress("s", "t", 40, "copying"),
            events.OutputSet("s", "t", "Port", "8080"),
            events.OutputSet("s", "t", "Token", None),
            events.StepDecided("s", "t", events.Choice.LEAVE_OUT, "alice"),
            events.GroupPaused("s", None),
        )
    ]
    assert [document.pop("at") and list(document.values()) for document in told] == [
        ["step_said", "s", "t", "warning", "hot"],
        ["step_progress", "s", "t", 40, "copying"],
        ["output_set", "s", "t", "Port", "8080"],
        ["output_set", "s", "t", "Token", None],
        ["step_decided", "s", "t", "leave out", "alice"],
        ["group_paused", "s", None],
    ]


def work_of(work: Work) -> dict[str, object]:
    document = plan_document(samples.plan([samples.step("One", samples.everywhere(["a"], work=work))], ["a"]))
    found: dict[str, object] = document["steps"][0]["planned"]["a"]["work"]
    return found


def file_of(wanted: WantedFile, **changes: object) -> FileWork:
    work = FileWork(
        path="/etc/shop.conf",
        wanted=wanted,
        owner="shop",
        group=None,
        parents=False,
        seen=FileSeen("/etc/shop.conf", FileKind.FILE, 0o600, "root", "root", 20, "0" * 64, b"old content"),
        diff=("-b=2", "+b=3\x1b[2J"),
        on_change=samples.script(),
        owes=(Owed("service", "", "1.4.2", "restart"),),
        owed=(),
        sudo_user="root",
    )
    return replace(work, **changes)  # type: ignore[arg-type]


def test_a_file_is_told_with_its_diff_and_never_with_its_content() -> None:
    document = work_of(file_of(WantedFile(0o640, 30, "1" * 64)))
    assert document["wanted"] == {"mode": "0640", "size": 30, "sha256": "1" * 64, "holds_secrets": False, "after": []}
    assert document["seen"] == {
        "path": "/etc/shop.conf",
        "kind": "file",
        "mode": "0600",
        "owner": "root",
        "group": "root",
        "size": 20,
    }
    assert document["diff"] == ["-b=2", "+b=3"]
    assert document["owes"][0]["what"] == "restart"  # type: ignore[index]
    assert "old content" not in json.dumps(document)


def test_a_file_with_secrets_tells_neither_length_nor_digest_of_them() -> None:
    document = work_of(file_of(WantedFile(0o600, 30, "1" * 64, holds_secrets=True)))
    assert (document["wanted"]["size"], document["wanted"]["sha256"]) == (None, None)  # type: ignore[index]
    assert "1" * 64 not in json.dumps(document)


def test_what_uses_outputs_is_told_as_its_template_and_the_steps_it_comes_after() -> None:
    late = LateText(Template("/etc/${{ steps.one.output.NAME }}", samples.HERE), {"color": "green"}, ("one",))
    document = work_of(file_of(WantedFile(None, late=late), path=late, seen=None))
    assert document["path"] == {"template": "/etc/${{ steps.one.output.NAME }}", "after": ["one"]}
    assert document["wanted"] == {"mode": None, "size": None, "sha256": None, "holds_secrets": False, "after": ["one"]}
    assert "green" not in json.dumps(document)


def test_services_and_approvals_are_told() -> None:
    seen = ServiceSeen(True, "loaded", "inactive", "disabled")
    service = work_of(ServiceWork("shop", ServiceState.RUNNING, True, False, seen, (), None))
    assert (service["kind"], service["state"], service["enabled"]) == ("service", "running", True)
    assert service["seen"]["active"] == "inactive"  # type: ignore[index]
    assert work_of(ApproveWork("Is it green?")) == {"kind": "approve", "text": "Is it green?"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FileStep("/etc/x", None), "file"),
        (ServiceStep("shop"), "service"),
        (ApproveStep("Fine?"), "approve"),
    ],
)
def test_a_step_tells_its_kind_and_how_it_stands_in_the_plan(kind: StepKind, name: str) -> None:
    planned = {"a": Planned(Outcome.SKIPPED, "only in production", standby=True, after=("before",))}
    one = samples.step("One", planned)
    step = replace(one, step=replace(one.step, kind=kind, required=True, starts_with_previous=True, on_controller=True))
    document = plan_document(samples.plan([step], ["a"], broken={"b": "sudo refused"}))
    told = document["steps"][0]
    assert told["kind"] == name
    assert (told["when"], told["on_failure"]) == ("success", "fail")
    assert all(told[key] is True for key in ("required", "starts_with_previous", "on_controller"))
    assert told["planned"]["a"] == {
        "outcome": "skipped",
        "reason": "only in production",
        "standby": True,
        "after": ["before"],
        "conditions": [],
        "work": None,
    }
    assert document["broken"] == {"b": "sudo refused"}


def test_plan_made_carries_the_document_that_plan_prints() -> None:
    plan = samples.plan([samples.step("One", samples.everywhere(["a"]))], ["a"])
    assert event_document(events.PlanMade(plan), AT)["plan"] == plan_document(plan)
