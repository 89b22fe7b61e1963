"""From the shapes of targets to targets: ranges, defaults, templates, names that must be known (SPEC section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from octo_ssh.config import templates
from octo_ssh.config.document import Mapping as MappingNode
from octo_ssh.config.document import Node
from octo_ssh.config.inventory_jump import check_host, check_user, parse_hop, refuse_cycles, shared_jump
from octo_ssh.config.inventory_shapes import BecomeShape, TargetShape
from octo_ssh.config.problems import Problems, nearest
from octo_ssh.config.values import BadValue, beside, check_name, not_built, read_secret, read_variables
from octo_ssh.errors import Position
from octo_ssh.model.inventory import Become, Fallback, Hop, Target
from octo_ssh.model.ranges import RangeError, expand
from octo_ssh.model.select import RESERVED_NAMES
from octo_ssh.model.values import SecretRef, Template, Variables

MAX_TARGETS = 20_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A target that a file defines: its name is known, what it says is not read yet."""

    name: str
    position: Position
    shape: TargetShape
    data_only: bool
    """From a dynamic inventory: nothing in it is a template."""


@dataclass(slots=True)
class Roster:
    """Every target defined so far, by name, in the order of the files."""

    problems: Problems
    drafts: dict[str, Draft] = field(default_factory=dict)

    def add(self, shapes: Mapping[str, TargetShape], keys: Mapping[str, Position], *, data_only: bool = False) -> None:
        """Take in the ``targets`` of one file. ``keys``: where each name stands."""
        for written, shape in shapes.items():
            for name in self._names(written, keys[written]):
                known = self.drafts.setdefault(name, Draft(name, keys[written], shape, data_only))
                if known.shape is not shape:
                    self.problems.add(
                        keys[written], f"the target '{name}' is defined twice: also at {known.position}, remove one"
                    )

    def _names(self, written: str, position: Position) -> tuple[str, ...]:
        try:
            names = expand(written)
            for name in names:
                check_free_name(name, "target")
        except (RangeError, BadValue) as error:
            self.problems.add(position, str(error))
            return ()
        if len(self.drafts) + len(names) > MAX_TARGETS:
            self.problems.add(position, f"the inventory has more than {MAX_TARGETS:,} targets: split it")
            return ()
        return names


