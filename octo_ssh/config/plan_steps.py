"""Reading the steps of a plan: one kind each, names and ids that tell them apart, groups that hand on (SPEC section 4).

What a group says of ``env``, ``secrets`` and ``cwd`` holds for the steps inside: it is written into them here, where a
step's own word wins. ``become``, ``when``, ``on`` and ``variables`` of a group stay on the group, for whoever asks.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from typing import assert_never

from octo_ssh.config.document import Mapping, Node, Scalar, Sequence, read_bytes
from octo_ssh.config.plan_kinds import SHAPES, kind_of, only_own_keys
from octo_ssh.config.plan_probes import read_probe, read_rolling
from octo_ssh.config.plan_shapes import (
    ActingShape,
    BecomeStepShape,
    CheckShape,
    GroupShape,
    PackageStepShape,
    RunShape,
    StepShape,
)
from octo_ssh.config.problems import Problems, nearest, quoted_list
from octo_ssh.config.schema import validate
from octo_ssh.config.values import BadValue, beside, check_variable_name, not_built, read_expr, read_variables
from octo_ssh.errors import Position
from octo_ssh.model.plan import (
    BecomeAs,
    CheckStep,
    FileScript,
    GroupStep,
    InlineScript,
    PackageScript,
    PackageStep,
    Retry,
    RunStep,
    Step,
    StepKind,
    Text,
    When,
)
from octo_ssh.model.values import Expr, Template

MAX_SCRIPT_BYTES = 1 << 20
MAX_NAME = 100
_ID = re.compile(r"[a-z_][a-z0-9_]*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the groups around a step hand on to it."""

    env: MappingOf[str, Expr] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    cwd: Text | None = None
    becomes: bool = False
    rolls: bool = False


