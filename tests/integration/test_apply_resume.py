"""Nothing is lost: connections that are cut in a step, and runs that are killed and applied again (SPEC section 7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.farm import Farm, is_alive, wait_until

COUNT = """
- name: Count
  run: |
    echo started >>~/starts
    octo_set first said
    for n in $(seq 1 40); do echo "line $n"; sleep 0.05; done
    while [ ! -e ~/go ]; do sleep 0.05; done
    printf 'no line end'
- {name: After, run: 'echo "$OCTO_OUTPUT_COUNT_first" >>~/after'}
"""
WHOLE = "".join(f"line {number}\n" for number in range(1, 41)) + "no line end"


def started(farm: Farm, target: str = "web-1") -> int:
    path = farm.home(target) / "starts"
    return len(path.read_text().split()) if path.exists() else 0


def jobs(farm: Farm, target: str = "web-1") -> list[Path]:
    return list((farm.root(target) / "work").glob("*/*"))


def test_a_step_outlives_connections_that_are_cut(farm: Farm) -> None:
    farm.write_plan(COUNT, packages="")
    process = farm.start_apply("--limit", "web-1")
    seen = 0
    for line in process.stdout:
        if '"step_output"' in line:
            seen += 1
            if seen in (2, 5, 9):
                farm.hosts["web-1"].cut_connections()
        if '"connection_reopened"' in line and seen >= 9:
            (farm.home() / "go").touch()
        if seen < 9:
            (farm.home() / "go").unlink(missing_ok=True)
        if '"run_ended"' in line:
            break
    stdout, _ = process.communicate(timeout=60)
    farm.forget(process)
    assert process.returncode == 0, stdout
    assert started(farm) == 1
    assert (farm.home() / "after").read_text() == "said\n"
    assert jobs(farm) == []


def test_not_a_byte_of_its_output_is_lost_or_doubled(farm: Farm) -> None:
    farm.write_plan(COUNT, packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: started(farm) == 1, "the step runs")
    for _ in range(3):
        farm.hosts["web-1"].cut_connections()
        wait_until(lambda: farm.hosts["web-1"].connections() > 0, "it is connected to again")
    (farm.home() / "go").touch()
    told = farm.finish(process)
    assert told.code == 0, told.stderr
    assert told.output("count", "web-1") == WHOLE
    assert started(farm) == 1
    assert told.outcome("count") == {"web-1": "changed"}


def test_a_killed_controller_s_step_is_joined_again(farm: Farm) -> None:
    farm.write_plan(COUNT, packages="")
    process = farm.start_apply()
    wait_until(lambda: started(farm) == 1 and started(farm, "web-2") == 1, "both are at work")
    farm.kill(process)
    again = farm.start_apply()
    wait_until(lambda: all(farm.hosts[name].connections() for name in farm.hosts), "they are listened to again")
    for name in farm.hosts:
        (farm.home(name) / "go").touch()
    told = farm.finish(again)
    assert told.code == 0, told.stdout[-2000:] + told.stderr
    for name in farm.hosts:
        assert started(farm, name) == 1
        assert told.output("count", name) == WHOLE
        assert (farm.home(name) / "after").read_text() == "said\n"
        assert not farm.is_locked(name)
        assert jobs(farm, name) == []
    assert any("took over" in line["what"] for line in farm.journal())
    assert told.reason("count").startswith("ran since run")


def test_what_was_done_while_nobody_listened_is_not_done_again(farm: Farm) -> None:
    farm.write_release({"app": "1"})
    farm.write_plan(COUNT + "- {name: Deploy, package: shop}\n")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: started(farm) == 1, "it is at work")
    farm.kill(process)
    (farm.home() / "go").touch()
    wait_until(lambda: any((job / "status").is_symlink() for job in jobs(farm)), "the step is done")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    assert started(farm) == 1
    assert told.output("count", "web-1") == WHOLE
    assert farm.current() == "1.0"
    assert farm.is_settled("--limit", "web-1")


def test_a_step_that_failed_while_nobody_listened_is_done_again(farm: Farm) -> None:
    farm.write_plan(
        "- {name: Count, run: 'echo started >>~/starts; while [ ! -e ~/go ]; do sleep 0.05; done; "
        "[ -e ~/well ] || exit 3'}",
        packages="",
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: started(farm) == 1, "it is at work")
    farm.kill(process)
    (farm.home() / "go").touch()
    wait_until(lambda: any((job / "status").is_symlink() for job in jobs(farm)), "the step is done")
    (farm.home() / "well").touch()
    assert farm.apply("--limit", "web-1").code == 0
    assert started(farm) == 2


def test_another_plan_does_not_go_on_beside_a_step_that_still_runs(farm: Farm) -> None:
    farm.write_plan(COUNT, packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: started(farm) == 1, "it is at work")
    farm.kill(process)
    farm.write_plan("- {name: Other, run: touch ~/other}", packages="")
    told = farm.apply("--limit", "web-1")
    assert told.code == 5
    assert "count" in told.stderr.lower()
    assert not (farm.home() / "other").exists()
    freed = farm.octo("lock", "--release", "web-1")
    assert freed.code == 0, freed.stderr
    assert farm.apply("--limit", "web-1").code == 0
    assert (farm.home() / "other").exists()


HOLD = "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done"
RELOADS = f"""
- {{name: Config, file: ~/conf, content: "CONTENT", on_change: 'printf "%s " "$(cat ~/conf)" >>~/reloads'}}
- {{name: Restart, run: 'printf "%s " "$(cat ~/conf)" >>~/restarts'}}
- {{name: Long, run: '{HOLD}'}}
"""


def _killed_at_the_last_step(farm: Farm, steps: str, **plan: str) -> None:
    farm.write_plan(steps, **plan)
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "begun").exists, "it is at its last step")
    farm.kill(process)


def test_what_a_killed_run_did_before_something_changed_is_done_again(farm: Farm) -> None:
    _killed_at_the_last_step(farm, RELOADS.replace("CONTENT", "one"), packages="")
    (farm.home() / "go").touch()
    wait_until(lambda: any((job / "status").is_symlink() for job in jobs(farm) if "long" in job.name), "it is done")
    farm.write_plan(RELOADS.replace("CONTENT", "two"), packages="")
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr
    assert (farm.home() / "reloads").read_text() == "one two "
    assert (farm.home() / "restarts").read_text() == "one two "


def test_redeploy_does_all_again(farm: Farm) -> None:
    _killed_at_the_last_step(farm, f"[{{name: One, run: 'echo >>~/ones'}}, {{name: Long, run: '{HOLD}'}}]", packages="")
    (farm.home() / "go").touch()
    wait_until(lambda: all((job / "status").is_symlink() for job in jobs(farm)), "all is done")
    assert farm.apply("--limit", "web-1", "--redeploy").code == 0
    assert (farm.home() / "ones").read_text() == "\n\n"


@pytest.mark.parametrize(
    "change",
    [
        {"release": "1.1"},
        {"project": "other"},
        {"steps": "[{name: Before, run: 'touch ~/before'}, {name: Deploy, package: shop}, {name: Long, run: 'true'}]"},
        {
            "steps": "[{name: Before, run: 'touch ~/before'}, {name: Deploy, package: shop}, "
            f"{{name: Long, run: '{HOLD}'}}]"
        },
    ],
    ids=["another release", "another project", "another script", "another step before it"],
)
def test_nothing_else_begins_beside_a_step_that_still_runs(farm: Farm, change: dict[str, str]) -> None:
    steps = f"[{{name: Deploy, package: shop}}, {{name: Long, run: '{HOLD}'}}]"
    farm.write_release({"app": "1"})
    _killed_at_the_last_step(farm, steps)
    farm.write_release({"app": "2"})
    farm.write_plan(**{"steps": steps, **change})
    told = farm.apply("--limit", "web-1")
    assert told.code == 5, told.stdout
    assert "still running step long of run" in told.stderr
    assert "with nothing changed, goes on with it" in told.stderr
    assert not (farm.home() / "before").exists()
    assert farm.current() == "1.0"
    waiting = farm.start_apply("--limit", "web-1", "--lock-wait", "60s")
    farm.until_said(waiting, "waiting, for 60 s at most: locked by")
    (farm.home() / "go").touch()
    told = farm.finish(waiting)
    assert told.code == 0, told.stdout


def test_a_script_that_is_gone_on_with_works_on_in_its_folder(farm: Farm) -> None:
    artifact = "##octopus[createArtifact path=''bGF0ZXI='' name=''bGF0ZXI='']"
    steps = f"- {{name: Long, run: '{HOLD}; echo >later; echo \"{artifact}\"'}}"
    _killed_at_the_last_step(farm, steps, packages="")
    again = farm.start_apply("--limit", "web-1")
    farm.until_said(again, "still running since run")
    (job,) = (path for path in jobs(farm) if path.is_dir())
    assert job.parent.stat().st_mode & 0o777 == 0o700
    (farm.home() / "go").touch()
    told = farm.finish(again)
    assert told.code == 0, told.reason("long")
    assert [event["name"] for event in told.all("artifact_kept")] == ["later"]


def test_an_interrupt_while_the_connection_is_gone_is_not_called_an_end(farm: Farm) -> None:
    farm.write_plan("- {name: Long, run: 'echo $$ >~/pid; sleep 1000'}", packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: (farm.home() / "pid").exists(), "it is at work")
    sshd = farm.hosts["web-1"]
    sshd.vanish()
    farm.until_said(process, "connection_reopening")
    farm.interrupt(process)
    told = farm.finish(process)
    assert told.code == 130
    assert told.outcome("long") == {"web-1": "unknown"}
    pid = int((farm.home() / "pid").read_text())
    assert is_alive(pid)
    sshd.start()
    freed = farm.octo("lock", "--release", "web-1")
    assert freed.code == 0, freed.stderr
    wait_until(lambda: not is_alive(pid), "it is ended with the lock")
