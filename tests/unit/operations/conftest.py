"""Fixtures for the tests of operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operations.fleets import LocalFleet

INVENTORY = """
version: 1
environments: {staging: {}, production: {}}
targets:
  web-[1:3]: {tags: [web], environments: [staging]}
  db: {tags: [db], environments: [production], root: "~/elsewhere"}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> LocalFleet:
    """web-1, web-2, web-3 and db, as folders of this machine."""
    fleet = LocalFleet(tmp_path)
    fleet.write(INVENTORY)
    return fleet