def check_free_name(name: str, kind: str) -> str:
    """A name of the inventory, which no word of the grammar takes; BadValue otherwise."""
    if name in RESERVED_NAMES:
        raise BadValue(f"'{name}' is a word of octo-ssh: choose another name for this {kind}")
    return check_name(name, kind)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all targets of an inventory have in common."""

    defaults: TargetShape | None
    environments: Collection[str]
    names: Collection[str] | None
    """The targets that a jump may name; None: some file could not be read, so that nobody knows."""


def build_targets(
    roster: Roster, defaults: TargetShape | None, environments: Collection[str], *, is_whole: bool
) -> dict[str, Target]:
    """All targets, with what ``defaults`` adds; mistakes are added to the roster's problems.

    ``is_whole`` is false when some targets are not known, since their file could not be read.
    """
    problems = roster.problems
    around = Surroundings(defaults, environments, roster.drafts if is_whole else None)
    shared = read_variables(defaults.variables, problems) if defaults is not None else {}
    targets: dict[str, Target] = {}
    broken: set[int] = set()
    for draft in roster.drafts.values():
        if id(draft.shape) in broken:
            continue
        before = len(problems)
        targets[draft.name] = _Builder(draft, around, shared, problems).target()
        if len(problems) > before:
            broken.add(id(draft.shape))
    if not problems:
        refuse_cycles(targets, problems)
    return targets


_HOST_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


class _Builder:
    """One target out of its draft and the defaults."""

    def __init__(self, draft: Draft, around: Surroundings, shared: Variables, problems: Problems) -> None:
        self.draft = draft
        self.own = draft.shape
        self.defaults = around.defaults
        self.around = around
        self.shared = shared
        self.problems = problems
        self.tags = self._checked_words("tags")
        self.within = self._checked_words("environments")
        self.names = {"name": draft.name, "tags": self.tags, "environments": self.within}

    def target(self) -> Target:
        own = self.own
        return Target(
            name=self.draft.name,
            position=self.draft.position,
            host=self._text(own, "host", own.host, check_host),
            user=self._text(own, "user", own.user, check_user),
            port=own.port,
            identity=self._identity(own),
            identity_passphrase=self._secret("identity_passphrase"),
            jump=self._jump(own),
            host_key=self._host_key(),
            ssh_config=self._ssh_config(),
            root=self._root(),
            become=self._become(),
            environments=self.within,
            tags=self.tags,
            variables=self._variables(),
            fallback=self._fallback(),
        )

    def _fallback(self) -> Fallback:
        shape = self.defaults
        if shape is None:
            return Fallback()
        hops = self._jump(shape)
        return Fallback(
            host=self._text(shape, "host", shape.host, check_host),
            user=self._text(shape, "user", shape.user, check_user),
            port=shape.port,
            identity=self._identity(shape),
            jump=hops and shared_jump(self.draft.name, hops),
        )

    def _layer(self, key: str) -> TargetShape:
        """Who says a key: the target, or else the defaults."""
        return self.defaults if self.defaults is not None and not self.own.has(key) else self.own

    def _layers(self) -> Iterator[TargetShape]:
        """The target, then the defaults."""
        yield self.own
        if self.defaults is not None:
            yield self.defaults

    def _rendered(self, value: str | Template) -> str | None:
        try:
            return templates.render_text(value, self.names)
        except templates.TemplateProblem as problem:
            self.problems.add(problem.position, problem.message)
            return None

    def _text(
        self, shape: TargetShape | BecomeShape, key: str, value: str | Template | None, check: Callable[[str], str]
    ) -> str | None:
        """A text of a shape, rendered and checked."""
        if value is None:
            return None
        checked: str | None = self._checked(self._rendered(value), check, shape.at(key))
        return checked

    def _checked(self, text: str | None, check: Callable[[str], Any], position: Position) -> Any:
        if text is None:
            return None
        try:
            return check(text)
        except BadValue as bad:
            self.problems.add(position, bad.message)
            return None

    def _checked_words(self, key: str) -> tuple[str, ...]:
        """``tags`` or ``environments``: each once, each a name, each environment known."""
        layer = self._layer(key)
        words: tuple[str, ...] = getattr(layer, key)
        for index, word in enumerate(words):
            position = layer.item_at(key, index)
            if word in words[:index]:
                self.problems.add(position, f"'{word}' stands in '{key}' twice: remove one")
            elif key == "tags":
                self._checked(word, lambda text: check_free_name(text, "tag"), position)
            elif word not in self.around.environments:
                hint = nearest(word, self.around.environments) or ": add it to 'environments' of the inventory"
                self.problems.add(position, f"unknown environment '{word}'{hint}")
        return words

    def _identity(self, shape: TargetShape) -> tuple[str, ...]:
        found: list[str] = []
        for index, value in enumerate(shape.identity):
            text = self._rendered(value)
            if text == "":
                self.problems.add(shape.item_at("identity", index), "'identity' must name a file: it is empty")
            elif text is not None:
                found.append(beside(shape.position, text))
        return tuple(found)

    def _jump(self, shape: TargetShape) -> tuple[Hop, ...] | None:
        known = self.around.names
        if shape.jump is None or known is None:
            return None
        if shape.jump == ("none",):
            return ()
        hops: list[Hop] = []
        for index, value in enumerate(shape.jump):
            position = shape.item_at("jump", index)
            hop = self._checked(self._rendered(value), lambda text: parse_hop(text, known), position)
            if hop is None:
                continue
            if hop in hops:
                self.problems.add(position, f"the jump '{hop.name}' stands here twice: remove one")
            if shape is self.own and hop.is_target and hop.name == self.draft.name:
                self.problems.add(position, f"'{hop.name}' cannot be its own jump host: remove it")
            hops.append(hop)
        return tuple(hops)

    def _host_key(self) -> str | None:
        layer = self._layer("host_key")
        text = layer.host_key
        if text is None:
            return None
        if not _HOST_KEY.fullmatch(text):
            self.problems.add(
                layer.at("host_key"),
                f"'{text}' is no fingerprint: write SHA256: and the 43 characters that 'ssh-keygen -lf KEY.pub' shows",
            )
        return text.rstrip("=")

    def _ssh_config(self) -> str | None:
        layer = self._layer("ssh_config")
        text = self._rendered(layer.ssh_config) if layer.ssh_config is not None else None
        if text is None or text == "none":
            return text
        if not text:
            self.problems.add(layer.at("ssh_config"), "'ssh_config' must be a path, or none: it is empty")
        return beside(layer.position, text)

    def _root(self) -> str:
        layer = self._layer("root")
        return self._text(layer, "root", layer.root, check_root) or "~/.octo-ssh"

    def _become(self) -> Become:
        user, password = "root", None
        for shape in reversed([layer.become for layer in self._layers() if layer.become is not None]):
            if shape.has("user"):
                user = self._text(shape, "user", shape.user, check_user) or user
            if shape.password is not None:
                password = self._sourced(shape.password, "password")
        return Become(user, password)

    def _secret(self, key: str) -> SecretRef | None:
        node: Node | None = getattr(self._layer(key), key)
        return None if node is None else self._sourced(node, key)

    def _sourced(self, node: Node, key: str) -> SecretRef | None:
        source = node.get("secret") if isinstance(node, MappingNode) and len(node.items) == 1 else None
        if isinstance(node, MappingNode) and "prompt" in node.items:
            self.problems.add(node.items["prompt"].key, not_built("'prompt'"))
            return None
        if source is None:
            self.problems.add(node.position, f"'{key}' never stands in a file: write {{secret: {{env: NAME}}}}")
            return None
        return read_secret(source, self.problems)

    def _variables(self) -> Variables:
        own = read_variables(self.own.variables, self.problems, data_only=self.draft.data_only)
        return {**self.shared, **own}


def check_root(text: str) -> str:
    """The folder of octo-ssh on a target; BadValue for a path that is neither absolute nor in the home."""
    if not text.startswith(("/", "~/")) or ".." in text.split("/") or not text.strip("/~"):
        raise BadValue(f"'{text}' cannot be 'root': write an absolute path, or one in the home (~/.octo-ssh)")
    if not text.isprintable():
        raise BadValue("'root' holds a character that cannot be printed: remove it")
    return text.rstrip("/")
