"""Templates: what they give, what they refuse, and that nothing in them runs away."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.config.templates import (
    TemplateProblem,
    check_syntax,
    evaluate,
    render,
    render_file,
    render_late,
    render_script_value,
    render_text,
)
from octo_ssh.errors import Position
from octo_ssh.model.values import EnvSource, Secret, SecretRef, Template, Value
from octo_ssh.model.work import LateText

AT = Position("plan.yaml", 3, 9)
TOKEN = SecretRef(EnvSource("TOKEN"), Position("plan.yaml", 1, 1))
NAMES: Mapping[str, Any] = {
    "port": 8080,
    "name": "web",
    "on": True,
    "none": None,
    "hosts": ("a", "b"),
    "limits": {"cpu": 2, "items": 3},
    "token": TOKEN,
    "vars": {"Project.Color": "red", "Api.Token": TOKEN},
}
SECRET_REFUSED = (
    "a secret is used here, where its value would be seen: use it in 'env', 'content', 'template' or in a file that"
    " 'configure' names"
)


def template(text: str) -> Template:
    return Template(text, AT)


def reveal(ref: SecretRef) -> Secret:
    assert ref == TOKEN
    return Secret("hunter22")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ port }}", 8080),
        ("${{port}}", 8080),
        ("${{ port + 1 }}", 8081),
        ("${{ on }}", True),
        ("${{ none }}", None),
        ("${{ hosts }}", ("a", "b")),
        ("${{ hosts + ['c'] }}", ("a", "b", "c")),
        ("${{ hosts == ['a', 'b'] }}", True),
        ("${{ limits }}", {"cpu": 2, "items": 3}),
        ("${{ limits.cpu }}", 2),
        ("${{ limits['items'] }}", 3),
        ("${{ hosts[1] }}", "b"),
        ("${{ name[::-1] }}", "bew"),
        ("${{ name.upper() }}", "WEB"),
        ("${{ hosts | map('upper') | join('+') }}", "A+B"),
        ("${{ name ~ ':' ~ port ~ on ~ none }}", "web:8080true"),
        ("${{ 'x' if on else 'y' }}", "x"),
        ("${{ nothing | default('d') }}", "d"),
        ("${{ nothing is defined }}", False),
        ("${{ limits | tojson }}", '{"cpu": 2, "items": 3}'),
        ("${{ '%03d' % 7 }}", "007"),
        ("${{ range(3) }}", (0, 1, 2)),
        ("${{ vars['Project.Color'] }}", "red"),
        ("${{ '}}' ~ \"'}}\" }}", "}}'}}"),
        ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("${{ 'a\\'}}b' }}", "a'}}b"),
        ("http://${{ name }}:${{ port }}/", "http://web:8080/"),
        ("${{ on }}!", "true!"),
        ("${{ none }}!", "!"),
        ("${{ hosts }}!", '["a", "b"]!'),
        ("$${{ port }}", "$8080"),
        ("{{ port }} {% if %} {# #} ${{ port }}", "{{ port }} {% if %} {# #} 8080"),
        (" ${{ port }}", " 8080"),
    ],
)
def test_a_template_gives(text: str, value: Value) -> None:
    result = render(template(text), NAMES)
    assert result == value
    assert type(result) is type(value)


def test_lists_and_maps_are_rendered_inside_out() -> None:
    expr = {"a": (template("${{ port }}"), "x"), "b": {"c": template("${{ name }}!")}}
    assert render(expr, NAMES) == {"a": (8080, "x"), "b": {"c": "web!"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ prot }}", "undefined name 'prot' (did you mean 'port'?)"),
        ("${{ prot + 1 }}", "undefined name 'prot' (did you mean 'port'?)"),
        ("${{ zzz }}", "undefined name 'zzz'"),
        ("${{ limits.cpus }}", "there is no 'cpus' in this map (did you mean 'cpu'?)"),
        ("${{ vars['Project.Colour'] }}", "there is no 'Project.Colour' in this map (did you mean 'Project.Color'?)"),
        ("${{ name | uper }}", "there is no filter 'uper' in templates (did you mean 'upper'?)"),
        ("${{ name is strin }}", "there is no test 'strin' in templates (did you mean 'string'?)"),
        ("${{ port", "'${{' is never closed: add '}}'"),
        ("a ${{ 'port }}", "a ' is never closed in this '${{'"),
        ("${{ }}", "'${{ }}' holds nothing: name a variable"),
        ("${{ 1 2 }}", "unexpected 2 in '${{ 1 2 }}'"),
        ("${{ 1 + }}", "'${{ 1 + }}' is no expression: unexpected end of the expression"),
        ("${{ 1 / 0 }}", "'${{ 1 / 0 }}' cannot be evaluated: division by zero"),
        (
            "${{ name | dictsort }}",
            "'${{ name | dictsort }}' cannot be evaluated: 'str' object has no attribute 'items'",
        ),
        ("${{ port() }}", "a number cannot be called"),
        ("${{ limits.get }}", "this gives no value: is a method named without its ()?"),
        ("${{ 1e308 * 10 }}", "'${{ 1e308 * 10 }}' is not a finite number"),
        ("${{ -1e999 }}", "'${{ -1e999 }}' holds a number that is too large"),
        ("${{ token }}", SECRET_REFUSED),
        ("key=${{ token }}", SECRET_REFUSED),
        ("${{ [token] }}", SECRET_REFUSED),
        ("${{ token | length }}", SECRET_REFUSED),
        ("${{ token == 'x' }}", SECRET_REFUSED),
        ("${{ 'x' in token }}", SECRET_REFUSED),
        ("${{ 1 if token else 2 }}", SECRET_REFUSED),
        ("${{ {'a': token} | tojson }}", SECRET_REFUSED),
        ("${{ vars['Api.Token'] ~ '' }}", SECRET_REFUSED),
        ("${{ vars | tojson }}", SECRET_REFUSED),
    ],
)
def test_a_template_is_refused_where_it_stands(text: str, message: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render(template(text), NAMES)
    assert (caught.value.position, caught.value.message) == (AT, message)


ESCAPES = [
    "''.__class__",
    "''['__class__']",
    "''.__class__.__mro__[1].__subclasses__()",
    "name.upper.__self__",
    "name.format",
    "name | attr('__class__')",
    "'{0.__class__}' | format(1)",
    "'{0.__class__}'.format(1)",
    "'{x.__class__}'.format_map({'x': 1})",
    "range.__globals__",
    "dict.mro()",
    "dict.fromkeys(['a'])",
    "cycler.__init__.__globals__",
    "lipsum.__globals__",
    "namespace(a=1)",
    "joiner()",
    "self",
    "self._TemplateReference__context",
    "loop",
    "caller()",
    "hosts.append('x')",
    "limits.clear()",
    "limits.update({})",
    "vars.__init__",
    "vars._inner",
    "hosts | map(attribute='__class__') | list",
    "token.ref",
    "token.__class__",
    "[1] | random",
    "'<b>' | safe",
    "name | pprint",
]


@pytest.mark.parametrize("expression", ESCAPES)
def test_an_expression_reaches_nothing_but_its_data(expression: str) -> None:
    with pytest.raises(TemplateProblem):
        render(template("${{ " + expression + " }}"), NAMES)


BOMBS = [
    "'a' * 10**9",
    "10**9 * 'a'",
    "[1] * 10**9",
    "[[1] * 1000] * 1000",
    "range(10**9)",
    "10 ** (10 ** 10)",
    "(2 ** 4000) * (2 ** 4000)",
    "'%1000000000d' % 1",
    "'%*d' % (10**9, 1)",
    "'%(a)1000000000d' % {'a': 1}",
    "'%1000000000d' | format(1)",
    "'{:>1000000000}'.format(1)",
    "'a'.ljust(10**9)",
    "'a'.center(10**9)",
    "'a'.zfill(10**9)",
    "'a' | center(10**9)",
    "'a' | indent(10**9)",
    "('\\n' * 100000) | indent(1000)",
    "('b' * 1000000).replace('b', 'b' * 1000)",
    "('b' * 1000000) | replace('b', 'b' * 1000)",
    "('b' * 1000).join(range(10000) | map('string') | list)",
    "range(10000) | join('b' * 1000)",
    "'x' * 1000000 ~ 'x' * 1000000",
    "range(10000) | map('default', 'x') | map('center', 1000) | list",
    "range(10000) | select('in', range(10000)) | list",
    "1.5 | round(10**9, 'ceil')",
    "{'a': 1} | tojson(10**9)",
    "'a' | truncate(10**9) * 10**9",
    "(" * 300 + "1" + ")" * 300,
    "-" * 3000 + "1",
    "not " * 900 + "1",
    "name" + ".a" * 1500,
    "1" + " + 1" * 2000,
]


@pytest.mark.parametrize("expression", BOMBS)
def test_a_bomb_does_not_go_off(expression: str) -> None:
    with pytest.raises(TemplateProblem):
        render(template("${{ " + expression + " }}"), NAMES)


def test_many_templates_in_one_text_are_bounded_together() -> None:
    with pytest.raises(TemplateProblem, match="grows beyond"):
        render(template("${{ 'a' * 1000000 }}" * 3), NAMES)


def test_text_must_be_text() -> None:
    assert render_text("as it is", {}) == "as it is"
    assert render_text(template("${{ port }}"), NAMES) == "8080"
    for text, kind in (("${{ hosts }}", "a list"), ("${{ limits }}", "a map"), ("${{ none }}", "nothing")):
        with pytest.raises(TemplateProblem, match=f"this must give text, and gives {kind}"):
            render_text(template(text), NAMES)


def test_syntax_can_be_checked_without_names() -> None:
    check_syntax(template("${{ nobody.knows | upper }}"))
    with pytest.raises(TemplateProblem):
        check_syntax(template("${{ nobody | uppper }}"))


class Counting(Mapping[str, Any]):
    """Names that tell which were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return NAMES[name]

    def __contains__(self, name: object) -> bool:
        return name in NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def test_only_names_that_are_used_are_asked_for() -> None:
    names = Counting()
    render(template("${{ port }} ${{ name ~ 'x' }}"), names)
    assert sorted(names.asked) == ["name", "port"]


