"""The first files, and that they are good ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from octo_ssh.config.inventory import load_inventory
from octo_ssh.config.load import LoadRequest, load
from octo_ssh.errors import FileErrors, UsageError
from octo_ssh.operations.init import NAMES, init
from octo_ssh.transport.known_hosts import parse


def test_three_files_are_written_and_they_fit_together(tmp_path: Path) -> None:
    home = tmp_path / "new" / "folder"
    assert [path.name for path in init(str(home))] == list(NAMES)
    inventory = load_inventory(home / "inventory.yaml")
    assert list(inventory.targets) == ["staging-01", "web-01", "web-02", "web-03"]
    assert inventory.known_hosts == str(home / "known_hosts")
    assert parse((home / "known_hosts").read_text(), "").problems == ()
    for environment, targets in (("staging", 1), ("production", 3)):
        loaded = load(LoadRequest(str(home / "plan.yaml"), environment=environment))
        assert len(loaded.targets) == targets


@pytest.mark.parametrize("line", ["to:", "shared:", "configure:", "activate:", "verify:", "ignore:"])
def test_what_stands_in_comments_works_too(tmp_path: Path, line: str) -> None:
    init(str(tmp_path))
    plan = tmp_path / "plan.yaml"
    plan.write_text(plan.read_text().replace(f"# {line}", line))
    loaded = load(LoadRequest(str(plan)))
    assert line in "".join(text.strip()[: len(line)] for text in plan.read_text().splitlines())
    assert loaded.plan.project == "my-app"


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("mine")
    (tmp_path / "known_hosts").symlink_to("nowhere")
    assert [path.name for path in init(str(tmp_path))] == ["inventory.yaml"]
    assert (tmp_path / "plan.yaml").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_where_all_is_there_it_says_so(tmp_path: Path) -> None:
    init(str(tmp_path))
    before = {name: (tmp_path / name).read_text() for name in NAMES}
    with pytest.raises(UsageError, match="are all in"):
        init(str(tmp_path))
    assert {name: (tmp_path / name).read_text() for name in NAMES} == before


def test_a_place_where_nothing_can_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        init(str(tmp_path / "file"))
    with pytest.raises(FileErrors, match=r"file/below/inventory\.yaml: cannot be written"):
        init(str(tmp_path / "file" / "below"))
    assert os.listdir(tmp_path) == ["file"]
