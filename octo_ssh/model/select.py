"""Selecting targets: one grammar for ``on``, ``--limit``, ``--exclude`` and every SELECTOR (SPEC section 4).

::

    web-01   web-*   web-[01:05]     targets (in ``on``: tags), by name, glob or range
    target:web-01   tag:web   env:staging   @failed   all
    a & b                            in both
    !c                               not in it
    a, b                             two items

A list of items is the union of its plain items less its ``!`` items; with ``!`` items alone, all less those.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, assert_never

from octo_ssh.model.inventory import Inventory
from octo_ssh.model.ranges import RangeError, expand, is_range
from octo_ssh.model.words import nearest, quoted_list

RESERVED_NAMES = frozenset({"all", "none", "controller", "default"})
"""Words that name no target, tag or environment: they have or may get a meaning of their own."""


class SelectError(ValueError):
    """A selector that cannot be read, or that names what the inventory does not have; with what to do."""


class Kind(enum.Enum):
    """What a word of a selector is looked up in."""

    TARGET = "target"
    TAG = "tag"
    ENVIRONMENT = "env"
    FAILED = "@failed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Term:
    """One word. ``negated``: every target but those."""

    kind: Kind
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Selector:
    """A list of items, each the intersection of its terms. No items select everybody."""

    items: tuple[tuple[Term, ...], ...]


_PREFIXES = {kind.value: kind for kind in (Kind.TARGET, Kind.TAG, Kind.ENVIRONMENT)}
_WORD = re.compile(r"[A-Za-z0-9_.*?\[\]:!^-]+")


def parse(items: Sequence[str], *, bare: Literal["tag", "target"]) -> Selector:
    """Read items as written. ``bare``: what a word without a prefix names. SelectError says what is wrong."""
    pieces = [piece for item in items for piece in item.split(",")]
    if items and not any(piece.strip() for piece in pieces):
        raise SelectError("an empty selector selects nobody: name a target, a tag or an environment")
    return Selector(tuple(_item(piece, Kind(bare)) for piece in pieces if piece.strip()))


def select(
    selector: Selector,
    inventory: Inventory,
    *,
    environment: str | None = None,
    failed: Collection[str] | None = None,
) -> tuple[str, ...]:
    """The names of the selected targets, in the inventory's order; possibly none.

    With ``environment``, only its targets. ``failed`` is what ``@failed`` stands for; None: nothing is known.
    A name, tag or environment that the inventory does not have raises SelectError; so does a glob that matches nothing.
    """
    within = {
        name: target
        for name, target in inventory.targets.items()
        if environment is None or environment in target.environments
    }
    plain: set[str] = set()
    excluded: set[str] = set()
    any_plain = False
    for terms in selector.items:
        found = set(within)
        for term in terms:
            named = _matching(term, inventory, failed)
            found &= named if not term.negated or len(terms) == 1 else inventory.targets.keys() - named
        if len(terms) == 1 and terms[0].negated:
            excluded |= found
        else:
            any_plain = True
            plain |= found
    chosen = (plain if any_plain else set(within)) - excluded
    return tuple(name for name in within if name in chosen)


def _item(text: str, bare: Kind) -> tuple[Term, ...]:
    return tuple(_term(word.strip(), text.strip(), bare) for word in text.split("&"))


def _term(word: str, item: str, bare: Kind) -> Term:
    negated = word.startswith("!")
    name = word.removeprefix("!").lstrip()
    if not name:
        raise SelectError(f"a word is missing in '{item}': write a name on both sides of '&' and after '!'")
    if name.startswith("@"):
        if name != Kind.FAILED.value:
            raise SelectError(f"'{name}' selects nothing{nearest(name, [Kind.FAILED.value])}: write @failed")
        return Term(Kind.FAILED, name, negated)
    if name == Kind.ALL.value:
        return Term(Kind.ALL, name, negated)
    kind, pattern = bare, name
    prefix, colon, rest = name.partition(":")
    if colon and not ("[" in prefix and "]" in rest):
        if prefix not in _PREFIXES:
            known = nearest(prefix, _PREFIXES) or ": known are 'target:', 'tag:' and 'env:'"
            raise SelectError(f"unknown prefix '{prefix}:' in '{item}'{known}")
        kind, pattern = _PREFIXES[prefix], rest
    if not _WORD.fullmatch(pattern) or pattern.startswith("!"):
        raise SelectError(f"'{name}' cannot be read: join words with '&', and items with ','")
    return Term(kind, pattern, negated)


def _matching(term: Term, inventory: Inventory, failed: Collection[str] | None) -> set[str]:
    """The targets of the whole inventory that a term names, before its ``!``."""
    targets = inventory.targets
    match term.kind:
        case Kind.ALL:
            return set(targets)
        case Kind.FAILED:
            if failed is None:
                raise SelectError("'@failed' needs a last run: none is recorded for this plan")
            return set(targets) & set(failed)
        case Kind.TARGET:
            return _known(term, targets, inventory)
        case Kind.TAG:
            named = _known(term, inventory.tags, inventory)
            return {name for name, target in targets.items() if not named.isdisjoint(target.tags)}
        case Kind.ENVIRONMENT:
            named = _known(term, inventory.environments, inventory)
            return {name for name, target in targets.items() if not named.isdisjoint(target.environments)}
        case _:
            assert_never(term.kind)


_NOUN = {Kind.TARGET: "target", Kind.TAG: "tag", Kind.ENVIRONMENT: "environment"}


def _known(term: Term, names: Mapping[str, object], inventory: Inventory) -> set[str]:
    """The names a term's name, range or glob stands for; at least one, or SelectError."""
    try:
        patterns = expand(term.pattern) if is_range(term.pattern) else (term.pattern,)
    except RangeError as error:
        raise SelectError(str(error)) from None
    found: set[str] = set()
    for pattern in patterns:
        matched = {pattern} & names.keys() or {
            name for name in names if _is_glob(pattern) and fnmatchcase(name, pattern)
        }
        if not matched:
            raise SelectError(_unknown(term.kind, pattern, names, inventory))
        found |= matched
    return found


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _unknown(kind: Kind, word: str, names: Mapping[str, object], inventory: Inventory) -> str:
    noun = _NOUN[kind]
    if _is_glob(word):
        return f"'{word}' matches no {noun} of the inventory"
    elsewhere: Mapping[Kind, Collection[str]] = {
        Kind.TARGET: inventory.targets,
        Kind.TAG: inventory.tags,
        Kind.ENVIRONMENT: inventory.environments,
    }
    for other, others in elsewhere.items():
        if other is not kind and word in others:
            return f"unknown {noun} '{word}': for the {_NOUN[other]}, write '{other.value}:{word}'"
    known = f": known are {quoted_list(names)}" if names else ": the inventory has none"
    return f"unknown {noun} '{word}'{nearest(word, names) or known}"
