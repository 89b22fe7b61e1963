"""What follows from a change of a file on real targets: ``on_change``, what is owed after a kill, races."""

from __future__ import annotations

import pytest

from tests.integration.farm import Farm, Told, wait_until

SECRET = "correct horse battery staple"


def test_on_change_runs_where_the_file_changed_in_the_steps_own_surroundings(farm: Farm) -> None:
    farm.env["TOKEN"] = SECRET
    farm.write_release({"a": "1"})
    farm.write_plan(
        """
        - {name: Deploy, package: shop}
        - name: File
          file: ~/file
          content: mine
          secrets: [token]
          env: {MORE: "more ${{ target }}"}
          cwd: "~"
          on_change: 'echo "$OCTO_STEP $OCTO_RELEASE $MORE $token" >>log; pwd >>log; octo_highlight seen'
        """,
        variables={"token": {"secret": {"env": "TOKEN"}}},
    )
    told = farm.plan_then_apply("--limit", "web-1")
    assert told.code == 0, told.stdout
    assert (farm.home() / "log").read_text() == f"File 1.0 more web-1 {SECRET}\n{farm.home()}\n"
    assert [event["text"] for event in told.all("step_said")] == ["seen"]
    assert farm.is_settled("--limit", "web-1")


HANGS = """
- name: File
  file: ~/file
  content: mine
  on_change: 'touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done; echo x >>~/log'
"""


@pytest.mark.parametrize("absent", [False, True], ids=["written", "removed"])
def test_on_change_is_owed_after_a_kill_in_the_middle_of_it(farm: Farm, absent: bool) -> None:
    (farm.home() / "file").write_text("old")
    steps = HANGS.replace("content: mine", "absent: true") if absent else HANGS
    farm.write_plan(steps, packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.home() / "begun").exists, "on_change runs")
    farm.kill(process)
    assert (farm.home() / "file").exists() is not absent
    [debt] = farm.baseline()["owed"]
    assert (debt["step"], debt["what"]) == ("file", "on_change")
    status = farm.octo("status", "plan.yaml", "--limit", "web-1")
    assert "on_change" in status.stdout
    forecast = farm.plan("--limit", "web-1").planned("file")
    assert (forecast["outcome"], forecast["reason"]) == ("changed", "owed since an earlier run: on_change")
    farm.free()
    (farm.home() / "go").touch()
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("file")) == (0, {"web-1": "changed"}), told.stdout
    assert told.reason("file") == "ran on_change"
    assert (farm.home() / "log").exists()
    assert farm.baseline()["owed"] == []
    assert farm.is_settled("--limit", "web-1")


def test_a_kill_while_a_file_arrives_leaves_the_old_one_whole(farm: Farm) -> None:
    with (farm.folder / "blob").open("wb") as file:
        file.truncate(1 << 30)
    (farm.home() / "blob").write_text("old")
    farm.write_plan("- {name: Blob, file: ~/blob, source: blob, on_change: 'echo x >>~/log'}", packages="")
    process = farm.start_apply("--limit", "web-1")
    wait_until(lambda: list(farm.home().glob(".blob.octo-*/*")), "it arrives")
    farm.kill(process)
    assert (farm.home() / "blob").read_text() == "old"
    (farm.folder / "blob").write_text("new")
    farm.free()
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stdout
    assert (farm.home() / "blob").read_text() == "new"
    assert {path.name for path in farm.home().iterdir()} == {"blob", "log", ".octo-ssh"}
    assert (farm.home() / "log").read_text() == "x\n"


def test_a_failed_on_change_fails_the_step_and_is_owed_until_it_works(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: File, file: ~/file, content: mine, on_change: 'test -e ~/works && echo x >>~/log'}
        - {name: After, run: touch ~/after}
        """,
        packages="",
    )
    for _ in range(2):
        told = apply_owing(farm)
        assert told.reason("file") == "on_change: exit status 1"
        assert not (farm.home() / "after").exists()
        assert [debt["what"] for debt in farm.baseline()["owed"]] == ["on_change"]
    (farm.home() / "works").touch()
    told = farm.apply("--limit", "web-1")
    assert (told.code, (farm.home() / "log").read_text()) == (0, "x\n")
    assert (farm.home() / "after").exists()


def apply_owing(farm: Farm) -> Told:
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("file")) == (1, {"web-1": "failed"})
    return told


def test_a_file_that_changes_before_it_is_written_is_not_overwritten_unseen(farm: Farm) -> None:
    farm.write_plan(
        """
        - {name: Wait, "on": controller, run: 'touch waits; while [ ! -e go ]; do sleep 0.05; done'}
        - {name: File, file: ~/file, content: mine}
        """,
        packages="",
    )
    process = farm.start_apply("--limit", "web-1")
    wait_until((farm.folder / "waits").exists, "the step before runs")
    (farm.home() / "precious").write_text("precious")
    (farm.home() / "file").symlink_to("precious")
    (farm.folder / "go").touch()
    told = farm.finish(process)
    assert (told.code, told.outcome("file")) == (1, {"web-1": "failed"})
    assert "symbolic link" in told.reason("file")
    assert (farm.home() / "precious").read_text() == "precious"
