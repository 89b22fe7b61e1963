"""Run steps on real targets: what a script is given, how it is run, what becomes of what it prints."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.farm import Farm, command_lines, is_alive, wait_until

TOKEN = "s3cr3t-t0ken/+=?"


def test_a_script_gets_every_variable_and_what_octo_ssh_knows(farm: Farm) -> None:
    farm.write_inventory(
        {"web-1": {"tags": ["web", "blue"]}}, environments={"staging": {"variables": {"level": "debug"}}}
    )
    farm.write_release({"hello.txt": "hello\n"})
    text = 'it\'s $HOME `x` "y"\nline'
    variables = {
        "text": text,
        "yes_flag": True,
        "no_flag": False,
        "number": 3,
        "ratio": 1.5,
        "list": ["a", 1, True],
        "map": {"k": ["v"]},
        "Project.Color": "red",
        "made": "${{ text | length }}-${{ target }}",
    }
    for release in ("1.0", "1.1"):
        farm.write_plan(
            """
            - name: Tell all
              env: {OWN: "own ${{ number + 1 }}"}
              run: env -0 >~/env
            - {name: Deploy, package: shop}
            """,
            release=release,
            environment="staging",
            variables=variables,
        )
        told = farm.apply("--limit", "web-1")
        assert told.code == 0, told.stderr
    raw = (farm.home() / "env").read_bytes().decode()
    seen = dict(line.partition("=")[::2] for line in raw.split("\0") if line)
    folder = f"{farm.to(environment='staging')}/releases/1.1"
    assert {
        "text": text,
        "yes_flag": "true",
        "no_flag": "false",
        "number": "3",
        "ratio": "1.5",
        "Project_Color": "red",
        "level": "debug",
        "made": f"{len(text)}-web-1",
        "OWN": "own 4",
        "OCTO_PROJECT": "shop",
        "OCTO_RELEASE": "1.1",
        "OCTO_ENVIRONMENT": "staging",
        "OCTO_TARGET": "web-1",
        "OCTO_TAGS": "web,blue",
        "OCTO_STEP": "Tell all",
        "OCTO_RUN": told.all("run_started")[0]["run"],
        "OCTO_PREVIOUS_RELEASE": "1.0",
        "OCTO_RELEASE_DIR": folder,
        "OCTO_RELEASE_DIR_SHOP": folder,
        "OCTO_RUN_OUTCOME": "success",
        "HOME": str(farm.home()),
    }.items() <= seen.items()
    assert json.loads(seen["list"]) == ["a", 1, True]
    assert json.loads(seen["map"]) == {"k": ["v"]}
    assert not {name for name in seen if name.startswith("o_")}


def test_scripts_run_in_the_new_release_or_where_they_are_told(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n", "bin/app": "x"})
    (farm.home() / "place").mkdir()
    farm.write_plan("""
        - {name: Default, run: "pwd; cat hello.txt"}
        - {name: Home, cwd: "~/place", run: pwd}
        - {name: Relative, cwd: place, run: pwd}
        - {name: Absolute, cwd: "/", run: pwd}
        - {name: Deploy, package: shop}
        - {name: Missing, cwd: "/does/not/exist", run: pwd}
        """)
    told = farm.apply("--limit", "web-1")
    assert told.code == 1
    assert told.output("default") == f"{farm.to()}/releases/1.0\nhello\n"
    assert told.output("home") == told.output("relative") == f"{farm.home()}/place\n"
    assert told.output("absolute") == "/\n"
    assert "/does/not/exist" in told.reason("missing")
    assert "is not there" in told.reason("missing")


def test_with_two_packages_a_script_has_both_folders_and_stays_in_the_work_folder(farm: Farm) -> None:
    farm.write("release/a", "a")
    farm.write("other/b", "b")
    farm.write_plan(
        """
        - {name: Where, run: 'echo "$OCTO_RELEASE_DIR_SHOP $OCTO_RELEASE_DIR_MY_SITE ${OCTO_RELEASE_DIR-none}"; pwd'}
        - {name: Deploy shop, package: shop}
        - {name: Deploy site, package: my-site}
        """,
        packages="{shop: {dir: release}, my-site: {dir: other}}",
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    folders, cwd = told.output("where").splitlines()
    site = farm.to(package="my-site")
    assert folders == f"{farm.to()}/releases/1.0 {site}/releases/1.0 none"
    assert cwd.startswith(f"{farm.root()}/work/")
    assert not Path(cwd).exists()


SECRETS = {
    "api_token": {"secret": {"env": "SHOP_TOKEN"}},
    "db_password": {"secret": {"file": "db-password"}},
    "key": {"secret": {"command": ["sh", "-c", "echo from-a-vault"]}},
}


def _everything(folder: Path) -> str:
    """What all files and links of a folder say; that of a lease is a link too long to follow."""
    texts = [os.readlink(path) for path in folder.rglob("*") if path.is_symlink()]
    files = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return "".join([*texts, *(path.read_bytes().decode(errors="replace") for path in files)])


def test_secrets_reach_only_the_scripts_that_name_them_and_are_masked(farm: Farm) -> None:
    farm.env["SHOP_TOKEN"] = TOKEN
    farm.write("db-password", "hunter2hunter2\n", 0o600)
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(
        """
        - {name: Without, run: 'echo "${api_token-none} ${db_password-none}"; env >~/without'}
        - name: With
          secrets: [api_token, db_password, key]
          env: {URL: "https://u:${{ db_password }}@db"}
          run: |
            echo "$api_token|$db_password|$key|$URL"
            printf %s "$api_token" | base64
            printf %s "$api_token" >~/with
            echo "$db_password $key $URL" >>~/with
        - {name: Failing, secrets: [api_token], run: 'echo "the token is $api_token" >&2; exit 3'}
        - {name: Deploy, package: shop}
        """,
        variables=SECRETS,
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 1
    assert told.output("without") == "none none\n"
    assert told.output("with") == "***|***|***|https://u:***@db\n***\n"
    assert (farm.home() / "with").read_text() == (f"{TOKEN}hunter2hunter2 from-a-vault https://u:hunter2hunter2@db\n")
    end = next(event for event in told.all("step_ended") if event["step"] == "failing")
    assert (end["status"], end["tail"]) == (3, "the token is ***")
    for secret in (TOKEN, "hunter2hunter2", "from-a-vault"):
        assert secret not in told.stdout + told.stderr
        assert secret not in _everything(farm.state)
        assert secret not in _everything(farm.root())
        assert secret not in (farm.home() / "without").read_text()


def test_a_secret_is_in_no_argument_list_while_its_step_runs(farm: Farm) -> None:
    farm.env["SHOP_TOKEN"] = TOKEN
    farm.write_plan(
        "- {name: Wait, secrets: [api_token], run: 'touch ~/runs; while [ ! -e ~/go ]; do sleep 0.05; done'}",
        packages="",
        variables={"api_token": SECRETS["api_token"]},
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "runs").exists, "the step runs")
    lines = list(command_lines())
    stored = _everything(farm.home())
    (farm.home() / "go").touch()
    assert farm.finish(process).code == 0
    assert len(lines) > 3
    assert not [line for line in lines if TOKEN in line]
    assert TOKEN not in stored


def test_a_secret_that_cannot_be_read_fails_its_step_alone(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: Before, run: "touch ~/before"}
        - {name: Use, secrets: [key], run: "touch ~/used"}
        - {name: After, when: always, run: "touch ~/after"}
        """,
        packages="",
        variables={"key": {"secret": {"command": ["false"]}}},
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("use")) == (1, {"web-1": "failed"})
    assert "plan.yaml" in told.reason("use")
    assert sorted(path.name for path in farm.home().glob("[a-z]*")) == ["after", "before"]


