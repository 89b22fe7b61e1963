"""Fixtures for the tests of packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.packages.archives import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    home = tmp_path / "plans"
    home.mkdir()
    return Shop(home)
