"""File steps, ``unless``, and steps on the controller, against real targets (SPEC section 4)."""

from __future__ import annotations

from tests.integration.farm import Farm, Told


def _outcomes(told: Told, target: str = "web-1") -> dict[str, str]:
    return {step: outcome for (step, name), outcome in told.outcomes.items() if name == target}


def _apply(farm: Farm, steps: str, **keys: object) -> Told:
    farm.write_plan(steps, packages="", **keys)  # type: ignore[arg-type]
    told = farm.apply("--limit", "web-1")
    assert told.code == 0, told.stderr + told.stdout
    return told


FILES = """
- name: Settings
  file: ~/etc/app.conf
  content: "on ${{ target }}: ${{ level }}\\n"
  mode: "0640"
  parents: true
  on_change: echo reload >>~/log
- {name: Gone, file: ~/old.conf, absent: true}
"""


def test_a_file_is_written_once_and_again_when_anything_of_it_differs(farm: Farm) -> None:
    home = farm.home()
    (home / "old.conf").write_text("x")
    keys = {"variables": {"level": "a"}}
    assert _outcomes(_apply(farm, FILES, **keys)) == {"settings": "changed", "gone": "changed"}
    made = home / "etc/app.conf"
    assert (made.read_text(), made.stat().st_mode & 0o777) == ("on web-1: a\n", 0o640)
    assert not (home / "old.conf").exists()
    assert _apply(farm, FILES, **keys).outcomes == {}
    made.chmod(0o600)
    assert _outcomes(_apply(farm, FILES, **keys))["settings"] == "changed"
    assert made.stat().st_mode & 0o777 == 0o640
    made.write_text("by hand\n")
    _apply(farm, FILES, **keys)
    assert made.read_text() == "on web-1: a\n"
    assert (home / "log").read_text() == "reload\n" * 3


def test_plan_shows_the_difference_and_changes_nothing(farm: Farm) -> None:
    (farm.home() / "etc").mkdir()
    (farm.home() / "etc/app.conf").write_text("on web-1: a\nby hand\n")
    farm.write_plan(FILES, packages="", variables={"level": "a"})
    told = farm.octo("plan", "plan.yaml", "--limit", "web-1")
    assert told.code == 0, told.stderr
    assert "-by hand" in told.stdout
    assert (farm.home() / "etc/app.conf").read_text() == "on web-1: a\nby hand\n"


def test_a_link_in_the_way_fails_the_step_and_is_left_alone(farm: Farm) -> None:
    (farm.home() / "elsewhere").write_text("precious")
    (farm.home() / "app.conf").symlink_to("elsewhere")
    farm.write_plan("- {name: Settings, file: ~/app.conf, content: mine}\n", packages="")
    told = farm.apply("--limit", "web-1")
    assert (told.code, told.outcome("settings")) == (1, {"web-1": "failed"})
    assert "symbolic link" in told.reason("settings")
    assert (farm.home() / "elsewhere").read_text() == "precious"


def test_a_failed_on_change_is_made_good_by_the_next_run(farm: Farm) -> None:
    steps = "- {name: Settings, file: ~/app.conf, content: mine, on_change: 'test -e ~/ready && echo x >>~/log'}\n"
    farm.write_plan(steps, packages="")
    assert farm.apply("--limit", "web-1").code == 1
    (farm.home() / "ready").touch()
    assert _outcomes(_apply(farm, steps)) == {"settings": "changed"}
    assert _apply(farm, steps).outcomes == {}
    assert (farm.home() / "log").read_text() == "x\n"


def test_after_a_script_a_file_is_looked_at_again(farm: Farm) -> None:
    steps = """
- {name: Install, run: 'echo from the package >~/app.conf'}
- {name: Settings, file: ~/app.conf, content: mine}
"""
    assert _outcomes(_apply(farm, steps)) == {"install": "changed", "settings": "changed"}
    assert _outcomes(_apply(farm, steps)) == {"install": "changed", "settings": "changed"}
    assert (farm.home() / "app.conf").read_text() == "mine"


def test_unless_alone_decides(farm: Farm) -> None:
    steps = "- {name: Init, run: 'touch ~/done; echo x >>~/log', unless: 'test -e done'}\n"
    assert _outcomes(_apply(farm, steps)) == {"init": "changed"}
    assert _apply(farm, steps).outcomes == {}
    (farm.home() / "done").unlink()
    assert _outcomes(_apply(farm, steps)) == {"init": "changed"}
    assert (farm.home() / "log").read_text() == "x\nx\n"


def test_a_step_on_the_controller_runs_where_the_run_changes_something(farm: Farm) -> None:
    farm.write_release({"version": "1"})
    steps = """
- {name: Deploy, package: shop}
- {name: Settings, file: ~/app.conf, content: mine}
- {name: Tell, "on": controller, run: 'echo "$OCTO_TARGET $OCTO_RUN_OUTCOME" >>told'}
"""
    farm.write_plan(steps)
    for _ in range(2):
        assert farm.apply("--limit", "web-1").code == 0
    assert (farm.folder / "told").read_text() == "controller success\n"


FIRST = {"deploy": "changed", "make": "changed", "keep": "changed"}


def test_a_file_made_of_an_output_is_settled_after_one_run(farm: Farm) -> None:
    farm.write_release({"version": "1"})
    steps = """
- {name: Deploy, package: shop}
- {name: Make, run: 'octo_set KEY "of $OCTO_TARGET"'}
- {name: Keep, file: ~/key, content: "${{ steps.make.output.KEY }}\\n"}
- {name: Use, run: 'cat ~/key', when: "${{ steps.make.output.KEY == 'other' }}"}
"""
    farm.write_plan(steps)
    told = farm.apply("--limit", "web-1")
    assert (told.code, _outcomes(told)) == (0, {**FIRST, "use": "skipped"})
    assert (farm.home() / "key").read_text() == "of web-1\n"
    again = farm.apply("--limit", "web-1")
    assert (again.code, "changed" in again.outcomes.values(), again.phases.count("lock")) == (0, False, 0)


def test_a_secret_output_is_given_again_when_the_file_that_holds_it_is_touched(farm: Farm) -> None:
    farm.write_release({"version": "1"})
    steps = """
- {name: Deploy, package: shop}
- {name: Make, run: 'echo x >>~/made; octo_secret KEY "s3cret-of-$(wc -l <~/made)"'}
- {name: Keep, file: ~/key, content: "${{ steps.make.output.KEY }}"}
"""
    farm.write_plan(steps)
    for _ in range(2):
        assert farm.apply("--limit", "web-1").code == 0
    key = farm.home() / "key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("s3cret-of-1", 0o600)
    key.write_text("touched")
    told = farm.apply("--limit", "web-1")
    assert (told.code, _outcomes(told)) == (0, {**FIRST, "deploy": "unchanged"})
    assert key.read_text() == "s3cret-of-2"
    assert "s3cret" not in told.stdout + told.stderr
