"""Past checks and what is open, in lines."""

from __future__ import annotations

from octo_ssh.output.drift_history import DriftHistory, OpenFinding, PastCheck
from octo_ssh.output.drift_history_view import history_lines

EARLIER, LATER = "2026-11-18T02:00:00.000Z", "2026-11-24T02:00:00.000Z"


def check(at: str, drifted: int = 0, unknown: int = 0) -> PastCheck:
    return PastCheck("shop", "production", at, 1.0, 1300, drifted, unknown, 0, 0, 1300 - drifted - unknown, drifted)


def finding(target: str, first_seen: str = EARLIER, kind: str = "mode", subject: str = "bin/run") -> OpenFinding:
    return OpenFinding("shop", "production", target, "shop", kind, subject, "0755", "0777", first_seen, LATER)


def test_checks_stand_in_columns_and_open_findings_are_folded() -> None:
    rows = (*(finding(f"web-{number:02}") for number in range(1, 5)), finding("db", LATER, "no such kind", "a\nb"))
    lines = history_lines([DriftHistory("shop", "production", (check(EARLIER, 5, 12), check(LATER, 5)), rows)])
    assert [line.text for line in lines] == [
        "shop in production: 2 checks",
        "  checked (UTC)     targets  drifted  unknown  pending  expected  in sync  findings",
        "  2026-11-18 02:00    1,300        5       12        0         0    1,283         5",
        "  2026-11-24 02:00    1,300        5        0        0         0    1,295         5",
        "  open: 5 findings",
        "        6 days  4 targets: bin/run mode 0755 → 0777 (web-01 … web-04)",
        '           new  db: "a\\nb" no such kind',
    ]


def test_where_nothing_is_open_that_is_said() -> None:
    lines = history_lines(
        [DriftHistory("shop", None, (check(LATER),), ()), DriftHistory("blog", None, (check(LATER),), ())]
    )
    assert [line.text for line in lines if "open" in line.text] == ["  nothing is open", "  nothing is open"]
    assert [line.text for line in history_lines([])] == ["no check for drift is remembered here"]
