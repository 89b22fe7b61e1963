"""A package's way on a target, under every shell: receive, build, commit, switch, inspect, prune."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, run

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import MAX_OWNERS, PackagePlace, Place, PlaceRequest, Tree
from octo_ssh.packages.bundle import Bundle, Compression, configured_tar
from octo_ssh.packages.delta import difference, is_simple
from octo_ssh.planning.compare import compare
from octo_ssh.remote.build import Supply, build
from octo_ssh.remote.commit import commit
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.observe import observe
from octo_ssh.remote.prune import prune
from octo_ssh.remote.receive import Received, receive
from octo_ssh.remote.switch import switch

from .conftest import Machine
from .logins import needs_root
from .releases import LEASE, File, Folder, Item, Link, Release, manifest_of, release_of, take_lease

PLAIN: dict[str, Item] = {
    "bin/app": File(b"#!/bin/sh\n", 0o755),
    "config/app.conf": File(b"port=1\n", 0o640),
    "lib/big": File(b"x" * 100_000),
    "lib/empty": File(b""),
    "current-doc": Link("doc/../bin/app"),
    "group-writable": File(b"g", 0o664),
    "var": Folder(0o775),
    "with space/and 'quote'": File(b"q"),
}
HOSTILE: dict[str, Item] = {
    "new\nline": File(b"1"),
    "-rf": File(b"2"),
    '"double" and \\back': File(b"3"),
    " leading and trailing ": File(b"4"),
    "ünïcödé/日本": File(b"5"),
    os.fsdecode(b"not-utf8-\xff\xfe"): File(b"6"),
    "*?[a]{b}$HOME`id`;&|": File(b"7"),
    "a\x01\x1b[31m\x7f": File(b"8"),
    "tab\there": Link("to\nnew line \\ and 'more'"),
    "- -/--help": Folder(0o755),
    "deep/" + "/".join(["d" * 50] * 10) + "/file": File(b"9"),
    "x" * 200: File(b"10"),
    f"x\n{'0' * 64}  ./y": File(b"a name that looks like a digest line"),
}


def inode(path: Path) -> int:
    return path.stat().st_ino


async def send(machine: Machine, release: Release) -> Received:
    bundle = release.bundle
    take_lease(machine.root)
    return await machine.session.act(receive("~/.octo-ssh", bundle.sha256, bundle.path, bundle.size, **LEASE))


async def lay_out(
    machine: Machine,
    folder: str,
    release: Release,
    *,
    base: str | None = None,
    configured: bytes = b"",
    shared: tuple[str, ...] = (),
    seeds: tuple[str, ...] = (),
    project: str = "shop",
    supply: Supply = Supply.STORE,
) -> Tree | None:
    return await machine.session.act(
        build(
            str(machine.root),
            str(machine.to),
            folder,
            project=project,
            environment="staging",
            base=base,
            manifest=release.manifest,
            difference=release.difference,
            bundle=release.bundle,
            configured=configured,
            shared=shared,
            seeds=seeds,
            supply=supply,
            **LEASE,
        )
    )


async def deploy(
    machine: Machine, folder: str, items: dict[str, Item], *, base: tuple[str, Manifest] | None = None
) -> Manifest:
    release = release_of(items, machine.home, base=base[1] if base else None)
    await send(machine, release)
    tree = await lay_out(machine, folder, release, base=base[0] if base else None)
    assert tree == Tree(release.manifest.entries)
    await machine.session.act(commit(str(machine.to), folder, release.manifest.sha256))
    return release.manifest


async def look(machine: Machine, *, shared: tuple[str, ...] = (), environment: str = "staging") -> PackagePlace:
    seen = await machine.session.observe(
        observe(str(machine.root), "shop", environment, (PlaceRequest("deploy", str(machine.to), shared),))
    )
    return seen.packages["deploy"]


@pytest.mark.parametrize("items", [PLAIN, HOSTILE], ids=["plain", "hostile"])
async def test_a_release_comes_out_as_its_manifest_says_whatever_the_umask(
    machine: Machine, items: dict[str, Item]
) -> None:
    before = os.umask(0o077)
    try:
        manifest = await deploy(machine, "1.0", items)
    finally:
        os.umask(before)
    place = await look(machine)
    assert place.place is Place.OURS
    assert [(r.name, r.manifest_sha256) for r in place.releases] == [("1.0", manifest.sha256)]
    seen = await machine.session.observe(inspect(str(machine.to), ("1.0", "2.0"), hashed=True))
    assert seen["1.0"].manifest == manifest
    assert seen["1.0"].tree == Tree(manifest.entries)
    assert (seen["2.0"].manifest, seen["2.0"].tree) == (None, None)
    assert (machine.to / "releases/1.0").stat().st_mode & 0o777 == 0o755
    assert (machine.to / "releases/1.0.json").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [".flip.1.0123abcd", "owner"]
    assert sorted(os.listdir(machine.to / "releases")) == ["1.0", "1.0.json"]


async def test_a_second_release_takes_what_it_can_from_its_base(machine: Machine) -> None:
    old = await deploy(machine, "1.0", {**PLAIN, **HOSTILE, "moved/from here": File(b"m" * 5000, 0o755)})
    items = {**PLAIN, **HOSTILE, "to/there": File(b"m" * 5000, 0o755), "bin/app": File(b"changed", 0o755)}
    del items["config/app.conf"]
    release = release_of(items, machine.home, base=old)
    assert release.bundle.size < 2500
    assert release.difference.copies == (("moved/from here", "to/there"),)
    await deploy(machine, "2.0", items, base=("1.0", old))
    assert (machine.to / "releases/2.0/to/there").read_bytes() == b"m" * 5000
    assert inode(machine.to / "releases/1.0/lib/big") != inode(machine.to / "releases/2.0/lib/big")


async def test_a_renamed_folder_is_copied_whole_and_files_with_new_names_one_by_one(machine: Machine) -> None:
    names = ("x", "deep er/-x", "deep er/a", "$HOME")
    first: dict[str, Item] = {f"app-1/{name}": File(name.encode() * 5000, 0o640) for name in names}
    first |= {"app-1/sub": Folder(), "alone": File(b"a" * 5000), "old name": File(b"o" * 5000, 0o711)}
    old = await deploy(machine, "1.0", first)
    second: dict[str, Item] = {f"app 2/{name}": File(name.encode() * 5000, 0o640) for name in names}
    second |= {"in/alone": File(b"a" * 5000), "new name": File(b"o" * 5000, 0o711), "app 2/new": File(b"n")}
    difference = release_of(second, machine.home, base=old).difference
    assert (len(difference.moves), difference.missing) == (3, ("app 2/new",))
    await deploy(machine, "2.0", second, base=("1.0", old))


def _spoil(release: Path) -> None:
    """Everything that can happen to a release, and things that nobody packaged."""
    (release / "lib/big").write_bytes(b"y" * 100_000)
    (release / "lib/empty").unlink()
    (release / "bin/app").chmod(0o777)
    (release / "var").chmod(0o700)
    _link(release / "other").replace(release / "current-doc")
    shutil.rmtree(release / "with space")
    (release / "with space").symlink_to("/etc")
    (release / "group-writable").unlink()
    os.mkfifo(release / "group-writable")
    (release / "deep/new").write_bytes(b"nobody packaged this")
    (release / "deep/\n").write_bytes(b"nor this")


async def test_what_is_damaged_in_a_release_is_replaced_and_nothing_else_is_sent(machine: Machine) -> None:
    items = {**PLAIN, **HOSTILE}
    old = await deploy(machine, "1.0", items)
    _spoil(machine.to / "releases/1.0")
    seen = (await machine.session.observe(inspect(str(machine.to), ("1.0",), hashed=True)))["1.0"].tree
    assert seen is not None
    found = compare(old, seen)
    assert {"lib/big", "bin/app", "var", "current-doc", "with space", "group-writable"} == set(found.changed)
    assert {"lib/empty", "with space/and 'quote'"} == set(found.missing)
    release = release_of(items, machine.home, base=old, damaged=found.unproven)
    odd = {path for path in items if not is_simple(path) and isinstance(items[path], File)}
    assert set(release.difference.missing) == odd | {"lib/big", "bin/app", "group-writable", "lib/empty"}
    await send(machine, release)
    assert await lay_out(machine, "1.0_1", release, base="1.0") == Tree(old.entries)
    await machine.session.act(commit(str(machine.to), "1.0_1", release.manifest.sha256))
    assert (machine.to / "releases/1.0_1.json").read_bytes() == old.text


async def test_configured_files_and_shared_places(machine: Machine) -> None:
    items: dict[str, Item] = {
        **PLAIN,
        "var/uploads": Link("../../../shared/var/uploads"),
        "log": Link("../../shared/log"),
    }
    manifest = manifest_of({**items, "config/app.conf": File(b"port=8080\n", 0o600)})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in ((".octo-ssh-seeds/var/uploads/first", b"seed"), ("bin/app", b"#!/bin/sh\n")):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    plain = release_of(items, machine.home)
    with_seeds = release_of(items, machine.home, extra=_joined(gzip.decompress(plain.bundle.path.read_bytes()), packed))
    release = Release(manifest, difference(manifest, None), with_seeds.bundle)
    await send(machine, release)
    tree = await lay_out(
        machine,
        "1.0",
        release,
        configured=configured_tar([("config/app.conf", 0o600, b"port=8080\n")]),
        shared=("var/uploads", "log"),
        seeds=("var/uploads",),
    )
    assert tree == Tree(manifest.entries)
    assert (machine.to / "shared/var/uploads/first").read_bytes() == b"seed"
    assert (machine.to / "shared/log").is_dir()
    await machine.session.act(commit(str(machine.to), "1.0", release.manifest.sha256))
    assert (await look(machine, shared=("log", "nothing", "var/uploads"))).shared == {"log", "var/uploads"}
    assert (machine.to / "releases/1.0/var/uploads/first").read_bytes() == b"seed"


def _joined(first: bytes, second: io.BytesIO) -> bytes:
    """Two tars as one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as into:
        for raw in (first, second.getvalue()):
            with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
                for member in tar:
                    into.addfile(member, tar.extractfile(member) if member.isreg() else None)
    return out.getvalue()


