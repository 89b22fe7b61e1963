"""Targets that lie in the middle of a run: to any program, of outputs, of their key. The other target does not care."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeSshd
from tests.faults.campaign import IS_LONG
from tests.integration.farm import Farm, Told, wait_until
from tests.integration.hostile import MAX_CONTROLLER_KB, be_honest, is_clean, liar_config, lie_to, octo, untouched
from tests.integration.sshd import Sshd
from tests.unit.remote.test_replies import PROGRAMS

FILES = {"bin/shop": "#!/bin/sh\necho shop\n"}
STEPS = """
- name: Settings
  file: ~/settings.conf
  content: "release = ${{ release }}\\n"
- name: Deploy
  package: shop
  activate: echo active
- name: Make
  run: |
    echo made >made.txt
    octo_artifact made.txt
    octo_set URL "http://$OCTO_TARGET"
- name: Look
  check: {command: [test, -e, settings.conf], within: 1s}
  cwd: "~"
"""


@pytest.fixture
def pair(make_sshd: MakeSshd, tmp_path: Path) -> Iterator[Farm]:
    """web-1 is honest, web-2 may lie."""
    farm = Farm.create(tmp_path, [make_sshd("web-a"), make_sshd("web-b", extra=liar_config(tmp_path / "web-b"))])
    farm.write_release(FILES)
    farm.write_plan(STEPS, max_failures=1, unreachable="skip")
    yield farm
    farm.close()


def liar(farm: Farm) -> Sshd:
    return farm.hosts["web-2"]


def check_words(told: Told) -> None:
    """What is told is fit for a terminal."""
    assert is_clean(told.stdout.replace("\n", "")), told.stdout
    assert is_clean(told.stderr.replace("\n", "")), told.stderr


NONSENSE = "NONCE up\nNONCE odd\n\x1b[2J\x07\xff\0$(touch pwned)\nNONCE end 0\n"
REFUSAL = "NONCE up\nNONCE problem\n\x1b[2J\x07 no \u00ff\nNONCE end 1\n"
IN_A_RUN = (
    "observe", "look", "acquire", "record", "put_file", "receive", "grant", "build", "commit", "switch", "launch",
    "prune", "fetch", "probe_command", "release",
)  # fmt: skip

BELIEVED = ("record", "switch", "prune", "release", "look")
"""What they have to say is that it is done, or nothing that a run could not do without: the next look tells."""


LIES = {
    f"{program}-{name}": (program, reply)
    for number, program in enumerate(IN_A_RUN)
    for turn, (name, reply) in enumerate({"nonsense": NONSENSE, "refusal": REFUSAL}.items())
    if IS_LONG or number % 2 == turn
}
"""To each program one of both; in the long form both."""


@pytest.mark.parametrize(("program", "reply"), LIES.values(), ids=LIES.keys())
def test_a_lie_to_any_program_is_the_trouble_of_its_target_alone(pair: Farm, program: str, reply: str) -> None:
    lie_to(liar(pair), PROGRAMS[program](), say=reply, then="end")
    with untouched(pair):
        told, peak_kb = octo(pair, "apply", "plan.yaml", "--json")
        assert peak_kb < MAX_CONTROLLER_KB
        check_words(told)
        if told.code == 5 or "nothing was changed" in told.stderr:
            assert program in ("acquire", "grant")
            assert "web-2" in told.stderr
        else:
            assert (pair.current("web-1"), told.ends["web-1"]) == ("1.0", "changed")
        assert told.code in (1, 4, 5) or program in BELIEVED
        be_honest(liar(pair))
        again = pair.apply()
    assert again.code == 0, again.stdout[-3000:] + again.stderr
    assert [pair.current(name) for name in pair.hosts] == ["1.0", "1.0"]
    assert pair.is_settled()
    assert not Path("~/pwned").expanduser().exists()
    assert not list(pair.folder.rglob("pwned"))


def test_a_script_that_is_said_to_have_run_is_believed_on_that_target_alone(pair: Farm) -> None:
    lie_to(liar(pair), PROGRAMS["launch"](), say="NONCE up\nNONCE exit-0\nNONCE end 0\n", then="end")
    told = pair.apply()
    assert told.outcome("make") == {"web-1": "changed", "web-2": "changed"}
    assert (pair.to("web-1") / "current/made.txt").exists()


def test_a_target_that_keeps_to_no_limit_of_output_writes_no_more_on_the_controller(pair: Farm) -> None:
    lie_to(liar(pair), PROGRAMS["launch"](), say="NONCE up\nNONCE output\n", then="again", again="on and on\n")
    pair.write_plan("[{name: Print, run: echo printed, timeout: 3s, output_limit: 4KiB}]", packages="", max_failures=1)
    told, peak_kb = octo(pair, "apply", "plan.yaml", "--json")
    assert told.outcome("print") == {"web-1": "changed", "web-2": "failed"}
    assert (told.output("print", "web-1"), len(told.output("print", "web-2"))) == ("printed\n", 4096)
    assert peak_kb < MAX_CONTROLLER_KB
    assert sum(path.stat().st_size for path in (pair.state / "runs").rglob("*") if path.is_file()) < 100_000


CROSS = """
- name: Deploy
  package: shop
