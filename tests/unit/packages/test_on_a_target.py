"""From an archive to a complete release: our bundles, laid out by the very program that targets run."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import Tree
from octo_ssh.packages.acquire import Package
from octo_ssh.packages.bundle import Bundles, Compression, configured_tar
from octo_ssh.packages.delta import difference
from octo_ssh.remote.build import build
from octo_ssh.remote.commit import commit
from octo_ssh.remote.receive import receive
from octo_ssh.transport.local import LocalSession
from tests.unit.packages.archives import Member, Shop, file, folder, link, tar
from tests.unit.remote.releases import LEASE, take_lease

BIG = b"0123456789" * 1000
FIRST: list[Member] = [
    file("app-1/lib/big", BIG),
    file("app-1/lib/big.sh", BIG, mode=0o755),
    file("app-1/new\nline", b"odd"),
    file("app-1/caf\udce9 'x'", b"odd too"),
    file("same/" + "n" * 200, b"stays"),
    file("same/gone", b"goes"),
    file("config/app.conf", b"port = ${{ port }}"),
    file("var/uploads/first", b"from the package"),
    link("var/uploads/l", "first"),
    folder("hollow", 0o700),
    link("run", "app-1/lib/big.sh"),
]
SECOND: list[Member] = [
    file("app-2/lib/big", BIG),
    file("app-2/lib/big.sh", BIG, mode=0o755),
    file("app-2/new\nline", b"odd"),
    file("app-2/caf\udce9 'x'", b"odd too"),
    file("same/" + "n" * 200, b"stays"),
    file("same/come", b"comes"),
    file("config/app.conf", b"port = ${{ port }}"),
    file("var/uploads/first", b"from the package"),
    file("hollow", b"a file now"),
    link("run", "app-2/lib/big.sh"),
]
CONFIGURED = b"port = 8080"


def wanted(package: Package) -> Manifest:
    """With ``shared: [var/uploads]`` and ``configure: [config/app.conf]``."""
    entries = {path: entry for path, entry in package.manifest.entries.items() if not path.startswith("var/uploads/")}
    entries["var/uploads"] = Entry("var/uploads", Kind.LINK, target="../../../shared/var/uploads")
    entries["config/app.conf"] = Entry(
        "config/app.conf", Kind.FILE, 0o644, len(CONFIGURED), hashlib.sha256(CONFIGURED).hexdigest()
    )
    return Manifest(entries)


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
async def test_releases_come_out_as_they_were_packed(
    shop: Shop, tmp_path: Path, compression: Compression, shell: str
) -> None:
    if not shutil.which(shell) or (compression is Compression.ZSTD and not shutil.which("zstd")):
        pytest.skip(f"{shell} or zstd is not here")
    home = tmp_path / "home"
    home.mkdir()
    take_lease(home / ".octo-ssh")
    to, root = home / "shop", str(home / ".octo-ssh")
    session = LocalSession(shell=("busybox", "sh", "-s") if shell == "busybox" else (shell, "-s"), home=str(home))
    bundles = Bundles(tmp_path / "bundles")
    base: Manifest | None = None
    for name, members in (("1", FIRST), ("2", SECOND)):
        package = shop.file(tar(*members), name=f"{name}.tar")
        manifest = wanted(package)
        lacking = difference(manifest, base)
        bundle = await bundles.get(
            package,
            manifest,
            lacking,
            compression=compression,
            leave_out=["config/app.conf"],
            seeds=["var/uploads"] if base is None else [],
        )
        await session.act(receive(root, bundle.sha256, bundle.path, bundle.size, **LEASE))
        program = build(
            root,
            str(to),
            name,
            project="shop",
            environment=None,
            base=None if base is None else "1",
            manifest=manifest,
            difference=lacking,
            bundle=bundle,
            configured=configured_tar([("config/app.conf", 0o644, CONFIGURED)]),
            shared=("var/uploads",),
            seeds=("var/uploads",) if base is None else (),
            **LEASE,
        )
        tree = await session.act(program)
        assert isinstance(tree, Tree)
        assert (dict(tree.entries), tree.unreadable) == (dict(manifest.entries), frozenset())
        await session.act(commit(str(to), name, manifest.sha256))
        assert (to / "releases" / f"{name}.json").read_bytes() == manifest.text
        base = manifest
    assert sorted(os.listdir(to / "releases")) == ["1", "1.json", "2", "2.json"]
    assert (to / "releases" / "2" / "var" / "uploads" / "l").read_bytes() == b"from the package"
    assert int((to / "releases" / "2" / "app-2" / "lib" / "big").stat().st_mtime) == 1_700_000_000
    assert lacking.copies == (("app-1/lib/big", "app-2/lib/big"), ("app-1/lib/big.sh", "app-2/lib/big.sh"))