async def test_folders_that_nobody_may_write_to_are_filled_all_the_same(machine: Machine) -> None:
    if machine.shell == "busybox" and os.geteuid() != 0:
        pytest.skip("busybox's tar cannot fill a folder that it has made read-only")
    odd = "ro/with \\ and\nnewline \\n"
    first: dict[str, Item] = {"ro": Folder(0o555), "ro/in/deep": File(b"d" * 5000), odd: Folder(0o511)}
    old = await deploy(machine, "1.0", first)
    await deploy(machine, "2.0", {**first, "ro/other": File(b"d" * 5000)}, base=("1.0", old))
    await machine.session.act(prune(str(machine.to), keep=()))
    assert os.listdir(machine.to / "releases") == []


async def test_the_bundle_may_come_as_input(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home)
    assert await lay_out(machine, "1.0", release, supply=Supply.INPUT) == Tree(release.manifest.entries)


def zstd_packed(program: str, raw: bytes) -> bytes:
    return run([program, "-qc"], input=raw, stdout=PIPE, check=True).stdout


async def test_zstd_bundles_are_unpacked_where_there_is_zstd(machine: Machine) -> None:
    zstd = shutil.which("zstd", path=machine.path)
    if zstd is None:
        pytest.skip("zstd is not there")
    release = release_of(PLAIN, machine.home)
    packed = zstd_packed(zstd, gzip.decompress(release.bundle.path.read_bytes()))
    path = machine.home / "bundle.zst"
    path.write_bytes(packed)
    bundle = Bundle(path, hashlib.sha256(packed).hexdigest(), len(packed), Compression.ZSTD)
    release = Release(release.manifest, release.difference, bundle)
    await send(machine, release)
    assert await lay_out(machine, "1.0", release) == Tree(release.manifest.entries)


