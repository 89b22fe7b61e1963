"""Tar archives: what is kept, what is refused, and that damage is never a shorter release."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind
from tests.unit.packages.archives import (
    COMPRESS,
    Member,
    Shop,
    TarForm,
    field,
    file,
    folder,
    hard_link,
    header,
    link,
    small_limits,
    special,
    tar,
)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("kind", COMPRESS)
def test_every_format_and_compression_gives_the_same_release(shop: Shop, kind: str, form: TarForm) -> None:
    members = [file("bin/app", b"#!/bin/sh\n", mode=0o755), link("run", "bin/app"), file("empty", b"")]
    package = shop.file(COMPRESS[kind](tar(*members, form=form)), name="misnamed.zip")
    assert list(package.manifest.entries.values()) == [
        Entry("bin", Kind.DIR, 0o755),
        Entry("bin/app", Kind.FILE, 0o755, 10, digest(b"#!/bin/sh\n")),
        Entry("empty", Kind.FILE, 0o644, 0, digest(b"")),
        Entry("run", Kind.LINK, target="bin/app"),
    ]
    assert package.read("bin/app") == b"#!/bin/sh\n"
    assert package.mtime_s("bin/app") == 1_700_000_000


def test_the_digest_is_the_archives(shop: Shop) -> None:
    data = COMPRESS["tar.gz"](tar(file("a")))
    assert shop.file(data, sha256=digest(data).upper()).sha256 == digest(data)
    with pytest.raises(PackageError, match=r"plan.yaml:7:3: package shop: .*the plan says 0000"):
        shop.file(data, sha256="0" * 64)


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ([folder("./"), folder("./a/"), file("./a/b")], {"a": 0o755, "a/b": 0o644}),
        ([file("a//b/./c")], {"a": 0o755, "a/b": 0o755, "a/b/c": 0o644}),
        ([file("s", mode=0o6755), folder("t", mode=0o1777)], {"s": 0o755, "t": 0o755}),
        ([file("w", mode=0o666), file("n", mode=0o000)], {"w": 0o644, "n": 0o400}),
        ([folder("d", mode=0o000), file("d/x")], {"d": 0o700, "d/x": 0o644}),
        ([file("README"), file("readme")], {"README": 0o644, "readme": 0o644}),
        (
            [file("x\ny"), file("a\x1b[31m"), file("b\udcff"), file("-rf"), file("ü")],
            dict.fromkeys(["x\ny", "a\x1b[31m", "b\udcff", "-rf", "ü"], 0o644),
        ),
        (
            [file("a" * 255), file("d" * 150 + "/" + "e" * 150)],
            {"a" * 255: 0o644, "d" * 150: 0o755, "d" * 150 + "/" + "e" * 150: 0o644},
        ),
        ([file("._x"), file("__MACOSX/y")], {"._x": 0o644, "__MACOSX": 0o755, "__MACOSX/y": 0o644}),
        ([folder("d", mode=0o755), folder("d", mode=0o700)], {"d": 0o700}),
        ([file("x"), folder("x"), file("x/y")], {"x": 0o755, "x/y": 0o644}),
        ([folder("x"), file("x")], {"x": 0o644}),
        ([special("label", b"V"), file("x")], {"x": 0o644}),
    ],
)
def test_names_and_modes_are_kept_as_far_as_they_are_safe(
    shop: Shop, members: list[Member], wanted: dict[str, int]
) -> None:
    assert {path: entry.mode for path, entry in shop.file(tar(*members)).manifest.entries.items()} == wanted


def test_of_a_path_that_comes_twice_the_last_counts_and_a_hard_link_keeps_the_earlier(shop: Shop) -> None:
    package = shop.file(tar(file("a", b"old"), hard_link("b", "./a"), file("a", b"new", mode=0o755)))
    assert (package.read("a"), package.read("b")) == (b"new", b"old")
    assert package.manifest.entries["b"].mode == 0o644
    assert len(os.listdir(package.stored.folder / "files")) == 2


def test_a_content_that_was_replaced_is_not_kept(shop: Shop) -> None:
    package = shop.file(tar(file("a", b"old"), file("a", b"new")))
    assert os.listdir(package.stored.folder / "files") == [digest(b"new")]


def test_a_hard_link_to_a_link_is_that_link(shop: Shop) -> None:
    entries = shop.file(tar(file("a"), link("b", "a"), hard_link("c", "b"), hard_link("a", "a"))).manifest.entries
    assert entries["c"] == Entry("c", Kind.LINK, target="a")
    assert entries["a"].kind is Kind.FILE


SMALL = small_limits(entries=40, link=200)
ONE_MIB = b"\0" * (1 << 20)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "absolute path": (tar(file("/etc/passwd")), "absolute path /etc/passwd"),
    "absolute folder": (tar(folder("/etc")), "absolute path /etc"),
    "dots": (tar(file("../x")), r"path with '\.\.'"),
    "dots inside": (tar(file("a/../../x")), r"path with '\.\.'"),
    "dots at the end": (tar(folder("a/..")), r"path with '\.\.'"),
    "link to an absolute path": (tar(link("a", "/etc")), "link to an absolute path: a -> /etc"),
    "link out": (tar(link("a", "..")), r"leads out of it: a -> \.\."),
    "link out from a folder": (tar(link("a/b", "../../x")), "leads out of it"),
    "link out by way of another": (
        tar(folder("t"), link("m/n/q", "../../t"), link("m/n/y", "q/../../z")),
        "leads out of it: m/n/y",
    ),
    "link out by way of a later one": (tar(link("y", "q/.."), file("d/e"), link("q", "d/..")), "leads out of it: y"),
    "file below a link": (tar(folder("d"), link("a", "d"), file("a/x")), "below a, which is a link"),
    "folder below a link": (tar(link("a", "d"), folder("a/x")), "below a, which is a link"),
    "hard link below a link": (tar(file("f"), link("a", "d"), hard_link("a/x", "f")), "below a, which is a link"),
    "file below a file": (tar(file("a"), file("a/x")), "below a, which is a file"),
    "folder becomes file": (tar(file("a/x"), file("a")), "a as a folder and as a file"),
    "folder becomes link": (tar(file("a/x"), link("a", "b")), "a as a folder and as a file"),
    "hard link out": (tar(hard_link("a", "/etc/shadow")), "absolute path"),
    "hard link to dots": (tar(hard_link("a", "../shadow")), r"'\.\.'"),
    "hard link to nothing": (tar(hard_link("a", "b"), file("b")), "hard link to something that is no file"),
    "hard link to a folder": (tar(folder("b"), hard_link("a", "b")), "hard link to something that is no file"),
    "fifo": (tar(special("p", tarfile.FIFOTYPE)), "the fifo p"),
    "character device": (tar(special("dev/null", tarfile.CHRTYPE)), "the device dev/null"),
    "block device": (tar(special("sda", tarfile.BLKTYPE)), "the device sda"),
    "unknown type": (tar(special("x", b"Q")), "type that is not known"),
    "second volume": (tar(special("x", b"M")), "type that is not known"),
    "link without target": (tar(link("a", "")), "link without a usable target"),
    "endless link": (tar(link("a", "b/" * 101)), "link without a usable target"),
    "file without name": (tar(file("./")), "file without a name|is damaged"),
    "name too long": (tar(file("a" * 256)), "longer than 255 bytes"),
    "path too long": (tar(file("/".join(["a" * 200] * 16))), "longer than 3000 bytes"),
    "NUL in a pax name": (tar(file("é\0x")), "NUL"),
    "NUL in a pax link": (tar(link("a", "é\0x")), "link without a usable target"),
    "control characters do not reach the message": (tar(special("\x1b[2J\n", tarfile.FIFOTYPE)), r"fifo \\x1b\[2J\\n"),
    "nothing": (tar(), "holds nothing"),
    "only the root": (tar(folder("./")), "holds nothing"),
    "too many entries": (tar(*[file(f"{n}") for n in range(41)]), "more than 40 files"),
    "too many parents": (tar(file("/".join("a" * 41))), "more than 40 files"),
    "too many bytes": (tar(file("a", ONE_MIB + b"x")), "more than 1 MiB"),
    "too many hard links": (tar(file("a", ONE_MIB[:600_000]), hard_link("b", "a")), "more than 1 MiB"),
    "bomb": (COMPRESS["tar.gz"](tar(file("a", ONE_MIB[:-4096]))), "250 times its own size"),
    "zstd bomb": (COMPRESS["tar.zst"](tar(file("a", ONE_MIB[:-4096]))), "250 times its own size"),
    "bomb behind the end": (
        COMPRESS["tar.xz"](tar(file("a"), end=ONE_MIB * 2)),
        "250 times its own size|more than 1 MiB",
    ),
    "negative size": (field(header(file("a")), 124, b"\xff" * 12) + b"\0" * 1024, "damaged"),
    "absurd size": (field(header(file("a")), 124, b"\x80" + b"\x7f" * 11) + b"\0" * 1024, "more than 1 MiB|damaged"),
    "not a tar": (COMPRESS["tar.gz"](b"hello " * 999), "no tar archive, or a damaged one"),
    "empty file": (b"", "is empty"),
    "text": (b"hello\n" * 200, "no archive that octo-ssh reads"),
    "web page": (b"<!DOCTYPE html>" + b" " * 600, "an HTML or XML page"),
    "bzip2": (b"BZh91AY" + b"x" * 600, "bzip2"),
    "damaged member": (tar(file("a"))[:1024] + b"garbage" * 100 + b"\0" * 1024, "damaged, at byte"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_could_do_harm_is_refused_with_its_reason(shop: Shop, name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(PackageError, match=message) as caught:
        shop.file(data, limits=SMALL)
    assert str(caught.value).startswith("plan.yaml:7:3: package shop: ")
    assert caught.value.message.isprintable()
    assert os.listdir(shop.cache / "packages") == []


def pax(records: bytes, *, kind: bytes = b"x") -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = kind, len(records)
    return header((info, b""), tarfile.USTAR_FORMAT) + records + b"\0" * (-len(records) % 512)


def record(text: str) -> bytes:
    length = len(text) + 3
    while len(f"{length} {text}\n") != length:
        length = len(f"{length} {text}\n")
    return f"{length} {text}\n".encode()


SPARSE_1_0 = (
    record("GNU.sparse.major=1")
    + record("GNU.sparse.minor=0")
    + record("GNU.sparse.realsize=9")
    + record("GNU.sparse.name=x")
)
GREEDY: dict[str, bytes] = {
    "a pax header that is huge": pax(record("comment=" + "x" * (5 << 20))) + tar(file("a")),
    "a long name that is huge": field(header(special("././@LongLink", b"L")), 124, b"%011o" % (5 << 20))
    + b"a" * (5 << 20)
    + tar(file("a")),
    "ten thousand long names in a row": (
        field(header(special("././@LongLink", b"L")), 124, b"%011o" % 1) + b"a" + b"\0" * 511
    )
    * 10_000,
    "a map of holes without an end": pax(SPARSE_1_0)
    + field(header(file("a")), 124, b"%011o" % (64 << 20))
    + b"1" * (8 << 20),
    "a map of holes that is cut": pax(SPARSE_1_0) + header(file("a")) + b"9\n" + b"\0" * 510,
    "a pax header without end": pax(b"999999 path=x\n") + tar(file("a")),
    "a pax size that is no number": pax(record("size=many")) + tar(file("a")),
    "a pax size below zero": pax(record("size=-512")) + tar(file("a")),
}


@pytest.mark.parametrize("name", GREEDY)
def test_headers_that_would_eat_memory_or_time_are_refused(shop: Shop, name: str) -> None:
    with pytest.raises(PackageError):
        shop.file(GREEDY[name])


def test_links_that_are_tangled_on_purpose_are_refused_in_bounded_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("octo_ssh.packages.links._MAX_WORK", 10_000)
    long = "a/" * 500 + "b"
    with pytest.raises(PackageError, match="too many and too long"):
        shop.file(tar(*[link(f"l{n}", long) for n in range(100)]))


def test_links_inside_may_point_anywhere_even_at_nothing_and_in_circles(shop: Shop) -> None:
    members = [
        link("loop", "loop"),
        link("a", "b"),
        link("b", "a"),
        link("x/gone", "../nothing/here"),
        link("x/dot", ".."),
        link("x/up", "dot/x/../a"),
    ]
    assert len(shop.file(tar(*members)).manifest.entries) == 7


@pytest.mark.parametrize("kind", COMPRESS)
def test_an_archive_that_is_cut_anywhere_is_refused(shop: Shop, kind: str) -> None:
    data = COMPRESS[kind](tar(file("a", os.urandom(3000)), file("b", os.urandom(700))))
    padding = 1024 if kind == "tar" else 0  # one end block is as good as two
    whole = len(data) - padding
    for cut in [cut for cut in (1, 100, 511, 512, 600, 1024, 2000, 3584, 4096, whole - 1) if cut < whole]:
        with pytest.raises(PackageError, match=r"cut|damaged|no archive"):
            shop.file(data[:cut])


@pytest.mark.parametrize("kind", ["tar.gz", "tar.zst", "tar.xz"])
def test_a_flipped_bit_in_compressed_data_is_noticed(shop: Shop, kind: str) -> None:
    if kind == "tar.zst":
        from backports import zstd

        data = zstd.compress(
            tar(file("a", os.urandom(3000))), options={int(zstd.CompressionParameter.checksum_flag): 1}
        )
    else:
        data = COMPRESS[kind](tar(file("a", os.urandom(3000))))
    middle = len(data) // 2
    with pytest.raises(PackageError, match="damaged"):
        shop.file(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def test_concatenated_and_padded_streams_are_read_as_one(shop: Shop) -> None:
    data = tar(file("a", b"1" * 3000), file("b", b"2" * 3000))
    for kind in ("tar.gz", "tar.zst", "tar.xz"):
        package = shop.file(COMPRESS[kind](data[:777]) + COMPRESS[kind](data[777:]) + b"\0" * 512)
        assert package.read("b") == b"2" * 3000
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert shop.file(skippable + COMPRESS["tar.zst"](data)).read("a") == b"1" * 3000


def test_holes_are_filled_with_zeros_as_gnu_tar_stores_them(shop: Shop, tmp_path: Path) -> None:
    with open(tmp_path / "db", "wb") as out:
        for place in (0, 300_000, 700_000):
            out.seek(place)
            out.write(b"data")
        out.truncate(1_000_000)
    wanted = (tmp_path / "db").read_bytes()
    for form in ("gnu", "pax"):
        made = subprocess.run(
            ["tar", "-C", tmp_path, "-cS", f"--format={form}", "-f", "-", "db"], capture_output=True, check=True
        )
        package = shop.file(made.stdout)
        assert len(made.stdout) < 100_000, "tar stored no holes"
        assert package.read("db") == wanted


def test_a_file_with_a_terabyte_of_holes_is_refused(shop: Shop) -> None:
    block = field(
        header(special("x", tarfile.GNUTYPE_SPARSE), tarfile.GNU_FORMAT), 483, b"\x80" + (1 << 40).to_bytes(11, "big")
    )
    with pytest.raises(PackageError, match="unpacks to more than"):
        shop.file(block + b"\0" * 1024)


def test_an_npm_tarball_and_an_sdist_keep_their_leading_folder(shop: Shop) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("package/package.json", "package/dist/index.js"):  # npm: no folder members, mtime 1985
            archive.addfile(*_as_added(file(name, b"{}", mtime=499162500)))
    package = shop.file(out.getvalue(), name="left-pad-1.3.0.tgz")
    assert list(package.manifest.entries) == [
        "package",
        "package/dist",
        "package/dist/index.js",
        "package/package.json",
    ]
    sdist = tar(
        folder("Django-5.0/", 0o775), file("Django-5.0/setup.py", mode=0o664, mtime=2**40), form=tarfile.PAX_FORMAT
    )
    package = shop.file(COMPRESS["tar.gz"](sdist), name="Django-5.0.tar.gz")
    assert [(path, entry.mode) for path, entry in package.manifest.entries.items()] == [
        ("Django-5.0", 0o755),
        ("Django-5.0/setup.py", 0o644),
    ]
    assert package.mtime_s("Django-5.0/setup.py") == 8**11 - 1


def _as_added(member: Member) -> tuple[tarfile.TarInfo, io.BytesIO]:
    return member[0], io.BytesIO(member[1])


def test_what_git_archive_and_busybox_make_is_read(shop: Shop, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / ("long" * 40)).write_text("x")
    (tree / "link").symlink_to("sub")
    for maker in (["busybox", "tar"], ["tar"], ["tar", "--format=v7"], ["tar", "-h"]):
        if maker == ["tar", "--format=v7"]:
            (tree / "sub" / ("long" * 40)).rename(tree / "sub" / "short")
        made = subprocess.run([*maker, "-C", tree, "-cf", "-", "."], capture_output=True, check=True)
        entries = shop.file(made.stdout).manifest.entries
        assert entries["sub"].kind is Kind.DIR
        assert entries["link"].kind is (Kind.DIR if "-h" in maker else Kind.LINK)
