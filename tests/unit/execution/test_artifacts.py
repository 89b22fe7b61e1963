"""Artifacts: copied to the controller under safe names, whatever a target calls them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.execution import artifacts
from octo_ssh.execution.artifacts import MAX_NAME, safe_name
from octo_ssh.model.events import ArtifactKept
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.values import EnvSource, SecretRef
from tests.unit.execution.targets import Stand, stand
from tests.unit.execution.test_engine import do, work
from tests.unit.planning.builders import HERE


def contents(target: Stand) -> list[bytes]:
    return [Path(kept.path).read_bytes() for kept in target.told(ArtifactKept)]


def folders(target: Stand) -> set[Path]:
    return {Path(kept.path).resolve().parent for kept in target.told(ArtifactKept)}


@given(st.text(max_size=300))
def test_no_name_leads_anywhere(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe) <= MAX_NAME
    assert safe.isascii()
    assert safe.isprintable()
    assert not set(safe) & set("/\\ ")
    assert not safe.startswith(".")
    assert safe_name(safe) == safe


async def test_a_file_is_copied_byte_for_byte(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    content = bytes(range(256)) * 2000
    (target.home / "report.bin").write_bytes(content)
    end = await do(target, work("octo_artifact report.bin 'the report.bin'"))
    assert end.outcome is Outcome.CHANGED, end
    [kept] = target.told(ArtifactKept)
    assert kept.path == str(tmp_path / "run/artifacts/web-1/go/the_report.bin")
    assert (kept.bytes, contents(target)) == (len(content), [content])
    assert os.stat(kept.path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../../../../evil", "/etc/evil", "..", "a/../../evil", ".ssh", "-rf", "a\nb"])
async def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    (target.home / "x").write_text("x")
    await do(target, work(f"octo_artifact x '{name}'"))
    assert folders(target) == {tmp_path / "run/artifacts/web-1/go"}


async def test_one_name_twice_is_two_files(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    await do(target, work("echo one >x; octo_artifact x log.txt; echo two >y; octo_artifact y log.txt"))
    assert [Path(kept.path).name for kept in target.told(ArtifactKept)] == ["log.txt", "log_1.txt"]
    assert contents(target) == [b"one\n", b"two\n"]


async def test_artifacts_of_a_step_that_fails_are_kept_too(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo why >x; octo_artifact x; exit 3"))
    assert (end.outcome, end.status) == (Outcome.FAILED, 3)
    assert contents(target) == [b"why\n"]


async def test_an_artifact_that_cannot_be_had_fails_the_step(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo x >x; octo_artifact x; rm x"))
    assert end.outcome is Outcome.FAILED
    assert end.reason.startswith("an artifact cannot be kept: ")
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


async def test_one_that_cannot_be_had_keeps_no_other_from_being_copied(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    end = await do(target, work("echo x >x; octo_artifact x; rm x; echo y >y; octo_artifact y"))
    assert end.reason.startswith("an artifact cannot be kept: ")
    assert contents(target) == [b"y\n"]


async def test_no_secret_is_in_the_name_of_a_file(tmp_path: Path) -> None:
    target = await stand(tmp_path, environ={"TOKEN": "hunter2 hunter2"})
    target.context.secrets.reveal(SecretRef(EnvSource("TOKEN"), HERE))
    await target.lock(["go"])
    await do(target, work("echo x >x; octo_artifact x 'log of hunter2 hunter2.txt'"))
    assert [Path(kept.path).name for kept in target.told(ArtifactKept)] == ["log_of____.txt"]


async def test_a_file_that_cannot_be_made_here_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await stand(tmp_path)
    await target.lock(["go"])
    monkeypatch.setattr(artifacts, "_free_path", lambda folder, name: tmp_path / "home")
    end = await do(target, work("echo x >x; octo_artifact x"))
    assert (end.outcome, end.reason) == (Outcome.FAILED, f"{tmp_path}/home cannot be made: File exists")