@pytest.mark.parametrize("content", [b"other", None])
async def test_a_bundle_that_is_damaged_or_gone_is_not_used_but_asked_for(
    machine: Machine, content: bytes | None
) -> None:
    release = release_of(PLAIN, machine.home)
    await send(machine, release)
    stored = machine.root / "store" / release.bundle.sha256
    stored.unlink() if content is None else stored.write_bytes(content)
    assert await lay_out(machine, "1.0", release) is None
    assert os.listdir(machine.to / "releases") == []
    await send(machine, release)
    assert await lay_out(machine, "1.0", release) == Tree(release.manifest.entries)


async def test_a_broken_archive_fails_with_the_tools_words_and_leaves_no_rubble(machine: Machine) -> None:
    release = release_of(PLAIN, machine.home, extra=b"this is no tar archive" * 100)
    await send(machine, release)
    with pytest.raises(RemoteError, match=r"cannot be unpacked.*tar"):
        await lay_out(machine, "1.0", release)
    assert os.listdir(machine.to / "releases") == []


@pytest.fixture
def small_disk(machine: Machine) -> Iterator[None]:
    """The package's place is a file system of 256 KiB, where one may be mounted."""
    machine.to.mkdir(parents=True)
    if run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", machine.to], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield
    run(["umount", machine.to], check=True)


