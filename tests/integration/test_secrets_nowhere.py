"""Secrets stand where they must and nowhere else (SPEC section 4, Secrets).

A sentinel stands in every place that a secret may have. Scripts print them in every form, commands tell all that they
can, everything fails that may fail; then all that was told, written or seen of processes is searched for them.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeSshd
from tests.integration.commands import Command
from tests.integration.farm import command_lines, wait_until
from tests.integration.sentinels import Sentinel
from tests.integration.trap import REPOSITORY, TIMEOUT_S, Trap, set_trap, write_inventory

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def trap(make_sshd: MakeSshd, tmp_path: Path) -> Iterator[Trap]:
    with set_trap(make_sshd, tmp_path) as made:
        yield made


EVERY = "[by_env, word, by_file, by_command, by_age, by_age_file, by_scope]"
SHOUT_ALL = "$shout by_env word by_file by_command by_age by_age_file by_scope"
TRACE = r"""for shell in 'sh -x' 'bash -x' 'env LC_ALL=C bash -x'; do
  $shell -c ': "$by_env" "$word"'; $shell -c 'export -p'
done 2>&1
env; bash -c 'declare -p; printf "%q\n" "$by_env"'
"""


def test_scripts_tell_them_in_every_form_and_nobody_hears(trap: Trap) -> None:
    trap.farm.write("say.sh", f"""
{SHOUT_ALL} HEADER UPPER
{TRACE}
octo_secret Made "$(cat ~/made)"
set_octopusvariable Made2 "$(cat ~/made2)" -sensitive
printf "##octopus[mask value='%s']\\n" "$(base64 -w0 ~/made3)"
cat ~/made ~/made2 ~/made3
octo_set Copy "$by_env"
octo_set Wrapped "$(printf 'x%s' "$by_env" | base64 -w 20)"
octo_set Lines "{{\\"a\\": \\"$by_file\\"}}"
octo_set "$word" value
octo_set Plain visible
pad=$(printf '%0990d' 0)
for text in "$by_env" "$word" "$by_file" "$pad$word" "$(printf 'a\\tb%s' "$word")"; do
  octo_highlight "$text"; octo_warn "$text"; write_wait "$text"; write_verbose "$text"
  octo_progress 50 "$text"
done
echo kept >~/kept
octo_artifact ~/kept "$word"
octo_artifact ~/kept "a/$by_env.txt"
octo_artifact ~/kept "$(printf '%0190d' 0)$word"
mkdir -p ~/"$word" && echo >~/"$word"/there && octo_artifact ~/"$word"/there there.txt
tr '\\0' ' ' </proc/self/cmdline
for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$file; done >~/processes 2>&1
true
""")  # fmt: skip
    trap.write_plan(f"""
- name: Say
  script: say.sh
  secrets: {EVERY}
  env: {{HEADER: "Bearer ${{{{ by_env }}}}", UPPER: "${{{{ by_command | upper }}}}"}}
- name: Fail
  on_failure: ignore
  secrets: [word, by_env]
  run: fail_step "$(printf '%0990d' 0)$word and $by_env"
- name: Again
  on_failure: ignore
  retry: {{times: 1, delay: 1s}}
  secrets: [word, by_env]
  run: fail_step "it is $word and $by_env"
- name: Read
  secrets: [word]
  env: {{MADE: "${{{{ steps.say.output.Made }}}}"}}
  run: |
    rm -r ~/"$word"
    $shout MADE OCTO_OUTPUT_SAY_Made2 OCTO_OUTPUT_SAY_Copy
    get_octopusvariable "Octopus.Action[Say].Output.Made2"
    [ "$OCTO_OUTPUT_SAY_Made2" = "$(cat ~/made2)" ]
- name: Here
  "on": controller
  secrets: {EVERY}
  run: |
    {SHOUT_ALL}
    octo_set Copy "$by_env"
    for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$file; done >seen 2>&1 || true
- {{name: Others, run: env >~/environment; set >>~/environment}}
- {{name: Others here, "on": controller, run: env >environment}}
- name: Somebody else
  become: {{user: nobody}}
  secrets: {EVERY}
  run: 'env; echo "$by_env"; tr "\\0" " " </proc/self/cmdline; id -un'