class StepReader:
    """Reads all steps of one plan. Mistakes are added to ``problems``; a step that has any is left out."""

    def __init__(self, packages: tuple[str, ...], problems: Problems) -> None:
        self.packages = packages
        self.problems = problems
        self.used_packages: set[str] = set()
        self.places: dict[tuple[str, str], Position] = {}
        """Where a word of a step's ``on`` or ``secrets`` stands: by step id and ``on:WORD``, ``secrets:WORD``."""
        self._names: dict[str, Position] = {}
        self._ids: dict[str, str] = {}

    def steps(self, node: Node | None, inherited: Inherited) -> tuple[Step, ...]:
        """The list at a ``steps`` key."""
        if not isinstance(node, Sequence):
            if node is not None:
                self.problems.add(node.position, "'steps' must be a list: write each step after a '- '")
            return ()
        if not node.items:
            self.problems.add(node.position, "'steps' is empty: add a step")
        found = [self._step(item, inherited) for item in node.items]
        return tuple(step for step in found if step is not None)

    def _step(self, node: Node, inherited: Inherited) -> Step | None:
        if not isinstance(node, Mapping):
            self.problems.add(node.position, "a step must be a map: name: …, and what it does")
            return None
        before = len(self.problems)
        kind = kind_of(node, self.problems)
        if kind is None:
            return None
        shape = validate(only_own_keys(node, kind, self.problems), SHAPES[kind], self.problems)
        if shape is None:
            if kind == "steps":
                self.steps(node.get("steps"), inherited)
            return None
        step = self._common(shape, inherited)
        match shape:
            case GroupShape():
                step = replace(step, kind=self._group(shape, step, inherited))
            case RunShape() | CheckShape() | PackageStepShape():
                step = replace(
                    step,
                    kind=self._act(shape),
                    once=shape.once,
                    timeout_s=self._timeout_s(shape),
                    retry=Retry(shape.retry.times, shape.retry.delay) if shape.retry else Retry(),
                )
        return step if len(self.problems) == before else None

    def _common(self, shape: StepShape, inherited: Inherited) -> Step:
        """The keys of any step; its kind is still to be read."""
        step_id = self._identify(shape)
        for key, words in (("on", shape.on), ("secrets", shape.secrets)):
            for index, word in enumerate(words):
                self.places[step_id, f"{key}:{word}"] = shape.item_at(key, index)
        if "controller" in shape.on:
            self.problems.add(shape.at("on"), not_built("'on: controller'"))
        return Step(
            name=shape.name,
            id=step_id,
            kind=GroupStep(()),
            position=shape.position,
            on=shape.on,
            allow_empty=shape.allow_empty,
            when=self._when(shape),
            become=self._become(shape, inherited),
            variables=read_variables(shape.variables, self.problems),
            env={**inherited.env, **self._env(shape.env)},
            secrets=tuple(dict.fromkeys((*inherited.secrets, *shape.secrets))),
            cwd=inherited.cwd if shape.cwd is None else shape.cwd,
            max_parallel=shape.max_parallel,
        )

    def _identify(self, shape: StepShape) -> str:
        """The step's id, after looking whether name and id are its own."""
        name, at = shape.name, shape.at("name")
        if len(name) > MAX_NAME or not name.isprintable():
            self.problems.add(at, f"a step's name must be one line of at most {MAX_NAME} printable characters")
        if (first := self._names.setdefault(name, at)) != at:
            self.problems.add(at, f"two steps are called '{name}': the first is at {first}, rename one")
            return slug(name)
        if shape.id is not None and not _ID.fullmatch(shape.id):
            self.problems.add(shape.at("id"), "'id' must be lower-case letters, digits and '_', no digit first")
        step_id = shape.id or slug(name)
        if not step_id:
            self.problems.add(at, f"no id can be made of the name '{name}': add one, id: …")
        elif (other := self._ids.setdefault(step_id, name)) != name:
            self.problems.add(
                shape.at("id") if shape.id else at,
                f"the steps '{other}' and '{name}' both have the id '{step_id}': give one another, id: …",
            )
        return step_id

    def _when(self, shape: StepShape) -> When | Template:
        words = [word.value for word in When]
        match shape.when:
            case Template() as template:
                return template
            case "rollback":
                self.problems.add(shape.at("when"), not_built("'when: rollback'"))
            case str(word) if word in words:
                return When(word)
            case word:
                hint = nearest(word, words) or f": use {quoted_list(words)}, or a template"
                self.problems.add(shape.at("when"), f"'{word}' is no word for 'when'{hint}")
        return When.SUCCESS

    def _become(self, shape: StepShape, inherited: Inherited) -> BecomeAs | None:
        match shape.become:
            case None:
                return None
            case Scalar(value=True):
                return BecomeAs()
            case Scalar(value=False):
                if inherited.becomes:
                    message = "a group around this step has 'become', which this cannot undo: move it to the steps"
                    self.problems.add(shape.key_at("become"), message)
                return None
            case Mapping() as node:
                user = validate(node, BecomeStepShape, self.problems)
                if user and not _USER.fullmatch(user.user):
                    self.problems.add(user.at("user"), f"'{user.user}' cannot be the name of a user")
                return BecomeAs(user.user) if user else None
            case node:
                self.problems.add(node.position, "'become' must be true, or a map: {user: postgres}")
                return None

    def _env(self, node: Node | None) -> dict[str, Expr]:
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return {}
        if not isinstance(node, Mapping):
            self.problems.add(node.position, "'env' must be a map: NAME: value")
            return {}
        for name, entry in node.items.items():
            try:
                if not _ENV_NAME.fullmatch(name):
                    raise BadValue(f"'{name}' cannot be the name of an environment variable: use letters, digits, '_'")
                check_variable_name(name)
            except BadValue as bad:
                self.problems.add(entry.key, bad.message)
        return {name: read_expr(entry.value, self.problems, nested=True) for name, entry in node.items.items()}

    def _timeout_s(self, shape: ActingShape) -> float:
        if shape.timeout <= 0:
            self.problems.add(shape.at("timeout"), "'timeout' must be longer than nothing")
        return shape.timeout

    def _group(self, shape: GroupShape, step: Step, inherited: Inherited) -> GroupStep:
        rolling = read_rolling(shape.rolling, self.problems) if shape.rolling else None
        if rolling and inherited.rolls:
            self.problems.add(shape.key_at("rolling"), "a group around this one rolls already: remove one 'rolling'")
        handed_on = Inherited(
            env=step.env,
            secrets=step.secrets,
            cwd=step.cwd,
            becomes=inherited.becomes or step.become is not None,
            rolls=inherited.rolls or rolling is not None,
        )
        for word in step.secrets:
            self.places.setdefault((step.id, f"secrets:{word}"), step.position)
        return GroupStep(self.steps(shape.steps, handed_on), rolling)

    def _act(self, shape: RunShape | CheckShape | PackageStepShape) -> StepKind:
        match shape:
            case RunShape():
                return RunStep(self._script(shape))
            case CheckShape():
                return CheckStep(read_probe(shape.check, self.problems))
            case PackageStepShape():
                return self._package(shape)
            case _:
                assert_never(shape)

    def _script(self, shape: RunShape) -> InlineScript | FileScript | PackageScript:
        if shape.run is not None:
            return InlineScript(shape.run)
        word, at = shape.script or "", shape.at("script")
        name, colon, path = word.partition(":")
        if colon and "/" not in name:
            self._check_package(name, at)
            self._check_inner(path, at, "'script' after PACKAGE:")
            return PackageScript(name, path)
        file = beside(at, word)
        content = read_bytes(os.path.expanduser(file), self.problems, named_at=at) or b""
        return FileScript(file, self._script_text(content, at))

    def _script_text(self, content: bytes, at: Position) -> str:
        if len(content) > MAX_SCRIPT_BYTES:
            self.problems.add(at, f"the script is larger than {MAX_SCRIPT_BYTES >> 20} MiB: put it into a package")
        if b"\0" in content:
            self.problems.add(at, "the file is no script: it holds a NUL byte")
        if content.partition(b"\n")[0].endswith(b"\r"):
            self.problems.add(at, "the script has Windows line ends, which no shell reads: convert it, with dos2unix")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            self.problems.add(at, "the script is not UTF-8: convert it")
            return ""

    def _package(self, shape: PackageStepShape) -> PackageStep:
        self._check_package(shape.package, shape.at("package"))
        self.used_packages.add(shape.package)
        for key, paths in (("shared", shape.shared), ("configure", shape.configure)):
            for index, path in enumerate(paths):
                self._check_inner(path, shape.item_at(key, index), f"each of '{key}'")
        self._check_shared(shape)
        if isinstance(shape.to, str) and (reason := place_problem(shape.to)) is not None:
            self.problems.add(shape.at("to"), reason)
        return PackageStep(
            package=shape.package,
            to=shape.to,
            keep=shape.keep,
            shared=tuple(path.rstrip("/") for path in shape.shared),
            configure=shape.configure,
            activate=shape.activate,
            verify=read_probe(shape.verify, self.problems) if shape.verify else None,
        )

    def _check_package(self, name: str, at: Position) -> None:
        if name not in self.packages:
            known = quoted_list(self.packages)
            hint = nearest(name, self.packages) or (f": known are {known}" if known else ": the plan has no 'packages'")
            self.problems.add(at, f"there is no package '{name}' in this plan{hint}")

    def _check_inner(self, path: str, at: Position, what: str) -> None:
        parts = path.rstrip("/").split("/")
        if path.startswith(("/", "~")) or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
            self.problems.add(at, f"{what} must be a path inside the package: relative, without '.', '..' or '//'")

    def _check_shared(self, shape: PackageStepShape) -> None:
        paths = [path.rstrip("/") for path in shape.shared]
        for index, path in enumerate(paths):
            for other in paths[:index]:
                if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/"):
                    message = f"'{path}' and '{other}' are both shared, and one holds the other: keep one"
                    self.problems.add(shape.item_at("shared", index), message)


def place_problem(path: str) -> str | None:
    """What keeps a path from being a package's ``to``; None: nothing."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or parts in ([], ["~"]) or not path.isprintable() or (path[:1] == "~" and path[1:2] != "/"):
        return "'to' must be a folder of its own: absolute, or in the home (~/…), without '..'"
    return None


def slug(name: str) -> str:
    """A step's id, made from its name: ``Migrate database`` gives ``migrate_database``; empty if nothing is left."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    found = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return f"step_{found}" if found[:1].isdigit() else found
