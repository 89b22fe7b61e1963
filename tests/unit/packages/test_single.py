"""One file beside the plan: measured, and held if it is small."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from octo_ssh.packages.single import read_single


@pytest.mark.parametrize(("size", "is_held"), [(0, True), (10, True), (11, False), (3 << 20, False)])
def test_a_file_is_measured_whole_and_held_only_if_it_is_small(tmp_path: Path, size: int, is_held: bool) -> None:
    raw = os.urandom(size)
    (tmp_path / "file").write_bytes(raw)
    found = read_single(str(tmp_path / "file"), held_bytes=10)
    assert (found.path, found.size) == (str(tmp_path / "file"), size)
    assert found.sha256 == hashlib.sha256(raw).hexdigest()
    assert found.content == (raw if is_held else None)


def test_a_path_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert read_single("file", held_bytes=10).path == str(tmp_path / "file")


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_single(str(tmp_path / "gone"), held_bytes=10)
