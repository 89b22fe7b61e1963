"""All targets that change are locked, or none; a lock has a holder, and what moved is looked at again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from tests.integration.farm import Farm, Told, listing, wait_until

HOLD = "- {name: Hold, run: 'touch ~/held; while [ ! -e ~/go ]; do sleep 0.05; done'}"
STEPS = """
- {name: Migrate, run: 'echo "$OCTO_RELEASE" >>~/migrated'}
- {name: Deploy, package: shop}
"""


def _hold(farm: Farm, target: str = "web-2") -> Callable[[], Told]:
    """Another run holds the target until the result is called."""
    farm.write_plan(HOLD, packages="", project="other")
    process = farm.start_apply("--limit", target)
    wait_until((farm.home(target) / "held").exists, "the other run holds its target")

    def let_go() -> Told:
        (farm.home(target) / "go").touch()
        return farm.finish(process)

    return let_go


def test_a_held_lock_refuses_the_run_at_once_names_the_holder_and_locks_nobody(farm: Farm) -> None:
    let_go = _hold(farm)
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS)
    told = farm.apply()
    assert told.code == 5
    assert "web-2 is locked by" in told.stderr
    assert "apply other" in told.stderr
    assert "octo-ssh lock --release web-2" in told.stderr
    assert not any(farm.home("web-1").iterdir())
    assert farm.is_locked("web-2")
    assert farm.octo("lock", "web-2").code == 0
    assert let_go().code == 0
    assert not farm.is_locked("web-2")


def test_a_refused_run_leaves_nothing_to_be_done(farm: Farm) -> None:
    """What it had decided for the targets that were free is not due because of it."""
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS + "- {name: Tell, when: always, run: 'echo x >>~/told'}")
    assert farm.apply().code == 0
    let_go = _hold(farm)
    farm.write_plan(STEPS + "- {name: Tell, when: always, run: 'echo x >>~/told'}")
    assert farm.apply("--redeploy").code == 5
    assert let_go().code == 0
    assert farm.apply().ends == {"web-1": "unchanged", "web-2": "unchanged"}
    assert (farm.home() / "told").read_text() == "x\n"


def test_targets_that_do_not_change_are_not_waited_for(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS)
    assert farm.apply().code == 0
    let_go = _hold(farm)
    farm.write_plan(STEPS)
    assert farm.apply().ends == {"web-1": "unchanged", "web-2": "unchanged"}
    assert let_go().code == 0


def test_lock_wait_waits_and_then_does_all(farm: Farm) -> None:
    let_go = _hold(farm)
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS)
    waiting = farm.start_apply("--lock-wait", "60s")
    farm.until_said(waiting, '"phase":"lock"')
    assert let_go().code == 0
    _, stderr = waiting.communicate(timeout=60)
    farm.forget(waiting)
    assert waiting.returncode == 0, stderr
    assert farm.current("web-1") == farm.current("web-2") == "1.0"
    assert (farm.home() / "migrated").read_text() == "1.0\n"
    assert not farm.is_locked("web-1")


def test_lock_wait_gives_up_in_the_end(farm: Farm) -> None:
    let_go = _hold(farm)
    farm.write_plan("- {name: Go, run: 'touch ~/went'}", packages="")
    told = farm.apply("--lock-wait", "1s")
    assert told.code == 5
    assert "waited 1 s" in told.stderr
    assert not (farm.home() / "went").exists()
    assert let_go().code == 0


def test_a_lease_that_was_freed_ends_the_run_that_held_it(farm: Farm) -> None:
    let_go = _hold(farm)
    assert farm.octo("lock", "--release", "web-2").code == 0
    farm.write_plan("- {name: Go, run: 'touch ~/went'}", packages="")
    assert farm.apply("--limit", "web-2").code == 0
    let_go()
    lines = farm.journal("web-2")
    ended = [line["project"] for line in lines if line["what"] == "run ended"]
    assert ended in (["shop"], ["other", "shop"]), "once somebody else has the lease, its end is not written any more"


def test_a_target_that_moved_while_it_was_looked_at_is_looked_at_again(farm: Farm) -> None:
    """Two runs of one release wait for a third: the later one finds everything done."""
    farm.write_release({"version": "1.0"})
    let_go = _hold(farm, "web-1")
    farm.write_plan(STEPS)
    first = farm.start_apply("--lock-wait", "60s")
    farm.until_said(first, '"phase":"lock"')
    second = farm.start_apply("--lock-wait", "60s")
    farm.until_said(second, '"phase":"lock"')
    assert let_go().code == 0
    codes = []
    for process in (first, second):
        _, stderr = process.communicate(timeout=60)
        assert "Traceback" not in stderr
        farm.forget(process)
        codes.append((process.returncode, stderr))
    assert [code for code, _ in codes] == [0, 0], codes
    for name in farm.hosts:
        assert len([line for line in farm.journal(name) if line["what"] == "switching"]) == 1
        assert (farm.home(name) / "migrated").read_text() == "1.0\n"


def test_the_journal_is_one_chain_that_tells_who_did_what(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS)
    told = farm.apply("--limit", "web-1")
    farm.write_release({"version": "1.1"})
    farm.write_plan(STEPS, release="1.1")
    assert farm.apply("--limit", "web-1").code == 0
    raw = (farm.root() / "journal.jsonl").read_bytes().splitlines()
    heads = ["", *(hashlib.sha256(line).hexdigest() for line in raw)]
    lines = farm.journal()
    assert [line["prev"] for line in lines] == heads[:-1]
    assert {line["v"] for line in lines} == {1}
    assert [(line["what"], line.get("step"), line.get("outcome")) for line in lines[: len(lines) // 2]] == [
        ("decided", None, None),
        ("step ended", "migrate", "changed"),
        ("switching", "deploy", None),
        ("step ended", "deploy", "changed"),
        ("run ended", None, "changed"),
    ]
    assert lines[0]["due"] == ["migrate", "deploy"]
    run = told.all("run_started")[0]["run"]
    assert {(line["run"], line["project"], line["release"]) for line in lines[:5]} == {(run, "shop", "1.0")}
    assert lines[0]["by"]["login"] == farm.hosts["web-1"].user
    assert {path.name for path in farm.root().iterdir()} - {"store"} == {
        "apps",
        "journal.jsonl",
        "lock",
        "state",
        "work",
    }
    assert not any((farm.root() / "work").iterdir())
    assert len(listing(farm.root() / "lock")) == 2


def test_a_signal_ends_the_waiting_for_a_lock(farm: Farm) -> None:
    let_go = _hold(farm)
    farm.write_plan("- {name: Go, run: 'touch ~/went'}", packages="")
    waiting = farm.start_apply("--lock-wait", "60s")
    farm.until_said(waiting, '"phase":"lock"')
    farm.interrupt(waiting)
    assert farm.finish(waiting).code == 130
    assert not any(farm.home("web-1").iterdir())
    assert farm.is_locked("web-2")
    assert let_go().code == 0


def test_a_damaged_memory_is_told_and_never_taken_for_an_empty_one(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS, max_failures=1)
    assert farm.apply().code == 0
    (farm.root() / "state/shop/default.json").write_text('{"format": 1, "release": ')
    told = farm.apply()
    assert (told.code, told.ends["web-1"]) == (1, "failed")
    [lost] = told.all("target_lost")
    path = farm.root() / "state/shop/default.json"
    assert lost["reason"].startswith(f"{path} on the target is damaged: it is no JSON")
    assert "move it away" in lost["hint"]
    assert (farm.home() / "migrated").read_text() == "1.0\n"
    (farm.root() / "state/shop/default.json").unlink()
    told = farm.apply()
    assert (told.code, told.outcome("deploy")["web-1"]) == (0, "changed")


def test_a_journal_line_that_a_power_cut_left_half_written_does_no_harm(farm: Farm) -> None:
    farm.write_release({"version": "1.0"})
    farm.write_plan(STEPS)
    assert farm.apply("--limit", "web-1").code == 0
    with (farm.root() / "journal.jsonl").open("a") as journal:
        journal.write('{"v":1,"prev":"0123')
    farm.write_plan(STEPS, release="1.1")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    lines = (farm.root() / "journal.jsonl").read_text().splitlines()
    assert '{"v":1,"prev":"0123' in lines
    assert json.loads(lines[-1])["what"] == "run ended"
