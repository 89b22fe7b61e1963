"""Tests of faults on the hosts of the fleet; each leaves a row for the table that the run ends with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.campaign import IS_LONG, PROPERTY, Tally

_SHORT_S = 900
_LONG_S = 6 * 3600


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Any) -> Iterator[Tally]:
    """The rounds of the test's fault, named after the first line of the test's docstring."""
    about = (request.function.__doc__ or request.node.name).strip().splitlines()[0].rstrip(".")
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    made = Tally(about.format(**params))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if IS_LONG and capture is not None:
        made.tell = lambda text: _show(capture, text)
    yield made
    record_property(PROPERTY, made.row())


def _show(capture: Any, text: str) -> None:
    with capture.global_and_fixture_disabled():
        print(text, file=sys.stderr, flush=True)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the fleet shares the hosts of one worker."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]) and "fleet" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(_LONG_S if IS_LONG else _SHORT_S))
            item.add_marker(pytest.mark.xdist_group("fleet"))
