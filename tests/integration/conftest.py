"""Everything here talks to real OpenSSH servers; the fixtures are in ``tests/conftest.py``."""

from __future__ import annotations

import pytest

from tests.integration.sshd import why_no_sshd


@pytest.fixture(autouse=True)
def _needs_sshd() -> None:
    if reason := why_no_sshd():
        pytest.skip(reason)
