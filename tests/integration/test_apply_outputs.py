"""Outputs on real targets: what scripts give with ``octo_set`` and ``octo_secret``, and who reads it now and later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm import Farm, Told

ODD = """It's "quoted" $HOME `id` \\n ${{ x }} #{y}
second line\ttab \r ünïcödé ☃ 漢字 ##octopus[progress percentage='NTA=']
 ends with spaces  """
PASSWORD = "correct horse/battery+staple"


def apply(farm: Farm, *words: str) -> Told:
    told = farm.apply(*words)
    assert told.code == 0, told.stdout[-3000:] + told.stderr
    return told


def said(folder: Path) -> str:
    """What all files and links of a folder say, and their names."""
    texts = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    texts += [os.readlink(path) for path in folder.rglob("*") if path.is_symlink()]
    files = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return "\n".join([*texts, *(path.read_bytes().decode(errors="replace") for path in files)])


def planned(told: Told, step: str, target: str = "web-1") -> dict[str, Any]:
    """Of ``plan --json``: what is to come of a step."""
    pending = list(told.document["steps"])
    while pending:
        each = pending.pop()
        if each["id"] == step:
            found: dict[str, Any] = each["planned"][target]
            return found
        pending += each["steps"]
    raise AssertionError(f"no step {step}")


EVERYWHERE = """
- name: Look
  run: |
    octo_set Port "80$(echo "$OCTO_TARGET" | tail -c 2)"
    octo_set "App.Home:x" place
    mkdir -p ~/place
- name: Env
  env: {PORT: "port ${{ steps.look.output.Port }}"}
  run: echo "$PORT; $OCTO_OUTPUT_LOOK_Port; $OCTO_OUTPUT_LOOK_App_Home_x"
- name: Cwd
  cwd: ~/${{ steps.look.outputs["web-1"]["App.Home:x"] }}
  run: pwd
- name: File
  file: ~/port
  content: "listen ${{ steps.look.output.Port }}\\n"
- name: Template
  file: ~/${{ steps.look.output.Port }}.conf
  template: port.conf
- name: When
  when: ${{ steps.look.output.Port == "802" }}
  run: echo it is 802
- name: Command
  check: {command: [test, "${{ steps.look.output.Port }}", "=", "${{ '80' ~ target[-1] }}"], within: 5s}
- name: Elsewhere
  env: {OTHER: "${{ steps.look.outputs['web-2'].Port }}"}
  run: echo "$OTHER"
- name: Octopus
  run: |
    #!/bin/bash
    get_octopusvariable "Octopus.Action[Look].Output[web-1].Port"
    get_octopusvariable "Octopus.Action[Look].Output.App.Home:x"
- name: Ask
  approve: Is ${{ steps.look.outputs["web-2"].Port }} right?
"""


def test_an_output_reaches_every_place_where_a_later_step_may_want_it(farm: Farm) -> None:
    farm.write("port.conf", "# ${{ target }} & $PORT\nport = ${{ steps.look.output.Port }}\n")
    farm.write_plan(EVERYWHERE, packages="")
    told = apply(farm, "--approve", "Ask=yes")
    for target, port in {"web-1": "801", "web-2": "802"}.items():
        assert told.output("env", target) == f"port {port}; {port}; place\n"
        assert told.output("cwd", target) == f"{farm.home(target)}/place\n"
        assert (farm.home(target) / "port").read_text() == f"listen {port}\n"
        assert (farm.home(target) / f"{port}.conf").read_text() == f"# {target} & $PORT\nport = {port}\n"
        assert told.output("elsewhere", target) == "802\n"
        assert told.output("octopus", target) == "801place"
    assert told.outcome("when") == {"web-1": "skipped", "web-2": "changed"}
    assert told.outcome("command") == {"web-1": "unchanged", "web-2": "unchanged"}
    [given] = told.all("approval_given")
    assert given["given"]
    values = {(e["target"], e["name"]): e["value"] for e in told.all("output_set")}
    assert values[("web-2", "Port")] == "802"


def test_plan_says_after_which_step_the_rest_is_decided(farm: Farm) -> None:
    farm.write("port.conf", "${{ steps.look.output.Port }}")
    farm.write_plan(EVERYWHERE, packages="")
    told = farm.plan()
    readers = ("env", "cwd", "file", "template", "when", "command", "elsewhere", "octopus")
    assert {name: planned(told, name)["after"] for name in readers} == {name: ["look"] for name in readers}
    assert planned(told, "ask", "controller")["after"] == ["look"]
    people = farm.octo("plan", "plan.yaml")
    assert "after 'Look'" in people.stdout
    assert people.code == 0


def test_one_that_ran_once_and_the_controller_speak_to_all_and_are_spoken_to(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: Migrate, once: true, run: 'octo_set Schema 7; octo_set By "$OCTO_TARGET"'}
        - name: Think
          "on": controller
          env: {SCHEMA: "${{ steps.migrate.output.Schema }}"}
          run: octo_set Next "$((SCHEMA + 1))"
        - name: Read
          env: {NEXT: "${{ steps.think.output.Next }}", BY: "${{ steps.migrate.output.By }}"}
          run: |
            echo "$NEXT $BY $OCTO_OUTPUT_MIGRATE_Schema $OCTO_OUTPUT_THINK_Next"
            octo_set Mine "$OCTO_TARGET"
        - name: Gather
          "on": controller
          env: {ALL: '${{ steps.read.outputs["web-1"].Mine }} ${{ steps.read.outputs["web-2"].Mine }}'}
          run: |
            #!/bin/bash
            echo "$ALL $(get_octopusvariable "Octopus.Action[Read].Output[web-2].Mine")"
        """,
        packages="",
    )
    told = apply(farm)
    assert told.output("read", "web-1") == told.output("read", "web-2") == "8 web-1 7 8\n"
    assert told.output("gather", "controller") == "web-1 web-2 web-2\n"


