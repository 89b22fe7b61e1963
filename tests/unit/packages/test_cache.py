"""The unpacked packages on the controller: reused, mended, and never in anybody else's hands."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from octo_ssh.errors import PackageError
from octo_ssh.packages import acquire as module
from octo_ssh.packages import tars
from tests.unit.packages.archives import Shop, file, link, tar

DATA = tar(file("a", b"one"), file("b/c\udcff", b"two", mtime=5), file("b/d", b"one", mtime=6), link("l", "a"))


def test_an_archive_is_not_unpacked_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shop.file(DATA)
    monkeypatch.setattr(module, "_unpack", None)
    again = shop.file(DATA)
    assert (again.manifest, again.sha256) == (first.manifest, first.sha256)
    assert [again.mtime_s(path) for path in ("a", "b/c\udcff", "b/d")] == [1_700_000_000, 5, 6]
    assert again.read("b/c\udcff") == b"two"


def harm_nothing(folder: Path) -> None:
    """The control: nothing is harmed."""


def harm_about(folder: Path) -> None:
    (folder / "package.json").write_text("{")


def harm_format(folder: Path) -> None:
    text = (folder / "package.json").read_text()
    (folder / "package.json").write_text(text.replace('"format": 1', '"format": 0'))


def harm_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(text.replace(b'"a"', b'"z"'))


def harm_missing(folder: Path) -> None:
    next(iter((folder / "files").iterdir())).unlink()


def harm_short(folder: Path) -> None:
    next(iter((folder / "files").iterdir())).write_bytes(b"")


def harm_file(folder: Path) -> None:
    for item in sorted(folder.iterdir()):
        if item.is_file():
            item.unlink()
    (folder / "files").rename(folder / "package.json")


@pytest.mark.parametrize(
    "harm", [harm_nothing, harm_about, harm_format, harm_manifest, harm_missing, harm_short, harm_file]
)
def test_a_damaged_copy_is_made_anew(shop: Shop, harm: object) -> None:
    assert callable(harm)
    harm(shop.file(DATA).stored.folder)
    package = shop.file(DATA)
    assert [package.read(path) for path in ("a", "b/c\udcff", "b/d")] == [b"one", b"two", b"one"]


def test_content_that_was_changed_in_place_is_noticed_when_it_is_used(shop: Shop) -> None:
    package = shop.file(DATA)
    (package.stored.folder / "files" / package.manifest.entries["a"].sha256).write_bytes(b"0ne")
    with pytest.raises(PackageError, match=r"is damaged: a .* changed") as caught:
        package.read("a")
    assert caught.value.hint == f"delete {package.stored.folder} and run again"


def test_a_content_replaced_by_a_link_is_not_followed(shop: Shop, tmp_path: Path) -> None:
    package = shop.file(DATA)
    content = package.stored.folder / "files" / package.manifest.entries["a"].sha256
    (tmp_path / "elsewhere").write_bytes(b"one")
    content.unlink()
    content.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageError, match="is damaged"):
        package.read("a")


@pytest.mark.parametrize("path", ["nothing", "b", "l", "../a", "/etc/passwd"])
def test_only_files_of_the_package_can_be_read(shop: Shop, path: str) -> None:
    with pytest.raises(PackageError, match="cannot be read"):
        shop.file(DATA).read(path)


@pytest.mark.parametrize("name", ["packages", "."])
def test_a_cache_that_others_may_write_to_is_refused(shop: Shop, name: str) -> None:
    shop.file(DATA)
    (shop.cache / name).chmod(0o777)
    with pytest.raises(PackageError, match="can be written by other users"):
        shop.file(DATA)


def test_a_cache_that_the_user_has_moved_elsewhere_is_used(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir(mode=0o700)
    shop.cache.symlink_to(tmp_path / "large-disk")
    shop.file(DATA)
    assert os.listdir(tmp_path / "large-disk") == ["packages"]


def test_a_cache_that_is_a_link_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.cache.mkdir()
    (tmp_path / "theirs").mkdir()
    (shop.cache / "packages").symlink_to(tmp_path / "theirs")
    with pytest.raises(PackageError, match="not yours"):
        shop.file(DATA)


def test_a_cache_that_cannot_be_made_is_an_error_with_the_place(shop: Shop) -> None:
    shop.cache.write_text("a file is in the way")
    with pytest.raises(PackageError, match=r"package shop: .*cache"):
        shop.file(DATA)


def test_many_at_once_all_get_the_package(shop: Shop) -> None:
    shop.put(DATA)
    with ThreadPoolExecutor(8) as pool:
        packages = list(pool.map(shop.path, ["shop.tar.gz"] * 16))
    assert {package.read("a") for package in packages} == {b"one"}
    assert [name for name in os.listdir(shop.cache / "packages") if name.startswith(".")] == []


def test_rubble_of_killed_runs_and_what_nobody_used_for_a_month_goes(shop: Shop) -> None:
    old, young = shop.file(DATA), shop.file(tar(file("young")))
    home = shop.cache / "packages"
    now = time.time()
    for name, age_s in ((".tmp-old", 90_000), (".tmp-new", 60)):
        (home / name).mkdir()
        os.utime(home / name, (now - age_s,) * 2)
    os.utime(old.stored.folder, (now - 31 * 86400,) * 2)
    os.utime(young.stored.folder, (now - 29 * 86400,) * 2)
    shop.file(tar(file("another")))
    left = os.listdir(home)
    assert (".tmp-old" in left, ".tmp-new" in left) == (False, True)
    assert (old.sha256 in left, young.sha256 in left) == (False, True)


def test_an_archive_that_is_rewritten_while_it_is_read_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = tars.read_tar

    def meanwhile(*args: object) -> object:
        tree = genuine(*args)  # type: ignore[arg-type]
        with open(shop.home / "shop.tar.gz", "ab") as out:
            out.write(b"more")
        return tree

    monkeypatch.setattr(module, "read_tar", meanwhile)
    with pytest.raises(PackageError, match="changed while it was read"):
        shop.file(DATA)
