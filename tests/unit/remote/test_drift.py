"""A check for drift looks at a target in one go, under every shell: all is told, and nothing is touched."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import RemoteError
from octo_ssh.model.manifest import Kind, Manifest
from octo_ssh.model.observed import Baseline, FileKind, FileRequest, Journal, PackagePlace, Place, Tree
from octo_ssh.remote.drift import DriftAsk, DriftSeen, PlaceAsk, drift, drift_as
from octo_ssh.remote.receive import receive
from octo_ssh.remote.switch import switch
from octo_ssh.transport.local import LocalSession

from .conftest import Machine
from .logins import NOBODY, needs_root, ordinary_login
from .releases import LEASE, Item
from .test_build import HOSTILE, PLAIN, deploy, look
from .test_file import ODD_NAMES

OURS = f"{os.geteuid()}:{os.getegid()}"
READ_ONLY = """\
for place in / /tmp /dev/shm "$HOME"; do
	if [ -d "$place" ]; then mount --bind -- "$place" "$place" && mount -o remount,bind,ro -- "$place" || exit; fi
done
cd "$HOME"
exec "$1" -s
"""
"""A shell for which every disk is read-only."""


async def check(machine: Machine, *asked: PlaceAsk, quick: bool = False, root: str = "~/.octo-ssh") -> DriftSeen:
    ask = DriftAsk(asked or (PlaceAsk("deploy", str(machine.to)),), quick=quick)
    return await machine.session.observe(drift(root, "shop", "staging", ask))


async def released(machine: Machine, items: dict[str, Item] = PLAIN) -> Manifest:
    manifest = await deploy(machine, "1.0", items)
    await machine.session.act(switch(str(machine.to), "1.0", **LEASE))
    return manifest


async def test_a_target_that_saw_nothing_yet_is_told_whole(machine: Machine) -> None:
    seen = await check(machine)
    assert seen.observed is not None
    assert seen.observed.facts.root == str(machine.root)
    assert (seen.observed.baseline, seen.observed.journal) == (Baseline(), Journal())
    assert (seen.observed.lease, seen.observed.epoch) == (None, 0)
    place = seen.packages["deploy"]
    assert (place.place, place.current, place.trees, place.manifests) == (Place.ABSENT, None, {}, {})
    assert os.listdir(machine.home) == []


@pytest.mark.parametrize("items", [PLAIN, HOSTILE], ids=["plain", "hostile"])
async def test_the_current_release_is_told_with_its_manifest_and_owners(
    machine: Machine, items: dict[str, Item]
) -> None:
    manifest = await released(machine, items)
    seen = await check(machine)
    assert seen.observed is not None
    assert seen.observed.packages == seen.packages
    place = seen.packages["deploy"]
    owners = dict.fromkeys((".", *manifest.entries), OURS)
    assert place.trees == {"1.0": Tree(manifest.entries, owners=owners, mode=0o755)}
    assert place.manifests == {"1.0": manifest}
    assert place.fingerprint == ""
    in_haste = (await check(machine, quick=True)).packages["deploy"]
    assert replace(in_haste, trees={}, manifests={}, disk=None) == replace(await look(machine), disk=None)


async def test_a_manifest_that_is_known_is_not_sent_again(machine: Machine) -> None:
    manifest = await released(machine)
    ask = PlaceAsk("deploy", str(machine.to), known_manifest=manifest.sha256)
    assert (await check(machine, ask)).packages["deploy"].manifests == {}
    written = machine.to / "releases/1.0.json"
    written.write_bytes(written.read_bytes().replace(b"0755", b"0777"))
    place = (await check(machine, ask)).packages["deploy"]
    assert place.manifests["1.0"].sha256 == place.releases[0].manifest_sha256 != manifest.sha256
    written.write_bytes(b"nonsense")
    place = (await check(machine, ask)).packages["deploy"]
    assert place.manifests == {}
    assert place.releases[0].manifest_sha256 != manifest.sha256
    written.unlink()
    place = (await check(machine, ask)).packages["deploy"]
    assert (place.manifests, place.releases, place.current) == ({}, (), "1.0")
    assert place.trees["1.0"].entries == manifest.entries


async def test_what_stands_as_its_fingerprint_says_is_read_only_where_nobody_is_in_a_hurry(machine: Machine) -> None:
    await released(machine)
    fingerprint = (await look(machine)).fingerprint
    ask = PlaceAsk("deploy", str(machine.to), fingerprint=fingerprint)
    assert (await check(machine, ask, quick=True)).packages["deploy"].trees == {}
    assert "1.0" in (await check(machine, ask)).packages["deploy"].trees
    assert "1.0" in (await check(machine, quick=True)).packages["deploy"].trees
    (machine.to / "releases/1.0/bin/app").write_bytes(b"#!/bin/xx\n")
    place = (await check(machine, ask, quick=True)).packages["deploy"]
    assert place.trees["1.0"].entries["bin/app"].size == 10
    assert place.fingerprint != fingerprint


def same_size_and_time(path: Path) -> None:
    was = path.lstat()
    path.write_bytes(b"#!/bin/zz\n")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


TAMPERED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "same size and time": ("bin/app", same_size_and_time),
    "mode": ("bin/app", lambda path: path.chmod(0o4755)),
    "gone": ("bin/app", Path.unlink),
    "a link": ("bin/app", replaced(lambda path: path.symlink_to("/etc/passwd"))),
    "a fifo": ("bin/app", replaced(os.mkfifo)),
    "a folder": ("bin/app", replaced(Path.mkdir)),
    "a link elsewhere": ("current-doc", replaced(lambda path: path.symlink_to("x\ny"))),
    **{f"more: {name!r}": (name, Path.touch) for name in ODD_NAMES},
}


@pytest.mark.parametrize(("path", "change"), TAMPERED.values(), ids=TAMPERED.keys())
async def test_every_tampering_shows(machine: Machine, path: str, change: Callable[[Path], object]) -> None:
    manifest = await released(machine)
    change(machine.to / "releases/1.0" / path)
    tree = (await check(machine)).packages["deploy"].trees["1.0"]
    differing = {
        one for one in {*tree.entries, *manifest.entries} if tree.entries.get(one) != manifest.entries.get(one)
    }
    assert differing == {path}
    assert not tree.unreadable


@needs_root
async def test_a_device_is_told_as_something_else(machine: Machine) -> None:
    await released(machine)
    app = machine.to / "releases/1.0/bin/app"
    app.unlink()
    try:
        os.mknod(app, 0o644 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this root may make no devices")
    tree = (await check(machine)).packages["deploy"].trees["1.0"]
    assert (tree.entries["bin/app"].kind, tree.unreadable) == (Kind.OTHER, frozenset())


@needs_root
async def test_owners_are_told_of_everything(machine: Machine) -> None:
    await released(machine)
    folder = machine.to / "releases/1.0"
    for path, owner in ((".", (1, 2)), ("lib", (3, 0)), ("lib/big", (0, 4)), ("current-doc", (5, 6))):
        os.chown(folder / path, *owner, follow_symlinks=False)
    owners = (await check(machine)).packages["deploy"].trees["1.0"].owners
    assert {path: owner for path, owner in owners.items() if owner != OURS} == {
        ".": "1:2",
        "lib": "3:0",
        "lib/big": "0:4",
        "current-doc": "5:6",
    }


async def test_shared_paths_that_are_gone_are_told(machine: Machine) -> None:
    await released(machine)
    (machine.to / "shared").mkdir(exist_ok=True)
    (machine.to / "shared/log").mkdir()
    (machine.to / "shared/dangling").symlink_to("nowhere")
    ask = PlaceAsk("deploy", str(machine.to), ("log", "dangling", "a b/c"))
    assert (await check(machine, ask)).packages["deploy"].shared == {"log", "dangling"}


async def test_where_current_leads_nowhere_no_tree_is_told(machine: Machine) -> None:
    await released(machine)
    shutil.rmtree(machine.to / "releases/1.0")
    place = (await check(machine)).packages["deploy"]
    assert (place.current, place.trees, place.releases) == ("1.0", {}, ())
    (machine.to / "releases/1.0").symlink_to("/etc")
    place = (await check(machine)).packages["deploy"]
    assert (place.current, place.trees, place.releases) == ("1.0", {}, ())
    (machine.to / "current").unlink()
    (machine.to / "current").symlink_to("/etc")
    place = (await check(machine)).packages["deploy"]
    assert (place.place, place.owner, place.trees) == (Place.FOREIGN, "current points at /etc", {})


async def test_many_places_files_and_units_are_told_in_one_go(machine: Machine) -> None:
    await released(machine)
    (machine.home / "file").write_bytes(b"x")
    places = tuple(PlaceAsk(f"step-{n}", str(machine.to if n % 2 else machine.home / f"{n}")) for n in range(5))
    files = tuple(FileRequest(f"file-{n}", "file" if n % 2 else f"no/{n}") for n in range(5))
    ask = DriftAsk(places, files, {"one": "shop", "two": "other.timer"})
    seen = await machine.session.observe(drift("~/.octo-ssh", "shop", "staging", ask))
    assert [place.place.value for place in seen.packages.values()] == ["absent", "ours", "absent", "ours", "absent"]
    assert [len(place.trees) for place in seen.packages.values()] == [0, 1, 0, 1, 0]
    assert [one.kind for one in seen.resources.files.values()] == [FileKind.ABSENT, FileKind.FILE] * 2 + [
        FileKind.ABSENT
    ]
    assert seen.resources.services.keys() == {"one", "two"}
    assert seen.observed is not None
    assert (seen.observed.files, seen.observed.services) == (seen.resources.files, seen.resources.services)
    again = await machine.session.observe(drift_as(str(machine.root), "shop", "staging", ask))
    assert again.observed is None
    assert again.resources == seen.resources
    assert _without_disks(again.packages) == _without_disks(seen.packages)


def _without_disks(packages: Mapping[str, PackagePlace]) -> dict[str, PackagePlace]:
    return {step: replace(place, disk=None) for step, place in packages.items()}


async def test_an_empty_check_tells_of_the_target_alone(machine: Machine) -> None:
    seen = await machine.session.observe(drift("~/.octo-ssh", "shop", None, DriftAsk()))
    assert (seen.packages, seen.resources.files, seen.resources.services) == ({}, {}, {})


async def test_a_damaged_baseline_is_an_error(machine: Machine) -> None:
    machine.root.mkdir(mode=0o700)
    (machine.root / "state/shop").mkdir(parents=True)
    (machine.root / "state/shop/staging.json").write_text("{")
    with pytest.raises(RemoteError, match="damaged"):
        await check(machine)


@pytest.mark.parametrize("name", ["a b", "*", "getty@"])
def test_what_is_no_unit_is_refused(name: str) -> None:
    with pytest.raises(RemoteError, match=r"systemd unit|template"):
        drift("~", "shop", None, DriftAsk(services={"one": name}))


@pytest.fixture(params=["dash", "bash", "busybox"])
def login(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """An ordinary user, where root may make one."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ordinary_login(request.param) as machine:
        yield machine