@pytest.mark.parametrize("text", ["${{ token }}", "${{ vars['Api.Token'] }}", "${{ token if on else '' }}"])
def test_a_secret_alone_stays_a_reference(text: str) -> None:
    assert evaluate(template(text), NAMES) == TOKEN
    assert render_script_value(template(text), NAMES) == TOKEN


def test_script_values_are_text() -> None:
    assert render_script_value(True, NAMES) == "true"
    assert render_script_value(None, NAMES) == ""
    assert render_script_value(("a", 1), NAMES) == '["a", 1]'
    assert render_script_value(template("${{ port }}"), NAMES) == "8080"
    assert render_script_value(TOKEN, NAMES) == TOKEN


@pytest.mark.parametrize(
    ("text", "names", "result"),
    [
        ("user:${{ token }}@${{ name }}", {"token", "name"}, "user:hunter22@web"),
        ("${{ token | upper }}", {"token"}, "HUNTER22"),
        ("${{ (token | length) + port }}", {"token", "port"}, "8088"),
        ("x${{ vars['Api.Token'] }}${{ vars['Project.Color'] }}", {"vars"}, "xhunter22red"),
        ("${{ vars | tojson }}", {"vars"}, '{"Api.Token": "hunter22", "Project.Color": "red"}'),
    ],
)
def test_a_text_with_a_secret_waits_and_names_what_it_needs(text: str, names: set[str], result: str) -> None:
    late = render_script_value(template(text), NAMES)
    assert isinstance(late, LateText)
    assert set(late.names) == names
    assert pickle.loads(pickle.dumps(late)) == late
    rendered = render_late(late, reveal, {})
    assert isinstance(rendered, Secret)
    assert rendered.reveal() == result


