"""How errors combine and speak."""

from __future__ import annotations

import pytest

from octo_ssh.errors import ExitCode, RemoteError, combine


@pytest.mark.parametrize(
    ("codes", "together"),
    [
        ((), ExitCode.DONE),
        ((4, 0), ExitCode.INCOMPLETE),
        ((3, 4), ExitCode.DIFFERS),
        ((1, 3, 4), ExitCode.FAILED),
        ((5, 1), ExitCode.REFUSED),
        ((5, 130, 1), ExitCode.INTERRUPTED),
    ],
)
def test_the_worst_exit_code_wins(codes: tuple[int, ...], together: ExitCode) -> None:
    assert combine(map(ExitCode, codes)) is together


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("web-1: refused", "refused"),
        ("web-1 (10.0.0.1): refused", "refused"),
        ("web-10: refused", "web-10: refused"),
        ("tar: cannot open", "tar: cannot open"),
    ],
)
def test_beside_its_targets_name_a_message_does_not_repeat_it(message: str, shown: str) -> None:
    assert RemoteError(message).beside("web-1") == shown
