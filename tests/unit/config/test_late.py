"""Outputs of steps in templates: which are used, what waits for them, and what comes of it when a step runs."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.templates import (
    Content,
    OutputUse,
    TemplateProblem,
    evaluate,
    evaluate_late,
    file_output_uses,
    output_uses,
    render,
    render_condition,
    render_content,
    render_file,
    render_late,
    render_late_word,
    render_script_value,
    render_text,
    render_value,
    render_word,
)
from octo_ssh.errors import Position
from octo_ssh.model.values import EnvSource, OutputSource, Secret, SecretRef, Template
from octo_ssh.model.work import LateText

AT = Position("plan.yaml", 3, 9)
TOKEN = SecretRef(EnvSource("TOKEN"), Position("plan.yaml", 1, 1))
KEY = SecretRef(OutputSource("make", "web-01", "key"), Position("plan.yaml", 2, 1))
NAMES: Mapping[str, Any] = {
    "port": 8080,
    "name": "web",
    "hosts": ("a", "b"),
    "token": TOKEN,
    "vars": {"A.B": "dotted", "Api.Token": TOKEN},
}
STEPS: Mapping[str, Any] = {
    "make": {
        "output": {"url": "http://db", "big": "BIG", "key": KEY, "get": "a method's name", "A.B": "dotted"},
        "outputs": {"web-03": {"url": "http://three"}, "items": {"url": "a name like a method's"}},
    },
    "items": {"output": {"x": "y"}},
}
SECRETS = {TOKEN: "hunter22", KEY: "s3cr3t-key"}


def template(text: str) -> Template:
    return Template(text, AT)


def reveal(ref: SecretRef) -> Secret:
    return Secret(SECRETS[ref])


def never(ref: SecretRef) -> Secret:
    raise AssertionError(f"{ref} was read")


def late(text: str, names: Mapping[str, Any] = NAMES) -> LateText:
    made = render_script_value(template(text), names)
    assert isinstance(made, LateText)
    return made


def revealed(rendered: str | Secret) -> str:
    return rendered.reveal() if isinstance(rendered, Secret) else rendered


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("plain", []),
        ("${{ port }}", []),
        ("${{ 'steps.a.output.b' }} steps.a.output.b", []),
        ("${{ steps.make.output.url }}", [("make", None, "url")]),
        ('${{ steps["make"].output["url"] }}', [("make", None, "url")]),
        ('${{ steps["make"]["output"]["A.B"] }}', [("make", None, "A.B")]),
        ('${{ steps.make.outputs["web-03"].url }}', [("make", "web-03", "url")]),
        ("${{ steps.make.outputs.web.url }}", [("make", "web", "url")]),
        ("${{ steps.make.output.url.upper() | trim }}", [("make", None, "url")]),
        ("${{ steps.a.output.x ~ steps.b.output.y }}", [("a", None, "x"), ("b", None, "y")]),
        ("${{ steps.a.output.x }}, ${{ steps.a.output.x }}", [("a", None, "x")]),
        ("${{ 'y' if steps.a.output.x == '1' else steps.b.output.z }}", [("a", None, "x"), ("b", None, "z")]),
        ("${{ steps.output.output.output }}", [("output", None, "output")]),
        ("${{ steps.outputs.outputs.outputs.outputs }}", [("outputs", "outputs", "outputs")]),
    ],
)
def test_the_outputs_that_a_template_uses_are_told(text: str, uses: list[tuple[str, str | None, str]]) -> None:
    found = output_uses(template(text))
    assert sorted((use.step, use.target or "", use.name) for use in found) == sorted(
        (step, target or "", name) for step, target, name in uses
    )
    assert all(use.position == AT for use in found)


@pytest.mark.parametrize(
    "expression",
    [
        "steps",
        "steps | tojson",
        "steps.make",
        "steps.make.output",
        "steps.make.output | length",
        "steps.make.output[name]",
        "steps[name].output.url",
        "steps.make.outputs",
        "steps.make.outputs['web-03']",
        "steps.make.outputs[target].url",
        "steps.make.url",
        "steps.make.result.url",
        "steps.make.output.url ~ steps",
        "steps.make.output[1]",
    ],
)
def test_another_use_of_steps_is_refused_and_told_how_to_write(expression: str) -> None:
    for look in (output_uses, lambda text: render_word(text, NAMES), lambda text: render_script_value(text, NAMES)):
        with pytest.raises(TemplateProblem) as caught:
            look(template("${{ " + expression + " }}"))
        assert caught.value.position == AT
        assert 'steps.STEP_ID.output.NAME, or steps.STEP_ID.outputs["TARGET"].NAME' in caught.value.message


def test_outputs_in_a_file_are_told_with_their_line() -> None:
    data = b"\xff a\nb ${{ steps.make.output.url }}\n${{ port }} ${{ steps.x.outputs['t'].n }}"
    first, second = file_output_uses(data, "unit.conf")
    assert (first, str(first.position)) == (OutputUse("make", None, "url", AT), "unit.conf:2:3")
    assert (second, str(second.position)) == (OutputUse("x", "t", "n", AT), "unit.conf:3:13")
    with pytest.raises(TemplateProblem) as caught:
        file_output_uses(b"\n ${{ steps.make }}", "unit.conf")
    assert str(caught.value.position) == "unit.conf:2:2"


@pytest.mark.parametrize("look", [render, evaluate, render_text])
@pytest.mark.parametrize("text", ["${{ steps.a.output.b }}", "${{ 1 if true else steps.a.output.b }}", "${{ steps }}"])
def test_where_nothing_waits_outputs_are_refused(look: Any, text: str) -> None:
    with pytest.raises(TemplateProblem, match="outputs of steps cannot be used here, because they are not known"):
        look(template(text), NAMES)


def test_a_file_that_configure_names_has_no_outputs() -> None:
    with pytest.raises(TemplateProblem, match="outputs of steps cannot be used here") as caught:
        render_file(b"\n${{ steps.a.output.b }}", NAMES, reveal, file="app.conf")
    assert str(caught.value.position) == "app.conf:2:1"


@pytest.mark.parametrize(
    ("text", "names", "after", "result"),
    [
        ("${{ steps.make.output.url }}", set(), ("make",), "http://db"),
        ("${{ steps.make.output.url }}:${{ port }}/${{ name }}", {"port", "name"}, ("make",), "http://db:8080/web"),
        ('${{ steps.make.outputs["web-03"].url }}', set(), ("make",), "http://three"),
        ("${{ steps.make.outputs.items.url }}", set(), ("make",), "a name like a method's"),
        ("${{ steps.make.output.get }}", set(), ("make",), "a method's name"),
        ('${{ steps.make.output["A.B"] ~ vars["A.B"] }}', {"vars"}, ("make",), "dotteddotted"),
        ("${{ steps.items.output.x ~ steps.make.output.big }}", set(), ("items", "make"), "yBIG"),
        ("${{ steps.make.output.url.upper() }}", set(), ("make",), "HTTP://DB"),
        ("${{ steps.make.output.none | default('d') }}", set(), ("make",), "d"),
        ("${{ steps.nobody.outputs['x'].none | default('d') }}", set(), ("nobody",), "d"),
        ("${{ steps.make.output.none is defined }}", set(), ("make",), "false"),
        ("${{ nothing | default('n') ~ steps.make.output.big }}", set(), ("make",), "nBIG"),
    ],
)
def test_a_template_with_outputs_waits_and_is_rendered(
    text: str, names: set[str], after: tuple[str, ...], result: str
) -> None:
    made = late(text)
    assert (set(made.names), made.after) == (names, after)
    assert pickle.loads(pickle.dumps(made)) == made
    assert render_late(made, never, STEPS) == result
    assert render_word(template(text), NAMES) == made
    assert render_late_word(made, STEPS) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${{ steps.make.output.key }}", "s3cr3t-key"),
        ("k=${{ steps.make.output.key }}", "k=s3cr3t-key"),
        ("${{ steps.make.output.key | upper }}", "S3CR3T-KEY"),
        ("${{ token }}@${{ steps.make.output.url }}", "hunter22@http://db"),
        ("${{ token ~ steps.make.output.url }}", "hunter22http://db"),
    ],
)
def test_what_a_secret_goes_into_is_a_secret(text: str, result: str) -> None:
    made = render_late(late(text), reveal, STEPS)
    assert isinstance(made, Secret)
    assert made.reveal() == result


def test_a_secret_that_does_not_go_in_is_not_read() -> None:
    assert render_late(late("${{ token if false else steps.make.output.url }}"), never, STEPS) == "http://db"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("steps.make.output.ulr", "the step 'make' gave no output 'ulr' (did you mean 'url'?)"),
        ("steps.make.output.ulr ~ 'x'", "the step 'make' gave no output 'ulr' (did you mean 'url'?)"),
        ("steps.make.outputs['web-03'].ulr", "the step 'make' on web-03 gave no output 'ulr' (did you mean 'url'?)"),
        ("steps.make.outputs['web-09'].url", "the step 'make' on web-09 gave no output 'url': it gave none at all"),
        ("steps.nobody.output.url", "the step 'nobody' gave no output 'url': it gave none at all"),
        ("token ~ steps.make.output.ulr", "the step 'make' gave no output 'ulr' (did you mean 'url'?)"),
    ],
)
def test_an_output_that_is_not_there_is_named(expression: str, message: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render_late(late("${{ " + expression + " }}"), reveal, STEPS)
    assert (caught.value.position, caught.value.message) == (AT, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ prot }} ${{ steps.make.output.url }}", "undefined name 'prot' (did you mean 'port'?)"),
        ("${{ prot ~ steps.make.output.url }}", "undefined name 'prot' (did you mean 'port'?)"),
        ("${{ vars['A.C'] ~ steps.make.output.url }}", "there is no 'A.C' in this map (did you mean 'A.B'?)"),
        ("${{ 1 / 0 }}${{ steps.make.output.url }}", "'${{ 1 / 0 }}' cannot be evaluated: division by zero"),
        ("${{ steps.make.output.url | uper }}", "there is no filter 'uper' in templates (did you mean 'upper'?)"),
    ],
)
def test_what_can_be_found_wrong_before_a_run_is(text: str, message: str) -> None:
    looks = (render_word, render_script_value, render_condition, lambda t, n: render_content(t, n, never))
    for look in looks:
        with pytest.raises(TemplateProblem) as caught:
            look(template(text), NAMES)
        assert caught.value.message == message


def test_a_template_that_waits_for_a_secret_names_what_is_undefined() -> None:
    with pytest.raises(TemplateProblem, match="undefined name 'prot'"):
        render_script_value(template("${{ token ~ prot }}"), NAMES)


def test_functions_are_no_names() -> None:
    assert render_late(late("${{ range(2) | join ~ steps.make.output.big }}"), never, STEPS) == "01BIG"


@pytest.mark.parametrize("text", ["${{ token }}${{ steps.make.output.url }}", "${{ steps.make.output.url ~ token }}"])
def test_a_word_has_no_secret(text: str) -> None:
    with pytest.raises(TemplateProblem, match="a secret is used here"):
        render_word(template(text), NAMES)


@pytest.mark.parametrize("text", ["${{ steps.make.output.key }}", "x${{ steps.make.output.key | length }}"])
def test_a_word_has_no_secret_output_either(text: str) -> None:
    word = render_word(template(text), NAMES)
    with pytest.raises(TemplateProblem, match="a secret is used here"):
        render_late_word(word, STEPS)


def test_words_that_need_not_wait_do_not() -> None:
    assert render_word("plain", {}) == "plain"
    assert render_word(template("${{ port }}"), NAMES) == "8080"
    assert render_late_word("plain", {}) == "plain"
    with pytest.raises(TemplateProblem, match="this must give text, and gives a list"):
        render_word(template("${{ hosts }}"), NAMES)


@pytest.mark.parametrize("expr", [(template("${{ steps.a.output.b }}"),), {"x": template("${{ steps.a.output.b }}")}])
def test_an_output_inside_a_list_or_map_is_no_script_value(expr: Any) -> None:
    with pytest.raises(TemplateProblem, match="an output must be a value of its own"):
        render_script_value(expr, NAMES)


def test_conditions_are_told_now_or_when_their_turn_comes() -> None:
    assert render_condition(template("${{ port == 8080 }}"), NAMES) is True
    made = render_condition(template("${{ steps.make.output.url == 'http://db' and port > 1 }}"), NAMES)
    assert isinstance(made, LateText)
    assert evaluate_late(made, never, STEPS) is True
    with pytest.raises(TemplateProblem, match="'when' must give true or false, and gives 8080"):
        render_condition(template("${{ port }}"), NAMES)


def test_a_secret_may_decide_a_condition_and_never_is_it() -> None:
    assert evaluate_late(late("${{ steps.make.output.key == 's3cr3t-key' }}"), reveal, STEPS) is True
    for text in (
        "${{ steps.make.output.key }}",
        "${{ steps.make.output.key | upper }}",
        "x${{ steps.make.output.key }}",
    ):
        with pytest.raises(TemplateProblem, match="a secret is used here"):
            evaluate_late(late(text), reveal, STEPS)


def test_what_a_late_template_gives_keeps_its_type() -> None:
    assert evaluate_late(late("${{ steps.make.output.url | length }}"), never, STEPS) == 9
    assert evaluate_late(late("x${{ steps.make.output.big }}"), never, STEPS) == "xBIG"


@pytest.mark.parametrize(
    ("text", "content", "holds_secrets"),
    [
        ("plain", "plain", False),
        (template("${{ port }}"), "8080", False),
        (template("pw=${{ token }}"), "pw=hunter22", True),
        (template("${{ token }}"), "hunter22", True),
        (template("${{ 'x' if token else 'y' }}"), "x", True),
        (template("${{ token if false else 'y' }}"), "y", False),
        (b"\xff${{ port }}\r\n", "\udcff8080\r\n", False),
        (b"a: ${{ vars['Api.Token'] }}", "a: hunter22", True),
    ],
)
def test_content_without_outputs_is_there_before_a_run(text: Any, content: str, *, holds_secrets: bool) -> None:
    made = render_content(text, NAMES, reveal, file="app.conf")
    assert isinstance(made, Content)
    assert (made.text.reveal(), made.holds_secrets) == (content, holds_secrets)


def test_content_with_outputs_waits_and_keeps_every_other_byte() -> None:
    data = b"\xff\x00 {{ x }}\r\n\turl=${{ steps.make.output.url }} pw=${{ token }}\n"
    made = render_content(data, NAMES, never, file="app.conf")
    assert isinstance(made, LateText)
    assert (made.names, made.after) == ({"token": TOKEN}, ("make",))
    done = revealed(render_late(made, reveal, STEPS)).encode("utf-8", "surrogateescape")
    assert done == b"\xff\x00 {{ x }}\r\n\turl=http://db pw=hunter22\n"


def test_mistakes_in_late_content_are_found_at_their_line() -> None:
    made = render_content(b"\n\n  ${{ steps.make.output.ulr }}", NAMES, never, file="app.conf")
    assert isinstance(made, LateText)
    with pytest.raises(TemplateProblem) as caught:
        render_late(made, never, STEPS)
    assert str(caught.value.position) == "app.conf:3:3"


@pytest.mark.parametrize("text", ["${{ steps.make.output.key | int + hosts }}", "${{ steps.make.output.key.foo }}"])
def test_mistakes_hold_no_secret(text: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render_late(late(text), reveal, STEPS)
    assert "s3cr3t" not in caught.value.message


def test_outputs_are_data_and_never_templates() -> None:
    steps = {"make": {"output": {"url": "${{ token }}"}}}
    assert render_late(late("x ${{ steps.make.output.url }}"), never, steps) == "x ${{ token }}"


@given(st.text(alphabet="steps.outputmake[]\"' ~|()", max_size=40))
def test_however_steps_is_used_it_is_told_or_refused(text: str) -> None:
    source = template("${{ steps." + text + " }}")
    try:
        uses = output_uses(source)
    except TemplateProblem:
        return
    assert uses
    made = render_script_value(source, NAMES)
    assert isinstance(made, LateText)
    assert set(made.after) == {use.step for use in uses}


@pytest.mark.parametrize(
    ("value", "text", "is_secret"),
    [
        ("${{ as it stands }}", "${{ as it stands }}", False),
        (TOKEN, "hunter22", True),
        (late("${{ steps.make.output.url }}/x"), "http://db/x", False),
        (late("${{ token }}:${{ port }}"), "hunter22:8080", True),
    ],
)
def test_a_scripts_value_is_its_text_its_secret_or_what_its_template_gives(
    value: str | SecretRef | LateText, text: str, is_secret: bool
) -> None:
    found = render_value(value, reveal, STEPS)
    assert (revealed(found), isinstance(found, Secret)) == (text, is_secret)
