"""Bundles: what is in them, that every tar reads them, and that the same contents give the same bytes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.packages import bundle as module
from octo_ssh.packages.acquire import Package
from octo_ssh.packages.bundle import SEEDS, Bundle, Bundles, Compression, configured_tar, make_bundle
from octo_ssh.packages.delta import difference
from tests.unit.packages.archives import Shop, file, folder, link, tar

ODD = [
    "new\nline",
    "caf\udce9",
    "ü",
    "-rf",
    "qu'o\"te",
    "back\\slash",
    "sp ace",
    "*",
    "d" * 120 + "/" + "e" * 250,
    "x/" * 80 + "deep",
]
MEMBERS = [
    file("bin/app", b"#!/bin/sh\n" * 99, mode=0o755, mtime=1_600_000_000),
    file("empty", b"", mtime=0),
    file("block", b"b" * 512),
    *[file(name, name.encode("utf-8", "surrogateescape")) for name in ODD],
    folder("hollow", 0o700),
    link("current", "bin/app"),
    link("far", "y" * 200),
]
TARS = [["tar"], ["busybox", "tar"]]
PLAIN: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.decompress,
    Compression.ZSTD: lambda data: zstd.decompress(data),
}


@pytest.fixture
def package(shop: Shop) -> Package:
    return shop.file(tar(*MEMBERS))


def files(manifest: Manifest) -> list[str]:
    return [path for path, entry in manifest.entries.items() if entry.kind is Kind.FILE]


def make(package: Package, folder: Path, *, compression: Compression = Compression.GZIP) -> Bundle:
    return make_bundle(package, package.manifest, files(package.manifest), compression=compression, folder=folder)


def seen(root: Path) -> Manifest:
    """The tree below ``root``, as a target would list it."""
    found = []
    for parent, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(parent, name)
            inner = os.fsdecode(os.path.relpath(path, root))
            if path.is_symlink():
                found.append(Entry(inner, Kind.LINK, target=os.readlink(path)))
            elif path.is_dir():
                found.append(Entry(inner, Kind.DIR, path.stat().st_mode & 0o7777))
            else:
                content = path.read_bytes()
                found.append(
                    Entry(
                        inner,
                        Kind.FILE,
                        path.stat().st_mode & 0o7777,
                        len(content),
                        hashlib.sha256(content).hexdigest(),
                    )
                )
    return Manifest.of(found)


@pytest.mark.parametrize("command", TARS, ids=" ".join)
@pytest.mark.parametrize("compression", Compression)
def test_every_tar_unpacks_a_bundle_to_exactly_the_manifest(
    package: Package, tmp_path: Path, command: list[str], compression: Compression
) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} on this machine")
    made = make(package, tmp_path / "bundles", compression=compression)
    out = tmp_path / "out"
    out.mkdir()
    data = PLAIN[compression](made.path.read_bytes())
    done = subprocess.run([*command, "-C", out, "-xpf", "-"], input=data, capture_output=True, check=True)
    assert done.stderr == b""
    assert seen(out).text == package.manifest.text
    assert int((out / "bin/app").stat().st_mtime) == 1_600_000_000
    assert made.size == made.path.stat().st_size
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()


def test_the_programs_of_a_target_unpack_what_we_packed(package: Package, tmp_path: Path) -> None:
    for compression, tool in ((Compression.GZIP, "gzip"), (Compression.ZSTD, "zstd")):
        if shutil.which(tool):
            made = make(package, tmp_path, compression=compression)
            done = subprocess.run([tool, "-dc"], input=made.path.read_bytes(), capture_output=True, check=True)
            assert done.stdout == PLAIN[compression](made.path.read_bytes())


@pytest.mark.parametrize("compression", Compression)
def test_the_same_contents_give_the_same_bytes_from_any_archive(
    shop: Shop, package: Package, tmp_path: Path, compression: Compression
) -> None:
    other = shop.file(tar(*reversed(MEMBERS), form=tarfile.GNU_FORMAT), name="other.tar")
    assert other.sha256 != package.sha256
    first, second = (make(each, tmp_path / each.sha256, compression=compression) for each in (package, other))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_owners_are_nobody_in_particular_and_folders_come_first_and_links_last(
    package: Package, tmp_path: Path
) -> None:
    with tarfile.open(make(package, tmp_path).path) as archive:
        members = archive.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "", "")}
    kinds = "".join("d" if each.isdir() else "l" if each.issym() else "f" for each in members)
    assert kinds == "".join(sorted(kinds, key="dfl".index))


def test_only_what_is_missing_travels(package: Package, tmp_path: Path) -> None:
    base = Manifest.of(entry for path, entry in package.manifest.entries.items() if path != "block")
    lacking = difference(package.manifest, base)
    made = make_bundle(
        package, package.manifest, lacking.missing, compression=Compression.GZIP, folder=tmp_path, leave_out={"ü"}
    )
    with tarfile.open(made.path) as archive:
        names = {each.name for each in archive if each.isreg()}
    assert {"block", "new\nline", "caf\udce9"} <= names
    assert names.isdisjoint({"bin/app", "empty", "ü"})


def test_a_second_call_finds_the_bundle_and_a_damaged_one_is_made_anew(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(package, tmp_path)
    data = first.path.read_bytes()
    first.path.write_bytes(data[:-1] + b"x")
    assert make(package, tmp_path) == first
    assert first.path.read_bytes() == data
    monkeypatch.setattr(module, "_write", None)
    assert make(package, tmp_path) == first


def test_what_differs_in_any_way_is_another_bundle(shop: Shop, package: Package, tmp_path: Path) -> None:
    made = {make(package, tmp_path, compression=compression).path for compression in Compression}
    entries = dict(package.manifest.entries)
    for path, entry in (
        ("hollow", replace(entries["hollow"], mode=0o755)),
        ("far", replace(entries["far"], target="z")),
    ):
        wanted = Manifest({**entries, path: entry})
        made.add(make_bundle(package, wanted, files(wanted), compression=Compression.GZIP, folder=tmp_path).path)
    later = shop.file(tar(*MEMBERS, file("block", b"b" * 512, mtime=9)), name="later.tar")
    made.add(make(later, tmp_path).path)
    assert len(made) == 5


def test_content_that_the_package_does_not_have_is_refused(package: Package, tmp_path: Path) -> None:
    other = replace(package.manifest.entries["block"], sha256="0" * 64)
    wanted = Manifest({**package.manifest.entries, "block": other})
    with pytest.raises(PackageError, match="does not hold the wanted content of block"):
        make_bundle(package, wanted, ["block"], compression=Compression.GZIP, folder=tmp_path)


def test_a_cache_that_was_changed_gives_no_bundle(package: Package, tmp_path: Path) -> None:
    (package.stored.folder / "files" / package.manifest.entries["block"].sha256).write_bytes(b"B" * 512)
    with pytest.raises(PackageError, match="is damaged: block"):
        make(package, tmp_path / "bundles")
    assert os.listdir(tmp_path / "bundles") == []


def test_seeds_stand_below_their_own_folder(shop: Shop, tmp_path: Path) -> None:
    package = shop.file(
        tar(file("var/uploads/a", b"1"), link("var/uploads/l", "a"), file("var/other"), file("conf.ini"), file("x"))
    )
    entries = {path: entry for path, entry in package.manifest.entries.items() if not path.startswith("var/uploads/")}
    entries["var/uploads"] = Entry("var/uploads", Kind.LINK, target="../../../shared/var/uploads")
    entries["conf.ini"] = Entry("conf.ini", Kind.LINK, target="../../shared/conf.ini")
    wanted = Manifest(entries)
    made = make_bundle(
        package, wanted, files(wanted), compression=Compression.GZIP, folder=tmp_path, seeds=["var/uploads", "conf.ini"]
    )
    with tarfile.open(made.path) as archive:
        seeded = sorted(each.name for each in archive if each.name.split("/")[0] == SEEDS)
    inside = ["conf.ini", "var", "var/uploads", "var/uploads/a", "var/uploads/l"]
    assert seeded == [SEEDS, *(f"{SEEDS}/{path}" for path in inside)]


def test_a_package_that_holds_the_name_of_the_seeds_folder_is_refused_only_where_it_is_needed(
    shop: Shop, tmp_path: Path
) -> None:
    package = shop.file(tar(file(f"{SEEDS}/x"), file("var")))
    make(package, tmp_path)
    with pytest.raises(PackageError, match=SEEDS):
        make_bundle(package, package.manifest, [], compression=Compression.GZIP, folder=tmp_path, seeds=["var"])


async def test_targets_that_lack_the_same_share_one_making(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    genuine = module._bundle

    def count(*args: object) -> Bundle:
        made.append("one")
        return genuine(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_bundle", count)
    bundles = Bundles(tmp_path)
    lacking = difference(package.manifest, None)
    asked = [
        asyncio.create_task(bundles.get(package, package.manifest, lacking, compression=Compression.ZSTD))
        for _ in range(20)
    ]
    await asyncio.sleep(0)
    asked[0].cancel()
    found = await asyncio.gather(*asked[1:])
    assert len(set(found)) == 1
    assert made == ["one"]
    await bundles.get(package, package.manifest, lacking, compression=Compression.GZIP)
    await bundles.get(package, package.manifest, lacking, compression=Compression.GZIP, leave_out={"block"})
    assert len(made) == 3


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(package: Package, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PackageError, match="file/bundles"):
        make(package, tmp_path / "file" / "bundles")


@pytest.mark.parametrize("command", TARS, ids=" ".join)
def test_configured_files_are_a_plain_tar(tmp_path: Path, command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} on this machine")
    data = configured_tar([("z/conf", 0o640, b"secret\n"), ("a\n" + "x" * 200, 0o755, b"")], mtime_s=1234)
    subprocess.run([*command, "-C", tmp_path, "-xpf", "-"], input=data, check=True)
    assert (tmp_path / "z/conf").read_bytes() == b"secret\n"
    assert (tmp_path / "z/conf").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "z/conf").stat().st_mtime == 1234
    assert (tmp_path / ("a\n" + "x" * 200)).stat().st_mode & 0o777 == 0o755


def test_configured_files_bear_the_time_of_their_making() -> None:
    before = int(time.time())
    with tarfile.open(fileobj=io.BytesIO(configured_tar([("a", 0o644, b"x")]))) as archive:
        assert before <= archive.getmembers()[0].mtime <= time.time()


def test_bundles_are_not_taken_from_a_folder_that_others_may_write_to(package: Package, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o777)
    with pytest.raises(PackageError, match="can be written by other users"):
        make_bundle(package, package.manifest, [], compression=Compression.GZIP, folder=tmp_path / "theirs")