@needs_root
@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_has_a_reason_and_leaves_no_rubble(machine: Machine) -> None:
    release = release_of({"big": File(os.urandom(1_000_000))}, machine.home)
    await send(machine, release)
    with pytest.raises(
        RemoteError, match=r"cannot be unpacked.*there is room for [0-9]+ bytes, and [0-9]+ new files at"
    ):
        await lay_out(machine, "1.0", release)
    assert os.listdir(machine.to / "releases") == []


async def test_a_base_whose_manifest_was_changed_is_told(machine: Machine) -> None:
    old = await deploy(machine, "1.0", PLAIN)
    (machine.to / "releases/1.0.json").write_bytes(manifest_of({"a": File(b"a")}).text)
    release = release_of({**PLAIN, "b": File(b"b")}, machine.home, base=old)
    await send(machine, release)
    with pytest.raises(RemoteError, match="the manifest does not come out right"):
        await lay_out(machine, "2.0", release, base="1.0")


async def test_a_file_that_the_base_lost_is_told(machine: Machine) -> None:
    old = await deploy(machine, "1.0", PLAIN)
    (machine.to / "releases/1.0/lib/big").unlink()
    release = release_of({**PLAIN, "b": File(b"b")}, machine.home, base=old)
    await send(machine, release)
    with pytest.raises(RemoteError, match=r"cannot be copied from .*lib/big"):
        await lay_out(machine, "2.0", release, base="1.0")


async def test_a_file_that_changed_in_the_base_is_seen_in_the_answer(machine: Machine) -> None:
    old = await deploy(machine, "1.0", PLAIN)
    (machine.to / "releases/1.0/lib/big").write_bytes(b"y" * 100_000)
    release = release_of({**PLAIN, "b": File(b"b")}, machine.home, base=old)
    await send(machine, release)
    tree = await lay_out(machine, "2.0", release, base="1.0")
    assert tree is not None
    assert {path for path, e in tree.entries.items() if e != release.manifest.entries.get(path)} == {"lib/big"}