def test_a_script_beside_the_plan_and_one_in_the_package_are_run(farm: Farm) -> None:
    farm.write("scripts/greet", '#!/bin/sh\necho "file: $greeting from $0" | sed "s,/dev/fd/3,fd,"\n')
    farm.write_release({"bin/app": '#!/bin/sh\necho "app: $greeting $# $(basename "$0")"\n'})
    (farm.folder / "release/bin/app").chmod(0o755)
    farm.write_plan(
        """
        - {name: From file, script: scripts/greet}
        - {name: From package, script: "shop:bin/app"}
        - {name: Deploy, package: shop}
        """,
        variables={"greeting": "hello"},
    )
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    assert told.output("from_file") == "file: hello from fd\n"
    assert told.output("from_package") == "app: hello 0 app\n"


@pytest.mark.parametrize(
    ("first", "text", "said"),
    [
        ("#!/bin/bash", "a=(x y); echo ${#a[@]}", "2\n"),
        ("#!/usr/bin/env -S bash -e", "false\necho not reached", ""),
        ("#!/usr/bin/python3 -s", "import os\nprint(os.environ['greeting'].upper())", "HELLO\n"),
        ("# no interpreter", "echo plain", "plain\n"),
    ],
    ids=["bash", "env with options", "python", "sh"],
)
def test_the_first_line_says_which_interpreter_runs_a_script(farm: Farm, first: str, text: str, said: str) -> None:
    if not Path(first.partition("!")[2].split()[0] if "!" in first else "/bin/sh").exists():
        pytest.skip(f"there is no {first} here")
    farm.write("script", f"{first}\n{text}\n")
    farm.write_plan("- {name: Go, script: script}", packages="", variables={"greeting": "hello"})
    told = farm.apply("--limit", "web-1")
    assert told.output("go") == said
    assert told.code == (1 if "-e" in first else 0)


