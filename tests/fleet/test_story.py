"""The main job on real Debian hosts with systemd: two of them behind a jump host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import shop
from tests.fleet.hosts import Fleet
from tests.fleet.story import Shop, compressed_bytes


@pytest.fixture(scope="module")
def story(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The chapters below build on each other: pytest runs them in their order."""
    told = Shop(fleet, tmp_path_factory.mktemp("shop"))
    told.set_up()
    yield told
    told.each(lambda host: host.run("systemctl stop shop; rm -rf /srv/shop ~deploy/.octo-ssh"))


def test_a_first_release_arrives_everywhere_as_the_plan_said(story: Shop) -> None:
    story.release("1.0.0")
    forecast = story.plan("--release", "1.0.0")
    told = story.apply("--release", "1.0.0")
    assert told.code == 0, told.stderr
    assert told.outcomes == forecast
    assert set(told.outcomes.values()) == {"changed", "unchanged"}
    assert story.current() == {"releases/1.0.0"}
    assert story.healthz() == {"ok 1.0.0"}


def test_what_lies_there_is_complete_configured_and_shared(story: Shop) -> None:
    def look(host: object) -> None:
        name, root = host.name, host.folder / "srv/shop/releases/1.0.0"  # type: ignore[attr-defined]
        packaged = [path for path in (story.folder / "release").rglob("*") if path.is_file()]
        assert len(packaged) == shop.FILES
        for path in packaged:
            inside = path.relative_to(story.folder / "release")
            if inside.parts[0] not in ("config", "var"):
                assert (root / inside).read_bytes() == path.read_bytes()
        assert (root / "config/shop.conf").read_text() == f"greeting=hello\ntarget={name}\n"
        assert (root / "var/uploads").readlink() == Path("../../../shared/var/uploads")
        assert (root.parent.parent / "shared/var/uploads/README").read_text() == "uploads live here\n"
        assert (root / "bin/shop").stat().st_mode & 0o7777 == 0o755

    story.each(look)


def test_the_second_time_nothing_is_changed_locked_or_written(story: Shop) -> None:
    before = story.each(lambda host: host.run("cd ~deploy/.octo-ssh && sha256sum journal.jsonl && ls lock").stdout)
    told = story.apply("--release", "1.0.0")
    assert told.code == 0
    assert told.outcomes == {}
    assert {end["outcome"] for end in told.all("run_ended")[0]["results"]} == {"unchanged"}
    assert set(story.plan("--release", "1.0.0").values()) == {"unchanged"}
    assert "lock" not in {phase["phase"] for phase in told.all("phase_started")}
    assert before == story.each(
        lambda host: host.run("cd ~deploy/.octo-ssh && sha256sum journal.jsonl && ls lock").stdout
    )


def test_a_second_release_sends_what_changed_and_little_more(story: Shop) -> None:
    story.release("1.1.0", edited=shop.EDITED)
    forecast = story.plan("--release", "1.1.0")
    told = story.apply("--release", "1.1.0")
    assert told.code == 0, told.stderr
    assert told.outcomes == forecast
    assert story.healthz() == {"ok 1.1.0"}
    assert len(told.sent) == len(story.fleet.webs)
    assert max(told.sent.values()) <= 1.1 * compressed_bytes(story.folder / "release", shop.EDITED)


def test_a_canary_that_is_not_well_stops_the_rest(story: Shop) -> None:
    story.release("1.2.0", edited=shop.EDITED + 1, healthy=False)
    told = story.apply("--release", "1.2.0")
    assert told.code == 1
    assert [
        (event["step"], event["outcome"]) for event in told.all("step_ended") if event["step"] == "deploy_shop"
    ] == [("deploy_shop", "failed")]
    assert "canary" in told.all("run_halted")[0]["reason"]
    assert story.healthz() == {"ok 1.1.0"}


def test_a_release_that_is_not_well_goes_back_on_every_target(story: Shop) -> None:
    story.roll_out(shop.ALL_AT_ONCE)
    told = story.apply("--release", "1.2.0")
    assert told.code == 1
    deployed = [event for event in told.all("step_ended") if event["step"] == "deploy_shop"]
    assert {event["target"] for event in deployed} == {host.name for host in story.fleet.webs}
    assert {event["outcome"] for event in deployed} == {"failed"}
    assert all("back at 1.1.0" in event["reason"] for event in deployed)
    assert story.current() == {"releases/1.1.0"}
    assert story.healthz() == {"ok 1.1.0"}
    story.roll_out(shop.CAREFUL)


def test_after_a_return_the_old_release_is_still_the_one_that_is_wanted(story: Shop) -> None:
    story.release("1.1.0", edited=shop.EDITED)
    assert story.apply("--release", "1.1.0").code == 0
    assert set(story.plan("--release", "1.1.0").values()) == {"unchanged"}
    assert story.current() == {"releases/1.1.0"}


def test_somebody_who_edits_a_release_by_hand_is_undone(story: Shop) -> None:
    host = story.fleet.webs[0]
    host.run("echo tampered >>/srv/shop/current/lib/part00/module0000.txt; touch /srv/shop/current/lib/extra")
    forecast = story.plan("--release", "1.1.0")
    told = story.apply("--release", "1.1.0")
    assert told.code == 0, told.stderr
    assert told.outcomes == forecast
    damaged = story.folder / "release/lib/part00/module0000.txt"
    assert set(told.sent) == {host.name}
    assert told.sent[host.name] < damaged.stat().st_size + 100_000
    assert "tampered" not in host.run("cat /srv/shop/current/lib/part00/module0000.txt").stdout
    assert host.run("readlink /srv/shop/current").stdout == "releases/1.1.0_1\n"
