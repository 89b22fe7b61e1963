"""File steps on real targets: every kind of content, what stands in the way, repairs, differences, and debts."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm import Farm, Told, listing

SECRET = "correct horse battery staple"
OLD_SECRET = "an old secret that nobody here knows"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


ALL_KINDS = """
- {name: Text, file: ~/text, content: "for ${{ target }}, $HOME `id` 'quoted'\\n", mode: "0640"}
- {name: Template, file: ~/app.conf, template: app.conf}
- {name: Source, file: ~/blob, source: blob, mode: "0755"}
- {name: Secret, file: ~/key, content: {secret: {file: key}}}
- {name: With secret, file: ~/token.ini, content: "token = ${{ token }}\\n"}
- {name: Empty, file: ~/empty, content: ""}
- {name: Deep, file: ~/a/b c/d, content: deep, parents: true}
- {name: Gone, file: ~/gone, absent: true}
- {name: Never there, file: ~/never, absent: true}
"""


def all_kinds(farm: Farm) -> dict[str, tuple[bytes, int]]:
    """The plan, its files, and what must lie on web-1."""
    farm.env["TOKEN"] = SECRET
    blob = os.urandom(100_000)
    (farm.folder / "blob").write_bytes(blob)
    farm.write("app.conf", "# $PORT {{ x }} #{y}\r\nport=${{ port }}\n\ttab, no newline at the end")
    farm.write("key", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n", 0o600)
    farm.write_plan(ALL_KINDS, packages="", variables={"port": 8080, "token": {"secret": {"env": "TOKEN"}}})
    for name in farm.hosts:
        (farm.home(name) / "gone").write_text("go away")
    return {
        "text": (b"for web-1, $HOME `id` 'quoted'\n", 0o640),
        "app.conf": (b"# $PORT {{ x }} #{y}\r\nport=8080\n\ttab, no newline at the end", 0o644),
        "blob": (blob, 0o755),
        "key": (b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n", 0o600),
        "token.ini": (f"token = {SECRET}\n".encode(), 0o600),
        "empty": (b"", 0o644),
        "a/b c/d": (b"deep", 0o644),
    }


def found(home: Path, wanted: dict[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    return {name: ((home / name).read_bytes(), mode(home / name)) for name in wanted}


def test_every_kind_of_file_is_as_the_plan_says_and_stays_so(farm: Farm) -> None:
    wanted = all_kinds(farm)
    told = farm.plan_then_apply()
    assert told.code == 0, told.stdout + told.stderr
    assert found(farm.home(), wanted) == wanted
    assert (farm.home("web-2") / "text").read_text().startswith("for web-2,")
    assert [mode(farm.home() / name) for name in ("a", "a/b c")] == [0o755, 0o755]
    assert not (farm.home() / "gone").exists()
    assert set(told.outcome("never_there").values()) == {"unchanged"}
    assert told.reason("gone") == f"removed {farm.home()}/gone"
    left = {path.name for path in farm.home().iterdir()} - {".octo-ssh"}
    assert left == {"text", "app.conf", "blob", "key", "token.ini", "empty", "a"}
    assert SECRET not in told.stdout + told.stderr
    assert farm.is_settled()


@pytest.mark.parametrize("damage", ["text", "mode", "gone", "back", "all"])
def test_what_somebody_changed_on_a_target_is_repaired_there_alone(farm: Farm, damage: str) -> None:
    wanted = all_kinds(farm)
    assert farm.apply().code == 0
    home = farm.home()
    changes: dict[str, Callable[[], object]] = {
        "text": lambda: (home / "key").write_text("other"),
        "mode": lambda: (home / "text").chmod(0o777),
        "gone": lambda: (home / "a/b c/d").unlink(),
        "back": lambda: (home / "gone").write_text("again"),
    }
    for name, change in changes.items():
        if damage in (name, "all"):
            change()
    steps = {"text": "secret", "mode": "text", "gone": "deep", "back": "gone"}
    told = farm.plan_then_apply()
    repaired = set(steps.values()) if damage == "all" else {steps[damage]}
    assert {step for (step, _), outcome in told.outcomes.items() if outcome == "changed"} == repaired
    assert told.ends == {"web-1": "changed", "web-2": "unchanged"}
    assert found(home, wanted) == wanted
    assert not (home / "gone").exists()
    assert farm.is_settled()


def test_mode_and_content_of_a_file_that_says_neither_are_left_as_they_are(farm: Farm) -> None:
    (farm.home() / "file").write_text("old")
    (farm.home() / "file").chmod(0o751)
    farm.write_plan("- {name: File, file: ~/file, content: new}", packages="")
    assert farm.plan_then_apply("--limit", "web-1").code == 0
    assert (mode(farm.home() / "file"), (farm.home() / "file").read_text()) == (0o751, "new")
    inode = (farm.home() / "file").stat().st_ino
    farm.write_plan('- {name: File, file: ~/file, content: new, mode: "0711"}', packages="")
    told = farm.plan_then_apply("--limit", "web-1")
    assert told.ends == {"web-1": "changed"}
    assert mode(farm.home() / "file") == 0o711
    assert (farm.home() / "file").stat().st_ino == inode, "what only gets another mode is not written anew"


def put_link(path: Path) -> None:
    (path.parent / "precious").write_text("precious")
    path.symlink_to("precious")


def put_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("precious")


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("step", ["content: mine", "absent: true"])
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (put_link, "is a symbolic link"),
        (lambda path: path.symlink_to("/nowhere"), "is a symbolic link"),
        (put_folder, "is a folder"),
        (put_socket, "no regular file"),
        (os.mkfifo, "no regular file"),
    ],
    ids=["link", "dangling", "folder", "socket", "pipe"],
)
def test_what_is_in_the_way_fails_the_step_and_is_left_alone(farm: Farm, put: Any, said: str, step: str) -> None:
    path = farm.home() / "file"
    put(path)
    before = listing(farm.home())
    farm.write_plan(
        f"[{{name: File, file: ~/file, {step}}}, {{name: After, run: touch ~/after}}]", packages="", max_failures=1
    )
    told = plan_then_apply_failing(farm)
    assert said in told.reason("file")
    assert str(path) in told.reason("file")
    assert told.outcome("file")["web-1"] == "failed"
    assert told.outcome("after") == {"web-1": "skipped", "web-2": "changed"}
    assert told.ends == {"web-1": "failed", "web-2": "changed"}
    after = {name: row for name, row in listing(farm.home()).items() if not name.startswith(".octo-ssh")}
    assert after == before


def plan_then_apply_failing(farm: Farm) -> Told:
    """Plan says that it will fail, and it does."""
    forecast = farm.plan()
    assert (forecast.code, forecast.planned("file")["outcome"]) == (1, "failed")
    told = farm.apply()
    assert told.code == 1
    return told


def test_what_is_in_the_way_and_ignored_is_told_and_nothing_more(farm: Farm) -> None:
    put_link(farm.home() / "file")
    farm.write_plan(
        "[{name: File, file: ~/file, content: mine, on_failure: ignore}, {name: After, run: touch ~/after}]",
        packages="",
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("file"), told.outcome("after")) == (0, {"web-1": "failed"}, {"web-1": "changed"})
    assert [event["ignored"] for event in told.all("step_ended")] == [True, False]


def test_a_missing_folder_is_made_only_where_the_step_says_so(farm: Farm) -> None:
    farm.write_plan("- {name: File, file: ~/a/b/file, content: mine}", packages="")
    told = plan_then_apply_failing(farm)
    assert "parents: true" in told.reason("file")
    assert not (farm.home() / "a").exists()
    farm.write_plan("[{name: Make, run: mkdir -p ~/a/b}, {name: File, file: ~/a/b/file, content: mine}]", packages="")
    assert farm.plan_then_apply().code == 0
    assert (farm.home() / "a/b/file").read_text() == "mine"


def test_a_folder_that_is_a_file_is_said_to_be_in_the_way(farm: Farm) -> None:
    (farm.home() / "a").write_text("a file")
    farm.write_plan("- {name: File, file: ~/a/b, content: mine, parents: true}", packages="")
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("file")) == (1, {"web-1": "failed"})
    assert f"{farm.home()}/a" in told.reason("file")
    assert (farm.home() / "a").read_text() == "a file"


ODD = ["-rf", "--help", " lead", "trail ", "two  spaces", "it's", '"q"', "$HOME", "`id`", "a;b&c|d", "*", "[a]", "#x",
       "ünïcödé ☃", "C:x", "\\back", "%s%n", "~", "x" * 200]  # fmt: skip


def test_odd_names_are_names(farm: Farm) -> None:
    steps = [
        {"name": f"File {number}", "file": f"~/odd/{name}", "content": f"{number}\n", "parents": True}
        for number, name in enumerate(ODD)
    ]
    farm.write_plan("[]", packages="")
    _write_steps(farm, steps)
    told = farm.plan_then_apply("--limit", "web-1")
    assert told.code == 0, told.stdout[-3000:]
    assert {path.name: path.read_text() for path in (farm.home() / "odd").iterdir()} == {
        name: f"{number}\n" for number, name in enumerate(ODD)
    }
    assert farm.is_settled("--limit", "web-1")
    _write_steps(farm, [{"name": one["name"], "file": one["file"], "absent": True} for one in steps])
    assert farm.plan_then_apply("--limit", "web-1").code == 0
    assert list((farm.home() / "odd").iterdir()) == []


def _write_steps(farm: Farm, steps: list[dict[str, Any]]) -> None:
    farm.write_plan(json.dumps(steps), packages="")


def test_a_large_file_arrives_whole_and_is_not_sent_twice(farm: Farm) -> None:
    blob = os.urandom(1 << 20) * 50
    (farm.folder / "blob").write_bytes(blob)
    farm.write_plan("- {name: Blob, file: ~/blob, source: blob, on_change: 'echo x >>~/log'}", packages="")
    told = farm.plan_then_apply()
    assert told.code == 0, told.stdout
    digest = hashlib.sha256(blob).hexdigest()
    for name in farm.hosts:
        assert hashlib.sha256((farm.home(name) / "blob").read_bytes()).hexdigest() == digest
        assert {path.name for path in farm.home(name).iterdir()} == {"blob", "log", ".octo-ssh"}
    assert farm.is_settled()
    with (farm.home() / "blob").open("r+b") as file:
        file.seek(30_000_000)
        file.write(b"damaged")
    told = farm.plan_then_apply()
    assert told.ends == {"web-1": "changed", "web-2": "unchanged"}
    assert hashlib.sha256((farm.home() / "blob").read_bytes()).hexdigest() == digest
    assert (farm.home() / "log").read_text() == "x\nx\n"


# What plan shows.


def shown(farm: Farm, *words: str) -> str:
    told = farm.octo("plan", "plan.yaml", "--limit", "web-1", *words)
    assert told.code == 0, told.stderr
    return told.stdout


def test_plan_shows_the_difference_with_secrets_masked(farm: Farm) -> None:
    farm.env["TOKEN"] = SECRET
    (farm.home() / "plain.ini").write_text("[app]\nport = 1\nhost = a\n")
    (farm.home() / "secret.ini").write_text(f"[app]\ntoken = {OLD_SECRET}\nhost = a\n")
    farm.write_plan(
        r"""
        - {name: Plain, file: ~/plain.ini, content: "[app]\nport = ${{ port }}\nhost = a\n"}
        - {name: Secret, file: ~/secret.ini, content: "[app]\ntoken = ${{ token }}\nhost = a\n"}
        """,
        packages="",
        variables={"port": 8080, "token": {"secret": {"env": "TOKEN"}}},
    )
    told = shown(farm)
    assert "-port = 1" in told
    assert "+port = 8080" in told
    assert "+token = ***" in told
    assert "(1 line not shown: the old content may hold a secret)" in told
    document = farm.plan("--limit", "web-1")
    assert "-port = 1" in document.planned("plain")["work"]["diff"]
    for text in (told, document.stdout, shown(farm, "-v"), farm.apply("--limit", "web-1", "-vv").stdout):
        assert SECRET not in text
        assert OLD_SECRET not in text
    assert f"token = {SECRET}" in (farm.home() / "secret.ini").read_text()


@pytest.mark.parametrize(
    ("step", "old"),
    [
        ("content: 'new line', diff: false", "old line"),
        ("source: large", "old line"),
        ("content: 'new line'", "old line\n" * 10_000),
        ("source: binary", "old line"),
        ("content: {secret: {file: whole}}", "old line"),
    ],
    ids=["diff: false", "large new", "large old", "binary", "whole secret"],
)
def test_a_difference_that_is_not_to_be_seen_is_not_shown(farm: Farm, step: str, old: str) -> None:
    farm.write("large", "new line\n" * 10_000)
    (farm.folder / "binary").write_bytes(b"new line\0\xff")
    farm.write("whole", "new line")
    (farm.home() / "file").write_text(old)
    farm.write_plan(f"- {{name: File, file: ~/file, {step}}}", packages="")
    told = shown(farm, "-v")
    assert "other content" in told
    assert "old line" not in told
    assert "new line" not in told
    assert farm.plan_then_apply("--limit", "web-1").code == 0


def test_what_a_file_on_a_target_holds_is_no_markup_and_no_escape(farm: Farm) -> None:
    (farm.home() / "file").write_text("[bold]x[/bold] \x1b[2J\x1b]0;title\x07 ${{ 1 }}\u202e\n")
    farm.write_plan(r'- {name: File, file: ~/file, content: "new\n"}', packages="")
    told = shown(farm)
    assert "[bold]x[/bold]" in told
    assert "${{ 1 }}" in told
    assert not {"\x1b", "\x07", "\u202e"} & set(told)


def test_a_file_that_is_right_already_is_remembered_once_without_being_touched_or_asked_about(farm: Farm) -> None:
    farm.write_inventory(environments={"production": {"confirm": True}})
    farm.write_plan("- {name: Note, file: ~/note, content: right, mode: '0644'}", packages="")
    notes = [farm.home(name) / "note" for name in farm.hosts]
    for path in notes:
        path.write_text("right")
        path.chmod(0o644)
    before = [path.stat().st_mtime_ns for path in notes]
    words = ("-e", "production")
    plan = farm.plan("--exit-code", *words)
    assert (plan.code, plan.document["changing"], plan.document["remembering"]) == (0, [], list(farm.hosts))
    assert "plan: nothing to change," in farm.octo("plan", "plan.yaml", *words).stdout
    told = farm.plan_then_apply(*words)
    assert (told.code, set(told.ends.values())) == (0, {"unchanged"})
    assert [path.stat().st_mtime_ns for path in notes] == before
    assert farm.plan(*words).document["remembering"] == []
    assert farm.is_settled(*words)