- name: Wait
  secrets: [word]
  check: {{command: [sh, -c, 'echo "$word $(printf %s "$word" | base64)"; exit 1'], within: 2s}}
""")  # fmt: skip
    told = trap.apply()
    assert told.code == 1, told.stdout
    outcomes = {step: told.outcome(step) for step in ("say", "read", "somebody_else", "wait")}
    both = {"web-1": "changed", "web-2": "changed"}
    assert outcomes == {"say": both, "read": both, "somebody_else": both, "wait": dict.fromkeys(both, "failed")}, [
        (name, told.reason(name)) for name in outcomes
    ]
    assert "nobody" in told.output("somebody_else")
    assert told.output("say").count("***") > 200
    assert {(e["name"], e["value"]) for e in told.all("output_set") if e["step"] == "say"} == {
        ("Copy", None), ("Wrapped", None), ("Lines", None), ("Plain", "visible"), ("Made", None), ("Made2", None)
    }  # fmt: skip
    assert len(told.all("artifact_kept")) == 8
    for words in (("-vv",), ("--quiet",), ()):
        trap.octo("apply", "plan.yaml", *words)
    assert {path.name for path in (trap.farm.folder.parent / "fake").glob("*.log")} == {"sudo.log", "logger.log"}
    assert "\n".join(trap.traces()) == ""


CONFIGURED = {
    "conf/app.conf": "token=${{ by_env }}\nkey=${{ by_file }}\ncommand=${{ by_command | upper }}\nkeep\n",
    "conf/app.json": '{"Token": "", "Hosts": [{"Key": "x"}], "Port": 1, "At": ${{ by_age | tojson }}}\n',
    "conf/app.yml": "token: none # kept\nlist: a\nword: b\n",
    "conf/app.properties": "db.password = none\n",
    "README": "plain\n",
}
RELEASE = """
- {name: Before, run: 'octo_secret Made "$(cat ~/made)"'}
- name: Secret file
  file: ~/whole
  content: {secret: {env: CONTENT}}
  on_change: $shout by_env word
  secrets: [by_env, word]
- name: Settings
  file: ~/settings
  mode: "0644"
  content: |
    plain = LEVEL
    token = ${{ by_env }}
    both = ${{ by_age }}:${{ by_command }}
    scoped = ${{ by_scope }}
- {name: Template, file: ~/template, template: template.txt, mode: "0644"}
- name: Late
  file: ~/late
  content: |
    made = ${{ steps.before.output.Made }}
    key = ${{ by_file }}
- name: Already
  unless: '$shout by_env word; cat /proc/[0-9]*/cmdline >~/asked; test "$word" = no'
  secrets: [by_env, word]
  run: $shout by_env; octo_set Seen "$word"
- name: Deploy
  package: shop
  keep: 1
  secrets: EVERY
  configure:
    files: ["conf/app.conf", "conf/*.json"]
    set:
      conf/app.json: {Token: "${{ by_env }}", "Hosts:0:Key": "${{ by_age_file }}", Port: "${{ by_env | length }}"}
      conf/app.yml: {token: "Bearer ${{ by_command }}", list: "${{ by_file }}", word: "${{ word }}"}
      conf/app.properties: {db.password: "${{ by_scope }}"}
  activate: SHOUT; [ ! -e BAD ] || fail_step "bad because of $word"
  verify: {command: '$shout word by_env; ! [ -e VERIFY ]', within: 8s}
- name: Check
  secrets: EVERY
  check: {command: "SHOUT", within: 5s}
