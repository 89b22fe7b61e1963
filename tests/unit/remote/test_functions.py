"""The functions that scripts may call, under every shell, read by the real reader."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octo_ssh.model.events import Level
from octo_ssh.model.messages import Artifact, Failure, Item, LevelChanged, MessageReader, Progress, SetOutput
from octo_ssh.model.values import Secret, shell_name
from octo_ssh.remote.functions import all_functions, functions_named_in
from octo_ssh.remote.script import packaged_script, script, text_with_functions

from .conftest import Machine, make_machine

SHELLS = ("dash", "bash", "busybox", "ksh", "mksh", "zsh")
STRICT = {"plain": "", "strict": "set -eu\n", "pipefail": "set -eu\n(set -o pipefail) 2>/dev/null && set -o pipefail\n"}
NASTY = 'it\'s "$HOME" `id` \\n \\ %s -n\n\ttab, äöü ☃\n\n'


@dataclass(frozen=True, slots=True)
class Said:
    """How a script ended, and what it said."""

    status: int
    items: list[object]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Runs texts under one shell."""

    shell: str
    machine: Machine

    async def say(self, text: str, env: Mapping[str, str | Secret] | None = None, *, cwd: str | None = None) -> Said:
        first = f"#!{shutil.which(self.shell)}{' sh' if self.shell == 'busybox' else ''}\n"
        return await say(self.machine, text_with_functions(first + text), env, cwd=cwd)


async def say(
    machine: Machine, text: str, env: Mapping[str, str | Secret] | None = None, *, cwd: str | None = None
) -> Said:
    """Run the text as it is."""
    reader = MessageReader()
    items: list[Item] = []
    program = script(env=env or {}, script=text, cwd=cwd or "~")
    result = await machine.session.act(program, on_output=lambda data: items.extend(reader.feed(data)))
    return Said(result.status, joined([*items, *reader.finish()]))


