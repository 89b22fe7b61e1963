"""What a step says: masked, passed on, and its end kept."""

from __future__ import annotations

import base64
from pathlib import Path

from octo_ssh.errors import RemoteError
from octo_ssh.execution.probe import probe
from octo_ssh.execution.voice import TAIL_BYTES, TAIL_LINES, StepVoice
from octo_ssh.model.events import OutputSet, StepOutput, StepProgress
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import EnvSource, SecretRef
from octo_ssh.model.work import ProbeWork, ScriptWork
from tests.unit.execution.targets import stand
from tests.unit.planning.builders import HERE


async def test_the_tail_is_the_last_lines_alone(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    voice.output(b"".join(b"line %d\n" % number for number in range(100)))
    lines = voice.tail().split(b"\n")
    assert (len(lines), lines[0], lines[-1]) == (TAIL_LINES, b"line 80", b"line 99")
    voice.listen()
    assert voice.tail() == b""


async def test_one_endless_line_is_cut_in_the_tail_and_passed_on_whole(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    for _ in range(3):
        voice.output(b"x" * TAIL_BYTES)
    assert len(voice.tail()) == TAIL_BYTES
    assert sum(len(event.data) for event in target.told(StepOutput)) == 3 * TAIL_BYTES


async def test_a_secret_cut_in_two_is_masked(tmp_path: Path) -> None:
    target = await stand(tmp_path, environ={"TOKEN": "hunter2hunter2"})
    target.context.secrets.reveal(SecretRef(EnvSource("TOKEN"), HERE))
    voice = StepVoice(target.context, "go", "web-1")
    voice.output(b"a hunter2hun")
    voice.output(b"ter2 b hunter2")
    assert voice.tail() == b"a *** b hunter2"
    end = voice.failure(RemoteError("it said hunter2hunter2"))
    assert (end.outcome, end.reason) == (Outcome.FAILED, "it said ***")


async def test_no_piece_of_a_secret_is_left_where_a_text_is_cut_or_made_one_line(tmp_path: Path) -> None:
    target = await stand(tmp_path, environ={"TOKEN": "hunter2hunter2", "KEY": "one\ntwo"})
    for name in ("TOKEN", "KEY"):
        target.context.secrets.reveal(SecretRef(EnvSource(name), HERE))
    voice = StepVoice(target.context, "go", "web-1")
    told = base64.b64encode(b"one\ntwo " + b"x" * 980 + b" hunter2hunter2").decode()
    voice.output(f"##octopus[progress percentage='NTA=' message='{told}']\n".encode())
    voice.output(f"##octopus[resultMessage message='{told}']\n".encode())
    shown = "*** " + "x" * 980 + " ***"
    assert [event.text for event in target.told(StepProgress)] == [shown]
    assert voice.failure_message == shown


async def test_a_script_keeps_its_own_artifacts_and_not_those_of_one_that_was_ended(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    voice.output(b"##octopus[createArtifact path='L2E=' name='YQ==']\n")
    assert [artifact.path for artifact in voice.artifacts] == ["/a"]
    voice.listen()
    assert voice.artifacts == []


def said(kind: str, **attributes: str) -> bytes:
    encoded = (f"{name}='{base64.b64encode(text.encode()).decode()}'" for name, text in attributes.items())
    return f"##octopus[{kind} {' '.join(encoded)}]\n".encode()


async def test_secrets_that_others_learn_meanwhile_are_masked_from_then_on(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    one, other = (StepVoice(target.context, step, "web-1") for step in ("go", "other"))
    one.output(b"hunter2hunter2\nhunter2")
    other.output(said("setVariable", name="Key", value="hunter2hunter2", sensitive="True"))
    one.output(b"hunter2\nhunter2hunter2\n")
    assert one.finish() == b"hunter2hunter2\nhunter2hunter2\n***"
    other.output(said("mask", value="more-of-it") + b"there is more-of-it")
    one.output(b" and more-of-it")
    assert (other.finish(), one.tail()) == (b"there is ***", b"hunter2hunter2\nhunter2hunter2\n***\n and ***")


async def test_an_output_that_turns_out_to_hold_a_secret_is_written_down_nowhere(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    for name, value in (("Early", "x hunter2hunter2"), ("Plain", "y")):
        voice.output(said("setVariable", name=name, value=value))
    voice.output(said("setVariable", name="Key", value="hunter2hunter2", sensitive="True"))
    voice.output(said("setVariable", name="Late", value=base64.b64encode(b"hunter2hunter2").decode()))
    voice.finish()
    assert {name: isinstance(value, str) for name, value in voice.outputs.items()} == {
        "Early": False,
        "Plain": True,
        "Key": False,
        "Late": False,
    }
    told = {event.name: event.value for event in target.told(OutputSet)}
    assert told == {"Early": "x hunter2hunter2", "Plain": "y", "Key": None, "Late": None}


async def test_an_output_whose_name_is_a_secret_is_dropped(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    voice.output(said("setVariable", name="Key", value="hunter2hunter2", sensitive="True"))
    for extra in ({}, {"sensitive": "True"}):
        voice.output(said("setVariable", name="a.hunter2hunter2", value="value", **extra))
    assert voice.finish().splitlines() == [b"octo-ssh: an output is dropped: its name holds a secret"] * 2
    assert set(voice.outputs) == {"Key"}


async def test_what_cannot_be_masked_fails_the_step(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    voice = StepVoice(target.context, "go", "web-1")
    voice.output(said("mask", value="hunter22\0"))
    assert voice.problem is not None
    assert "holds a NUL byte" in voice.problem.message
    assert "hunter22" not in voice.problem.message


async def test_of_a_probe_the_last_words_count_also_where_they_begin_as_a_message(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    script = ScriptWork("printf '##octopus[half a message'; exit 3", {}, None, {}, None, 5.0, "")
    end = await probe(target.hold, ProbeWork(script, 0.5, 1.0, None), StepVoice(target.context, "go", "web-1"))
    assert (end.outcome, end.status, end.tail) == (Outcome.FAILED, 3, b"##octopus[half a message")
