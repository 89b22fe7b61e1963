"""``octo-ssh plan`` says what ``apply`` will do, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.integration.farm import Farm, listing

STEPS = """
- {name: Migrate, once: true, run: 'echo migrated'}
- {name: Blue only, when: "${{ blue }}", run: 'echo blue'}
- name: Roll out
  rolling: {window: 50%, canary: 1}
  steps:
  - {name: Drain, run: 'echo drain'}
  - name: Deploy
    package: shop
    configure: [config]
    shared: [var]
    activate: 'echo active'
    verify: {command: 'test -e config', within: 5s}
  - {name: Undrain, when: always, run: 'echo undrain'}
- {name: Sorry, when: failure, run: 'echo sorry'}
- {name: Smoke, check: {command: [test, -e, config], within: 5s}}
- {name: Skipped, run: 'echo never'}
"""


def _steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for step in document["steps"]:
        yield step
        yield from _steps(step)


def _outcomes(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (step["id"], target): planned["outcome"]
        for step in _steps(document)
        for target, planned in step["planned"].items()
    }


def _farm(make_farm: Callable[[int], Farm]) -> Farm:
    farm = make_farm(3)
    farm.write_inventory({"web-2": {"variables": {"blue": True}}}, variables={"blue": False})
    farm.write_release({"config": "${{ target }}", "app": "1", "var/seed": "s"})
    farm.write_plan(STEPS)
    return farm


def test_what_plan_says_is_what_apply_then_does(make_farm: Callable[[int], Farm]) -> None:
    farm = _farm(make_farm)
    words = ("--skip-step", "skipped")
    for change in (
        lambda: None,
        lambda: farm.write_plan(STEPS.replace("echo drain", "echo DRAIN")),
        lambda: (farm.to("web-2") / "current/app").write_text("tampered"),
        lambda: farm.write_release({"config": "${{ target }}", "app": "2"}),
    ):
        change()
        planned = farm.plan(*words)
        assert planned.code == 0, planned.stderr
        told = farm.apply(*words)
        assert told.code == 0, told.stderr
        assert told.outcomes == _outcomes(planned.document)
        assert set(planned.document["changing"]) == {name for name, end in told.ends.items() if end == "changed"}
    assert farm.plan(*words).document["changing"] == []


def test_plan_changes_nothing_and_tells_with_its_exit_code_on_demand(make_farm: Callable[[int], Farm]) -> None:
    farm = _farm(make_farm)
    assert farm.apply("--limit", "web-1").code == 0
    before = {name: listing(farm.home(name)) for name in farm.hosts}
    assert farm.plan().code == 0
    assert farm.plan("--exit-code").code == 3
    assert farm.plan("--exit-code", "--limit", "web-1").code == 0
    assert {name: listing(farm.home(name)) for name in farm.hosts} == before
    assert not any(farm.home("web-2").iterdir())
    assert len(list((farm.state / "runs").iterdir())) == 1


def test_plan_says_what_would_be_sent_where_and_why(farm: Farm) -> None:
    farm.write_release({"a": "1" * 5000, "b": "2"})
    farm.write_plan("[{name: Prepare, run: ls}, {name: Deploy, package: shop, keep: 1}]")
    assert farm.apply("--limit", "web-1").code == 0
    farm.write_release({"a": "1" * 5000, "b": "3"})
    farm.write_plan("[{name: Prepare, run: ls}, {name: Deploy, package: shop, keep: 1}]", release="1.1")
    planned = next(step for step in _steps(farm.plan().document) if step["id"] == "deploy")["planned"]
    old, new = planned["web-1"], planned["web-2"]
    assert old["reason"] == "release 1.1: 1 file to send"
    assert (old["work"]["folder"], old["work"]["previous"], old["work"]["base"]) == ("1.1", "1.0", "1.0")
    assert new["reason"] == "release 1.1: 2 files to send"
    assert (new["work"]["previous"], new["work"]["base"]) == (None, None)
    shown = farm.octo("plan", "plan.yaml").stdout
    assert "release 1.1: 1 file to send" in shown
    assert "2 targets to change" in shown


def test_a_plan_with_a_target_that_is_down_is_incomplete(farm: Farm) -> None:
    farm.write_plan("- {name: Go, run: ls}", packages="", unreachable="skip")
    farm.hosts["web-2"].stop()
    planned = farm.plan()
    assert planned.code == 4
    assert list(planned.document["unreachable"]) == ["web-2"]
    assert _outcomes(planned.document) == {("go", "web-1"): "changed", ("go", "web-2"): "unreachable"}
    assert farm.plan("--exit-code").code == 3


def test_no_secret_is_in_a_plan(farm: Farm) -> None:
    farm.env["SHOP_TOKEN"] = "hunter2hunter2"
    farm.write_release({"config": "token=${{ token }}"})
    farm.write_plan(
        "[{name: Go, secrets: [token], run: ls}, {name: Deploy, package: shop, configure: [config]}]",
        variables={"token": {"secret": {"env": "SHOP_TOKEN"}}},
    )
    planned = farm.plan()
    assert planned.code == 0, planned.stderr
    assert "hunter2" not in planned.stdout + planned.stderr
    (go,) = [step for step in _steps(planned.document) if step["id"] == "go"]
    assert go["planned"]["web-1"]["work"]["secrets"] == ["token"]


def test_a_plan_does_not_see_locks_as_an_obstacle(farm: Farm) -> None:
    """It changes nothing, so it may look while another run is at work."""
    farm.root().mkdir(mode=0o700)
    (farm.root() / "lock").mkdir()
    (farm.root() / "lock/1").symlink_to("0123:90:boot:1.0:7b7d")
    farm.write_plan("- {name: Go, run: ls}", packages="")
    assert farm.plan().code == 0
    assert farm.apply().code == 5
