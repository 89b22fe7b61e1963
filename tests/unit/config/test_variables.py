"""Variables: which definition wins, where it was said, what it beat, and what scripts get."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.templates import TemplateProblem, render
from octo_ssh.config.variables import Scopes, exported
from octo_ssh.errors import Position
from octo_ssh.model.inventory import Environment, Inventory, Tag, Target
from octo_ssh.model.plan import GroupStep, InlineScript, ReleasePlan, RunStep, Step
from octo_ssh.model.values import (
    Binding,
    EnvSource,
    Expr,
    Prompt,
    Scope,
    Scoped,
    ScopedValue,
    SecretRef,
    Template,
    Value,
)

LINES = itertools.count(1)
TOKEN = SecretRef(EnvSource("TOKEN"), Position("plan.yaml", 1, 1))


def binding(value: Expr, file: str = "inventory.yaml") -> Binding:
    return Binding(value, Position(file, next(LINES), 1))


def bindings(values: Mapping[str, Expr], file: str = "inventory.yaml") -> dict[str, Binding]:
    return {name: binding(value, file) for name, value in values.items()}


def scoped(*rows: tuple[Expr, Scope]) -> Scoped:
    return Scoped(tuple(ScopedValue(value, scope, Position("plan.yaml", next(LINES), 9)) for value, scope in rows))


def template(text: str) -> Template:
    return Template(text, Position("plan.yaml", next(LINES), 5))


@dataclass
class World:
    """Where variables can be said, with two targets, two tags, two environments, a group and two steps."""

    inventory: Mapping[str, Expr] | None = None
    plan: Mapping[str, Expr] | None = None
    staging: Mapping[str, Expr] | None = None
    production: Mapping[str, Expr] | None = None
    web: Mapping[str, Expr] | None = None
    blue: Mapping[str, Expr] | None = None
    web_01: Mapping[str, Expr] | None = None
    group: Mapping[str, Expr] | None = None
    step: Mapping[str, Expr] | None = None
    typed: Mapping[str, Value] | None = None

    def scopes(self, environment: str | None = "staging") -> Scopes:
        return Scopes(self._inventory(), self._plan(), environment, self.typed or {})

    def _inventory(self) -> Inventory:
        both = ("staging", "production")
        return Inventory(
            path="inventory.yaml",
            known_hosts="known_hosts",
            variables=bindings(self.inventory or {}),
            environments={
                "staging": Environment("staging", Position("i", 1, 1), variables=bindings(self.staging or {})),
                "production": Environment("production", Position("i", 2, 1), variables=bindings(self.production or {})),
            },
            tags={"web": Tag("web", bindings(self.web or {})), "blue": Tag("blue", bindings(self.blue or {}))},
            targets={
                "web-01": Target(
                    "web-01",
                    Position("i", 3, 1),
                    environments=both,
                    tags=("web", "blue"),
                    variables=bindings(self.web_01 or {}),
                ),
                "db-01": Target("db-01", Position("i", 4, 1), environments=both),
            },
        )

    def _plan(self) -> ReleasePlan:
        migrate = self._step("Migrate", self.step)
        other = self._step("Other", None)
        group = Step(
            "Roll out",
            "roll_out",
            GroupStep((migrate, other)),
            Position("plan.yaml", 50, 1),
            variables=bindings(self.group or {}, "plan.yaml"),
        )
        return ReleasePlan(
            path="plan.yaml",
            project="shop",
            release="1.4.2",
            inventory_path="inventory.yaml",
            environment=None,
            steps=(group,),
            variables=bindings(self.plan or {}, "plan.yaml"),
        )

    def _step(self, name: str, variables: Mapping[str, Expr] | None) -> Step:
        return Step(
            name,
            name.lower(),
            RunStep(InlineScript("true")),
            Position("plan.yaml", 60, 1),
            variables=bindings(variables or {}, "plan.yaml"),
        )


def step_of(scopes: Scopes, step_id: str) -> Step:
    return next(step for step in scopes._plan.walk() if step.id == step_id)


def value(scopes: Scopes, name: str, target: str | None = "web-01", step: str | None = "migrate") -> Any:
    return scopes.values(target=target, step=step_of(scopes, step) if step else None)[name].value


# From the weakest to the strongest (SPEC section 4).
ORDER = ("inventory", "plan", "staging", "web", "web_01", "group", "step", "typed")


@given(st.sets(st.sampled_from(ORDER), min_size=1))
def test_the_strongest_definition_wins_and_says_what_it_beat(given_at: set[str]) -> None:
    scopes = World(**{layer: {"x": layer} for layer in given_at}).scopes()
    ranked = [layer for layer in reversed(ORDER) if layer in given_at]
    resolved = scopes.values(target="web-01", step=step_of(scopes, "migrate"))["x"]
    assert resolved.value == ranked[0]
    assert [beaten.value for beaten in resolved.beaten] == ranked[1:]
    assert scopes.problems() == []


ROW_KINDS = ("environment", "tag", "target", "step")
WORDS = {"environment": "staging", "tag": "web", "target": "web-01", "step": "Migrate"}


@given(st.permutations(range(16)))
def test_of_rows_the_more_specific_wins_in_any_order(order: list[int]) -> None:
    """All sixteen sets of scopes at once: step over target over tag over environment."""
    rows = [(n, Scope(**{kind: WORDS[kind] for bit, kind in enumerate(ROW_KINDS) if n >> bit & 1})) for n in order]
    scopes = World(plan={"x": scoped(*rows)}).scopes()
    resolved = scopes.values(target="web-01", step=step_of(scopes, "migrate"))["x"]
    assert resolved.value == 15
    assert [beaten.value for beaten in resolved.beaten] == list(range(14, -1, -1))
    assert value(scopes, "x", step=None) == 7
    assert value(scopes, "x", target="db-01") == 9
    assert value(scopes, "x", target="db-01", step="other") == 1
    assert scopes.problems() == []


@given(st.lists(st.sampled_from(ROW_KINDS), unique=True), st.data())
def test_a_row_holds_only_where_all_its_scopes_match(kinds: list[str], data: st.DataObject) -> None:
    elsewhere = {"environment": "production", "tag": "blue", "target": "db-01", "step": "Other"}
    wrong = data.draw(st.sets(st.sampled_from(kinds))) if kinds else set()
    scope = Scope(**{kind: (elsewhere if kind in wrong else WORDS)[kind] for kind in kinds})
    scopes = World(plan={"x": scoped((1, scope))}, web_01={}).scopes()
    holds = not wrong - {"tag"}  # web-01 has both tags
    assert ("x" in scopes.values(target="web-01", step=step_of(scopes, "migrate"))) == holds


def test_what_the_plan_says_for_a_scope_beats_what_the_inventory_says_for_it() -> None:
    row = scoped(("plan", Scope(target="web-01")), ("tag", Scope(tag="web")))
    scopes = World(web_01={"x": "inventory"}, plan={"x": row}).scopes()
    resolved = scopes.values(target="web-01")["x"]
    assert (resolved.value, resolved.source) == ("plan", "plan (target web-01)")
    assert [beaten.source for beaten in resolved.beaten] == ["target web-01", "plan (tag web)"]


def test_an_inner_step_beats_its_group_and_the_group_reaches_all_inside() -> None:
    scopes = World(group={"x": "group"}, step={"x": "step"}).scopes()
    assert value(scopes, "x") == "step"
    assert value(scopes, "x", step="other") == "group"
    assert value(scopes, "x", step="roll_out") == "group"
    assert "x" not in scopes.values(target="web-01")


def test_origins_are_told() -> None:
    scopes = World(inventory={"x": 1}, typed={"x": 2}).scopes()
    resolved = scopes.values(target="web-01")["x"]
    assert (str(resolved.origin), resolved.source) == ("--var", "command line")
    assert resolved.beaten[0].origin.file == "inventory.yaml"


def messages(scopes: Scopes) -> list[str]:
    return [problem.message for problem in scopes.problems()]


def test_two_tags_that_say_different_things_are_a_tie() -> None:
    scopes = World(web={"x": 1}, blue={"x": 2}).scopes()
    [problem] = scopes.problems()
    first, second = (scopes._inventory.tags[tag].variables["x"].position for tag in ("web", "blue"))
    assert problem.position == second
    assert problem.message == (
        f"'x' is set here by tag blue and at {first} by tag web, and neither is more specific: remove one, or set it"
        " where it is more specific"
    )


@pytest.mark.parametrize("same", [1, ("a", {"b": None}), template("${{ target }}")])
def test_two_tags_that_say_the_same_are_no_tie(same: Expr) -> None:
    again = Template(same.text, Position("elsewhere", 1, 1)) if isinstance(same, Template) else same
    assert messages(World(web={"x": same}, blue={"x": again}).scopes()) == []


def test_true_and_one_are_not_the_same() -> None:
    assert len(messages(World(web={"x": True}, blue={"x": 1}).scopes())) == 1


def test_a_tie_that_something_stronger_beats_does_not_matter() -> None:
    assert messages(World(web={"x": 1}, blue={"x": 2}, web_01={"x": 3}).scopes()) == []


def test_rows_that_are_equally_specific_are_a_tie() -> None:
    row = scoped((1, Scope(environment="staging")), (2, Scope(environment="staging")))
    assert len(messages(World(plan={"x": row}).scopes())) == 1
    assert messages(World(plan={"x": row}).scopes("production")) == []


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (Scope(environment="stagin"), "there is no environment 'stagin' (did you mean 'staging'?)"),
        (Scope(target="web-1"), "there is no target 'web-1' (did you mean 'web-01'?)"),
        (Scope(tag="wep"), "there is no tag 'wep' (did you mean 'web'?)"),
        (Scope(step="Migrat"), "there is no step 'Migrat' (did you mean 'Migrate'?)"),
    ],
)
def test_a_row_that_names_nothing_is_a_problem(scope: Scope, message: str) -> None:
    assert messages(World(plan={"x": scoped((1, scope))}).scopes()) == [message]


def test_a_row_that_can_never_hold_is_a_problem() -> None:
    scopes = World(staging={"x": scoped((1, Scope(environment="production")))}).scopes()
    assert messages(scopes) == ["this row never holds: it stands in the variables of environment staging"]
    assert "x" not in scopes.values(target="web-01")


def test_values_may_refer_to_each_other_and_are_rendered_late() -> None:
    scopes = World(
        inventory={"url": template("http://${{ host }}:${{ port }}/"), "port": 80},
        plan={"host": template("${{ target }}.example.net")},
        production={"port": 443},
    ).scopes("production")
    assert value(scopes, "url") == "http://web-01.example.net:443/"
    assert value(scopes, "url", target="db-01") == "http://db-01.example.net:443/"


def test_a_circle_is_one_problem_that_names_it() -> None:
    world = World(plan={"b": template("${{ c }}"), "c": template("${{ a }}"), "a": template("x${{ b ~ 1 }}")})
    scopes = world.scopes()
    [problem] = scopes.problems()
    assert problem.message == "these variables refer to each other in a circle: a → b → c → a"
    assert problem.position == scopes._plan.variables["a"].position
    with pytest.raises(TemplateProblem, match="circle"):
        value(scopes, "b")


def test_a_variable_may_not_refer_to_itself() -> None:
    assert messages(World(plan={"path": template("${{ path }}:x")}).scopes()) == [
        "these variables refer to each other in a circle: path → path"
    ]


def test_a_mistake_that_all_targets_share_is_said_once() -> None:
    found = World(inventory={"a": template("${{ nobody }}"), "b": template("${{ a }}")}).scopes().problems()
    assert [problem.message for problem in found] == ["undefined name 'nobody'"]


def test_a_name_that_only_others_have_is_explained() -> None:
    scopes = World(web={"workers": 4}, plan={"x": template("${{ workers }}")}).scopes()
    assert messages(scopes) == ["the variable 'workers' has no value on db-01: none of its scopes matches"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ target }}", "there is no 'target' here: this value is the same for all targets"),
        ("${{ tags }}", "there are no 'tags' here: this value is the same for all targets"),
        ("${{ environment }}", "there is no 'environment' here: the inventory has none"),
        (
            "${{ steps.a.output.x }}",
            "outputs of steps cannot be used here, because they are not known before a run: use them in 'env', 'cwd',"
            " 'when', 'content', 'template', 'http' or a 'command' list",
        ),
    ],
)
def test_built_in_names_that_are_not_there_are_explained(text: str, message: str) -> None:
    names = World().scopes(None).names(target=None)
    with pytest.raises(TemplateProblem) as caught:
        render(template(text), names)
    assert caught.value.message == message


def test_templates_have_the_built_in_names() -> None:
    text = "${{ release }} ${{ project }} ${{ environment }} ${{ target }} ${{ tags | join('+') }}"
    assert render(template(text), World().scopes().names(target="web-01")) == "1.4.2 shop staging web-01 web+blue"


@pytest.mark.parametrize("name", ["release", "project", "environment", "target", "tags", "vars", "steps"])
def test_no_variable_may_have_a_built_in_name(name: str) -> None:
    assert messages(World(plan={name: 1}).scopes()) == [
        f"'{name}' means something else in templates: choose another name"
    ]


def test_names_with_dots_are_reached_by_vars_and_exported_with_underscores() -> None:
    scopes = World(plan={"Project.Color": "red", "A:b-c": 1}).scopes()
    names = scopes.names(target="web-01")
    assert render(template("${{ vars['Project.Color'] }}${{ vars['A:b-c'] }}"), names) == "red1"
    assert "Project.Color" not in list(names)
    assert exported(scopes.values(target="web-01")) == {"Project_Color": "red", "A_b_c": "1"}


def test_names_that_are_one_in_a_script_are_a_problem() -> None:
    assert messages(World(inventory={"a.b": 1}, plan={"a_b": 1}).scopes()) == [
        "'a_b' and 'a.b' are both $a_b in a script: rename one"
    ]


def test_what_scripts_get_is_text_without_secrets() -> None:
    values: dict[str, Expr] = {
        "flag": False,
        "nothing": None,
        "number": 1.5,
        "hosts": ("a", {"é": 1}),
        "text": "a b\n'c'",
        "token": TOKEN,
        "alias": template("${{ token }}"),
    }
    scopes = World(plan=values).scopes()
    assert exported(scopes.values(target="web-01")) == {
        "flag": "false",
        "nothing": "",
        "number": "1.5",
        "hosts": '["a", {"é": 1}]',
        "text": "a b\n'c'",
    }
    assert value(scopes, "alias") == TOKEN
    assert messages(scopes) == []


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ({"a": TOKEN}, "a secret must be the whole value of a variable: give it a name of its own"),
        ((template("${{ token }}"),), "a secret must be the whole value of a variable"),
        (template("x${{ token }}"), "a secret is used here, where its value would be seen"),
    ],
)
def test_a_secret_is_a_whole_variable_or_refused(expr: Expr, message: str) -> None:
    [found] = messages(World(plan={"token": TOKEN, "x": expr}).scopes())
    assert found.startswith(message)


def test_without_an_environment_rows_for_one_do_not_hold() -> None:
    row = scoped((1, Scope(environment="staging")), (2, Scope()))
    assert value(World(plan={"x": row}).scopes(None), "x") == 2


def test_what_is_the_same_for_all_targets_can_be_asked_without_one() -> None:
    scopes = World(inventory={"x": 1}, web={"y": 1}, web_01={"x": 2}).scopes()
    assert value(scopes, "x", target=None, step=None) == 1
    assert "y" not in scopes.values(target=None)


def test_all_variables_at_once_are_a_plain_map() -> None:
    names = World(plan={"Project.Color": "red", "n": template("${{ 1 + 1 }}")}).scopes().names(target="web-01")
    for text in ("${{ vars }}", "${{ vars or 0 }}"):
        found = render(template(text), names)
        assert type(found) is dict
        assert found == {"Project.Color": "red", "n": 2}


NESTED: Mapping[str, Expr] = {
    "db": {
        "hosts": ({"name": template("${{ short }}.${{ environment }}"), "port": 5432}, {"name": "two"}),
        "a.b": {"c": template("${{ short ~ 1 }}")},
    },
    "short": "db",
    "A.B": {"hosts": (template("${{ db.hosts[0].name }}"),), "x:y": True},
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${{ db.hosts[0].name }}", "db.staging"),
        ("${{ db.hosts[0].port + 1 }}", 5433),
        ("${{ db['a.b'].c }}", "db1"),
        ("${{ vars['A.B'].hosts[0] }}", "db.staging"),
        ("${{ vars['A.B']['x:y'] }}", True),
        ("${{ db.hosts | map(attribute='name') | join(',') }}", "db.staging,two"),
        ("${{ db.hosts[0] }}", {"name": "db.staging", "port": 5432}),
        ("${{ vars.db.hosts | length }}", 2),
    ],
)
def test_values_inside_values_are_rendered_and_reached(text: str, result: Any) -> None:
    scopes = World(plan={**NESTED, "x": template(text)}).scopes()
    assert messages(scopes) == []
    assert value(scopes, "x") == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ db.hosts[2].name }}", "there is no 2 in this list"),
        ("${{ db.host }}", "there is no 'host' in this map (did you mean 'hosts'?)"),
        ("${{ vars['A.C'] }}", "there is no 'A.C' in variables (did you mean 'A.B'?)"),
    ],
)
def test_what_is_not_inside_a_value_is_told(text: str, message: str) -> None:
    assert messages(World(plan={**NESTED, "x": template(text)}).scopes()) == [message]


def test_what_is_wrong_with_a_variable_that_vars_asks_for_is_told_at_that_variable() -> None:
    scopes = World(plan={"A.B": template("${{ nobody }}"), "x": template("${{ vars['A.B'] ~ 1 }}")}).scopes()
    [problem] = scopes.problems()
    written = scopes._plan.variables["A.B"].value
    assert isinstance(written, Template)
    assert (problem.position, problem.message) == (written.position, "undefined name 'nobody'")


def test_two_prompts_that_ask_the_same_are_no_tie() -> None:
    same = Prompt("Which?", None, False, False, Position("i", 1, 1))
    again = Prompt("Which?", None, False, False, Position("i", 2, 1))
    found = World(web={"x": same}, blue={"x": again}).scopes().problems()
    assert [problem.message for problem in found] == ["'x' needs an answer: run it on a terminal, or add --var x=…"]
