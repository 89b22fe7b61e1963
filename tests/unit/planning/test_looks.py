"""What is looked at on a target beyond its packages."""

from __future__ import annotations

from typing import Any

import pytest

from octo_ssh.config.secrets import SecretStore
from octo_ssh.errors import FileErrors
from octo_ssh.model.observed import Baseline
from octo_ssh.model.plan import BecomeAs, InlineScript, RunStep, SecretContent, Step
from octo_ssh.model.values import EnvSource, SecretRef, Template
from octo_ssh.planning.looks import Looking, Looks, UnlessLook
from octo_ssh.planning.request import RunOptions, select
from tests.unit.planning.builders import HERE, approve, file, loaded, observed, run, service, step

TOKEN = SecretRef(EnvSource("TOKEN"), HERE)
REVEAL = SecretStore({"TOKEN": "s3cret-token"}).reveal
LATE = Template("${{ steps.make.output.X }}", HERE)


def looking(*steps: Step, options: RunOptions | None = None, **keys: Any) -> Looking:
    made = loaded(*steps, **keys)
    return Looking(made, select(made, options or RunOptions()))


def looks(*steps: Step, **keys: Any) -> Looks:
    made = looking(*steps, **keys)
    return made.looks("web-1", made.files_wanted("web-1", REVEAL))


def unless(name: str = "init", text: str = "test -e x", **keys: Any) -> Step:
    return step(name, RunStep(InlineScript("true"), unless=text), **keys)


def test_files_and_units_are_looked_at_as_the_user_of_their_step() -> None:
    found = looks(file(become=BecomeAs("app"), path=Template("~/${{ target }}", HERE)), service(), run("a"))
    assert [(one.request.step_id, one.request.path, one.sudo_user) for one in found.files] == [
        ("unit", "~/web-1", "app")
    ]
    assert found.services == {"service": "shop"}


def test_what_depends_on_outputs_or_is_skipped_is_not_looked_at() -> None:
    found = looks(run("make"), file(path=LATE), service(unit=LATE))
    assert found == Looks()
    skipped = RunOptions(skip_steps=frozenset({"unit", "service"}))
    assert looks(file(), service(), run("a"), options=skipped) == Looks()
    assert looks(file(environments=("qa",)), approve("ask"), run("a")) == Looks()


@pytest.mark.parametrize(
    ("step", "is_asked"),
    [
        (file(), True),
        (file(content=LATE), True),
        (file(content=None), False),
        (file(show_diff=False), False),
        (file(content=SecretContent(TOKEN)), False),
    ],
)
def test_content_comes_back_only_where_a_difference_would_be_shown(step: Step, is_asked: bool) -> None:
    found = looks(run("make"), step).files[0].request
    assert bool(found.sha256) is is_asked
    assert len(found.sha256) in (0, 64)


def test_every_mistake_is_told_at_once() -> None:
    steps = [file("a", Template("${{ x }}", HERE)), file("b", Template("${{ y }}", HERE))]
    with pytest.raises(FileErrors) as caught:
        looking(*steps).files_wanted("web-1", REVEAL)
    assert len(caught.value.problems) == 2


def asked(made: Looking, target: str = "web-1") -> tuple[UnlessLook, ...]:
    return made.unless(target, observed(target, baseline=Baseline("1.4.1")))


def test_unless_gets_the_environment_of_its_step() -> None:
    variables = {"color": "red", "token": TOKEN}
    made = looking(unless(become=BecomeAs("app"), secrets=("token",), env={"A": "b"}), variables=variables)
    (found,) = asked(made)
    assert (found.step_id, found.script, found.sudo_user) == ("init", "test -e x", "app")
    told = {"color": "red", "token": TOKEN, "A": "b", "OCTO_TARGET": "web-1", "OCTO_PREVIOUS_RELEASE": "1.4.1"}
    assert told.items() <= found.env.items()


def test_unless_cannot_use_outputs_but_its_script_can() -> None:
    env = {"X": LATE, "Y": "y"}
    (found,) = asked(looking(run("make"), unless(env=env)))
    assert "X" not in found.env
    assert found.env["Y"] == "y"
    with pytest.raises(FileErrors, match="'unless' of 'init' uses X, which depends on outputs of steps"):
        asked(looking(run("make"), unless(text='test -e "$X"', env=env)))


def test_a_check_asks_what_can_be_asked_and_knows_why_it_cannot_ask_the_others() -> None:
    made = looking(run("make"), unless("bad", 'test -e "$X"', env={"X": LATE}), unless())
    found, why = made.unless_where_possible("web-1", observed("web-1"))
    assert ([one.step_id for one in found], set(why)) == (["init"], {"bad"})
    assert why["bad"].startswith("'unless' of 'bad' uses X, which depends on outputs of steps")


def test_another_target_is_asked_for_once_steps_alone() -> None:
    made = looking(unless("a", once=True), unless("b"), file(), options=RunOptions(limit=("web-1",)))
    assert [one.step_id for one in asked(made)] == ["a", "b"]
    assert [one.step_id for one in asked(made, "web-2")] == ["a"]
    assert made.looks("web-2", made.files_wanted("web-2", REVEAL)) == Looks()
