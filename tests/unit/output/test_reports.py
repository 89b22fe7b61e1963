"""The answers of the smaller verbs."""

from __future__ import annotations

import json
from collections.abc import Iterable

from octo_ssh.model.observed import Disk, Facts, Lease
from octo_ssh.model.outcomes import Outcome
from octo_ssh.model.reports import (
    Diagnosis,
    ExecResult,
    Finding,
    KeyChange,
    Level,
    LockRow,
    PackageStatus,
    StatusReport,
    TargetStatus,
)
from octo_ssh.output import reports
from octo_ssh.output.printer import Line, Tone

FACTS = Facts(
    "deploy",
    1000,
    "/home/deploy",
    "web-01",
    "",
    "Linux 6.1 x86_64",
    "b",
    "/home/deploy/.octo-ssh",
    Disk(12_000_000_000, 1),
)
WHO = json.dumps({"user": "ann", "host": "laptop", "run": "r", "purpose": "apply shop 1.4.2", "since": "07:03"})


def texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def lease(who: str, age_s: float | None = 12.0) -> Lease:
    return Lease(3, "token", 90, "boot", 1.0, who, age_s)


def test_like_outputs_are_folded_with_the_most_common_first() -> None:
    results = [ExecResult(f"web-{n}", Outcome.CHANGED, 0, b"ok\n") for n in range(1, 4)]
    results.append(ExecResult("web-4", Outcome.FAILED, 3, b"\x1b[31mno\x1b[0m\n"))
    results.append(ExecResult("web-5", Outcome.UNREACHABLE, None, b"", "refused"))
    assert texts(reports.exec_lines(results)) == [
        "── web-1 … web-3 (3) · exit status 0",
        "ok",
        "── web-4 · exit status 3",
        "no",
        "── web-5 · unreachable: refused",
    ]
    assert reports.exec_verdict(results) == Line("5 targets: 3 returned 0, 1 failed, 1 unreachable", Tone.BAD)


def test_outputs_that_differ_are_not_folded_even_when_the_status_is_the_same() -> None:
    results = [ExecResult("a", Outcome.CHANGED, 0, b"1"), ExecResult("b", Outcome.CHANGED, 0, b"2")]
    assert texts(reports.exec_lines(results)) == ["── a · exit status 0", "1", "── b · exit status 0", "2"]


def test_doctor_names_what_is_to_be_seen_to() -> None:
    well = Diagnosis("web-01", FACTS, (Finding(Level.GOOD, "tools are there"),))
    bad = Diagnosis("web-02", FACTS, (Finding(Level.BAD, "no zstd\x1b[2J", "apt install zstd"),))
    gone = Diagnosis("web-03", None, (Finding(Level.BAD, "refused"),), Outcome.UNREACHABLE)
    lines = texts(reports.doctor_lines([well, bad, gone]))
    assert lines[0] == "web-01  deploy@web-01 · Linux 6.1 x86_64 · 12.0 GB free at /home/deploy/.octo-ssh"
    assert "  bad   no zstd" in lines
    assert "        apt install zstd" in lines
    assert lines[-1] == "3 targets: 2 with something to see to"


def test_what_is_noted_of_many_is_told_once_below_them() -> None:
    note, own = Finding(Level.NOTE, "no zstd", "apt install zstd"), Finding(Level.NOTE, "no logger")
    rows = [Diagnosis("web-1", FACTS, (note, own)), Diagnosis("web-2", FACTS, (note,)), Diagnosis("web-3", FACTS, ())]
    lines = texts(reports.doctor_lines(rows))
    assert [line.split("  deploy@")[0] for line in lines] == [
        "web-1",
        "  note  no logger",
        "web-2",
        "web-3",
        "  note  web-1, web-2: no zstd",
        "        apt install zstd",
        "3 targets: all is well",
    ]


def test_a_target_without_facts_says_why() -> None:
    bad = (Finding(Level.BAD, "what is wrong"),)
    rows = [
        Diagnosis("a", None, bad, Outcome.UNCHANGED),
        Diagnosis("b", None, bad, Outcome.UNREACHABLE, host_key_refused=True),
        Diagnosis("c", None, bad, Outcome.UNREACHABLE),
    ]
    assert texts(reports.doctor_lines(rows))[:5:2] == ["a  not ready", "b  host key not trusted", "c  unreachable"]


