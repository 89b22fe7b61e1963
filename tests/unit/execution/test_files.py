"""File steps on a target, with the real programs: written, left alone, removed, and what follows from a change."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.execution.context import StepEnd
from octo_ssh.execution.engine import Engine
from octo_ssh.model.observed import FileRequest, Owed
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import FileStep, Retry, TextContent
from octo_ssh.model.values import Secret, Template
from octo_ssh.model.work import FileWork, LateText, Planned, PlannedStep, ScriptWork, WantedFile
from octo_ssh.planning.schedule import Start
from octo_ssh.remote.resources import look
from tests.unit.execution.targets import Stand, controller, stand
from tests.unit.planning.builders import HERE, step

DEBT = Owed("go", "", "1.0", "on_change")
RESTART = Owed("service", "", "1.0", "restart")
ONCE = Retry()


def wanted(text: str, **keys: Any) -> WantedFile:
    raw = text.encode()
    return WantedFile(**{"mode": None, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), **keys})


async def place(
    target: Stand, file: WantedFile | None, text: str | None = None, retry: Retry = ONCE, **keys: Any
) -> StepEnd:
    """Carry a file step for ~/there out."""
    path = str(target.home / "there")
    seen = (await target.session.observe(look((FileRequest("go", path),), {}))).files["go"]
    usual: dict[str, Any] = {
        "owner": None,
        "group": None,
        "parents": False,
        "seen": seen,
        "diff": (),
        "on_change": None,
    }
    work = FileWork(**{"path": path, "wanted": file, **usual, "owes": (), "owed": (), "sudo_user": None, **keys})
    if text is not None:
        target.context.files = {("go", "web-1"): Secret(text)}
    kind = FileStep(path, TextContent(text or ""))
    planned = PlannedStep(step("go", kind, retry=retry), ("web-1",), {"web-1": Planned(Outcome.CHANGED, "", work)})
    engine = Engine(target.context, {"web-1": target.hold}, controller(target.home), {"go": planned}, set())
    return await engine.carry_out(Start("go", "web-1"))


def script(text: str) -> ScriptWork:
    return ScriptWork(text, {}, "~", {}, None, 20.0, "")


async def test_a_file_is_written_and_remembered(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await place(target, wanted("hello\n", mode=0o640), "hello\n")
    assert (end.outcome, end.reason) == (Outcome.CHANGED, f"wrote {target.home}/there")
    assert (target.home / "there").read_text() == "hello\n"
    assert stat.S_IMODE((target.home / "there").stat().st_mode) == 0o640
    left = target.hold.baseline.files["go"]
    assert (left.path, left.present, left.mode) == (str(target.home / "there"), True, 0o640)
    assert target.hold.baseline.due == {}


async def test_a_file_that_nothing_follows_from_takes_two_round_trips(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    before = len(target.session.acted)
    await place(target, wanted("x"), "x")
    assert target.session.acted[before:] == ["writing a file", "writing the journal"]


async def test_a_file_that_is_right_by_now_is_left_alone(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / "there").write_text("hello\n")
    before = (target.home / "there").stat().st_ino
    end = await place(target, wanted("hello\n"), "hello\n", on_change=script("exit 1"), owes=(DEBT,))
    assert end.outcome is Outcome.UNCHANGED
    assert (target.home / "there").stat().st_ino == before


async def test_a_file_that_is_to_be_remembered_is_written_down_and_nothing_else(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock()
    (target.home / "there").write_text("hello\n")
    before, acted = (target.home / "there").stat(), len(target.session.acted)
    end = await place(target, wanted("hello\n"), "hello\n", changes=False, on_change=script("touch ran"), owes=(DEBT,))
    assert (end.outcome, end.reason) == (Outcome.UNCHANGED, "there is as it should be")
    assert target.session.acted[acted:] == ["writing the journal"]
    after = (target.home / "there").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (target.home / "ran").exists()
    left = target.hold.baseline.files["go"]
    assert (left.present, left.sha256) == (True, hashlib.sha256(b"hello\n").hexdigest())
    assert target.hold.baseline.owed == ()


async def test_a_new_file_with_secrets_is_nobody_elses(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    await place(target, wanted("hello", holds_secrets=True), "hello")
    assert stat.S_IMODE((target.home / "there").stat().st_mode) == 0o600
    assert target.hold.baseline.files["go"].holds_secrets
    await place(target, wanted("other"), "other")
    assert not target.hold.baseline.files["go"].holds_secrets


async def test_a_file_is_removed(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / "there").write_text("hello\n")
    end = await place(target, None)
    assert (end.outcome, end.reason) == (Outcome.CHANGED, f"removed {target.home}/there")
    assert not (target.home / "there").exists()
    assert not target.hold.baseline.files["go"].present


async def test_what_a_change_causes_is_owed_before_it_and_own_debts_are_paid(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await place(target, wanted("x"), "x", on_change=script("cat there >seen"), owes=(DEBT, RESTART))
    assert end.outcome is Outcome.CHANGED
    assert (target.home / "seen").read_text() == "x"
    assert target.hold.baseline.owed == (RESTART,)


async def test_an_on_change_that_fails_stays_owed(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await place(target, wanted("x"), "x", on_change=script("echo no; exit 3"), owes=(DEBT,))
    assert (end.outcome, end.reason, end.tail) == (Outcome.FAILED, "on_change: exit status 3", b"no")
    assert target.hold.baseline.owed == (DEBT,)
    again = await place(
        target, wanted("x"), "x", changes=False, on_change=script("true"), owes=(DEBT,), owed=("on_change",)
    )
    assert again.outcome is Outcome.CHANGED
    assert not target.hold.baseline.owed


@pytest.mark.parametrize("known", [True, False], ids=["path known", "path late"])
async def test_content_and_path_may_use_outputs_of_steps_before(tmp_path: Path, known: bool) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.context.outputs.take("other", "web-1", {"port": "8080", "name": "there"})
    text = LateText(Template("port=${{ steps.other.output.port }}\n", HERE), {}, after=("other",))
    path = LateText(Template("~/${{ steps.other.output.name }}", HERE), {}, after=("other",))
    keys: dict[str, Any] = {} if known else {"path": path, "seen": None}
    end = await place(target, WantedFile(0o644, late=text), **keys)
    assert end.outcome is Outcome.CHANGED
    assert (target.home / "there").read_text() == "port=8080\n"
    again = await place(target, WantedFile(0o644, late=text), **keys)
    assert again.outcome is Outcome.UNCHANGED


async def test_an_output_that_is_not_there_is_named(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    target.context.outputs.take("other", "web-1", {"port": "8080"})
    text = LateText(Template("${{ steps.other.output.prot }}", HERE), {}, after=("other",))
    end = await place(target, WantedFile(None, late=text))
    assert end.outcome is Outcome.FAILED
    assert "prot" in end.reason
    assert "did you mean 'port'" in end.reason


async def test_a_link_that_appeared_meanwhile_is_not_followed(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / "other").write_text("mine")
    seen = (await target.session.observe(look((FileRequest("go", str(target.home / "there")),), {}))).files["go"]
    (target.home / "there").symlink_to("other")
    end = await place(target, wanted("x"), "x", seen=replace(seen))
    assert end.outcome is Outcome.FAILED
    assert "link" in end.reason
    assert (target.home / "other").read_text() == "mine"


async def test_what_is_in_the_way_by_now_is_told_as_a_plan_would(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / "there").mkdir()
    end = await place(target, wanted("x"), "x")
    assert (end.outcome, end.reason) == (
        Outcome.FAILED,
        f"{target.home}/there is a folder: choose another path, or remove it",
    )
    assert target.hold.baseline.owed == ()


async def test_a_second_try_finds_the_file_that_the_first_one_wrote_and_owes_the_rest(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    act = script("echo x >>runs; test $(wc -l <runs) -ge 3")
    end = await place(target, wanted("x"), "x", on_change=act, owes=(DEBT,), retry=Retry(5, 0.0))
    assert (end.outcome, end.reason) == (Outcome.CHANGED, "ran on_change")
    assert (target.home / "runs").read_text() == "x\nx\nx\n"
    assert target.hold.baseline.owed == ()