ROLLING = """
- name: Roll
  rolling: {window: 1}
  steps:
  - name: Drain
    "on": controller
    run: octo_set Ticket "t-$OCTO_TARGET"
  - {name: Borrow, "on": controller, run: 'octo_secret Key "key-of-$OCTO_TARGET"'}
  - {name: Deploy, package: shop}
  - {name: Work, run: 'echo "$OCTO_OUTPUT_DRAIN_Ticket"; octo_set Pid "p-$OCTO_TARGET"'}
  - {name: Undrain, "on": controller, env: {PID: "${{ steps.work.output.Pid }}"}, run: 'echo "$PID"'}
- name: Later
  rerun: %s
  env: {TICKET: "${{ steps.drain.output.Ticket }}"}
  run: echo "$TICKET $OCTO_OUTPUT_WORK_Pid"
- {name: Lock, rerun: %s, run: 'test "$OCTO_OUTPUT_BORROW_Key" = "key-of-$OCTO_TARGET"'}
"""


def test_in_a_rolling_group_the_controllers_step_speaks_to_the_target_it_stands_for(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan(ROLLING % ("never", "never"))
    told = apply(farm)
    for name in ("web-1", "web-2"):
        assert told.output("work", name) == f"t-{name}\n"
        assert told.output("undrain", name) == f"p-{name}\n"
        assert told.output("later", name) == f"t-{name} p-{name}\n"
    farm.write_plan(ROLLING % ("always", "never"))
    told = apply(farm)
    assert told.output("later", "web-2") == "t-web-2 p-web-2\n"
    assert told.outcome("drain") == told.outcome("borrow") == {"web-1": "unchanged", "web-2": "unchanged"}
    farm.write_plan(ROLLING % ("never", "always"))
    told = apply(farm)
    assert told.outcome("borrow") == told.outcome("lock") == {"web-1": "changed", "web-2": "changed"}
    assert told.outcome("drain") == {"web-1": "unchanged", "web-2": "unchanged"}
    assert told.outcome("deploy") == {"web-1": "unchanged", "web-2": "unchanged"}


REMEMBERED = """
- {name: Give, run: 'octo_set Value "of $OCTO_TARGET"'}
- {name: Once, once: true, run: 'octo_set Value "once, on $OCTO_TARGET"'}
- name: Take
  rerun: always
  env: {OTHER: "${{ steps.give.outputs['web-2'].Value }}", ONCE: "${{ steps.once.output.Value }}"}
  run: echo "$OCTO_OUTPUT_GIVE_Value; $OTHER; $ONCE"
- {name: Deploy, package: shop}
"""


def test_a_later_run_reads_what_was_given_in_one_before(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan(REMEMBERED)
    apply(farm)
    told = apply(farm)
    assert told.outcome("give") == {"web-1": "unchanged", "web-2": "unchanged"}
    assert told.outcome("once") == {"web-1": "unchanged"}
    assert told.output("take", "web-1") == "of web-1; of web-2; once, on web-1\n"
    assert told.output("take", "web-2") == "of web-2; of web-2; once, on web-1\n"
    assert planned(farm.plan(), "take")["after"] == []


def test_of_a_failed_try_and_a_failed_step_nothing_is_remembered(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan(
        """
        - {name: Deploy, package: shop}
        - name: Give
          retry: {times: 1, delay: 1s}
          run: |
            if [ -e ~/again ]; then octo_set Second yes; exit 0; fi
            octo_set First yes
            touch ~/again
            exit 1
        - {name: Take, rerun: always, run: 'echo "<$OCTO_OUTPUT_GIVE_First><$OCTO_OUTPUT_GIVE_Second>"'}
        - {name: Fail, run: 'octo_set Bad yes; exit 3'}
        - {name: Mourn, when: failure, run: 'echo "<$OCTO_OUTPUT_FAIL_Bad>"'}
        """
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 1
    assert told.output("take") == "<><yes>\n"
    assert told.output("mourn") == "<yes>\n"
    assert farm.baseline()["outputs"].keys() == {"give"}
    assert farm.apply("--limit", "web-1").output("take") == "<><yes>\n"


def test_a_target_whose_script_said_nothing_has_nobody_elses_output(farm: Farm) -> None:
    farm.write_release({"a": "1"})
    farm.write_plan(
        """
        - {name: Deploy, package: shop}
        - {name: Give, run: 'if [ "$OCTO_TARGET" = web-1 ]; then octo_set Value one; fi'}
        - {name: Take, rerun: always, run: 'echo "<$OCTO_OUTPUT_GIVE_Value>"'}
        """
    )
    for _ in range(2):
        told = apply(farm)
        assert (told.output("take", "web-1"), told.output("take", "web-2")) == ("<one>\n", "<>\n")
    farm.write_plan(
        """
        - {name: Deploy, package: shop}
        - {name: Give, run: 'if [ "$OCTO_TARGET" = web-1 ]; then octo_set Value one; fi'}
        - {name: Take, run: 'echo "$V"', env: {V: "${{ steps.give.output.Value }}"}}
        """
    )
    told = farm.apply()
    assert told.code == 1
    assert told.outcome("take")["web-2"] == "failed"
    assert "plan.yaml:" in told.reason("take", "web-2")
    assert "Value" in told.reason("take", "web-2")


def test_odd_and_large_values_come_through_as_they_were_given(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(4)
    farm.write("odd", ODD)
    farm.write_plan(
        """
        - {name: Bring, file: ~/odd, source: odd}
        - name: Give
          run: |
            octo_set Odd "$(cat ~/odd)"
            octo_set Large "$(head -c 30720 /dev/zero | tr '\\0' x)"
            octo_set Empty ""
        - {name: Write, file: ~/written, content: "${{ steps.give.output.Odd }}"}
        - {name: Env, env: {ODD: "${{ steps.give.output.Odd }}"}, run: 'printf %s "$ODD" >~/env'}
        - {name: Direct, run: 'printf %s "$OCTO_OUTPUT_GIVE_Odd" >~/direct; echo "${#OCTO_OUTPUT_GIVE_Large}"'}
        - name: Octopus
          run: |
            #!/bin/bash
            get_octopusvariable "Octopus.Action[Give].Output[web-4].Odd" >~/octopus
            large=$(get_octopusvariable "Octopus.Action[Give].Output[web-3].Large")
            echo "${#large}<$(get_octopusvariable "Octopus.Action[Give].Output.Empty")>"
        - {name: Mode, check: {command: [test, "${{ steps.give.output.Large | length }}", -eq, "30720"], within: 5s}}
        """,
        packages="",
    )
    told = apply(farm)
    for name in farm.hosts:
        for file in ("written", "env", "direct", "octopus"):
            assert (farm.home(name) / file).read_bytes().decode() == ODD, file
        assert told.output("direct", name) == "30720\n"
        assert told.output("octopus", name) == "30720<>\n"


def test_many_outputs_stop_no_script_that_does_not_want_them(farm: Farm) -> None:
    give = """
        - name: Give %d
          run: |
            large=$(head -c 32000 /dev/zero | tr '\\0' x)
            for n in $(seq 32); do octo_set "Large$n" "$large"; done
    """
    steps = "".join(give % number for number in range(1, 5))
    farm.write_plan(steps + "    - {name: Take, run: 'echo \"$(id -u) ${#OCTO_OUTPUT_GIVE_2_Large7}\"'}\n", packages="")
    told = apply(farm, "--limit", "web-1")
    assert told.output("take") == f"{os.getuid()} 32000\n"
    assert len(told.all("output_set")) == 4 * 32


SECRET = """
- {name: Deploy, package: shop}
- name: Make
  run: |
    octo_secret Password "$(cat ~/password)"
    octo_set User shop
    echo "the password is $(cat ~/password), in base64 $(base64 <~/password)"
- name: Use
  %s
  env: {URL: "db://${{ steps.make.output.User }}:${{ steps.make.output.Password }}@db"}
  run: |
    test "$URL" = "db://shop:$(cat ~/password)@db"
    echo "connecting to $URL"
- {name: Unrelated, rerun: always, run: 'env >~/env'}
"""


def secret_farm(farm: Farm) -> Farm:
    for name in farm.hosts:
        (farm.home(name) / "password").write_text(PASSWORD)
    farm.write_release({"a": "1"})
    farm.write_plan(SECRET % "rerun: never")
    return farm


def test_a_secret_output_is_masked_everywhere_and_in_no_file_here_or_there(farm: Farm) -> None:
    secret_farm(farm)
    told = apply(farm, "-vv")
    assert "the password is ***, in base64 ***" in told.output("make")
    assert told.output("use") == "connecting to db://shop:***@db\n"
    assert {(e["name"], e["value"]) for e in told.all("output_set")} == {("Password", None), ("User", "shop")}
    assert PASSWORD not in (farm.home() / "env").read_text()
    for name in farm.hosts:
        (farm.home(name) / "password").unlink()
        assert PASSWORD not in said(farm.home(name))
    assert PASSWORD not in told.stdout + told.stderr
    assert PASSWORD not in said(farm.folder)


def test_a_step_with_a_secret_output_runs_again_where_a_due_step_reads_it(farm: Farm) -> None:
    secret_farm(farm)
    apply(farm)
    told = apply(farm)
    assert told.outcome("make") == told.outcome("use") == {"web-1": "unchanged", "web-2": "unchanged"}
    farm.write_plan(SECRET % "rerun: always")
    plan = farm.plan()
    assert planned(plan, "make")["outcome"] == "changed"
    assert "reads its secret output" in planned(plan, "make")["reason"]
    told = apply(farm)
    assert told.outcome("make") == told.outcome("use") == {"web-1": "changed", "web-2": "changed"}
    assert told.outcome("deploy") == {"web-1": "unchanged", "web-2": "unchanged"}
    farm.write_plan(SECRET % "unless: test -e ~/skip")
    (farm.home("web-2") / "skip").touch()
    told = apply(farm)
    assert told.outcome("use") == told.outcome("make") == {"web-1": "changed", "web-2": "unchanged"}


def test_an_output_that_holds_a_known_secret_is_a_secret_itself(farm: Farm) -> None:
    farm.env["TOKEN"] = PASSWORD
    farm.write_release({"a": "1"})
    farm.write_plan(
        """
        - {name: Deploy, package: shop}
        - {name: Leak, secrets: [token], run: 'octo_set Link "https://x/?t=$token"; octo_set Free yes'}
        - {name: Read, run: 'echo "<$OCTO_OUTPUT_LEAK_Link>" | tee ~/read'}
        - {name: File, file: ~/link, content: "${{ steps.leak.output.Link }}"}
        """,
        variables={"token": {"secret": {"env": "TOKEN"}}},
    )
    told = apply(farm, "--limit", "web-1")
    assert [e["value"] for e in told.all("output_set")] == [None, "yes"]
    assert told.output("read") == "<***>\n"
    assert (farm.home() / "read").read_text() == f"<https://x/?t={PASSWORD}>\n"
    assert (farm.home() / "link").read_text() == f"https://x/?t={PASSWORD}"
    assert (farm.home() / "link").stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in said(farm.root()) + said(farm.state) + told.stdout + told.stderr
    assert farm.baseline()["outputs"]["leak"]["secret"] == ["Link"]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (
            "- {name: Read, run: echo, env: {A: '${{ steps.give.output.X }}'}}\n- {name: Give, run: echo}",
            "not come",
        ),
        (
            "- {name: Give, 'on': ['target:web-2'], run: echo}\n"
            "- {name: Read, run: echo, env: {A: '${{ steps.give.output.X }}'}}",
            "not clear whose output is meant on 'web-1'",
        ),
    ],
    ids=["later", "ambiguous"],
)
def test_what_cannot_be_read_is_refused_before_anybody_is_asked(farm: Farm, steps: str, problem: str) -> None:
    farm.write_plan(steps, packages="")
    told = farm.apply()
    assert told.code == 1
    assert problem in told.stderr
    assert not any(farm.home().iterdir())
