"""Reading an inventory: the file, what it includes, what its dynamic programs print (SPEC section 3)."""

from __future__ import annotations

import glob
import os

from octo_ssh.config.document import read_document
from octo_ssh.config.inventory_dynamic import read_dynamic
from octo_ssh.config.inventory_shapes import EnvironmentShape, IncludedShape, InventoryShape, TagShape
from octo_ssh.config.inventory_targets import Roster, build_targets, check_free_name
from octo_ssh.config.problems import Problems
from octo_ssh.config.schema import Shape, validate
from octo_ssh.config.values import BadValue, beside, folder_of, read_variables
from octo_ssh.errors import Position
from octo_ssh.model.inventory import Environment, Inventory, Tag, Target
from octo_ssh.model.values import Variables


def load_inventory(path: str | os.PathLike[str]) -> Inventory:
    """The inventory in a file. Every mistake of it and of its included files is in the FileErrors raised."""
    problems = Problems()
    inventory = read_inventory(path, problems)
    problems.raise_if_any()
    assert inventory is not None
    return inventory


def read_inventory(
    path: str | os.PathLike[str], problems: Problems, *, named_at: Position | None = None
) -> Inventory | None:
    """The inventory in a file, or None after adding every mistake. Runs the ``dynamic`` programs.

    ``named_at`` is where a plan names it, for a file that is not there.
    """
    file = os.fspath(path)
    before = len(problems)
    document = read_document(file, problems, named_at=named_at)
    shape = validate(document, InventoryShape, problems) if document is not None else None
    if shape is None:
        return None
    reader = _Reader(shape, problems)
    inventory = reader.inventory(file)
    return None if len(problems) > before else inventory


class _Reader:
    """Gathers what the files of one inventory say."""

    def __init__(self, shape: InventoryShape, problems: Problems) -> None:
        self.shape = shape
        self.problems = problems
        self.roster = Roster(problems)
        self.tags: dict[str, tuple[Position, Variables]] = {}
        self.is_whole = True
        """False once a file or a program could not be read: names it defines are then not known."""

    def inventory(self, file: str) -> Inventory:
        shape = self.shape
        self._add_tags(shape, shape.tags)
        self.roster.add(shape.targets, shape.keys_in("targets"))
        self._include(file)
        self._run_programs()
        environments = self._environments()
        if self.is_whole and not self.roster.drafts and not self.problems:
            self.problems.add(Position(file), "the inventory has no targets: add some at 'targets'")
        targets = build_targets(self.roster, shape.defaults, environments, is_whole=self.is_whole)
        return Inventory(
            path=file,
            known_hosts=os.path.expanduser(beside(shape.position, shape.known_hosts)),
            targets=targets,
            environments=environments,
            tags=self._all_tags(targets),
            variables=read_variables(shape.variables, self.problems),
        )

    def _environments(self) -> dict[str, Environment]:
        keys = self.shape.keys_in("environments")
        return {name: self._environment(name, keys[name], shape) for name, shape in self.shape.environments.items()}

    def _environment(self, name: str, position: Position, shape: EnvironmentShape) -> Environment:
        self._check_name(name, "environment", position)
        return Environment(
            name,
            position,
            confirm=shape.confirm,
            guided=shape.guided,
            variables=read_variables(shape.variables, self.problems),
        )

    def _check_name(self, name: str, kind: str, position: Position) -> None:
        try:
            check_free_name(name, kind)
        except BadValue as bad:
            self.problems.add(position, bad.message)

    def _add_tags(self, shape: Shape, tags: dict[str, TagShape]) -> None:
        keys = shape.keys_in("tags")
        for name, tag in tags.items():
            self._check_name(name, "tag", keys[name])
            first, _ = self.tags.setdefault(name, (keys[name], read_variables(tag.variables, self.problems)))
            if first != keys[name]:
                self.problems.add(keys[name], f"the tag '{name}' is defined twice: also at {first}, remove one")

    def _all_tags(self, targets: dict[str, Target]) -> dict[str, Tag]:
        named = dict.fromkeys([*self.tags, *(tag for target in targets.values() for tag in target.tags)])
        return {name: Tag(name, self.tags[name][1] if name in self.tags else {}) for name in named}

    def _include(self, file: str) -> None:
        seen = {os.path.realpath(file)}
        for index, pattern in enumerate(self.shape.include):
            at = self.shape.item_at("include", index)
            for path in self._included(beside(at, os.path.expanduser(pattern)), at):
                if os.path.realpath(path) not in seen:
                    seen.add(os.path.realpath(path))
                    self._read_included(path, at)

    def _included(self, pattern: str, at: Position) -> list[str]:
        if not glob.has_magic(pattern):
            return [pattern]
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            folder = pattern
            while glob.has_magic(folder):
                folder = os.path.dirname(folder)
            if folder and not os.path.isdir(folder):
                self.problems.add(at, f"the folder '{folder}' does not exist: check the path")
        return found

    def _read_included(self, path: str, at: Position) -> None:
        document = read_document(path, self.problems, named_at=at)
        shape = validate(document, IncludedShape, self.problems) if document is not None else None
        if shape is None:
            self.is_whole = False
            return
        self._add_tags(shape, shape.tags)
        self.roster.add(shape.targets, shape.keys_in("targets"))

    def _run_programs(self) -> None:
        for program in self.shape.dynamic:
            at = program.at("command")
            output = read_dynamic(program.command, folder_of(at), program.timeout, at, self.problems)
            if output is None:
                self.is_whole = False
            else:
                self.roster.add(output.targets, output.keys_in("targets"), data_only=True)
