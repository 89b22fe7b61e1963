"""A package on its way: what is damaged is sent again, what was cut short is gone on with, what has no room fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.errors import ConnectionLost, RemoteError
from octo_ssh.execution.push import LAYOUTS, push, push_all
from octo_ssh.model.events import PushDone
from octo_ssh.model.manifest import Manifest
from octo_ssh.model.observed import Disk, PlaceRequest
from octo_ssh.model.program import Acting
from octo_ssh.model.work import PackageWork
from octo_ssh.planning.configure import Configured
from octo_ssh.remote.inspect import inspect
from octo_ssh.remote.observe import observe
from tests.unit.execution.targets import Stand, stand
from tests.unit.packages.archives import Shop

FILES = {"bin/app": b"app 1", "lib/big": b"b" * 50_000, "lib/same": b"s" * 20_000}
SENDING, BUILDING, COMPLETING = "sending the package", "laying the release out", "completing the release"


async def ready(folder: Path) -> Stand:
    """A target that is locked, and has seen no package yet."""
    target = await stand(folder)
    await target.lock()
    return target


async def bring(target: Stand, files: dict[str, bytes], folder: str, *, base: str | None = None) -> dict[str, bool]:
    """Push a release of these files, with what is on the target observed before."""
    work = await prepared(target, files, folder, base=base)
    return await push(target.context, target.hold, {"deploy": work})


async def prepared(target: Stand, files: dict[str, bytes], folder: str, *, base: str | None = None) -> PackageWork:
    source = target.home.parent / "plans" / folder
    for name, content in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    package = Shop(source.parent).dir(folder)
    context, hold = target.context, target.hold
    context.packages = {"shop": package}
    context.configured = {("deploy", "web-1"): Configured(package.manifest)}
    to = str(target.home / "shop")
    seen = await target.session.observe(observe("~/.octo-ssh", "shop", None, [PlaceRequest("deploy", to)]))
    place = seen.packages["deploy"]
    if base is not None:
        looked = await target.session.observe(inspect(to, (base,), hashed=False))
        manifest = looked[base].manifest
        assert manifest is not None
        place = replace(place, manifests={base: manifest})
    hold.observed = replace(hold.observed, packages={"deploy": place})
    return PackageWork(
        package="shop",
        to=to,
        folder=folder,
        manifest=package.manifest,
        build=True,
        switch=True,
        base=base,
        previous=None,
        seeds=(),
        shared=(),
        activate=None,
        verify=None,
        keep=(),
        sudo_user=None,
    )


def before(target: Stand, name: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Something happens on the target just before the program runs, so many times."""
    original, left = target.session.act, [act] * times

    async def acting(program: Acting[Any], **keys: Any) -> Any:
        if program.name == name and left:
            left.pop()()
        return await original(program, **keys)

    monkeypatch.setattr(target.session, "act", acting)


async def is_right(target: Stand, folder: str, manifest: Manifest) -> bool:
    seen = (await target.session.observe(inspect(str(target.home / "shop"), (folder,), hashed=True)))[folder]
    return seen.manifest == manifest and seen.tree is not None and dict(seen.tree.entries) == dict(manifest.entries)


def acted(target: Stand) -> list[str]:
    return [name for name in target.session.acted if name in (SENDING, BUILDING, COMPLETING)]


async def test_a_release_is_sent_laid_out_and_completed(tmp_path: Path) -> None:
    target = await ready(tmp_path)
    assert await bring(target, FILES, "1.0") == {"deploy": True}
    assert acted(target) == [SENDING, BUILDING, COMPLETING]
    assert await is_right(target, "1.0", target.context.packages["shop"].manifest)
    assert [event.package for event in target.told(PushDone)] == ["shop"]


async def test_what_is_damaged_in_the_release_before_is_sent_again(tmp_path: Path) -> None:
    target = await ready(tmp_path)
    await bring(target, FILES, "1.0")
    target.session.acted.clear()
    work = await prepared(target, {**FILES, "bin/app": b"app 2"}, "2.0", base="1.0")
    (target.home / "shop/releases/1.0/lib/big").write_bytes(b"B" * 50_000)
    assert await push(target.context, target.hold, {"deploy": work}) == {"deploy": True}
    assert acted(target) == [SENDING, BUILDING, SENDING, BUILDING, COMPLETING]
    assert await is_right(target, "2.0", work.manifest)


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
async def test_a_bundle_that_the_store_has_lost_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    target = await ready(tmp_path)

    def spoil() -> None:
        for path in (target.home / ".octo-ssh/store").iterdir():
            path.unlink() if content is None else path.write_bytes(content)

    before(target, BUILDING, spoil, monkeypatch, 1)
    await bring(target, FILES, "1.0")
    assert acted(target) == [SENDING, BUILDING, SENDING, BUILDING, COMPLETING]
    assert await is_right(target, "1.0", target.context.packages["shop"].manifest)