def test_only_the_keys_of_vars_that_are_named_are_kept() -> None:
    late = render_script_value(template("x${{ vars['Api.Token'] }}"), NAMES)
    assert isinstance(late, LateText)
    assert late.names == {"vars": {"Api.Token": TOKEN}}


@pytest.mark.parametrize("expr", [(TOKEN,), {"a": TOKEN}])
def test_a_secret_inside_a_list_or_map_is_no_script_value(expr: Any) -> None:
    with pytest.raises(TemplateProblem, match="a secret must be a value of its own"):
        render_script_value(expr, NAMES)


@pytest.mark.parametrize(
    "text", ["x${{ token | int + hosts }}", "x${{ token.foo }}", "x${{ token() }}", "x${{ hosts[token] }}"]
)
def test_errors_of_late_texts_hold_no_secret(text: str) -> None:
    late = LateText(template(text), NAMES)
    with pytest.raises(TemplateProblem) as caught:
        render_late(late, reveal, {})
    assert "hunter22" not in repr(caught.getrepr(style="long", showlocals=False))
    assert "hunter22" not in caught.value.message


def test_in_files_only_expressions_are_syntax_and_every_other_byte_stays() -> None:
    content = b"\xff\x00 {{ x }} {% raw %} {# c #} $${{ port }}\r\n\tpw=${{ token }}\n\n${{ '${{' }}"
    rendered = render_file(content, NAMES, reveal, file="app.conf").reveal().encode("utf-8", "surrogateescape")
    assert rendered == b"\xff\x00 {{ x }} {% raw %} {# c #} $8080\r\n\tpw=hunter22\n\n${{"


