"""Armored secrets inside YAML: found by what they mean, replaced line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.age import encrypt, new_identity
from octo_ssh.config.age_values import find_values, with_values
from octo_ssh.config.problems import Problems

_, RECIPIENT = new_identity()
ONE, TWO, NEW = (encrypt(text, [RECIPIENT]) for text in (b"one", b"two" * 50, b"new" * 90))


def block(armored: str, indent: str) -> str:
    return "".join(f"{indent}{line}\n" for line in armored.splitlines())


def found(text: str) -> tuple[list[str], list[str]]:
    problems = Problems()
    values = find_values(text.encode(), "plan.yaml", problems)
    return [value.text for value in values], [str(problem) for problem in problems.listing()]


FILE = f"""\
# variables of the shop
variables:
  token:   {{secret: {{env: TOKEN}}}}
  one:
    secret:
      age: |  # for the team

{block(ONE, "        ")}
  two: &two   # odd spaces stay
      secret:
        age: |-
          {block(TWO, "          ").strip()}
  again: *two
  path: {{secret: {{age: secrets/key.age}}}}
"""


def test_armored_values_are_found_each_once_and_paths_are_not() -> None:
    assert found(FILE) == ([ONE, TWO], [])


def test_only_the_lines_of_a_value_are_replaced() -> None:
    one, two = find_values(FILE.encode(), "plan.yaml", Problems())
    assert with_values(FILE.encode(), []) == FILE.encode()
    done = with_values(FILE.encode(), [(two, NEW), (one, TWO)]).decode()
    assert done == FILE.replace(block(TWO, "          "), block(NEW, "          ")).replace(
        block(ONE, "        "), block(TWO, "        ")
    )


def test_the_ends_of_lines_stay() -> None:
    text = f"a:\n  age: |\n{block(ONE, '    ')}b: 1\n".replace("\n", "\r\n").encode()
    (value,) = find_values(text, "x.yaml", Problems())
    done = with_values(text, [(value, NEW)])
    assert done.count(b"\n") == done.count(b"\r\n") > 5
    assert done.endswith(b"b: 1\r\n")


@given(st.lists(st.sampled_from(["# c", "b: 'x'", "c: {a: [1 , 2]}", "", "d: |\n  text\n", "\u2028e: é"]), unique=True))
def test_what_stands_around_a_value_stays(around: list[str]) -> None:
    rest = "\n".join(around)
    text = f"x: 1\n{rest}\nage: |\n{block(ONE, '  ')}y: 2\n"
    problems = Problems()
    values = find_values(text.encode(), "x.yaml", problems)
    done = with_values(text.encode(), [(value, NEW) for value in values]).decode()
    assert done == (text.replace(block(ONE, "  "), block(NEW, "  ")) if values else text)
    assert values or problems


@pytest.mark.parametrize(
    "text",
    [
        f"age: >\n{block(ONE, '  ')}",
        "age: " + repr(ONE).replace("'", '"') + "\n",
        f"age: '\n{block(ONE, '  ')}'\n",
    ],
    ids=["folded", "escaped", "quoted"],  # the texts are others in every process
)
def test_a_value_in_another_form_is_told_at_its_place(text: str) -> None:
    values, told = found(text)
    assert values == []
    assert told == ["plan.yaml:1:6: this secret cannot be replaced in this form: write it as a block, after 'age: |'"]


def test_what_is_wrong_with_the_file_is_told() -> None:
    values, told = found(f"age: |\n{block(ONE, '  ')}b: [\n")
    assert values == []
    assert len(told) == 1
