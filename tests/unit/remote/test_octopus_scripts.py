"""Scripts as people have them for Octopus (``tests/octopus``) run unchanged, and say what they say there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from octo_ssh.model.events import Level
from octo_ssh.model.messages import Artifact, Failure, LevelChanged, Progress, SetOutput
from octo_ssh.remote.script import packaged_script, text_with_functions

from .conftest import Machine
from .test_functions import Said, say

SCRIPTS = Path(__file__).parents[2] / "octopus"
PACKAGE = ("PreDeploy.sh", "Deploy.sh", "PostDeploy.sh", "DeployFailed.sh")
ENV = {
    "OCTO_PROJECT": "shop",
    "OCTO_RELEASE": "1.4.2",
    "OCTO_PREVIOUS_RELEASE": "1.4.1",
    "OCTO_ENVIRONMENT": "Production",
    "OCTO_TARGET": "Web01",
    "OCTO_TAGS": "web,eu",
    "OCTO_STEP_IDS": "Work things out\twork_things_out\nTest\ttest\n",
    "OCTO_OUTPUT_WORK_THINGS_OUT_AppInstanceName": "shop-production",
    "OCTO_OUTPUT_TEST_TestResult": "Passed",
    "OCTO_OUTPUTS": "test\tWeb01\tTestResult\tUGFzc2Vk\ntest\tWeb02\tTestResult\tRmFpbGVk\n",
    "MyApp_ConnectionString": "Server=db;User='shop'",
    "MyApp_Features_Checkout": "true",
    "App_Settings": '{"port": 8080, "host": "::"}',
    "Database_Name": "shop",
    "Greeting": "Hello",
}


def at(level: Level, text: str) -> list[object]:
    return [LevelChanged(level), f"{text}\n".encode(), LevelChanged(None)]


@dataclass(frozen=True, slots=True)
class Case:
    """A script, and what comes of it. ``{home}`` stands for where it runs."""

    name: str
    items: list[object]
    status: int = 0


CASES = [
    Case(
        "create_outputs.sh",
        [
            b"The instance is called shop-production\n",
            SetOutput("AppInstanceName", "shop-production"),
            SetOutput("TestResult", "Passed"),
            SetOutput("Release Notes", "First line\nSecond line"),
        ],
    ),
    Case(
        "read_outputs.sh",
        [
            b"instance=shop-production here=Passed there=Failed nobody=''\n",
            *at(Level.WARNING, "Web02 failed its test"),
        ],
    ),
    Case(
        "sensitive_output.sh",
        [
            ("secret", "Password", "correct horse battery staple"),
            ("secret", "ConnectionString", "Server=db;Password='correct horse battery staple';"),
            SetOutput("User", "shop"),
        ],
    ),
    Case(
        "collect_artifacts.sh",
        [
            Artifact("{home}/reports/today/unit.txt", "unit.txt"),
            Artifact("{home}/reports/today/smoke.txt", "smoke.txt"),
            Artifact("{home}/summary of tests.txt", "summary-Web01.txt"),
        ],
    ),
    Case(
        "progress.sh",
        [
            Progress(0, ""),
            *(Progress(25 * part, f"Part {part} of 4, that's {25 * part}%") for part in range(1, 5)),
            b"finished\n",
        ],
    ),
    Case(
        "log_levels.sh",
        [
            b"An ordinary line\n",
            *at(Level.VERBOSE, "Hidden, unless somebody looks"),
            *at(Level.HIGHLIGHT, "Deployed at 10:00"),
            *at(Level.WAIT, "Waiting for the load balancer"),
            *at(Level.WARNING, "The disk is nearly full"),
            b"A line of standard error\nAnother one\n",
        ],
    ),
    Case(
        "fail_with_message.sh",
        [b"Database.Name is shop\n", Failure("The variable Database.Port has no value for Production")],
        status=1,
    ),
    Case(
        "project_variables.sh",
        [
            b"Connection string is: Server=db;User='shop'\nCheckout is on\na default\nshop 1.4.2 on Web01 (web,eu)\n",
        ],
    ),
    Case(
        "json.sh",
        [
            SetOutput("Port", "8080"),
            SetOutput(
                "Document",
                r'{"url": "http://localhost:8080/", "tags": ["a", "b c"], "note": "it' + r"""'s \"quoted\" \\ ü"}""",
            ),
            *at(Level.VERBOSE, ENV["App_Settings"]),
        ],
    ),
    Case(
        "service_messages.sh",
        [
            SetOutput("Build", "17"),
            ("secret", "Key", "s3cr3t key"),
            SetOutput("Long", " ".join(map(str, range(1, 101)))),
            b"noise of a tool\n",
            Progress(50, "Half way"),
            b"decoded: back again\n",
        ],
    ),
    Case(
        "wait_until_ready.sh",
        [
            *at(Level.WAIT, "Not ready yet (attempt 1)"),
            *at(Level.WAIT, "Not ready yet (attempt 2)"),
            *at(Level.HIGHLIGHT, "Ready after 3 attempts"),
            SetOutput("Attempts", "3"),
        ],
    ),
]


def placed(items: list[object], folder: Path) -> list[object]:
    return [
        Artifact(item.path.format(home=folder), item.name) if isinstance(item, Artifact) else item for item in items
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_script_for_octopus_runs_unchanged(one_machine: Machine, case: Case) -> None:
    text = text_with_functions((SCRIPTS / case.name).read_text())
    assert await say(one_machine, text, ENV) == Said(case.status, placed(case.items, one_machine.home))


def test_every_script_has_its_case() -> None:
    assert {case.name for case in CASES} == {path.name for path in SCRIPTS.glob("*.sh")}


async def packaged(machine: Machine, name: str, env: Mapping[str, str]) -> Said:
    folder = machine.home / "releases/1.4.2"
    if not folder.exists():
        shutil.copytree(SCRIPTS / "package", folder)
    given = {**ENV, "OCTO_RELEASE_DIR": str(folder), "OCTO_RELEASE_DIR_SHOP": str(folder), **env}
    return await say(machine, packaged_script("OCTO_RELEASE_DIR_SHOP", name, convention=True), given, cwd=str(folder))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
async def test_the_scripts_of_a_package_run_unchanged(one_machine: Machine) -> None:
    home = one_machine.home
    said = {name: await packaged(one_machine, name, {}) for name in PACKAGE}
    assert said == {
        "PreDeploy.sh": Said(0, [b"Hello from PreDeploy.sh in 1.4.2\n", SetOutput("Previous", "1.4.1")]),
        "Deploy.sh": Said(
            0,
            [
                f"The release lies in {home}/releases/1.4.2\n".encode(),
                *at(Level.HIGHLIGHT, "Deploy.sh knows 3 words"),
            ],
        ),
        "PostDeploy.sh": Said(0, [Artifact(f"{home}/releases/1.4.2/version.txt", "version.txt")]),
        "DeployFailed.sh": Said(0, at(Level.WARNING, "It failed: tidying up")),
    }
    assert await packaged(one_machine, "PreDeploy.sh", {"ShouldFail": "yes"}) == Said(1, [Failure("Asked to fail")])