@given(st.binary(max_size=200))
def test_a_file_without_expressions_is_not_changed(content: bytes) -> None:
    if b"${{" not in content:
        rendered = render_file(content, {}, reveal, file="x").reveal()
        assert rendered.encode("utf-8", "surrogateescape") == content


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a\nb ${{ prot }}", "app.conf:2:3: undefined name 'prot' (did you mean 'port'?)"),
        (b"\n\n${{ port", "app.conf:3:1: '${{' is never closed: add '}}'"),
        (b"\xff\xc3\xa4 ${{ token ** 2 }}", "app.conf:1:4: '${{ token ** 2 }}' cannot be evaluated: TypeError"),
    ],
)
def test_mistakes_in_files_are_found_at_their_line(content: bytes, place: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render_file(content, NAMES, reveal, file="app.conf")
    assert f"{caught.value.position}: {caught.value.message}" == place


@given(st.text(max_size=60))
def test_no_text_makes_an_expression_fail_in_another_way(text: str) -> None:
    try:
        render(template("${{" + text + "}}"), NAMES)
    except TemplateProblem:
        return


@given(st.text(alphabet="{}()[]'\"\\$ ab.|~+*%,:-0", max_size=40))
def test_no_heap_of_marks_makes_an_expression_fail_in_another_way(text: str) -> None:
    try:
        render(template("${{" + text + "}}"), NAMES)
    except TemplateProblem:
        return


def test_rendered_secrets_are_not_shown() -> None:
    rendered = render_file(b"${{ token }}", NAMES, reveal, file="x")
    for shown in (repr(rendered), str(rendered), f"{rendered}", logging.Formatter().format(_record(rendered))):
        assert "hunter22" not in shown


def _record(thing: object) -> logging.LogRecord:
    return logging.LogRecord("octo", logging.INFO, __file__, 1, "%s %r", (thing, thing), None)
