"""What a release that somebody wrote to costs: the damaged files, whichever release comes next."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.model.observed import PlaceRequest
from octo_ssh.remote.observe import observe
from octo_ssh.transport.local import LocalSession
from tests.integration.farm import Farm, Told

BLOB = os.urandom(150_000).hex()
SMALL = os.urandom(5_000).hex()
DEPLOY = "- {name: Deploy, package: shop, configure: [conf]}"
LITTLE = 2_000
"""Bytes of a bundle beside its files."""


def _prepare(farm: Farm, release: str) -> None:
    farm.write_release({"blob": BLOB, "lib/small": SMALL, "lib/version": release, "conf": "at ${{ target }}"})
    farm.write_plan(DEPLOY, release=release)


def _release(farm: Farm, release: str) -> Told:
    _prepare(farm, release)
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    return told


def _planned(told: Told) -> dict[str, Any]:
    """What was planned for the deployment."""
    found: dict[str, Any] = told.all("plan_made")[-1]["plan"]["steps"][0]["planned"]["web-1"]
    return found


def _is_as_packed(farm: Farm, release: str) -> bool:
    current = farm.to() / "current"
    texts = {name: (current / name).read_text() for name in ("blob", "lib/small", "lib/version", "conf")}
    return texts == {"blob": BLOB, "lib/small": SMALL, "lib/version": release, "conf": "at web-1"}


def _rewrite(path: Path) -> None:
    path.write_text("tampered")


def test_a_repair_sends_the_damaged_file_and_little_more(farm: Farm) -> None:
    first = _release(farm, "1.0")
    assert first.sent["web-1"] > len(BLOB) // 2
    _rewrite(farm.to() / "current/lib/small")
    told = _release(farm, "1.0")
    assert _planned(told)["reason"] == "repair: lib/small changed; 1 file to send"
    assert len(SMALL) // 2 < told.sent["web-1"] < len(SMALL) + LITTLE
    assert (farm.current(), _is_as_packed(farm, "1.0")) == ("1.0_1", True)
    assert [line["repaired"] for line in farm.journal() if "repaired" in line] == [["lib/small"]]
    assert _release(farm, "1.0").outcomes.get(("deploy", "web-1"), "unchanged") == "unchanged"


@pytest.mark.parametrize("name", ["conf", "lib"])
def test_what_is_not_in_the_package_or_has_no_content_costs_nothing(farm: Farm, name: str) -> None:
    _release(farm, "1.0")
    path = farm.to() / "current" / name
    if path.is_dir():
        path.chmod(0o777)
    else:
        _rewrite(path)
    told = _release(farm, "1.0")
    assert told.sent["web-1"] < LITTLE
    assert (farm.current(), _is_as_packed(farm, "1.0")) == ("1.0_1", True)
    assert (farm.to() / "current/lib").stat().st_mode & 0o777 == 0o755


def test_a_new_release_takes_nothing_that_is_damaged_from_the_one_before(farm: Farm) -> None:
    _release(farm, "1.0")
    _rewrite(farm.to() / "current/lib/small")
    (farm.to() / "current/conf").unlink()
    told = _release(farm, "1.1")
    assert _planned(told)["reason"] == "release 1.1: 3 files to send"
    assert told.sent["web-1"] < len(SMALL) + LITTLE
    assert (farm.current(), _is_as_packed(farm, "1.1")) == ("1.1", True)


def test_a_release_whose_manifest_was_written_to_is_replaced_whole(farm: Farm) -> None:
    _release(farm, "1.0")
    _rewrite(farm.to() / "releases/1.0.json")
    told = _release(farm, "1.0")
    assert told.sent["web-1"] > len(BLOB) // 2
    assert (farm.current(), _is_as_packed(farm, "1.0")) == ("1.0_1", True)


def test_a_copy_that_came_out_wrong_is_sent_after_all(farm: Farm) -> None:
    _release(farm, "1.0")
    _rewrite(farm.to() / "current/lib/small")
    _remember_as_it_is(farm)
    told = _release(farm, "1.1")
    sizes = [event["bytes"] for event in told.all("push_started")]
    assert len(sizes) == 2
    assert sizes[1] < len(SMALL) + LITTLE
    assert (farm.current(), _is_as_packed(farm, "1.1")) == ("1.1", True)


def _remember_as_it_is(farm: Farm) -> None:
    """As after damage that leaves no trace but in the content: the fingerprint of the last success is today's."""
    request = PlaceRequest("deploy", str(farm.to()))
    session = LocalSession("web-1", home=str(farm.home()))
    seen = asyncio.run(session.observe(observe(str(farm.root()), "shop", None, (request,))))
    path = farm.root() / "state/shop/default.json"
    before = farm.baseline()["packages"]["deploy"]["fingerprint"]
    path.write_text(path.read_text().replace(before, seen.packages["deploy"].fingerprint))
