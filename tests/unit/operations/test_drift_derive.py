"""What a check knows of packages by itself: each looked for once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.load import LoadRequest, look
from octo_ssh.operations import drift_derive
from octo_ssh.operations.drift_derive import NOT_AT_HAND, Shelf
from octo_ssh.packages.acquire import acquire
from octo_ssh.planning.derive import Derived

PLAN = """
version: 1
project: shop
release: "1.4.2"
packages: {shop: {dir: "dist/${{ release }}"}}
steps: [{name: Deploy, package: shop, configure: [app.conf]}]
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "inventory.yaml").write_text("version: 1\ntargets: {web-1: {}}\n")
    for release in ("1.4.1", "1.4.2"):
        (tmp_path / "dist" / release).mkdir(parents=True)
        (tmp_path / "dist" / release / "app.conf").write_text(release)
    request = LoadRequest(str(tmp_path / "plan.yaml"))
    return Shelf(request, look(request), tmp_path / "cache")


def test_a_package_is_looked_for_once_whoever_asks(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def counted(source: Any, place: str, **words: Any) -> Any:
        found.append(place)
        return acquire(source, place, **words)

    monkeypatch.setattr(drift_derive, "acquire", counted)
    for release in (None, "1.4.2", "1.4.1", None, "1.4.1"):
        assert shelf.release(release) is not None
    assert shelf.release("1.4.2") is shelf.release(None) is shelf.planned
    assert found == ["dist/1.4.2", "dist/1.4.1"]


@pytest.mark.parametrize("release", ["../../etc", "/etc", "", "1.4.2/..", "${{ 7 * 7 }}", "x\ny"])
def test_what_a_target_calls_its_release_leads_nowhere(release: str, shelf: Shelf) -> None:
    assert shelf.release(release) is None


def test_a_package_that_is_damaged_here_tells_nothing(shelf: Shelf) -> None:
    (step,) = shelf.now.plan.walk()
    assert set(shelf.planned.packages) == {"shop"}  # it lies in the cache now
    for path in shelf.cache.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"x" * 5)
    assert shelf.planned.package(step, "web-1") == NOT_AT_HAND


def test_what_is_at_hand_is_derived(shelf: Shelf) -> None:
    (step,) = shelf.now.plan.walk()
    assert isinstance(shelf.planned.package(step, "web-1"), Derived)