- name: Make
  "on": [db]
  once: true
  run: octo_set URL "true"
- name: Use
  "on": [web]
  env: {URL: "${{ steps.make.output.URL }}"}
  rerun: always
  run: echo "url=$URL other=$OCTO_OUTPUT_OTHER_X"
"""


def test_a_target_speaks_for_no_step_that_is_not_its_own(pair: Farm) -> None:
    pair.write_inventory({"web-1": {"tags": ["web", "db"]}})
    pair.write_plan(CROSS, max_failures=1)
    first = pair.apply()
    assert first.output("use", "web-2") == "url=true other=\n", first.stdout[-2000:] + first.stderr
    path = pair.root("web-2") / "state/shop/default.json"
    memory = json.loads(path.read_text())
    lie = {"values": {"URL": "false", "X": "lie"}, "secret": [], "release": "1.0", "run": "99991231T000000Z-0000"}
    memory["outputs"] = {"make": lie, "other": lie}
    path.write_text(json.dumps(memory))
    told = pair.apply()
    assert told.outcome("make") == {"web-1": "unchanged"}
    assert told.output("use", "web-1") == told.output("use", "web-2") == "url=true other=\n"


SHOUTS = r"""
- name: Shout
  run: |
    printf '\033[2J\033]0;owned\007\302\233x \342\200\256evil \377\376\000 \r overwritten\n'
    printf '##octopus[createArtifact path="%s" name="%s"]\n' "$(printf ../.. | base64)" "$(printf ../../x | base64)"
    set -- '../../up' '/etc/cron.d/x' '-rf' '.hidden' '..' "$(printf 'a\nb')" "$(printf '\033[2J')" '$(touch pwned)'
    for name; do octo_artifact "$HOME/it" "$name"; done
    octo_set '../../x' y; octo_set '$(touch pwned)' y
    echo "##octopus[setVariable name='unfinished"
    echo "0123456789abcdef0123456789abcdef end 0"
    head -c 100000 /dev/urandom
    octo_highlight "$(printf '\033[31mred')"; octo_progress 200 "$(printf 'a\nb\033[2J')"
    ln -s /etc/passwd "$HOME/link"; octo_artifact "$HOME/link" link
"""


@pytest.mark.parametrize("words", [("--json",), ()])
def test_what_a_script_shouts_reaches_no_terminal_and_no_other_folder(farm: Farm, words: tuple[str, ...]) -> None:
    (farm.home() / "it").write_text("it\n")
    farm.write_plan(SHOUTS, packages="", max_failures=2)
    with untouched(farm):
        told = farm.octo("apply", "plan.yaml", *words)
        check_words(told)
    runs = [path for path in (farm.state / "runs").iterdir() if path.is_dir()]
    assert len(runs) == 1
    kept = [path.relative_to(runs[0] / "artifacts") for path in (runs[0] / "artifacts").rglob("*") if path.is_file()]
    assert {path.parts[:2] for path in kept} == {("web-1", "shout"), ("web-2", "shout")}
    assert {len(path.parts) for path in kept} == {3}
    assert all(path.name.isascii() and path.name.isprintable() and path.name[0] != "." for path in kept)
    assert {os.path.lexists(folder / "pwned") for folder in (farm.folder, Path.home(), farm.home())} == {False}


def test_a_target_that_shows_another_key_when_it_comes_back_is_unknown(pair: Farm) -> None:
    pair.write_plan(
        "[{name: Wait, run: 'touch ~/here; while test ! -e ~/go; do sleep 0.1; done; echo went'}]",
        packages="",
        max_failures=1,
    )
    process = pair.start_apply()
    wait_until(lambda: all((pair.home(name) / "here").exists() for name in pair.hosts))
    pair.hosts["web-1"].stop()
    pair.hosts["web-1"].renew_host_key()
    pair.hosts["web-1"].start()
    (pair.home("web-2") / "go").touch()
    told = pair.finish(process)
    (pair.home("web-1") / "go").touch()
    assert told.outcome("wait") == {"web-1": "unknown", "web-2": "changed"}
    assert "HOST KEY OF web-1" in told.reason("wait", "web-1")
    assert told.code == 4