async def test_what_may_not_be_seen_is_unknown_and_never_absent(login: Machine) -> None:
    manifest = await released(login)
    folder = login.to / "releases/1.0"
    os.chown(folder / "lib/big", 0, 0)
    (folder / "lib/big").chmod(0o600)
    for name, mode in (("bin", 0o700), ("var", 0o711), ("with space", 0o744)):
        os.chown(folder / name, 0, 0)
        (folder / name).chmod(mode)
    tree = (await check(login)).packages["deploy"].trees["1.0"]
    assert tree.unreadable >= {"lib/big", "bin", "var", "with space"}
    assert (tree.entries["bin"].kind, tree.entries["bin"].mode) == (Kind.DIR, 0o700)
    assert tree.entries["lib/empty"] == manifest.entries["lib/empty"]
    assert (tree.owners["bin"], tree.owners["lib"]) == ("0:0", f"{NOBODY}:{NOBODY}")


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o744])
async def test_a_release_that_is_closed_as_a_whole_is_unknown(login: Machine, mode: int) -> None:
    await released(login)
    os.chown(login.to / "releases/1.0", 0, 0)
    (login.to / "releases/1.0").chmod(mode)
    tree = (await check(login)).packages["deploy"].trees["1.0"]
    assert "." in tree.unreadable
    for path in (login.to / "releases", login.to):
        os.chown(path, 0, 0)
        path.chmod(mode)
        assert (await check(login)).packages["deploy"].place is Place.UNREADABLE
        path.chmod(0o755)


