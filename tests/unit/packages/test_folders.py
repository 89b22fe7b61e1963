"""Folders as packages: what is left out, modes, links, and files that move while they are read."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from octo_ssh.errors import PackageError
from octo_ssh.packages import folders
from tests.unit.packages.archives import Shop, small_limits


@pytest.fixture
def build(shop: Shop) -> Path:
    build = shop.home / "build"
    build.mkdir()
    return build


def put(folder: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture(params=[0o022, 0o077, 0o002, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_modes_are_as_git_sees_them_whatever_the_umask(shop: Shop, umask: int, tmp_path: Path) -> None:
    build = shop.home / "build"
    put(build, "bin/app", "etc/conf", "deep/er/file")
    (build / "bin/app").chmod((build / "bin/app").stat().st_mode | 0o100)
    os.mkdir(build / "empty", 0o700)
    package = shop.dir("build")
    assert {path: oct(entry.mode) for path, entry in package.manifest.entries.items()} == {
        "bin": "0o755",
        "bin/app": "0o755",
        "deep": "0o755",
        "deep/er": "0o755",
        "deep/er/file": "0o644",
        "empty": "0o755",
        "etc": "0o755",
        "etc/conf": "0o644",
    }
    assert package.sha256 == package.manifest.sha256
    home = package.stored.folder
    for folder, _, files in os.walk(home):
        assert os.stat(folder).st_mode & 0o777 == 0o700 or folder != str(home)
        assert all(
            os.stat(os.path.join(folder, name)).st_mode & 0o022 == umask & 0 for name in files if folder != str(home)
        )


def test_git_and_apples_crumbs_are_left_out_everywhere(shop: Shop, build: Path) -> None:
    put(
        build,
        "a",
        ".git/config",
        "sub/.git",
        "._a",
        "sub/._b",
        ".DS_Store",
        "sub/.DS_Store",
        ".gitignore",
        ".env",
        "sub/c",
    )
    assert list(shop.dir("build").manifest.entries) == [".env", ".gitignore", "a", "sub", "sub/c"]


@pytest.mark.parametrize(
    ("own", "plan", "wanted"),
    [
        ("", ["*.log"], ["a", "logs", "logs/keep.txt", "node_modules", "node_modules/x.js"]),
        ("*.log\nnode_modules/\n", [], ["a", "logs", "logs/keep.txt"]),
        ("# words\n\nlogs/*\n!logs/keep.txt\nnode_modules", [], ["a", "a.log", "logs", "logs/keep.txt"]),
        ("*.log", ["!a.log", "/node_modules"], ["a", "a.log", "logs", "logs/keep.txt"]),
        ("logs/**\n!logs/keep.txt\n", ["node_modules"], ["a", "a.log", "logs", "logs/keep.txt"]),
        ("logs\n!logs/keep.txt", ["node_modules/**"], ["a", "a.log", "node_modules"]),
    ],
)
def test_patterns_work_as_in_gitignore_and_the_plans_come_last(
    shop: Shop, build: Path, own: str, plan: list[str], wanted: list[str]
) -> None:
    put(build, "a", "a.log", "logs/x.log", "logs/keep.txt", "node_modules/x.js")
    if own:
        put(build, ".octoignore", content=own)
    assert list(shop.dir("build", ignore=plan).manifest.entries) == wanted


def test_a_pattern_that_is_none_is_named(shop: Shop, build: Path) -> None:
    put(build, "a")
    with pytest.raises(PackageError, match="ignore pattern that is none"):
        shop.dir("build", ignore=["!"])


def test_links_inside_are_kept_and_others_are_refused(shop: Shop, build: Path) -> None:
    put(build, "real/x")
    (build / "current").symlink_to("real")
    (build / "gone").symlink_to("nothing")
    assert shop.dir("build").manifest.entries["current"].target == "real"
    (build / "out").symlink_to("../secrets")
    with pytest.raises(PackageError, match="leads out of it: out"):
        shop.dir("build")
    assert "out" not in shop.dir("build", ignore=["out"]).manifest.entries
    (build / "out").unlink()
    (build / "abs").symlink_to(build / "real")
    with pytest.raises(PackageError, match="absolute path: abs"):
        shop.dir("build")


def test_fifos_and_sockets_are_refused_by_name_and_never_opened(shop: Shop, build: Path) -> None:
    put(build, "a")
    os.mkfifo(build / "pipe")
    with pytest.raises(PackageError, match="pipe, which is a device, fifo or socket"):
        shop.dir("build")
    (build / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(build)
        try:
            sock.bind("sock")
        finally:
            os.chdir(here)
        with pytest.raises(PackageError, match="sock, which is"):
            shop.dir("build")


def test_a_file_that_grows_or_changes_while_it_is_read_is_an_error(
    shop: Shop, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(build, "log", content="12345")
    genuine = os.fstat

    def grows(descriptor: int) -> os.stat_result:
        found = genuine(descriptor)
        with open(build / "log", "a") as file:
            file.write("more")
        return found

    monkeypatch.setattr("octo_ssh.packages.folders.os.fstat", grows)
    with pytest.raises(PackageError, match="log changed while it was read"):
        shop.dir("build")


def test_a_file_that_changes_between_two_looks_is_an_error(
    shop: Shop, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(build, "a", content="12345")
    genuine = folders.copy_files

    def later(*args: object) -> None:
        put(build, "a", content="54321")
        genuine(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("octo_ssh.packages.acquire.copy_files", later)
    with pytest.raises(PackageError, match="a changed while it was read"):
        shop.dir("build")
    assert os.listdir(shop.cache / "packages") == []


def test_a_folder_that_did_not_change_is_not_copied_again(
    shop: Shop, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(build, "a", "b/c")
    first = shop.dir("build")
    monkeypatch.setattr("octo_ssh.packages.acquire.copy_files", None)
    os.utime(build / "a", (1, 1))
    again = shop.dir("build", sha256=first.manifest.sha256)
    assert (again.manifest, again.read("b/c")) == (first.manifest, b"x")


def test_names_of_all_kinds_are_kept(shop: Shop, build: Path) -> None:
    names = ["new\nline", "quo\"te'", "-rf", "sp ace", "ü", os.fsdecode(b"caf\xe9"), "\x1b[31m"]
    put(build, *names)
    assert sorted(shop.dir("build").manifest.entries) == sorted(names)


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere", "nowhere is not there"), ("file", "is not a folder"), ("hollow", "holds nothing")],
)
def test_what_is_no_folder_of_files_is_said(shop: Shop, path: str, message: str) -> None:
    put(shop.home, "file")
    (shop.home / "hollow").mkdir()
    with pytest.raises(PackageError, match=message):
        shop.dir(path)


def test_a_folder_named_as_file_and_a_missing_file_are_explained(shop: Shop, build: Path) -> None:
    os.mkfifo(shop.home / "pipe")
    for name, message in (("build", "is a folder"), ("gone.tgz", "No such file"), ("pipe", "is not a file")):
        with pytest.raises(PackageError, match=message):
            shop.path(name)


def test_limits_hold_for_folders(shop: Shop, build: Path) -> None:
    put(build, *[f"f{number}" for number in range(6)])
    with pytest.raises(PackageError, match="more than 5 files"):
        shop.dir("build", limits=small_limits(entries=5))
    put(build, "big", content="x" * (1 << 20))
    with pytest.raises(PackageError, match="more than 1 MiB"):
        shop.dir("build", limits=small_limits())
