"""The right to switch comes with the lease, and goes with it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.errors import LeaseLost, RemoteError
from octo_ssh.execution.fence import fence, fence_all, flip
from octo_ssh.model.observed import PackagePlace, Place
from octo_ssh.model.work import PackageWork
from octo_ssh.remote.grant import grant
from octo_ssh.remote.lock import acquire
from tests.unit.execution.targets import Stand, stand
from tests.unit.output import samples


def work(to: Path, **changes: object) -> PackageWork:
    return samples.package(to=str(to), **changes)


async def placed(target: Stand) -> Path:
    """A place with two releases, 1.0 current; it was seen so, and the target is locked."""
    to = target.home / "srv"
    for folder in ("1.0", "2.0"):
        (to / "releases" / folder).mkdir(parents=True)
        (to / f"releases/{folder}.json").touch()
    (to / ".octo-ssh").mkdir()
    (to / "current").symlink_to("releases/1.0")
    seen = PackagePlace(str(to), Place.OURS, current="1.0")
    target.hold.observed = replace(target.hold.observed, packages={"go": seen})
    await target.lock(["go"])
    return to


async def overtake(target: Stand, to: Path) -> None:
    """Somebody else has the lease and the right."""
    lease = (await target.hold.look()).lease
    who = '{"user":"bob","host":"pc","run":"r2","purpose":"apply other","since":"noon"}'
    taken = acquire(
        target.hold.root,
        project="other",
        environment=None,
        run="r2",
        token="next",
        ttl_s=90,
        who=who,
        expect_head=(await target.hold.look()).head,
        lines=(),
        baseline=None,
        over=lease,
    )
    await target.session.act(taken)
    await target.session.act(grant(str(to), epoch=2, token="next"))


async def test_a_run_switches_by_the_right_that_it_took_after_the_lease(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    to = await placed(target)
    with pytest.raises(LeaseLost):
        await flip(target.hold, work(to), "2.0")
    await fence(target.hold, "go", work(to))
    await flip(target.hold, work(to), "2.0")
    assert os.readlink(to / "current") == "releases/2.0"
    await flip(target.hold, work(to), None)
    assert not (to / "current").is_symlink()


async def test_whoever_was_overtaken_is_told_by_whom_and_has_lost_the_target(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    to = await placed(target)
    await fence(target.hold, "go", work(to))
    await overtake(target, to)
    told = "the lock was taken over by bob@pc at noon for apply other \\(run r2\\)"
    with pytest.raises(LeaseLost, match=told):
        await flip(target.hold, work(to), "2.0")
    assert target.hold.lost.startswith("the lock was taken over by bob@pc")
    with pytest.raises(LeaseLost, match=told):
        await fence(target.hold, "go", work(to))
    assert os.readlink(to / "current") == "releases/1.0"


async def test_a_release_that_was_switched_since_it_was_seen_is_told(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    to = await placed(target)
    (to / "current").unlink()
    (to / "current").symlink_to("releases/2.0")
    with pytest.raises(RemoteError, match=r"somebody switched .*/current from 1\.0 to 2\.0 meanwhile"):
        await fence(target.hold, "go", work(to))


async def test_a_right_that_is_left_from_a_lock_that_was_removed_is_no_obstacle(tmp_path: Path) -> None:
    """Somebody began anew with an empty root; the release's place is as it was."""
    target = await stand(tmp_path)
    to = await placed(target)
    (to / ".octo-ssh/.flip.57.old").mkdir()
    await fence(target.hold, "go", work(to))
    await flip(target.hold, work(to), "2.0")
    assert os.readlink(to / "current") == "releases/2.0"


async def test_all_places_that_change_are_fenced_and_who_cannot_be_is_named(tmp_path: Path) -> None:
    target = await stand(tmp_path)
    to = await placed(target)
    step = samples.step("Go", samples.everywhere(["web-1"], work=work(to, build=False)))
    plan = samples.plan([step], ["web-1"])
    assert await fence_all({"web-1": target.hold}, plan) == {}
    assert [path.name for path in (to / ".octo-ssh").iterdir()] == [".flip.1.0123abcd"]
    await overtake(target, to)
    assert isinstance((await fence_all({"web-1": target.hold}, plan))["web-1"], LeaseLost)
