"""Bash scripts as people have them for Octopus (``tests/octopus``), unchanged, as one process on real Debian hosts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.bench import Bench, cleaned, read_link
from tests.fleet.hosts import JUMP, Fleet, Host
from tests.integration.farm import Told

SCRIPTS = Path(__file__).parents[1] / "octopus"
WEBS = ("Web01", "Web02", "Web03")
PASSWORD = "correct horse battery staple"
CONNECTION = "Server=db;User='shop';Pwd=s3cr3t;"
STEPS = """
- {name: Deploy, package: shop}
- {name: Work things out, once: true, script: scripts/create_outputs.sh}
- name: Test
  run: |
    result=Passed
    if [ "$(get_octopusvariable "Octopus.Machine.Name")" = Web02 ]; then result=Failed; fi
    set_octopusvariable TestResult "$result"
- {name: Read outputs, script: scripts/read_outputs.sh}
- {name: Sensitive output, script: scripts/sensitive_output.sh}
- name: Use it
  run: |
    #!/bin/bash
    password=$(get_octopusvariable "Octopus.Action[Sensitive output].Output.Password")
    echo "$(get_octopusvariable "Octopus.Action[Sensitive output].Output.User"): $password, ${#password} long"
- {name: Use nothing, run: env}
- {name: Collect artifacts, script: scripts/collect_artifacts.sh}
- {name: Progress, script: scripts/progress.sh}
- {name: Log levels, script: scripts/log_levels.sh}
- {name: Project variables, script: scripts/project_variables.sh, secrets: [MyApp.ConnectionString]}
- {name: JSON, id: json, script: scripts/json.sh}
- name: Use JSON
  env: {PORT: "${{ steps.json.output.Port }}"}
  run: printf '%s %s\\n' "$PORT" "$OCTO_OUTPUT_JSON_Document"