""".replace("EVERY", EVERY).replace("SHOUT", SHOUT_ALL)
CONVENTIONS = ("PreDeploy", "Deploy", "PostDeploy", "DeployFailed")
ALLOWED = {"whole": {"content"}, "settings": {"env", "age", "command", "scope"}, "template": {"age file", "word"}}
ALLOWED |= {"late": {"output", "file"}}
IN_RELEASES = {
    "app.conf": {"env", "file", "command"},
    "app.json": {"env", "age", "age file"},
    "app.yml": {"command", "file", "word"},
    "app.properties": {"scope", "env"},
}


def allowed(trap: Trap) -> dict[str, set[str]]:
    """Configured files and files of steps are there to hold them."""
    found = dict(ALLOWED)
    for name in trap.farm.hosts:
        releases = trap.farm.to(name) / "releases"
        for path in (path for folder in releases.glob("*/conf") for path in folder.iterdir()):
            found[str(path.relative_to(trap.farm.home(name)))] = IN_RELEASES[path.name]
    return found


def write_release(trap: Trap, release: str, *, more: dict[str, str] | None = None, level: str = "info") -> None:
    script = f'#!/bin/bash\nset -x\n{SHOUT_ALL}\nget_octopusvariable by_env\nset_octopusvariable NAME "$by_env"\n'
    scripts = {f"{name}.sh": script.replace("NAME", name) for name in CONVENTIONS}
    trap.farm.write_release({**CONFIGURED, **scripts, **(more or {})})
    trap.farm.env["CONTENT"] = trap.of("content")
    trap.farm.write("template.txt", "license ${{ by_age_file }}\nword ${{ word | lower }}\n")
    trap.write_plan(RELEASE.replace("LEVEL", level), release=release, packages="{shop: {dir: release}}")


def test_a_release_leaves_them_in_its_own_files_alone(trap: Trap) -> None:
    write_release(trap, "1.0")
    for words in (("--json",), ("-vv",), ()):
        assert trap.octo("plan", "plan.yaml", *words).code == 0
    assert trap.octo("plan", "plan.yaml", "--out", "saved").code == 0
    told = trap.octo("apply", "saved", "--json", "-vv")
    assert told.code == 0, told.stderr[-2000:]
    assert (told.code, told.ends) == (0, {"web-1": "changed", "web-2": "changed"}), told.reason("deploy")
    assert told.output("deploy").count("***") > 1000
    assert (trap.farm.home() / "whole").read_text() == trap.of("content")
    assert trap.of("output") in (trap.farm.home() / "late").read_text()
    conf = trap.farm.to() / "current/conf"
    assert trap.of("scope").split("{")[1] in (conf / "app.properties").read_text()
    assert "\n".join(trap.traces(allowed=allowed(trap))) == ""

    # Secrets change: what is removed from files is not told either, for it may be an old one.
    for place in ("env", "content", "age file", "word"):
        trap.secrets[f"new {place}"] = Sentinel.word(place) if place == "word" else Sentinel.tricky(place)
        for may in (*ALLOWED.values(), *IN_RELEASES.values()):
            if place in may:
                may.add(f"new {place}")
    trap.farm.env |= {"SHOP_TOKEN": trap.of("new env"), "CONTENT": trap.of("new content")}
    trap.farm.env |= {"SHOP_WORD": trap.of("new word")}
    write_release(trap, "1.1", more={"VERIFY": ""}, level="debug")
    trap.farm.env["CONTENT"] = trap.of("new content")
    for flag in ("--json", "-vv"):
        told = trap.octo("plan", "plan.yaml", flag)
        assert "+plain = debug" in told.stdout
    told = trap.apply()
    assert told.reason("deploy").endswith("back at 1.0")
    assert trap.farm.current() == "1.0"
    write_release(trap, "1.2", more={"BAD": ""})
    assert trap.apply().reason("deploy").startswith("activate: bad because of ***")
    write_release(trap, "1.3")
    assert trap.octo("apply", "plan.yaml", "-vv", "--redeploy").code == 0
    for command in (("status", "plan.yaml"), ("doctor", "all"), ("lock", "all")):
        for flag in ("-vv", "--json"):
            trap.octo(*command, flag)
    for target in ("web-1", "web-2", "controller"):
        for flag in ("--explain", "--json"):
            assert trap.octo("vars", target, "--step", "Deploy", flag).code == 0
    assert "\n".join(trap.traces(allowed=allowed(trap))) == ""


WRONG = [
    "${{ by_env.split('zz')[3] }}",
    "${{ by_env.nope }}",
    "${{ by_env['nope'] }}",
    "${{ {'a': 1}[by_env] }}",
    "${{ vars[by_env] }}",
    "${{ by_env + 1 }}",
    "${{ 1 // (by_env | length - by_env | length) }}",
    "${{ '%d' | format(by_env) }}",
    "${{ 'x'.center(by_env) }}",
    "${{ range(by_env) }}",
    "${{ by_env.index('nowhere') }}",
    "${{ [1, 2] | map(by_env) | list }}",
    "${{ [1, 2] | select(by_env) | list }}",
    "${{ [{'a': 1}] | map(attribute=by_env) | join }}",
    "${{ [{'a': by_env}, {'b': 1}] | sum(attribute='a') }}",
    "${{ by_env | round }}",
    "${{ by_env | dictsort }}",
    "${{ by_env is divisibleby(3) }}",
    "${{ by_env | truncate('x') }}",
    "${{ (by_env ~ 'x') * 999999 }}",
    "${{ by_env | replace('a', by_env * 9000) }}",
    "${{ dict(by_env) }}",
    "${{ by_env() }}",
    "${{ [by_env, 1] | sort }}",
    "${{ [by_env, 1] | max }}",
    "${{ by_env < 1 }}",
    "${{ -by_env }}",
    "${{ by_env % 3 }}",
    "${{ (by_env | tojson)[9999] }}",
    "${{ by_env | filesizeformat }}",
    "${{ by_env | indent(by_env) + 1 }}",
    "${{ steps.before.output.Made.split('zz')[3] }}",
    "${{ steps.before.output.Made | round }}",
    "${{ steps.before.output.Nope }}",
    "${{ steps.before.output.Made + steps.before.output.Number + 1 }}",
]


def test_templates_that_fail_on_a_secret_say_so_without_it(trap: Trap) -> None:
    """In steps: when they run. Elsewhere: before anything is changed."""
    trap.farm.write_inventory()
    steps = ["- {name: Before, run: 'octo_secret Made \"$(cat ~/made)\"; octo_set Number 12'}"]
    for number, text in enumerate(WRONG):
        steps.append(f'- name: Env {number}\n  on_failure: ignore\n  run: echo\n  env: {{X: "{text}"}}')
    of_outputs = [text for text in WRONG if "steps" in text]
    for number, text in enumerate(of_outputs):
        steps.append(f'- name: File {number}\n  on_failure: ignore\n  file: ~/f\n  content: "{text}"')
        steps.append(f"- name: When {number}\n  on_failure: ignore\n  run: 'true'\n  when: \"{text}\"")
    trap.write_plan("\n".join(steps))
    told = trap.apply("--limit", "web-1")
    assert told.code == 0, told.stdout + told.stderr
    outcomes = [told.outcome(f"env_{number}") for number in range(len(WRONG))]
    outcomes += [told.outcome(f"{kind}_{number}") for number in range(len(of_outputs)) for kind in ("file", "when")]
    failed = outcomes.count({"web-1": "failed"})
    assert failed > 0.8 * len(outcomes), [
        text for text, end in zip(WRONG, outcomes, strict=False) if "failed" not in end
    ]
    trap.octo("apply", "plan.yaml", "-vv", "--limit", "web-1")

    trap.farm.write_release({"a.conf": "${{ by_file }}\n", "b.json": '{"a": {"b": 1}, "c": [1], "d": true, "e": 1}'})
    package = "{shop: {dir: release}}"
    deploy = "{name: Deploy, package: shop, configure: %s}"
    for text in WRONG[:31:3]:
        for place in ('{name: File, file: ~/f, content: "%s"}', deploy % '{set: {b.json: {"a:b": "%s"}}}'):
            trap.write_plan(f"[{place % text}]", packages=package, release="1")
            told = trap.octo("plan", "plan.yaml", "-vv", "--limit", "web-1")
            assert (told.code, "internal" in told.stderr) in ((0, False), (1, False)), told.stderr
        trap.farm.write("release/a.conf", f"{text}\n")
        trap.write_plan(f"[{deploy % '[a.conf]'}]", packages=package, release="1")
        trap.octo("plan", "plan.yaml", "-vv", "--limit", "web-1")
    trap.farm.write("release/a.conf", "plain\n")
    for key in ("a", "a:b:c", "c", "d", "nope", "c:7"):
        for value in ("${{ by_env }}", "${{ by_file }}", "x${{ word }}"):
            trap.write_plan(
                f"[{deploy % f'{{set: {{b.json: {{{key!r}: {value!r}}}}}}}'}]", packages=package, release="1"
            )
            told = trap.octo("plan", "plan.yaml", "-vv", "--limit", "web-1")
    for bad in ('{"a": 1', '{"a": 1} x', "[" * 500, "\xff"):
        trap.farm.write("release/b.json", bad)
        for name in ("b.json", "b.yml", "b.properties"):
            (trap.farm.folder / "release" / name).write_text(bad)
            sets = deploy % f"{{files: [{name}], set: {{{name}: {{a: '${{{{ by_env }}}}'}}}}}}"
            trap.write_plan(f"[{sets}]", packages=package, release="1")
            assert trap.octo("plan", "plan.yaml", "-vv", "--limit", "web-1").code in (0, 1)
    for step in (
        "{name: A, approve: 'is ${{ by_env }} good'}",
        "{name: A, run: echo, cwd: '/${{ by_env }}'}",
        "{name: A, run: echo, when: '${{ by_env }}'}",
        "{name: A, run: echo, when: \"${{ by_env == 'x' }}\"}",
        "{name: A, file: '/tmp/${{ by_env }}', content: x}",
        "{name: A, file: /tmp/x, content: x, owner: '${{ by_env }}'}",
        "{name: A, service: '${{ by_env }}', state: running}",
        "{name: A, check: {http: 'http://x/${{ by_env }}'}}",
        "{name: A, check: {command: [echo, '${{ by_env }}']}}",
        "{name: A, run: echo, env: {X: ['${{ by_env }}']}}",
        "{name: A, run: echo, variables: {x: 'a${{ by_env }}'}}",
    ):
        trap.write_plan(f"[{step}]")
        told = trap.octo("plan", "plan.yaml", "-vv")
        assert told.code == 1, step
        assert "secret" in told.stderr, step
    assert "\n".join(trap.traces()) == ""


def test_sources_and_logins_that_fail_say_so_without_them(trap: Trap) -> None:
    farm, of = trap.farm, trap.of
    use = "[{name: Use, run: echo, secrets: [%s]}]"
    for name, text in (
        ("empty", ""),
        ("short", of("env")[:3]),
        ("nul", of("env") + "\0x"),
        ("large", of("env") * 9999),
    ):
        farm.write(f"sources/{name}", text, 0o600)
        trap.given.add(farm.folder / "sources" / name)
    farm.write("sources/latin", "", 0o600).write_bytes(of("env").encode("latin-1"))
    trap.given.add(farm.folder / "sources/latin")
    fails = f"#!/bin/sh\necho {shlex.quote(of('command'))}; echo {shlex.quote(of('command'))} >&2; exit 3\n"
    trap.given.add(farm.write("sources/fails", fails, 0o700))
    bad_age = (farm.folder / "age.txt").read_text().replace("A", "B", 40)
    for source in (
        *({"file": f"sources/{name}"} for name in ("empty", "short", "nul", "large", "latin", "nope")),
        {"command": ["sources/fails"]},
        {"command": ["sources/key"]},
        {"age": bad_age},
        {"age": "sources/key"},
        {"env": "NOPE"},
    ):
        farm.write_plan(use % "it", packages="", variables={"it": {"secret": source}})
        for words in (("plan", "plan.yaml", "-vv"), ("apply", "plan.yaml", "-vv"), ("vars", "web-1", "--explain")):
            trap.octo(*words)
    for text in (of("env"), of("file"), "AGE-SECRET-KEY-1" + of("word").upper()):
        age = farm.env.pop("OCTO_SSH_AGE_KEY")
        farm.env["OCTO_SSH_AGE_KEY"] = text
        trap.write_plan(use % "by_age")
        assert trap.octo("apply", "plan.yaml", "-vv").code == 1
        farm.env["OCTO_SSH_AGE_KEY"] = age
    # A password or passphrase is wrong, missing, or two lines; a target cannot be reached.
    word = {"secret": {"env": "SHOP_WORD"}}
    trap.write_plan("[{name: Who, become: {user: nobody}, run: id}, {name: Never, run: echo, secrets: [by_env]}]")
    for keys in (
        {"identity_passphrase": word},
        {"identity_passphrase": {"secret": {"file": "sources/short"}}},
        {"become": {"user": "nobody", "password": word}},
        {"become": {"user": "nobody", "password": {"secret": {"file": "sources/key"}}}},
        {"become": {"user": "nobody", "password": {"secret": {"command": ["sources/fails"]}}}},
        {"become": {"user": "nobody"}},
        {"become": {"user": "nobody\n" + "x", "password": word}},
        {"port": 1},
        {"user": "nobody"},
    ):
        write_inventory(trap, **{"web-1": keys})
        trap.apply()
        trap.octo("exec", "all", "--", "id")
        for command in ("plan plan.yaml --json", "doctor -vv", "status plan.yaml", "lock all --json"):
            trap.octo(*command.split())
    write_inventory(trap)
    assert "\n".join(trap.traces()) == ""


def until_line(trap: Trap, words: tuple[str, ...], text: str) -> tuple[Command, str]:
    """A command that runs, when its standard output has held the text; and what it has said so far."""
    process = trap.farm.start(*words)
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return process, read
    raise AssertionError(f"never said: {text}: {read}")


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "twice", "SIGKILL", "timeout", "script killed"])
def test_whatever_ends_a_run_in_the_middle_leaves_them_nowhere(trap: Trap, end: str) -> None:
    """The script has printed one half of a secret and would print the other."""
    timeout = "2s" if end == "timeout" else "30m"
    half = 'printf \'half %s\' "$(printf %s "$word" | head -c 24)"; echo $$ >~/pid; exec sleep 600'
    trap.farm.write_release({"a.conf": "${{ by_env }}", "big": "x" * 300_000})
    trap.write_plan(
        f"""
        - {{name: File, file: ~/whole, content: "${{{{ by_file }}}}"}}
        - {{name: Deploy, package: shop, configure: [a.conf], secrets: [word], activate: '$shout word'}}
        - name: Half
          secrets: {EVERY}
          env: {{HEADER: "Bearer ${{{{ by_env }}}}"}}
          timeout: {timeout}
          run: |
            octo_secret Made "$(cat ~/made)"; cat ~/made; echo begun
            {half}
        - {{name: Always, when: always, secrets: [word], run: '$shout word'}}
        """,
        packages="{shop: {dir: release}}",
        release="1",
    )
    words = ("apply", "plan.yaml", "--json", "-vv", "--limit", "web-1")
    process, read = until_line(trap, words, "begun")
    wait_until((trap.farm.home() / "pid").exists, "the script has printed its half")
    pid = int((trap.farm.home() / "pid").read_text())
    trap.processes.update(command_lines())
    match end:
        case "SIGINT" | "SIGTERM":
            process.send_signal(getattr(signal, end))
        case "twice":
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        case "SIGKILL":
            process.send_signal(signal.SIGKILL)
        case "script killed":
            os.kill(pid, signal.SIGKILL)
        case _:
            pass
    told = trap.finish(process, words, read)
    assert told.code not in (0, 2), told.stderr
    if end in ("twice", "SIGKILL"):  # the script goes on, and what it prints is kept until the next run
        trap.octo("lock", "--release", "web-1")
        trap.write_plan("- {name: Next, run: 'true'}", packages="")
        trap.octo("apply", "plan.yaml", "--limit", "web-1")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the script has ended")
    trap.octo("plan", "plan.yaml", "-vv", "--limit", "web-1")
    trap.octo("lock", "all", "--json")
    releases = {str(path.relative_to(trap.farm.home())): {"env"} for path in trap.farm.home().rglob("a.conf")}
    assert "\n".join(trap.traces(allowed={"whole": {"file"}, **releases})) == ""


def test_on_a_terminal_nothing_is_echoed_and_questions_tell_nothing(trap: Trap) -> None:
    farm, of = trap.farm, trap.of
    steps = f"""
    - name: Bad
      secrets: {EVERY.replace("[", "[asked, ")}
      run: |
        $shout asked word by_env
        octo_secret Made "$(cat ~/made)"; cat ~/made; echo
        fail_step "no good: $asked $word"
    - {{name: Sign-off, approve: "shall it go on"}}
    - {{name: After, secrets: [asked], run: 'echo "$asked"'}}
    """
    variables = {**trap.variables, "asked": {"prompt": {"text": "Database password", "secret": True}}}
    farm.write_plan(steps, packages="", variables=variables)
    words = ("apply", "plan.yaml", "-vv", "--limit", "web-1", "--guided")
    answers = [("Database password: ", "abc"), ("Database password", of("answer"))]
    for choices in (["retry", "ignore"], ["stop"], ["leave out"]):
        asked = [("[r]etry", choice) for choice in choices]
        approval = [("[y/N]", "no")] if choices[-1] == "ignore" else []
        code, text = trap.typed(words, answers + asked + approval)
        assert code == 1, text
        assert "no good: *** ***" in text
    code, text = trap.typed(("plan", "plan.yaml", "-vv"), answers)
    assert code == 0, text
    for sign in ("SIGINT", "SIGKILL"):
        code, text = trap.typed(("apply", "plan.yaml"), [("Database password: ", sign)])
        assert code != 0
    # What is typed on the command line may be seen there, and nowhere else; of one that is no assignment nothing is.
    commands: list[str] = []
    for value in (f"asked={of('var')}", f"asked:='{of('var')}'", f"by_env={of('var')}"):
        apply = ("apply", "plan.yaml", "--approve", "Sign-off=nobody is here")
        for command in (apply, ("plan", "plan.yaml"), ("vars", "web-1", "--explain")):
            trap.octo(*command, "-vv", "--no-input", "--var", value, "--var", "asked=password")
            told = trap.octo(*command, "--json", "--no-input", "--var", "asked=password", "--var", value)
            if command is apply and told.code == 1:
                commands += [event["next_command"] for event in told.all("run_ended")]
    saved = trap.octo("plan", "plan.yaml", "--var", f"asked={of('var')}", "--out", "saved")
    assert (saved.code, "holds no secrets" in saved.stderr) == (2, True)
    assert any("asked=***" in command for command in commands), commands
    for value in (of("var"), f"={of('var')}", f"asked:=[{of('var')}", f"asked:={{a: {of('var')}: b}}"):
        assert trap.octo("plan", "plan.yaml", "-vv", "--var", value).code == 2
    trap.octo("plan", "plan.yaml", "--var", "asked=" + of("var")[:3])
    ours = {line for line in trap.processes if "--var" in line}
    trap.processes -= ours
    trap.said = [(" ".join(word for word in words.split() if "=" not in word), text) for words, text in trap.said]
    assert "\n".join(trap.traces()) == ""


BROKEN = """
import asyncio, sys
from importlib import import_module

