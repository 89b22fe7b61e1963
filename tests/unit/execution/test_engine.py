"""Single steps on a single target, with the real programs: outcomes, retries, and what is remembered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import ConnectionLost, RemoteError, TargetTimeout, Unreachable
from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.engine import Engine
from octo_ssh.model.events import StepBegan, StepNote, StepOutput
from octo_ssh.model.memory import parse_baseline
from octo_ssh.model.observed import Done
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import CheckStep, CommandProbe, InlineScript, Probe, Retry, RunStep
from octo_ssh.model.values import EnvSource, SecretRef
from octo_ssh.model.work import Planned, PlannedStep, ProbeWork, ScriptWork
from octo_ssh.planning.schedule import Start
from tests.unit.execution.targets import Stand, controller, stand
from tests.unit.planning.builders import HERE, run, step

TOKEN = SecretRef(EnvSource("TOKEN"), HERE)


def work(text: str, *, digest: str = "d1", timeout_s: float = 20.0, **env: Any) -> ScriptWork:
    return ScriptWork(text, env, "~", {}, None, timeout_s, digest)


def engine(target: Stand, what: ScriptWork | ProbeWork, **keys: Any) -> Engine:
    """With a step that does this work."""
    made = run("go", **keys) if isinstance(what, ScriptWork) else step("go", CheckStep(Probe(CommandProbe("true"))))
    planned = PlannedStep(made, ("web-1",), {"web-1": Planned(Outcome.CHANGED, "", what)})
    return Engine(target.context, {"web-1": target.hold}, controller(target.home), {"go": planned}, set())


async def do(target: Stand, what: ScriptWork | ProbeWork, **keys: Any) -> StepEnd:
    """Carry a step with this work out."""
    return await engine(target, what, **keys).carry_out(Start("go", "web-1"))


def last_line(target: Stand) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target.home / ".octo-ssh/journal.jsonl").read_text().splitlines()[-1])
    return found


async def test_a_script_that_ends_well_is_remembered_and_journaled(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo hello"))
    assert (end.outcome, end.status, end.tail) == (Outcome.CHANGED, 0, b"hello")
    assert target.hold.baseline.done["d1"].step == "go"
    assert (last_line(target)["what"], last_line(target)["outcome"]) == ("step ended", "changed")
    assert [event.data for event in target.told(StepOutput)] == [b"hello\n"]
    assert target.told(StepBegan) == [StepBegan("go", "web-1")]


@pytest.mark.parametrize("digest", ["d1", ""], ids=["release", "runbook"])
async def test_a_script_with_unless_that_ends_well_is_held_to_it(tmp_path: Path, digest: str) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    await do(target, work("true", digest=digest))
    assert target.hold.baseline.held == frozenset()
    for text, held in (("exit 1", set()), ("true", {"go"})):
        kind = RunStep(InlineScript(text), unless="test -e x")
        planned = PlannedStep(
            step("go", kind), ("web-1",), {"web-1": Planned(Outcome.CHANGED, "", work(text, digest=digest))}
        )
        made = Engine(target.context, {"web-1": target.hold}, controller(target.home), {"go": planned}, set())
        await made.carry_out(Start("go", "web-1"))
        assert target.hold.baseline.held == held
    state = (target.home / ".octo-ssh/state/shop/default.json").read_bytes()
    assert parse_baseline(state, "/x.json").held == {"go"}


async def test_a_script_that_fails_is_not_remembered(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo sorry >&2; exit 7"))
    assert (end.outcome, end.reason, end.status, end.tail) == (Outcome.FAILED, "exit status 7", 7, b"sorry")
    assert target.hold.baseline.done == {}
    assert (last_line(target)["outcome"], last_line(target)["status"]) == ("failed", 7)


async def test_a_failure_is_retried_as_often_as_wished(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo x >>tries; exit 1"), retry=Retry(2, 0.0))
    assert end.outcome is Outcome.FAILED
    assert (target.home / "tries").read_text() == "x\nx\nx\n"
    assert [event.text for event in target.told(StepNote)] == [
        "exit status 1; trying again in 0 s (1 of 2)",
        "exit status 1; trying again in 0 s (2 of 2)",
    ]


async def test_nothing_is_retried_after_an_interrupt(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.context.interruption.set()
    await do(target, work("echo x >>tries; exit 1"), retry=Retry(2, 0.0))
    assert (target.home / "tries").read_text() == "x\n"


async def test_an_interrupt_ends_the_wait_before_a_retry(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    asyncio.get_running_loop().call_later(0.5, target.context.interruption.set)
    end = await asyncio.wait_for(do(target, work("echo x >>tries; exit 1"), retry=Retry(2, 1000.0)), 20)
    assert end.outcome is Outcome.FAILED
    assert (target.home / "tries").read_text() == "x\n"


def unreachable(target: Stand) -> None:
    """A connection that is lost is not had again, and nobody waits for it."""
    target.hold.session.patience_s = 0
    target.reconnects.append(Unreachable("web-1: refused"))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionLost("web-1: the connection was lost"), Outcome.UNKNOWN),
        (TargetTimeout("web-1: no shell was opened within 20 s"), Outcome.UNKNOWN),
        (RemoteError("web-1: the disk is full"), Outcome.FAILED),
    ],
)
@pytest.mark.parametrize("where", ["the script", "writing the journal"])
async def test_what_was_not_seen_is_unknown_and_never_repeated(
    tmp_path: Path, error: Exception, outcome: Outcome, where: str
) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.session.breaks[where] = [error]
    unreachable(target)
    end = await do(target, work("echo x >>tries"), retry=Retry(1 if outcome is Outcome.UNKNOWN else 0, 0.0))
    assert end.outcome is outcome
    assert str(error).partition(": ")[2] in end.reason
    assert target.hold.baseline.done == {}
    assert target.session.acted.count("the script") == 1


async def test_a_script_out_of_time_says_so_and_has_ended(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo begun; sleep 100", timeout_s=0.5))
    assert (end.outcome, end.reason) == (Outcome.FAILED, "not done within 0.5 s: its processes were ended")
    assert end.tail == b"begun"


async def test_a_target_whose_lock_is_lost_does_nothing_more(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.hold.lost = "it was taken"
    end = await do(target, work("touch done"))
    assert (end.outcome, end.reason) == (Outcome.UNKNOWN, "it was taken")
    assert not (target.home / "done").exists()


async def test_a_target_that_was_never_locked_does_nothing_at_all(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    target.session.breaks["lock"] = [RemoteError("web-1: the disk is full")]
    with pytest.raises(RemoteError):
        await target.lock(["go"])
    target.hold.gone = True
    end = await do(target, work("touch done"))
    assert end.outcome is Outcome.SKIPPED
    assert not (target.home / "done").exists()


async def test_secrets_are_read_for_the_step_and_masked_in_all_it_says(tmp_path: Path) -> None:
    target = await stand(tmp_path, environ={"TOKEN": "hunter2hunter2"})
    await target.lock(["go"])
    end = await do(target, work('printf %s "$token" >kept; echo "it is $token"; exit 1', token=TOKEN))
    assert (target.home / "kept").read_text() == "hunter2hunter2"
    assert end.tail == b"it is ***"
    assert b"hunter2" not in b"".join(event.data for event in target.told(StepOutput))
    assert "hunter2" not in (target.home / ".octo-ssh/journal.jsonl").read_text()


async def test_a_secret_that_cannot_be_read_fails_before_anything_runs(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("touch done", token=TOKEN))
    assert end.outcome is Outcome.FAILED
    assert "TOKEN" in end.reason
    assert not (target.home / "done").exists()


async def test_a_check_is_unchanged_when_it_comes_true_and_failed_when_not(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, ProbeWork(work("test -e here || { touch here; false; }"), 10.0, 0.1, None))
    assert end.outcome is Outcome.UNCHANGED
    assert target.hold.baseline.passed_checks == {"go"}
    end = await do(target, ProbeWork(work("echo still down; false"), 0.5, 0.1, None))
    assert (end.outcome, end.reason) == (Outcome.FAILED, "the command did not succeed within 0.5 s")
    assert b"still down" in end.tail
    assert target.hold.baseline.failed_checks == {"go"}


async def test_an_ignored_failure_is_journaled_and_remembered(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    made, failed = engine(target, work("exit 7")), StepEnd(Outcome.FAILED, "exit status 7", 7)
    assert await made.ignored(Start("go", "web-1"), failed) == failed
    assert target.hold.baseline.done == {"d1": Done("go", "1.0", target.context.identity.run, ignored=True)}
    assert last_line(target)["what"] == "failure ignored"
    target.session.breaks["writing the journal"] = [ConnectionLost("web-1: the connection was lost")]
    unreachable(target)
    end = await made.ignored(Start("go", "web-1"), failed)
    assert end.outcome is Outcome.UNKNOWN
    assert end.reason.startswith("the connection was lost; it could not be reached again")