def test_standard_input_of_a_script_is_empty(farm: Farm) -> None:
    farm.write_plan("- {name: Read, run: 'cat; read x || echo end'}", packages="")
    told = farm.apply("--limit", "web-1")
    assert told.output("read") == "end\n"


def test_a_failed_step_shows_status_and_last_lines_and_how_to_go_on(farm: Farm) -> None:
    farm.write_plan("- {name: Break, run: 'seq 100; echo last words >&2; exit 42'}", packages="")
    told = farm.octo("apply", "plan.yaml", "--limit", "web-1")
    assert told.code == 1
    assert "exit status 42" in told.stderr
    shown = [line.partition("│")[2].strip() for line in told.stderr.splitlines() if "│" in line]
    assert shown == [*map(str, range(82, 101)), "last words"]
    assert "octo-ssh apply plan.yaml --limit @failed" in told.stdout
    end = farm.journal()[-2]
    assert (end["what"], end["step"], end["outcome"], end["status"]) == ("step ended", "break", "failed", 42)


def test_output_that_is_large_binary_or_unfriendly_arrives_and_harms_nobody(farm: Farm) -> None:
    farm.write_plan(
        r"""
        - {name: Large, run: 'seq 200000'}
        - {name: Binary, run: 'head -c 300000 /dev/urandom; echo; echo end'}
        - {name: Escapes, run: 'printf "\033[31mred\033[0m \033]0;title\007 [bold]x[/bold] \302\233J ${{ no }}\n"'}
        """.replace("${{ no }}", "{{ no }}"),
        packages="",
    )
    told = farm.octo("apply", "plan.yaml", "--limit", "web-1", "-v")
    assert told.code == 0, told.stderr[-2000:]
    assert "\x1b" not in told.stderr + told.stdout
    assert "web-1 │ red  [bold]x[/bold]  {{ no }}" in told.stderr.replace("\u009bJ", "")
    assert [line for line in told.stderr.splitlines() if line.endswith("│ 200000")]
    told = farm.apply("--limit", "web-1")
    assert told.output("large") == "".join(f"{number}\n" for number in range(1, 200001))
    assert told.output("binary").endswith("\nend\n")


