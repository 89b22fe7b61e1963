"""Prompts on a real terminal and without one: what is asked, what an answer is, what nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.desk import CTRL_C, CTRL_D, at_a_desk, sitting
from tests.integration.farm import Farm

PASSWORD = "correct horse battery staple"
SHOW = "- {name: Show, run: 'echo \"$ticket $count $dry\"'}"
ASKED = {
    "ticket": {"prompt": {"text": "Change ticket", "default": "none"}},
    "count": {"prompt": {"text": "How many", "default": 3}},
    "dry": {"prompt": {"text": "Only try", "default": False}},
}


def write(farm: Farm, steps: str = SHOW, **variables: Any) -> None:
    farm.write_plan(steps, packages="", variables=variables or ASKED)


def test_each_is_asked_once_and_enter_takes_the_default(farm: Farm) -> None:
    write(farm)
    with at_a_desk(farm) as desk:
        desk.answers("Change ticket [none]: ", "CHG-1")
        desk.answers("How many [3]: ", "")
        desk.answers("Only try [False]: ", "yes")
        told = desk.leaves()
    assert told.code == 0, told.stderr
    for name in farm.hosts:
        assert told.output("show", name) == "CHG-1 3 true\n"
    assert told.stderr.count("Change ticket") == 1


def test_an_answer_of_the_wrong_kind_is_asked_for_again(farm: Farm) -> None:
    write(farm)
    with at_a_desk(farm) as desk:
        desk.answers("Change ticket [none]: ", "CHG-1")
        desk.answers("How many [3]: ", "many")
        desk.answers("How many (the answer must be a whole number) [3]: ", "7")
        desk.answers("Only try [False]: ", "no")
        told = desk.leaves()
    assert told.output("show") == "CHG-1 7 false\n"


def test_answers_that_stay_wrong_end_it_before_anybody_is_connected_to(farm: Farm) -> None:
    write(farm, count={"prompt": {"text": "How many", "default": 3}})
    with at_a_desk(farm) as desk:
        for _ in range(3):
            desk.answers("How many", "many")
        told = desk.leaves()
    assert told.code == 1
    assert "plan.yaml:" in told.stderr
    assert "--var count=" in told.stderr
    assert not any(farm.home().iterdir())


def test_a_secret_is_typed_unseen_and_masked(farm: Farm) -> None:
    write(
        farm,
        '- {name: Use, secrets: [password], run: \'printf %s "$password" >~/got; echo "it is $password"\'}',
        password={"prompt": {"text": "Password", "secret": True}},
    )
    with at_a_desk(farm, "-vv") as desk:
        desk.sees("Password: ")
        assert not desk.echoes
        desk.types("abc\n")
        desk.sees("Password (the answer")
        desk.types(f"{PASSWORD}\n")
        told = desk.leaves()
        assert desk.echoes
    assert told.code == 0, told.stderr
    assert (farm.home() / "got").read_text() == PASSWORD
    assert told.output("use") == "it is ***\n"
    assert PASSWORD not in told.stderr + told.stdout
    assert "abc" not in told.stderr
    records = [path.read_text() for path in farm.state.rglob("*") if path.is_file()]
    assert records
    assert PASSWORD not in "".join(records)


@pytest.mark.parametrize("how", ["cron", "--no-input"])
def test_without_a_person_the_default_is_taken(farm: Farm, how: str) -> None:
    write(farm)
    if how == "cron":
        told = farm.apply("--var", "count:=9")
    else:
        with at_a_desk(farm, "--no-input", "--var", "count:=9") as desk:
            told = desk.leaves()
    assert told.code == 0, told.stderr
    assert told.output("show") == "none 9 false\n"
    assert "Change ticket" not in told.stderr


@pytest.mark.parametrize("secret", [False, True])
def test_without_a_person_what_has_no_default_is_refused_at_its_place(farm: Farm, secret: bool) -> None:
    write(farm, SHOW, ticket={"prompt": {"text": "Change ticket", "secret": secret}})
    told = farm.apply()
    assert told.code == 1
    assert "plan.yaml:" in told.stderr
    assert "'ticket' needs an answer" in told.stderr
    assert "--var ticket=" in told.stderr
    assert not any(farm.home().iterdir())
    assert farm.octo("plan", "plan.yaml").code == 1


def test_what_is_said_on_the_command_line_or_wins_elsewhere_is_not_asked(farm: Farm) -> None:
    farm.write_inventory(environments={"staging": {}, "production": {}})
    rows = [
        {"value": {"prompt": {"text": "Ticket of production"}}, "environment": "production"},
        {"value": "none needed", "environment": "staging"},
    ]
    write(
        farm,
        "- {name: Show, run: 'echo \"$ticket, $other\"'}",
        ticket={"scoped": rows},
        other={"prompt": {"text": "The other"}},
    )
    with at_a_desk(farm, "-e", "staging", "--var", "other=said") as desk:
        told = desk.leaves()
    assert (told.code, told.output("show")) == (0, "none needed, said\n")
    assert "Ticket" not in told.stderr
    with at_a_desk(farm, "-e", "production", "--var", "other=said") as desk:
        desk.answers("Ticket of production: ", "CHG-7")
        told = desk.leaves()
    assert (told.code, told.output("show")) == (0, "CHG-7, said\n")


def test_ctrl_d_is_no_answer(farm: Farm) -> None:
    write(farm, SHOW, ticket={"prompt": {"text": "Change ticket"}})
    with at_a_desk(farm) as desk:
        desk.sees("Change ticket: ")
        desk.types(CTRL_D)
        told = desk.leaves()
    assert told.code == 1
    assert "'ticket' needs an answer" in told.stderr


@pytest.mark.parametrize("secret", [False, True])
def test_ctrl_c_at_a_prompt_ends_it_and_gives_the_terminal_back(farm: Farm, secret: bool) -> None:
    write(farm, SHOW, ticket={"prompt": {"text": "Change ticket", "secret": secret}})
    with at_a_desk(farm) as desk:
        desk.sees("Change ticket: ")
        desk.types(CTRL_C)
        told = desk.leaves()
        assert desk.echoes
    assert told.code == 130
    assert "interrupted" in told.stderr
    assert not any(farm.home().iterdir())


def test_plan_asks_too_and_says_what_would_be(farm: Farm) -> None:
    write(farm, "- {name: File, file: ~/ticket, content: '${{ ticket }}'}", ticket={"prompt": {"text": "Ticket"}})
    with sitting(farm, "plan", "plan.yaml") as desk:
        desk.answers("Ticket: ", "CHG-9")
        told = desk.leaves()
    assert told.code == 0, told.stderr
    assert "+CHG-9" in told.stdout
