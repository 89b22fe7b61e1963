"""Tests on the hosts of the fleet (the fixture is in ``tests/conftest.py``)."""

from __future__ import annotations

import pytest

_FIRST_TIME_S = 900


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks first may have to wait for the base to be made, and all share the hosts of one worker."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.timeout(_FIRST_TIME_S))
            item.add_marker(pytest.mark.xdist_group("fleet"))
