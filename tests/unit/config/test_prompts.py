"""Variables that a person is asked for: who is asked what, and what comes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from octo_ssh.config.load import Loaded, LoadRequest, load, look
from octo_ssh.config.secrets import SecretStore
from octo_ssh.config.templates import TemplateProblem
from octo_ssh.errors import FileErrors, UsageError
from octo_ssh.model.values import Prompt, PromptSource, SecretRef

INVENTORY = """\
version: 1
environments: {staging: {}, production: {variables: {level: {prompt: {text: Level}}}}}
variables: {level: info}
tags: {db: {variables: {size: {prompt: {text: Size, default: 3}}}}}
targets:
  web-01: {environments: [staging, production], tags: [web]}
  db-01: {environments: [production], tags: [db]}
"""
PLAN = """\
version: 1
project: shop
environment: staging
steps:
- {name: a, run: x}
- {name: b, on: controller, run: x, variables: {note: {prompt: {text: Note, default: ""}}}}
"""


class Person:
    """Answers by question, and tells what it was asked."""

    def __init__(self, answers: Mapping[str, str | list[str] | None]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    def __call__(self, prompt: Prompt) -> str | None:
        self.asked.append(prompt.text)
        said = self.answers[prompt.text.partition(" (the answer")[0]]
        return said.pop(0) if isinstance(said, list) else said


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory.yaml").write_text(INVENTORY)


def loaded(written: str, person: Person | None = None, /, **request: Any) -> Loaded:
    Path("plan.yaml").write_text(PLAN + f"variables: {written}\n")
    return load(LoadRequest("plan.yaml", **request), secrets=SecretStore({}), answer=person)


def problems(written: str, person: Person | None = None, /, **request: Any) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        loaded(written, person, **request)
    return [str(problem) for problem in caught.value.problems]


def value(found: Loaded, name: str, target: str | None = "web-01") -> Any:
    return found.scopes.values(target=target)[name].value


def test_only_what_wins_somewhere_is_asked_once_in_the_order_of_the_files() -> None:
    person = Person({"Level": "high", "Size": "7", "First": "1", "Second": "2", "Note": "n"})
    variables = "{z: {prompt: {text: First}}, a: {prompt: {text: Second}}, again: {prompt: {text: First}}}"
    found = loaded(variables, person, environment="production")
    assert person.asked == ["Level", "Size", "Note", "First", "Second"]
    assert [value(found, name, "db-01") for name in ("level", "size", "z", "a", "again")] == ["high", 7, "1", "2", "1"]
    person = Person({"First": "1", "Note": "n"})
    loaded("{z: {prompt: {text: First}}}", person)
    assert person.asked == ["Note", "First"]


def test_what_something_stronger_says_is_not_asked() -> None:
    person = Person({"Note": ""})
    variables = (
        "{x: {scoped: [{value: {prompt: {text: No}}}, {value: 1, environment: staging}]}, y: {prompt: {text: Y}}}"
    )
    found = loaded(variables, person, variables={"y": "typed"})
    assert person.asked == ["Note"]
    assert (value(found, "x"), value(found, "y")) == (1, "typed")


def test_what_only_the_controller_needs_is_asked() -> None:
    person = Person({"N": "7", "Note": ""})
    found = loaded("{x: {scoped: [{value: {prompt: {text: N}}}, {value: 1, target: web-01}]}}", person)
    assert person.asked == ["Note", "N"]
    assert value(found, "x", None) == "7"


@pytest.mark.parametrize("said", [None, "", "  "])
def test_without_an_answer_the_default_is_taken(said: str | None) -> None:
    assert value(loaded("{x: {prompt: {text: X, default: 5}}}", Person({"X": said, "Note": said})), "x") == 5
    assert value(loaded("{x: {prompt: {text: X, default: 5}}}"), "x") == 5


def test_what_nobody_answers_is_a_mistake_that_says_what_to_do() -> None:
    variables = "{x: {prompt: {text: X}}, y: 'is ${{ x }}', z: {prompt: {text: X}}}"
    for person in (None, Person({"X": None, "Note": None})):
        assert problems(variables, person) == [
            "plan.yaml:7:25: 'x' needs an answer: run it on a terminal, or add --var x=…",
            "plan.yaml:7:67: 'z' needs an answer: run it on a terminal, or add --var z=…",
        ]


@pytest.mark.parametrize(
    ("default", "said", "result"),
    [
        ("true", "no", False),
        ("false", " TRUE ", True),
        ("3", "-12", -12),
        ("1.5", "2", 2.0),
        ("text", "12", "12"),
        ("null", "x", "x"),
        ("text", " kept ", " kept "),
        ("text", "${{ environment }}", "${{ environment }}"),
    ],
)
def test_an_answer_has_the_kind_of_the_default(default: str, said: str, result: Any) -> None:
    found = value(loaded(f"{{x: {{prompt: {{text: X, default: {default}}}}}}}", Person({"X": said, "Note": ""})), "x")
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("default", "bad", "why"),
    [
        ("true", "maybe", "must be true or false"),
        ("3", "three", "must be a whole number"),
        ("3", "3.5", "must be a whole number"),
        ("3", "٣", "must be a whole number"),
        ("1.5", "nan", "must be a number"),
        ("1.5", "1e999", "must be a number"),
    ],
)
def test_a_wrong_answer_is_asked_for_again_and_then_refused(default: str, bad: str, why: str) -> None:
    variables = f"{{x: {{prompt: {{text: X, default: {default}}}}}}}"
    person = Person({"X": [bad, default], "Note": ""})
    loaded(variables, person)
    assert person.asked == ["Note", "X", f"X (the answer {why})"]
    assert problems(variables, Person({"X": bad, "Note": ""})) == [
        f"plan.yaml:7:25: the answer for 'x' {why}: say it with --var x=…"
    ]


def test_nothing_is_no_answer_where_there_is_no_default() -> None:
    person = Person({"X": ["", "y"], "Note": ""})
    assert value(loaded("{x: {prompt: {text: X}}}", person), "x") == "y"
    assert person.asked[-1] == "X (the answer must not be empty)"


def test_a_secret_answer_is_kept_in_the_store_and_nowhere_else() -> None:
    found = loaded("{x: {prompt: {text: Pass, secret: true}}}", Person({"Pass": ["abc", "hunter22"], "Note": ""}))
    ref = value(found, "x")
    assert isinstance(ref, SecretRef)
    assert ref.source == PromptSource("Pass")
    assert found.secrets.reveal(ref).reveal() == "hunter22"
    assert "hunter22" not in repr(found)


def test_a_secret_answer_that_cannot_be_masked_is_refused_without_telling_it() -> None:
    [found] = problems("{x: {prompt: {text: Pass, secret: true}}}", Person({"Pass": "q7Z", "Note": ""}))
    assert "the answer for 'x' is shorter than 4 characters" in found
    assert "q7Z" not in found


@pytest.mark.parametrize("written", ["{prompt: {text: Pass, secret: true}}", "{secret: {env: TOKEN}}"])
def test_what_is_typed_in_place_of_a_secret_is_one(written: str) -> None:
    found = loaded(f"{{x: {written}}}", Person({"Note": ""}), variables={"x": "hunter22"})
    ref = value(found, "x")
    assert isinstance(ref, SecretRef)
    assert found.secrets.reveal(ref).reveal() == "hunter22"
    with pytest.raises(UsageError, match="--var x takes the place of a secret, and is shorter than 4 characters"):
        loaded(f"{{x: {written}}}", Person({"Note": ""}), variables={"x": "abc"})


def test_to_look_at_files_nobody_is_asked_and_nothing_need_be_there() -> None:
    Path("plan.yaml").write_text(
        PLAN + "- {name: c, package: p}\npackages: {p: {file: 'p-${{ release }}.tgz'}}\n"
        "variables: {x: {prompt: {text: X}}, y: '${{ release }}', z: {secret: {env: NO}}}\n"
    )
    found = look(LoadRequest("plan.yaml"))
    assert found.plan.release is None
    assert isinstance(found.scopes.chosen(target="web-01")["x"].definition.value, Prompt)
    assert isinstance(value(found, "z"), SecretRef)
    for name, message in (("x", "'x' needs an answer"), ("y", "there is no 'release' here")):
        with pytest.raises(TemplateProblem, match=message):
            value(found, name)
