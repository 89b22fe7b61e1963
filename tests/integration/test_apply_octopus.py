"""Packages with Octopus's scripts at their root, deployed to real targets: stages, failures, the way back, debts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.farm import Farm, Told, wait_until

PACKAGE = Path(__file__).parents[1] / "octopus/package"
STAGES = ("PreDeploy", "Deploy", "PostDeploy", "DeployFailed")
LOG = """\
echo "%s $OCTO_RELEASE in ${PWD##*/} current=$(readlink "$PWD/../../current" || echo none)" >>~/log
[ ! -e ~/"fail-%s-$OCTO_RELEASE" ] || fail_step "%s was told to"
[ ! -e ~/wait-%s ] || { touch ~/waiting; sleep 60; }
"""
STEPS = """
- name: Deploy shop
  package: shop
  activate: echo "activate $OCTO_RELEASE in ${PWD##*/}" >>~/log
  verify: {command: 'echo "verify $OCTO_RELEASE" >>~/log; test ! -e ~/fail-verify-$OCTO_RELEASE', within: 1s}
"""


def release(farm: Farm, version: str, *stages: str, **keys: str) -> None:
    """A release whose scripts write down what they see; they fail and wait where files in the home folder say so."""
    scripts = {f"{stage}.sh": LOG % ((stage,) * 4) for stage in stages or STAGES}
    farm.write_release({"version": version, **scripts})
    farm.write_plan(keys.get("steps", STEPS), release=version)


def log(farm: Farm) -> list[str]:
    """What was written down since the last time."""
    path = farm.home() / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def one(farm: Farm, *words: str) -> Told:
    return farm.apply("--limit", "web-1", *words)


GOOD = [
    "PreDeploy {new} in {new} current={old}",
    "Deploy {new} in {new} current=releases/{new}",
    "activate {new} in {new}",
    "PostDeploy {new} in {new} current=releases/{new}",
    "verify {new}",
]


def good(new: str, old: str) -> list[str]:
    return [line.format(new=new, old=old) for line in GOOD]


def back(new: str) -> list[str]:
    """What makes the release that is returned to take effect again."""
    return [line for line in good(new, "") if line.startswith(("Deploy", "activate", "PostDeploy"))]


def test_a_package_for_octopus_is_deployed_as_it_is(farm: Farm) -> None:
    shutil.copytree(PACKAGE, farm.folder / "release")
    farm.write_plan(
        """
        - {name: Deploy shop, package: shop}
        - name: Tell
          rerun: always
          env: {PREVIOUS: "${{ steps.deploy_shop.output.Previous | default('none') }}"}
          run: echo "<$PREVIOUS> $OCTO_OUTPUT_DEPLOY_SHOP_Previous"
        """,
        variables={"Greeting": "Hello"},
    )
    told = farm.apply()
    assert told.code == 0, told.stdout
    for name in farm.hosts:
        assert told.output("deploy_shop", name).splitlines() == [
            "Hello from PreDeploy.sh in 1.0",
            f"The release lies in {farm.to(name)}/releases/1.0",
        ]
        assert told.output("tell", name) == "<> \n"
    assert [event["text"] for event in told.all("step_said")] == ["Deploy.sh knows 3 words"] * 2
    for event in told.all("artifact_kept"):
        assert Path(event["path"]).read_bytes() == (PACKAGE / "version.txt").read_bytes()
    assert len(told.all("artifact_kept")) == 2
    told = farm.apply("--release", "1.1")
    assert told.output("tell", "web-2") == "<1.0> 1.0\n"
    again = farm.apply("--release", "1.1")
    assert again.outcome("deploy_shop") == {"web-1": "unchanged", "web-2": "unchanged"}
    assert again.output("tell", "web-2") == "<1.0> 1.0\n"


def test_the_stages_come_in_octopus_order_around_the_switch(farm: Farm) -> None:
    release(farm, "1.0")
    told = one(farm)
    assert told.code == 0, told.stdout
    assert log(farm) == good("1.0", "none")
    assert farm.baseline()["owed"] == []
    assert one(farm).ends == {"web-1": "unchanged"}
    assert log(farm) == []
    release(farm, "1.1")
    assert one(farm).code == 0
    assert log(farm) == good("1.1", "releases/1.0")
    assert one(farm, "--redeploy").code == 0
    assert [line.split()[0] for line in log(farm)] == ["Deploy", "activate", "PostDeploy", "verify"]


@pytest.mark.parametrize("stage", ["PreDeploy", "Deploy", "PostDeploy", "verify"])
def test_a_failure_in_any_stage_runs_deploy_failed_and_the_old_release_comes_back(farm: Farm, stage: str) -> None:
    release(farm, "1.0")
    assert one(farm).code == 0
    log(farm)
    (farm.home() / f"fail-{stage}-1.1").touch()
    release(farm, "1.1")
    told = one(farm)
    assert (told.code, told.ends) == (1, {"web-1": "failed"})
    said = f"{stage}: {stage} was told to" if stage != "verify" else "verify: the command did not succeed within 1 s"
    assert told.reason("deploy_shop").startswith(said)
    lines = log(farm)
    assert farm.current() == "1.0"
    if stage == "PreDeploy":
        assert lines == [*good("1.1", "releases/1.0")[:1], "DeployFailed 1.1 in 1.1 current=releases/1.0"]
    else:
        began = next(index for index, line in enumerate(good("1.1", "")) if line.startswith(stage))
        tries = [line for line in lines if line == "verify 1.1"]
        lines = [*dict.fromkeys(lines)]
        assert (len(tries) > 1) == (stage == "verify")
        assert lines == [
            *good("1.1", "releases/1.0")[: began + 1],
            "DeployFailed 1.1 in 1.1 current=releases/1.1",
            *back("1.0"),
        ]
        assert "; back at 1.0" in told.reason("deploy_shop")
    assert farm.baseline()["owed"] == []
    assert farm.baseline()["release"] == "1.0"
    (farm.home() / f"fail-{stage}-1.1").unlink()
    assert one(farm).code == 0
    assert log(farm)[-4:] == good("1.1", "releases/1.0")[-4:]
    assert farm.current() == "1.1"
    assert farm.baseline()["owed"] == []


def test_a_first_release_that_fails_leaves_nothing_current(farm: Farm) -> None:
    (farm.home() / "fail-PostDeploy-1.0").touch()
    (farm.home() / "fail-DeployFailed-1.0").touch()
    release(farm, "1.0")
    told = one(farm)
    assert told.code == 1
    assert told.reason("deploy_shop") == (
        "PostDeploy: PostDeploy was told to; DeployFailed: DeployFailed was told to; nothing is current, as before"
    )
    assert farm.current() is None
    assert farm.baseline()["owed"] == []
    assert [line.split()[0] for line in log(farm)] == ["PreDeploy", "Deploy", "activate", "PostDeploy", "DeployFailed"]


@pytest.mark.parametrize(("old", "new"), [(STAGES, ("PostDeploy",)), (("PreDeploy",), STAGES)], ids=["fewer", "more"])
def test_the_release_that_comes_back_runs_its_own_scripts(
    farm: Farm, old: tuple[str, ...], new: tuple[str, ...]
) -> None:
    release(farm, "1.0", *old)
    assert one(farm).code == 0
    log(farm)
    (farm.home() / "fail-PostDeploy-1.1").touch()
    release(farm, "1.1", *new)
    assert one(farm).code == 1
    lines = log(farm)
    after = lines[next(index for index, line in enumerate(lines) if line.startswith("PostDeploy 1.1")) + 1 :]
    failed = ["DeployFailed 1.1 in 1.1 current=releases/1.1"] if "DeployFailed" in new else []
    assert after == [*failed, *(line for line in back("1.0") if line.split()[0] in (*old, "activate"))]
    assert farm.baseline()["owed"] == []


def test_an_old_release_that_does_not_come_up_again_still_owes_it(farm: Farm) -> None:
    release(farm, "1.0")
    assert one(farm).code == 0
    for name in ("fail-Deploy-1.1", "fail-Deploy-1.0"):
        (farm.home() / name).touch()
    release(farm, "1.1")
    told = one(farm)
    assert "back at 1.0, but its Deploy failed: Deploy was told to" in told.reason("deploy_shop")
    assert [debt["what"] for debt in farm.baseline()["owed"]] == ["Deploy", "activate", "PostDeploy"]
    (farm.home() / "fail-Deploy-1.0").unlink()
    log(farm)
    release(farm, "1.0")
    assert one(farm).code == 0
    assert [line.split()[0] for line in log(farm)] == ["Deploy", "activate", "PostDeploy", "verify"]
    assert farm.baseline()["owed"] == []


@pytest.mark.parametrize("stage", ["PreDeploy", "Deploy", "PostDeploy"])
def test_what_a_kill_left_undone_is_made_good_by_the_next_apply(farm: Farm, stage: str) -> None:
    release(farm, "1.0")
    assert one(farm).code == 0
    log(farm)
    (farm.home() / f"wait-{stage}").touch()
    release(farm, "1.1")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: (farm.home() / "waiting").exists(), "the stage that waits")
    farm.kill(process)
    (farm.home() / f"wait-{stage}").unlink()
    began = ["PreDeploy", "Deploy", "activate", "PostDeploy", "verify"]
    assert [line.split()[0] for line in log(farm)] == began[: began.index(stage) + 1]
    assert farm.octo("lock", "--release", "web-1").code == 0
    told = one(farm)
    assert told.code == 0, told.stdout + told.stderr
    assert told.ends == {"web-1": "changed"}
    assert [line.split()[0] for line in log(farm)] == began[began.index(stage) :]  # what had ended well is not repeated
    assert farm.current() == "1.1"
    assert farm.baseline()["owed"] == []
    assert one(farm).ends == {"web-1": "unchanged"}


WINDOWS = "\ufeff#!/bin/bash\r\nset -euo pipefail\r\nif true; then\r\n  set_octopusvariable Line 'x'\r\nfi\r\n"
FORMS = {
    "no first line": "words=(a b); set_octopusvariable Line ${#words[@]}\n",
    "sh": "#!/bin/sh\nwords=(a b); set_octopusvariable Line ${#words[@]}\n",
    "env": '#!/usr/bin/env bash\nset_octopusvariable Line "${BASH_SOURCE[0]}"\n',
    "options": "#!/bin/bash -eu\nset_octopusvariable Line $-\n",
    "windows": WINDOWS,
    "crlf": WINDOWS.removeprefix("\ufeff"),
    "no last newline": "set_octopusvariable Line y",
    "exit": "#!/bin/bash\nset_octopusvariable Line z\nexit 0\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_scripts_run_without_a_right_to_execute_and_however_they_were_saved(farm: Farm, form: str) -> None:
    farm.write_release({"Deploy.sh": ""})
    (farm.folder / "release/Deploy.sh").write_bytes(FORMS[form].encode())
    farm.write_plan("- {name: Deploy shop, package: shop}")
    told = one(farm)
    assert told.code == 0, told.stdout
    [output] = told.all("output_set")
    folder = farm.to() / "releases/1.0"
    expected = {"no first line": "2", "sh": "2", "env": f"{folder}/Deploy.sh", "no last newline": "y", "exit": "z"}
    if form == "options":
        assert {"e", "u"} <= set(output["value"])
    else:
        assert output["value"] == expected.get(form, "x")
    assert (folder / "Deploy.sh").read_bytes() == FORMS[form].encode()
    assert (folder / "Deploy.sh").stat().st_mode & 0o111 == 0


def test_plan_names_the_scripts_and_runs_none(farm: Farm) -> None:
    release(farm, "1.0")
    told = farm.octo("plan", "plan.yaml", "-v")
    assert told.code == 0
    for stage in STAGES:
        assert f"{stage}.sh" in told.stdout
    assert log(farm) == []
    assert not any(farm.home().iterdir())


def test_a_name_that_only_looks_like_a_stage_is_a_file_like_any_other(farm: Farm) -> None:
    farm.write_release({"deploy.sh": "exit 1", "bin/Deploy.sh": "exit 1", "PostDeploy.sh.txt": "exit 1"})
    farm.write_plan("- {name: Deploy shop, package: shop}")
    assert one(farm).code == 0


def test_an_interrupt_ends_predeploy_and_nothing_is_switched(farm: Farm) -> None:
    release(farm, "1.0")
    assert one(farm).code == 0
    log(farm)
    (farm.home() / "wait-PreDeploy").touch()
    release(farm, "1.1")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: (farm.home() / "waiting").exists(), "PreDeploy waits")
    farm.interrupt(process)
    told = farm.finish(process)
    assert told.code == 130
    assert told.reason("deploy_shop") == "interrupted before the switch; the old release stays"
    assert [line.split()[0] for line in log(farm)] == ["PreDeploy", "DeployFailed"]
    assert (farm.current(), farm.is_locked()) == ("1.0", False)
    (farm.home() / "wait-PreDeploy").unlink()
    assert one(farm).code == 0
    assert log(farm) == good("1.1", "releases/1.0")
