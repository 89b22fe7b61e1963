"""A fleet for the whole test session: web-01 and web-02, and web-03 and web-04 behind the host ``jump``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.base import why_no_fleet
from tests.fleet.hosts import Fleet

_FIRST_TIME_S = 900


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Five hosts that are up. They are shared: a test leaves them as it found them, or resets what it used."""
    if reason := why_no_fleet():
        pytest.skip(reason)
    fleet = Fleet.boot(webs=4, behind_jump=2)
    yield fleet
    fleet.close()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks first may have to wait for the base to be made, and all share the hosts of one worker."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.timeout(_FIRST_TIME_S))
            item.add_marker(pytest.mark.xdist_group("fleet"))