module, _, names = "WHERE".partition(":")
owner = import_module(module)
*path, name = names.split(".")
for part in path:
    owner = getattr(owner, part)
right = getattr(owner, name)

def all_of(value):
    from octo_ssh.config.secrets import known_here
    return " ".join(secret.reveal() for secret in known_here())

def wrong(*args, **kwargs):
    try:
        int(all_of(args))
    except ValueError:
        raise RuntimeError(f"broke on {args!r}: {all_of(args)}")

async def wrong_later(*args, **kwargs):
    wrong(*args, **kwargs)

setattr(owner, name, wrong_later if asyncio.iscoroutinefunction(right) else wrong)
from octo_ssh.cli.program import run
sys.exit(run())
"""


@pytest.mark.parametrize(
    "where",
    [
        "octo_ssh.execution.script:script_text",
        "octo_ssh.execution.engine:run_script",
        "octo_ssh.execution.voice:StepVoice.output",
        "octo_ssh.execution.push:lay_out",
        "octo_ssh.execution.hold:Hold.record",
        "octo_ssh.execution.outputs:Outputs.secret",
        "octo_ssh.planning.configure:render_file",
        "octo_ssh.planning.files:content_diff",
        "octo_ssh.operations.prepare:configure",
        "octo_ssh.operations.run:Run._results",
        "octo_ssh.transport.conversation:_chunks",
        "octo_ssh.output.plan_json:plan_document",
        "octo_ssh.output.record:RunRecord.append",
    ],
)
def test_a_mistake_of_ours_is_told_without_them(trap: Trap, where: str) -> None:
    trap.farm.write_release({"a.conf": "${{ by_env }}"})
    trap.write_plan(
        """
        - {name: File, file: ~/whole, content: "${{ by_file }}"}
        - {name: Deploy, package: shop, configure: [a.conf], secrets: [word], activate: 'echo "$word"'}
        - {name: Run, secrets: [by_command], run: 'echo "$by_command"; octo_secret Made "$(cat ~/made)"'}
        """,
        packages="{shop: {dir: release}}",
        release="1",
    )
    broken = trap.farm.write("broken.py", BROKEN.replace("WHERE", where))
    said = ""
    for words in (("apply", "plan.yaml", "-vv"), ("plan", "plan.yaml", "--json")):
        done = subprocess.run(
            [sys.executable, str(broken), *words, "--limit", "web-1"],
            cwd=trap.farm.folder,
            env={**trap.farm.env, "PYTHONPATH": str(REPOSITORY), "OCTO_SSH_DEBUG": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        trap.heard(words, done.stdout + done.stderr)
        said += done.stderr
    assert "internal error: RuntimeError: broke on" in said
    assert "Traceback" in said
    releases = {str(path.relative_to(trap.farm.home())): {"env"} for path in trap.farm.home().rglob("a.conf")}
    assert "\n".join(trap.traces(allowed={"whole": {"file"}, **releases})) == ""


def test_drift_tells_what_differs_and_no_secret(trap: Trap) -> None:
    write_release(trap, "1.0")
    assert trap.apply("--limit", "web-1").code == 0
    trap.octo("drift", "plan.yaml", "-vv")
    home, conf = trap.farm.home(), trap.farm.to() / "current/conf"
    for path in (home / "whole", home / "settings", home / "template", home / "late", *conf.iterdir()):
        path.write_text(path.read_text() + f"changed\n{trap.of('sudo')} {trap.of('env')}\n")
    (home / "whole").unlink()
    url = trap.farm.write("notify", f"json://user:{trap.of('var')}@127.0.0.1:1/{trap.of('answer')}\n", 0o600)
    trap.given.add(url)
    trap.farm.env["NOTIFY"] = trap.of("var")
    for number, words in enumerate(
        (
            ("-vv",),
            ("--json",),
            ("--quiet",),
            ("--against", "plan", "-vv"),
            ("--health", "--quick", "--json"),
            ("--notify", str(url), "-vv"),
            ("--notify-always", str(url), "--json"),
            ("--notify", f"json://{trap.of('var')}@127.0.0.1:1", "-vv"),
            ("--notify", f"nonsense://{trap.of('var')}", "-vv"),
        )
    ):
        told = trap.octo("drift", "plan.yaml", "--limit", "web-1", "--report", f"report{number}.html", *words)
        assert told.code in (1, 2, 3), told.stderr
    for words in (("history",), ("history", "--json")):
        trap.octo(*words)
    for content in ("token = ${{ by_file }}", "no secret any more"):
        trap.write_plan(f"[{{name: Settings, file: ~/settings, content: '{content}'}}]")
        for flag in ("--json", "-vv"):
            told = trap.octo("plan", "plan.yaml", "--limit", "web-1", flag)
            assert "not shown: the old content may hold a secret" in told.stdout
    trap.processes -= {line for line in trap.processes if "--notify" in line}
    trap.said = [(words if "--notify" not in words else "drift --notify", text) for words, text in trap.said]
    changed = {path: {*trap.secrets} for path in allowed(trap)}
    assert "\n".join(trap.traces(allowed=changed)) == ""