async def test_a_link_out_of_the_base_leads_to_no_write_outside(machine: Machine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 100_000)
    old = await deploy(machine, "1.0", PLAIN)
    shutil.rmtree(machine.to / "releases/1.0/lib")
    (machine.to / "releases/1.0/lib").symlink_to(outside)
    (outside / "empty").write_bytes(b"")
    release = release_of({**PLAIN, "lib/new": File(b"b")}, machine.home, base=old)
    await send(machine, release)
    tree = await lay_out(machine, "2.0", release, base="1.0")
    assert tree == Tree(release.manifest.entries)
    assert sorted(os.listdir(outside)) == ["big", "empty"]


async def test_a_complete_release_is_never_written_again(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    release = release_of({"other": File(b"1")}, machine.home)
    await send(machine, release)
    with pytest.raises(RemoteError, match="never written again"):
        await lay_out(machine, "1.0", release)
    assert (machine.to / "releases/1.0/bin/app").exists()


async def test_another_project_is_kept_out(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    release = release_of(PLAIN, machine.home)
    with pytest.raises(RemoteError, match="belongs to somebody else"):
        await lay_out(machine, "2.0", release, project="blog")
    place = await look(machine, environment="production")
    assert place.place is Place.FOREIGN
    assert place.owner == f"project shop, environment staging, root {machine.root}"


@pytest.mark.parametrize("name", ["releases", "current"])
async def test_a_place_that_somebody_else_made_is_foreign(machine: Machine, name: str) -> None:
    (machine.to / name).mkdir(parents=True)
    assert (await look(machine)).place is Place.FOREIGN
    with pytest.raises(RemoteError, match="not made by octo-ssh"):
        await lay_out(machine, "1.0", release_of(PLAIN, machine.home))


async def test_an_empty_folder_and_one_with_other_files_are_free_to_take(machine: Machine) -> None:
    place = await look(machine)
    assert (place.place, place.writable, place.to) == (Place.ABSENT, True, str(machine.to))
    machine.to.mkdir(parents=True)
    (machine.to / "maintenance").touch()
    assert (await look(machine)).place is Place.ABSENT
    await deploy(machine, "1.0", PLAIN)


@pytest.mark.parametrize("planted", [".octo-ssh", "releases"])
async def test_a_link_in_place_of_our_folders_is_refused(machine: Machine, planted: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    machine.to.mkdir(parents=True)
    (machine.to / planted).symlink_to(elsewhere)
    with pytest.raises(RemoteError, match="symbolic link"):
        await lay_out(machine, "1.0", release_of(PLAIN, machine.home))
    assert (await look(machine)).place is Place.FOREIGN
    assert list(elsewhere.iterdir()) == []


async def test_current_is_switched_and_taken_away(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    await deploy(machine, "2.0", {"bin/app": File(b"2")})
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    assert os.readlink(machine.to / "current") == "releases/1.0"
    assert (await look(machine)).current == "1.0"
    await machine.session.act(switch(str(machine.to), "2.0", **LEASE))
    assert (machine.to / "current/bin/app").read_bytes() == b"2"
    await machine.session.act(switch(str(machine.to), None, **LEASE))
    assert "current" not in os.listdir(machine.to)
    assert sorted(os.listdir(machine.to / ".octo-ssh")) == [".flip.1.0123abcd", "owner"]


async def test_current_never_points_at_what_is_not_complete(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    (machine.to / "releases/half").mkdir()
    for folder in ("half", "missing"):
        with pytest.raises(RemoteError, match="not a complete release"):
            await machine.session.act(switch(str(machine.to), folder, **LEASE))
    assert [release.name for release in (await look(machine)).releases] == ["1.0"]


async def test_a_folder_named_current_is_not_replaced(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    (machine.to / "current").mkdir()
    with pytest.raises(RemoteError, match="is not a symbolic link"):
        await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    assert (await look(machine)).place is Place.FOREIGN


def _link(path: Path) -> Path:
    path.symlink_to("elsewhere")
    return path


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "lib/big").write_bytes(b"y" * 100_000),
    "mode": lambda folder: (folder / "lib/big").chmod(0o600),
    "a new file": lambda folder: (folder / "lib/new").touch(),
    "a missing file": lambda folder: (folder / "lib/empty").unlink(),
    "a time": lambda folder: os.utime(folder / "lib/big", (1, 1)),
    "a link": lambda folder: os.replace(_link(folder / "other"), folder / "current-doc"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_the_fingerprint_tells_every_change(machine: Machine, change: Callable[[Path], object]) -> None:
    await deploy(machine, "1.0", PLAIN)
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    before = (await machine.session.act(prune(str(machine.to), keep=()))).fingerprint
    assert (await look(machine)).fingerprint == before
    change(machine.to / "releases/1.0")
    after = (await look(machine)).fingerprint
    assert len(after) == 64
    assert after != before


async def test_old_releases_and_rubble_go_and_current_stays(machine: Machine) -> None:
    for folder in ("1.0", "2.0", "3.0", "4.0 final"):
        await deploy(machine, folder, {"a": File(folder.encode())})
    await machine.session.act(switch(str(machine.to), "2.0", **LEASE))
    (machine.to / "releases/.5.0.tmp").mkdir()
    (machine.to / "releases/unfinished").mkdir()
    pruned = await machine.session.act(prune(str(machine.to), keep=("4.0 final", "never there")))
    assert pruned.removed == ("1.0", "3.0")
    assert pruned.fingerprint == (await look(machine)).fingerprint
    assert sorted(os.listdir(machine.to / "releases")) == [
        "2.0",
        "2.0.json",
        "4.0 final",
        "4.0 final.json",
        "unfinished",
    ]


async def test_owners_of_the_current_release_are_told(machine: Machine) -> None:
    await deploy(machine, "1.0", HOSTILE)
    assert (await machine.session.act(prune(str(machine.to), keep=("1.0",)))).owner == ""
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    pruned = await machine.session.act(prune(str(machine.to), keep=()))
    assert (pruned.owner, pruned.owners) == (f"{os.geteuid()}:{os.getegid()}", {})


@needs_root
async def test_entries_of_somebody_else_are_told_unless_there_are_too_many(machine: Machine) -> None:
    manifest = await deploy(machine, "1.0", HOSTILE)
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    folder = machine.to / "releases/1.0"
    for number, path in enumerate(manifest.entries):
        os.chown(folder / path, number % 3, 7 + number % 2, follow_symlinks=False)
    os.chown(folder, 1, 7)
    pruned = await machine.session.act(prune(str(machine.to), keep=()))
    whose = {path: f"{number % 3}:{7 + number % 2}" for number, path in enumerate(manifest.entries)}
    assert (pruned.owner, pruned.owners) == ("1:7", {path: owner for path, owner in whose.items() if owner != "1:7"})
    for number in range(MAX_OWNERS + 1):
        (folder / f"{number}").touch()
    pruned = await machine.session.act(prune(str(machine.to), keep=()))
    assert (pruned.owner, pruned.owners) == ("", {})


@pytest.mark.parametrize("text", [b"", b"[]", b'[{"manifest":1}\n]\n ', b"\xff"])
async def test_a_manifest_that_somebody_wrote_to_is_not_known(machine: Machine, text: bytes) -> None:
    await deploy(machine, "1.0", PLAIN)
    (machine.to / "releases/1.0.json").write_bytes(text)
    seen = await machine.session.observe(inspect(str(machine.to), ("1.0",), hashed=True))
    assert seen["1.0"].manifest is None
    assert seen["1.0"].tree == Tree(manifest_of(PLAIN).entries)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_what_cannot_be_read_is_unknown_not_absent(machine: Machine) -> None:
    await deploy(machine, "1.0", PLAIN)
    release = machine.to / "releases/1.0"
    (release / "lib/big").chmod(0)
    (release / "bin").chmod(0)
    seen = await machine.session.observe(inspect(str(machine.to), ("1.0",), hashed=True))
    assert seen["1.0"].tree is not None
    assert seen["1.0"].tree.unreadable == {"lib/big", "bin"}
