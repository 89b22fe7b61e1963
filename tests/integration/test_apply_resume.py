"""Nothing is lost: connections that are cut in a step, and runs that are killed and applied again (SPEC section 7)."""

from __future__ import annotations

from pathlib import Path

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
