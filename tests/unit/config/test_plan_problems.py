"""Bad plans: each with every line that the user sees (``bad_plans.txt``), and what is not built yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from octo_ssh.config.plan import load_plan
from octo_ssh.errors import FileErrors

HEADER = "version: 1\nproject: shop\n"


def bad_plans() -> list[tuple[str, str, list[str]]]:
    """Title, text and expected lines of every section."""
    found = []
    for section in Path(__file__).with_name("bad_plans.txt").read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = section.rstrip("\n").split("\n")
        text = "".join(f"{line}\n" for line in lines if not line.startswith("=> "))
        whole = text.startswith(("version:", "- a", "{}"))
        found.append((title, text if whole else HEADER + text, [line[3:] for line in lines if line.startswith("=> ")]))
    return found


BAD = bad_plans()


def test_the_table_is_there() -> None:
    assert len(BAD) > 80
    assert all(lines for _, _, lines in BAD)


@pytest.mark.parametrize(("text", "lines"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_each_mistake_is_told_where_it_stands(
    text: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("windows.sh").write_bytes(b"#!/bin/sh\r\necho x\r\n")
    Path("binary").write_bytes(b"\x7fELF\0\xff")
    Path("p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FileErrors) as caught:
        load_plan("p.yaml")
    assert [str(problem) for problem in caught.value.problems] == lines


NOT_BUILT: list[tuple[str, str, str]] = [
    ("when: rollback", "- name: a\n  when: rollback\n  run: x", "5:9: 'when: rollback'"),
]


@pytest.mark.parametrize(("steps", "line"), [row[1:] for row in NOT_BUILT], ids=[row[0] for row in NOT_BUILT])
def test_what_is_not_built_yet_is_refused_where_it_stands(
    steps: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(f"{HEADER}steps:\n{steps}\n")
    with pytest.raises(FileErrors) as caught:
        load_plan("p.yaml")
    found = [str(problem) for problem in caught.value.problems]
    number, column, what = line.split(":", 2)
    assert f"p.yaml:{number}:{column}:{what} is not built yet in octo-ssh 0.1: remove it" in found


def test_keys_that_ask_for_nothing_new_are_taken(tmp_path: Path) -> None:
    keys = "on_failure: fail, required: false, rerun: never"
    (tmp_path / "p.yaml").write_text(HEADER + f"steps:\n- {{name: a, run: x, {keys}}}\ndrift:\n")
    assert load_plan(tmp_path / "p.yaml").steps[0].name == "a"