- {name: Service messages, script: scripts/service_messages.sh}
- {name: Wait until ready, script: scripts/wait_until_ready.sh}
- {name: Gather, "on": controller, script: scripts/read_outputs.sh}
"""
FAILING = """
- {name: Require, script: scripts/fail_with_message.sh}
- {name: Never, run: echo never}
- {name: Tell, when: failure, run: 'echo "told of it"'}
"""
VARIABLES = {
    "MyApp.ConnectionString": {"secret": {"env": "CONNECTION"}},
    "MyApp:Features:Checkout": True,
    "App.Settings": {"port": 8080, "host": "::"},
    "Database.Name": "shop",
    "Greeting": "Hello",
}


@dataclass(slots=True)
class Project:
    """A project that came from Octopus, and what its first two runs said."""

    bench: Bench
    first: Told
    second: Told

    def said(self, step: str, target: str = "Web01") -> list[tuple[str, str]]:
        """The lines that a step marked, with their levels."""
        events = self.first.all("step_said")
        return [(e["level"], e["text"]) for e in events if (e["step"], e["target"]) == (step, target)]

    def outputs(self, step: str, target: str = "Web01") -> dict[str, str | None]:
        events = self.first.all("output_set")
        return {e["name"]: e["value"] for e in events if (e["step"], e["target"]) == (step, target)}


def write_targets(bench: Bench, user: str = "deploy") -> None:
    """Names as read_outputs.sh knows them; Web03 is behind the jump host."""
    keys: dict[str, Any] = {"tags": ["web", "eu"], "environments": ["Production"], "user": user}
    targets: dict[str, dict[str, Any]] = {name: {"on": f"web-{name[-2:]}", **keys} for name in WEBS}
    bench.write_targets({**targets, JUMP: {"tags": []}}, environments={"Production": {}})


def clean(host: Host) -> None:
    host.run("rm -rf ~deploy/.octo-ssh ~deploy-root/.octo-ssh /srv/octopus")


@pytest.fixture(scope="module")
def project(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    bench = Bench.on(fleet, tmp_path_factory.mktemp("project"))
    bench.env["CONNECTION"] = CONNECTION
    shutil.copytree(SCRIPTS, bench.folder / "scripts")
    bench.write_release({"index.html": "hello\n"})
    bench.write_plan(STEPS, release="1.4.2", environment="Production", variables=VARIABLES)
    write_targets(bench)
    with cleaned(fleet.hosts.values(), clean):
        yield Project(bench, bench.apply(), bench.apply())


def test_every_script_is_in_a_process() -> None:
    assert all(f"scripts/{path.name}" in STEPS + FAILING for path in SCRIPTS.glob("*.sh"))


def test_the_whole_process_succeeds_and_is_not_repeated(project: Project) -> None:
    assert project.first.code == 0, project.first.stdout[-3000:] + project.first.stderr
    assert project.first.ends == dict.fromkeys(WEBS, "changed")
    assert project.second.code == 0
    assert project.second.ends == dict.fromkeys(WEBS, "unchanged")


def test_output_variables_go_from_step_to_step_and_from_target_to_target(project: Project) -> None:
    assert project.outputs("work_things_out") == {
        "AppInstanceName": "shop-production",
        "TestResult": "Passed",
        "Release Notes": "First line\nSecond line",
    }
    assert project.first.outcome("work_things_out") == {"Web01": "changed"}
    for name, here in {"Web01": "Passed", "Web02": "Failed", "Web03": "Passed"}.items():
        line = f"instance=shop-production here={here} there=Failed nobody=''\n"
        assert project.first.output("read_outputs", name) == line
        assert project.said("read_outputs", name) == [("warning", "Web02 failed its test")]
    assert "instance=shop-production" in project.first.output("gather", "controller")
    assert "there=Failed nobody=''" in project.first.output("gather", "controller")


def test_a_sensitive_output_reaches_who_reads_it_and_is_seen_nowhere(project: Project) -> None:
    assert project.outputs("sensitive_output") == {"Password": None, "ConnectionString": None, "User": "shop"}
    for name in WEBS:
        assert project.first.output("use_it", name) == f"shop: ***, {len(PASSWORD)} long\n"
        seen = project.first.output("use_nothing", name)
        assert "OCTO_OUTPUT_SENSITIVE_OUTPUT_User=shop" in seen
        assert "OCTO_OUTPUT_SENSITIVE_OUTPUT_Password" not in seen
        host = project.bench.fleet.hosts[f"web-{name[-2:]}"]
        found = host.run(f"grep -rlF '{PASSWORD}' ~deploy /tmp /var/log /run --exclude-dir=user", check=False)
        assert found.stdout == ""
    assert PASSWORD not in project.first.stdout + project.first.stderr
    records = [path.read_text() for path in project.bench.state.rglob("*") if path.is_file()]
    assert records
    assert not any(PASSWORD in text or "s3cr3t" in text for text in records)


def test_artifacts_are_collected(project: Project) -> None:
    kept = [event for event in project.first.all("artifact_kept") if event["step"] == "collect_artifacts"]
    assert {(event["target"], event["name"]) for event in kept} == {
        (name, file) for name in WEBS for file in ("unit.txt", "smoke.txt", f"summary-{name}.txt")
    }
    texts = {event["name"]: Path(event["path"]).read_text() for event in kept if event["target"] == "Web03"}
    assert texts == {
        "unit.txt": "unit: 12 passed\n",
        "smoke.txt": "smoke: 12 passed\n",
        "summary-Web03.txt": "all is well\n",
    }


def test_progress_is_told(project: Project) -> None:
    told = [
        (e["target"], e["percent"], e["text"]) for e in project.first.all("step_progress") if e["step"] == "progress"
    ]
    parts = [(0, ""), *((25 * part, f"Part {part} of 4, that's {25 * part}%") for part in range(1, 5))]
    for name in WEBS:
        assert [(percent, text) for target, percent, text in told if target == name] == parts
        assert project.first.output("progress", name) == "finished\n"


def test_lines_have_their_levels(project: Project) -> None:
    assert project.said("log_levels") == [
        ("highlight", "Deployed at 10:00"),
        ("wait", "Waiting for the load balancer"),
        ("warning", "The disk is nearly full"),
    ]
    assert project.first.output("log_levels", "Web01") == (
        "An ordinary line\nHidden, unless somebody looks\nA line of standard error\nAnother one\n"
    )


def test_project_variables_have_their_names_and_system_variables_are_known(project: Project) -> None:
    for name in WEBS:
        assert project.first.output("project_variables", name) == (
            f"Connection string is: ***\nCheckout is on\na default\nshop 1.4.2 on {name} (web,eu)\n"
        )


def test_json_comes_in_and_goes_out(project: Project) -> None:
    document = project.outputs("json")["Document"]
    assert document is not None
    assert json.loads(document) == {
        "url": "http://localhost:8080/",
        "tags": ["a", "b c"],
        "note": 'it\'s "quoted" \\ ü',
    }
    assert project.first.output("use_json", "Web02") == f"8080 {document}\n"
    assert json.loads(project.first.output("json", "Web02")) == VARIABLES["App.Settings"]


def test_messages_made_by_hand_are_understood(project: Project) -> None:
    assert project.outputs("service_messages") == {
        "Build": "17",
        "Key": None,
        "Long": " ".join(str(number) for number in range(1, 101)),
    }
    assert project.first.output("service_messages", "Web02") == "noise of a tool\ndecoded: back again\n"
    assert "s3cr3t key" not in project.first.stdout


def test_a_loop_that_waits_says_so(project: Project) -> None:
    assert project.said("wait_until_ready", "Web03") == [
        ("wait", "Not ready yet (attempt 1)"),
        ("wait", "Not ready yet (attempt 2)"),
        ("highlight", "Ready after 3 attempts"),
    ]
    assert project.outputs("wait_until_ready") == {"Attempts": "3"}


@pytest.fixture
def bench(fleet: Fleet, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.on(fleet, tmp_path)
    shutil.copytree(SCRIPTS, bench.folder / "scripts")
    write_targets(bench)
    with cleaned(fleet.hosts.values(), clean):
        yield bench


def test_a_step_fails_with_its_message(bench: Bench) -> None:
    bench.write_plan(
        FAILING,
        packages="",
        environment="Production",
        max_failures=9,
        variables=VARIABLES,
    )
    bench.env["CONNECTION"] = CONNECTION
    told = bench.apply()
    assert told.code == 1
    for name in WEBS:
        assert told.output("require", name) == "Database.Name is shop\n"
        assert told.reason("require", name) == "The variable Database.Port has no value for Production"
        assert told.output("tell", name) == "told of it\n"
    assert told.outcome("never") == dict.fromkeys(WEBS, "skipped")
    people = bench.octo("apply", "plan.yaml")
    assert "The variable Database.Port has no value for Production" in people.stdout + people.stderr
    assert "never reached" not in people.stdout + people.stderr


def test_a_package_for_octopus_is_deployed_as_root_and_goes_back_when_it_fails(bench: Bench) -> None:
    shutil.copytree(SCRIPTS / "package", bench.folder / "release")
    keys: dict[str, Any] = {"environment": "Production", "variables": {"Greeting": "Hello"}}
    step = """
        - name: Deploy shop
          package: shop
          to: /srv/octopus
          become: true
        - {name: Read, run: 'echo "before: $OCTO_OUTPUT_DEPLOY_SHOP_Previous"'}
    """
    write_targets(bench, "deploy-root")
    for version in ("1.4.1", "1.4.2"):
        bench.write_plan(step, release=version, **keys)
        told = bench.apply()
        assert told.code == 0, told.stdout[-3000:] + told.stderr
    for name in WEBS:
        assert told.output("deploy_shop", name) == (
            "Hello from PreDeploy.sh in 1.4.2\nThe release lies in /srv/octopus/releases/1.4.2\n"
        )
        assert told.output("read", name) == "before: 1.4.1\n"
    assert {event["target"] for event in told.all("artifact_kept")} == set(WEBS)
    bench.write_plan(step, release="1.5.0", **keys)
    told = bench.apply("--var", "ShouldFail=yes", "--limit", "Web02")
    assert told.code == 1
    assert told.reason("deploy_shop", "Web02") == "PreDeploy: Asked to fail"
    assert [event["text"] for event in told.all("step_said")] == ["It failed: tidying up"]
    for name in WEBS:
        assert read_link(bench.fleet.hosts[f"web-{name[-2:]}"], "/srv/octopus/current") == "releases/1.4.2"