def test_status_folds_releases_and_tells_what_does_not_fit() -> None:
    whole = (PackageStatus("shop", "1.4.2", complete=True),)
    rows = (
        TargetStatus("web-1", Outcome.UNCHANGED, "", "1.4.2", whole, (), None),
        TargetStatus("web-2", Outcome.UNCHANGED, "", "1.4.2", whole, (), None),
        TargetStatus("web-3", Outcome.UNCHANGED, "", "1.4.2", whole, ("activate",), lease(WHO)),
        TargetStatus("web-4", Outcome.UNCHANGED, "", None, (), (), None),
        TargetStatus("web-5", Outcome.UNREACHABLE, "refused", None, (), (), None),
    )
    assert texts(reports.status_lines(StatusReport("shop", "staging", rows))) == [
        "shop in staging, 5 targets",
        "  1.4.2         web-1, web-2",
        "  1.4.2         web-3",
        "                left undone: activate",
        "                locked by ann@laptop since 07:03 for apply shop 1.4.2 (run r)",
        "  nothing       web-4",
        "  unreachable   web-5",
        "                refused",
    ]


def test_a_lock_says_who_holds_it_whatever_its_text_is() -> None:
    rows = [
        LockRow("a", Outcome.UNCHANGED, lease(WHO, None), released=True),
        LockRow("b", Outcome.UNCHANGED, lease("\x1b]0;evil\x07{not json")),
        LockRow("c", Outcome.UNCHANGED, None),
        LockRow("d", Outcome.UNREACHABLE, None, reason="refused"),
        *(LockRow(f"e-{number}", Outcome.UNCHANGED, lease(WHO, 100.0)) for number in (1, 2, 3)),
    ]
    lines = texts(reports.lock_lines(rows))
    assert lines[0].startswith("  a  released, was held by ann@laptop since 07:03")
    assert lines[0].endswith("from before a reboot")
    assert "not json" in lines[1]
    assert "\x1b" not in lines[1]
    held = "held by ann@laptop since 07:03 for apply shop 1.4.2 (run r), expired: not renewed for 1 min 40 s"
    assert lines[2:] == ["  d  unreachable: refused", f"  e-1 … e-3 (3)  {held}", "  not locked: c"]


def test_a_changed_key_is_not_to_be_missed() -> None:
    change = KeyChange("web-1", "[h]:2222", {"ssh-ed25519": "SHA256:new"}, {"ssh-ed25519": "SHA256:old"}, ("line",))
    lines = reports.trust_lines([change])
    assert lines[0].tone is Tone.BAD
    assert "CHANGED" in lines[0].text
    assert any("SHA256:old" in line.text for line in lines)
    assert any("SHA256:new" in line.text for line in lines)


def test_new_known_and_missing_keys_are_told_apart() -> None:
    keys = {"ssh-ed25519": "SHA256:x"}
    lines = texts(
        reports.trust_lines(
            [
                KeyChange("a", "a", keys, {}, ("a ssh-ed25519 AAAA",)),
                KeyChange("b", "b", keys, keys, ()),
                KeyChange("c", "c", {}, {}, (), "c (c): refused\n  is sshd running?"),
                KeyChange("d", "d", {}, {}, (), "it lies behind c", behind="c"),
            ]
        )
    )
    assert lines == [
        "a  a  new",
        "       ssh-ed25519           SHA256:x",
        "b  b  known",
        "c  c  no key: refused",
        "       is sshd running?",
        "d  d  not seen yet: it lies behind c",
    ]


def test_a_report_is_one_json_document() -> None:
    row = LockRow("a", Outcome.UNCHANGED, None, state="free")
    assert reports.report_document("lock", [row]) == {
        "lock": [
            {
                "target": "a",
                "outcome": "unchanged",
                "lease": None,
                "released": False,
                "reason": "",
                "state": "free",
                "running": [],
            }
        ]
    }