async def test_a_store_that_keeps_nothing_is_a_failure_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await ready(tmp_path)

    def spoil() -> None:
        for path in (target.home / ".octo-ssh/store").iterdir():
            path.unlink()

    before(target, BUILDING, spoil, monkeypatch, LAYOUTS)
    with pytest.raises(RemoteError, match="does not keep what is sent"):
        await bring(target, FILES, "1.0")
    assert os.listdir(target.home / "shop/releases") == []


async def test_what_is_spoilt_over_and_over_is_taken_from_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = await ready(tmp_path)
    await bring(target, FILES, "1.0")
    work = await prepared(target, {**FILES, "bin/app": b"app 2"}, "2.0", base="1.0")
    names = iter(("lib/big", "lib/same", "bin/app"))

    def spoil() -> None:
        (target.home / "shop/releases/1.0" / next(names)).write_bytes(b"spoilt")

    before(target, BUILDING, spoil, monkeypatch, LAYOUTS)
    await push(target.context, target.hold, {"deploy": work})
    assert acted(target).count(BUILDING) == 1 + LAYOUTS
    assert await is_right(target, "2.0", work.manifest)


@pytest.mark.parametrize("name", [SENDING, BUILDING, COMPLETING])
async def test_a_connection_that_is_lost_is_made_again_and_the_program_repeated(tmp_path: Path, name: str) -> None:
    target = await ready(tmp_path)
    target.session.breaks[name] = [ConnectionLost("web-1: gone")]
    target.reconnects.append(target.session)
    assert await bring(target, FILES, "1.0") == {"deploy": True}
    assert acted(target).count(name) == 2
    assert await is_right(target, "1.0", target.context.packages["shop"].manifest)


async def test_without_room_nothing_is_sent(tmp_path: Path) -> None:
    target = await ready(tmp_path)
    work = await prepared(target, FILES, "1.0")
    observed = target.hold.observed
    target.hold.observed = replace(observed, facts=replace(observed.facts, disk=Disk(1000, None)))
    with pytest.raises(RemoteError, match="no room on the disk of"):
        await push(target.context, target.hold, {"deploy": work})
    assert acted(target) == []


async def test_what_came_of_a_push_is_kept_where_that_was_cut_short_and_not_where_it_failed(tmp_path: Path) -> None:
    target = await ready(tmp_path)
    work = await prepared(target, FILES, "1.0")
    for error, keeps in ((RemoteError("full"), False), (asyncio.CancelledError(), True)):
        target.session.breaks[SENDING] = [error]
        with pytest.raises(type(error)):
            await push(target.context, target.hold, {"deploy": work})
        assert target.hold.keeps_store is keeps
    await push(target.context, target.hold, {"deploy": work})
    assert target.hold.keeps_store is False


async def test_one_target_s_failure_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    one, two = await ready(tmp_path / "1"), await ready(tmp_path / "2")
    works = [await prepared(target, FILES, "1.0") for target in (one, two)]
    two.hold.target = replace(two.hold.target, name="web-2")
    one.context.configured = {("deploy", name): Configured(works[0].manifest) for name in ("web-1", "web-2")}
    one.session.breaks[BUILDING] = [RemoteError("web-1: full")]
    jobs = [(one.hold, "deploy", works[0]), (one.hold, "again", works[0]), (two.hold, "deploy", works[1])]
    one.hold.observed.packages["again"] = one.hold.observed.packages["deploy"]  # type: ignore[index]
    one.context.configured = {**one.context.configured, ("again", "web-1"): Configured(works[0].manifest)}
    ends = await push_all(one.context, jobs, at_once=5)
    assert isinstance(ends["web-1"], RemoteError)
    assert ends["web-2"] == {"deploy": True}
