"""What a check for drift says to people, and in numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from octo_ssh.model.drift import DriftReport, Finding, FindingKind, State
from octo_ssh.output.drift_sentences import name_words, sentence
from octo_ssh.output.drift_view import DIFF_LINES, FINDINGS, drift_view
from octo_ssh.output.printer import Tone
from tests.unit.output.drifts import CACHE, changed, everything, mode, report, step, target, web


def text(found: DriftReport, *, verbose: bool = False) -> list[str]:
    return [line.text for line in drift_view(found, verbose=verbose)]


def test_all_that_a_check_can_tell_stands_in_its_place() -> None:
    assert text(everything()) == [
        "shop in production, 10 targets, 2026-11-24 07:03 UTC",
        "  unreachable  web-06  connection refused",
        "  unknown      web-07  busy: ann@box applies shop",
        "  drift        web-08: IT HAS CHANGED offered: SHA256:bbbb",
        "",
        "Deploy shop",
        "  drift        3 targets: etc/app.conf changed, new since yesterday on 2, still there after 6 days on 1",
        "               web-01 … web-03",
        "                 @@ -1 +1 @@",
        "                 -port = 80",
        "                 +port = 81",
        "               3 targets: bin/shop mode 0755 → 0644",
        "  unknown      web-05  etc: permission denied",
        "  expected     web-04: var/cache/** (the app writes here) until 2027-03-01: 1 finding",
        "  note         manifest unverified on 3 targets: compared with the target's own record alone",
        "",
        "Not applied yet, which is no drift",
        "  pending      web-01 … web-03 (3)  Migrate database: 1.4.3 was never applied",
        "",
        "Gone since the check before",
        "  gone         web-09: bin/x missing",
        "",
        "Entries of drift.ignore to look at",
        "  expired      etc/old.conf of deploy_shop (by hand) ended on 2026-10-01: what it covered is drift again",
        "  unused       var/cache/** (the app writes here) until 2027-03-01: it matched nothing",
        "",
        "drift: 4 targets, 7 findings; unknown 2; unreachable 1; pending 3; expected 1; gone 1; in sync 2 (of 10),"
        " 1.9 s",
    ]


def test_the_page_about_drift_shows_what_is_printed() -> None:
    disabled = Finding("service", FindingKind.ENABLED, "shop.service", "enabled", "disabled")
    told = {
        "web-03": (step(changed(), mode()),),
        "web-07": (step(changed()), step(disabled, id="service")),
        "web-20": (step(state=State.PENDING, reason="never applied here"),),
    }
    names = [f"web-{number:02}" for number in range(1, 21)]
    alike = {name: (step(changed()),) if number < 12 else (step(),) for number, name in enumerate(names)}
    targets = [target(name, *steps) for name, steps in {**alike, **told}.items() if name != "web-19"]
    targets.insert(18, target("web-19", unreachable="connection refused"))
    ages = {(name, changed().key): "2026-11-24T02:00:07Z" for name in names}
    ages["web-03", mode().key] = "2026-11-18T02:00:07Z"
    found = replace(
        report(targets, ages=ages, before=dict.fromkeys(names, "2026-11-23T02:00:07Z")), at="2026-11-24T02:00:07Z"
    )
    page = (Path(__file__).parents[3] / "docs/drift.md").read_text(encoding="utf-8")
    shown = page.partition("$ octo-ssh drift plan.yaml -e production\n")[2].partition("```")[0]
    assert shown.splitlines() == text(found)


def test_all_in_sync_is_two_lines() -> None:
    assert text(report(web(20))) == [
        "shop in production, 20 targets, 2026-11-24 07:03 UTC",
        "",
        "drift: none; in sync 20 (of 20), 1.9 s",
    ]


def test_identical_findings_are_told_once() -> None:
    lines = text(report([*web(12, step(changed(), mode())), *web(8, step(changed()), first=13)]))
    assert lines[3:6] == [
        "  drift        all 20 targets: etc/app.conf changed",
        "  drift        12 targets: bin/shop mode 0755 → 0644",
        "               web-01 … web-12",
    ]


def test_findings_with_other_words_or_another_diff_are_told_apart() -> None:
    found = [target("a", step(changed("x", "+1"))), target("b", step(changed("x", "+2")))]
    assert [line for line in text(report(found)) if "changed" in line] == [
        "  drift        a: x changed",
        "  drift        b: x changed",
    ]


def test_names_are_shown_in_their_own_order() -> None:
    found = report([target(name, step(mode())) for name in ("web-10", "web-2", "db")] + [target("a")])
    assert text(found)[4] == "               db, web-2, web-10"


def test_verbose_tells_who_is_in_sync_and_what_is_expected() -> None:
    lines = text(everything(), verbose=True)
    assert "  in sync      web-09, web-10" in lines
    assert "                 web-04: var/cache/x changed" in lines


def test_what_is_too_much_is_cut_unless_asked_for() -> None:
    many = report([target("a", step(*(changed(f"f{number:03}") for number in range(FINDINGS + 5))))])
    assert text(many)[-3] == "               … 5 more: -v shows them"
    assert sum("changed" in line for line in text(many, verbose=True)) == FINDINGS + 5
    long = report([target("a", step(changed("x", *(f"+{number}" for number in range(DIFF_LINES + 3)))))])
    assert text(long)[-3] == "                 … 3 more lines: -v shows them"
    assert text(long, verbose=True)[-3] == f"                 +{DIFF_LINES + 2}"


def test_a_step_that_has_drifted_may_be_unknown_in_part_or_pending_too() -> None:
    found = report(
        [
            target("a", step(mode(), reason="lib: permission denied", partly_unknown=True)),
            target("b", step(mode(), reason="1.5 was never applied")),
        ]
    )
    lines = text(found)
    assert "  unknown      a  in part: lib: permission denied" in lines
    assert "  pending      b  Deploy shop: 1.5 was never applied" in lines
    assert lines[-1] == "drift: 2 targets, 2 findings; unknown 1; pending 1; in sync 0 (of 2), 1.9 s"


def test_expected_findings_are_counted_by_their_entry() -> None:
    covered = tuple((changed(f"var/cache/{number}"), CACHE) for number in range(1000))
    lines = text(report(web(3, step(state=State.EXPECTED, expected=covered))))
    assert lines[3:-2] == [
        "  expected     all 3 targets: var/cache/** (the app writes here) until 2027-03-01: 3,000 findings"
    ]


def test_the_last_line_is_good_only_where_all_was_looked_at_and_nothing_drifted() -> None:
    pending = step(state=State.PENDING, reason="never applied")
    tones = [
        drift_view(report(targets))[-1].tone
        for targets in (web(1), web(1, pending), web(1, step(mode())), [target("a", unreachable="refused")])
    ]
    assert tones == [Tone.GOOD, Tone.GOOD, Tone.BAD, Tone.BAD]


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        (FindingKind.CONTENT, ("etc/app.conf",), "etc/app.conf changed"),
        (FindingKind.KIND, ("x", "file", "fifo"), "x is of another kind: file → fifo"),
        (FindingKind.OWNER, ("x", "0:0", "1000:1000"), "x owner 0:0 → 1000:1000"),
        (FindingKind.LINK, ("x", "a", "b"), "x leads elsewhere: a → b"),
        (FindingKind.MISSING, ("x", "file", "gone"), "x missing"),
        (FindingKind.MISSING, ("lib", "folder", "gone"), "lib missing (folder)"),
        (FindingKind.EXTRA, ("-rf", "", "file"), "-rf extra"),
        (FindingKind.EXTRA, ("tmp", "", "folder"), "tmp extra (folder)"),
        (FindingKind.CURRENT, ("current", "1.4.2", "1.4.1"), "current is another release: 1.4.2 → 1.4.1"),
        (FindingKind.CURRENT, ("current", "1.4.2", "gone"), "current is gone, was 1.4.2"),
        (FindingKind.SHARED, ("var/uploads", "shared", "folder"), "var/uploads is shared no more: folder"),
        (FindingKind.MANIFEST, ("releases/1.json", "3fa1", "99bc"), "manifest changed: releases/1.json 3fa1 → 99bc"),
        (FindingKind.STATE, ("shop.service", "active", "inactive"), "shop.service is inactive, was active"),
        (FindingKind.ENABLED, ("shop.service", "enabled", "not enabled"), "shop.service is not enabled, was enabled"),
        (FindingKind.STATE, ("shop.service", "active"), "shop.service is not as it was left, was active"),
        (FindingKind.MASKED, ("shop.service", "enabled", "masked"), "shop.service is masked"),
        (FindingKind.UNIT, ("shop.service", "", "with x.conf"), "shop.service unit files changed (now with x.conf)"),
        (FindingKind.UNIT, ("shop.service", "", "changed"), "shop.service unit files changed"),
        (FindingKind.OLD_RELEASE, ("shop.service", "1.4.2", "1.4.1"), "shop.service still runs 1.4.1, not 1.4.2"),
        (FindingKind.UNLESS, ("seed", "already so", "'unless' gave 1"), "seed is undone: 'unless' gave 1"),
        (FindingKind.OWED, ("activate", "", "owed since 1"), "activate was never seen to be done: owed since 1"),
        (FindingKind.CHECK, ("smoke", "passes", "exit status 7"), "smoke does not pass: exit status 7"),
        (FindingKind.HOST_KEY, ("",), "host key changed"),
    ],
)
def test_a_finding_is_a_plain_sentence(kind: FindingKind, words: tuple[str, ...], said: str) -> None:
    subject, was, now = (*words, "", "")[:3]
    assert sentence(Finding("s", kind, subject, was, now)) == said


@pytest.mark.parametrize("kind", FindingKind)
def test_every_kind_has_words_for_all_that_may_be_known_of_it(kind: FindingKind) -> None:
    for words in (("", "", ""), ("x", "", ""), ("x", "a", ""), ("x", "", "b"), ("x", "a", "b")):
        said = sentence(Finding("s", kind, *words))
        assert said
        assert said == " ".join(said.split())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("etc/größe.conf", "etc/größe.conf"),
        ("it's", "it's"),
        ('say "x"', 'say "x"'),
        ("a b", "a b"),
        ("a  b", '"a  b"'),
        (" a", '" a"'),
        ("a\nb", r'"a\nb"'),
        ('"\n', r'"\"\n"'),
        ("a\\\tb", r'"a\\\tb"'),
        ("\x1b[31mred", r'"\x1b[31mred"'),
        ("a\u202eb", r'"a\u202eb"'),
        ("caf\udce9", r'"caf\xe9"'),
        ("", ""),
    ],
)
def test_odd_names_are_quoted_so_that_nothing_hides(name: str, shown: str) -> None:
    assert name_words(name) == shown


def test_nothing_from_a_target_is_a_control_sequence() -> None:
    harm = "\x1b]0;x\x07\x1b[31m\u202e\nroot: fine"
    finding = Finding("s", FindingKind.CONTENT, harm, harm, harm, (f"+{harm}",))
    drifted = step(finding, reason=harm, partly_unknown=True)
    found = report([target("a", drifted), target("b", unreachable=harm)], gone=(("a", finding),))
    for line in text(found, verbose=True):
        assert not set(line) & set("\x1b\x07\u202e\n\r")


def test_what_to_do_stands_below_the_trouble_once_for_each_target() -> None:
    host_key = Finding("", FindingKind.HOST_KEY, "host key", "as in known_hosts", "IT HAS CHANGED")
    targets = [
        *(target(f"web-{number}", unreachable="unknown key", hint=f"trust web-{number}") for number in range(7)),
        target("db", findings=(host_key,), hint="trust db\nnow"),
        target("web-9", unreachable="refused"),
    ]
    lines = text(report(targets))
    [unknown] = [number for number, line in enumerate(lines) if line.endswith("  unknown key")]
    shown = [f"{' ' * 15}trust web-{number}" for number in range(5)]
    more = f"{' ' * 15}… and so for 2 more: -v shows them"
    assert lines[unknown + 1 : unknown + 8] == [*shown, more, "  unreachable  web-9  refused"]
    assert lines[unknown + 8 : unknown + 10] == ["  drift        db: IT HAS CHANGED", f"{' ' * 15}trust db now"]
    assert f"{' ' * 15}trust web-6" in text(report(targets), verbose=True)


def test_what_an_apply_has_accepted_is_there_still() -> None:
    unit = Finding("unit", FindingKind.UNIT, "shop.service", "", "with evil.conf")
    lines = text(report([target("web-1")], accepted=(("web-1", unit),)))
    place = lines.index("There still, and accepted by apply since the check before")
    assert lines[place + 1] == "  accepted     web-1: shop.service unit files changed (now with evil.conf)"
    assert lines[-1] == "drift: none; accepted 1; in sync 1 (of 1), 1.9 s"