def test_once_runs_on_one_target_and_never_again(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan("[{name: Migrate, once: true, run: touch ~/migrated}, {name: Deploy, package: shop}]")
    told = farm.apply()
    assert told.code == 0, told.stderr
    assert told.outcome("migrate") == {"web-1": "changed"}
    assert not (farm.home("web-2") / "migrated").exists()
    assert farm.apply("--limit", "web-2").outcome("migrate") in ({}, {"web-2": "unchanged"})
    assert not (farm.home("web-2") / "migrated").exists()


def test_whether_a_once_step_ran_is_never_guessed(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(
        "[{name: Migrate, once: true, run: touch ~/migrated}, {name: Deploy, package: shop}]", unreachable="skip"
    )
    farm.hosts["web-1"].stop()
    told = farm.apply()
    assert told.code == 5
    assert "'Migrate' runs once" in told.stderr
    assert "web-1 cannot be asked" in told.stderr
    assert not any(farm.home("web-2").iterdir())


def test_a_once_step_that_another_target_remembers_is_done(farm: Farm) -> None:
    farm.write_release({"hello.txt": "hello\n"})
    farm.write_plan(
        "[{name: Migrate, once: true, run: touch ~/migrated}, {name: Deploy, package: shop}]", unreachable="skip"
    )
    assert farm.apply().code == 0
    farm.hosts["web-2"].stop()
    told = farm.apply("--redeploy", "--limit", "web-1", "--skip-step", "migrate")
    assert told.code == 0, told.stderr
    assert farm.apply().code == 4


def test_when_decides_by_the_targets_own_outcome(farm: Farm) -> None:
    farm.write_inventory({"web-2": {"variables": {"special": True}}}, variables={"special": False})
    farm.write_plan(
        """
        - {name: Try, run: 'test "$OCTO_TARGET" = web-1'}
        - {name: Well, run: 'echo well'}
        - {name: Sorry, when: failure, run: 'echo "sorry, $OCTO_RUN_OUTCOME"'}
        - {name: Anyway, when: always, run: 'echo anyway'}
        - {name: Special, when: "${{ special }}", run: 'echo special'}
        - {name: Not special, when: "${{ not special }}", run: 'echo plain'}
        """,
        packages="",
        max_failures=2,
    )
    told = farm.apply()
    assert told.code == 1
    assert told.outcome("try") == {"web-1": "changed", "web-2": "failed"}
    assert told.outcome("well") == {"web-1": "changed", "web-2": "skipped"}
    assert told.outcome("sorry") == {"web-1": "skipped", "web-2": "changed"}
    assert told.output("sorry", "web-2") == "sorry, failure\n"
    assert told.outcome("anyway") == {"web-1": "changed", "web-2": "changed"}
    assert told.outcome("special")["web-1"] == "skipped"
    assert told.outcome("not_special") == {"web-1": "changed", "web-2": "skipped"}
    assert told.ends == {"web-1": "changed", "web-2": "failed"}


def test_retry_tries_again_and_says_so(farm: Farm) -> None:
    farm.write_plan(
        "- {name: Flaky, retry: {times: 3, delay: 100ms}, run: 'echo x >>~/tries; test $(wc -l <~/tries) -ge 3'}",
        packages="",
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("flaky")) == (0, {"web-1": "changed"})
    assert told.notes("flaky") == [
        "exit status 1; trying again in 0.1 s (1 of 3)",
        "exit status 1; trying again in 0.1 s (2 of 3)",
    ]
    (farm.home() / "tries").unlink()
    farm.write_plan("- {name: Hopeless, retry: {times: 1, delay: 0s}, run: 'echo x >>~/tries; false'}", packages="")
    told = farm.apply("--limit", "web-1")
    assert (told.code, (farm.home() / "tries").read_text()) == (1, "x\nx\n")


def test_a_timeout_ends_the_processes_and_says_so(farm: Farm) -> None:
    farm.write_plan(
        """
        - name: Hang
          timeout: 1s
          run: |
            echo $$ >~/pids
            setsid sh -c 'echo $$ >>~/pids; exec sleep 1000' &
            (trap "" TERM; echo waiting; sleep 1000) &
            echo $! >>~/pids
            wait
        """,
        packages="",
    )
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("hang")) == (1, {"web-1": "failed"})
    assert told.reason("hang") == "not done within 1 s: its processes were ended"
    assert told.output("hang") == "waiting\n"
    pids = [int(word) for word in (farm.home() / "pids").read_text().split()]
    assert len(pids) == 3
    assert not [pid for pid in pids if is_alive(pid)]
    assert not farm.is_locked()


def test_a_daemon_that_keeps_the_output_open_does_not_hang_the_step(farm: Farm) -> None:
    farm.write_plan("- {name: Start, run: 'sleep 300 & echo $! >~/pid; echo started'}", packages="")
    told = farm.apply("--limit", "web-1")
    pid = int((farm.home() / "pid").read_text())
    try:
        assert (told.code, told.output("start")) == (0, "started\n")
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_checks_wait_and_tell_the_last_answer(make_farm: Callable[[int], Farm]) -> None:
    farm = make_farm(1)
    script = "echo x >>~/asked; test $(wc -l <~/asked) -ge 3"
    farm.write_plan(
        f"- {{name: Come true, check: {{command: {shlex.quote(script)}, within: 20s, every: 100ms}}}}\n"
        "- {name: Never, check: {command: 'echo still down; exit 9', within: 1s, every: 300ms}}",
        packages="",
    )
    told = farm.apply()
    assert told.code == 1
    assert told.outcomes == {("come_true", "web-1"): "unchanged", ("never", "web-1"): "failed"}
    end = next(event for event in told.all("step_ended") if event["step"] == "never")
    assert end["reason"] == "the command did not succeed within 1 s"
    assert "still down" in end["tail"]
