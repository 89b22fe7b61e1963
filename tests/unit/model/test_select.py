"""Selecting targets: the grammar, its errors, and its algebra."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octo_ssh.errors import Position
from octo_ssh.model.inventory import Environment, Inventory, Tag, Target
from octo_ssh.model.select import SelectError, parse, select

HERE = Position("i.yaml", 1, 1)


def target(name: str, tags: str, environments: str) -> Target:
    return Target(name, HERE, tags=tuple(tags.split()), environments=tuple(environments.split()))


TARGETS = [
    target("web-01", "web", "staging production"),
    target("web-02", "web canary", "production"),
    target("web-03", "web", "production"),
    target("db-01", "db", "production"),
    target("db", "db backup", "staging"),
    target("bastion", "", ""),
]
INVENTORY = Inventory(
    path="i.yaml",
    known_hosts="known_hosts",
    targets={one.name: one for one in TARGETS},
    environments={name: Environment(name, HERE) for name in ("staging", "production", "empty")},
    tags={name: Tag(name) for name in ("web", "canary", "db", "backup", "unused")},
)
ALL = [one.name for one in TARGETS]


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ([], ALL),
        (["all"], ALL),
        (["*"], ALL),
        (["web-01"], ["web-01"]),
        (["web-03", "web-01"], ["web-01", "web-03"]),
        (["web-03,web-01"], ["web-01", "web-03"]),
        (["web-*"], ["web-01", "web-02", "web-03"]),
        (["web-0[13]"], ["web-01", "web-03"]),
        (["web-[01:02]"], ["web-01", "web-02"]),
        (["target:db"], ["db"]),
        (["tag:db"], ["db-01", "db"]),
        (["tag:*b*"], ["web-01", "web-02", "web-03", "db-01", "db"]),
        (["tag:unused"], []),
        (["env:staging"], ["web-01", "db"]),
        (["env:empty"], []),
        (["tag:web & env:staging"], ["web-01"]),
        (["tag:web&!tag:canary"], ["web-01", "web-03"]),
        (["!tag:canary & tag:web"], ["web-01", "web-03"]),
        (["tag:web", "!tag:canary"], ["web-01", "web-03"]),
        (["!tag:canary", "tag:web"], ["web-01", "web-03"]),
        (["!web-01"], ["web-02", "web-03", "db-01", "db", "bastion"]),
        (["! web-01", "!tag:db"], ["web-02", "web-03", "bastion"]),
        (["!tag:web & !tag:db"], ["bastion"]),
        (["tag:web & tag:db"], []),
        (["@failed"], ["web-02", "db"]),
        (["@failed & tag:web"], ["web-02"]),
        (["!@failed", "tag:web"], ["web-01", "web-03"]),
        (["tag:web", "!all"], []),
    ],
)
def test_a_selector_selects_in_the_inventorys_order(items: list[str], names: list[str]) -> None:
    found = select(parse(items, bare="target"), INVENTORY, failed={"db", "web-02", "gone"})
    assert list(found) == names


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["db"], ["db-01", "db"]),
        (["web & !canary"], ["web-01", "web-03"]),
        (["target:db"], ["db"]),
        (["!web"], ["db-01", "db", "bastion"]),
    ],
)
def test_bare_words_of_a_step_are_tags(items: list[str], names: list[str]) -> None:
    assert list(select(parse(items, bare="tag"), INVENTORY)) == names


@pytest.mark.parametrize(
    ("items", "environment", "names"),
    [
        ([], "staging", ["web-01", "db"]),
        (["!db"], "staging", ["web-01"]),
        (["tag:web"], "staging", ["web-01"]),
        (["web-02"], "staging", []),
        (["env:production"], "staging", ["web-01"]),
    ],
)
def test_an_environment_bounds_what_is_selected(items: list[str], environment: str, names: list[str]) -> None:
    assert list(select(parse(items, bare="target"), INVENTORY, environment=environment)) == names


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["web-04x"], "unknown target 'web-04x' (did you mean 'web-03'?)"),
        (["tag:wbe"], "unknown tag 'wbe' (did you mean 'web'?)"),
        (["env:prod"], "unknown environment 'prod' (did you mean 'production'?)"),
        (["web"], "unknown target 'web': for the tag, write 'tag:web'"),
        (["staging"], "unknown target 'staging': for the environment, write 'env:staging'"),
        (["tag:bastion"], "unknown tag 'bastion': for the target, write 'target:bastion'"),
        (["tag:zzz"], "unknown tag 'zzz': known are 'web', 'canary', 'db', 'backup', 'unused'"),
        (["x-*"], "'x-*' matches no target of the inventory"),
        (["web-[02:04]"], "unknown target 'web-04' (did you mean 'web-03'?)"),
        (["web-[2:1]"], "the range [2:1] in 'web-[2:1]' runs backwards: write [1:2]"),
        (["tags:web"], "unknown prefix 'tags:' in 'tags:web' (did you mean 'tag'?)"),
        (["role:web"], "unknown prefix 'role:' in 'role:web': known are 'target:', 'tag:' and 'env:'"),
        (["@faild"], "'@faild' selects nothing (did you mean '@failed'?): write @failed"),
        (["@failed"], "'@failed' needs a last run: none is recorded for this plan"),
        (["web-01 &"], "a word is missing in 'web-01 &': write a name on both sides of '&' and after '!'"),
        (["!"], "a word is missing in '!': write a name on both sides of '&' and after '!'"),
        (["web-01 web-02"], "'web-01 web-02' cannot be read: join words with '&', and items with ','"),
        (["!!web-01"], "'!web-01' cannot be read: join words with '&', and items with ','"),
        (["tag:"], "'tag:' cannot be read: join words with '&', and items with ','"),
        (["a|b"], "'a|b' cannot be read: join words with '&', and items with ','"),
        ([""], "an empty selector selects nobody: name a target, a tag or an environment"),
        ([" , "], "an empty selector selects nobody: name a target, a tag or an environment"),
    ],
)
def test_what_cannot_be_selected_is_explained(items: list[str], message: str) -> None:
    with pytest.raises(SelectError) as caught:
        select(parse(items, bare="target"), INVENTORY)
    assert str(caught.value) == message


words = st.sampled_from(["web-01", "web-*", "tag:web", "tag:db", "env:staging", "db", "all", "@failed", "tag:unused"])
environments = st.sampled_from([None, "staging", "production"])


def names(*items: str, environment: str | None = None) -> set[str]:
    return set(select(parse(items, bare="target"), INVENTORY, environment=environment, failed={"db", "web-02"}))


@given(words, words, environments)
def test_and_is_intersection_and_a_list_is_union(a: str, b: str, environment: str | None) -> None:
    one, other = names(a, environment=environment), names(b, environment=environment)
    assert names(f"{a} & {b}", environment=environment) == one & other
    assert names(a, b, environment=environment) == one | other == names(f"{a},{b}", environment=environment)


@given(words, words, environments)
def test_not_takes_away_wherever_it_stands(a: str, b: str, environment: str | None) -> None:
    left = names(a, environment=environment) - names(b, environment=environment)
    assert names(a, f"!{b}", environment=environment) == left
    assert names(f"!{b}", a, environment=environment) == left
    assert names(f"{a} & !{b}", environment=environment) == left


@given(words, environments)
def test_not_alone_is_all_others(a: str, environment: str | None) -> None:
    assert names(f"!{a}", environment=environment) == names(environment=environment) - names(a, environment=environment)


@given(
    st.lists(st.text(alphabet="web-01*?[]:!&,@ tagenv", max_size=12), max_size=4), st.sampled_from(["tag", "target"])
)
def test_whatever_is_typed_selects_or_is_explained(items: list[str], bare: str) -> None:
    found: tuple[str, ...] = ()
    with contextlib.suppress(SelectError):
        found = select(parse(items, bare="tag" if bare == "tag" else "target"), INVENTORY, failed=())
    assert list(found) == [name for name in ALL if name in found]
