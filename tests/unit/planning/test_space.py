"""Room on a target, before anything is sent: what is needed, what is free, what a plan makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import ExitCode
from octo_ssh.model.manifest import Entry, Kind, Manifest
from octo_ssh.model.observed import Baseline, Disk, Done, Facts, Place
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.plan import Step
from octo_ssh.model.work import PackageWork, ScriptWork
from octo_ssh.planning.exit import exit_code, results
from octo_ssh.planning.schedule import Schedule
from octo_ssh.planning.space import MARGIN_BYTES, MARGIN_INODES, Load, shortage
from tests.unit.planning.builders import Case, facts, loaded, observed, package, place, run

WIDE = Disk(10**12, 10**9)
MB = 1_000_000


def tree(*sizes: int, folders: int = 0) -> Manifest:
    files = [Entry(f"f{number}", Kind.FILE, 0o644, size, "0" * 64) for number, size in enumerate(sizes)]
    return Manifest.of([*files, *(Entry(f"d{number}", Kind.DIR, 0o755) for number in range(folders))])


def load(manifest: Manifest, *, disk: Disk | None, bundle: int = 0, seeds: tuple[str, ...] = ()) -> Load:
    here = place(place=Place.ABSENT, disk=disk)
    case = Case(loaded(package()), {name: observed(name) for name in ("web-1", "web-2", "web-3")})
    work = case.of("deploy").work
    assert isinstance(work, PackageWork)
    work = replace(work, manifest=manifest, seeds=seeds)
    return Load(here, work, manifest, bundle)


def on(root: Disk) -> Facts:
    return facts(disk=root)


def test_where_there_is_room_nothing_is_said() -> None:
    assert shortage(on(WIDE), [load(tree(500 * MB), disk=WIDE, bundle=100 * MB)]) is None


def test_the_disk_of_the_place_must_hold_every_file_in_whole_blocks() -> None:
    need = 100 * 4096 + MARGIN_BYTES
    many = tree(*[1] * 100)
    assert shortage(on(WIDE), [load(many, disk=Disk(need + 100_000, None))]) is None
    told = shortage(on(WIDE), [load(many, disk=Disk(need - 1, None))])
    assert told is not None
    assert told.startswith("no room on the disk of /srv/shop for shop 1.4.2: 1.5 MB and ")
    assert told.endswith("files are needed, with a margin, and 1.5 MB are free")


def test_inodes_are_counted_where_the_file_system_does() -> None:
    many = tree(*[0] * 300, folders=100)
    told = shortage(on(WIDE), [load(many, disk=Disk(10**12, 400 + MARGIN_INODES - 1))])
    assert told is not None
    assert "and 449 files are free" in told
    assert shortage(on(WIDE), [load(many, disk=Disk(10**12, None))]) is None
    assert shortage(on(WIDE), [load(many, disk=Disk(10**12, 600))]) is None


def test_the_store_is_on_the_disk_of_root() -> None:
    told = shortage(on(Disk(20 * MB, None)), [load(tree(1), disk=WIDE, bundle=20 * MB)])
    assert told is not None
    assert "no room on the disk of /home/deploy/.octo-ssh for shop 1.4.2: 21.0 MB and" in told
    assert shortage(on(Disk(20 * MB, None)), [load(tree(1), disk=WIDE, bundle=18 * MB)]) is None


@pytest.mark.parametrize(("root", "to", "fits"), [("a", "a", False), ("a", "b", True), ("", "", True)])
def test_on_one_disk_all_needs_add_up(root: str, to: str, fits: bool) -> None:
    told = shortage(
        on(Disk(100 * MB, None, root)), [load(tree(70 * MB), disk=Disk(100 * MB, None, to), bundle=70 * MB)]
    )
    assert (told is None) is fits


def test_two_packages_on_one_disk_add_up_and_are_both_named() -> None:
    disk = Disk(100 * MB, None, "a")
    one = load(tree(60 * MB), disk=disk)
    assert shortage(on(WIDE), [one]) is None
    told = shortage(on(WIDE), [one, replace(one, work=replace(one.work, package="blog", to="/srv/blog"))])
    assert told is not None
    assert "for shop 1.4.2, blog 1.4.2:" in told


def test_what_killed_runs_left_makes_room() -> None:
    left = Disk(10 * MB, 10, "a", left_bytes=90 * MB, left_inodes=1000)
    assert shortage(on(WIDE), [load(tree(60 * MB), disk=left)]) is None
    assert shortage(on(left), [load(tree(1), disk=WIDE, bundle=60 * MB)]) is None
    assert shortage(on(WIDE), [load(tree(60 * MB), disk=replace(left, left_bytes=0))]) is not None
    assert shortage(on(WIDE), [load(tree(6 * MB), disk=replace(left, left_inodes=0))]) is not None


def test_what_fills_shared_places_is_counted() -> None:
    packed = Manifest.of([Entry("var/data", Kind.DIR, 0o755), Entry("var/data/x", Kind.FILE, 0o644, 50 * MB, "0" * 64)])
    one = replace(load(tree(1), disk=Disk(40 * MB, None), seeds=("var/data",)), package=packed)
    assert shortage(on(WIDE), [one]) is not None
    assert shortage(on(WIDE), [replace(one, work=replace(one.work, seeds=()))]) is None


def test_a_bundle_that_is_handed_over_lies_beside_the_release() -> None:
    one = load(tree(1), disk=Disk(50 * MB, None), bundle=30 * MB)
    assert shortage(on(WIDE), [one]) is None
    assert shortage(on(WIDE), [replace(one, work=replace(one.work, sudo_user="app"))]) is not None
    assert shortage(on(WIDE), [replace(one, work=replace(one.work, sudo_user="root"))]) is None


@given(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**10), st.booleans())
def test_more_room_never_is_a_shortage(size: int, bundle: int, free: int, same: bool) -> None:
    def told(free: int) -> str | None:
        disk = Disk(free, None, "a")
        return shortage(on(disk), [load(tree(size), disk=disk if same else replace(disk, id="b"), bundle=bundle)])

    if told(free) is None:
        assert told(free * 2 + 1) is None
        assert size <= free
        assert bundle <= free


# What a plan makes of it.

CRAMPED = facts("web-2", disk=Disk(100, 3, "a"))


def case(*more: Step) -> Case:
    plan = loaded(run("before"), package(), *more)
    seen = {
        name: observed(name, places={"deploy": place(place=Place.ABSENT, disk=WIDE)}) for name in ("web-1", "web-3")
    }
    seen["web-2"] = observed("web-2", facts=CRAMPED, places={"deploy": place(place=Place.ABSENT, disk=CRAMPED.disk)})
    return Case(plan, seen, manifest=tree(10 * MB))


def test_a_target_without_room_has_failed_before_anything_begins() -> None:
    plan = case().plan()
    assert set(plan.broken) == {"web-2"}
    assert plan.broken["web-2"].startswith("no room on the disk of /srv/shop for shop 1.4.2: ")
    for step in plan.walk():
        assert (step.planned["web-2"].outcome, step.planned["web-2"].work) == (Outcome.FAILED, None)
        assert step.planned["web-1"].outcome is Outcome.CHANGED
    assert plan.changing == ("web-1", "web-3")


def test_past_the_budget_the_run_stops_before_it_has_changed_anything() -> None:
    plan = case().plan()
    schedule = Schedule(plan)
    assert schedule.halted == "web-2 cannot be deployed to; max_failures is 0"
    assert schedule.ready() == ()
    assert exit_code(results(schedule)) is ExitCode.FAILED
    within = Schedule(replace(plan, max_failures=1))
    assert within.halted is None
    assert {start.target for start in within.ready()} == {"web-1", "web-3"}


def test_a_once_step_is_done_on_a_target_that_has_room() -> None:
    one = case(run("migrate", once=True))
    assert [name for name, planned in one.plan().walk()[-1].planned.items() if planned.due] == ["web-1"]
    one.seen["web-1"] = replace(one.seen["web-2"], facts=replace(CRAMPED, hostname="web-1", machine_id="one"))
    assert [name for name, planned in one.plan().walk()[-1].planned.items() if planned.due] == ["web-3"]


def test_what_a_target_without_room_remembers_of_a_once_step_counts() -> None:
    one = case(run("migrate", once=True))
    work = one.of("migrate").work
    assert isinstance(work, ScriptWork)
    done = Baseline(release="1.4.2", done={work.digest: Done("migrate", "1.4.2", "r1")})
    one.seen["web-2"] = replace(one.seen["web-2"], baseline=done)
    assert [name for name, planned in one.plan().walk()[-1].planned.items() if planned.due] == []


def test_where_nothing_is_laid_out_no_room_is_needed() -> None:
    one = Case(loaded(run("before")), {name: observed(name, facts=CRAMPED) for name in ("web-1",)})
    one.options = replace(one.options, limit=("web-1",))
    assert one.plan().broken == {}
