"""Zip archives, with the quirks of those who make them and the lies of those who mean harm."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from octo_ssh.errors import PackageError
from octo_ssh.model.manifest import Entry, Kind
from tests.unit.packages.archives import Shop, file, make_zip, raw_zip, small_limits, tar


def test_a_zip_gives_files_folders_and_links_whatever_its_name(shop: Shop) -> None:
    out = io.BytesIO(make_zip(("bin/app", b"#!"), mode=0o100755))
    with zipfile.ZipFile(out, "a") as archive:
        for name, mode, content in (("d/", 0o40750, b""), ("l", 0o120777, b"bin/app")):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, content)
    package = shop.file(out.getvalue(), name="shop.tar.gz")
    assert [(e.path, e.kind, e.mode, e.target) for e in package.manifest.entries.values()] == [
        ("bin", Kind.DIR, 0o755, ""),
        ("bin/app", Kind.FILE, 0o755, ""),
        ("d", Kind.DIR, 0o750, ""),
        ("l", Kind.LINK, 0, "bin/app"),
    ]
    assert package.read("bin/app") == b"#!"
    assert package.mtime_s("bin/app") == 1706933106  # 2024-02-03 04:05:06 UTC


@pytest.mark.parametrize(
    ("name", "system", "mode", "wanted"),
    [
        ("bin\\app.dll", 0, 0, "bin/app.dll"),
        ("bin/a\\b", 0, 0, "bin/a\\b"),
        ("bin\\app", 3, 0o100644, "bin\\app"),
        ("ü", 3, 0o100644, "ü"),
    ],
)
def test_separators_of_windows_are_understood_where_windows_wrote_them(
    shop: Shop, name: str, system: int, mode: int, wanted: str
) -> None:
    assert wanted in shop.file(make_zip((name, b"x"), system=system, mode=mode)).manifest.entries


def test_files_without_a_mode_get_one_and_set_uid_is_dropped(shop: Shop) -> None:
    assert shop.file(make_zip(("a", b"x"), system=0, mode=0)).manifest.entries["a"].mode == 0o644
    assert shop.file(make_zip(("a", b"x"), mode=0o104777)).manifest.entries["a"].mode == 0o755


def test_names_that_are_no_utf8_keep_their_bytes(shop: Shop) -> None:
    assert list(shop.file(raw_zip(b"caf\xe9", b"x")).manifest.entries) == ["caf\udce9"]


def test_the_exact_time_of_info_zip_is_used(shop: Shop) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a", (2024, 1, 1, 0, 0, 0))
        info.extra = struct.pack("<HHBi", 0x5455, 5, 1, 1_234_567_891)
        archive.writestr(info, b"x")
    assert shop.file(out.getvalue()).mtime_s("a") == 1_234_567_891


def test_a_path_that_comes_twice_is_the_last_one(shop: Shop) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = make_zip(("a", b"old"), ("a", b"new"))
    assert shop.file(data).read("a") == b"new"


def damaged(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


GOOD = make_zip(("a", b"0123456789" * 50))
HOSTILE = {
    "dots": (make_zip(("../x", b"")), r"'\.\.'"),
    "absolute": (make_zip(("/etc/x", b"")), "absolute path"),
    "dots of Windows": (make_zip(("..\\..\\x", b""), system=0, mode=0), r"'\.\.'"),
    "a drive": (make_zip(("C:\\x", b""), system=0, mode=0), "absolute path"),
    "a fifo": (make_zip(("p", b""), mode=stat.S_IFIFO | 0o644), "device, fifo or socket"),
    "a device": (make_zip(("p", b""), mode=stat.S_IFBLK | 0o644), "device, fifo or socket"),
    "a link out": (make_zip(("l", b"../x"), mode=0o120777), "leads out of it"),
    "an absolute link": (make_zip(("l", b"/etc"), mode=0o120777), "link to an absolute path"),
    "a huge link": (make_zip(("l", b"x" * 9999), mode=0o120777), "link without a usable target"),
    "a file below a file": (make_zip(("a", b""), ("a/b", b"")), "below a, which is a file"),
    "encrypted": (raw_zip(b"a", b"x", flags=1), "encrypted"),
    "bzip2 inside": (raw_zip(b"a", b"x", method=12), "way of packing"),
    "method of nobody": (raw_zip(b"a", b"x", method=77), "way of packing"),
    "a size that lies low": (raw_zip(b"a", b"x" * 5000, claimed=10), "damaged"),
    "a size that lies high": (raw_zip(b"a", b"x" * 50, claimed=5000), "damaged"),
    "a bomb": (make_zip(("a", b"\0" * 900_000)), "250 times"),
    "a bomb of many": (make_zip(*[(f"{n}", b"\0" * 90_000) for n in range(10)]), "250 times"),
    "too large": (make_zip(("a", b"\0" * 1_100_000)), "more than 1 MiB"),
    "too many": (make_zip(*[(f"{n}", b"") for n in range(41)]), "more than 40"),
    "empty": (make_zip(), "holds nothing"),
    "cut": (GOOD[:-30], "damaged"),
    "cut in the middle": (GOOD[:40], "damaged"),
    "a damaged content": (damaged(GOOD, 35), "damaged"),
    "a damaged directory": (damaged(GOOD, len(GOOD) - 22 - 45), "damaged"),
    "a name with NUL": (raw_zip(b"a\0b", b"x"), "NUL"),
    "a name that is no UTF-8 but says so": (raw_zip(b"\xff", b"x", flags=0x800), "damaged"),
    "two names for one member": (GOOD.replace(b"a", b"b", 1), "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_zip_that_could_do_harm_is_refused_with_its_reason(shop: Shop, name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(PackageError, match=message):
        shop.file(data, limits=small_limits(entries=40))


def test_any_single_damaged_byte_gives_the_release_or_a_clear_error(shop: Shop) -> None:
    good = shop.file(GOOD).manifest.entries["a"]
    for place in range(len(GOOD)):
        try:
            entries = shop.file(damaged(GOOD, place)).manifest.entries
        except PackageError:
            continue
        assert [entry.sha256 for entry in entries.values() if entry.kind is Kind.FILE] == [good.sha256]


def test_any_single_damaged_byte_of_a_tar_header_gives_a_release_or_a_clear_error(shop: Shop) -> None:
    good = tar(file("a/b", b"content"))
    for place in range(0, 1536, 3):
        for flip in (0xFF, 0x80, 1):
            data = good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :]
            try:
                entries = shop.file(data).manifest.entries
            except PackageError:
                continue
            assert entries == {} or isinstance(next(iter(entries.values())), Entry)
