"""Whom each step is for: steps on the controller among those on targets."""

from __future__ import annotations

from octo_ssh.model.plan import Rolling
from octo_ssh.planning.reach import reached
from tests.unit.planning.builders import approve, group, inventory, loaded, run

INV = inventory("web-1", "web-2", "db-1", tags={"web-1": ("web",), "web-2": ("web",), "db-1": ("db",)})
EVERYONE = ("web-1", "web-2", "db-1")
HERE = ("controller",)


def reach(*steps: object) -> dict[str, tuple[str, ...]]:
    return reached(loaded(*steps, inv=INV), EVERYONE)  # type: ignore[arg-type]


def test_a_step_on_the_controller_stands_there_whatever_its_group_selects() -> None:
    found = reach(run("tell", on_controller=True), group("g", run("a"), approve("ask"), on=("web",)))
    assert found == {"tell": HERE, "g": ("web-1", "web-2"), "a": ("web-1", "web-2"), "ask": HERE}


def test_in_a_rolling_group_it_has_the_targets_of_the_group_that_it_stands_in() -> None:
    inner = group("inner", run("a", on=("db",)), run("drain", on_controller=True))
    found = reach(
        group("roll", run("first", on_controller=True), run("b", on=("target:web-1",)), inner, rolling=Rolling())
    )
    assert found["roll"] == found["first"] == ("web-1", "db-1")
    assert found["inner"] == found["drain"] == ("db-1",)


def test_a_rolling_group_of_nothing_else_has_all_that_it_selects() -> None:
    found = reach(group("roll", run("drain", on_controller=True), on=("web",), rolling=Rolling()))
    assert found == {"roll": ("web-1", "web-2"), "drain": ("web-1", "web-2")}


def test_a_group_of_nothing_else_in_a_rolling_group_adds_no_targets_to_it() -> None:
    lonely = group("lonely", run("drain", on_controller=True))
    found = reach(group("roll", lonely, run("a", on=("db",)), rolling=Rolling()))
    assert found == {"roll": ("db-1",), "lonely": ("db-1",), "drain": ("db-1",), "a": ("db-1",)}


def test_a_group_of_nothing_else_that_does_not_roll_stands_on_the_controller() -> None:
    assert reach(group("g", run("a", on_controller=True), approve("b"))) == {"g": HERE, "a": HERE, "b": HERE}