async def test_another_user_sees_what_the_login_may_not(login: Machine) -> None:
    manifest = await released(login)
    os.chown(login.to / "releases/1.0/bin", 0, 0)
    (login.to / "releases/1.0/bin").chmod(0o700)
    root = LocalSession("root", home="/root")
    ask = DriftAsk((PlaceAsk("deploy", str(login.to)),))
    seen = await root.observe(drift_as(str(login.root), "shop", "staging", ask))
    place = seen.packages["deploy"]
    assert place.trees["1.0"].entries == {
        **manifest.entries,
        "bin": replace(manifest.entries["bin"], mode=0o700),
    }
    assert place.trees["1.0"].owners["bin"] == "0:0"


async def test_nothing_is_written_where_nothing_can_be(login: Machine) -> None:
    manifest = await released(login)
    for path in (login.home, *login.home.rglob("*")):
        if path.is_dir() and path != login.root:
            os.chown(path, 0, 0)
    seen = await check(login)
    assert seen.packages["deploy"].trees["1.0"].entries == manifest.entries
    assert not seen.packages["deploy"].writable


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, int, int]]:
    found = {}
    for path in (folder, *folder.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


async def test_a_check_leaves_no_trace(machine: Machine) -> None:
    await released(machine)
    (machine.home / "file").write_bytes(b"x")
    before = snapshot(machine.home)
    ask = DriftAsk((PlaceAsk("deploy", str(machine.to)),), (FileRequest("one", "file", "0" * 64),), {"two": "shop"})
    await machine.session.observe(drift("~/.octo-ssh", "shop", "staging", ask))
    assert snapshot(machine.home) == before


@needs_root
async def test_a_check_needs_no_disk_that_can_be_written_to(machine: Machine) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed")
    manifest = await released(machine)
    for number in range(20):
        (machine.to / f"releases/1.0/{number}{'x' * 200}").touch()
    shell = shutil.which("sh", path=machine.path)
    words = (unshare, "--mount", "--", "/bin/sh", "-c", READ_ONLY, "sh", shell or "")
    env = {"PATH": machine.path, "LANG": "C.UTF-8"}
    session = LocalSession("read-only", shell=words, home=str(machine.home), env=env)
    with pytest.raises(RemoteError, match=r"cannot be written|[Rr]ead-only"):
        await session.act(receive("~/.octo-ssh", "0" * 64, "/dev/null", 0, **LEASE))
    ask = DriftAsk((PlaceAsk("deploy", str(machine.to)),), (FileRequest("one", "file", "0" * 64),), {"two": "shop"})
    seen = await session.observe(drift("~/.octo-ssh", "shop", "staging", ask))
    assert len(seen.packages["deploy"].trees["1.0"].entries) == len(manifest.entries) + 20


async def test_a_release_whose_name_ends_in_a_newline_is_none_of_ours(machine: Machine) -> None:
    await released(machine)
    shutil.copytree(machine.to / "releases/1.0", machine.to / "releases/1.0\n", symlinks=True)
    (machine.to / "current").unlink()
    (machine.to / "current").symlink_to("releases/1.0\n")
    assert (await check(machine)).packages["deploy"].current is None


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("elsewhere")])
async def test_nobody_waits_for_what_stands_where_a_file_of_ours_was(
    machine: Machine, make: Callable[[Path], object]
) -> None:
    await released(machine)
    owner = machine.to / ".octo-ssh/owner"
    owner.unlink()
    make(owner)
    place = (await check(machine)).packages["deploy"]
    assert (place.place, place.owner) == (Place.FOREIGN, ".octo-ssh/owner in it is no file")
    (machine.root / "state/shop").mkdir(parents=True, exist_ok=True)
    make(machine.root / "state/shop/staging.json")
    with pytest.raises(RemoteError, match="is no file: move it away"):
        await check(machine)


async def test_a_memory_that_is_closed_is_never_called_empty(login: Machine) -> None:
    await released(login)
    state = login.root / "state/shop"
    state.mkdir(parents=True)
    (state / "staging.json").write_text("{}")
    for path in (state, state.parent):
        os.chown(path, 0, 0)
        path.chmod(0o700)
        with pytest.raises(RemoteError, match="cannot be looked into"):
            await check(login)
        path.chmod(0o755)


async def test_shared_paths_in_a_closed_folder_are_not_called_gone(login: Machine) -> None:
    await released(login)
    (login.to / "shared/in/there").mkdir(parents=True)
    (login.to / "shared/in").chmod(0o700)
    asked = PlaceAsk("deploy", str(login.to), ("in/there", "in/nowhere", "in", "out"))
    place = (await check(login, asked)).packages["deploy"]
    assert (place.shared, place.closed) == (frozenset({"in"}), frozenset({"in/there", "in/nowhere"}))
