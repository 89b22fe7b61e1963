"""Where packages go, and as whom."""

from __future__ import annotations

import pytest

from octo_ssh.errors import FileErrors
from octo_ssh.model.inventory import Become
from octo_ssh.model.plan import BecomeAs
from octo_ssh.model.values import Template
from octo_ssh.planning.places import Place, places
from octo_ssh.planning.request import RunOptions, select
from tests.unit.planning.builders import HERE, group, inventory, loaded, package, run


def test_a_package_goes_below_the_root_unless_the_step_says_where() -> None:
    made = loaded(package(), targets=("web-1",))
    found = places(made, select(made, RunOptions()))
    assert found == {"web-1": (Place("deploy", "shop", "~/.octo-ssh/apps/shop/default/shop", None, ()),)}


def test_the_place_may_be_a_template_and_the_user_comes_from_the_group_or_the_target() -> None:
    inv = inventory("web-1", become=Become("www"))
    step = package(to=Template("/srv/${{ target }}", HERE), shared=("up",))
    made = loaded(group("g", step, become=BecomeAs()), inv=inv)
    assert places(made, select(made, RunOptions())) == {
        "web-1": (Place("deploy", "shop", "/srv/web-1", "www", ("up",)),)
    }


def test_two_packages_at_one_place_of_a_target_are_refused_at_their_line() -> None:
    made = loaded(package("one", to="/srv/shop"), package("two", to="/srv/./shop/"), targets=("web-1",))
    with pytest.raises(FileErrors, match=r"'two' and step 'one' both go to /srv/\./shop/ on web-1"):
        places(made, select(made, RunOptions()))


def test_a_skipped_package_needs_no_place() -> None:
    made = loaded(package(), run("a"), targets=("web-1",))
    assert places(made, select(made, RunOptions(skip_steps=frozenset({"deploy"})))) == {}


def test_a_place_that_cannot_be_rendered_is_a_mistake_in_the_file() -> None:
    made = loaded(package(to=Template("${{ nope }}", HERE)), targets=("web-1",))
    with pytest.raises(FileErrors, match="undefined name 'nope'"):
        places(made, select(made, RunOptions()))
