"""What a saved plan is bound to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octo_ssh.model.observed import ServiceSeen
from octo_ssh.operations.saved import _canonical

UNIT = ServiceSeen(True, "loaded", "active", "enabled", unit_sha256="0" * 64, main_pid=7, runs_in=("/", "/bin/app"))


def test_a_service_that_was_started_again_is_no_other() -> None:
    assert _canonical(replace(UNIT, main_pid=8, runs_in=())) == _canonical(UNIT)


@pytest.mark.parametrize("change", [{"active": "failed"}, {"enabled": "disabled"}, {"unit_sha256": "1" * 64}])
def test_a_service_that_somebody_changed_is_another(change: dict[str, str]) -> None:
    assert _canonical(replace(UNIT, **change)) != _canonical(UNIT)  # type: ignore[arg-type]