def joined(items: Iterable[Item]) -> list[object]:
    """Neighbouring bytes put together, secrets made comparable."""
    found: list[object] = []
    for item in items:
        if isinstance(item, SetOutput) and isinstance(item.value, Secret):
            found.append(("secret", item.name, item.value.reveal()))
        elif isinstance(item, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            found.append(item)
    return found


@pytest.fixture(params=SHELLS)
def speaker(request: pytest.FixtureRequest, tmp_path: Path, tools: dict[str, str]) -> Speaker:
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    machine = shell if shell in ("dash", "bash", "busybox") else next(iter(tools))
    return Speaker(shell, make_machine(machine, tmp_path / "home of ünï", tools))


@pytest.mark.parametrize("strict", STRICT.values(), ids=STRICT)
async def test_everything_that_can_be_said_is_heard(speaker: Speaker, strict: str) -> None:
    (speaker.machine.home / "a log").write_text("12345")
    text = """\
octo_set Version 1.4.2
octo_secret Password hunter22
set_octopusvariable 'Test Result' Passed
set_octopusvariable Empty ""
set_octopusvariable Key 's3cr3t key' -sensitive
octo_progress 10 'A tenth'
update_progress 50
octo_artifact 'a log'
new_octopusartifact "./a log" report.txt
octo_highlight one "two  three"
write_highlight 'a * b'
octo_warn careful
write_warning '-n'
write_wait 'for it\\n'
write_verbose details
echo done
"""
    path = f"{speaker.machine.home}/a log"

    def at(level: Level, text: str) -> list[object]:
        return [LevelChanged(level), f"{text}\n".encode(), LevelChanged(None)]

    assert await speaker.say(strict + text) == Said(
        0,
        [
            SetOutput("Version", "1.4.2"),
            ("secret", "Password", "hunter22"),
            SetOutput("Test Result", "Passed"),
            SetOutput("Empty", ""),
            ("secret", "Key", "s3cr3t key"),
            Progress(10, "A tenth"),
            Progress(50, ""),
            Artifact(path, "a log"),
            Artifact(path, "report.txt"),
            *at(Level.HIGHLIGHT, "one two  three"),
            *at(Level.HIGHLIGHT, "a * b"),
            *at(Level.WARNING, "careful"),
            *at(Level.WARNING, "-n"),
            *at(Level.WAIT, "for it\\n"),
            *at(Level.VERBOSE, "details"),
            b"done\n",
        ],
    )


async def test_values_arrive_byte_by_byte(speaker: Speaker) -> None:
    text = 'octo_set A "$NASTY"; octo_secret B "$NASTY"; octo_set C "$LONG"; octo_highlight "$NASTY"'
    assert await speaker.say(text, {"NASTY": NASTY, "LONG": "xyz " * 8000}) == Said(
        0,
        [
            SetOutput("A", NASTY),
            ("secret", "B", NASTY),
            SetOutput("C", "xyz " * 8000),
            LevelChanged(Level.HIGHLIGHT),
            NASTY.encode() + b"\n",
            LevelChanged(None),
        ],
    )


@pytest.mark.parametrize("strict", STRICT.values(), ids=STRICT)
async def test_a_step_fails_with_its_own_words(speaker: Speaker, strict: str) -> None:
    assert await speaker.say(strict + "fail_step 'no database'\necho not reached") == Said(1, [Failure("no database")])
    assert await speaker.say(strict + "fail_step\necho not reached") == Said(1, [])


@pytest.mark.parametrize("strict", STRICT.values(), ids=STRICT)
async def test_an_artifact_that_is_not_there_fails_and_says_so(speaker: Speaker, strict: str) -> None:
    gone = b"octo_artifact: gone is not there or not a file\n"
    assert await speaker.say(strict + "octo_artifact gone || echo caught") == Said(0, [gone + b"caught\n"])
    assert await speaker.say(strict + "new_octopusartifact gone\necho not reached") == Said(1, [gone])


async def test_the_path_of_an_artifact_is_absolute_wherever_the_script_is(speaker: Speaker) -> None:
    home = speaker.machine.home
    (home / "logs").mkdir()
    (home / "logs/-a.log").touch()
    text = "cd logs; CDPATH=/etc:/; octo_artifact -a.log; octo_artifact ../logs/-a.log; octo_artifact /etc/passwd; pwd"
    assert await speaker.say(text) == Said(
        0,
        [
            Artifact(f"{home}/logs/-a.log", "-a.log"),
            Artifact(f"{home}/logs/-a.log", "-a.log"),
            Artifact("/etc/passwd", "passwd"),
            f"{home}/logs\n".encode(),
        ],
    )


ENV = {
    "OCTO_PROJECT": "shop",
    "OCTO_RELEASE": "1.4.2",
    "OCTO_ENVIRONMENT": "production",
    "OCTO_TARGET": "web-01",
    "OCTO_TAGS": "web,eu",
    "OCTO_STEP": "Say it",
    "OCTO_RUN": "20270301-1",
    "OCTO_PREVIOUS_RELEASE": "1.4.1",
    "OCTO_RELEASE_DIR": "/srv/shop/releases/1.4.2",
    "OCTO_RELEASE_DIR_SHOP_WEB": "/srv/shop/releases/1.4.2",
    "OCTO_STEP_IDS": "Step [A] *\tstep_a\nOther\tother\n",
    "OCTO_OUTPUT_STEP_A_TestResult": "Passed",
    "OCTO_OUTPUT_STEP_A_Test_Result_x": "spaced",
    "OCTO_OUTPUT_STEP_A_Key": "s3cr3t",
    "OCTO_OUTPUT_OTHER_TestResult": "Other",
    "OCTO_OUTPUTS": "".join(
        f"{step}\t{target}\t{name}\t{base64.b64encode(value.encode()).decode()}\n"
        for step, target, name, value in (
            ("step_a", "web-02", "TestResult", "Failed\n" + NASTY),
            ("step_a", "web-02", "TestResult2", "no"),
            ("step_a", "web-03", "Test.Result", ""),
        )
    ),
    "OCTO_OUTPUTS_2": f"other\tweb-02\tTestResult\t{base64.b64encode(b'yet another').decode()}\n",
    "My_App_Connection": NASTY,
    "App_N_me": "umlaut",
    "octo": "lower",
}
VALUES = {
    "Octopus.Project.Name": "shop",
    "Octopus.Release.Number": "1.4.2",
    "Octopus.Environment.Name": "production",
    "Octopus.Machine.Name": "web-01",
    "Octopus.Machine.Roles": "web,eu",
    "Octopus.Step.Name": "Say it",
    "Octopus.Action.Name": "Say it",
    "Octopus.Deployment.Id": "20270301-1",
    "Octopus.Release.PreviousForEnvironment.Number": "1.4.1",
    "Octopus.Action.Package.InstallationDirectoryPath": "/srv/shop/releases/1.4.2",
    "Octopus.Action.Package[shop-web].ExtractedPath": "/srv/shop/releases/1.4.2",
    "Octopus.Action.Package[shop-web].PackageVersion": "1.4.2",
    "Octopus.Action[Deploy].Output.Package.InstallationDirectoryPath": "/srv/shop/releases/1.4.2",
    "Octopus.Action[Step [A] *].Output.TestResult": "Passed",
    "Octopus.Action[step_a].Output.TestResult": "Passed",
    "Octopus.Action[Step [A] *].Output.Test Result.x": "spaced",
    "Octopus.Action[Other].Output.TestResult": "Other",
    "Octopus.Action[Other].Output.TestResult2": "",
    "Octopus.Action[Step [A] *].Output[web-01].TestResult": "Passed",
    "Octopus.Action[Step [A] *].Output[web-02].TestResult": "Failed\n" + NASTY,
    "Octopus.Action[Step [A] *].Output[web-03].Test.Result": "",
    "Octopus.Action[Other].Output[web-02].TestResult": "yet another",
    "Octopus.Action[Other].Output[web-03].TestResult": "",
    "Octopus.Action[Nobody].Output.TestResult": "",
    "Octopus.Web.BaseUrl": "",
    "My.App:Connection": NASTY,
    "My_App_Connection": NASTY,
    "App.Näme": "umlaut",
    "octo": "lower",
    "unknown": "",
    "1": "",
    "": "",
    "$(touch ran)`touch ran`;touch ran": "",
}


@pytest.mark.parametrize("strict", STRICT.values(), ids=STRICT)
async def test_variables_are_found_under_their_names_in_octopus(speaker: Speaker, strict: str) -> None:
    names = "".join("'" + name.replace("'", "'\\''") + "' " for name in VALUES)
    loop = 'do value=$(get_octopusvariable "$name"; echo .); octo_set value "${value%.}"; done'
    said = await speaker.say(f"{strict}for name in {names}; {loop}", ENV)
    assert said.status == 0
    found = [item.value for item in said.items if isinstance(item, SetOutput)]
    assert dict(zip(VALUES, found, strict=True)) == VALUES
    assert not (speaker.machine.home / "ran").exists()


async def test_the_functions_leave_nothing_behind_and_change_nothing(speaker: Speaker) -> None:
    text = """\
IFS=,; before=$-; set -- one two
octo_set A 1; octo_get 'Octopus.Action[x].Output[y].z'; octo_highlight a b; octo_artifact /etc/passwd
set | grep '^octo_[a-z]*='
echo "$1$2$#"
[ "$before" = "$-" ] && [ "$IFS" = , ] && pwd
"""
    said = await speaker.say(text)
    assert said.items[-1] == f"onetwo2\n{speaker.machine.home}\n".encode()


async def test_no_secret_is_in_an_argument_list(speaker: Speaker, tmp_path: Path) -> None:
    folder = tmp_path / "spies"
    folder.mkdir()
    for tool in ("base64", "tr", "printf", "openssl", "echo", "print"):
        spy = folder / tool
        spy.write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/seen\nexec {shutil.which(tool) or "true"} "$@"\n')
        spy.chmod(0o755)
    text = f'PATH={folder}:$PATH\nocto_secret A "$TOKEN"\nocto_set B "$(octo_get TOKEN)"\n'
    said = await speaker.say(text, {"TOKEN": Secret("hunter22")})
    assert said == Said(0, [("secret", "A", "hunter22"), SetOutput("B", "hunter22")])
    seen = (tmp_path / "seen").read_bytes()
    assert b"base64" in seen
    assert b"hunter" not in seen
    assert base64.b64encode(b"hunter22") not in seen


async def test_a_target_without_base64_uses_openssl(one_machine: Machine, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "few"
    folder.mkdir()
    for tool in ("tr", "openssl"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    text = text_with_functions(f'PATH={folder}\nocto_set A "$NASTY"\ndecode_servicemessagevalue QUI=\n')
    assert await say(one_machine, text, {"NASTY": NASTY * 20}) == Said(0, [SetOutput("A", NASTY * 20), b"AB"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100))
def test_a_name_becomes_the_one_that_variables_have(name: str) -> None:
    text = f'{functions_named_in("octo_plain")}; octo_plain "$1"'
    found = subprocess.run(["sh", "-c", text, "sh", name], capture_output=True, check=True).stdout
    assert found.decode() == shell_name(name)


# --- How the functions come into a script


def test_a_script_that_names_no_function_stays_as_it_is() -> None:
    for text in ("", "echo hello\n", "#!/bin/bash -eu\necho hello\n", "#!/usr/bin/env python3\nprint('octo_set')\n"):
        assert text_with_functions(text) == text


def test_only_what_is_named_is_given_and_what_that_calls() -> None:
    text = text_with_functions("write_wait 'for it'\n")
    assert "octo_say() {" in text
    assert "octo_print() {" in text
    assert "octo_set" not in text
    assert "octo_get" not in text


READING = [
    ". ./lib.sh",
    "source lib.sh",
    "cd /x && . ./lib.sh",
    'for f in *; do . "$f"; done',
    "if x; then\n\tsource lib\nfi",
]


@pytest.mark.parametrize("text", READING)
def test_a_script_that_reads_other_files_gets_all_functions(text: str) -> None:
    assert text_with_functions(text) == f"{all_functions()}; {text}"


@pytest.mark.parametrize(
    "text", ["echo source code", "ls . ..", "find . -name x", "cp -a . /x", "# . x\n./run\n.hidden x"]
)
def test_a_script_that_reads_no_other_files_is_not_burdened(text: str) -> None:
    assert text_with_functions(text) == text


async def test_a_file_that_a_script_reads_may_call_the_functions(machine: Machine) -> None:
    (machine.home / "lib.sh").write_text("deploy() { set_octopusvariable A 1; }\n")
    assert await say(machine, text_with_functions(". ./lib.sh\ndeploy\n")) == Said(0, [SetOutput("A", "1")])


@pytest.mark.parametrize(
    "shebang", ["#!/bin/busybox sh", "#!/usr/bin/env -S busybox sh", "#!/usr/bin/ksh93 -e", "#! /usr/bin/env ksh93"]
)
def test_shells_are_known_by_all_their_names(shebang: str) -> None:
    assert text_with_functions(f"{shebang}\nocto_set A 1\n").startswith(f"#!!{shebang[2:].strip()}\nocto_print()")


def test_the_functions_are_one_line_without_comments() -> None:
    assert "\n" not in all_functions()
    assert " # " not in all_functions()
    assert len(all_functions()) < 4600


@pytest.mark.parametrize("shebang", ["", "#!{}\n", "#! {} -e\n", "#!/usr/bin/env {0}\n", "#!/usr/bin/env -S {0} -eu\n"])
async def test_line_numbers_stay_true(one_machine: Machine, shebang: str) -> None:
    program = shutil.which("bash")
    if program is None:
        pytest.skip("bash is not installed")
    first = shebang.format("bash") if "env" in shebang else shebang.format(program)
    text = text_with_functions(f"{first}octo_set A 1\n\necho $LINENO\n")
    line = 4 if shebang else 3
    if shebang or "bash" in one_machine.shell:
        assert await say(one_machine, text) == Said(0, [SetOutput("A", "1"), f"{line}\n".encode()])


async def test_options_of_the_first_line_count_with_functions_too(machine: Machine) -> None:
    text = text_with_functions("#!/bin/sh -e\nocto_set A 1\nfalse\necho not reached\n")
    assert await say(machine, text) == Said(1, [SetOutput("A", "1")])


@pytest.mark.parametrize(
    "shebang", ["#!/usr/bin/env python3", "#!/usr/bin/python3 -u", "#!/usr/bin/fish", "#!/opt/bashful"]
)
def test_a_script_that_is_for_no_shell_is_left_alone(shebang: str) -> None:
    text = f"{shebang}\r\nocto_set = 1\n"
    assert text_with_functions(text) == text


async def test_what_editors_on_windows_leave_is_taken_away(machine: Machine) -> None:
    text = text_with_functions("\ufeff#!/bin/sh\r\nset_octopusvariable A 1\r\nif true; then\r\necho yes\r\nfi\r\n")
    assert await say(machine, text) == Said(0, [SetOutput("A", "1"), b"yes\n"])


# --- Files of a package


def packaged(machine: Machine, name: str, content: str | bytes, *, mode: int = 0o755) -> dict[str, str | Secret]:
    folder = machine.home / "releases/the 1.4.2"
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    return {"OCTO_RELEASE_DIR_SHOP": str(folder)}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("first", ["#!{path}", "#!{path} -eu", "#!/usr/bin/env {name}", "#!/usr/bin/env -S {name} -eu"])
async def test_a_file_of_a_package_gets_the_functions(
    one_machine: Machine, shell: str, first: str, tools: dict[str, str]
) -> None:
    path = shutil.which(shell)
    if path is None or shell == "busybox":
        pytest.skip(f"{shell} is not installed, or no interpreter by itself")
    name = "bin/it's $a 'script'"
    text = first.format(path=path, name=shell) + '\nocto_set Zero "$0"\n[ "$#" -eq 0 ]\nfalse\necho "reached $?"\n'
    env = packaged(one_machine, name, text)
    said = await say(one_machine, packaged_script("OCTO_RELEASE_DIR_SHOP", name, convention=False), env)
    zero = SetOutput("Zero", f"{env['OCTO_RELEASE_DIR_SHOP']}/{name}")
    assert said == (Said(1, [zero]) if "-eu" in first else Said(0, [zero, b"reached 1\n"]))


async def test_bash_knows_where_a_file_of_a_package_is(one_machine: Machine) -> None:
    text = (
        '#!/usr/bin/env bash\necho "$LINENO"; [[ ${BASH_SOURCE[0]} == "$0" ]] && dirname "${BASH_SOURCE[0]}"; exit 7\n'
    )
    env = packaged(one_machine, "bin/x", text)
    said = await say(one_machine, packaged_script("OCTO_RELEASE_DIR_SHOP", "bin/x", convention=False), env)
    assert said == Said(7, [f"2\n{env['OCTO_RELEASE_DIR_SHOP']}/bin\n".encode()])


async def test_a_file_for_no_shell_is_executed(machine: Machine) -> None:
    env = packaged(machine, "tool", f"#!{sys.executable}\nimport sys; print(sys.argv[0])\n")
    said = await say(machine, packaged_script("OCTO_RELEASE_DIR_SHOP", "tool", convention=False), env)
    assert said == Said(0, [f"{env['OCTO_RELEASE_DIR_SHOP']}/tool\n".encode()])


async def test_a_binary_is_executed(machine: Machine) -> None:
    shutil.copy(str(shutil.which("busybox") or shutil.which("true")), machine.home / "true")
    said = await say(machine, packaged_script("HOME", "true", convention=False))
    assert said == Said(0, [])


@pytest.mark.parametrize("convention", [True, False])
async def test_a_file_that_is_not_there_fails_with_its_name(machine: Machine, convention: bool) -> None:
    env = packaged(machine, "other", "")
    said = await say(machine, packaged_script("OCTO_RELEASE_DIR_SHOP", "gone", convention=convention), env)
    assert said.status != 0
    [shown] = said.items
    assert isinstance(shown, bytes)
    assert b"gone" in shown


@pytest.mark.parametrize(
    "first", ["", "#!/bin/bash\n", "#!/bin/sh\n", "#!/nonexistent/bash\n", "#!/usr/bin/env bash\n"]
)
async def test_a_convention_script_needs_no_right_to_be_executed_and_bash_reads_it(
    machine: Machine, first: str
) -> None:
    bash = machine.shell != "busybox"
    env = packaged(machine, "PreDeploy.sh", f'{first}octo_set Bash "${{BASH_VERSION:+yes}}"\n', mode=0o644)
    said = await say(machine, packaged_script("OCTO_RELEASE_DIR_SHOP", "PreDeploy.sh", convention=True), env)
    if first == "#!/bin/bash\n" and shutil.which("/bin/bash"):
        bash = True
    assert said == Said(0, [SetOutput("Bash", "yes" if bash else "")])


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_convention_script_may_come_from_windows(machine: Machine, mark: str, end: str) -> None:
    text = mark + end.join(("#!/bin/sh", "if true; then", 'octo_set Zero "${0##*/}"', "fi", ""))
    env = packaged(machine, "Deploy.sh", text, mode=0o644)
    said = await say(machine, packaged_script("OCTO_RELEASE_DIR_SHOP", "Deploy.sh", convention=True), env)
    assert said == Said(0, [SetOutput("Zero", "Deploy.sh")])
